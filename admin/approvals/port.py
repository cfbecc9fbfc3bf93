"""What acts of staff ask of storage, and what does them."""

from collections.abc import Collection, Sequence
from typing import Protocol
from uuid import UUID

from payments.requests import Act, NewRequest, RequestStatus, StaffRequest


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
