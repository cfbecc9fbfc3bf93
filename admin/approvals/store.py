"""Requests of staff: kept with a frozen preview, decided once, every step in the audit log."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, Row, Select, case, func, insert, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from admin.access.rights import StaffRights
from admin.approvals.rules import needs_second_person, refusal_to_decide
from gateway.storage.audit_log import note
from gateway.storage.engine import narrow, scoped
from gateway.storage.schema.staff import staff_requests
from payments.request_store import Preview
from payments.requests import NOBODY_ELSE, Act, ActRefused, NewRequest, RequestStatus, Scope, StaffRequest, Why

_LISTED_MAX: Final = 100
_REQUEST: Final = TypeAdapter(StaffRequest)


class StaffRequests:
    """Requests, each step with its line in the audit log; every method is one transaction.

    `previews`: who makes the preview of an act; without one it is empty."""

    def __init__(self, engine: AsyncEngine, previews: Mapping[Act, Preview], rights: StaffRights) -> None:
        self._engine = engine
        self._previews = previews
        self._rights = rights

    async def add(self, request: NewRequest) -> StaffRequest:
        """Keep a request with its preview. Raises ActRefused."""
        values = {**asdict(request), "act": request.act.value, "params": dict(request.params)}
        if not needs_second_person(request.act):
            values |= {"status": RequestStatus.APPROVED.value, "decided_by": NOBODY_ELSE, "decided_at": func.now()}
        async with self._engine.begin() as connection:
            scope, whose = await self._rights.check_asker(
                connection, request.requested_by, request.act, request.subject
            )
            await narrow(connection, scope)
            await connection.execute(insert(staff_requests).values(values | asdict(whose)))
            look = self._previews.get(request.act)
            preview = dict(await look(connection, request)) if look else {}
            added = await _changed(connection, request.id, preview=preview)
            detail = {"params": values["params"], "preview": preview}
            await _note(connection, added, added.requested_by, "asked", detail)
        return added

    async def read(self, request_id: UUID, scope: Scope, at: datetime | None = None) -> StaffRequest | None:
        """One request. `at`: as it was then; None: now."""
        found = await self._found(select(staff_requests).where(staff_requests.c.id == request_id), scope, at)
        return found[0] if found else None

    async def listed(
        self,
        scope: Scope,
        *,
        statuses: Collection[RequestStatus] = (),
        acts: Collection[Act] = (),
        at: datetime | None = None,
    ) -> list[StaffRequest]:
        """The latest requests, of these statuses and acts, or of all. `at`: as they were then; None: now."""
        wanted = select(staff_requests).order_by(staff_requests.c.requested_at.desc()).limit(_LISTED_MAX)
        if statuses:
            wanted = wanted.where(_status(at).in_([status.value for status in statuses]))
        if acts:
            wanted = wanted.where(staff_requests.c.act.in_([act.value for act in acts]))
        return await self._found(wanted, scope, at)

    async def decide(self, request_id: UUID, person: str, approve: bool) -> StaffRequest:
        """Approve or turn down. Raises ActRefused."""
        async with self._engine.begin() as connection:
            locked = select(staff_requests, func.now().label("now")).where(staff_requests.c.id == request_id)
            row = (await connection.execute(locked.with_for_update())).one_or_none()
            if row is None:
                raise ActRefused(Why.UNKNOWN, f"there is no request {request_id}")
            asked = _read(row)
            await self._rights.check_second(connection, person, asked.act, asked.subject)
            refused = refusal_to_decide(asked, person, approve=approve, now=row.now)
            if refused is not None:
                raise refused
            if approve:
                # Two persons stand behind it now: who asked may have been sent away since.
                await self._rights.check_asked(connection, asked.requested_by, asked.act, asked.subject)
            status = RequestStatus.APPROVED if approve else RequestStatus.REJECTED
            decided = await _changed(
                connection,
                request_id,
                status=status.value,
                decided_by=person,
                decided_at=func.now(),
                finished_at=None if approve else func.now(),
            )
            await _note(connection, decided, person, status.value, {"requested_by": decided.requested_by})
        return decided

    async def approved(self, limit: int) -> list[StaffRequest]:
        """Requests that are agreed to and not done, oldest first."""
        wanted = select(staff_requests).where(text("status = 'approved'")).order_by(staff_requests.c.requested_at)
        return await self._found(wanted.limit(limit), None)

    async def finish(self, request_id: UUID, status: RequestStatus, outcome: str) -> bool:
        """Write how it ended; False when that was written before."""
        async with self._engine.begin() as connection:
            locked = select(staff_requests.c.status).where(staff_requests.c.id == request_id).with_for_update()
            if (await connection.execute(locked)).scalar_one() != RequestStatus.APPROVED.value:
                return False
            done = await _changed(connection, request_id, status=status.value, outcome=outcome, finished_at=func.now())
            people = {"requested_by": done.requested_by, "approved_by": done.decided_by}
            await _note(connection, done, done.requested_by, status.value, {"outcome": outcome, **people})
        return True

    async def _found(self, wanted: Select[Any], scope: Scope, at: datetime | None = None) -> list[StaffRequest]:
        if scope is not None:
            wanted = wanted.where(staff_requests.c.organiser_id == scope)
        if at is not None:
            wanted = wanted.where(staff_requests.c.requested_at <= at)
        async with scoped(self._engine, scope) as connection:
            found = [_read(row) for row in await connection.execute(wanted)]
        return found if at is None else [as_of(one, at) for one in found]


def _status(at: datetime | None) -> ColumnElement[str]:
    """In the database what `as_of` does."""
    held = staff_requests.c
    if at is None:
        return held.status
    waited = or_(held.decided_at.is_(None), held.decided_at > at)
    in_work = or_(held.finished_at.is_(None), held.finished_at > at)
    return case((waited, RequestStatus.WAITING.value), (in_work, RequestStatus.APPROVED.value), else_=held.status)


def as_of(request: StaffRequest, at: datetime) -> StaffRequest:
    """A request as it was at an instant after it was made."""
    if request.decided_at is None or request.decided_at > at:
        undecided = replace(request, status=RequestStatus.WAITING, decided_by=None, decided_at=None)
        return replace(undecided, finished_at=None, outcome=None)
    if request.finished_at is None or request.finished_at > at:
        return replace(request, status=RequestStatus.APPROVED, finished_at=None, outcome=None)
    return request


async def _changed(connection: AsyncConnection, request_id: UUID, **values: object) -> StaffRequest:
    change = update(staff_requests).where(staff_requests.c.id == request_id).values(values)
    return _read((await connection.execute(change.returning(staff_requests))).one())


async def _note(
    connection: AsyncConnection, request: StaffRequest, actor: str, step: str, more: Mapping[str, object]
) -> None:
    of = select(staff_requests.c.contest_id).where(staff_requests.c.id == request.id)
    contest = (await connection.execute(of)).scalar_one()
    detail = {"request": str(request.id), "reason": request.reason, **more}
    act = f"{request.act.value}.{step}"
    await note(connection, actor=actor, act=act, subject=request.subject, detail=detail, contest=contest)


def _read(row: Row[Any]) -> StaffRequest:
    return _REQUEST.validate_python(row._asdict())
