"""Requests of staff: kept with a frozen preview, decided once, every step in the audit log."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.access.rights import StaffRights
from admin.approvals.rules import needs_second_person, refusal_to_decide
from gateway.storage.audit_log import note
from gateway.storage.schema.staff import staff_requests
from payments.request_store import Preview
from payments.requests import NOBODY_ELSE, Act, ActRefused, NewRequest, RequestStatus, StaffRequest, Why

_ROW: Final = [staff_requests.c[column.name] for column in staff_requests.columns]


class StaffRequests:
    """Requests, each step with its line in the audit log; every method is one transaction.

    `previews`: who makes the preview of an act; without one it is empty."""

    def __init__(self, engine: AsyncEngine, previews: Mapping[Act, Preview], rights: StaffRights) -> None:
        self._engine = engine
        self._previews = previews
        self._rights = rights

    async def add(self, request: NewRequest) -> StaffRequest:
        """Keep a request with its preview. Raises ActRefused."""
        values: dict[str, Any] = {
            "id": request.id,
            "act": request.act.value,
            "subject": request.subject,
            "params": dict(request.params),
            "reason": request.reason,
            "requested_by": request.requested_by,
        }
        if not needs_second_person(request.act):
            values |= {"status": RequestStatus.APPROVED.value, "decided_by": NOBODY_ELSE, "decided_at": func.now()}
        async with self._engine.begin() as connection:
            await self._rights.check_asker(connection, request.requested_by, request.act, request.subject)
            await connection.execute(insert(staff_requests).values(values))
            look = self._previews.get(request.act)
            preview = dict(await look(connection, request)) if look else {}
            written = (
                await connection.execute(
                    update(staff_requests)
                    .where(staff_requests.c.id == request.id)
                    .values(preview=preview)
                    .returning(*_ROW)
                )
            ).one()
            await note(
                connection,
                actor=request.requested_by,
                act=f"{request.act.value}.asked",
                subject=request.subject,
                detail={
                    "request": str(request.id),
                    "reason": request.reason,
                    "params": dict(request.params),
                    "preview": preview,
                },
            )
        return _read(written)

    async def read(self, request_id: UUID) -> StaffRequest | None:
        """One request."""
        async with self._engine.connect() as connection:
            row = (await connection.execute(select(*_ROW).where(staff_requests.c.id == request_id))).one_or_none()
        return None if row is None else _read(row)

    async def listed(
        self, *, statuses: Collection[RequestStatus] = (), acts: Collection[Act] = (), limit: int = 100
    ) -> Sequence[StaffRequest]:
        """The latest requests, of these statuses and acts, or of all."""
        wanted = select(*_ROW).order_by(staff_requests.c.requested_at.desc()).limit(limit)
        if statuses:
            wanted = wanted.where(staff_requests.c.status.in_([status.value for status in statuses]))
        if acts:
            wanted = wanted.where(staff_requests.c.act.in_([act.value for act in acts]))
        async with self._engine.connect() as connection:
            return [_read(row) for row in await connection.execute(wanted)]

    async def decide(self, request_id: UUID, person: str, approve: bool) -> StaffRequest:
        """Approve or turn down. Raises ActRefused."""
        async with self._engine.begin() as connection:
            locked = select(*_ROW, func.now().label("now")).where(staff_requests.c.id == request_id)
            row = (await connection.execute(locked.with_for_update())).one_or_none()
            if row is None:
                raise ActRefused(Why.UNKNOWN, f"there is no request {request_id}")
            now: datetime = row.now
            act = Act(row.act)
            await self._rights.check_second(connection, person, act, row.subject)
            refused = refusal_to_decide(_read(row), person, approve=approve, now=now)
            if refused is not None:
                raise refused
            if approve:
                # Two persons stand behind it now: who asked may have been sent away since.
                await self._rights.check_asker(connection, row.requested_by, act, row.subject)
            status = RequestStatus.APPROVED if approve else RequestStatus.REJECTED
            written = (
                await connection.execute(
                    update(staff_requests)
                    .where(staff_requests.c.id == request_id)
                    .values(
                        status=status.value,
                        decided_by=person,
                        decided_at=func.now(),
                        finished_at=None if approve else func.now(),
                    )
                    .returning(*_ROW)
                )
            ).one()
            await note(
                connection,
                actor=person,
                act=f"{row.act}.{status.value}",
                subject=row.subject,
                detail={"request": str(request_id), "reason": row.reason, "requested_by": row.requested_by},
            )
        return _read(written)

    async def approved(self, limit: int) -> Sequence[StaffRequest]:
        """Requests that are agreed to and not done, oldest first."""
        wanted = select(*_ROW).where(text("status = 'approved'")).order_by(staff_requests.c.requested_at).limit(limit)
        async with self._engine.connect() as connection:
            return [_read(row) for row in await connection.execute(wanted)]

    async def finish(self, request_id: UUID, status: RequestStatus, outcome: str) -> bool:
        """Write how it ended; False when that was written before."""
        async with self._engine.begin() as connection:
            row = (
                await connection.execute(
                    update(staff_requests)
                    .where(staff_requests.c.id == request_id, staff_requests.c.status == RequestStatus.APPROVED.value)
                    .values(status=status.value, outcome=outcome, finished_at=func.now())
                    .returning(*_ROW)
                )
            ).one_or_none()
            if row is None:
                return False
            people = {"requested_by": row.requested_by, "approved_by": row.decided_by}
            await note(
                connection,
                actor=row.requested_by,
                act=f"{row.act}.{status.value}",
                subject=row.subject,
                detail={"request": str(request_id), "reason": row.reason, "outcome": outcome, **people},
            )
        return True


def _read(row: Row[*tuple[Any, ...]]) -> StaffRequest:
    return StaffRequest(
        id=row.id,
        act=Act(row.act),
        subject=row.subject,
        reason=row.reason,
        requested_by=row.requested_by,
        requested_at=row.requested_at,
        status=RequestStatus(row.status),
        params=row.params,
        preview=row.preview,
        decided_by=row.decided_by,
        decided_at=row.decided_at,
        finished_at=row.finished_at,
        outcome=row.outcome,
    )
