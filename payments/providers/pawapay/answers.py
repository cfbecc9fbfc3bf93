"""What pawaPay's answers mean, for money in and money out: pure functions.

Source: pawaPay's Merchant API v2 (deposits, payouts, refunds, wallet balances, failure codes).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import structlog

from gateway.values.money import Money, parse_amount
from payments.answers import decimal_text, evidence, identifier, is_page, number_forms, plain_code, read_object
from payments.http_call import Answer, NeverLeft, Outcome
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
    Succeeded,
    Unavailable,
    Unknown,
)
from payments.providers.pawapay.reasons import REASONS, UNHEARD_OF, Reason

CODE: Final = "pawapay"
DEPOSIT: Final = "deposit"
PAYOUT: Final = "payout"
REFUND: Final = "refund"
_ORDER_CODE: Final = re.compile(r"[A-Z0-9]{4,20}")
# Operators whose payers bring a code: a payment that is not approved there had a wrong one.
CODE_FIRST: Final = frozenset({"ORANGE_CIV"})
_NOT_APPROVED: Final = "PAYMENT_NOT_APPROVED"
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a question is about. `kind`: `deposit`, `payout` or `refund`. `phone`: the number of the other
    side, E.164."""

    kind: str
    reference: UUID
    amount: Money
    phone: str | None


def _failure(answer: Mapping[str, Any]) -> str:
    """The failure code in an answer; empty where it names none."""
    value = answer.get("failureReason")
    return plain_code(value.get("failureCode")) if isinstance(value, dict) else ""


def _reason(code: str) -> Reason:
    reason = REASONS.get(code)
    if reason is None:
        _log.warning("unheard_of_reason", provider=CODE, reason=code)
    return reason or UNHEARD_OF


def read_submission(outcome: Outcome, *, paying: bool = False) -> Accepted | Rejected | NotSent | Unknown:
    """What pawaPay's answer to a request to move money means. A refusal is HTTP 200 too; whatever is not
    listed may have been taken in. `paying`: money goes out, no payer waits at a phone, so it may be sent again
    later."""
    if isinstance(outcome, NeverLeft):
        return NotSent(outcome.error)
    if not isinstance(outcome, Answer):
        return Unknown(outcome.error)
    answer, status = read_object(outcome.body), outcome.status
    result, code = plain_code(answer.get("status")), _failure(answer)
    if status == 200 and result == "ACCEPTED":
        return Accepted()
    if status == 200 and result == "DUPLICATE_IGNORED":
        return Accepted(already_there=True)
    if status == 200 and result == "REJECTED":
        return _rejected(code or result, paying=paying)
    if status in (200, 400, 403) and is_page(outcome):
        return Rejected("FIREWALL", PayerReason.SERVICE_DOWN, alarm=True, ask_first=True)
    if status == 429:
        return NotSent("429", throttled=True)
    if status in (401, 403, 404):
        return NotSent(f"{status} {code}".strip(), alarm=True)
    if status == 400:
        # Nothing was created by this call; an earlier one of the same reference may have been lost.
        return Rejected(code or "400", PayerReason.SERVICE_DOWN, alarm=True, ask_first=True)
    return Unknown(f"{status} {code}".strip())


def _rejected(code: str, *, paying: bool) -> Rejected | NotSent:
    reason = _reason(code)
    if reason.later and paying:
        return NotSent(code)
    return Rejected(code, reason.reason, alarm=reason.alarm)


def read_status(outcome: Outcome, asked: Asked) -> StatusReport:
    """What pawaPay's answer to a status question means: HTTP 200 also for what it does not know."""
    if not isinstance(outcome, Answer):
        return Unavailable(outcome.error)
    answer = read_object(outcome.body)
    if outcome.status != 200:
        return Unavailable(f"{outcome.status} {_failure(answer)}".strip(), throttled=outcome.status == 429)
    found, data = plain_code(answer.get("status")), answer.get("data")
    if found == "NOT_FOUND":
        return NotFound(found)
    if found != "FOUND" or not isinstance(data, dict):
        return Unavailable("200 without a status")
    status = plain_code(data.get("status"))
    if not status:
        return Unavailable("200 without a status")
    reference = str(asked.reference)
    if data.get(f"{asked.kind}Id", reference) != reference:
        _log.error("answer_about_another_order", provider=CODE, reference=reference)
        return Unavailable("an answer about another order")
    raw = evidence(outcome.body, _numbers(data, asked))
    if status == "COMPLETED":
        return _succeeded(data, asked, raw)
    if status == "FAILED":
        return _failed(data, raw)
    return StillOpen(status)


def _account(data: Mapping[str, Any], party: str) -> Mapping[str, Any]:
    """The wallet of one side, where an answer shows it."""
    shown = data.get(party)
    details = shown.get("accountDetails") if isinstance(shown, dict) else None
    return details if isinstance(details, dict) else {}


def _numbers(data: Mapping[str, Any], asked: Asked) -> list[str]:
    """Every phone number that the answer may show."""
    shown = [str(_account(data, party).get("phoneNumber") or "") for party in ("payer", "recipient")]
    return [*shown, *number_forms(asked.phone)]


def _succeeded(data: Mapping[str, Any], asked: Asked, raw: str) -> StatusReport:
    currency = asked.amount.currency
    same = plain_code(data.get("currency")) == currency
    received = parse_amount(decimal_text(data.get("amount")), currency) if same else None
    if received is None:
        # Paid, but the amount is unreadable: neither a success that may be counted nor a failure.
        _log.error("success_without_amount", provider=CODE, reference=str(asked.reference))
        return Unavailable("COMPLETED without a readable amount")
    return Succeeded(received, identifier(data.get("providerTransactionId")), raw)


def _failed(data: Mapping[str, Any], raw: str) -> Failed:
    code = _failure(data) or "FAILED"
    reason = _reason(code)
    if code == _NOT_APPROVED and _account(data, "payer").get("provider") in CODE_FIRST:
        return Failed(code, PayerReason.WRONG_CODE, raw)
    return Failed(code, reason.reason, raw, expired=reason.expired, alarm=reason.alarm)


def read_balance(outcome: Outcome, country: str, currency: str) -> Balance | Unavailable:
    """What we hold in a country, in all its wallets; never zero for want of an answer. `country`: three
    letters."""
    if not isinstance(outcome, Answer):
        return Unavailable(outcome.error)
    if outcome.status != 200:
        return Unavailable(str(outcome.status), throttled=outcome.status == 429)
    listed = read_object(outcome.body).get("balances")
    rows = [row for row in listed if isinstance(row, dict)] if isinstance(listed, list) else []
    held = [
        parse_amount(decimal_text(row.get("balance")), currency)
        for row in rows
        if row.get("country") == country and row.get("currency") == currency
    ]
    amounts = [amount for amount in held if amount is not None]
    if not amounts or len(amounts) < len(held):
        return Unavailable("200 without a readable balance")
    return Balance(Money(sum(amount.amount_minor for amount in amounts), currency))


def read_hint(body: Mapping[str, Any], claimed: str) -> Hint:
    """What a callback is about: by our reference, else by the order code that we sent along."""
    named = next((body[f"{kind}Id"] for kind in (DEPOSIT, REFUND, PAYOUT) if f"{kind}Id" in body), None)
    try:
        return Hint(claimed, reference=UUID(named)) if isinstance(named, str) else Hint(claimed, _order(body))
    except ValueError:
        return Hint(claimed, _order(body))


def _order(body: Mapping[str, Any]) -> str | None:
    sent = body.get("clientReferenceId")
    return sent if isinstance(sent, str) and _ORDER_CODE.fullmatch(sent) else None
