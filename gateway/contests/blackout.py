"""When the ranking of a contest is hidden from the public, until the result is announced. Plain functions."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

# A time that was typed is in minutes: it is over while it is sent.
_TYPED: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Blackout:
    """`begins_at`: since when the ranking is hidden; `announcement_at`: when the result is planned to be announced,
    None where it is not known; `announced_at`: when it was, None until then. Only a person ends it: shows run late.
    `sealed`: the public log goes on with entries that are encrypted, and two persons announce, whose act opens them."""

    begins_at: datetime
    announcement_at: datetime | None = None
    announced_at: datetime | None = None
    sealed: bool = False

    def hides_at(self, now: datetime) -> bool:
        """Whether figures are hidden at this instant."""
        return self.begins_at <= now and (self.announced_at is None or now < self.announced_at)

    def coming_at(self, now: datetime) -> bool:
        """Whether figures are hidden later."""
        return now < self.begins_at


class BlackoutFault(StrEnum):
    """Why a blackout cannot be so. Each has a phrase for staff."""

    PAST = "past"
    BEGUN = "begun"
    ORDER = "order"
    NONE = "none"
    SEALED = "sealed"


class BlackoutRefused(Exception):
    """`fault`: why."""

    def __init__(self, fault: BlackoutFault) -> None:
        super().__init__(fault.value)
        self.fault = fault


def planned(
    held: Blackout | None,
    begins_at: datetime | None,
    announcement_at: datetime | None,
    now: datetime,
    *,
    sealed: bool | None = None,
) -> Blackout:
    """The blackout that is asked for, in place of the one that is. `begins_at` None: now, or as it began; `sealed`
    None: not, or as it began. While figures are hidden only the plan of the announcement changes. Raises
    BlackoutRefused."""
    if held is not None and held.hides_at(now):
        if begins_at not in (None, held.begins_at) or sealed not in (None, held.sealed):
            raise BlackoutRefused(BlackoutFault.BEGUN)
        begins, sealed = held.begins_at, held.sealed
    else:
        begins = now if begins_at is None else begins_at
        if begins < now - _TYPED:
            raise BlackoutRefused(BlackoutFault.PAST)
        begins = max(begins, now)
    if announcement_at is not None and announcement_at <= max(begins, now):
        raise BlackoutRefused(BlackoutFault.ORDER)
    return Blackout(begins, announcement_at, sealed=bool(sealed))


def ended(held: Blackout | None, now: datetime) -> Blackout | None:
    """What is left once one person announces the result; None of a blackout that has not begun. Raises
    BlackoutRefused, also where the log is sealed: two persons open it."""
    if held is not None and held.coming_at(now):
        return None
    if held is None or not held.hides_at(now):
        raise BlackoutRefused(BlackoutFault.NONE)
    if held.sealed:
        raise BlackoutRefused(BlackoutFault.SEALED)
    return replace(held, announced_at=now)
