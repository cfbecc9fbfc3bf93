"""What an operator's answer means for money on its way out, whoever it is for: pure functions.

What a refusal or a final failure leads to is another thing for a refund than for a payout, and stands with them.
"""

from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from gateway.values.money import Money
from payments.disbursement.outgoing import Outgoing
from payments.disbursement.refunds.rules import (
    AfterNotFound,
    ask_again_seconds,
    refund_not_found,
    send_again_seconds,
    waits_too_long,
)
from payments.provider import (
    Accepted,
    Failed,
    NotFound,
    NotSent,
    PayerReason,
    Rejected,
    StillOpen,
    Succeeded,
    Unavailable,
    Unknown,
)

UNRESOLVED: Final = "unresolved"
AMOUNT_DIFFERS: Final = "amount_differs"


class Step(StrEnum):
    """Steps that refunds and payouts share, by the word that both have for them."""

    ACCEPTED = "accepted"
    PUT_BACK = "put_back"
    SUCCEEDED = "succeeded"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True)
class Reading:
    """What an answer comes to, in the fields of an observation. `step` None: no step, only the facts."""

    step: Step | None
    detail: str = ""
    next_try_at: datetime | None = None
    not_found: bool = False
    reason_code: str | None = None
    provider_reference: str | None = None
    received: Money | None = None
    evidence_word: str | None = None
    evidence_raw: str = ""
    from_float: bool = False

    @property
    def facts(self) -> dict[str, Any]:
        """All but the step, by name."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "step"}


def read_send(out: Outgoing, result: Accepted | Unknown | NotSent, jitter: float) -> Reading:
    """What became of our request to pay, where nobody refused it. `jitter` in [-1, 1]."""
    match result:
        case Accepted():
            return Reading(
                Step.ACCEPTED,
                detail="already there" if result.already_there else "",
                next_try_at=_next_question(out, jitter, checks=0),
                provider_reference=result.provider_reference,
            )
        case Unknown():
            return Reading(None, detail=result.error, next_try_at=_next_question(out, jitter, checks=0))
        case NotSent() if _too_long(out):
            return give_up("not_sent", result.error)
        case NotSent():
            # This send is not in `send_tries` yet.
            wait = send_again_seconds(out.send_tries + 1, jitter)
            return Reading(Step.PUT_BACK, detail=result.error[:200], next_try_at=after(out, wait))


def read_report(
    out: Outgoing,
    report: Succeeded | NotFound | StillOpen | Unavailable,
    jitter: float,
    *,
    from_float: bool,
) -> Reading:
    """What the operator says about what was sent, where it did not fail. `from_float`: which wallet it leaves."""
    match report:
        case Succeeded():
            # Where other money moved than was sent it is neither a success nor a failure that may be repeated.
            right = report.received == out.disbursement.amount
            return Reading(
                Step.SUCCEEDED if right else Step.GIVEN_UP,
                detail="" if right else f"the operator paid {report.received.plain()} {report.received.currency}",
                reason_code=None if right else AMOUNT_DIFFERS,
                provider_reference=report.provider_reference,
                received=report.received,
                evidence_word="succeeded",
                evidence_raw=report.raw[:4000],
                from_float=from_float and right,
            )
        case NotFound():
            return _not_found(out, jitter)
        case StillOpen() | Unavailable():
            if _too_long(out):
                return give_up(UNRESOLVED, "no final answer for a day")
            return Reading(None, next_try_at=_next_question(out, jitter))


def _not_found(out: Outgoing, jitter: float) -> Reading:
    since = out.not_found_since or out.now
    then = refund_not_found(
        count=out.not_found_count + 1,
        since_seconds=(out.now - since).total_seconds(),
        sends=out.send_tries,
    )
    if then is AfterNotFound.PERSON or (then is AfterNotFound.SEND_AGAIN and _too_long(out)):
        return give_up("not_found", "the operator never heard of it")
    if then is AfterNotFound.SEND_AGAIN:
        return Reading(Step.PUT_BACK, detail="never arrived", next_try_at=out.now)
    return Reading(None, next_try_at=_next_question(out, jitter), not_found=True)


def give_up(code: str, detail: str) -> Reading:
    """A person takes over."""
    return Reading(Step.GIVEN_UP, detail=detail[:200], reason_code=code)


def not_the_payee(answer: Rejected | Failed) -> bool:
    """Whether the trouble is our own account's and passes: too little money in it, or it is refused. It
    says nothing about the payee."""
    return answer.alarm or answer.reason in (PayerReason.NO_FUNDS, PayerReason.SERVICE_DOWN)


def after(out: Outgoing, seconds: float) -> datetime:
    """So many seconds from now."""
    return out.now + timedelta(seconds=seconds)


def _too_long(out: Outgoing) -> bool:
    return out.sent_at is not None and waits_too_long(out.now - out.sent_at)


def _next_question(out: Outgoing, jitter: float, checks: int | None = None) -> datetime:
    age = (out.now - (out.sent_at or out.now)).total_seconds()
    return after(out, ask_again_seconds(out.checks if checks is None else checks, age, jitter))
