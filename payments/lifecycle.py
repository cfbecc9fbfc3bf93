"""The life of one payment: its states, every allowed step, and who may cause it.

A payment is one attempt to collect an order, under one reference. A step that the table does not list is refused and
changes nothing. Unknown is not failed: after a time-out or an unreadable answer the payment stays open and is asked
about.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from gateway.orders.rules import PAID_STATES, UNSENT_LIFE
from gateway.values.money import Money
from payments.provider import PayerReason


class State(StrEnum):
    """State of a payment."""

    CREATED = "created"  # ordered, the payer has not been asked
    SENT = "sent"  # the operator is being asked; committed before the call
    PENDING = "pending"  # the operator has it, the payer decides
    CONFIRMED = "confirmed"  # the operator says paid, with the same amount
    SETTLED = "settled"  # counted
    HELD = "held"  # paid, waiting for a person
    SURPLUS = "surplus"  # paid, but this order is counted already
    MISMATCHED = "mismatched"  # paid, with another amount or currency
    REFUND_DUE = "refund_due"  # paid, will be given back
    REFUNDED = "refunded"
    FAILED = "failed"
    EXPIRED = "expired"


class Observed(StrEnum):
    """What was observed or decided about a payment."""

    CALLING = "calling"
    ACCEPTED = "accepted"
    STILL_OPEN = "still_open"
    PUT_BACK = "put_back"  # it did not leave us, or never arrived: to be sent again as it is
    NEVER_SENT = "never_sent"
    WITHHELD = "withheld"  # its payer is not asked, or not asked again: see `Withheld`
    REFUSED = "refused"
    SUCCEEDED = "succeeded"
    SUCCEEDED_OTHERWISE = "succeeded_otherwise"
    FAILED = "failed"
    DEADLINE_PASSED = "deadline_passed"
    COUNTS = "counts"
    SUSPECT = "suspect"
    CANNOT_COUNT = "cannot_count"
    COUNTED_BEFORE = "counted_before"
    REFUNDED = "given_back"
    REVERSED = "reversed"  # the operator took the money from us again, and the payer has it
    # Of a payment that counts on a callback, see `payments.collection.provisional_rules`.
    PROVED = "proved"  # the operator says so itself
    DENIED = "denied"  # the operator has no such money
    PAID_OTHERWISE = "paid_otherwise"  # the operator has another amount
    UNPROVED = "unproved"  # it does not count, so nothing is done with it before the operator says so itself


class Actor(StrEnum):
    """Who may cause a step."""

    COLLECTOR = "collector"
    VERIFIER = "verifier"
    SWEEPER = "sweeper"
    SETTLER = "settler"
    STAFF = "staff"
    REFUNDER = "refunder"


@dataclass(frozen=True, slots=True)
class Step:
    """One allowed step: where it leads and who may take it."""

    to: State
    actors: frozenset[Actor]


@dataclass(frozen=True, slots=True)
class Refused:
    """The step is not in the table, or not for this actor. Nothing changes."""

    state: State
    observed: Observed
    actor: Actor


OPEN: Final = frozenset({State.CREATED, State.SENT, State.PENDING})
ASKABLE: Final = frozenset({State.SENT, State.PENDING, State.EXPIRED, State.FAILED})
# What may count on a callback alone. What the operator itself has called failed waits for its own answer.
COUNTABLE: Final = frozenset({State.SENT, State.PENDING, State.EXPIRED})
MONEY_TAKEN: Final = frozenset(State(name) for name in PAID_STATES)


def _step(to: State, *actors: Actor) -> Step:
    return Step(to, frozenset(actors))


_COLLECTOR, _VERIFIER, _SETTLER = Actor.COLLECTOR, Actor.VERIFIER, Actor.SETTLER

TABLE: Final[dict[tuple[State, Observed], Step]] = {
    (State.CREATED, Observed.CALLING): _step(State.SENT, _COLLECTOR),
    (State.CREATED, Observed.NEVER_SENT): _step(State.FAILED, _COLLECTOR, Actor.SWEEPER),
    (State.CREATED, Observed.WITHHELD): _step(State.FAILED, _COLLECTOR),
    (State.SENT, Observed.ACCEPTED): _step(State.PENDING, _COLLECTOR),
    (State.SENT, Observed.STILL_OPEN): _step(State.PENDING, _VERIFIER),
    (State.SENT, Observed.PUT_BACK): _step(State.CREATED, _COLLECTOR, _VERIFIER),
    (State.SENT, Observed.REFUSED): _step(State.FAILED, _COLLECTOR, _VERIFIER),
    (State.SENT, Observed.FAILED): _step(State.FAILED, _VERIFIER),
    (State.PENDING, Observed.FAILED): _step(State.FAILED, _VERIFIER),
    (State.EXPIRED, Observed.FAILED): _step(State.FAILED, _VERIFIER),
    (State.SENT, Observed.DEADLINE_PASSED): _step(State.EXPIRED, Actor.SWEEPER, _VERIFIER),
    (State.PENDING, Observed.DEADLINE_PASSED): _step(State.EXPIRED, Actor.SWEEPER, _VERIFIER),
    **{(state, Observed.SUCCEEDED): _step(State.CONFIRMED, _VERIFIER) for state in ASKABLE},
    **{(state, Observed.SUCCEEDED_OTHERWISE): _step(State.MISMATCHED, _VERIFIER) for state in ASKABLE},
    (State.CONFIRMED, Observed.COUNTS): _step(State.SETTLED, _SETTLER),
    (State.CONFIRMED, Observed.SUSPECT): _step(State.HELD, _SETTLER),
    (State.CONFIRMED, Observed.CANNOT_COUNT): _step(State.REFUND_DUE, _SETTLER),
    (State.CONFIRMED, Observed.COUNTED_BEFORE): _step(State.SURPLUS, _SETTLER),
    (State.SURPLUS, Observed.CANNOT_COUNT): _step(State.REFUND_DUE, _SETTLER),
    (State.MISMATCHED, Observed.CANNOT_COUNT): _step(State.REFUND_DUE, _SETTLER),
    (State.HELD, Observed.COUNTS): _step(State.SETTLED, Actor.STAFF),
    (State.HELD, Observed.CANNOT_COUNT): _step(State.REFUND_DUE, Actor.STAFF, _SETTLER),
    (State.SETTLED, Observed.CANNOT_COUNT): _step(State.REFUND_DUE, Actor.STAFF),
    # Wherever its money is by then, but for a refund that has left: that is for a person.
    **{
        (state, Observed.REVERSED): _step(State.REFUNDED, _VERIFIER) for state in sorted(MONEY_TAKEN - {State.REFUNDED})
    },
    (State.REFUND_DUE, Observed.REFUNDED): _step(State.REFUNDED, Actor.REFUNDER),
    (State.SETTLED, Observed.PROVED): _step(State.SETTLED, _VERIFIER),
    (State.SETTLED, Observed.DENIED): _step(State.FAILED, _VERIFIER),
    (State.SETTLED, Observed.PAID_OTHERWISE): _step(State.MISMATCHED, _VERIFIER),
    (State.CONFIRMED, Observed.UNPROVED): _step(State.EXPIRED, _SETTLER),
}


def advance(state: State, observed: Observed, actor: Actor) -> State | Refused:
    """The state after this observation by this actor, or a refusal."""
    step = TABLE.get((state, observed))
    if step is None or actor not in step.actors:
        return Refused(state, observed, actor)
    return step.to


def states_before(observed: Observed, actor: Actor) -> dict[State, State]:
    """Every state that this observation may leave, with where it leads: the guard of the
    conditional update that stores it."""
    return {
        before: step.to
        for (before, step_observed), step in TABLE.items()
        if step_observed is observed and actor in step.actors
    }


@dataclass(frozen=True, slots=True)
class Guard:
    """What recording an observation may do: the states that it may leave, and the one it leads to; `to` None: no
    step, only its facts are kept."""

    before: frozenset[State]
    to: State | None


def guard(observed: Observed | None, actor: Actor, *, provisional: bool = False) -> Guard:
    """The guard of the conditional update that records an observation. `provisional`: it is an unsigned callback that
    is counted on. Raises ValueError for a step that the table does not have."""
    if observed is None:
        return Guard(frozenset(State), None)
    leads = states_before(observed, actor)
    if provisional:
        # The operator may have called it failed since the rule looked at it.
        leads = {before: to for before, to in leads.items() if before in COUNTABLE}
    targets = set(leads.values())
    if len(targets) != 1:
        raise ValueError(f"{actor} may not observe {observed}, or it leads to several states")
    return Guard(frozenset(leads), targets.pop())


def success_observed(asked: Money, received: Money) -> Observed:
    """Paid as asked, or paid otherwise."""
    return Observed.SUCCEEDED if asked == received else Observed.SUCCEEDED_OTHERWISE


class PublicStatus(StrEnum):
    """The public status of an order."""

    PENDING = "PENDING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"
    HELD = "HELD"
    REFUNDED = "REFUNDED"


# The first of these that any payment of the order has is the order's.
_PUBLIC: Final = (
    (PublicStatus.COMPLETED, frozenset({State.SETTLED})),
    (PublicStatus.HELD, frozenset({State.HELD, State.SURPLUS, State.MISMATCHED, State.REFUND_DUE})),
    (PublicStatus.PENDING, OPEN | {State.CONFIRMED}),
    (PublicStatus.REFUNDED, frozenset({State.REFUNDED})),
    (PublicStatus.EXPIRED, frozenset({State.EXPIRED})),
)


def public_status(states: list[State]) -> PublicStatus:
    """The public status of an order, from the states of its payments."""
    for status, among in _PUBLIC:
        if any(state in among for state in states):
            return status
    return PublicStatus.FAILED


def public_reason(states: list[State], reason: str | None) -> str | None:
    """Why: the review, the refund on its way, or the operator's refusal."""
    status = public_status(states)
    if status is PublicStatus.HELD:
        return "review" if State.HELD in states else "refund_pending"
    if status in (PublicStatus.FAILED, PublicStatus.EXPIRED, PublicStatus.REFUNDED):
        return reason
    return None


