"""Contests as their staff keep them: read, write, publish, close, archive."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from aiohttp import web
from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from channels.phrases import languages
from gateway.contests.blackout import Blackout, ended
from gateway.contests.blackout import planned as hidden_from
from gateway.contests.brand_store import copy_brand
from gateway.contests.changes import ChangeRefused, Plan
from gateway.contests.contest import CandidateStatus, Contest, ContestState, Phase, phase_of
from gateway.contests.directory import read_contest, read_rounds, within
from gateway.contests.document import Document, document_of, planned
from gateway.contests.steps import Step, stepped
from gateway.contests.store import (
    RankingFixed,
    discard_draft,
    lock_contests,
    organiser_named,
    organiser_of,
    state_of,
    write_plan,
)
from gateway.contests.versions import RulesVersion, counted_versions
from gateway.storage.audit_log import note
from gateway.storage.engine import scoped
from gateway.storage.schema.contests import candidates, contests, organisers
from gateway.values.organiser import Deed, allows
from gateway.values.scope import Scope
from leaderboard.log.seals import Seal, seals_of
from payments.requests import ActRefused, Why


class ChangedMeanwhile(ActRefused):
    """Somebody else saved the contest after it was read."""


class Fixed(ActRefused):
    """Votes are counted under the rule that would change. `rule`: as the rules' document names it."""

    def __init__(self, fixed: RankingFixed) -> None:
        super().__init__(Why.IMPOSSIBLE, str(fixed))
        self.rule = fixed.rule


class Taken(ActRefused):
    """Another contest has it. `what`: `slug`, `keyword` or `service_code`."""

    def __init__(self, what: str) -> None:
        super().__init__(Why.IMPOSSIBLE, _TAKEN[what])
        self.what = what


_TAKEN: Final = {
    "slug": "another contest has this slug",
    "keyword": "another contest has this keyword at this short code",
    "service_code": "another organiser's contest has this service code",
}
_LISTED: Final = ("id", "slug", "name", "state", "opens_at", "closes_at", "time_zone", "rules", "contact")
_HOLDS: Final = {"candidates": "approved"}
# An organiser's contest has an id made of its slug.
_UNIQUE: Final = {"contests_slug_key": "slug", "contests_pkey": "slug", "contests_keyword": "keyword"}


@dataclass(frozen=True, slots=True)
class Held:
    """A contest as it is. `organiser`: slug and name."""

    contest: Contest
    organiser: tuple[str, str]

    @property
    def document(self) -> Document:
        """As a document."""
        return document_of(self.contest, self.organiser)


@dataclass(frozen=True, slots=True)
class Line:
    """A contest in a list. `candidates`: how many can be voted for; `waiting`: how many wait to be looked at;
    `missing`: what a voter would look for in vain, of `candidates`, `rules` and `contact`."""

    slug: str
    name: str
    organiser: str
    phase: Phase
    opens_at: datetime
    closes_at: datetime
    time_zone: str
    candidates: int
    waiting: int
    missing: tuple[str, ...] = ()


