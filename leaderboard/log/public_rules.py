"""The rules of a contest as its log has them: one document of all that a voter and a candidate rely on."""

from hashlib import sha256
from typing import Any, Final

from gateway.contests.contest import Contest
from gateway.contests.rules import canonical, rules_document

FORMAT: Final = "spotlight public rules 1"
# How votes become a ranking, where no rule says more: most votes win.
FORMULA: Final = "votes"


def public_rules(contest: Contest) -> dict[str, Any]:
    """The document, with every candidate of whom voters may read. Amounts in minor units, times in UTC."""
    return {
        "formula": FORMULA,
        **rules_document(contest),
        "format": FORMAT,
        "name": contest.name,
        "country": contest.country,
        "candidates": [
            {"code": one.code, "name": one.name, "category": one.category, "status": one.status.value}
            for one in sorted(contest.candidates, key=lambda one: one.code)
            if one.public
        ],
    }


def text_of(document: dict[str, Any]) -> str:
    """The document as it is published."""
    return canonical(document).decode()


def digest_of(text: str) -> str:
    """What a leaf says of it: SHA-256 in hexadecimal."""
    return sha256(text.encode()).hexdigest()
