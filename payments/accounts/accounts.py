"""What is known of accounts at operators while the service runs: who is set aside, and how calls went.

An account is watched under its key where it collects, and apart from that under `routing.out_of` its key
where refunds and payouts leave it: one may fail while the other works.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from gateway.orders.routing import Rails
from payments.accounts.breaker import Health


class Asked(StrEnum):
    """Kinds of calls that are measured apart."""

    PREPARATION = "preparation"
    COLLECTION = "collection"
    STATUS = "status"
    DISBURSEMENT = "disbursement"


class Accounts(Protocol):
    """The accounts of this process, as those see them who call operators."""

    @property
    def rails(self) -> Rails:
        """Every rail, and what is closed of them now."""
        ...

    def at_once(self, account: str, usual: int) -> int:
        """How many calls may be under way at an account: 0 while it is closed, few just after it opened."""
        ...

    def may_ask(self, account: str, *, again: bool) -> bool:
        """Whether money may be asked for, or sent, now; it counts as asked when it is. What was tried before
        (`again`) waits when too much of the last minute was tried again."""
        ...

    def note(self, account: str, asked: Asked, result: object, seconds: float) -> None:
        """A call ended like this after so long. Never blocks and never raises."""
        ...


@dataclass(frozen=True, slots=True)
class AccountsRead:
    """Every account that ever failed, read at `now` of the database."""

    now: datetime
    health: Mapping[str, Health]


class AccountHealthStore(Protocol):
    """Health of accounts, shared by all processes. Written when it changes, and never else."""

    async def read(self) -> AccountsRead:
        """All of it."""
        ...

    async def close(self, account: str, reason: str) -> int | None:
        """Set an account aside; for how many seconds. None when somebody else was faster."""
        ...

    async def claim_probe(self, account: str) -> bool:
        """Take the probing of an account whose time is over, under a lease; False when somebody has it."""
        ...

    async def probed(self, account: str, *, alive: bool) -> int | None:
        """Open an account, or close it for longer; for how many seconds, 0 when it opened. None when it was
        open already."""
        ...
