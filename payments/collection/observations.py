"""What an operator's answer means for a payment: pure functions from answer to observation."""

from collections.abc import Mapping
from dataclasses import field, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from gateway.orders.rules import PAYMENT_URL
from gateway.values.money import Money
from gateway.values.record import record
from payments.lifecycle import (
    Actor,
    NotFoundAnswer,
    Observed,
    State,
    after_not_found,
    check_delay_seconds,
    may_send_again,
    success_observed,
)
from payments.provider import (
    Accepted,
    Capabilities,
    Collection,
    CreateResult,
    Failed,
    Kind,
    NotFound,
    NotSent,
    PayerReason,
    Recovery,
    Redirect,
    Rejected,
    StatusReport,
    StillOpen,
    Succeeded,
    Unavailable,
    Unknown,
)

# Questions about a page whose address was lost: a person is waiting for it. Two looks and what they find take less than
# five seconds, each found by the sweeper.
LOST_PAGE_LADDER: Final = (0.5, 1, 2, 3, 5)
LOOK_AGAIN_AT_FAILED: Final = timedelta(minutes=10)
# How long a payment is left to its worker after it was prepared.
_PREPARED_LEASE: Final = timedelta(seconds=60)
_LAST_LOOK: Final = timedelta(hours=24)
_PARKED: Final = timedelta(hours=1)
_OPEN: Final = frozenset({State.SENT, State.PENDING})


@record
class OpenPayment:
    """A payment that a process works on, under a lease."""

    collection: Collection
    vote_id: UUID
    provider: str
    state: State
    placed_at: datetime
    expires_at: datetime
    now: datetime
    accepted: bool
    checks: int
    send_tries: int
    not_found_count: int
    not_found_since: datetime | None


@record
class Observation:
    """What was observed of one payment, and what to remember of it.

    `observed` None: no step, only the facts below. `next_check_at` None: no further question. `provisional`: it
    is counted on a callback, and asked about later. `untried`: the operator was not asked after all, so that
    the last try was none.
    """

    reference: UUID
    observed: Observed | None
    actor: Actor
    detail: str = ""
    next_check_at: datetime | None = None
    accepted: bool = False
    not_found: bool = False
    reason: str | None = None
    reason_code: str | None = None
    provider_reference: str | None = None
    received: Money | None = None
    evidence_word: str | None = None
    evidence_source: str = "status"
    evidence_raw: str = ""
    base_url: str | None = None
    secrets: Mapping[str, str] | None = field(default=None, repr=False)
    expires_at: datetime | None = None
    message: str | None = None
    provisional: bool = False
    untried: bool = False
    card: str | None = field(default=None, repr=False)
    holder: str | None = field(default=None, repr=False)


def of_create(payment: OpenPayment, result: CreateResult, can: Capabilities, jitter: float) -> Observation:
    """What became of our request to collect. `jitter` in [-1, 1]."""
    reference, now = payment.collection.reference, payment.now
    first_check = now + timedelta(seconds=check_delay_seconds(can.ladder_seconds, 0, 0, jitter))
    # The result of this try is certain; what became of those before it is not.
    again = _next_check(payment, can, jitter) if payment.send_tries > 1 else None
    match result:
        case Accepted():
            return Observation(
                reference,
                Observed.ACCEPTED,
                Actor.COLLECTOR,
                detail="already there" if result.already_there else "",
                next_check_at=first_check,
                accepted=True,
                provider_reference=result.provider_reference,
                base_url=payment.collection.base_url,
                expires_at=now + timedelta(seconds=can.open_seconds),
            )
        case Redirect():
            accepted = Observation(
                reference,
                Observed.ACCEPTED,
                Actor.COLLECTOR,
                next_check_at=first_check,
                accepted=True,
                base_url=payment.collection.base_url,
            )
            return _with_page(accepted, payment, result)
        case NotSent() if _may_be_sent_again(payment):
            wait = min(60, 2**payment.send_tries) * (1 + 0.2 * jitter)
            return Observation(
                reference,
                Observed.PUT_BACK,
                Actor.COLLECTOR,
                detail=result.error,
                next_check_at=now + timedelta(seconds=wait),
            )
        case NotSent():
            return _refused(payment, "not_sent", PayerReason.SERVICE_DOWN, result.error, again)
        case Rejected():
            return _refused(payment, result.code, result.reason, result.code, again)
        case Unknown() if can.recovery is Recovery.ABANDON:
            # Without the lost answer it cannot be paid, so it is safe to refuse.
            return _refused(payment, "answer_lost", PayerReason.SERVICE_DOWN, result.error, again)
        case Unknown():
            delay = check_delay_seconds(_ladder(payment, can), 0, 0, jitter)
            return Observation(
                reference,
                None,
                Actor.COLLECTOR,
                next_check_at=now + timedelta(seconds=delay),
                base_url=payment.collection.base_url,
            )
        case _:
            return _refused(payment, "code_wanted", PayerReason.WRONG_CODE, "the provider wants a code first", again)


