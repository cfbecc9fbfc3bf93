"""What candidates change of themselves by their private link: their name, their presentation, their photo, and
that they leave.

While a nomination waits, a change is made at once. Of an approved candidate it waits until a person agrees, and the old
stays public. A later change takes the place of one that waits. A name that changes once votes are sold has a reason,
which everybody reads with the former name.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.contests.candidate_import import Fault
from gateway.contests.candidate_rules import REASON_LENGTH_MAX, Column, tidy
from gateway.contests.changes import Entry, plan
from gateway.contests.contest import Candidate, CandidateStatus, Contest, Phase, Picture
from gateway.contests.directory import picture_of, read_contest
from gateway.contests.nominations import ACTOR, News, Nominations, field_faults
from gateway.contests.pictures.keep_photos import Photos, UnknownCandidate, write_noted
from gateway.contests.pictures.photo_store import columns_of
from gateway.contests.store import lock_contests, write_plan
from gateway.storage.audit_log import note
from gateway.storage.engine import scoped
from gateway.storage.schema.contests import candidate_corrections
from gateway.values.names import same_name, strange_sign
from gateway.values.scope import Scope

_WHAT: Final = ("name", "text", "photo")
_NOTHING: Final[Mapping[str, None]] = {"name": None, "why": None, "text": None}
_STANDING: Final = frozenset({CandidateStatus.SUBMITTED, CandidateStatus.APPROVED})


@dataclass(frozen=True, slots=True)
class Correction:
    """A change that waits: None for what stays. `why`: the name is to change, empty before votes are sold. With a
    `reason`, it was not agreed to, and nothing waits."""

    candidate_id: UUID
    name: str | None
    why: str | None
    text: str | None
    photo: Picture | None
    reason: str | None
    made_at: datetime


class Fixed(Exception):
    """The candidate does not stand any more, or the contest is over: nothing can be changed by the link."""


class FieldRefused(Exception):
    """A name or presentation that cannot be kept; nothing was changed."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.kind)
        self.fault = fault


class NothingWaits(Exception):
    """No change of this candidate waits."""


def may_leave(contest: Contest, candidate: Candidate, now: datetime) -> bool:
    """Whether a candidate may leave: also while the contest is suspended."""
    return candidate.status in _STANDING and contest.phase_at(now) in (Phase.DRAFT, Phase.COMING, Phase.OPEN)


def may_change(contest: Contest, candidate: Candidate, now: datetime) -> bool:
    """Whether a candidate may change what stands about them. While the contest is suspended nobody could agree."""
    return may_leave(contest, candidate, now) and not contest.suspended


class Corrections:
    """`nominations`: what tells candidates; `photos`: what keeps files."""

    def __init__(self, nominations: Nominations, photos: Photos) -> None:
        self._engine = nominations.engine
        self._changed = nominations.changed
        self._nominations = nominations
        self._photos = photos

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

    async def set_name(self, contest: Contest, candidate: Candidate, typed: str, why: str) -> None:
        """Change the name, or ask for it; `why`: needed once votes are sold. Raises FieldRefused, Fixed."""
        name, why = tidy(Column.NAME, typed), " ".join(why.split())
        if faults := field_faults({Column.NAME: name}):
            raise FieldRefused(faults[0])
        if len(why) > REASON_LENGTH_MAX or strange_sign(why) is not None:
            raise FieldRefused(Fault(1, "why", "why_odd", str(REASON_LENGTH_MAX)))
        async with self._engine.begin() as connection:
            contest, candidate, now = await _held(connection, contest, candidate)
            others = [one for one in contest.candidates if one.id != candidate.id and one.status in _STANDING]
            if any(same_name(one.name) == same_name(name) for one in others):
                raise FieldRefused(Fault(1, Column.NAME.value, "name_held"))
            public = contest.has_opened(now)
            if candidate.status is CandidateStatus.SUBMITTED:
                await _write(connection, contest, _entry(candidate, name=name), ACTOR, "candidate.edit", why)
            elif name == candidate.name:
                await _ask(connection, contest, candidate, {"name": None, "why": None})
            elif public and not why:
                raise FieldRefused(Fault(1, "why", "why_missing"))
            else:
                await _ask(connection, contest, candidate, {"name": name, "why": why if public else ""})
        await self._changed()

    async def set_text(self, contest: Contest, candidate: Candidate, typed: str) -> None:
        """Change the presentation, or ask for it. Raises FieldRefused, Fixed."""
        presentation = tidy(Column.TEXT, typed)
        if faults := field_faults({Column.TEXT: presentation}):
            raise FieldRefused(faults[0])
        async with self._engine.begin() as connection:
            contest, candidate, _ = await _held(connection, contest, candidate)
            if candidate.status is CandidateStatus.SUBMITTED:
                await _write(connection, contest, _entry(candidate, text=presentation), ACTOR, "candidate.edit")
            else:
                wanted = None if presentation == candidate.text else presentation
                await _ask(connection, contest, candidate, {"text": wanted})
        await self._changed()

    async def set_photo(self, contest: Contest, candidate: Candidate, data: bytes) -> None:
        """Change the photo, or ask for it. Raises PhotoRefused, Fixed, UnknownCandidate, OSError."""
        async with self._engine.begin() as connection:
            _, candidate, _ = await _held(connection, contest, candidate)
        if candidate.status is CandidateStatus.SUBMITTED:
            await self._photos.keep(None, contest.slug, candidate.code, data, ACTOR)
            return
        made = await self._photos.make(contest.organiser_id, data)
        former = None
        try:
            async with self._engine.begin() as connection:
                contest, candidate, _ = await _held(connection, contest, candidate)
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
            contest, candidate, _ = await _held(connection, contest, candidate, may_leave)
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
                values = {**_NOTHING, **columns_of(None), "reason": reason}
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
                entry = _entry(candidate, name=asked.name, text=asked.text)
                candidate = await _write(connection, contest, entry, person, "candidate.edit", asked.why or "")
                await connection.execute(delete(candidate_corrections).where(of))
            news = News.CHANGE_REFUSED if reason else News.CHANGE_TAKEN
            await self._nominations.tell_of(connection, contest, candidate, news, reason)
        await self._photos.forget(unused)
        await self._changed()


