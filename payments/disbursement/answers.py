"""What an operator's answer means for money on its way out. Pure functions from answer to observation."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from gateway.values.money import Money
from payments.disbursement.rules import (
    AfterFailure,
    AfterNotFound,
    OutgoingState,
    Step,
    after_failure,
    after_not_found,
    ask_again_seconds,
    renewed_after_seconds,
    send_again_seconds,
    trouble_over_seconds,
    waits_too_long,
)
from payments.lifecycle import Actor
from payments.provider import (
    Accepted,
    Disbursement,
    DisburseResult,
    Failed,
    NotFound,
    NotSent,
    PayerReason,
    Purpose,
    Rejected,
    StatusReport,
    StillOpen,
    Succeeded,
    Unavailable,
    Unknown,
)

UNRESOLVED: Final = "unresolved"
AMOUNT_DIFFERS: Final = "amount_differs"
NO_REFUNDS: Final = "no_refunds"
PARTLY_REFUNDED: Final = "partly_given_back"
BALANCE_TOO_LOW: Final = "balance_too_low"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A refund or a payout, claimed under a lease.

    `provider`: key of the account that it leaves. `owed_since`: when the debt arose, under whatever reference.
    `sent_at`: first send of this reference. `troubles`: sends that were put off, and references that failed, by a
    fault of our own account. `failures`: references of this debt that failed at the payee's side.
    `payment_reference`, `vote_id`: of a refund.
    """

    disbursement: Disbursement
    provider: str
    state: OutgoingState
    now: datetime
    owed_since: datetime
    sent_at: datetime | None
    send_tries: int
    checks: int
    not_found_count: int
    not_found_since: datetime | None
    troubles: int
    failures: int = 0
    payment_reference: UUID | None = None
    vote_id: UUID | None = None

    @property
    def reference(self) -> UUID:
        """Its own reference."""
        return self.disbursement.reference

    @property
    def is_refund(self) -> bool:
        """Whether the payee is a payer of ours; else an organiser."""
        return self.disbursement.purpose is Purpose.REFUND


@dataclass(frozen=True, slots=True)
class Observation:
    """What was observed of one refund or payout, and what to remember of it.

    `step` None: no step, only the facts below. `person`: who took it, where a payout's log names one.
    `next_try_at`: of this reference, or of the one that takes over its debt; None: nothing looks by itself.
    `from_float`: which wallet of ours paid. `by_hand`: the operator's reference of a refund, as a person gave it.
    """

    reference: UUID
    step: Step | None
    actor: Actor = Actor.REFUNDER
    person: str | None = None
    detail: str = ""
    next_try_at: datetime | None = None
    not_found: bool = False
    reason_code: str | None = None
    provider_reference: str | None = None
    received: Money | None = None
    evidence_word: str | None = None
    evidence_source: str = "status"
    evidence_raw: str = ""
    from_float: bool = False
    by_hand: str | None = None


def of_send(out: Outgoing, result: DisburseResult, jitter: float) -> Observation:
    """The outcome of our request to pay. `jitter` in [-1, 1]."""
    match result:
        case Accepted():
            return Observation(
                out.reference,
                Step.ACCEPTED,
                detail="already there" if result.already_there else "",
                next_try_at=_next_question(out, jitter, checks=0),
                provider_reference=result.provider_reference,
            )
        case Unknown():
            return waits(out, _next_question(out, jitter, checks=0), result.error)
        case NotSent() if _too_long(out):
            return given_up(out, "not_sent", result.error)
        case NotSent():
            # This send is not in `send_tries` yet.
            at = _after(out, send_again_seconds(out.send_tries + 1, jitter))
            return Observation(out.reference, Step.PUT_BACK, detail=result.error[:200], next_try_at=at)
        case Rejected() if _not_the_payee(result):
            return put_off(out, result.code, jitter, poor=result.reason is PayerReason.NO_FUNDS)
        case Rejected():
            return _failed(out, result.code, jitter)


def of_report(out: Outgoing, report: StatusReport, jitter: float, *, from_float: bool) -> Observation:
    """What the operator says about what was sent. `from_float`: which wallet of ours it leaves."""
    match report:
        case Succeeded():
            # Where other money moved than was sent it is neither a success nor a failure that may be repeated.
            right = report.received == out.disbursement.amount
            return Observation(
                out.reference,
                Step.SUCCEEDED if right else Step.GIVEN_UP,
                detail="" if right else f"the operator paid {report.received.plain()} {report.received.currency}",
                reason_code=None if right else AMOUNT_DIFFERS,
                provider_reference=report.provider_reference,
                received=report.received,
                evidence_word="succeeded",
                evidence_raw=report.raw[:4000],
                from_float=from_float and right,
            )
        case Failed():
            return replace(
                _failed(out, report.code, jitter, report), evidence_word="failed", evidence_raw=report.raw[:4000]
            )
        case NotFound():
            return _not_found(out, jitter)
        case StillOpen() | Unavailable():
            if _too_long(out):
                return given_up(out, UNRESOLVED, "no final answer for a day")
            return waits(out, _next_question(out, jitter))


