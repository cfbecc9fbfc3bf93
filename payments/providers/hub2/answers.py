"""What Hub2's answers mean: pure functions. See `payments.providers.hub2.provider`."""

import re
from collections.abc import Mapping
from typing import Any, Final

from payments.answers import (
    Reply,
    amount_of,
    another_order,
    evidence,
    identifier,
    inner,
    number_forms,
    plain_code,
    reason_of,
    success,
)
from payments.http_call import Answer, Outcome
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
)

CODE: Final = "hub2"
INTENT: Final = "intent"
TOKEN: Final = "intent_token"  # noqa: S105 - the name of a secret
PAID: Final = "successful"
FAILED: Final = "failed"
UNPAID: Final = "payment_required"
_HANDLE: Final = re.compile(r"[A-Za-z0-9_-]{1,80}")

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
    reply = Reply(outcome)
    intent, token = reply.found.get("id"), reply.found.get("token")
    is_named = isinstance(intent, str) and _HANDLE.fullmatch(intent) and isinstance(token, str) and token
    if reply.status in (200, 201) and is_named:
        return {INTENT: str(intent), TOKEN: str(token)}
    refused = reply.status in (400, 401, 403, 404, 422)
    return NotSent(f"intent: {reply.status}", alarm=refused, throttled=reply.status == 429)


def _payment(answer: Mapping[str, Any]) -> dict[str, Any]:
    """The newest payment on an intent; empty where there is none."""
    made = answer.get("payments")
    last = made[-1] if isinstance(made, list) and made else None
    return last if isinstance(last, dict) else {}


def _failure(answer: Mapping[str, Any]) -> tuple[str, PayerReason]:
    code = plain_code(inner(_payment(answer), "failure").get("code")) or FAILED
    return code, reason_of(REASONS, code, PayerReason.OTHER, CODE)


def read_payment(outcome: Outcome) -> CreateResult:
    """What the answer to a payment means."""
    reply = Reply(outcome)
    status = plain_code(reply.found.get("status"))
    if reply.status in (200, 201) and not reply.page and status:
        return _taken(reply.found, status)
    if reply.status == 409:
        return Accepted(already_there=True)
    if reply.status in (400, 422) and reply.code in REASONS:
        return Rejected(reply.code, REASONS[reply.code], ask_first=True)
    return reply.refusal((400, 422))


def _taken(answer: Mapping[str, Any], status: str) -> CreateResult:
    if plain_code(inner(_payment(answer), "nextAction").get("type")) == "otp":
        return NeedsOtp()
    if status == FAILED:
        return Rejected(*_failure(answer), ask_first=True)
    return Accepted(identifier(_payment(answer).get("id")))


def read_status(outcome: Outcome, collection: Collection) -> StatusReport:
    """What the answer about an intent means."""
    reply = Reply(outcome)
    answer, status = reply.found, plain_code(reply.found.get("status"))
    if reply.status == 404 and answer.get("code"):
        return NotFound(reply.code)
    if reply.status != 200 or not status:
        return reply.unavailable()
    if (answer.get("purchaseReference") or collection.order_code) != collection.order_code:
        return another_order(CODE, collection.reference)
    if status == UNPAID and not _payment(answer):
        return NotFound("an intent without a payment")
    raw = evidence(reply.body, [*collection.secrets.values(), *number_forms(collection.payer)])
    if status == PAID:
        currency = collection.amount.currency
        received = amount_of(answer.get("amount"), currency) if answer.get("currency") == currency else None
        return success(CODE, collection.reference, received, _payment(answer).get("id"), raw)
    if status == FAILED:
        code, reason = _failure(answer)
        return Failed(code, reason, raw, expired=reason is PayerReason.NOT_ANSWERED)
    return StillOpen(status)