async def _held(
    connection: AsyncConnection,
    contest: Contest,
    candidate: Candidate,
    allowed: Callable[[Contest, Candidate, datetime], bool] = may_change,
) -> tuple[Contest, Candidate, datetime]:
    """Both as they are, locked until the end of this transaction, and when it began. Raises Fixed where it is not
    `allowed`."""
    await lock_contests(connection)
    held = await read_contest(connection, contest.slug, None)
    now = (await connection.execute(select(func.now()))).scalar_one()
    person = None if held is None else next((one for one in held.candidates if one.id == candidate.id), None)
    if held is None or person is None or not allowed(held, person, now):
        raise Fixed
    return held, person, now


def _entry(candidate: Candidate, *, name: str | None = None, text: str | None = None) -> Entry:
    """The candidate as they are, but for what is given."""
    wanted = candidate.name if name is None else name
    return Entry(wanted, candidate.status, candidate.id, candidate.code, candidate.photo_url, text=text)


async def _write(
    connection: AsyncConnection, contest: Contest, entry: Entry, actor: str, act: str, reason: str = ""
) -> Candidate:
    """Write a candidate; as they are then."""
    made = plan(contest, replace(contest, candidates=(), _by_code={}), [entry])
    if made.changes:
        await write_plan(connection, made, actor, act, reason)
    return next(one for one in made.contest.candidates if one.id == entry.id)


async def _ask(
    connection: AsyncConnection, contest: Contest, candidate: Candidate, wanted: Mapping[str, object]
) -> None:
    """Write what waits, beside what waits already. What is as it stands does not wait."""
    waiting = await _read(connection, candidate.id)
    held: dict[str, object] = {**_NOTHING, **columns_of(None)}
    if waiting is not None:
        held = {name: getattr(waiting, name) for name in _NOTHING} | columns_of(waiting.photo)
    asked = {**held, **wanted}
    of = candidate_corrections.c.candidate_id == candidate.id
    if all(asked[name] is None for name in _WHAT):
        await connection.execute(delete(candidate_corrections).where(of))
        return
    row = {"candidate_id": candidate.id, "contest_id": contest.id, "reason": None, **asked}
    written = upsert(candidate_corrections).values(row)
    changed = {**asked, "reason": None, "made_at": func.now()}
    await connection.execute(written.on_conflict_do_update(index_elements=["candidate_id"], set_=changed))
    what = [name for name in _WHAT if name in wanted]
    detail = {"code": candidate.code, "what": what}
    await note(
        connection, actor=ACTOR, act="candidate.correction", subject=contest.slug, detail=detail, contest=contest.id
    )


async def _read(connection: AsyncConnection, candidate_id: UUID) -> Correction | None:
    asked = select(candidate_corrections).where(candidate_corrections.c.candidate_id == candidate_id)
    row = (await connection.execute(asked)).one_or_none()
    return None if row is None else _correction(row)


def _correction(row: Row[Any]) -> Correction:
    return Correction(row.candidate_id, row.name, row.why, row.text, picture_of(row), row.reason, row.made_at)
