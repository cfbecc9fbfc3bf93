"""Text from operators, fit to be stored and logged, and text as their prompts and firewalls take it.

What comes from outside may contain a phone number, a token, or characters that PostgreSQL does not store; none of
these leaves here.
"""

import json
import re
import unicodedata
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

from payments.http_call import Answer

CODE_LENGTH_MAX: Final = 60
EVIDENCE_LENGTH_MAX: Final = 4000
COUNTRY_CODE_LENGTH: Final = 3
_NOT_A_CODE: Final = re.compile(r"[^A-Za-z0-9_ .:-]")
_LONG_NUMBER: Final = re.compile(r"\d{8,}")
_NOT_AN_IDENTIFIER: Final = re.compile(r"[^A-Za-z0-9_.-]")
_SHORTEST_HIDDEN: Final = 6
_HIDDEN: Final = "••••"
_NO_LIFE: Final = frozenset({401, 403, 408, 429})
# Letters that do not decompose into one of ASCII and a mark.
_LIGATURES: Final = str.maketrans({"œ": "oe", "Œ": "OE", "æ": "ae", "Æ": "AE", "ß": "ss", "ø": "o", "Ø": "O"})


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object in a body; empty for anything else. Fractions are read as Decimal."""
    try:
        read = json.loads(body, parse_float=Decimal)
    except (ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


def read_list(body: bytes) -> list[Any]:
    """The JSON list in a body; empty for anything else."""
    try:
        read = json.loads(body, parse_float=Decimal)
    except (ValueError, RecursionError):
        return []
    return read if isinstance(read, list) else []


def is_page(answer: Answer) -> bool:
    """Whether a page for people came in place of an answer for programs."""
    return answer.content_type in ("text/html", "application/xhtml+xml") or answer.body.lstrip()[:1] == b"<"


def shows_life(outcome: object) -> bool:
    """Whether an operator that was asked about something that does not exist is up, and knows us: any answer but a
    fault of its own, a refusal of our account, or too many calls."""
    if not isinstance(outcome, Answer) or is_page(outcome):
        return False
    return outcome.status < 500 and outcome.status not in _NO_LIFE


def plain_code(value: object, default: str = "") -> str:
    """An operator's code as we keep it: short, plain, without long numbers."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return default
    text = _NOT_A_CODE.sub("?", str(value)[:CODE_LENGTH_MAX].strip())
    return _LONG_NUMBER.sub(_HIDDEN, text) or default


def identifier(value: object) -> str | None:
    """An operator's number of a transaction, which may be text or a JSON number; None when absent."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return _NOT_AN_IDENTIFIER.sub("", str(value)[:CODE_LENGTH_MAX]) or None


def decimal_text(value: object) -> str:
    """An amount as text, whether it came as text or as a JSON number; empty for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return ""
    return str(value)[:CODE_LENGTH_MAX]


def evidence(body: bytes, hidden: Iterable[str]) -> str:
    """The answer as it is kept with the payment, without the values that must be `hidden`."""
    text = body.decode("utf-8", "replace").replace("\x00", "")
    for value in hidden:
        if len(value) >= _SHORTEST_HIDDEN:
            text = text.replace(value, _HIDDEN)
    return text[:EVIDENCE_LENGTH_MAX]


def number_forms(e164: str | None) -> list[str]:
    """How an answer may show a phone number: international, and without the country's code."""
    digits = (e164 or "").removeprefix("+")
    return [digits, digits[COUNTRY_CODE_LENGTH:]]


def plain_words(text: str, longest: int) -> str:
    """At most `longest` ASCII letters, digits and single spaces; accents folded, anything else a space."""
    plain = unicodedata.normalize("NFKD", text.translate(_LIGATURES))
    unmarked = "".join(c for c in plain if not unicodedata.combining(c))
    kept = "".join(c if c.isascii() and c.isalnum() else " " for c in unmarked)
    return " ".join(kept.split())[:longest].rstrip()
