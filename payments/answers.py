"""Operators' answers: taken apart, made fit to be stored and logged, and what they mean where they have no word of
their own; and text as prompts and firewalls take it.

What comes from outside may contain a phone number, a token, or characters that PostgreSQL does not store; none of
these leaves here.
"""

import hashlib
import hmac
import json
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping
from decimal import Decimal
from typing import Any, Final, TypeVar
from uuid import UUID

import structlog
from pydantic import SecretStr

from gateway.values.money import Money, parse_amount
from payments.http_call import Answer, Outcome
from payments.provider import NotSent, PayerReason, Rejected, Succeeded, Unavailable, Unknown

CODE_LENGTH_MAX: Final = 60
EVIDENCE_LENGTH_MAX: Final = 4000
COUNTRY_CODE_LENGTH: Final = 3
_NOT_A_CODE: Final = re.compile(r"[^A-Za-z0-9_ .:-]")
_LONG_NUMBER: Final = re.compile(r"\d{8,}")
_NOT_AN_IDENTIFIER: Final = re.compile(r"[^A-Za-z0-9_.-]")
_SHORTEST_HIDDEN: Final = 6
_HIDDEN: Final = "••••"
_NO_LIFE: Final = frozenset({401, 403, 408, 429})
_ORDER_CODE: Final = re.compile(r"[A-Z0-9]{4,20}")
FIREWALL: Final = frozenset({200, 400, 403})
"""Statuses of the page that a firewall answers with where it does not like a text or the User-Agent."""
NO_PAYER: Final = Rejected("NO_PAYER", PayerReason.UNKNOWN_NUMBER)
WRONG_CURRENCY: Final = Rejected("CURRENCY", PayerReason.SERVICE_DOWN, alarm=True)
# Letters that do not decompose into one of ASCII and a mark.
_LIGATURES: Final = str.maketrans({"œ": "oe", "Œ": "OE", "æ": "ae", "Æ": "AE", "ß": "ss", "ø": "o", "Ø": "O"})
_DECODER: Final = json.JSONDecoder(parse_float=Decimal)
R = TypeVar("R")
_log = structlog.get_logger(__name__)


class Reply:
    """An operator's answer taken apart. Where none came, `status` is 0 and `found` is empty.

    `found`: the JSON object in it; `code`: the operator's own reason, as `code_of` finds it there; `shown`: status and
    code, for people. `page`: a page for people came in place of an answer for programs.
    """

    def __init__(
        self, outcome: Outcome, code_of: Callable[[Mapping[str, Any]], object] = lambda found: found.get("code")
    ) -> None:
        answer = outcome if isinstance(outcome, Answer) else Answer(0, b"", "")
        self._outcome = outcome
        self.status = answer.status
        self.body = answer.body
        self.page = is_page(answer)
        self.found = read_object(answer.body)
        self.code = plain_code(code_of(self.found))
        self.shown = f"{self.status} {self.code}".strip()

    def refusal(
        self, refused: Collection[int] = (400,), firewall: Collection[int] = (), *, ask_first: bool = True
    ) -> Rejected | NotSent | Unknown:
        """What became of a request to move money whose answer has no meaning of its own: whatever is not listed may
        have been taken in. `refused`: statuses by which nothing was created; an earlier call of the same reference
        may have been lost, so that the operator is to be asked first."""
        if not isinstance(self._outcome, Answer):
            return self._outcome
        if self.page and self.status in firewall:
            return Rejected("FIREWALL", PayerReason.SERVICE_DOWN, alarm=True, ask_first=ask_first)
        if self.status == 429:
            return NotSent(self.shown, throttled=True)
        if self.status in (401, 403, 404):
            return NotSent(self.shown, alarm=True)
        if self.status in refused:
            code = self.code or str(self.status)
            return Rejected(code, PayerReason.SERVICE_DOWN, alarm=True, ask_first=ask_first)
        return Unknown(self.shown)

    def unavailable(self) -> Unavailable:
        """A question whose answer says nothing."""
        if not isinstance(self._outcome, Answer):
            return Unavailable(self._outcome.error)
        return Unavailable(self.shown, throttled=self.status == 429)


def success(
    provider: str, reference: UUID, received: Money | None, number: object, raw: str
) -> Succeeded | Unavailable:
    """Paid. Where the amount cannot be read (`received` None) it is neither a success that may be counted nor a
    failure."""
    if received is None:
        _log.error("success_without_amount", provider=provider, reference=str(reference))
        return Unavailable("paid, without a readable amount")
    return Succeeded(received, identifier(number), raw)


def another_order(provider: str, reference: UUID) -> Unavailable:
    """An answer that is about another order than the one asked about."""
    _log.error("answer_about_another_order", provider=provider, reference=str(reference))
    return Unavailable("an answer about another order")


def reason_of(reasons: Mapping[str, R], code: str, otherwise: R, provider: str) -> R:
    """What an operator's reason means. One that is not in the table is logged."""
    if code not in reasons:
        _log.warning("unheard_of_reason", provider=provider, reason=code)
    return reasons.get(code, otherwise)


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object in a body; empty for anything else. Fractions are read as Decimal."""
    try:
        read = _read_json(body)
    except (ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


def read_list(body: bytes) -> list[Any]:
    """The JSON list in a body; empty for anything else."""
    try:
        read = _read_json(body)
    except (ValueError, RecursionError):
        return []
    return read if isinstance(read, list) else []


def _read_json(body: bytes) -> object:
    """As `json.loads` reads it, whose decoder would be made anew for each answer."""
    return _DECODER.decode(body.decode(json.detect_encoding(body), "surrogatepass"))


def inner(found: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The object under these names, one within the other; empty where there is none."""
    value: Any = found
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def text_in(value: object, pattern: re.Pattern[str]) -> str | None:
    """A text of this form, such as an operator's number; None for anything else."""
    return value if isinstance(value, str) and pattern.fullmatch(value) else None


def order_code_in(value: object) -> str | None:
    """Our order code, when what an operator echoes looks like one."""
    return text_in(value, _ORDER_CODE)


def address_in(value: object) -> str | None:
    """The address of a page for the payer."""
    return value if isinstance(value, str) and value.startswith(("https://", "http://")) else None


def signature_parts(header: str) -> list[tuple[str, str]]:
    """Names and values of a signature header such as `t=1,v1=2`."""
    parts = (part.strip().partition("=") for part in header.split(","))
    return [(name, value) for name, _, value in parts]


def is_hmac(given: Iterable[str], secret: SecretStr, message: bytes) -> bool:
    """Whether one of these is the message's HMAC-SHA256, in hexadecimal digits. Takes the same time for each."""
    own = hmac.new(secret.get_secret_value().encode(), message, hashlib.sha256).hexdigest().encode()
    return any([hmac.compare_digest(own, value.encode("utf-8", "replace")) for value in given])


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


def amount_of(value: object, currency: str) -> Money | None:
    """An amount, whether it came as text or as a JSON number; None for anything else, and for a currency that is not
    known."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return None
    return parse_amount(str(value)[:CODE_LENGTH_MAX], currency)


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