UNDECIDED: Final = "undecided"
"""Why a held payment goes back: no person decided about it in time."""


class Withheld(StrEnum):
    """Why the payer of an order is not asked for money any more."""

    CLOSED = "closed"  # a payer who takes all the time there is would be too late to count
    CANDIDATE_WITHDRAWN = "candidate_withdrawn"
    SUSPENDED = "suspended"  # the organiser is frozen
    TRIED = "tried"  # as often as is allowed
    TOO_OLD = "too_old"
    ASKED_TOO_OFTEN = "asked_too_often"  # by several gateways in the same instant
    NEVER_SENT = "never_sent"  # too old as well, and its operator was never called


# Every reason of a payment that voters have a sentence for: an operator's, and our own.
REASONS: Final = frozenset(PayerReason) | {
    Withheld.CLOSED,
    Withheld.CANDIDATE_WITHDRAWN,
    Withheld.SUSPENDED,
}

# An order is sent to its operator so often at most.
SEND_TRIES_MAX: Final = 5
# What a payer may take to approve a prompt: the five minutes of the slowest operator and a little.
ANSWER_TIME: Final = timedelta(seconds=330)


def may_send_again(*, tries: int, age: timedelta) -> bool:
    """Whether an order of this age, sent so often, may be sent once more."""
    return tries < SEND_TRIES_MAX and age < UNSENT_LIFE


