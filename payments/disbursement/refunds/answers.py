"""What an operator's answer means for a refund: pure functions from answer to observation."""

from dataclasses import replace

from gateway.values.money import Money
from payments.disbursement.outgoing_answers import Reading, after, give_up, not_the_payee, read_report, read_send
from payments.disbursement.refunds.port import OpenRefund, RefundObservation
from payments.disbursement.refunds.rules import (
    AfterFailure,
    RefundSeen,
    after_failure,
    renewed_after_seconds,
    trouble_over_seconds,
    waits_too_long,
)
from payments.provider import DisburseResult, Failed, PayerReason, Rejected, StatusReport

NO_REFUNDS = "no_refunds"
PARTLY_GIVEN_BACK = "partly_given_back"
BALANCE_TOO_LOW = "balance_too_low"


def of_send(refund: OpenRefund, result: DisburseResult, jitter: float) -> RefundObservation:
    """What became of our request to give money back. `jitter` in [-1, 1]."""
    if not isinstance(result, Rejected):
        return _observed(refund, read_send(refund, result, jitter))
    if not_the_payee(result):
        return put_off(refund, result.code, jitter, poor=result.reason is PayerReason.NO_FUNDS)
    return _failed(refund, result.code, jitter)


def of_report(refund: OpenRefund, report: StatusReport, jitter: float, *, from_float: bool) -> RefundObservation:
    """What the operator says about a refund that was sent. `from_float`: which wallet of ours it leaves."""
    if isinstance(report, Failed):
        return _failed(refund, report.code, jitter, report)
    return _observed(refund, read_report(refund, report, jitter, from_float=from_float))


def put_off(refund: OpenRefund, code: str, jitter: float, *, poor: bool) -> RefundObservation:
    """Our account cannot pay now and nothing was created: the same reference again, later, at the cost of none of
    its tries. `poor`: only for want of money, which somebody will put in; any other trouble goes to a person
    after a day."""
    if not poor and waits_too_long(refund.now - refund.owed_since):
        return given_up(refund, code, "our account is refused")
    return RefundObservation(
        refund.reference,
        RefundSeen.PUT_OFF,
        detail=code,
        reason_code=code,
        next_try_at=after(refund, trouble_over_seconds(refund.troubles, jitter)),
    )


def given_up(refund: OpenRefund, code: str, detail: str) -> RefundObservation:
    """A person takes over."""
    return _observed(refund, give_up(code, detail))


def past_us(refund: OpenRefund, refused: Rejected, jitter: float) -> tuple[RefundObservation | None, RefundObservation]:
    """What a refusal means because of what the operator gave back without our asking: first, where that is all
    that is owed, it waits until it is stopped by that; then a person has what was not stopped."""
    owed, gone = refund.disbursement.amount, [part.amount for part in refused.given_back]
    same = sum(amount.amount_minor for amount in gone if amount.currency == owed.currency)
    whole = same == owed.amount_minor and len({amount.currency for amount in gone}) == 1
    detail = f"{Money(same, owed.currency).plain()} of {owed.plain()} {owed.currency} went back there past us"
    person = given_up(refund, refused.code if whole else PARTLY_GIVEN_BACK, detail)
    raw = "\n".join(part.raw for part in refused.given_back)
    waits = put_off(refund, refused.code, jitter, poor=True) if whole else None
    return waits, replace(person, evidence_word="failed", evidence_raw=raw[:4000])


def _observed(refund: OpenRefund, reading: Reading) -> RefundObservation:
    seen = RefundSeen(reading.step.value) if reading.step else None
    return RefundObservation(refund.reference, seen, **reading.facts)


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
        next_try_at=None if person else after(refund, wait),
        evidence_word=word,
        evidence_raw=raw,
    )
