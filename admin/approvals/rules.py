"""What staff may ask for, who must agree, and for how long: the two-person rule as plain functions.

The person who asks never decides. A request shows a preview that is frozen when it is made; the second
person agrees to exactly that. A request that has expired can only be turned down.
"""

from datetime import datetime, timedelta
from typing import Final

from payments.requests import Act, ActRefused, RequestStatus, StaffRequest, Why, named

# Moves no money and no vote: a callback is a hint, and is judged as it was the first time.
SINGLE_PERSON: Final = frozenset({Act.REPLAY_CALLBACK})
LIFE: Final = timedelta(hours=24)


def needs_second_person(act: Act) -> bool:
    """Whether a second person must agree."""
    return act not in SINGLE_PERSON


def expired(request: StaffRequest, now: datetime) -> bool:
    """Whether the time to decide is over."""
    return request.status is RequestStatus.WAITING and now >= request.requested_at + LIFE


def refusal_to_decide(request: StaffRequest, person: str, *, approve: bool, now: datetime) -> ActRefused | None:
    """Why this person may not decide so, now; None when they may."""
    if request.status is not RequestStatus.WAITING:
        return ActRefused(Why.DECIDED, f"{request.decided_by} decided already: {request.status.value}")
    if named(person) == named(request.requested_by):
        return ActRefused(Why.OWN_REQUEST, "you asked for it yourself: another person must decide")
    if approve and expired(request, now):
        return ActRefused(
            Why.EXPIRED, "no second person agreed within 24 hours: ask again, so that the preview is true"
        )
    return None
