"""Money that an operator takes back: its own numbers for it, what it says about each, and which are to be asked."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from payments.provider import NamedReversal, Reversed


@dataclass(frozen=True, slots=True)
class SeenReversal:
    """What an operator says about money that it took back. `provider`: its code. One of these finds the payment:
    `reference`, ours; `number`, the operator's own of a payment by card."""

    provider: str
    told: Reversed
    reference: UUID | None = None
    number: str | None = None


@dataclass(frozen=True, slots=True)
class DueReversal:
    """One that is to be asked about, under a lease. `tries`: questions so far, this one included. `now`: when it was
    claimed."""

    account: str
    number: str
    tries: int
    now: datetime


class ReversalStore(Protocol):
    """What is to be asked about, and up to when operators' lists were read. Every method is one transaction."""

    async def name(self, named: Sequence[NamedReversal]) -> None:
        """Have these asked about."""
        ...

    async def claim(self, limit: int) -> list[DueReversal]:
        """Take those that are due."""
        ...

    async def record(self, seen: Sequence[SeenReversal]) -> Mapping[str, UUID]:
        """Keep what the operator says and do what follows of what is lost; payments of ours, by its numbers."""
        ...

    async def answered(self, due: DueReversal, outcome: str) -> None:
        """Not to be asked about again, unless it was named meanwhile."""
        ...

    async def not_there(self, due: DueReversal, currency: str) -> None:
        """The operator does not know it: a person should know that somebody named it. `currency`: one of the
        account's."""
        ...

    async def ask_again(self, due: DueReversal, seconds: float) -> None:
        """No answer: again after so long."""
        ...

    def sweeping(self, account: str, every_seconds: float) -> AbstractAsyncContextManager["Sweep | None"]:
        """Hold the account's lists; yields None where another process does, or did lately."""
        ...


@dataclass(slots=True)
class Sweep:
    """A look through an operator's lists. `since`: up to when they were read before, None: never; `until`: when this
    one began. `done`: it was whole, so that the next begins where this one began."""

    since: datetime | None
    until: datetime
    done: bool = False
