"""What an operator's answer means for a payout: pure functions from answer to observation."""

from datetime import datetime, timedelta

from gateway.domain.payout import PayoutSeen
from gateway.domain.refund import (
    AfterNotFound,
    ask_again_seconds,
    refund_not_found,
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
from gateway.ports.payouts import OpenPayout, PayoutObservation


def of_send(payout: OpenPayout, result: DisburseResult, jitter: float) -> PayoutObservation:
    """What became of our request to pay. `jitter` in [-1, 1]."""
    match result:
        case Accepted():
            return PayoutObservation(
                payout.reference,
                PayoutSeen.ACCEPTED,
                detail="already there" if result.already_there else "",
                next_try_at=_next_question(payout, jitter, checks=0),
                provider_reference=result.provider_reference,
            )
        case Unknown():
            then = _next_question(payout, jitter, checks=0)
            return PayoutObservation(payout.reference, None, detail=result.error, next_try_at=then)
        case NotSent():
            if _too_long(payout):
                return given_up(payout, "not_sent", result.error)
            wait = send_again_seconds(payout.send_tries + 1, jitter)
            return PayoutObservation(
                payout.reference, PayoutSeen.PUT_BACK, detail=result.error[:200], next_try_at=_in(payout, wait)
            )
        case Rejected():
            if result.alarm or result.reason in (PayerReason.NO_FUNDS, PayerReason.SERVICE_DOWN):
                return put_off(payout, result.code, jitter)
            return PayoutObservation(
                payout.reference, PayoutSeen.FAILED, detail=result.code[:200], reason_code=result.code
            )


def of_report(payout: OpenPayout, report: StatusReport, jitter: float, *, from_float: bool) -> PayoutObservation:
    """What the operator says about a payout that was sent. `from_float`: which wallet of ours it leaves."""
    match report:
        case Succeeded():
            right = report.received == payout.disbursement.amount
            return PayoutObservation(
                payout.reference,
                PayoutSeen.SUCCEEDED if right else PayoutSeen.GIVEN_UP,
                detail="" if right else f"the operator paid {report.received}",
                reason_code=None if right else "amount_differs",
                provider_reference=report.provider_reference,
                received=report.received,
                evidence_word="succeeded",
                evidence_raw=report.raw[:4000],
                from_float=from_float,
            )
        case Failed():
            return PayoutObservation(
                payout.reference,
                PayoutSeen.FAILED,
                detail=report.code[:200],
                reason_code=report.code,
                evidence_word="failed",
                evidence_raw=report.raw[:4000],
            )
        case NotFound():
            return _not_found(payout, jitter)
        case StillOpen() | Unavailable():
            if _too_long(payout):
                return given_up(payout, "unresolved", "no final answer for a day")
            return PayoutObservation(payout.reference, None, next_try_at=_next_question(payout, jitter))


def put_off(payout: OpenPayout, code: str, jitter: float) -> PayoutObservation:
    """Our account cannot pay now and nothing was created: the same reference again, later."""
    if waits_too_long(payout.now - payout.created_at):
        return given_up(payout, code, "our account cannot pay")
    wait = trouble_over_seconds(payout.troubles, jitter)
    return PayoutObservation(
        payout.reference, PayoutSeen.PUT_OFF, detail=code[:200], reason_code=code, next_try_at=_in(payout, wait)
    )


def given_up(payout: OpenPayout, code: str, detail: str) -> PayoutObservation:
    """A person takes over."""
    return PayoutObservation(payout.reference, PayoutSeen.GIVEN_UP, detail=detail[:200], reason_code=code)


def _not_found(payout: OpenPayout, jitter: float) -> PayoutObservation:
    since = payout.not_found_since or payout.now
    after = refund_not_found(
        count=payout.not_found_count + 1,
        since_seconds=(payout.now - since).total_seconds(),
        sends=payout.send_tries,
    )
    if after is AfterNotFound.PERSON or (after is AfterNotFound.SEND_AGAIN and _too_long(payout)):
        return given_up(payout, "not_found", "the operator never heard of it")
    if after is AfterNotFound.SEND_AGAIN:
        return PayoutObservation(payout.reference, PayoutSeen.PUT_BACK, detail="never arrived", next_try_at=payout.now)
    return PayoutObservation(payout.reference, None, next_try_at=_next_question(payout, jitter), not_found=True)


def _too_long(payout: OpenPayout) -> bool:
    return payout.sent_at is not None and waits_too_long(payout.now - payout.sent_at)


def _next_question(payout: OpenPayout, jitter: float, checks: int | None = None) -> datetime:
    age = (payout.now - (payout.sent_at or payout.now)).total_seconds()
    return _in(payout, ask_again_seconds(payout.checks if checks is None else checks, age, jitter))


def _in(payout: OpenPayout, seconds: float) -> datetime:
    return payout.now + timedelta(seconds=seconds)
