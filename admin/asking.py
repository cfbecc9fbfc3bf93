"""Asking for acts and deciding about them, the same for pages and for programs."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from admin.desk import Desk
from admin.guard import Me
from gateway.domain.staff import ASKING, may_decide
from gateway.domain.staff_request import SINGLE_PERSON, Act, ActRefused, StaffRequest, Why, refusal_to_decide
from gateway.ports.house import House
from gateway.usecases.staff_acts import Outcome

NO_RIGHT: Final = "no_right"
_OF_PAYMENT: Final = frozenset({Act.REFUND_PAYMENT, Act.RELEASE_HELD, Act.REFUSE_HELD})
_OF_REFUND: Final = frozenset({Act.MANUAL_REFUND_DONE, Act.RETRY_REFUND})
# What each act may be asked with.
_TEXTS: Final[Mapping[Act, tuple[str, ...]]] = {
    Act.REFUND_PAYMENT: ("ticket", "public_reason"),
    Act.REFUSE_HELD: ("public_reason",),
    Act.VOID_WINDOW: ("from", "to", "channel", "operator", "public_reason"),
    Act.MANUAL_REFUND_DONE: ("operator_reference",),
    Act.PAYOUT: ("step", "beneficiary", "end", "operator_reference"),
}
_FLAGS: Final[Mapping[Act, tuple[str, ...]]] = {Act.MANUAL_REFUND_DONE: ("from_float",)}
_NUMBERS: Final[Mapping[Act, tuple[str, ...]]] = {Act.PAYOUT: ("amount_minor",)}


class NotAllowed(Exception):
    """Their role lacks the right."""


def read_act(word: str) -> Act:
    """The act of this name. Raises ActRefused."""
    try:
        return Act(word)
    except ValueError:
        raise ActRefused(Why.IMPOSSIBLE, f"there is no act {word!r}") from None


def read_params(act: Act, given: Mapping[str, Any]) -> dict[str, Any]:
    """What an act is asked with, out of a form or a document; everything else is left out, empty texts too.
    Raises ActRefused."""
    params: dict[str, Any] = {}
    for name in _TEXTS.get(act, ()):
        if said := str(given.get(name) or "").strip():
            params[name] = said
    for name in _FLAGS.get(act, ()):
        params[name] = given.get(name) in (True, "1", "true", "on")
    for name in _NUMBERS.get(act, ()):
        said = str(given.get(name) if given.get(name) is not None else "").strip()
        if not said:
            continue
        if not (said.isascii() and said.isdigit() and len(said) <= 15):
            raise ActRefused(Why.IMPOSSIBLE, f"{name} must be a whole number")
        params[name] = int(said)
    return params


def with_zone(given: Mapping[str, str]) -> dict[str, str]:
    """The ends of a window as browsers write them, with the zone that our pages name: UTC."""
    ends = {name: f"{given[name]}+00:00" for name in ("from", "to") if given.get(name) and "+" not in given[name]}
    return {**given, **ends}


def needs_proof(act: Act) -> bool:
    """Whether whoever asks must have proven lately who they are: for all that moves money or votes."""
    return act not in SINGLE_PERSON


async def ask(desk: Desk, house: House, me: Me, act: Act, subject: str, params: Mapping[str, Any], reason: str) -> UUID:
    """Ask for an act; the request's id. Raises ActRefused, NotAllowed."""
    if ASKING[act] not in me.rights:
        raise NotAllowed(ASKING[act].value)
    await _in_scope(desk, house, me, act, subject)
    return await desk.acts.ask(act, subject, params, reason, me.email)


async def request_for(desk: Desk, house: House, me: Me, request_id: UUID) -> StaffRequest | None:
    """A request that they may see."""
    found = await desk.acts.requests.read(request_id)
    return None if found is None or not visible(house, me, found) else found


def visible(house: House, me: Me, request: StaffRequest) -> bool:
    """Whether a request is about the organiser that somebody works for."""
    if me.scope is None:
        return True
    contest = house.contest(str(request.preview.get("contest") or ""))
    return contest is not None and contest.organiser_id == me.scope


def why_not(me: Me, request: StaffRequest, now: datetime) -> str | None:
    """Why somebody may not agree to a request, as a code that phrases know; None when they may."""
    refused = refusal_to_decide(request, me.email, approve=True, now=now)
    if refused is not None:
        return refused.why.value
    return None if may_decide(me.rights, request.act) else NO_RIGHT


async def decide(desk: Desk, house: House, me: Me, request_id: UUID, *, approve: bool) -> Outcome:
    """Agree or turn down. Raises ActRefused, NotAllowed."""
    request = await request_for(desk, house, me, request_id)
    if request is None:
        raise ActRefused(Why.UNKNOWN, f"there is no request {request_id}")
    if not may_decide(me.rights, request.act):
        raise NotAllowed(ASKING[request.act].value)
    return await desk.acts.decide(request_id, me.email, approve)


async def _in_scope(desk: Desk, house: House, me: Me, act: Act, subject: str) -> None:
    """Raises ActRefused for what belongs to another organiser, as if it were not there."""
    there = True
    if act in _OF_PAYMENT:
        there = await desk.reads.vote_of(_uuid(subject), me.scope) is not None
    elif act in _OF_REFUND:
        there = await desk.reads.refund(_uuid(subject), me.scope) is not None
    elif act is Act.REPLAY_CALLBACK:
        known = subject.isascii() and subject.isdigit() and len(subject) <= 18
        there = known and await desk.reads.callback_in_scope(int(subject), me.scope)
    elif act is Act.VOID_WINDOW and me.scope is not None:
        contest = house.contest(subject)
        there = contest is not None and contest.organiser_id == me.scope
    if not there:
        raise ActRefused(Why.UNKNOWN, f"there is no {subject!r}")


def _uuid(subject: str) -> UUID:
    try:
        return UUID(subject)
    except ValueError:
        raise ActRefused(Why.UNKNOWN, f"{subject!r} is no reference") from None
