"""What an operator's answer means for a payment: pure functions from answer to observation."""

from datetime import datetime, timedelta
from typing import Final

from gateway.domain.payment import (
    Actor,
    NotFoundAnswer,
    Seen,
    State,
    after_not_found,
    check_delay_seconds,
    success_seen,
)
from gateway.ports.payment_provider import (
    Accepted,
    Capabilities,
    CreateResult,
    Failed,
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
from gateway.ports.stores import PAYMENT_URL, Observation, OpenPayment

SEND_TRIES_MAX: Final = 5
LOOK_AGAIN_AT_FAILED: Final = timedelta(minutes=10)
_LAST_LOOK: Final = timedelta(hours=24)
_PARKED: Final = timedelta(hours=1)
_OPEN: Final = frozenset({State.SENT, State.PENDING})


def of_create(payment: OpenPayment, result: CreateResult, can: Capabilities, jitter: float) -> Observation:
    """What became of our request to collect. `jitter` in [-1, 1]."""
    reference, now = payment.collection.reference, payment.now
    first_check = now + timedelta(seconds=check_delay_seconds(can.ladder_seconds, 0, 0, jitter))
    match result:
        case Accepted():
            return Observation(
                reference,
                Seen.ACCEPTED,
                Actor.COLLECTOR,
                detail="already there" if result.already_there else "",
                next_check_at=first_check,
                accepted=True,
                provider_reference=result.provider_reference,
                base_url=payment.collection.base_url,
                expires_at=now + timedelta(seconds=can.open_seconds),
            )
        case Redirect():
            return Observation(
                reference,
                Seen.ACCEPTED,
                Actor.COLLECTOR,
                next_check_at=first_check,
                accepted=True,
                provider_reference=result.provider_reference,
                base_url=payment.collection.base_url,
                secrets={**payment.collection.secrets, **result.secrets, PAYMENT_URL: result.url},
                expires_at=result.expires_at,
                message="payment_link",
            )
        case NotSent() if payment.send_tries < SEND_TRIES_MAX:
            wait = min(60, 2**payment.send_tries) * (1 + 0.2 * jitter)
            return Observation(
                reference,
                Seen.PUT_BACK,
                Actor.COLLECTOR,
                detail=result.error,
                next_check_at=now + timedelta(seconds=wait),
            )
        case NotSent():
            return _refused(payment, "not_sent", PayerReason.SERVICE_DOWN, result.error)
        case Rejected():
            return _refused(payment, result.code, result.reason, result.code)
        case Unknown() if can.recovery is Recovery.ABANDON:
            # Without the lost answer nobody can pay it, so it is safe to say no.
            return _refused(payment, "answer_lost", PayerReason.SERVICE_DOWN, result.error)
        case Unknown():
            return Observation(
                reference, None, Actor.COLLECTOR, next_check_at=first_check, base_url=payment.collection.base_url
            )
        case _:
            return _refused(payment, "code_wanted", PayerReason.WRONG_CODE, "the provider wants a code first")


def _refused(payment: OpenPayment, code: str, reason: PayerReason, detail: str) -> Observation:
    return Observation(
        payment.collection.reference,
        Seen.REFUSED,
        Actor.COLLECTOR,
        detail=detail[:200],
        reason=reason.value,
        reason_code=code,
        message="payment_failed",
    )


def of_report(
    payment: OpenPayment, report: StatusReport, can: Capabilities, jitter: float, *, source: str = "status"
) -> Observation:
    """What the operator says about a payment. `source`: `status` or `callback_proof`."""
    match report:
        case Succeeded():
            return Observation(
                payment.collection.reference,
                success_seen(payment.collection.amount, report.received),
                Actor.VERIFIER,
                provider_reference=report.provider_reference,
                received=report.received,
                evidence_word="succeeded",
                evidence_source=source,
                evidence_raw=report.raw[:4000],
            )
        case Failed():
            return _failed(payment, report, source)
        case StillOpen():
            return _still_open(payment, report.detail, can, jitter)
        case NotFound():
            return _not_found(payment, can, jitter)
        case Unavailable():
            return Observation(
                payment.collection.reference,
                None,
                Actor.VERIFIER,
                next_check_at=_next_check(payment, can, jitter),
            )


def _failed(payment: OpenPayment, report: Failed, source: str) -> Observation:
    known_before = payment.state is State.FAILED
    look_again = payment.placed_at + _LAST_LOOK if known_before else payment.now + LOOK_AGAIN_AT_FAILED
    return Observation(
        payment.collection.reference,
        None if known_before else Seen.FAILED,
        Actor.VERIFIER,
        detail=report.code,
        next_check_at=look_again if look_again > payment.now else None,
        reason=report.reason.value,
        reason_code=report.code,
        evidence_word="failed",
        evidence_source=source,
        evidence_raw=report.raw[:4000],
        message=None if known_before else "payment_failed",
    )


def _still_open(payment: OpenPayment, detail: str, can: Capabilities, jitter: float) -> Observation:
    if payment.now >= payment.expires_at and payment.state in _OPEN:
        return _expired(payment, can, jitter)
    return Observation(
        payment.collection.reference,
        Seen.STILL_OPEN if payment.state is State.SENT else None,
        Actor.VERIFIER,
        detail=detail[:200],
        next_check_at=_next_check(payment, can, jitter),
        accepted=True,
    )


def _expired(payment: OpenPayment, can: Capabilities, jitter: float) -> Observation:
    return Observation(
        payment.collection.reference,
        Seen.DEADLINE_PASSED,
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
        repeatable=can.recovery is not Recovery.ABANDON and payment.state is State.SENT,
    )
    reference = payment.collection.reference
    if answer is NotFoundAnswer.SEND_AGAIN and payment.now < payment.expires_at:
        return Observation(reference, Seen.PUT_BACK, Actor.VERIFIER, detail="never arrived", next_check_at=payment.now)
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
    delay = check_delay_seconds(can.ladder_seconds, payment.checks, age.total_seconds(), jitter)
    then = payment.now + timedelta(seconds=delay)
    if payment.now < payment.expires_at < then:
        return payment.expires_at + timedelta(seconds=1)
    return then
