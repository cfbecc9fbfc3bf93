"""What acts of staff about money ask of storage. Every method is one transaction, safe to run twice."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from payments.acts.request import StaffRequest


@dataclass(frozen=True, slots=True)
class Moved:
    """What an act did. `counted`: candidate code and votes, negative when taken back; `contest_id` None
    when no tally is concerned."""

    outcome: str
    contest_id: UUID | None = None
    counted: tuple[tuple[str, int], ...] = ()


class StaffMoneyStore(Protocol):
    """Acts about single payments, refunds and callbacks. All raise ActRefused when it cannot be done any
    more; done before, they say so again."""

    async def refund_payment(self, request: StaffRequest) -> Moved:
        """Owe a counted or held payment back, and close the ticket that the request names."""
        ...

    async def release_held(self, request: StaffRequest) -> Moved:
        """Count a held payment."""
        ...

    async def refuse_held(self, request: StaffRequest) -> Moved:
        """Owe a held payment back."""
        ...

    async def manual_refund_done(self, request: StaffRequest) -> Moved:
        """A person paid a refund and has the operator's reference for it."""
        ...

    async def retry_refund(self, request: StaffRequest) -> Moved:
        """Give a refund that waits for a person back to the machine."""
        ...

    async def replay_callback(self, request: StaffRequest) -> Moved:
        """Have a stored callback judged once more."""
        ...


@dataclass(frozen=True, slots=True)
class VoidBatch:
    """What one batch of a voided window did. `last`: nothing is left."""

    contest_id: UUID
    counted: tuple[tuple[str, int], ...]
    looked_at: int
    last: bool


@dataclass(frozen=True, slots=True)
class VoidProgress:
    """How far a voided window is, in one currency. `done` of `payments` were looked at, `skipped` of them
    had left the tally before; `refunded` have their money, `manual` wait for a person."""

    currency: str
    payments: int
    votes: int
    money_minor: int
    done: int
    skipped: int
    votes_done: int
    money_done_minor: int
    refunded: int
    manual: int


class VoidStore(Protocol):
    """Voided windows."""

    async def preview(self, subject: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """What a window would take back now. Raises ActRefused."""
        ...

    async def run_batch(self, request: StaffRequest) -> VoidBatch:
        """Give back the next rows of an approved window."""
        ...

    async def progress(self, request_id: UUID, *, given: bool = True) -> tuple[VoidProgress, ...]:
        """How far a window is, a line for each currency; empty for what is no window. Reads all its rows. `given`:
        and all their payments and refunds; else nothing is `refunded` or `manual`."""
        ...
