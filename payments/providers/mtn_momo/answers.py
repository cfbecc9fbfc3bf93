"""What MTN MoMo's answers mean, for money in and money out: pure functions.

Source: MTN developer portal (common errors), the published OpenAPI, runs against the sandbox.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from gateway.values.money import Money
from payments.answers import (
    FIREWALL,
    Reply,
    amount_of,
    evidence,
    identifier,
    inner,
    number_forms,
    order_code_in,
    plain_code,
    reason_of,
    success,
)
from payments.http_call import Outcome
from payments.provider import (
    Accepted,
    Balance,
    Claims,
    Failed,
    NotFound,
    NotSent,
    Rejected,
    StatusReport,
    StillOpen,
    Unavailable,
    Unknown,
)
from payments.providers.mtn_momo.reasons import REASONS, UNHEARD_OF

CODE: Final = "mtn_momo"
_ALREADY_THERE: Final = frozenset({"RESOURCE_ALREADY_EXIST", ""})
# Only MTN's own code counts: any proxy or wrong address answers 404 too.
_NOT_FOUND: Final = frozenset({"RESOURCE_NOT_FOUND", "TRANSACTION_NOT_FOUND"})
_MSISDN: Final = re.compile(r"[1-9][0-9]{7,14}")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a question is about. `sent_currency`: the one in our request to MTN. `phone`: the number of the
    other side, E.164. `paying`: the money is on its way out."""

    reference: UUID
    amount: Money
    sent_currency: str
    phone: str | None
    paying: bool = False


def read_submission(outcome: Outcome, *, paying: bool = False) -> Accepted | Rejected | NotSent | Unknown:
    """What MTN's answer to a request to move money means."""
    reply = Reply(outcome)
    if reply.status == 202:
        return Accepted()
    if reply.status == 409 and reply.code in _ALREADY_THERE and reply.found:
        return Accepted(already_there=True)
    if reason := REASONS.get(reply.code):
        verdict = reason.paying if paying else reason.collecting
        # By a 400 nothing was created, whatever its code; an earlier call of the same reference may have been lost.
        if verdict.final and (reply.status == 400 or (reply.status == 500 and reason.logical)):
            return Rejected(reply.code, verdict.reason, alarm=verdict.alarm, ask_first=True)
    return reply.refusal(firewall=FIREWALL)


def read_status(outcome: Outcome, asked: Asked) -> StatusReport:
    """What MTN's answer to a status question means."""
    reply = Reply(outcome)
    if reply.status == 404 and reply.code in _NOT_FOUND:
        return NotFound(reply.code)
    answer, status = reply.found, plain_code(reply.found.get("status"))
    if reply.status != 200 or not status:
        return reply.unavailable()
    raw = evidence(reply.body, _numbers(answer, asked))
    if status == "SUCCESSFUL":
        currency = plain_code(answer.get("currency"))
        booked = asked.amount.currency if currency == asked.sent_currency else currency
        received = amount_of(answer.get("amount"), booked)
        return success(CODE, asked.reference, received, answer.get("financialTransactionId"), raw)
    if status == "FAILED":
        return _failed(answer, asked, raw)
    return StillOpen(status)


def read_claims(body: Mapping[str, Any]) -> Claims | None:
    """What a callback about a collection claims; None unless it says that this was paid. It has the shape of a
    status answer."""
    if body.get("status") != "SUCCESSFUL":
        return None
    payer = inner(body, "payer")
    number = payer.get("partyId") if payer.get("partyIdType") == "MSISDN" else None
    return Claims(
        "SUCCESSFUL",
        succeeded=True,
        order_code=order_code_in(body.get("externalId")),
        received=amount_of(body.get("amount"), plain_code(body.get("currency"))),
        payer=f"+{number}" if isinstance(number, str) and _MSISDN.fullmatch(number) else None,
        provider_reference=identifier(body.get("financialTransactionId")),
    )


def _numbers(answer: Mapping[str, Any], asked: Asked) -> list[str]:
    """Every phone number that the answer may show."""
    shown = [str(inner(answer, party).get("partyId") or "") for party in ("payer", "payee")]
    return [*shown, *number_forms(asked.phone)]


def _failed(answer: Mapping[str, Any], asked: Asked, raw: str) -> StatusReport:
    value = answer.get("reason")
    code = plain_code(value.get("code") if isinstance(value, dict) else value, "FAILED")
    reason = reason_of(REASONS, code, UNHEARD_OF, CODE)
    verdict = reason.paying if asked.paying else reason.collecting
    if not verdict.final:
        return StillOpen(code)
    return Failed(code, verdict.reason, raw, expired=verdict.expired, alarm=verdict.alarm)


def read_balance(outcome: Outcome, currency: str, sent_currency: str) -> Balance | Unavailable:
    """What a wallet holds, in our `currency`; never zero for want of an answer."""
    reply = Reply(outcome)
    if reply.status != 200:
        return reply.unavailable()
    if reply.found.get("currency") != sent_currency:
        return Unavailable("a balance in another currency")
    available = amount_of(reply.found.get("availableBalance"), currency)
    return Unavailable("200 without a readable balance") if available is None else Balance(available)


def read_active(outcome: Outcome) -> bool | None:
    """Whether a number has a wallet that works: `{"result": true}`, or just `true`; None when the answer does not
    contain it."""
    reply = Reply(outcome)
    if reply.status == 404 and reply.code in _NOT_FOUND:
        return False
    result = {b"true": True, b"false": False}.get(reply.body.strip(), reply.found.get("result"))
    return result if reply.status == 200 and isinstance(result, bool) else None
