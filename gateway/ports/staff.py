"""What acts of staff ask of storage, and what does them."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from gateway.domain.staff_request import Act, RequestStatus, StaffRequest


@dataclass(frozen=True, slots=True)
class NewRequest:
    """What somebody asks for."""

    id: UUID
    act: Act
    subject: str
    params: Mapping[str, Any]
    reason: str
    requested_by: str


class StaffRequestStore(Protocol):
    """Requests, each step with its line in the audit log. Every method is one transaction."""

    async def add(self, request: NewRequest) -> StaffRequest:
        """Keep a request with the preview of what it would do; one that needs nobody else is approved at
        once. Raises ActRefused for what cannot be done."""
        ...

    async def read(self, request_id: UUID) -> StaffRequest | None:
        """One request."""
        ...

    async def listed(
        self, *, statuses: Collection[RequestStatus] = (), acts: Collection[Act] = (), limit: int = 100
    ) -> Sequence[StaffRequest]:
        """The latest requests, of these statuses and acts, or of all."""
        ...

    async def decide(self, request_id: UUID, person: str, approve: bool) -> StaffRequest:
        """Approve or turn down. Raises ActRefused."""
        ...

    async def approved(self, limit: int) -> Sequence[StaffRequest]:
        """Requests that are agreed to and not done, oldest first."""
        ...

    async def finish(self, request_id: UUID, status: RequestStatus, outcome: str) -> bool:
        """Say how it ended; False when somebody else said so before."""
        ...


@dataclass(frozen=True, slots=True)
class Executed:
    """What an executor did. `finished` False: there is more to do, it is called again."""

    outcome: str
    finished: bool = True
    ok: bool = True


Executor = Callable[[StaffRequest], Awaitable[Executed]]
"""Does an approved request. It may be called again after a kill, and twice at once: it must find out by
the request's id what is done already. Raises ActRefused when it cannot be done (any more)."""