class StaffContests:
    """Contests within a person's scope. `published`: those that other people's may clash with; `changed`: called
    after a change, so that this process knows of it at once."""

    def __init__(
        self,
        engine: AsyncEngine,
        published: Callable[[], Sequence[Contest]],
        changed: Callable[[], Awaitable[None]],
    ) -> None:
        self._engine = engine
        self._published = published
        self._changed = changed

    async def listed(self, scope: Scope) -> list[Line]:
        """Every contest, the one that opens last first."""
        counted = (
            select(
                candidates.c.contest_id,
                func.count().filter(candidates.c.status == CandidateStatus.APPROVED.value).label("approved"),
                func.count().filter(candidates.c.status == CandidateStatus.SUBMITTED.value).label("submitted"),
            )
            .group_by(candidates.c.contest_id)
            .subquery()
        )
        asked = (
            select(
                *(contests.c[name] for name in _LISTED),
                organisers.c.name.label("organiser"),
                func.coalesce(counted.c.approved, 0).label("approved"),
                func.coalesce(counted.c.submitted, 0).label("submitted"),
                func.now().label("now"),
            )
            .join(organisers, organisers.c.id == contests.c.organiser_id)
            .join(counted, counted.c.contest_id == contests.c.id, isouter=True)
            .where(*within(scope))
            .order_by(contests.c.opens_at.desc(), contests.c.slug)
        )
        async with scoped(self._engine, scope) as connection:
            rows = (await connection.execute(asked)).all()
            parts = await read_rounds(connection, [row.id for row in rows])
        return [
            Line(
                row.slug,
                row.name,
                row.organiser,
                phase_of(ContestState(row.state), row.opens_at, row.closes_at, row.now, parts[row.id]),
                row.opens_at,
                row.closes_at,
                row.time_zone,
                row.approved,
                row.submitted,
                tuple(name for name in ("candidates", "rules", "contact") if not getattr(row, _HOLDS.get(name, name))),
            )
            for row in rows
        ]

    async def held(self, slug: str, scope: Scope) -> Held:
        """One contest. Raises ActRefused."""
        async with scoped(self._engine, scope) as connection:
            return await _held(connection, slug, scope)

    async def rules(self, slug: str, scope: Scope) -> tuple[Contest, list[RulesVersion]]:
        """A contest and the versions of its rules, the newest first. Raises ActRefused."""
        async with scoped(self._engine, scope) as connection:
            held = await _held(connection, slug, scope)
            return held.contest, await counted_versions(connection, held.contest.id)

    async def organisers(self, scope: Scope) -> list[tuple[str, str]]:
        """Slug and name of those for whom a person may make a contest."""
        asked = select(organisers.c.slug, organisers.c.name).order_by(organisers.c.name)
        if scope is not None:
            asked = asked.where(organisers.c.id == scope)
        async with scoped(self._engine, scope) as connection:
            return [(row.slug, row.name) for row in (await connection.execute(asked)).all()]

    async def create(self, document: Document, scope: Scope, person: str, like: UUID | None = None) -> Contest:
        """A new contest, as a draft. `like`: the contest of whose colours and pictures it has a copy. Raises
        ActRefused, Taken."""
        async with scoped(self._engine, scope) as connection:
            await lock_contests(connection)
            owner = await organiser_named(connection, document.organiser.slug)
            if owner is None or scope not in (None, owner[0]):
                raise ActRefused(Why.UNKNOWN, f"there is no organiser {document.organiser.slug!r} for whom you work")
            with _refusals():
                made = planned(document, owner[0], (), spoken=languages(), new_state=ContestState.DRAFT)
            await self._write(connection, made, scope, person, "contest.create")
            if like is not None:
                await copy_brand(connection, like, made.contest.id)
        return made.contest

    async def changes(self, slug: str, document: Document, scope: Scope) -> Plan:
        """What a document would change; nothing is written. Raises ActRefused."""
        async with scoped(self._engine, scope) as connection:
            with _refusals():
                return _saved(await _held(connection, slug, scope), document, await _now(connection))

    async def save(
        self, slug: str, document: Document, scope: Scope, person: str, version: int | None = None
    ) -> Contest:
        """The contest as a document has it. `version`: the one that was read; None: any. Raises ActRefused,
        ChangedMeanwhile, Fixed, Taken."""
        async with scoped(self._engine, scope) as connection:
            await lock_contests(connection)
            held = await _held(connection, slug, scope)
            if version not in (None, held.contest.version):
                text = f"the contest has version {held.contest.version}, not {version}"
                raise ChangedMeanwhile(Why.IMPOSSIBLE, text)
            with _refusals():
                made = _saved(held, document, await _now(connection))
            if made.changes:
                await self._write(connection, made, scope, person, "contest.apply")
        await self._changed()
        return made.contest

    async def step(self, slug: str, step: Step, scope: Scope, person: str) -> Contest:
        """Take a step. Raises ActRefused, Taken."""
        async with scoped(self._engine, scope) as connection:
            await lock_contests(connection)
            held = await _held(connection, slug, scope)
            if (
                step is Step.PUBLISH
                and scope is not None
                and not allows(await state_of(connection, scope), Deed.PUBLISH)
            ):
                raise ActRefused(Why.LIMITED, "this organiser is limited: it publishes no further contest for now")
            with _refusals():
                made = stepped(held.contest, step, await _now(connection))
            if made is not None:
                await self._write(connection, made, scope, person, f"contest.{step.value}")
        await self._changed()
        return held.contest if made is None else made.contest

    async def hide(
        self,
        slug: str,
        begins_at: datetime | None,
        announcement_at: datetime | None,
        scope: Scope,
        person: str,
        *,
        sealed: bool | None = None,
    ) -> Contest:
        """Hide the ranking from a moment, None: from now, until its result is announced. `sealed`: see
        `gateway.contests.blackout.planned`. Raises ActRefused, BlackoutRefused."""

        def change(contest: Contest, now: datetime) -> Blackout:
            if not contest.listed:
                raise ActRefused(Why.IMPOSSIBLE, "only the ranking of a published contest is hidden")
            return hidden_from(contest.blackout, begins_at, announcement_at, now, sealed=sealed)

        return await self._black_out(slug, change, scope, person)

    async def announce(self, slug: str, scope: Scope, person: str) -> Contest:
        """Show the ranking again, or leave it visible where it is hidden later. Raises ActRefused, BlackoutRefused."""
        return await self._black_out(slug, lambda contest, now: ended(contest.blackout, now), scope, person)

    async def seals(self, contest: UUID, scope: Scope) -> Sequence[Seal]:
        """The keys under which entries of a contest's log are sealed, the latest first."""
        async with scoped(self._engine, scope) as connection:
            return await seals_of(connection, contest)

    async def _black_out(
        self, slug: str, change: Callable[[Contest, datetime], Blackout | None], scope: Scope, person: str
    ) -> Contest:
        async with scoped(self._engine, scope) as connection:
            await lock_contests(connection)
            contest = (await _held(connection, slug, scope)).contest
            blackout = change(contest, await _now(connection))
            await connection.execute(update(contests).where(contests.c.id == contest.id).values(_columns(blackout)))
            act = "show" if blackout is None else "announce" if blackout.announced_at else "hide"
            detail = {"changes": _moments(contest, blackout)} if act == "hide" else {}
            if act == "hide" and blackout is not None and blackout.sealed:
                act = "seal"
            await note(connection, actor=person, act=f"contest.{act}", subject=slug, detail=detail, contest=contest.id)
        await self._changed()
        return replace(contest, blackout=blackout, _by_code={})

    async def discard(self, slug: str, scope: Scope, person: str) -> None:
        """Delete a draft with all that only it has. Photos that no row names are swept later. Raises ActRefused."""
        async with scoped(self._engine, scope) as connection:
            await lock_contests(connection)
            contest = (await _held(connection, slug, scope)).contest
            if contest.state is not ContestState.DRAFT:
                raise ActRefused(Why.IMPOSSIBLE, "only a draft is discarded")
            # First, while it is this organiser's.
            detail = {"name": contest.name, "candidates": len(contest.candidates)}
            await note(connection, actor=person, act="contest.discard", subject=slug, detail=detail, contest=contest.id)
            fault = await discard_draft(connection, contest.id)
            if fault is not None:
                raise ActRefused(Why.IMPOSSIBLE, fault)

    async def _write(self, connection: AsyncConnection, made: Plan, scope: Scope, person: str, act: str) -> None:
        contest = made.contest
        if scope is not None and _is_elsewhere(contest, self._published(), await _now(connection)):
            raise Taken("service_code")
        try:
            with _refusals():
                await write_plan(connection, made, person, act)
        except IntegrityError as error:
            for index, what in _UNIQUE.items():
                if index in str(error.orig):
                    raise Taken(what) from error
            raise


