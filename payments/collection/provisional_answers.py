"""What the operator's later answer means for a payment that is counted on a callback: pure functions."""

from dataclasses import replace
from datetime import timedelta
from typing import Final

from payments.collection.port import Observation, OpenPayment
from payments.collection.provisional_port import Denial
from payments.collection.provisional_rules import NOT_FOUND_SECONDS, later_success, unknown_for_good
from payments.lifecycle import Actor, Observed
from payments.provider import Claims, Failed, NotFound, PayerReason, StatusReport, Succeeded, Unavailable

SOURCE: Final = "callback_provisional"
UNKNOWN_THERE: Final = "NOT_FOUND"
_SOON: Final = timedelta(minutes=1)
_STILL_OPEN_AGAIN: Final = timedelta(minutes=10)
_NOT_FOUND_AGAIN: Final = timedelta(seconds=NOT_FOUND_SECONDS / 3)


def of_callback(reference_seen: Observation, claims: Claims, callback: int) -> Observation:
    """The evidence that a callback is counted on: it names the callback, which keeps the words."""
    return replace(
        reference_seen,
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