def waits(out: Outgoing, until: datetime, detail: str = "") -> Observation:
    """No step; looked at again then."""
    return Observation(out.reference, None, detail=detail, next_try_at=until)


def given_up(out: Outgoing, code: str, detail: str) -> Observation:
    """A person takes over."""
    return Observation(out.reference, Step.GIVEN_UP, detail=detail[:200], reason_code=code)


def put_off(out: Outgoing, code: str, jitter: float, *, poor: bool) -> Observation:
    """Our account cannot pay now and nothing was created: the same reference again, later, at the cost of none of
    its tries. After a day a person takes over; not a refund that only wants money (`poor`), which will be put in."""
    if not (poor and out.is_refund) and waits_too_long(out.now - out.owed_since):
        return given_up(out, code, "our account cannot pay")
    at = _after(out, trouble_over_seconds(out.troubles, jitter))
    return Observation(out.reference, Step.PUT_OFF, detail=code[:200], reason_code=code, next_try_at=at)


def past_us(out: Outgoing, refused: Rejected, jitter: float) -> tuple[Observation | None, Observation]:
    """What a refusal means because the operator refunded without our asking: first, where that is all that is owed,
    the refund waits until it is stopped by that; then a person has what was not stopped."""
    owed, gone = out.disbursement.amount, [part.amount for part in refused.refunded]
    same = sum(amount.amount_minor for amount in gone if amount.currency == owed.currency)
    whole = same == owed.amount_minor and len({amount.currency for amount in gone}) == 1
    detail = f"{Money(same, owed.currency).plain()} of {owed.plain()} {owed.currency} went back there past us"
    person = given_up(out, refused.code if whole else PARTLY_REFUNDED, detail)
    raw = "\n".join(part.raw for part in refused.refunded)
    later = put_off(out, refused.code, jitter, poor=True) if whole else None
    return later, replace(person, evidence_word="failed", evidence_raw=raw[:4000])


def _failed(out: Outgoing, code: str, jitter: float, report: Failed | None = None) -> Observation:
    """This reference is spent. A payout ends; the debt of a refund goes on under another one, or with a person."""
    ours = report is not None and _not_the_payee(report)
    failures = out.failures + (0 if ours else 1)
    step, wait, person = Step.FAILED, None, False
    if out.is_refund and ours:
        step, wait = Step.FAILED_FOR_US, trouble_over_seconds(out.troubles, jitter)
        poor = report is not None and report.reason is PayerReason.NO_FUNDS
        person = not poor and waits_too_long(out.now - out.owed_since)
    elif out.is_refund:
        wait = renewed_after_seconds(failures, jitter)
        person = after_failure(failures) is AfterFailure.PERSON
    return Observation(
        out.reference,
        Step.GIVEN_UP if person else step,
        detail=code[:200],
        reason_code=code,
        next_try_at=None if person or wait is None else _after(out, wait),
    )


def _not_found(out: Outgoing, jitter: float) -> Observation:
    since = out.not_found_since or out.now
    then = after_not_found(
        count=out.not_found_count + 1, since_seconds=(out.now - since).total_seconds(), sends=out.send_tries
    )
    if then is AfterNotFound.PERSON or (then is AfterNotFound.SEND_AGAIN and _too_long(out)):
        return given_up(out, "not_found", "the operator does not know it")
    if then is AfterNotFound.SEND_AGAIN:
        return Observation(out.reference, Step.PUT_BACK, detail="never arrived", next_try_at=out.now)
    return Observation(out.reference, None, next_try_at=_next_question(out, jitter), not_found=True)


def _not_the_payee(answer: Rejected | Failed) -> bool:
    """Whether the trouble is our own account's and passes: too little money in it, or it is refused. It
    says nothing about the payee."""
    return answer.alarm or answer.reason in (PayerReason.NO_FUNDS, PayerReason.SERVICE_DOWN)


def _after(out: Outgoing, seconds: float) -> datetime:
    return out.now + timedelta(seconds=seconds)


def _too_long(out: Outgoing) -> bool:
    return out.sent_at is not None and waits_too_long(out.now - out.sent_at)


def _next_question(out: Outgoing, jitter: float, checks: int | None = None) -> datetime:
    age = (out.now - (out.sent_at or out.now)).total_seconds()
    return _after(out, ask_again_seconds(out.checks if checks is None else checks, age, jitter))
