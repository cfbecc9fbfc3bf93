"""Candidates within a person's scope: read, and written by the one plan of a contest's changes.

A code stays with its candidate for ever and no candidate is deleted, see `gateway.contests.changes`. Every change is a
line of the audit log, of which a candidate's history is made.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Final
from uuid import UUID, uuid4

import orjson
from aiohttp import web
from pydantic import TypeAdapter
from sqlalchemy import delete, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from admin.candidates.past import as_they_stood
from gateway.contests.candidate_import import Fault, ReadFile, RowFault, Table, read_form, read_table, unpack
from gateway.contests.candidate_rules import (
    CATEGORIES_MAX,
    LENGTH_MAX,
    Column,
    FieldFault,
    field_fault,
    move_fault,
    tidy,
)
from gateway.contests.changes import Change, ChangeRefused, Entry, Plan, plan
from gateway.contests.contest import Candidate, CandidateStatus, Contest, ContestState
from gateway.contests.directory import read_contest
from gateway.contests.nominations import Guardian, Nominations
from gateway.contests.store import lock_contests, write_plan
from gateway.storage.engine import scoped
from gateway.storage.schema.contests import candidate_changes, candidate_imports, candidate_totals
from gateway.values.names import same_name
from gateway.values.scope import Scope
from payments.requests import ActRefused, Why

_ENTRIES: Final = TypeAdapter(list[Entry])
# What the audit log knows of one candidate: changes of contests that name them.
_HISTORY: Final = text("""
with changed as (
  select l.id, l.at, l.actor, l.act, coalesce(l.detail ->> 'reason', '') as reason,
    c.value ->> 'what' as what, c.value ->> 'before' as before, c.value ->> 'after' as after
  from audit_log l, jsonb_array_elements(
    case when jsonb_typeof(l.detail -> 'changes') = 'array' then l.detail -> 'changes' else '[]' end) c
  where l.subject = :slug),
-- Until they were approved, who proposed themselves had a number.
called (what) as (
  select 'candidate ' || cast(:code as text)
  union select left(what, -5) from changed where what like 'candidate 00% code' and after = :code)
select at, actor, act, reason, what, before, after from changed h
where h.at <= coalesce(cast(:at as timestamptz), 'infinity')
  and exists (select from called c where h.what = c.what or starts_with(h.what, c.what || ' '))
order by id desc, what limit 200
""")
# What was changed of candidates since a moment, the latest first.
_SINCE: Final = text("""
select c.value ->> 'what' as what, c.value ->> 'before' as before, c.value ->> 'after' as after
from audit_log l cross join lateral jsonb_array_elements(
  case when jsonb_typeof(l.detail -> 'changes') = 'array' then l.detail -> 'changes' else '[]' end)
  with ordinality c (value, place)
where l.contest_id = :contest and l.at > :at and starts_with(c.value ->> 'what', 'candidate ')
order by l.id desc, c.place desc
""")
_LATER: Final = text("select id from candidates where contest_id = :contest and created_at > :at")
_EVICTED: Final = text("""
select candidate_id, max(made_at) as since from candidate_changes
where candidate_id = any(:candidates) and to_status = 'evicted' and former_name is null and made_at <= :at
group by 1
""")
# Counted again: what totals were is kept nowhere else.
_VOTES_THEN: Final = text("""
select candidate_id, sum(quantity)::bigint as votes from tally_entries
where contest_id = :contest and counted_at <= :at group by 1
""")
_OLD_PREVIEWS: Final = text("delete from candidate_imports where made_at < now() - interval '1 day'")
_CHANGES_SHOWN: Final = 500


class FieldsRefused(Exception):
    """Fields that cannot be kept; nothing was changed."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(", ".join(fault.kind for fault in faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Standing:
    """A contest as staff see its candidates. `votes`: by code."""

    contest: Contest
    votes: Mapping[str, int]

    def named(self, code: str) -> Candidate:
        """The candidate with this code. Raises ActRefused."""
        return _named(self.contest, code)


