"""Statements of contests and organisers: write a plan, with its line in the audit log."""

from dataclasses import asdict
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, func, insert, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.contests.brand_store import BrandOwner, lock_brand, write_colours
from gateway.contests.changes import ChangeRefused, Plan
from gateway.contests.contest import Candidate, CandidateStatus, Contest, ContestState
from gateway.contests.directory import NOT_IN_A_CONTEST
from gateway.contests.quotas import Quota, check
from gateway.contests.rounds import Round, change_faults, sentence_of
from gateway.contests.rules import digest, rules_document
from gateway.storage.audit_log import note
from gateway.storage.schema.contests import (
    candidate_changes,
    candidate_totals,
    candidates,
    contest_heads,
    contest_rules,
    contests,
    jury_sheets,
    organisers,
    rounds,
)
from gateway.values.organiser import OrganiserState

# Any number: two documents are applied one after the other.
_APPLY_LOCK = 0x5907_11_A9
# Whose value `keep_rules` knows.
_NOT_WRITTEN = NOT_IN_A_CONTEST | {"rules_version"}
_PERSON = ("code", "name", "status", "photo_url", "category", "text", "reason")
# Rules that turn votes into a ranking, and why they stay.
_OF_RANKING: Final = {
    "tie_break": "the tie-break of a contest cannot change: votes are counted already",
    "formula": "the jury's share of a contest cannot change: votes or points are counted already",
}
# What an organiser has besides one contest, and what that one is so far.
_HELD = text("""
select o.quotas, (select c.state from contests c where c.id = :contest) as state,
  (select count(*) from contests c where c.organiser_id = o.id and c.id <> :contest and c.state = 'draft') as drafts,
  (select count(*) from contests c where c.organiser_id = o.id and c.id <> :contest and c.state = 'published'
    and c.closes_at > now()) as contests
from organisers o where o.id = :organiser
""")


class RoundsFixed(ChangeRefused):
    """Rounds that have begun would change."""


class RankingFixed(ChangeRefused):
    """Votes are counted under the rule that would change. `rule`: as the document names it."""

    def __init__(self, rule: str) -> None:
        super().__init__(_OF_RANKING[rule])
        self.rule = rule


async def lock_contests(connection: AsyncConnection) -> None:
    """Take the lock for applying documents until the end of this transaction; waits for other processes."""
    await connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _APPLY_LOCK})


async def lock_organiser(connection: AsyncConnection, organiser_id: UUID) -> None:
    """Count and add what an organiser has quotas of one after the other, until the end of this transaction."""
    await connection.execute(
        text("select pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": str(organiser_id)}
    )


async def organiser_named(connection: AsyncConnection, slug: str) -> tuple[UUID, str] | None:
    """Id and name of an organiser."""
    found = (await connection.execute(select(organisers).where(organisers.c.slug == slug))).one_or_none()
    return None if found is None else (found.id, found.name)


async def organiser_of(connection: AsyncConnection, organiser_id: UUID) -> tuple[str, str]:
    """Slug and name of an organiser that is there."""
    found = (await connection.execute(select(organisers).where(organisers.c.id == organiser_id))).one()
    return found.slug, found.name


async def state_of(connection: AsyncConnection, organiser_id: UUID) -> OrganiserState:
    """The state of an organiser that is there."""
    asked = select(organisers.c.state).where(organisers.c.id == organiser_id)
    return OrganiserState((await connection.execute(asked)).scalar_one())


async def add_organiser(connection: AsyncConnection, organiser_id: UUID, slug: str, name: str) -> None:
    """A new organiser; one that is there stays."""
    row = {"id": organiser_id, "slug": slug, "name": name}
    await connection.execute(upsert(organisers).values(row).on_conflict_do_nothing())


async def write_plan(
    connection: AsyncConnection, plan: Plan, actor: str, act: str = "contest.apply", reason: str = ""
) -> None:
    """Write a plan, under the lock of `lock_contests`. `actor`: who requested it; `act`, `reason`: as what and why the
    audit log has it. Raises QuotaReached, RankingFixed, RoundsFixed,
    sqlalchemy.exc.IntegrityError."""
    contest, now = plan.contest, (await connection.execute(select(func.now()))).scalar_one()
    await _check_quotas(connection, plan)
    if plan.new:
        await connection.execute(insert(contests).values(_row(contest)))
        await connection.execute(insert(contest_heads).values(contest_id=contest.id))
    else:
        await connection.execute(update(contests).where(contests.c.id == contest.id).values(_row(contest)))
    if plan.added:
        added = [{"id": c.id, "contest_id": contest.id, **_person(c, now)} for c in plan.added]
        await connection.execute(insert(candidates), added)
        totals = [{"candidate_id": c.id, "contest_id": contest.id} for c in plan.added]
        await connection.execute(insert(candidate_totals), totals)
    for candidate in plan.changed:
        row = _person(candidate, now)
        await connection.execute(update(candidates).where(candidates.c.id == candidate.id).values(row))
    # Until votes are sold, no voter chose by a name.
    moved = [move for move in plan.moves if move.former_name is None or contest.has_opened(now)]
    if moved:
        moves = [
            {
                "candidate_id": move.candidate.id,
                "contest_id": contest.id,
                "from_status": move.before,
                "to_status": move.candidate.status,
                "reason": reason or move.reason,
                "made_by": actor,
                "former_name": move.former_name,
            }
            for move in moved
        ]
        await connection.execute(insert(candidate_changes), moves)
    if any(change.what == "colours" for change in plan.changes) or (plan.new and contest.colours.accent):
        owner = BrandOwner(contest.organiser_id, contest.id, contest.slug, contest.name, "", "")
        await lock_brand(connection, owner)
        await write_colours(connection, owner, contest.colours.accent, contest.colours.accent_dark)
    await _keep_rounds(connection, contest, now)
    if contest.public:
        await keep_rules(connection, contest, actor)
    changes = [{"what": c.what, "before": c.before, "after": c.after} for c in plan.changes]
    detail = {"version": contest.version, "changes": changes} | ({"reason": reason} if reason else {})
    await note(connection, actor=actor, act=act, subject=contest.slug, detail=detail, contest=contest.id)