def _refused(payment: OpenPayment, code: str, reason: PayerReason, detail: str, again: datetime | None) -> Observation:
    return Observation(
        payment.collection.reference,
        Observed.REFUSED,
        Actor.COLLECTOR,
        detail=detail[:200],
        next_check_at=again,
        reason=reason.value,
        reason_code=code,
        message="payment_failed",
    )


def prepared(payment: OpenPayment) -> Observation:
    """The secrets to ask with are fetched. The worker keeps the payment for a lease."""
    return Observation(
        payment.collection.reference,
        None,
        Actor.COLLECTOR,
        next_check_at=payment.now + _PREPARED_LEASE,
        base_url=payment.collection.base_url,
        secrets=payment.collection.secrets,
    )


def put_back(payment: OpenPayment, why: str, seconds: float = 0.0) -> Observation:
    """The payer was not asked. It is due again after so long."""
    return Observation(
        payment.collection.reference,
        Observed.PUT_BACK,
        Actor.COLLECTOR,
        detail=why,
        next_check_at=payment.now + timedelta(seconds=seconds),
        untried=True,
    )


def not_configured(payment: OpenPayment) -> Observation:
    """Its provider was taken out of service after the order: the payer was not asked."""
    return Observation(
        payment.collection.reference,
        Observed.REFUSED,
        Actor.COLLECTOR,
        reason=PayerReason.SERVICE_DOWN.value,
        reason_code="not_configured",
        message="payment_failed",
        # What was sent before is asked about once its account is there again.
        next_check_at=payment.now if payment.send_tries > 1 else None,
    )


def of_report(payment: OpenPayment, report: StatusReport, can: Capabilities, jitter: float) -> Observation:
    """What the operator's report means for a payment. `jitter` in [-1, 1]."""
    match report:
        case Succeeded():
            observed = success_observed(payment.collection.amount, report.received)
            return of_success(payment.collection.reference, observed, report)
        case Failed():
            return _failed(payment, report)
        case StillOpen():
            return _still_open(payment, report, can, jitter)
        case NotFound():
            return _not_found(payment, can, jitter)
        case Unavailable():
            return Observation(
                payment.collection.reference,
                None,
                Actor.VERIFIER,
                next_check_at=_next_check(payment, can, jitter),
            )


def of_success(reference: UUID, observed: Observed, report: Succeeded, source: str = "status") -> Observation:
    """The operator says that it is paid, and this is the evidence."""
    return Observation(
        reference,
        observed,
        Actor.VERIFIER,
        provider_reference=report.provider_reference,
        received=report.received,
        card=report.card,
        holder=report.holder,
        evidence_word="succeeded",
        evidence_source=source,
        evidence_raw=report.raw[:4000],
    )


def of_failure(
    reference: UUID, observed: Observed | None, report: Failed, again: datetime | None, source: str = "status"
) -> Observation:
    """The operator says that it is not paid, and this is the evidence. `again`: when it is asked once more."""
    return Observation(
        reference,
        observed,
        Actor.VERIFIER,
        detail=report.code,
        next_check_at=again,
        reason=report.reason.value,
        reason_code=report.code,
        evidence_word="failed",
        evidence_source=source,
        evidence_raw=report.raw[:4000],
        message="payment_failed" if observed else None,
    )


def _failed(payment: OpenPayment, report: Failed) -> Observation:
    known_before = payment.state is State.FAILED
    again = payment.placed_at + _LAST_LOOK if known_before else payment.now + LOOK_AGAIN_AT_FAILED
    observed = None if known_before else Observed.FAILED
    return of_failure(payment.collection.reference, observed, report, again if again > payment.now else None)