@dataclass(frozen=True, slots=True)
class Edit:
    """What to change of a candidate; None: as it is."""

    name: str | None = None
    category: str | None = None
    text: str | None = None
    photo_url: str | None = None
    status: CandidateStatus | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a file would do. `word`: with which it is written as it was shown; None where there is nothing to write."""

    read: ReadFile
    changes: Sequence[Change]
    added: int
    changed: int
    more: int
    word: str | None = None


@dataclass(frozen=True, slots=True)
class Past:
    """One thing that happened to a candidate."""

    at: datetime
    actor: str
    act: str
    reason: str
    what: str
    before: str | None
    after: str


@dataclass(frozen=True, slots=True)
class StateChange:
    """A candidate came to another state. `before` None: they were added in it."""

    at: datetime
    by: str
    before: str | None
    after: str
    reason: str

    @property
    def reinstated(self) -> bool:
        """Whether an eviction ended."""
        return (self.before, self.after) == (CandidateStatus.EVICTED, CandidateStatus.APPROVED)


class Candidates:
    """Candidates of contests, as staff read and change them. `changed`: called after a change, so that this process
    knows of it at once; `nominations`: private links."""

    def __init__(self, engine: AsyncEngine, changed: Callable[[], Awaitable[None]], nominations: Nominations) -> None:
        self._engine = engine
        self._changed = changed
        self._nominations = nominations
        self._unpacking = asyncio.Lock()

    async def standing(self, slug: str, scope: Scope, at: datetime | None = None) -> Standing:
        """A contest with all of its candidates and their votes; with the candidates that stood `at` a moment, as they
        were. Raises ActRefused."""
        async with scoped(self._engine, scope) as connection:
            contest = await _contest(connection, slug, scope, at)
            return Standing(contest, await _votes(connection, contest, at))

    async def add(self, slug: str, scope: Scope, typed: Mapping[Column, str], person: str) -> Candidate:
        """A new candidate. One whose name looks like another's is only submitted. Raises ActRefused, FieldsRefused."""
        async with scoped(self._engine, scope) as connection:
            contest = await _held(connection, slug, scope)
            read = read_form(typed, contest)
            if read.faults:
                raise FieldsRefused(read.faults)
            made = await _write(connection, contest, read.entries, person, "candidate.add")
        await self._changed()
        return made.added[0]

    async def edit(self, slug: str, code: str, scope: Scope, edit: Edit, person: str) -> Candidate:
        """Change a candidate. Raises ActRefused, FieldsRefused."""
        async with scoped(self._engine, scope) as connection:
            contest = await _held(connection, slug, scope)
            held = _named(contest, code)
            if faults := _field_faults(contest, held, edit):
                raise FieldsRefused(faults)
            votes = await _votes(connection, contest)
            act = "candidate.edit" if edit.status in (None, held.status) else _act(held, edit.status)
            entry = _entry(held, edit, has_votes=votes[code] > 0)
            made = await _write(connection, contest, [entry], person, act, edit.reason)
            await self._nominations.tell_decisions(connection, contest, made.contest)
        await self._changed()
        return next(one for one in made.contest.candidates if one.id == held.id)

    async def edit_many(
        self, slug: str, codes: Sequence[str], scope: Scope, edit: Edit, person: str, *, dry_run: bool = False
    ) -> Sequence[Change]:
        """Change several candidates alike, all or none; `dry_run`: only tell what would change. Raises ActRefused,
        FieldsRefused."""
        async with scoped(self._engine, scope) as connection:
            contest = await _held(connection, slug, scope)
            votes = await _votes(connection, contest)
            people = [_named(contest, code) for code in dict.fromkeys(codes)]
            if faults := [fault for held in people[:1] for fault in _field_faults(contest, held, edit)]:
                raise FieldsRefused(faults)
            entries = [_entry(held, edit, has_votes=votes[held.code] > 0) for held in people]
            if dry_run:
                return _planned(contest, entries).changes
            act = "candidate.edit" if edit.status is None else _act(people[0], edit.status)
            made = await _write(connection, contest, entries, person, act, edit.reason)
            await self._nominations.tell_decisions(connection, contest, made.contest)
        await self._changed()
        return made.changes

    async def preview_file(
        self, slug: str, scope: Scope, data: bytes, encoding: str | None, person: str, *, keep: bool = False
    ) -> Preview:
        """What a file would do. `keep`: keep it for a day, to be written by its word. Raises ActRefused."""
        table = await self._unpack(data, encoding)
        async with scoped(self._engine, scope) as connection:
            contest = await _held(connection, slug, scope)
            read, made = await asyncio.to_thread(_read, table, contest)
            word = None
            if keep and made.changes:
                import_id, mark = uuid4(), _mark(made)
                row = {
                    "id": import_id,
                    "contest_id": contest.id,
                    "entries": _ENTRIES.dump_python(read.entries, mode="json"),
                    "plan_hash": mark,
                    "made_by": person,
                }
                await connection.execute(_OLD_PREVIEWS)
                await connection.execute(insert(candidate_imports).values(row))
                word = f"{import_id}.{mark.hex()}"
        return _preview(read, made, word)

    async def apply_preview(self, slug: str, scope: Scope, word: str, person: str) -> Preview | None:
        """Write what a preview showed to this person; None where it is not there any more, or would do something else
        now. Raises ActRefused."""
        known = _read_word(word)
        async with scoped(self._engine, scope) as connection:
            contest = await _held(connection, slug, scope)
            if known is None:
                return None
            import_id, mark = known
            kept = candidate_imports.c
            named = (kept.id == import_id, kept.contest_id == contest.id, kept.made_by == person)
            found = (await connection.execute(delete(candidate_imports).where(*named).returning(kept.entries))).scalar()
            if found is None:
                return None
            entries = _ENTRIES.validate_python(found)
            try:
                made = plan(contest, replace(contest, candidates=(), _by_code={}), entries)
            except ChangeRefused:
                return None
            if _mark(made) != mark:
                return None
            await write_plan(connection, made, person, "candidate.import")
            await self._nominations.tell_decisions(connection, contest, made.contest)
        await self._changed()
        return _preview(ReadFile(len(entries), [], [], []), made, None)

    async def import_file(self, slug: str, scope: Scope, data: bytes, encoding: str | None, person: str) -> Preview:
        """Write a file, unless it has a fault: then nothing is written. Raises ActRefused."""
        table = await self._unpack(data, encoding)
        async with scoped(self._engine, scope) as connection:
            contest = await _held(connection, slug, scope)
            read, made = await asyncio.to_thread(_read, table, contest)
            if not read.faults and made.changes:
                await write_plan(connection, made, person, "candidate.import")
                await self._nominations.tell_decisions(connection, contest, made.contest)
        await self._changed()
        return _preview(read, made, None)

    async def _unpack(self, data: bytes, encoding: str | None) -> Table:
        """The rows of a file; one file at a time, in another thread."""
        async with self._unpacking:
            return await asyncio.to_thread(unpack, data, encoding)

    async def history(self, slug: str, code: str, scope: Scope, at: datetime | None = None) -> list[Past]:
        """What happened to a candidate, the latest first; `at` a moment: by then. Raises ActRefused."""
        async with scoped(self._engine, scope) as connection:
            contest = await _contest(connection, slug, scope, at)
            _named(contest, code)
        # The audit log is one for all; what is read of it is this contest's.
        async with self._engine.connect() as connection:
            rows = await connection.execute(_HISTORY, {"slug": contest.slug, "code": code, "at": at})
            return [Past(**row._mapping) for row in rows]

    async def changes_of_state(
        self, slug: str, code: str, scope: Scope, at: datetime | None = None
    ) -> list[StateChange]:
        """The states that a candidate was in, the latest first; `at` a moment: by then. Raises ActRefused."""
        kept = candidate_changes.c
        async with scoped(self._engine, scope) as connection:
            found = _named(await _contest(connection, slug, scope, at), code)
            asked = select(
                kept.made_at.label("at"),
                kept.made_by.label("by"),
                kept.from_status.label("before"),
                kept.to_status.label("after"),
                kept.reason,
            )
            mine = [kept.candidate_id == found.id, kept.former_name.is_(None)]
            if at is not None:
                mine.append(kept.made_at <= at)
            rows = await connection.execute(asked.where(*mine).order_by(kept.id.desc()))
            return [StateChange(**row._mapping) for row in rows]

    async def contact(self, slug: str, code: str, scope: Scope) -> str | None:
        """How to reach a candidate who proposed themselves; None for one that staff added. Raises ActRefused."""
        async with scoped(self._engine, scope) as connection:
            candidate = _named(await _contest(connection, slug, scope), code)
            return await self._nominations.contact(connection, candidate)

    async def guardians(self, contest: Contest, scope: Scope) -> Mapping[UUID, Guardian]:
        """Guardians of the minors of a contest who proposed themselves, by candidate."""
        async with scoped(self._engine, scope) as connection:
            return await self._nominations.guardians(connection, contest.candidates)

    async def new_link(self, slug: str, code: str, scope: Scope, person: str) -> str:
        """The address of a new private link for a candidate; the one before ends. Raises ActRefused."""
        async with scoped(self._engine, scope) as connection:
            contest = await _held(connection, slug, scope)
            token = await self._nominations.new_link(connection, contest, _named(contest, code), person)
        return f"/nominations/{token}"

    async def settle(
        self,
        slug: str,
        scope: Scope,
        categories: Sequence[str],
        person: str,
        *,
        nominations: bool,
        until: datetime | None = None,
    ) -> Sequence[str]:
        """The categories of a contest, and whether people may propose themselves, `until` when. A category that
        candidates have stays. Raises ActRefused, FieldsRefused."""
        wanted = list(dict.fromkeys(filter(None, (tidy(Column.CATEGORY, name) for name in categories))))
        faults = [
            Fault(1, Column.CATEGORY.value, fault.value, _about(Column.CATEGORY, fault))
            for name in wanted
            if (fault := field_fault(Column.CATEGORY, name)) is not None
        ]
        if len(wanted) > CATEGORIES_MAX:
            faults.append(Fault(1, Column.CATEGORY.value, RowFault.TOO_MANY_CATEGORIES, str(CATEGORIES_MAX)))
        if faults:
            raise FieldsRefused(faults)
        async with scoped(self._engine, scope) as connection:
            contest = await _held(connection, slug, scope)
            used = [person.category for person in contest.candidates if person.category]
            changed = replace(
                contest,
                candidates=(),
                categories=tuple(dict.fromkeys([*wanted, *used])),
                nominations=nominations,
                nominations_close_at=until,
                _by_code={},
            )
            made = plan(contest, changed, ())
            if made.changes:
                await write_plan(connection, made, person, "contest.apply")
        return made.contest.categories


