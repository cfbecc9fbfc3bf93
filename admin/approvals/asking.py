"""Asking for acts and deciding about them, the same for pages and for programs."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from admin.access.guard import Me
from admin.access.moment import read_instant
from admin.access.rules import may_decide
from admin.approvals.rules import SINGLE_PERSON, refusal_to_decide
from admin.approvals.staff_acts import Outcome, StaffActs
from gateway.orders.fraud import LIMITS
from gateway.values.money import parse_amount
from gateway.values.numbers import whole_number
from payments.requests import Act, ActRefused, StaffRequest, Why

NO_RIGHT: Final = "no_right"
# What each act may be asked with.
_TEXTS: Final[Mapping[Act, tuple[str, ...]]] = {
    Act.REFUND_PAYMENT: ("ticket", "public_reason"),
    Act.REFUSE_HELD: ("public_reason",),
    Act.DECIDE_HELD: ("step", "payments"),
    Act.VOID_WINDOW: ("from", "to", "channel", "operator", "public_reason"),
    Act.MANUAL_REFUND_DONE: ("operator_reference",),
    Act.RECONCILE: ("repair", "operator_reference"),
    Act.FEES: ("currency", "method", "valid_from"),
    Act.PAYOUT: ("step", "beneficiary", "end", "operator_reference"),
}
_FLAGS: Final[Mapping[Act, tuple[str, ...]]] = {Act.MANUAL_REFUND_DONE: ("from_float",)}
_NUMBERS: Final[Mapping[Act, tuple[str, ...]]] = {
    Act.DECIDE_HELD: ("block_days",),
    Act.FRAUD_LIMITS: LIMITS,
    Act.PAYOUT: ("amount_minor",),
    Act.FEES: ("percent_bp", "fixed_minor", "minimum_minor"),
}


def read_act(name: str) -> Act:
    """The act of this name. Raises ActRefused."""
    try:
        return Act(name)
    except ValueError:
        raise ActRefused(Why.IMPOSSIBLE, f"there is no act {name!r}") from None


def read_params(act: Act, given: Mapping[str, Any]) -> dict[str, Any]:
    """What an act is asked with, out of a form or a document; everything else is left out, empty texts too.
    Raises ActRefused."""
    params: dict[str, Any] = {}
    for name in _TEXTS.get(act, ()):
        if typed := str(given.get(name) or "").strip():
            params[name] = typed
    for name in _FLAGS.get(act, ()):
        params[name] = given.get(name) in (True, "1", "true", "on")
    for name in _NUMBERS.get(act, ()):
        typed = str(given.get(name) if given.get(name) is not None else "").strip()
        if not typed:
            continue
        if (number := whole_number(typed, 15)) is None:
            raise ActRefused(Why.IMPOSSIBLE, f"{name} must be a whole number")
        params[name] = number
    return params


def with_zone(given: Mapping[str, str], zone: str) -> dict[str, str]:
    """Instants as browsers write them, by the clocks of this zone. What is none is left as it is."""
    read: dict[str, str] = {}
    for name in ("from", "to", "valid_from"):
        with suppress(ValueError, OverflowError):
            at = read_instant(given.get(name, ""), zone)
            read |= {} if at is None else {name: at.isoformat()}
    return {**given, **read}


def with_amount(given: Mapping[str, str]) -> dict[str, str]:
    """An amount of money as people write it, in the minor units that acts are asked with. Raises ActRefused."""
    typed = "".join(given.get("amount", "").split())
    if not typed:
        return dict(given)
    amount = parse_amount(typed.replace(",", "."), given.get("currency", ""))
    if amount is None or amount.amount_minor < 1:
        raise ActRefused(Why.IMPOSSIBLE, f"{typed} is no amount of {given.get('currency')}")
    return {**given, "amount_minor": str(amount.amount_minor)}


def needs_proof(act: Act) -> bool:
    """Whether asking requires a second factor shown lately: for all that moves money or votes."""
    return act not in SINGLE_PERSON


def why_not(me: Me, request: StaffRequest, now: datetime) -> str | None:
    """Why a member may not agree to a request, as a code of the phrases; None when they may."""
    refused = refusal_to_decide(request, me.email, approve=True, now=now)
    if refused is not None:
        return refused.why.value
    if me.stopped:
        return Why.FROZEN.value
    return None if may_decide(me.rights, request.act, me.scope) else NO_RIGHT


async def decide(acts: StaffActs, me: Me, request_id: UUID, *, approve: bool) -> Outcome:
    """Agree or turn down. Raises ActRefused."""
    if await acts.requests.read(request_id, me.scope) is None:
        raise ActRefused(Why.UNKNOWN, f"there is no request {request_id}")
    return await acts.decide(request_id, me.email, approve)
