"""What MTN MoMo's answers mean, for money in and money out: pure functions.

Source: MTN developer portal (common errors), the published OpenAPI, runs against the sandbox.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import structlog

from gateway.values.money import EXPONENTS, Money, parse_amount
from payments.answers import decimal_text, evidence, identifier, is_page, number_forms, plain_code, read_object
from payments.http_call import Answer, NeverLeft, Outcome
from payments.provider import (
    Accepted,
    Balance,
    Claims,
    Failed,
    NotFound,
    NotSent,
    PayerReason,
    Rejected,
    StatusReport,
    StillOpen,
    Succeeded,
    Unavailable,
    Unknown,
)
from payments.providers.mtn_momo.reasons import REASONS, UNHEARD_OF, Reason, Verdict
from payments.token_cache import NoToken

CODE: Final = "mtn_momo"
_ALREADY_THERE: Final = frozenset({"RESOURCE_ALREADY_EXIST", ""})
# Only MTN's own code counts: any proxy or wrong address answers 404 too.
_NOT_FOUND: Final = frozenset({"RESOURCE_NOT_FOUND", "TRANSACTION_NOT_FOUND"})
_ORDER_CODE: Final = re.compile(r"[A-Z0-9]{4,20}")
_MSISDN: Final = re.compile(r"[1-9][0-9]{7,14}")
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a question is about. `sent_currency`: the one in our request to MTN. `phone`: the number of the
    other side, E.164. `paying`: the money is on its way out."""

    reference: UUID
    amount: Money
    sent_currency: str
    phone: str | None
    paying: bool = False

    def verdict(self, reason: Reason) -> Verdict:
        """What a reason means in this direction."""
        return reason.paying if self.paying else reason.collecting


def order_code(external: object) -> str | None:
    """Our order code, when `externalId` looks like one."""
    return external if isinstance(external, str) and _ORDER_CODE.fullmatch(external) else None


def read_submission(outcome: Outcome | NoToken, *, paying: bool = False) -> Accepted | Rejected | NotSent | Unknown:
    """What MTN's answer to a request to move money means. Whatever is not listed may have been taken in."""
    if isinstance(outcome, NoToken):
        return NotSent(outcome.error, alarm=outcome.alarm)
    if isinstance(outcome, NeverLeft):
        return NotSent(outcome.error)
    if not isinstance(outcome, Answer):
        return Unknown(outcome.error)
    status, code = outcome.status, plain_code(read_object(outcome.body).get("code"))
    result = f"{status} {code}".strip()
    if status == 202:
        return Accepted()
    if status == 409 and code in _ALREADY_THERE and read_object(outcome.body):
        return Accepted(already_there=True)
    if status == 429:
        return NotSent(result, throttled=True)
    if status in (200, 400, 403) and is_page(outcome):
        # The firewall did not like a text or the User-Agent.
        return Rejected("FIREWALL", PayerReason.SERVICE_DOWN, alarm=True, ask_first=True)
    if status in (401, 403, 404):
        return NotSent(result, alarm=True)
    reason = REASONS.get(code)
    verdict = None if reason is None else reason.paying if paying else reason.collecting
    # By a 400 nothing was created, whatever its code; an earlier call of the same reference may have been lost.
    if reason and verdict and ((status == 400 and verdict.final) or (status == 500 and reason.logical)):
        return Rejected(code, verdict.reason, alarm=verdict.alarm, ask_first=True)
    if status == 400:
        return Rejected(code or "400", PayerReason.SERVICE_DOWN, alarm=True, ask_first=True)
    return Unknown(result)


def read_status(outcome: Outcome | NoToken, asked: Asked) -> StatusReport:
    """What MTN's answer to a status question means."""
    if not isinstance(outcome, Answer):
        return Unavailable(outcome.error)
    answer = read_object(outcome.body)
    code = plain_code(answer.get("code"))
    result = f"{outcome.status} {code}".strip()
    if outcome.status == 404 and code in _NOT_FOUND:
        return NotFound(code)
    if outcome.status != 200:
        return Unavailable(result, throttled=outcome.status == 429)
    status = plain_code(answer.get("status"))
    if not status:
        return Unavailable("200 without a status")
    raw = evidence(outcome.body, _numbers(answer, asked))
    if status == "SUCCESSFUL":
        return _succeeded(answer, asked, raw)
    if status == "FAILED":
        return _failed(answer, asked, raw)
    return StillOpen(status)


