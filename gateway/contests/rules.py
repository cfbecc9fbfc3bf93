"""The rules of a contest: what a voter relied on when they paid. Each change of them is a version of its own.

A vote goes for ever by the version under which it was placed. Name, texts, contact and pictures are no rules.
"""

from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

import orjson

# pydantic reads the schema of an answer from it, and wants this kind before Python 3.12.
from typing_extensions import TypedDict

from gateway.contests.contest import Contest

FORMAT: Final = "spotlight rules 1"
# The most that a juror gives a candidate.
POINTS_MAX: Final = 100


def rules_document(contest: Contest) -> dict[str, Any]:
    """The rules of a contest as they are published. Amounts in minor units, times in UTC. A rule that the contest does
    not have is left out, so that a kind of rule that is new makes no version of contests that do not use it."""
    document = {
        "format": FORMAT,
        "contest": contest.slug,
        "currency": contest.currency,
        "price_minor": contest.price.amount_minor,
        "packs": list(contest.packs),
        "quantity_max": contest.quantity_max,
        "confirm_above": contest.confirm_above,
        "opens_at": _instant(contest.opens_at),
        "closes_at": _instant(contest.closes_at),
        "late_seconds": contest.late_seconds,
        "tie_break": contest.tie_break.value,
        "refund_days": contest.refund_days,
        "formula": formula_of(contest.jury_percent),
        "rounds": [
            {
                "number": one.number,
                "opens_at": _instant(one.opens_at),
                "closes_at": _instant(one.closes_at),
                "fresh": one.fresh,
            }
            for one in contest.rounds
        ],
    }
    return {name: value for name, value in document.items() if value not in (None, [])}


def canonical(document: dict[str, Any]) -> bytes:
    """The one text of a document: JSON in UTF-8 without spaces, keys in order (RFC 8785, where numbers are whole)."""
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)


def digest(document: dict[str, Any]) -> bytes:
    """SHA-256 of its canonical text."""
    return sha256(canonical(document)).digest()


class Formula(TypedDict):
    """How votes and a jury's points become a result, see `leaderboard.jury`. Parts in percent; `points_max`: the most
    points that a juror gives a candidate."""

    votes_percent: int
    jury_percent: int
    points_max: int


def formula_of(jury_percent: int | None) -> Formula | None:
    """The formula of a contest whose jury has this part; None: by votes alone."""
    if jury_percent is None:
        return None
    return {"votes_percent": 100 - jury_percent, "jury_percent": jury_percent, "points_max": POINTS_MAX}


def _instant(at: datetime) -> str:
    return f"{at.astimezone(UTC).isoformat().removesuffix('+00:00')}Z"
