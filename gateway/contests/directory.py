"""Contests as one snapshot in memory, a second old at most: what every screen and page reads."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, Row, func, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.contests.blackout import Blackout
from gateway.contests.brand import NO_BRAND, Brand, Colours
from gateway.contests.brand_store import read_brands
from gateway.contests.contest import Candidate, CandidateStatus, Contest, ContestState, Picture, Renamed, TieBreak
from gateway.contests.rounds import Round, next_round
from gateway.contests.service_codes import menu_numbers
from gateway.contests.videos import Video
from gateway.storage.direct import Direct
from gateway.storage.schema.contests import candidates, contests, organisers, rounds
from gateway.values.money import Money
from gateway.values.organiser import Deed, OrganiserState, allows
from gateway.values.scope import OneContest, Scope

_REFRESH_SECONDS: Final = 1.0
# What to dial for contest `c`, see `Contest.dial_code`; the numbers are those of `service_codes`.
DIAL_CODE: Final = """
  case when c.service_code = '' or (select count(*) from contests o
      where o.service_code = c.service_code and o.state <> 'draft' and o.closes_at > now()) < 2 then c.service_code
    else (select rtrim(c.service_code, '#') || '*' || (count(*) + cast(count(*) > 8 as int)) || '#' from contests o
      where o.service_code = c.service_code and o.state <> 'draft'
        and (o.opens_at, o.slug collate "C") <= (c.opens_at, c.slug collate "C")) end
"""
_PASSED: Final = ", count(*) filter (where opens_at <= now()), count(*) filter (where closes_at <= now())"
_VIDEOS: Final = text("""
select candidate_id, public_id, version, width, height from video_uploads where state = 'approved'
""")
_RENAMED: Final = text("""
select candidate_id, former_name, made_at, reason from candidate_changes where former_name is not null order by id desc
""")
# Another one after each change of what `refresh` reads, and when the clock passes an opening or a close. By count of
# rows and sum of the transactions that wrote them, as below.
MARK: Final = text(f"""
select concat_ws(' ', {
    ", ".join(
        f"(select concat_ws(',', count(*), sum(cast(cast(xmin as text) as bigint)){more}) from {table})"
        for table, more in {
            "contests": _PASSED,
            "rounds": _PASSED,
            "organisers": "",
            "brands": "",
            "video_uploads": "",
            "candidate_changes": "",
            "candidates": "",
        }.items()
    )
})
""")
_READ_MARK: Final = Direct(MARK)
# What another one is after each change of a contest's candidates: how many rows there are, and the sum of the
# transactions that wrote them. While it is the same, they are not read again.
_MARKS: Final = text("""
select contest_id, count(*) as rows, sum(cast(cast(xmin as text) as bigint)) as written from candidates
group by contest_id
""")
_Beside = tuple[dict[UUID, Video], dict[UUID, list[Renamed]]]
# Columns of a contest's row that are no fields of `Contest`, or have another form there.
NOT_IN_A_CONTEST: Final = frozenset(
    {
        "price_minor",
        "currency",
        "packs",
        "categories",
        "created_at",
        "fraud_limits",
        "organiser_state",
        "hidden_from",
        "announcement_at",
        "announced_at",
        "blackout_sealed",
    }
)
_log = structlog.get_logger(__name__)


class ContestDirectory:
    """Every contest that is no draft, by id, slug and codes. `keep_fresh` runs for the process's life."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._mark = ""
        self._beside: _Beside = {}, {}
        self._marks: dict[UUID, tuple[int, int]] = {}
        self._kept: dict[UUID, tuple[Contest, Contest]] = {}
        self._all: tuple[Contest, ...] = ()
        self._by_slug: dict[str, Contest] = {}
        self._by_id: dict[UUID, Contest] = {}
        self._by_service_code: dict[str, tuple[Contest, ...]] = {}
        self._by_short_code: dict[str, tuple[Contest, ...]] = {}

    def all(self) -> tuple[Contest, ...]:
        """Every contest that is no draft, by slug."""
        return self._all

    def by_slug(self, slug: str) -> Contest | None:
        """The contest with this slug."""
        return self._by_slug.get(slug)

    def by_id(self, contest_id: UUID) -> Contest | None:
        """The contest with this id."""
        return self._by_id.get(contest_id)

    def by_service_code(self, code: str) -> tuple[Contest, ...]:
        """Contests that share a USSD service code such as `*789#`."""
        return self._by_service_code.get(code, ())

    def by_short_code(self, short_code: str) -> tuple[Contest, ...]:
        """Contests that share an SMS short code."""
        return self._by_short_code.get(short_code, ())

    async def refresh(self) -> None:
        """Read everything anew where anything changed, but candidates who are as they were."""
        # This runs each second, mostly for nothing: one statement without a transaction.
        [(mark,)] = await _READ_MARK.rows(self._engine, {})
        if mark == self._mark:
            return
        async with self._engine.connect() as connection:
            found = [one for one in await read_contests(connection, candidates=False) if one.public]
            beside = await _read_beside(connection)
            rows = (await connection.execute(_MARKS)).all()
            marks = {row.contest_id: (int(row.rows), int(row.written)) for row in rows}
            known = self._kept if beside == self._beside else {}
            changed = [one.id for one in found if one.id not in known or marks.get(one.id) != self._marks.get(one.id)]
            people = await _read_candidates(connection, beside, changed) if changed else {}
        self._kept = {one.id: self._whole(one, people[one.id] if one.id in changed else None) for one in found}
        self._marks, self._beside = marks, beside
        self._replace(tuple(whole for _, whole in self._kept.values()))
        self._mark = mark

    def _whole(self, bare: Contest, people: Sequence[Candidate] | None) -> tuple[Contest, Contest]:
        """The contest without its candidates, and with those of whom voters may read. `people`: None where they are as
        they were."""
        if people is not None:
            shown = tuple(candidate for candidate in people if candidate.public)
        else:
            before = self._kept[bare.id]
            if before[0] == bare:
                return before
            shown = before[1].candidates
        return bare, replace(bare, candidates=shown, _by_code={})

    def _replace(self, found: tuple[Contest, ...]) -> None:
        if found == self._all:
            return
        self._all = found
        self._by_slug = {c.slug: c for c in found}
        self._by_id = {c.id: c for c in found}
        self._by_service_code = _grouped((c.service_code, c) for c in found)
        self._by_short_code = _grouped((c.short_code, c) for c in found)

    async def refresh_until_there(self) -> None:
        """The first read, waiting for a database that is only starting."""
        while True:
            try:
                return await self.refresh()
            except (SQLAlchemyError, OSError) as error:
                _log.warning("contests_not_read", error=type(error).__name__)
                await asyncio.sleep(_REFRESH_SECONDS)

    async def keep_fresh(self) -> None:
        """Refresh each second until cancelled; while PostgreSQL is away the last snapshot stays."""
        failing = False
        while True:
            await asyncio.sleep(_REFRESH_SECONDS)
            try:
                await self.refresh()
                failing = False
            except (SQLAlchemyError, OSError) as error:
                if not failing:
                    _log.warning("contests_stale", error=type(error).__name__)
                failing = True


