"""What candidates change of themselves by their private link: their presentation, their photo, and that they leave.

While a nomination waits, a change is made at once. Of an approved candidate it waits until a person agrees, and the old
stays public. A later change takes the place of one that waits.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.contests.candidate_import import Fault
from gateway.contests.candidate_rules import Column, tidy
from gateway.contests.changes import Entry, plan
from gateway.contests.contest import Candidate, CandidateStatus, Contest, Phase, Picture
from gateway.contests.directory import picture_of, read_contest
from gateway.contests.keep_photos import Photos, UnknownCandidate, write_noted
from gateway.contests.nominations import ACTOR, field_faults
from gateway.contests.photo_store import columns_of
from gateway.contests.store import lock_contests, write_plan
from gateway.storage.audit_log import note
from gateway.storage.engine import scoped
from gateway.storage.schema.contests import candidate_corrections
from gateway.values.scope import Scope

_STANDING: Final = frozenset({CandidateStatus.SUBMITTED, CandidateStatus.APPROVED})


@dataclass(frozen=True, slots=True)
class Correction:
    """A change that waits: None for what stays. With a `reason`, it was not agreed to, and nothing waits."""

    candidate_id: UUID
    text: str | None
    photo: Picture | None
    reason: str | None
    made_at: datetime


class Fixed(Exception):
    """The candidate does not stand any more, or the contest is over: nothing can be changed by the link."""


class TextRefused(Exception):
    """A presentation that cannot be kept; nothing was changed."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.kind)
        self.fault = fault


class NothingWaits(Exception):
    """No change of this candidate waits."""


def may_change(contest: Contest, candidate: Candidate, now: datetime) -> bool:
    """Whether a candidate may change what stands about them, and may leave."""
    return candidate.status in _STANDING and contest.phase_at(now) in (Phase.DRAFT, Phase.COMING, Phase.OPEN)


class Corrections:
    """`photos`: what keeps files; `changed`: called after a change, so that this process knows of it at once."""

    def __init__(self, engine: AsyncEngine, photos: Photos, changed: Callable[[], Awaitable[None]]) -> None:
        self._engine = engine
        self._photos = photos
        self._changed = changed

    async def of(self, candidate: Candidate) -> Correction | None:
        """The change of a candidate that waits, or that was not agreed to last."""
        async with self._engine.connect() as connection:
            return await _read(connection, candidate.id)

    async def waiting(self, scope: Scope, contest: Contest) -> list[Correction]:
        """Changes of approved candidates that wait, the oldest first."""
        correction = candidate_corrections.c
        asked = select(candidate_corrections).where(correction.contest_id == contest.id, correction.reason.is_(None))
        standing = {person.id for person in contest.eligible}
        async with scoped(self._engine, scope) as connection:
            rows = await connection.execute(asked.order_by(correction.made_at))
            return [_correction(row) for row in rows if row.candidate_id in standing]

    async def set_text(self, contest: Contest, candidate: Candidate, typed: str) -> None:
        """Change the presentation, or ask for it. Raises TextRefused, Fixed."""
        presentation = tidy(Column.TEXT, typed)
        if faults := field_faults({Column.TEXT: presentation}):
            raise TextRefused(faults[0])
        async with self._engine.begin() as connection:
            contest, candidate = await _held(connection, contest, candidate)
            if candidate.status is CandidateStatus.SUBMITTED:
                await _write(connection, contest, _entry(candidate, text=presentation), ACTOR, "candidate.edit")
            else:
                wanted = None if presentation == candidate.text else presentation
                await _ask(connection, contest, candidate, {"text": wanted})
        await self._changed()

    async def set_photo(self, contest: Contest, candidate: Candidate, data: bytes) -> None:
        """Change the photo, or ask for it. Raises PhotoRefused, Fixed, UnknownCandidate, OSError."""
        async with self._engine.begin() as connection:
            _, candidate = await _held(connection, contest, candidate)
        if candidate.status is CandidateStatus.SUBMITTED:
            await self._photos.keep(None, contest.slug, candidate.code, data, ACTOR)
            return
        made = await self._photos.make(contest.organiser_id, data)
        former = None
        try:
            async with self._engine.begin() as connection:
                contest, candidate = await _held(connection, contest, candidate)
                waiting = await _read(connection, candidate.id)
                former = None if waiting is None else waiting.photo
                await _ask(connection, contest, candidate, columns_of(made))
        except Fixed:
            former = made
            raise
        finally:
            await self._photos.forget(former)

    async def leave(self, contest: Contest, candidate: Candidate) -> None:
        """Withdraw the candidate. Raises Fixed."""
        async with self._engine.begin() as connection:
            contest, candidate = await _held(connection, contest, candidate)
            entry = replace(_entry(candidate), status=CandidateStatus.WITHDRAWN)
            await _write(connection, contest, entry, ACTOR, "candidate.withdrawn")
        await self._changed()

    async def decide(self, scope: Scope, slug: str, code: str, person: str, *, reason: str = "") -> None:
        """Agree to the change of a candidate that waits; with a reason, refuse it. Raises NothingWaits,
        UnknownCandidate."""
        async with scoped(self._engine, scope) as connection:
            await lock_contests(connection)
            contest = await read_contest(connection, slug, scope)
            candidate = None if contest is None else contest.candidate(code)
            if contest is None or candidate is None:
                raise UnknownCandidate(f"{slug} {code}")
            asked = await _read(connection, candidate.id)
            if asked is None or asked.reason is not None or not candidate.eligible:
                raise NothingWaits
            unused = asked.photo
            of = candidate_corrections.c.candidate_id == candidate.id
            if reason:
                values = {"text": None, **columns_of(None), "reason": reason}
                await connection.execute(update(candidate_corrections).where(of).values(values))
                detail = {"code": code, "reason": reason}
                await note(
                    connection,
                    actor=person,
                    act="candidate.correction_refused",
                    subject=slug,
                    detail=detail,
                    contest=contest.id,
                )
            else:
                if asked.photo is not None:
                    of_photo = (contest.id, slug, code)
                    unused = await write_noted(connection, candidate.id, asked.photo, of_photo, person)
                if asked.text is not None:
                    entry = _entry(candidate, text=asked.text)
                    await _write(connection, contest, entry, person, "candidate.edit")
                await connection.execute(delete(candidate_corrections).where(of))
        await self._photos.forget(unused)
        await self._changed()


