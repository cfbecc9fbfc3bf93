"""What an operator's answer means for a refund: pure functions from answer to observation."""

from datetime import datetime, timedelta

from gateway.domain.refund import (
    AfterFailure,
    AfterNotFound,
    RefundSeen,
    after_failure,
    ask_again_seconds,
    refund_not_found,
    renewed_after_seconds,
    send_again_seconds,
    trouble_over_seconds,
    waits_too_long,
)
from gateway.ports.payment_provider import (
    Accepted,
    DisburseResult,
    Failed,
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
from gateway.ports.refunds import OpenRefund, RefundObservation

NO_REFUNDS = "no_refunds"
BALANCE_TOO_LOW = "balance_too_low"
UNRESOLVED = "unresolved"
AMOUNT_DIFFERS = "amount_differs"


def of_send(refund: OpenRefund, result: DisburseResult, jitter: float) -> RefundObservation:
    """What became of our request to give money back. `jitter` in [-1, 1]."""
    match result:
        case Accepted():
            return RefundObservation(
                refund.reference,
                RefundSeen.ACCEPTED,
                detail="already there" if result.already_there else "",
                next_try_at=_next_question(refund, jitter, checks=0),
                provider_reference=result.provider_reference,
            )
        case Unknown():
            return RefundObservation(
                refund.reference, None, detail=result.error, next_try_at=_next_question(refund, jitter, checks=0)
            )
        case NotSent() if _too_long(refund):
            return given_up(refund, "not_sent", result.error)
        case NotSent():
            # This send is not in `send_tries` yet.
            return RefundObservation(
                refund.reference,
                RefundSeen.PUT_BACK,
                detail=result.error[:200],
                next_try_at=_in(refund, send_again_seconds(refund.send_tries + 1, jitter)),
            )
        case Rejected():
            if not_the_payee(result):
                return put_off(refund, result.code, jitter, poor=result.reason is PayerReason.NO_FUNDS)
            return _failed(refund, result.code, jitter)


def of_report(refund: OpenRefund, report: StatusReport, jitter: float, *, from_float: bool) -> RefundObservation:
    """What the operator says about a refund that was sent. `from_float`: which wallet of ours it leaves."""
    match report:
        case Succeeded() if report.received != refund.disbursement.amount:
            # Some of the money moved: neither a success nor a failure that may be repeated.
            return RefundObservation(
                refund.reference,
                RefundSeen.GIVEN_UP,
                detail=f"the operator gave {report.received.plain()} {report.received.currency}",
                reason_code=AMOUNT_DIFFERS,
                provider_reference=report.provider_reference,
                received=report.received,
                evidence_word="succeeded",
                evidence_raw=report.raw[:4000],
            )
        case Succeeded():
            return RefundObservation(
                refund.reference,
                RefundSeen.SUCCEEDED,
                provider_reference=report.provider_reference,
                received=report.received,
                evidence_word="succeeded",
                evidence_raw=report.raw[:4000],
                from_float=from_float,
            )
        case Failed():
            return _failed(refund, report.code, jitter, report)
        case NotFound():
            return _not_found(refund, jitter)
        case StillOpen() | Unavailable():
            if _too_long(refund):
                return given_up(refund, UNRESOLVED, "no final answer for a day")
            return RefundObservation(refund.reference, None, next_try_at=_next_question(refund, jitter))


def not_the_payee(answer: Rejected | Failed) -> bool:
    """Whether the trouble is our own account's and passes: too little money in it, or it is refused. It
    says nothing about the payee, and spends none of the tries."""
    return answer.alarm or answer.reason in (PayerReason.NO_FUNDS, PayerReason.SERVICE_DOWN)


def put_off(refund: OpenRefund, code: str, jitter: float, *, poor: bool) -> RefundObservation:
    """Our account cannot pay now and nothing was created: the same reference again, later. `poor`: only
    for want of money, which somebody will put in; any other trouble goes to a person after a day."""
    if not poor and waits_too_long(refund.now - refund.owed_since):
        return given_up(refund, code, "our account is refused")
    return RefundObservation(
        refund.reference,
        RefundSeen.PUT_OFF,
        detail=code,
        reason_code=code,
        next_try_at=_in(refund, trouble_over_seconds(refund.troubles, jitter)),
    )


def given_up(refund: OpenRefund, code: str, detail: str) -> RefundObservation:
    """A person takes over."""
    return RefundObservation(refund.reference, RefundSeen.GIVEN_UP, detail=detail[:200], reason_code=code)


def _failed(refund: OpenRefund, code: str, jitter: float, report: Failed | None = None) -> RefundObservation:
    """This reference is spent; the debt goes on under another one, or with a person."""
    word, raw = ("failed", report.raw[:4000]) if report else (None, "")
    ours = report is not None and not_the_payee(report)
    poor = report is not None and report.reason is PayerReason.NO_FUNDS
    failures = refund.failures + (0 if ours else 1)
    if ours:
        seen, wait = RefundSeen.FAILED_FOR_US, trouble_over_seconds(refund.troubles, jitter)
        person = not poor and waits_too_long(refund.now - refund.owed_since)
    else:
        seen, wait = RefundSeen.FAILED, renewed_after_seconds(failures, jitter)
        person = after_failure(failures) is AfterFailure.PERSON
    return RefundObservation(
        refund.reference,
        RefundSeen.GIVEN_UP if person else seen,
        detail=code[:200],
        reason_code=code,
        next_try_at=None if person else _in(refund, wait),
        evidence_word=word,
        evidence_raw=raw,
    )


def _not_found(refund: OpenRefund, jitter: float) -> RefundObservation:
    since = refund.not_found_since or refund.now
    after = refund_not_found(
        count=refund.not_found_count + 1,
        since_seconds=(refund.now - since).total_seconds(),
        sends=refund.send_tries,
    )
    if after is AfterNotFound.PERSON or (after is AfterNotFound.SEND_AGAIN and _too_long(refund)):
        return given_up(refund, "not_found", "the operator never heard of it")
    if after is AfterNotFound.SEND_AGAIN:
        return RefundObservation(refund.reference, RefundSeen.PUT_BACK, detail="never arrived", next_try_at=refund.now)
    return RefundObservation(refund.reference, None, next_try_at=_next_question(refund, jitter), not_found=True)


def _too_long(refund: OpenRefund) -> bool:
    return refund.sent_at is not None and waits_too_long(refund.now - refund.sent_at)


def _next_question(refund: OpenRefund, jitter: float, checks: int | None = None) -> datetime:
    age = (refund.now - (refund.sent_at or refund.now)).total_seconds()
    return _in(refund, ask_again_seconds(refund.checks if checks is None else checks, age, jitter))


def _in(refund: OpenRefund, seconds: float) -> datetime:
    return refund.now + timedelta(seconds=seconds)
