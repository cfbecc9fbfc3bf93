"""What Hub2's answers mean: pure functions. See `payments.providers.hub2.provider`."""

import re
from collections.abc import Mapping
from typing import Any, Final

import structlog

from gateway.values.money import parse_amount
from payments.answers import decimal_text, evidence, identifier, is_page, number_forms, plain_code, read_object
from payments.http_call import Answer, NeverLeft, Outcome
from payments.provider import (
    Accepted,
    Collection,
    CreateResult,
    Failed,
    NeedsOtp,
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

CODE: Final = "hub2"
INTENT: Final = "intent"
TOKEN: Final = "intent_token"  # noqa: S105 - the name of a secret
PAID: Final = "successful"
FAILED: Final = "failed"
UNPAID: Final = "payment_required"
_HANDLE: Final = re.compile(r"[A-Za-z0-9_-]{1,80}")
_log = structlog.get_logger(__name__)

# No list is published; what is not here ends a payment as `other`.
REASONS: Final[Mapping[str, PayerReason]] = {
    "rejected_by_customer": PayerReason.DECLINED,
    "insufficient_funds": PayerReason.NO_FUNDS,
    "unknown_account": PayerReason.UNKNOWN_NUMBER,
    "limit_exceeded": PayerReason.LIMIT,
    "invalid_otp": PayerReason.WRONG_CODE,
    "expired": PayerReason.NOT_ANSWERED,
}


def handle(collection: Collection) -> str:
    """The payment intent of a collection; empty where none was kept."""
    kept = collection.secrets.get(INTENT, "")
    return kept if _HANDLE.fullmatch(kept) else ""


def read_intent(outcome: Outcome) -> Mapping[str, str] | NotSent:
    """The intent and its token, or why there is none: without them nothing can have been asked for."""
    if not isinstance(outcome, Answer):
        return NotSent(f"intent: {outcome.error}")
    answer = read_object(outcome.body)
    intent, token = answer.get("id"), answer.get("token")
    is_named = isinstance(intent, str) and _HANDLE.fullmatch(intent) and isinstance(token, str) and token
    if outcome.status in (200, 201) and is_named:
        return {INTENT: str(intent), TOKEN: str(token)}
    refused = outcome.status in (400, 401, 403, 404, 422)
    return NotSent(f"intent: {outcome.status}", alarm=refused, throttled=outcome.status == 429)


def _payment(answer: Mapping[str, Any]) -> dict[str, Any]:
    """The newest payment on an intent; empty where there is none."""
    made = answer.get("payments")
    last = made[-1] if isinstance(made, list) and made else None
    return last if isinstance(last, dict) else {}


def _failure(answer: Mapping[str, Any]) -> str:
    failure = _payment(answer).get("failure")
    return plain_code(failure.get("code")) if isinstance(failure, dict) else ""


def _reason(code: str) -> PayerReason:
    reason = REASONS.get(code)
    if reason is None:
        _log.warning("unheard_of_reason", provider=CODE, reason=code)
    return reason or PayerReason.OTHER


def read_payment(outcome: Outcome) -> CreateResult:
    """What the answer to a payment means. Whatever is not listed may have been taken in."""
    if isinstance(outcome, NeverLeft):
        return NotSent(outcome.error)
    if not isinstance(outcome, Answer):
        return Unknown(outcome.error)
    answer, status = read_object(outcome.body), outcome.status
    code = plain_code(answer.get("code"))
    if status in (200, 201) and not is_page(outcome) and plain_code(answer.get("status")):
        return _taken(answer)
    if status == 409:
        return Accepted(already_there=True)
    if status == 429:
        return NotSent("429", throttled=True)
    if status in (401, 403, 404):
        return NotSent(f"{status} {code}".strip(), alarm=True)
    if status in (400, 422):
        known = REASONS.get(code)
        return Rejected(code or str(status), known or PayerReason.SERVICE_DOWN, alarm=known is None, ask_first=True)
    return Unknown(str(status))


def _taken(answer: Mapping[str, Any]) -> CreateResult:
    action = _payment(answer).get("nextAction")
    if isinstance(action, dict) and plain_code(action.get("type")) == "otp":
        return NeedsOtp()
    if plain_code(answer.get("status")) == FAILED:
        code = _failure(answer) or FAILED
        return Rejected(code, _reason(code), ask_first=True)
    return Accepted(identifier(_payment(answer).get("id")))


def read_status(outcome: Outcome, collection: Collection) -> StatusReport:
    """What the answer about an intent means."""
    if not isinstance(outcome, Answer):
        return Unavailable(outcome.error)
    answer = read_object(outcome.body)
    if outcome.status == 404 and answer.get("code"):
        return NotFound(plain_code(answer.get("code")))
    if outcome.status != 200:
        return Unavailable(str(outcome.status), throttled=outcome.status == 429)
    status = plain_code(answer.get("status"))
    if not status:
        return Unavailable("200 without a status")
    if (answer.get("purchaseReference") or collection.order_code) != collection.order_code:
        _log.error("answer_about_another_order", provider=CODE, reference=str(collection.reference))
        return Unavailable("an answer about another order")
    if status == UNPAID and not _payment(answer):
        return NotFound("an intent without a payment")
    raw = evidence(outcome.body, [*collection.secrets.values(), *number_forms(collection.payer)])
    if status == PAID:
        return _succeeded(answer, collection, raw)
    if status == FAILED:
        code = _failure(answer) or FAILED
        reason = _reason(code)
        return Failed(code, reason, raw, expired=reason is PayerReason.NOT_ANSWERED)
    return StillOpen(status)


def _succeeded(answer: Mapping[str, Any], collection: Collection, raw: str) -> StatusReport:
    same = plain_code(answer.get("currency")) == collection.amount.currency
    received = parse_amount(decimal_text(answer.get("amount")), collection.amount.currency) if same else None
    if received is None:
        # Paid, but nobody can say how much: not a success that may be counted, and no failure either.
        _log.error("success_without_amount", provider=CODE, reference=str(collection.reference))
        return Unavailable("successful without a readable amount")
    return Succeeded(received, identifier(_payment(answer).get("id")), raw)