async def _contest(connection: AsyncConnection, slug: str, scope: Scope, at: datetime | None = None) -> Contest:
    """The contest as it is; with the candidates that stood `at` a moment."""
    contest = await read_contest(connection, slug, scope)
    if contest is None:
        raise ActRefused(Why.UNKNOWN, f"there is no contest {slug!r}")
    return contest if at is None else replace(contest, candidates=await _stood(connection, contest, at), _by_code={})


async def _stood(connection: AsyncConnection, contest: Contest, at: datetime) -> tuple[Candidate, ...]:
    asked = {"contest": contest.id, "at": at}
    later = frozenset((await connection.execute(_LATER, asked)).scalars())
    since = [Change(*row) for row in await connection.execute(_SINCE, asked)]
    people = as_they_stood((person for person in contest.candidates if person.id not in later), since)
    out = [person.id for person in people if person.status is CandidateStatus.EVICTED]
    rows = (await connection.execute(_EVICTED, {"candidates": out, "at": at})).all() if out else []
    evicted = {row.candidate_id: row.since for row in rows}
    return tuple(replace(person, evicted_at=evicted.get(person.id)) for person in people)


async def _held(connection: AsyncConnection, slug: str, scope: Scope) -> Contest:
    """The contest, locked until the end of this transaction."""
    await lock_contests(connection)
    contest = await _contest(connection, slug, scope)
    if contest.state is ContestState.ARCHIVED:
        raise ActRefused(Why.IMPOSSIBLE, "an archived contest cannot change")
    return contest


