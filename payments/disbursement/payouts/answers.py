"""What an operator's answer means for a payout: pure functions from answer to observation."""

from payments.disbursement.outgoing_answers import Reading, after, give_up, not_the_payee, read_report, read_send
from payments.disbursement.payouts.port import OpenPayout, PayoutObservation
from payments.disbursement.payouts.rules import PayoutSeen
from payments.disbursement.refunds.rules import trouble_over_seconds, waits_too_long
from payments.provider import DisburseResult, Failed, Rejected, StatusReport


def of_send(payout: OpenPayout, result: DisburseResult, jitter: float) -> PayoutObservation:
    """What became of our request to pay. `jitter` in [-1, 1]."""
    if not isinstance(result, Rejected):
        return _observed(payout, read_send(payout, result, jitter))
    if not_the_payee(result):
        return put_off(payout, result.code, jitter)
    return PayoutObservation(payout.reference, PayoutSeen.FAILED, detail=result.code[:200], reason_code=result.code)


def of_report(payout: OpenPayout, report: StatusReport, jitter: float, *, from_float: bool) -> PayoutObservation:
    """What the operator says about a payout that was sent. `from_float`: which wallet of ours it leaves."""
    if not isinstance(report, Failed):
        return _observed(payout, read_report(payout, report, jitter, from_float=from_float))
    return PayoutObservation(
        payout.reference,
        PayoutSeen.FAILED,
        detail=report.code[:200],
        reason_code=report.code,
        evidence_word="failed",
        evidence_raw=report.raw[:4000],
    )


def put_off(payout: OpenPayout, code: str, jitter: float) -> PayoutObservation:
    """Our account cannot pay now and nothing was created: the same reference again, later."""
    if waits_too_long(payout.now - payout.created_at):
        return _observed(payout, give_up(code, "our account cannot pay"))
    wait = trouble_over_seconds(payout.troubles, jitter)
    return PayoutObservation(
        payout.reference, PayoutSeen.PUT_OFF, detail=code[:200], reason_code=code, next_try_at=after(payout, wait)
    )


def _observed(payout: OpenPayout, reading: Reading) -> PayoutObservation:
    seen = PayoutSeen(reading.step.value) if reading.step else None
    return PayoutObservation(payout.reference, seen, **reading.facts)