def read_claims(body: Mapping[str, Any]) -> Claims | None:
    """What a callback about a collection claims; None unless it says that this was paid. It has the shape of a
    status answer."""
    if body.get("status") != "SUCCESSFUL":
        return None
    currency, payer = plain_code(body.get("currency")), body.get("payer")
    number = payer.get("partyId") if isinstance(payer, dict) and payer.get("partyIdType") == "MSISDN" else None
    return Claims(
        "SUCCESSFUL",
        succeeded=True,
        order_code=order_code(body.get("externalId")),
        received=parse_amount(decimal_text(body.get("amount")), currency) if currency in EXPONENTS else None,
        payer=f"+{number}" if isinstance(number, str) and _MSISDN.fullmatch(number) else None,
        provider_reference=identifier(body.get("financialTransactionId")),
    )


def _numbers(answer: Mapping[str, Any], asked: Asked) -> list[str]:
    """Every phone number that the answer may show."""
    parties = (answer.get(name) for name in ("payer", "payee"))
    shown = [str(party.get("partyId") or "") for party in parties if isinstance(party, dict)]
    return [*shown, *number_forms(asked.phone)]


def _succeeded(answer: Mapping[str, Any], asked: Asked, raw: str) -> StatusReport:
    currency = plain_code(answer.get("currency"))
    booked = asked.amount.currency if currency == asked.sent_currency else currency
    received = parse_amount(decimal_text(answer.get("amount")), booked) if booked in EXPONENTS else None
    if received is None:
        # Paid, but the amount is unreadable: neither a success that may be counted nor a failure.
        _log.error("success_without_amount", provider=CODE, reference=str(asked.reference))
        return Unavailable("SUCCESSFUL without a readable amount")
    return Succeeded(received, identifier(answer.get("financialTransactionId")), raw)


def _failed(answer: Mapping[str, Any], asked: Asked, raw: str) -> StatusReport:
    value = answer.get("reason")
    code = plain_code(value.get("code") if isinstance(value, dict) else value, "FAILED")
    reason = REASONS.get(code)
    if reason is None:
        reason = UNHEARD_OF
        _log.warning("unheard_of_reason", provider=CODE, reference=str(asked.reference), reason=code)
    verdict = asked.verdict(reason)
    if not verdict.final:
        return StillOpen(code)
    return Failed(code, verdict.reason, raw, expired=verdict.expired, alarm=verdict.alarm)


def read_balance(outcome: Outcome | NoToken, currency: str, sent_currency: str) -> Balance | Unavailable:
    """What a wallet holds, in our `currency`; never zero for want of an answer."""
    if not isinstance(outcome, Answer):
        return Unavailable(outcome.error)
    answer = read_object(outcome.body)
    if outcome.status != 200:
        result = f"{outcome.status} {plain_code(answer.get('code'))}".strip()
        return Unavailable(result, throttled=outcome.status == 429)
    if plain_code(answer.get("currency")) != sent_currency:
        return Unavailable("a balance in another currency")
    available = parse_amount(decimal_text(answer.get("availableBalance")), currency)
    return Unavailable("200 without a readable balance") if available is None else Balance(available)


def read_active(outcome: Outcome | NoToken) -> bool | None:
    """Whether a number has a wallet that works: `{"result": true}`, or just `true`; None when the answer does not
    contain it."""
    if not isinstance(outcome, Answer):
        return None
    answer = read_object(outcome.body)
    if outcome.status == 404 and plain_code(answer.get("code")) in _NOT_FOUND:
        return False
    if outcome.status != 200:
        return None
    result = {b"true": True, b"false": False}.get(outcome.body.strip(), answer.get("result"))
    return result if isinstance(result, bool) else None