async def _keep_rounds(connection: AsyncConnection, contest: Contest, now: datetime) -> None:
    kept = rounds.c
    rows = (await connection.execute(select(rounds).where(kept.contest_id == contest.id).order_by(kept.number))).all()
    held = tuple(Round(row.number, row.name, row.opens_at, row.closes_at, row.fresh) for row in rows)
    if held == contest.rounds:
        return
    if contest.public:
        for fault, number in change_faults(held, contest.rounds, now):
            raise RoundsFixed(sentence_of(fault, number))
    await connection.execute(delete(rounds).where(kept.contest_id == contest.id))
    if contest.rounds:
        values = [{"contest_id": contest.id, **asdict(one)} for one in contest.rounds]
        await connection.execute(insert(rounds), values)


async def keep_rules(connection: AsyncConnection, contest: Contest, actor: str) -> None:
    """Write a new version of the rules of a contest that is published, where they are others than before. `actor`: who
    changed them. Raises RankingFixed."""
    document, kept = rules_document(contest), contest_rules.c
    newest = (
        select(kept.version, kept.sha256, kept.document)
        .where(kept.contest_id == contest.id)
        .order_by(kept.version.desc())
    )
    held = (await connection.execute(newest.limit(1))).one_or_none()
    if held is not None and held.sha256 == digest(document):
        return
    others = [] if held is None else [name for name in _OF_RANKING if held.document.get(name) != document.get(name)]
    if others:
        counted = select(contest_heads.c.next_seq > 1).where(contest_heads.c.contest_id == contest.id)
        judged = select(jury_sheets.c.id).where(
            jury_sheets.c.contest_id == contest.id, jury_sheets.c.number.is_not(None)
        )
        if (await connection.execute(select(or_(counted.scalar_subquery(), judged.exists())))).scalar_one():
            raise RankingFixed(others[0])
    version = 1 if held is None else held.version + 1
    row = {"contest_id": contest.id, "version": version, "document": document, "sha256": digest(document)}
    await connection.execute(insert(contest_rules).values(**row, valid_from=func.now(), made_by=actor))
    await connection.execute(update(contests).where(contests.c.id == contest.id).values(rules_version=version))


async def _check_quotas(connection: AsyncConnection, plan: Plan) -> None:
    """Whether the organiser has room for what a plan adds. Raises QuotaReached."""
    contest = plan.contest
    row = (await connection.execute(_HELD, {"contest": contest.id, "organiser": contest.organiser_id})).one()
    if plan.added:
        check(row.quotas, Quota.CANDIDATES, len(contest.candidates))
    if row.state != contest.state.value:
        match contest.state:
            case ContestState.DRAFT:
                check(row.quotas, Quota.DRAFTS, row.drafts + 1)
            case ContestState.PUBLISHED:
                check(row.quotas, Quota.CONTESTS, row.contests + 1)


async def discard_draft(connection: AsyncConnection, contest_id: UUID) -> str | None:
    """Delete a draft with all that only it has; the sentence that says why not."""
    fault: str | None = (await connection.execute(text("select discard_draft(:id)"), {"id": contest_id})).scalar_one()
    return fault


def _row(contest: Contest) -> dict[str, Any]:
    values = {c.name: getattr(contest, c.name) for c in contests.columns if c.name not in _NOT_WRITTEN}
    values |= {"state": contest.state.value, "tie_break": contest.tie_break.value}
    price, lists = contest.price, {"packs": list(contest.packs), "categories": list(contest.categories)}
    return {**values, "price_minor": price.amount_minor, "currency": price.currency, **lists}


def _person(candidate: Candidate, now: datetime) -> dict[str, Any]:
    kept = {name: getattr(candidate, name) for name in _PERSON}
    evicted = candidate.status is CandidateStatus.EVICTED
    return {**kept, "evicted_at": (candidate.evicted_at or now) if evicted else None}