# How the operator's ladder of questions goes on after its listed rungs, in seconds.
_AFTER_LADDER: Final = ((600, 120), (86_400, 900))
UNRESOLVED_EVERY_SECONDS: Final = 3_600


def check_delay_seconds(ladder: tuple[float, ...], checks: int, age_seconds: float, jitter: float) -> float:
    """Seconds until the next status question.

    `ladder`: rungs of the provider; `checks`: questions asked so far; `jitter` in [-1, 1] spreads
    the answer by a fifth, so that a burst of orders is not asked about in one burst again.
    """
    if checks < len(ladder):
        base = ladder[checks]
    else:
        base = next((every for until, every in _AFTER_LADDER if age_seconds < until), UNRESOLVED_EVERY_SECONDS)
    return base * (1 + 0.2 * jitter)


class NotFoundAnswer(StrEnum):
    """What to do when the operator says that it does not know our reference."""

    ASK_AGAIN = "ask_again"
    SEND_AGAIN = "send_again"
    PARK = "park"


def after_not_found(*, count: int, since_seconds: float, accepted: bool, repeatable: bool) -> NotFoundAnswer:
    """Not found alone never fails a payment.

    After three in a row over a minute the same reference is sent again, if the operator never
    accepted it and the provider allows a repeat; one that was accepted before is parked for a
    person, because we must be asking at the wrong door.
    """
    if count < 3 or since_seconds < 60:
        return NotFoundAnswer.ASK_AGAIN
    if accepted:
        return NotFoundAnswer.PARK
    return NotFoundAnswer.SEND_AGAIN if repeatable else NotFoundAnswer.ASK_AGAIN
