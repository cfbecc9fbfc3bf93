"""The life of money on its way out, to a payer or to an organiser: states, allowed steps, who may take them, and
when to look again. Pure.

Refunds and payouts share it; they differ in how they end. Each has a reference of its own, committed before the
operator is asked. Not knowing is not failing: the same reference is asked about, and sent again when the operator
does not know it. A final failure ends the reference. A refund is then owed again under a new one, and after a few
of them a person takes over; a payout is payable again.
"""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Final

from payments.lifecycle import Actor, check_delay_seconds


class OutgoingState(StrEnum):
    """State of a refund or of a payout."""

    DUE = "due"  # to be sent
    SENT = "sent"  # the operator is being asked; committed before the call
    DONE = "done"  # the payee has it
    VOID = "void"  # a refund whose reference failed for good; another one took over the debt
    FAILED = "failed"  # a payout that never arrived: payable again
    MANUAL = "manual"  # waiting for a person


class Step(StrEnum):
    """What was observed or decided."""

    APPROVED = "approved"
    CALLING = "calling"
    ACCEPTED = "accepted"
    PUT_BACK = "put_back"  # never left us, or never arrived: to be sent again as it is
    PUT_OFF = "put_off"  # our own account cannot pay now; nothing was created: sent again as it is
    SUCCEEDED = "succeeded"
    FAILED = "failed"  # for good, at the payee's side
    FAILED_FOR_US = "failed_for_us"  # for good under this reference, by a fault of our own account
    GIVEN_UP = "given_up"  # to a person
    ASKED_AGAIN = "asked_again"  # a person has it sent again
    RENEWED = "renewed"  # … under a new reference, because this one failed
    PAID_BY_HAND = "paid_by_hand"  # a person found that the payee has it
    NOT_PAID = "not_paid"  # a person found that it never arrived
    REVERSED = "reversed"  # the operator took the payment back: nothing is owed any more


_DUE, _SENT, _DONE, _MANUAL = OutgoingState.DUE, OutgoingState.SENT, OutgoingState.DONE, OutgoingState.MANUAL
_VOID, _FAILED = OutgoingState.VOID, OutgoingState.FAILED

Steps = Mapping[tuple[OutgoingState, Step], tuple[OutgoingState, Actor]]
"""Every allowed step: from where and what, to where and by whom."""

# `REFUNDER` sends both; a payout logs it as `payer`.
# An answer about a reference also holds for one that waits to be sent again and for one that a person was given.
_SHARED: Final[Steps] = {
    (_DUE, Step.CALLING): (_SENT, Actor.REFUNDER),
    (_SENT, Step.ACCEPTED): (_SENT, Actor.REFUNDER),
    (_SENT, Step.PUT_BACK): (_DUE, Actor.REFUNDER),
    (_SENT, Step.PUT_OFF): (_DUE, Actor.REFUNDER),
    (_DUE, Step.SUCCEEDED): (_DONE, Actor.REFUNDER),
    (_SENT, Step.SUCCEEDED): (_DONE, Actor.REFUNDER),
    (_MANUAL, Step.SUCCEEDED): (_DONE, Actor.REFUNDER),
    (_DUE, Step.GIVEN_UP): (_MANUAL, Actor.REFUNDER),
    (_SENT, Step.GIVEN_UP): (_MANUAL, Actor.REFUNDER),
    (_MANUAL, Step.ASKED_AGAIN): (_DUE, Actor.STAFF),
    (_MANUAL, Step.PAID_BY_HAND): (_DONE, Actor.STAFF),
}
# A void refund gets no answer: its debt went to another reference.
REFUND_STEPS: Final[Steps] = {
    **_SHARED,
    (_SENT, Step.FAILED): (_VOID, Actor.REFUNDER),
    (_SENT, Step.FAILED_FOR_US): (_VOID, Actor.REFUNDER),
    (_MANUAL, Step.RENEWED): (_VOID, Actor.STAFF),
    (_DUE, Step.REVERSED): (_VOID, Actor.VERIFIER),
    (_MANUAL, Step.REVERSED): (_VOID, Actor.VERIFIER),
}
PAYOUT_STEPS: Final[Steps] = {
    **_SHARED,
    (_SENT, Step.FAILED): (_FAILED, Actor.REFUNDER),
    (_MANUAL, Step.NOT_PAID): (_FAILED, Actor.STAFF),
}