async def read_contests(connection: AsyncConnection, *, candidates: bool = True) -> tuple[Contest, ...]:
    """Every contest, drafts too, by slug; with its candidates or without."""
    found = await _read(connection, with_candidates=candidates)
    return _with_menu_numbers(found, (await connection.execute(select(func.now()))).scalar_one())


async def read_contest(connection: AsyncConnection, slug: str, scope: Scope) -> Contest | None:
    """One contest with its candidates, also a draft; without its number behind a shared service code. None where
    there is none within the scope."""
    found = await _read(connection, contests.c.slug == slug, *within(scope))
    return found[0] if found else None


def within(scope: Scope) -> list[ColumnElement[bool]]:
    """What holds for the contests of a scope."""
    if isinstance(scope, OneContest):
        return [contests.c.organiser_id == scope, contests.c.id == scope.contest]
    return [] if scope is None else [contests.c.organiser_id == scope]


async def _read(
    connection: AsyncConnection, *conditions: ColumnElement[bool], with_candidates: bool = True
) -> tuple[Contest, ...]:
    asked = select(contests, organisers.c.state.label("organiser_state")).join(organisers)
    rows = (await connection.execute(asked.where(*conditions).order_by(contests.c.slug))).all()
    by_contest: Mapping[UUID, Sequence[Candidate]] = {}
    if with_candidates:
        ids = [row.id for row in rows] if conditions else None
        by_contest = await _read_candidates(connection, await _read_beside(connection), ids)
    brands = await read_brands(connection, None if not conditions else [row.organiser_id for row in rows])
    parts = await read_rounds(connection, [row.id for row in rows] if conditions else None)
    now = (await connection.execute(select(func.now()))).scalar_one() if parts else None
    found = (_contest(row, by_contest.get(row.id, ()), brands) for row in rows)
    if now is None:
        return tuple(found)
    return tuple(
        replace(one, rounds=tuple(parts[one.id]), reopens_at=_opens(parts[one.id], now), _by_code={})
        if one.id in parts
        else one
        for one in found
    )


