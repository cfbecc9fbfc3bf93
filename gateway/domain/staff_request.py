"""What staff may ask for, who must agree, and for how long: the two-person rule as plain functions.

Who asks never decides. A request shows a preview that is frozen when it is made; whoever decides
agrees to exactly that. One that nobody decided about in time can only be turned down.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID


class Act(StrEnum):
    """What may be asked for."""

    REFUND_PAYMENT = "refund_payment"  # a counted or held payment goes back to its payer
    VOID_WINDOW = "void_window"  # all payments of a window go back
    MANUAL_REFUND_DONE = "manual_refund_done"  # a person paid, and has the operator's reference
    RETRY_REFUND = "retry_refund"  # ask the operator again for what was given to a person
    RELEASE_HELD = "release_held"  # a held payment counts after all
    REFUSE_HELD = "refuse_held"  # a held payment goes back
    REPLAY_CALLBACK = "replay_callback"  # judge a stored callback once more
    PAYOUT = "payout"
    BENEFICIARY = "beneficiary"
    RECONCILE = "reconcile"  # a difference with an operator, or a group of them, is booked or accepted
    UNDO_IMPORT = "undo_import"  # a statement is taken back as a whole


class RequestStatus(StrEnum):
    """Where a request stands."""

    WAITING = "waiting"
    REJECTED = "rejected"
    APPROVED = "approved"  # being done
    DONE = "done"
    FAILED = "failed"


class Why(StrEnum):
    """Why an act or a decision is refused."""

    UNKNOWN = "unknown"
    NO_PERSON = "no_person"
    NO_REASON = "no_reason"
    NOT_ALLOWED = "not_allowed"  # their role lacks the right
    OWN_REQUEST = "own_request"
    DECIDED = "decided"
    EXPIRED = "expired"
    IMPOSSIBLE = "impossible"


class ActRefused(Exception):
    """The act or the decision is refused and nothing was changed; the text is for the person who asked."""

    def __init__(self, why: Why, text: str) -> None:
        super().__init__(text)
        self.why = why


# Moves no money and no vote: a callback is a hint, and is judged as it was the first time.
SINGLE_PERSON: Final = frozenset({Act.REPLAY_CALLBACK})
# Stands where the second person would, for acts that need none.
NOBODY_ELSE: Final = "single-person act"
LIFE: Final = timedelta(hours=24)
REASON_LENGTH_MIN: Final = 3
REASON_LENGTH_MAX: Final = 500


@dataclass(frozen=True, slots=True)
class StaffRequest:
    """A request as it is kept.

    `subject`: what it is about, in the words of its act (a payment's reference, a contest's slug …).
    `params`: what was asked for exactly. `preview`: what it would do, as of when it was made.
    """

    id: UUID
    act: Act
    subject: str
    reason: str
    requested_by: str
    requested_at: datetime
    status: RequestStatus
    params: Mapping[str, Any] = field(default_factory=dict)
    preview: Mapping[str, Any] = field(default_factory=dict)
    decided_by: str | None = None
    decided_at: datetime | None = None
    finished_at: datetime | None = None
    outcome: str | None = None


def needs_second_person(act: Act) -> bool:
    """Whether somebody else must agree."""
    return act not in SINGLE_PERSON


def named(person: str) -> str:
    """A person by e-mail address or account name, as they are compared. Raises ActRefused."""
    name = person.strip().lower()
    if not name or name == NOBODY_ELSE:
        raise ActRefused(Why.NO_PERSON, "say who you are")
    return name


def reasoned(reason: str) -> str:
    """A reason that says something. Raises ActRefused."""
    said = " ".join(reason.split())
    if not REASON_LENGTH_MIN <= len(said) <= REASON_LENGTH_MAX:
        raise ActRefused(
            Why.NO_REASON, f"give a reason of {REASON_LENGTH_MIN} to {REASON_LENGTH_MAX} characters for the record"
        )
    return said


def expired(request: StaffRequest, now: datetime) -> bool:
    """Whether nobody decided in time."""
    return request.status is RequestStatus.WAITING and now >= request.requested_at + LIFE


def refusal_to_decide(request: StaffRequest, person: str, *, approve: bool, now: datetime) -> ActRefused | None:
    """Why this person may not decide so, now; None when they may."""
    if request.status is not RequestStatus.WAITING:
        return ActRefused(Why.DECIDED, f"{request.decided_by} decided already: {request.status.value}")
    if named(person) == named(request.requested_by):
        return ActRefused(Why.OWN_REQUEST, "you asked for it yourself: somebody else must decide")
    if approve and expired(request, now):
        return ActRefused(Why.EXPIRED, "nobody agreed within 24 hours: ask again, so that the preview is true")
    return None