def next_state(steps: Steps, state: OutgoingState, step: Step, actor: Actor) -> OutgoingState | None:
    """The state after this step by this actor; None: refused, nothing changes."""
    to, by = steps.get((state, step), (None, actor))
    return to if by is actor else None


def guard(steps: Steps, step: Step, actor: Actor) -> dict[OutgoingState, OutgoingState]:
    """Every state that this step may leave, with where it leads: the guard of the conditional update."""
    return {before: to for (before, taken), (to, by) in steps.items() if taken is step and by is actor}


REFERENCES_MAX: Final = 3
SENDS_MAX: Final = 5
PERSON_AFTER: Final = timedelta(hours=24)
# Waits before the status questions of one send, in seconds.
ASK_LADDER: Final = (5, 15, 30, 60, 120, 300)
_SEND_FIRST_SECONDS: Final = 60
_RENEW_FIRST_SECONDS: Final = 300
_TROUBLE_FIRST_SECONDS: Final = 600
_LONGEST_SECONDS: Final = 3_600


def ask_again_seconds(checks: int, age_seconds: float, jitter: float) -> float:
    """Until the next status question. `checks`: asked so far; `age_seconds`: since the first send;
    `jitter` in [-1, 1]."""
    return check_delay_seconds(ASK_LADDER, checks, age_seconds, jitter)


def send_again_seconds(tries: int, jitter: float) -> float:
    """Until what never left us is sent again. `tries`: sends so far."""
    return _doubled(_SEND_FIRST_SECONDS, tries - 1, jitter)


def renewed_after_seconds(failures: int, jitter: float) -> float:
    """Until the next reference is tried. `failures`: references of this debt that failed so far."""
    return _doubled(_RENEW_FIRST_SECONDS, failures - 1, jitter)


def trouble_over_seconds(times: int, jitter: float) -> float:
    """Until an account of ours that could not pay is asked again. `times`: in a row so far."""
    return _doubled(_TROUBLE_FIRST_SECONDS, times, jitter)


def _doubled(first: int, times: int, jitter: float) -> float:
    factor = 1 << max(0, min(times, 16))
    return min(_LONGEST_SECONDS, first * factor) * (1 + 0.2 * jitter)


class AfterFailure(StrEnum):
    """Who goes on after a final failure of a refund."""

    NEW_REFERENCE = "new_reference"
    PERSON = "person"


def after_failure(failures: int) -> AfterFailure:
    """`failures`: references of this debt that failed for good at the payee's side, this one included."""
    return AfterFailure.NEW_REFERENCE if failures < REFERENCES_MAX else AfterFailure.PERSON


class AfterNotFound(StrEnum):
    """What to do when the operator does not know a reference."""

    ASK_AGAIN = "ask_again"
    SEND_AGAIN = "send_again"
    PERSON = "person"


def after_not_found(*, count: int, since_seconds: float, sends: int) -> AfterNotFound:
    """Not found alone fails nothing, and never makes a new reference: the money may have left.

    After three in a row over a minute the same reference is sent again, which pays at most once; after
    some sends none of which the operator has, a person looks.
    """
    if count < 3 or since_seconds < 60:
        return AfterNotFound.ASK_AGAIN
    return AfterNotFound.SEND_AGAIN if sends < SENDS_MAX else AfterNotFound.PERSON


def waits_too_long(age: timedelta) -> bool:
    """Whether it has been on its way so long that a person should look."""
    return age >= PERSON_AFTER