async def _read_beside(connection: AsyncConnection) -> _Beside:
    """What belongs to candidates and is kept apart, by their ids: the approved video, and former names."""
    approved = (await connection.execute(_VIDEOS)).all()
    shown = {row.candidate_id: Video(row.public_id, row.version, row.width, row.height) for row in approved}
    renamed: dict[UUID, list[Renamed]] = defaultdict(list)
    for row in (await connection.execute(_RENAMED)).all():
        renamed[row.candidate_id].append(Renamed(row.former_name, row.made_at, row.reason))
    return shown, renamed


async def _read_candidates(
    connection: AsyncConnection, beside: _Beside, ids: Sequence[UUID] | None
) -> defaultdict[UUID, list[Candidate]]:
    """Candidates by contest, of these contests or of all."""
    shown, renamed = beside
    people = select(candidates).order_by(candidates.c.contest_id, candidates.c.code)
    if ids is not None:
        people = people.where(candidates.c.contest_id.in_(ids))
    by_contest: defaultdict[UUID, list[Candidate]] = defaultdict(list)
    for row in (await connection.execute(people)).all():
        by_contest[row.contest_id].append(
            Candidate(
                row.id,
                row.code,
                row.name,
                CandidateStatus(row.status),
                row.photo_url,
                row.category,
                row.text,
                row.reason,
                picture_of(row),
                shown.get(row.id),
                row.evicted_at,
                tuple(renamed.get(row.id, ())),
            )
        )
    return by_contest


async def read_rounds(connection: AsyncConnection, ids: Sequence[UUID] | None) -> defaultdict[UUID, list[Round]]:
    """Rounds by contest, of these contests or of all."""
    asked = select(rounds).order_by(rounds.c.contest_id, rounds.c.number)
    if ids is not None:
        asked = asked.where(rounds.c.contest_id.in_(ids))
    parts: defaultdict[UUID, list[Round]] = defaultdict(list)
    for row in (await connection.execute(asked)).all():
        parts[row.contest_id].append(Round(row.number, row.name, row.opens_at, row.closes_at, row.fresh))
    return parts


def _opens(parts: Sequence[Round], now: datetime) -> datetime | None:
    coming = next_round(parts, now)
    return None if coming is None else coming.opens_at


def picture_of(row: Row[Any]) -> Picture | None:
    """The uploaded photo of a candidate's row."""
    return None if row.photo is None else Picture(row.photo, tuple(row.photo_sides), row.photo_blur)


def _with_menu_numbers(found: tuple[Contest, ...], now: datetime) -> tuple[Contest, ...]:
    """Each with the number by which it is chosen, where several share a service code."""
    numbers: dict[str, int] = {}
    for code, sharing in _grouped((c.service_code, c) for c in found if c.public).items():
        if code:
            numbers |= menu_numbers(sharing, now)
    return tuple(replace(c, menu_number=numbers[c.slug], _by_code={}) if c.slug in numbers else c for c in found)


def _grouped(named: Iterable[tuple[str, Contest]]) -> dict[str, tuple[Contest, ...]]:
    groups: dict[str, list[Contest]] = defaultdict(list)
    for name, contest in named:
        # A contest without a code shares none.
        if name:
            groups[name].append(contest)
    return {name: tuple(sharing) for name, sharing in groups.items()}


def _contest(row: Row[Any], ranking: Sequence[Candidate], brands: Mapping[UUID, Brand]) -> Contest:
    values = {name: value for name, value in row._mapping.items() if name not in NOT_IN_A_CONTEST}
    price = Money(row.price_minor, row.currency)
    of_contest = brands.get(row.id, NO_BRAND)
    colours = Colours(of_contest.accent, of_contest.accent_dark)
    brand = of_contest.over(brands.get(row.organiser_id, NO_BRAND))
    own = {"price": price, "candidates": tuple(ranking), "brand": brand, "colours": colours}
    words = {"state": ContestState(row.state), "tie_break": TieBreak(row.tie_break)}
    lists = {"packs": tuple(row.packs), "categories": tuple(row.categories)}
    suspended = not allows(OrganiserState(row.organiser_state), Deed.SELL)
    return Contest(**values | own | words | lists, suspended=suspended, blackout=blackout_of(row))


def blackout_of(row: Row[Any]) -> Blackout | None:
    """The blackout of a contest's row."""
    if row.hidden_from is None:
        return None
    return Blackout(row.hidden_from, row.announcement_at, row.announced_at, row.blackout_sealed)