def _named(contest: Contest, code: str) -> Candidate:
    found = contest.candidate(code)
    if found is None:
        raise ActRefused(Why.UNKNOWN, f"there is no candidate {code!r} in {contest.slug}")
    return found


async def _votes(connection: AsyncConnection, contest: Contest, at: datetime | None = None) -> dict[str, int]:
    kept = candidate_totals.c
    if at is None:
        asked = select(kept.candidate_id, func.sum(kept.votes).label("votes")).group_by(kept.candidate_id)
        rows = (await connection.execute(asked.where(kept.contest_id == contest.id))).all()
    else:
        rows = (await connection.execute(_VOTES_THEN, {"contest": contest.id, "at": at})).all()
    counted = {row.candidate_id: row.votes for row in rows}
    return {person.code: counted.get(person.id, 0) for person in contest.candidates}


def _planned(contest: Contest, entries: Sequence[Entry]) -> Plan:
    try:
        return plan(contest, replace(contest, candidates=(), _by_code={}), entries)
    except ChangeRefused as refused:
        raise ActRefused(Why.IMPOSSIBLE, str(refused)) from None


def _read(table: Table, contest: Contest) -> tuple[ReadFile, Plan]:
    read = read_table(table, contest)
    return read, _planned(contest, read.entries)


async def _write(
    connection: AsyncConnection, contest: Contest, entries: Sequence[Entry], person: str, act: str, reason: str = ""
) -> Plan:
    made = _planned(contest, entries)
    if made.changes:
        await write_plan(connection, made, person, act, reason)
    return made