def _still_open(payment: OpenPayment, report: StillOpen, can: Capabilities, jitter: float) -> Observation:
    if payment.now >= payment.expires_at and payment.state in _OPEN:
        return _expired(payment, can, jitter)
    seen = Observation(
        payment.collection.reference,
        Observed.STILL_OPEN if payment.state is State.SENT else None,
        Actor.VERIFIER,
        detail=report.detail[:200],
        next_check_at=_next_check(payment, can, jitter),
        accepted=True,
        # The operator has it though the answer to our request is missing: its time for the payer runs.
        expires_at=payment.now + timedelta(seconds=can.open_seconds) if payment.state is State.SENT else None,
    )
    page = report.page
    if page is None or PAYMENT_URL in payment.collection.secrets or payment.state not in _OPEN:
        return seen
    return _with_page(seen, payment, page)


def _with_page(seen: Observation, payment: OpenPayment, page: Redirect) -> Observation:
    """With the page on which the payer may pay."""
    return replace(
        seen,
        provider_reference=page.provider_reference,
        secrets={**payment.collection.secrets, **page.secrets, PAYMENT_URL: page.url},
        expires_at=page.expires_at,
        message="payment_link",
    )


def _may_be_sent_again(payment: OpenPayment) -> bool:
    return may_send_again(tries=payment.send_tries, age=payment.now - payment.placed_at)


def _page_wanted(payment: OpenPayment, can: Capabilities) -> bool:
    """Whether the payer can only pay on a page whose address is not known."""
    waits = payment.state is State.SENT and can.kinds == frozenset({Kind.REDIRECT})
    return waits and PAYMENT_URL not in payment.collection.secrets


def _ladder(payment: OpenPayment, can: Capabilities) -> tuple[float, ...]:
    return LOST_PAGE_LADDER + can.ladder_seconds if _page_wanted(payment, can) else can.ladder_seconds


def _asked_anew(payment: OpenPayment, can: Capabilities) -> bool:
    """Whether a page that was not found is asked for once more at once: under the same key it cannot be another
    one, and of two the payer sees only the one whose address arrives."""
    if payment.accepted or not _may_be_sent_again(payment) or not _page_wanted(payment, can):
        return False
    looked = payment.not_found_count + 1
    return can.recovery is Recovery.REPEAT_SAME or (can.recovery is Recovery.SEARCH and looked >= 2)


def _expired(payment: OpenPayment, can: Capabilities, jitter: float) -> Observation:
    return Observation(
        payment.collection.reference,
        Observed.DEADLINE_PASSED,
        Actor.VERIFIER,
        next_check_at=_next_check(payment, can, jitter),
        reason=PayerReason.NOT_ANSWERED.value,
        message="payment_not_confirmed",
    )


def _not_found(payment: OpenPayment, can: Capabilities, jitter: float) -> Observation:
    since = payment.not_found_since or payment.now
    answer = after_not_found(
        count=payment.not_found_count + 1,
        since_seconds=(payment.now - since).total_seconds(),
        accepted=payment.accepted,
        repeatable=can.recovery is not Recovery.ABANDON and payment.state is State.SENT and _may_be_sent_again(payment),
    )
    reference = payment.collection.reference
    again = answer is NotFoundAnswer.SEND_AGAIN or _asked_anew(payment, can)
    if again and payment.now < payment.expires_at:
        return Observation(
            reference, Observed.PUT_BACK, Actor.VERIFIER, detail="never arrived", next_check_at=payment.now
        )
    if payment.now >= payment.expires_at and payment.state in _OPEN:
        return _expired(payment, can, jitter)
    parked = answer is NotFoundAnswer.PARK
    return Observation(
        reference,
        None,
        Actor.VERIFIER,
        next_check_at=payment.now + _PARKED if parked else _next_check(payment, can, jitter),
        not_found=True,
    )


def _next_check(payment: OpenPayment, can: Capabilities, jitter: float) -> datetime | None:
    age = payment.now - payment.placed_at
    if age > _LAST_LOOK and payment.state not in _OPEN:
        return None
    delay = check_delay_seconds(_ladder(payment, can), payment.checks, age.total_seconds(), jitter)
    then = payment.now + timedelta(seconds=delay)
    if payment.now < payment.expires_at < then:
        return payment.expires_at + timedelta(seconds=1)
    return then
