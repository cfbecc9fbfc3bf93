"""Requests of staff in the transaction of an act: who may ask, what it would do, and carrying it out once."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.storage.schema.staff import staff_requests
from payments.requests import NewRequest, RequestStatus, Right, Scope, StaffRequest

Permit = Callable[[AsyncConnection, str, Right], Awaitable[Scope]]
"""Looks a person and their right up in the transaction of an act; for whom they work. Raises ActRefused."""

Preview = Callable[[AsyncConnection, NewRequest], Awaitable[Mapping[str, Any]]]
"""Looks at what a request would do, in the transaction that keeps it (its row is there), and returns the
preview: words and numbers that JSON knows. Raises ActRefused for what cannot be done."""


async def hold_request(connection: AsyncConnection, request_id: UUID) -> bool:
    """Lock a request that is done in batches until the end of this transaction, so that its executor runs once at a
    time; whether it is still to be done."""
    wanted = select(staff_requests.c.status).where(staff_requests.c.id == request_id).with_for_update()
    status: str | None = (await connection.execute(wanted)).scalar_one_or_none()
    return status == RequestStatus.APPROVED.value


async def did_before(connection: AsyncConnection, request_id: UUID) -> str | None:
    """Lock a request until the end of this transaction; what it did, None while it is still to be done.

    A worker and the person who agrees may both carry it out: the second one returns what the first one did."""
    wanted = select(staff_requests.c.status, staff_requests.c.outcome).where(staff_requests.c.id == request_id)
    row = (await connection.execute(wanted.with_for_update())).one()
    outcome: str | None = row.outcome
    return outcome if outcome is not None or row.status == RequestStatus.APPROVED.value else f"it is {row.status}"


async def keep_outcome(connection: AsyncConnection, request_id: UUID, outcome: str) -> str:
    """Keep what a request did, in the transaction that did it; the outcome."""
    kept = update(staff_requests).where(staff_requests.c.id == request_id).values(outcome=outcome)
    await connection.execute(kept)
    return outcome


async def carry_out_once(
    engine: AsyncEngine, request: StaffRequest, act: Callable[[AsyncConnection, StaffRequest], Awaitable[str]]
) -> str:
    """Do an act in one transaction, unless it was done before; its outcome. Raises what `act` raises."""
    async with engine.begin() as connection:
        if (did := await did_before(connection, request.id)) is not None:
            return did
        return await keep_outcome(connection, request.id, await act(connection, request))