async def _held(connection: AsyncConnection, contest: Contest, candidate: Candidate) -> tuple[Contest, Candidate]:
    """Both as they are, locked until the end of this transaction. Raises Fixed."""
    await lock_contests(connection)
    held = await read_contest(connection, contest.slug, None)
    now = (await connection.execute(select(func.now()))).scalar_one()
    person = None if held is None else next((one for one in held.candidates if one.id == candidate.id), None)
    if held is None or person is None or not may_change(held, person, now):
        raise Fixed
    return held, person


def _entry(candidate: Candidate, *, text: str | None = None) -> Entry:
    """The candidate as they are, but for what is given."""
    return Entry(candidate.name, candidate.status, candidate.id, candidate.code, candidate.photo_url, text=text)


async def _write(connection: AsyncConnection, contest: Contest, entry: Entry, actor: str, act: str) -> None:
    made = plan(contest, replace(contest, candidates=(), _by_code={}), [entry])
    if made.changes:
        await write_plan(connection, made, actor, act)


async def _ask(
    connection: AsyncConnection, contest: Contest, candidate: Candidate, wanted: Mapping[str, object]
) -> None:
    """Write what waits, beside what waits already. What is as it stands does not wait."""
    waiting = await _read(connection, candidate.id)
    held: dict[str, object] = {"text": None, **columns_of(None)}
    if waiting is not None:
        held = {"text": waiting.text, **columns_of(waiting.photo)}
    asked = {**held, **wanted}
    of = candidate_corrections.c.candidate_id == candidate.id
    if asked["text"] is None and asked["photo"] is None:
        await connection.execute(delete(candidate_corrections).where(of))
        return
    row = {"candidate_id": candidate.id, "contest_id": contest.id, "reason": None, **asked}
    written = upsert(candidate_corrections).values(row)
    changed = {**asked, "reason": None, "made_at": func.now()}
    await connection.execute(written.on_conflict_do_update(index_elements=["candidate_id"], set_=changed))
    what = [name for name in ("text", "photo") if name in wanted]
    detail = {"code": candidate.code, "what": what}
    await note(
        connection, actor=ACTOR, act="candidate.correction", subject=contest.slug, detail=detail, contest=contest.id
    )


async def _note(
    connection: AsyncConnection, contest: Contest, actor: str, act: str, detail: Mapping[str, object]
) -> None:
    await note(connection, actor=actor, act=act, subject=contest.slug, detail=detail, contest=contest.id)


async def _read(connection: AsyncConnection, candidate_id: UUID) -> Correction | None:
    asked = select(candidate_corrections).where(candidate_corrections.c.candidate_id == candidate_id)
    row = (await connection.execute(asked)).one_or_none()
    return None if row is None else _correction(row)


def _correction(row: Row[Any]) -> Correction:
    return Correction(row.candidate_id, row.text, picture_of(row), row.reason, row.made_at)
