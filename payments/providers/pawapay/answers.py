"""What pawaPay's answers mean, for money in and money out: pure functions.

Source: pawaPay's Merchant API v2 (deposits, payouts, refunds, wallet balances, failure codes).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from gateway.values.money import Money
from payments.answers import (
    FIREWALL,
    Reply,
    amount_of,
    another_order,
    evidence,
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
    Failed,
    Hint,
    NotFound,
    NotSent,
    PayerReason,
    Rejected,
    StatusReport,
    StillOpen,
    Unavailable,
    Unknown,
)
from payments.providers.pawapay.reasons import REASONS, UNHEARD_OF

CODE: Final = "pawapay"
DEPOSIT: Final = "deposit"
PAYOUT: Final = "payout"
REFUND: Final = "refund"
# Operators whose payers bring a code: a payment that is not approved there had a wrong one.
CODE_FIRST: Final = frozenset({"ORANGE_CIV"})
_NOT_APPROVED: Final = "PAYMENT_NOT_APPROVED"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a question is about. `kind`: `deposit`, `payout` or `refund`. `phone`: the number of the other
    side, E.164."""

    kind: str
    reference: UUID
    amount: Money
    phone: str | None


def _failure(answer: Mapping[str, Any]) -> object:
    """The failure code in an answer."""
    return inner(answer, "failureReason").get("failureCode")


def read_submission(outcome: Outcome, *, paying: bool = False) -> Accepted | Rejected | NotSent | Unknown:
    """What pawaPay's answer to a request to move money means. A refusal is HTTP 200 too. `paying`: money goes out, no
    payer waits at a phone, so it may be sent again later."""
    reply = Reply(outcome, _failure)
    result = plain_code(reply.found.get("status")) if reply.status == 200 else ""
    if result in ("ACCEPTED", "DUPLICATE_IGNORED"):
        return Accepted(already_there=result == "DUPLICATE_IGNORED")
    if result == "REJECTED":
        code = reply.code or result
        reason = reason_of(REASONS, code, UNHEARD_OF, CODE)
        return NotSent(code) if reason.later and paying else Rejected(code, reason.reason, alarm=reason.alarm)
    return reply.refusal(firewall=FIREWALL)


def read_status(outcome: Outcome, asked: Asked) -> StatusReport:
    """What pawaPay's answer to a status question means: HTTP 200 also for what it does not know."""
    reply = Reply(outcome, _failure)
    found, data = plain_code(reply.found.get("status")), inner(reply.found, "data")
    if reply.status == 200 and found == "NOT_FOUND":
        return NotFound(found)
    status = plain_code(data.get("status"))
    if reply.status != 200 or found != "FOUND" or not status:
        return reply.unavailable()
    reference = str(asked.reference)
    if data.get(f"{asked.kind}Id", reference) != reference:
        return another_order(CODE, asked.reference)
    raw = evidence(reply.body, _numbers(data, asked))
    if status == "COMPLETED":
        currency = asked.amount.currency
        received = amount_of(data.get("amount"), currency) if data.get("currency") == currency else None
        return success(CODE, asked.reference, received, data.get("providerTransactionId"), raw)
    if status == "FAILED":
        return _failed(data, raw)
    return StillOpen(status)


def _account(data: Mapping[str, Any], party: str) -> Mapping[str, Any]:
    """The wallet of one side, where an answer shows it."""
    return inner(data, party, "accountDetails")


def _numbers(data: Mapping[str, Any], asked: Asked) -> list[str]:
    """Every phone number that the answer may show."""
    shown = [str(_account(data, party).get("phoneNumber") or "") for party in ("payer", "recipient")]
    return [*shown, *number_forms(asked.phone)]


def _failed(data: Mapping[str, Any], raw: str) -> Failed:
    code = plain_code(_failure(data)) or "FAILED"
    reason = reason_of(REASONS, code, UNHEARD_OF, CODE)
    if code == _NOT_APPROVED and _account(data, "payer").get("provider") in CODE_FIRST:
        return Failed(code, PayerReason.WRONG_CODE, raw)
    return Failed(code, reason.reason, raw, expired=reason.expired, alarm=reason.alarm)


def read_balance(outcome: Outcome, country: str, currency: str) -> Balance | Unavailable:
    """What we hold in a country, in all its wallets; never zero for want of an answer. `country`: three
    letters."""
    reply = Reply(outcome)
    listed = reply.found.get("balances")
    if reply.status != 200 or not isinstance(listed, list):
        return reply.unavailable()
    held = [
        amount_of(row.get("balance"), currency)
        for row in listed
        if isinstance(row, dict) and row.get("country") == country and row.get("currency") == currency
    ]
    amounts = [amount for amount in held if amount is not None]
    if not amounts or len(amounts) < len(held):
        return Unavailable("200 without a readable balance")
    return Balance(Money(sum(amount.amount_minor for amount in amounts), currency))


def read_hint(body: Mapping[str, Any], claimed: str) -> Hint:
    """What a callback is about: by our reference, else by the order code that we sent along."""
    named = next((body[f"{kind}Id"] for kind in (DEPOSIT, REFUND, PAYOUT) if f"{kind}Id" in body), None)
    try:
        reference = UUID(named) if isinstance(named, str) else None
    except ValueError:
        reference = None
    order = None if reference else order_code_in(body.get("clientReferenceId"))
    return Hint(claimed, order, reference=reference)
