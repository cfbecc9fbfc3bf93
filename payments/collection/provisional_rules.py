"""Counting on an authenticated callback, with the question asked later: who may be counted so, and what the
later answer means. Off unless an account says otherwise (docs/decisions/0017-counting-on-a-callback.md).

A callback of a mobile money operator is unsigned. What makes one worth counting on for a day is that several
things agree which no single leak reveals: the secret in its URL, the network that it came from, and every field
of its body.
"""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import Final

from gateway.values.money import Money
from gateway.values.network import Network, comes_from
from payments.collection.observations import Observation, OpenPayment, of_failure, of_success
from payments.lifecycle import COUNTABLE, Actor, Observed, State
from payments.provider import Claims, Failed, NotFound, PayerReason, StatusReport, Succeeded, Unavailable

URGENT_AFTER: Final = timedelta(hours=12)
"""From then on a provisional payment is asked about also while others wait."""
NOT_FOUND_TIMES: Final = 3
NOT_FOUND_SECONDS: Final = 3_600.0
SOURCE: Final = "callback_provisional"
UNKNOWN_THERE: Final = "NOT_FOUND"
_SOON: Final = timedelta(minutes=1)
_STILL_OPEN_AGAIN: Final = timedelta(minutes=10)
_NOT_FOUND_AGAIN: Final = timedelta(seconds=NOT_FOUND_SECONDS / 3)


@dataclass(frozen=True, slots=True)
class Policy:
    """That an account is counted on. `backlog_seconds`: only while its due questions take longer than this
    at its rate. `sources`: networks that its callbacks come from."""

    backlog_seconds: float
    sources: tuple[Network, ...]


@dataclass(frozen=True, slots=True)
class Arrived:
    """How a callback came. `remote`: address of its sender, behind our own proxies. `named`: the secret in
    its URL is this payment's, at the payment's own operator. `first`: the same bytes did not come before."""

    remote: str
    named: bool
    first: bool


@dataclass(frozen=True, slots=True)
class Ours:
    """The payment as we know it. `would_count`: settlement would count it if it were confirmed now."""

    order_code: str
    amount: Money
    payer: str | None = field(repr=False)
    state: State
    would_count: bool


class NotCounted(StrEnum):
    """Why a callback is only a hint."""

    OFF = "off"
    NO_BACKLOG = "no_backlog"
    NO_CLAIMS = "no_claims"
    NO_SUCCESS = "no_success"
    REPEATED = "repeated"
    NO_SECRET = "no_secret"  # noqa: S105 - a reason, and no secret
    FOREIGN_SOURCE = "foreign_source"
    STATE = "state"
    WOULD_NOT_COUNT = "would_not_count"
    OTHER_REFERENCE = "other_reference"
    OTHER_CURRENCY = "other_currency"
    OTHER_AMOUNT = "other_amount"
    OTHER_PAYER = "other_payer"


SUSPICIOUS: Final = frozenset(
    {
        NotCounted.NO_SECRET,
        NotCounted.FOREIGN_SOURCE,
        NotCounted.OTHER_REFERENCE,
        NotCounted.OTHER_CURRENCY,
        NotCounted.OTHER_AMOUNT,
        NotCounted.OTHER_PAYER,
    }
)
"""Refusals that a true callback of a well configured account does not meet."""


def refusal(
    policy: Policy | None, backlog_seconds: float, arrived: Arrived, claims: Claims | None, ours: Ours | None
) -> NotCounted | None:
    """Why this callback may not be counted on; None when it may. `ours` None: its URL names no payment."""
    if policy is None:
        return NotCounted.OFF
    if claims is None:
        return NotCounted.NO_CLAIMS
    if ours is None:
        return NotCounted.NO_SECRET
    received = claims.received
    checks = (
        (NotCounted.NO_BACKLOG, backlog_seconds > policy.backlog_seconds),
        (NotCounted.NO_SUCCESS, claims.succeeded),
        (NotCounted.REPEATED, arrived.first),
        (NotCounted.NO_SECRET, arrived.named),
        (NotCounted.FOREIGN_SOURCE, comes_from(arrived.remote, policy.sources)),
        (NotCounted.STATE, ours.state in COUNTABLE),
        (NotCounted.WOULD_NOT_COUNT, ours.would_count),
        (NotCounted.OTHER_REFERENCE, claims.order_code == ours.order_code),
        (NotCounted.OTHER_CURRENCY, received is not None and received.currency == ours.amount.currency),
        (NotCounted.OTHER_AMOUNT, received == ours.amount),
        (NotCounted.OTHER_PAYER, claims.payer is not None and claims.payer == ours.payer),
    )
    return next((reason for reason, holds in checks if not holds), None)


def later_success(asked: Money, received: Money) -> Observed:
    """What the operator's own success says about a payment that is counted already."""
    return Observed.PROVED if asked == received else Observed.PAID_OTHERWISE


def unknown_for_good(count: int, since_seconds: float) -> bool:
    """Whether the operator has answered often enough that it does not know a payment that its callback called paid.
    Slower than for open payments: what is counted should not leave because of a short fault."""
    return count >= NOT_FOUND_TIMES and since_seconds >= NOT_FOUND_SECONDS


def of_callback(observation: Observation, claims: Claims, callback: int) -> Observation:
    """The evidence that a callback is counted on: it names the callback, which has the bytes."""
    return replace(
        observation,
        received=claims.received,
        provider_reference=claims.provider_reference,
        evidence_word="succeeded",
        evidence_source=SOURCE,
        evidence_raw=f"callback {callback}",
        provisional=True,
    )


def of_later_report(payment: OpenPayment, report: StatusReport, jitter: float) -> Observation:
    """What to remember of an answer. After `denied` and `paid_otherwise` the votes leave. `jitter` in [-1, 1]."""
    reference = payment.collection.reference
    match report:
        case Succeeded():
            observed = later_success(payment.collection.amount, report.received)
            seen = of_success(reference, observed, report)
            return seen if observed is Observed.PROVED else replace(seen, reason="mismatch", reason_code="")
        case Failed():
            return of_failure(reference, Observed.DENIED, report, None)
        case NotFound() if _unknown_for_good(payment):
            return of_failure(reference, Observed.DENIED, Failed(UNKNOWN_THERE, PayerReason.OTHER, ""), None)
        case NotFound():
            return _again(payment, _NOT_FOUND_AGAIN, jitter, not_found=True)
        case Unavailable():
            return _again(payment, _SOON, jitter)
        case _:
            return _again(payment, _STILL_OPEN_AGAIN, jitter)


def _unknown_for_good(payment: OpenPayment) -> bool:
    since = payment.not_found_since or payment.now
    return unknown_for_good(payment.not_found_count + 1, (payment.now - since).total_seconds())


def _again(payment: OpenPayment, wait: timedelta, jitter: float, *, not_found: bool = False) -> Observation:
    return Observation(
        payment.collection.reference,
        None,
        Actor.VERIFIER,
        next_check_at=payment.now + wait * (1 + 0.2 * jitter),
        not_found=not_found,
    )