@contextmanager
def _refusals() -> Iterator[None]:
    """What the rules of contests refuse, as a refusal to the person who asked."""
    try:
        yield
    except RankingFixed as fixed:
        raise Fixed(fixed) from None
    except ChangeRefused as refused:
        raise ActRefused(Why.IMPOSSIBLE, str(refused)) from None


def _columns(blackout: Blackout | None) -> Mapping[str, datetime | bool | None]:
    return {**_instants(blackout), "blackout_sealed": blackout is not None and blackout.sealed}


def _instants(blackout: Blackout | None) -> Mapping[str, datetime | None]:
    if blackout is None:
        return dict.fromkeys(("hidden_from", "announcement_at", "announced_at"))
    return {
        "hidden_from": blackout.begins_at,
        "announcement_at": blackout.announcement_at,
        "announced_at": blackout.announced_at,
    }


def _moments(contest: Contest, blackout: Blackout | None) -> list[Mapping[str, str]]:
    """What was planned and what is, as the log has it."""

    def written(moment: datetime | None) -> str:
        return moment.isoformat() if moment else "–"

    held = contest.blackout
    before = _instants(held if held is not None and held.announced_at is None else None)
    after = _instants(blackout)
    return [
        {"what": what, "before": written(before[what]), "after": written(after[what])}
        for what in ("hidden_from", "announcement_at")
        if before[what] != after[what]
    ]


async def _now(connection: AsyncConnection) -> datetime:
    now: datetime = (await connection.execute(select(func.now()))).scalar_one()
    return now


async def _held(connection: AsyncConnection, slug: str, scope: Scope) -> Held:
    contest = await read_contest(connection, slug, scope)
    if contest is None:
        raise ActRefused(Why.UNKNOWN, f"there is no contest {slug!r}")
    return Held(contest, await organiser_of(connection, contest.organiser_id))


def _saved(held: Held, document: Document, now: datetime) -> Plan:
    contest, part = held.contest, document.contest
    if part.slug != contest.slug:
        raise ChangeRefused("the slug of a contest cannot change: make a new contest")
    if document.organiser.slug != held.organiser[0]:
        raise ChangeRefused("the organiser of a contest cannot change: make a new contest")
    phase = contest.phase_at(now)
    if phase is Phase.ARCHIVED:
        raise ChangeRefused("an archived contest cannot change")
    if phase is Phase.CLOSED and part.closes_at != contest.closes_at:
        # Payments that came late were given back by that close.
        raise ChangeRefused("this contest is over: its closing time cannot change")
    return planned(document, contest.organiser_id, (contest,), spoken=languages())


def _is_elsewhere(contest: Contest, published: Sequence[Contest], now: datetime) -> bool:
    """Whether a contest of another organiser that is not over has its service code."""
    return bool(contest.service_code) and any(
        other.service_code == contest.service_code and other.organiser_id != contest.organiser_id
        for other in published
        if other.listed and other.closes_at > now
    )


STAFF_CONTESTS: web.AppKey[StaffContests] = web.AppKey("staff_contests", StaffContests)