def _entry(held: Candidate, edit: Edit, *, has_votes: bool) -> Entry:
    status = edit.status or held.status
    fault = move_fault(held.status, status, edit.reason, has_votes=has_votes)
    if fault is not None:
        raise FieldsRefused([Fault(1, Column.STATUS.value, f"move_{fault.value}", held.called)])
    return Entry(
        held.name if edit.name is None else tidy(Column.NAME, edit.name),
        status,
        held.id,
        held.code,
        held.photo_url if edit.photo_url is None else tidy(Column.PHOTO, edit.photo_url) or None,
        None if edit.category is None else tidy(Column.CATEGORY, edit.category),
        None if edit.text is None else tidy(Column.TEXT, edit.text),
        None if status is held.status else "" if status is CandidateStatus.APPROVED else edit.reason,
    )


def _field_faults(contest: Contest, held: Candidate, edit: Edit) -> list[Fault]:
    typed = {
        Column.NAME: edit.name,
        Column.CATEGORY: edit.category,
        Column.TEXT: edit.text,
        Column.PHOTO: edit.photo_url,
    }
    faults = [
        Fault(1, column.value, fault.value, _about(column, fault))
        for column, value in typed.items()
        if value is not None and (fault := field_fault(column, tidy(column, value))) is not None
    ]
    if edit.name is not None and not faults:
        wanted = same_name(edit.name)
        faults += [
            Fault(1, Column.NAME.value, RowFault.NAME_HELD, other.called)
            for other in contest.candidates
            if other.id != held.id and same_name(other.name) == wanted
        ]
    return faults


def _about(column: Column, fault: FieldFault) -> str:
    return str(LENGTH_MAX[column]) if fault is FieldFault.TOO_LONG else ""


def _act(held: Candidate, wanted: CandidateStatus) -> str:
    """What the audit log calls it."""
    again = held.status is CandidateStatus.EVICTED and wanted is CandidateStatus.APPROVED
    return "candidate.reinstated" if again else f"candidate.{wanted.value}"


def _mark(made: Plan) -> bytes:
    """What is the same for plans that do the same."""
    changes = [(change.what, change.before, change.after) for change in made.changes]
    people = [(str(c.id), c.code, c.name, c.status, c.photo_url, c.category, c.text) for c in made.added]
    return sha256(orjson.dumps([changes, people])).digest()


def _read_word(word: str) -> tuple[UUID, bytes] | None:
    name, _, mark = word.partition(".")
    try:
        return UUID(name), bytes.fromhex(mark)
    except ValueError:
        return None


def _preview(read: ReadFile, made: Plan, word: str | None) -> Preview:
    shown = made.changes[:_CHANGES_SHOWN]
    return Preview(read, shown, len(made.added), len(made.changed), len(made.changes) - len(shown), word)


CANDIDATES: web.AppKey[Candidates] = web.AppKey("candidates", Candidates)
