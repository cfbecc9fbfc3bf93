"""Counting on an authenticated callback, with the question asked later: who may be counted so, and what the
later answer means. Off unless an account says otherwise (docs/decisions/0017-counting-on-a-callback.md).

A callback of a mobile money operator is unsigned. What makes one worth counting on for a day is that several
things agree which no single leak reveals: the secret in its URL, the network that it came from, and every field
of its body.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from gateway.values.money import Money
from gateway.values.network import Network, comes_from
from payments.collection.observations import Observation, OpenPayment
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
    checks = (*_way(policy, backlog_seconds, arrived, claims), *_payment(ours), *_body(claims, ours))
    return next((reason for reason, holds in checks if not holds), None)


def _way(policy: Policy, backlog_seconds: float, arrived: Arrived, claims: Claims) -> Iterator[tuple[NotCounted, bool]]:
    yield NotCounted.NO_BACKLOG, backlog_seconds > policy.backlog_seconds
    yield NotCounted.NO_SUCCESS, claims.succeeded
    yield NotCounted.REPEATED, arrived.first
    yield NotCounted.NO_SECRET, arrived.named
    yield NotCounted.FOREIGN_SOURCE, comes_from(arrived.remote, policy.sources)


def _payment(ours: Ours) -> Iterator[tuple[NotCounted, bool]]:
    yield NotCounted.STATE, ours.state in COUNTABLE
    yield NotCounted.WOULD_NOT_COUNT, ours.would_count


def _body(claims: Claims, ours: Ours) -> Iterator[tuple[NotCounted, bool]]:
    received = claims.received
    yield NotCounted.OTHER_REFERENCE, claims.order_code == ours.order_code
    yield NotCounted.OTHER_CURRENCY, received is not None and received.currency == ours.amount.currency
    yield NotCounted.OTHER_AMOUNT, received == ours.amount
    yield NotCounted.OTHER_PAYER, claims.payer is not None and claims.payer == ours.payer


def later_success(asked: Money, received: Money) -> Observed:
    """What the operator's own success says about a payment that is counted already."""
    return Observed.PROVED if asked == received else Observed.PAID_OTHERWISE


def unknown_for_good(count: int, since_seconds: float) -> bool:
    """Whether the operator has answered often enough that it does not know a payment that its callback called paid.
    Slower than for open payments: what is counted should not leave because of a short fault."""
    return count >= NOT_FOUND_TIMES and since_seconds >= NOT_FOUND_SECONDS


@dataclass(frozen=True, slots=True)
class Denial:
    """The operator does not confirm its callback. `observed`: `denied`, or `paid_otherwise` with what it
    `received` instead. `reason`: in the closed set of `PayerReason`; `code`: the operator's
    own."""

    reference: UUID
    observed: Observed
    reason: str
    code: str
    received: Money | None = None
    provider_reference: str | None = None
    evidence_raw: str = ""
    evidence_source: str = "status"

    @property
    def message(self) -> str | None:
        """The kind of text that the voter is owed. Of another amount none: it is refunded, with a text of its own."""
        return "payment_failed" if self.observed is Observed.DENIED else None

    @property
    def evidence_word(self) -> str:
        """What the operator's answer is evidence of."""
        return "failed" if self.received is None else "succeeded"


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


def of_later_report(payment: OpenPayment, report: StatusReport, jitter: float) -> Observation | Denial:
    """What to remember of an answer, or that the votes leave. `jitter` in [-1, 1]."""
    reference = payment.collection.reference
    match report:
        case Succeeded():
            observed = later_success(payment.collection.amount, report.received)
            if observed is not Observed.PROVED:
                return Denial(
                    reference,
                    observed,
                    "mismatch",
                    "",
                    report.received,
                    report.provider_reference,
                    report.raw[:4000],
                )
            return Observation(
                reference,
                observed,
                Actor.VERIFIER,
                provider_reference=report.provider_reference,
                received=report.received,
                evidence_word="succeeded",
                evidence_raw=report.raw[:4000],
            )
        case Failed():
            return Denial(reference, Observed.DENIED, report.reason.value, report.code, evidence_raw=report.raw[:4000])
        case NotFound() if _unknown_for_good(payment):
            return Denial(reference, Observed.DENIED, PayerReason.OTHER.value, UNKNOWN_THERE)
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
