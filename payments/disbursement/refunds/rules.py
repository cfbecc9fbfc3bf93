"""The life of money on its way back to a payer: states, allowed steps, who may cause them, and when to
look again.

A refund has a reference of its own, committed before the operator is asked. Not knowing is not
failing: the same reference is asked about, and sent again when the operator has never heard of it. A
final failure ends the reference, not the debt: the refund is owed again under a new one, and after a
few of them a person takes over.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from payments.lifecycle import Actor, check_delay_seconds


class RefundState(StrEnum):
    """Where a refund stands."""

    DUE = "due"  # owed, to be sent
    SENT = "sent"  # the operator is being asked; committed before the call
    DONE = "done"  # the payer has it
    VOID = "void"  # this reference failed for good; another one took over the debt
    MANUAL = "manual"  # waiting for a person


class RefundSeen(StrEnum):
    """What somebody observed or decided about a refund."""

    CALLING = "calling"
    ACCEPTED = "accepted"
    PUT_BACK = "put_back"  # never left us, or never arrived: to be sent again as it is
    PUT_OFF = "put_off"  # our own account cannot pay now; nothing was created: sent again as it is
    SUCCEEDED = "succeeded"
    FAILED = "failed"  # for good, at the payee's side
    FAILED_FOR_US = "failed_for_us"  # for good under this reference, by a fault of our own account
    GIVEN_UP = "given_up"  # to a person
    ASKED_AGAIN = "asked_again"  # a person gives it back to the machine
    RENEWED = "renewed"  # … under a new reference, because this one failed
    PAID_BY_HAND = "paid_by_hand"
    REVERSED = "reversed"  # the operator took the payment back: nothing is owed any more


@dataclass(frozen=True, slots=True)
class RefundStep:
    """One allowed step: where it leads and who may take it."""

    to: RefundState
    actors: frozenset[Actor]


@dataclass(frozen=True, slots=True)
class RefundRefused:
    """The step is not in the table, or not for this actor. Nothing changes."""

    state: RefundState
    seen: RefundSeen
    actor: Actor


_DUE, _SENT, _MANUAL = RefundState.DUE, RefundState.SENT, RefundState.MANUAL


def _by(to: RefundState, *actors: Actor) -> RefundStep:
    return RefundStep(to, frozenset(actors))


# An answer about a reference holds whoever has it by then: also for one that waits to be sent again and
# for one that a person was given. A void one is different: its debt went to another reference.
REFUND_TABLE: Final[dict[tuple[RefundState, RefundSeen], RefundStep]] = {
    (_DUE, RefundSeen.CALLING): _by(_SENT, Actor.REFUNDER),
    (_SENT, RefundSeen.ACCEPTED): _by(_SENT, Actor.REFUNDER),
    (_SENT, RefundSeen.PUT_BACK): _by(_DUE, Actor.REFUNDER),
    (_SENT, RefundSeen.PUT_OFF): _by(_DUE, Actor.REFUNDER),
    (_DUE, RefundSeen.SUCCEEDED): _by(RefundState.DONE, Actor.REFUNDER),
    (_SENT, RefundSeen.SUCCEEDED): _by(RefundState.DONE, Actor.REFUNDER),
    (_MANUAL, RefundSeen.SUCCEEDED): _by(RefundState.DONE, Actor.REFUNDER),
    (_SENT, RefundSeen.FAILED): _by(RefundState.VOID, Actor.REFUNDER),
    (_SENT, RefundSeen.FAILED_FOR_US): _by(RefundState.VOID, Actor.REFUNDER),
    (_DUE, RefundSeen.GIVEN_UP): _by(_MANUAL, Actor.REFUNDER),
    (_SENT, RefundSeen.GIVEN_UP): _by(_MANUAL, Actor.REFUNDER),
    (_MANUAL, RefundSeen.ASKED_AGAIN): _by(_DUE, Actor.STAFF),
    (_MANUAL, RefundSeen.RENEWED): _by(RefundState.VOID, Actor.STAFF),
    (_MANUAL, RefundSeen.PAID_BY_HAND): _by(RefundState.DONE, Actor.STAFF),
    (_DUE, RefundSeen.REVERSED): _by(RefundState.VOID, Actor.VERIFIER),
    (_MANUAL, RefundSeen.REVERSED): _by(RefundState.VOID, Actor.VERIFIER),
}

OWED: Final = frozenset({RefundState.DUE, RefundState.SENT, RefundState.MANUAL})
"""The payer does not have it yet."""


def advance_refund(state: RefundState, seen: RefundSeen, actor: Actor) -> RefundState | RefundRefused:
    """The state after this observation by this actor, or a refusal."""
    step = REFUND_TABLE.get((state, seen))
    if step is None or actor not in step.actors:
        return RefundRefused(state, seen, actor)
    return step.to


def refunds_before(seen: RefundSeen, actor: Actor) -> dict[RefundState, RefundState]:
    """Every state that this observation may leave, with where it leads: the guard of the conditional
    update that stores it."""
    return {
        before: step.to
        for (before, observed), step in REFUND_TABLE.items()
        if observed is seen and actor in step.actors
    }


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
    """Until a refund that never left us is sent again. `tries`: sends so far."""
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
    """Who goes on after a final failure."""

    NEW_REFERENCE = "new_reference"
    PERSON = "person"


def after_failure(failures: int) -> AfterFailure:
    """`failures`: references of this debt that failed for good at the payee's side, this one included."""
    return AfterFailure.NEW_REFERENCE if failures < REFERENCES_MAX else AfterFailure.PERSON


class AfterNotFound(StrEnum):
    """What to do when the operator does not know a refund's reference."""

    ASK_AGAIN = "ask_again"
    SEND_AGAIN = "send_again"
    PERSON = "person"


def refund_not_found(*, count: int, since_seconds: float, sends: int) -> AfterNotFound:
    """Not found alone fails nothing, and never makes a new reference: the money may have left.

    After three in a row over a minute the same reference is sent again, which pays at most once; after
    some sends of which the operator knows none, a person looks.
    """
    if count < 3 or since_seconds < 60:
        return AfterNotFound.ASK_AGAIN
    return AfterNotFound.SEND_AGAIN if sends < SENDS_MAX else AfterNotFound.PERSON


def waits_too_long(age: timedelta) -> bool:
    """Whether a refund has been on its way so long that a person should look."""
    return age >= PERSON_AFTER
