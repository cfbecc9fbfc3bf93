"""What stands against certifying a result, and the certifying by two persons."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import structlog
from aiohttp import web
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from admin.result.rules import Line, Standing, lines_of, undecided_points
from gateway.contests.contest import Contest
from gateway.contests.directory import read_contest
from gateway.contests.jury_store import read_sheets
from gateway.contests.store import lock_contests
from gateway.storage.audit_log import note
from gateway.storage.engine import scoped
from gateway.storage.rows import read_as
from gateway.storage.vault import Vault
from gateway.values.names import same_name
from leaderboard.final_places import final_places
from leaderboard.log.audit import audit_logs
from leaderboard.log.notes import Checkpoint, Note
from leaderboard.log.public_rules import public_rules, text_of
from leaderboard.log.words import words_of
from leaderboard.result.document import (
    FORMAT,
    Board,
    Replaced,
    ResultDocument,
    RulesNamed,
    Signature,
    SignedState,
    board_of,
    digest_of,
    digest_of_boards,
)
from leaderboard.result.public import Version
from leaderboard.result.store import add_result, read_versions
from payments.request_store import carry_out_once
from payments.requests import ActRefused, Executed, NewRequest, Scope, StaffRequest, Why

# Larger tallies are audited by a worker alone: their leaves take seconds.
AUDITED_AT_ONCE: Final = 5_000
_FAULTS_LOGGED: Final = 20
_log = structlog.get_logger(__name__)
_STANDING: Final = text("""
select h.next_seq - 1 as entries, coalesce(l.next_seq, 1) - 1 as logged, coalesce(l.size, 0) as size,
  coalesce(l.signed_size, 0) as signed,
  (select sha256 from log_rules r where r.contest_id = :contest and r.version = l.rules_version) as rules_sha256,
  (select count(*) from jury_sheets where contest_id = :contest and number is not null and leaf is null)
    + (select count(*) from certified_results where contest_id = :contest and leaf is null) as unlogged,
  (select count(*) from payments where contest_id = :contest and status in ('created','sent','pending'))
    + (select count(*) from payments where contest_id = :contest and status = 'confirmed') as pending,
  (select count(*) from payments where contest_id = :contest and status = 'held') as held,
  (select count(*) from payments where contest_id = :contest and provisional) as provisional,
  (select count(*) from staff_requests where contest_id = :contest and status in ('waiting', 'approved')
    and act in ('refund_payment', 'void_window', 'release_held', 'refuse_held', 'decide_held')) as requests,
  (select count(*) from disputes where contest_id = :contest
    and (status = 'open' or (status = 'lost' and effect is null))) as disputes,
  (select count(*) from differences where contest_id = :contest and status = 'open') as differences
from contest_heads h left join log_heads l on l.contest_id = h.contest_id where h.contest_id = :contest
""")
_WAITING: Final = text("""
select id, requested_by, requested_at from staff_requests
where subject = :slug and act = 'certify_result' and status in ('waiting', 'approved')
order by requested_at desc limit 1
""")
_CERTIFIED_ENTRIES: Final = text("""
select cast(cast(document as jsonb)->>'entries' as bigint) from certified_results
where contest_id = :contest order by number desc limit 1
""")
_NOW: Final = text("select now()")
# Nothing is counted, and nobody evicted, until this transaction is over.
_HOLD: Final = text("select id from contests where slug = :slug for no key update")
_HOLD_TALLY: Final = text("select next_seq from contest_heads where contest_id = :contest for share")
_COUNTED: Final = text("""
select coalesce(sum(t.votes), 0) as votes, coalesce(sum(t.amount_minor), 0) as amount_minor
from candidate_totals t join candidates k on k.id = t.candidate_id where t.contest_id = :contest
""")
_LOG: Final = text("""
select p.note, r.version, r.sha256 from log_heads l
  join log_checkpoints p on p.contest_id = l.contest_id and p.size = l.signed_size
  join log_rules r on r.contest_id = l.contest_id and r.version = l.rules_version
where l.contest_id = :contest
""")
_ORGANISER: Final = text("select name from organisers where id = :organiser")
_SIGNER: Final = text("""
select s.name, o.name as organisation from staff s left join organisers o on o.id = s.organiser_id
where s.email = :email
""")


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request to certify that waits for its second person, or is being done."""

    id: UUID
    requested_by: str
    requested_at: datetime


@dataclass(frozen=True, slots=True)
class Readiness:
    """What staff read of a contest's certified result. `lines`: what must be none; `versions`: the newest first;
    `behind`: lines of the tally that came after the newest one."""

    contest: Contest
    lines: list[Line]
    versions: list[Version]
    waiting: Waiting | None
    behind: int

    @property
    def ready(self) -> bool:
        """Whether nothing stands against certifying."""
        return all(line.done for line in self.lines)


@dataclass(frozen=True, slots=True)
class _Counted:
    """What would be certified."""

    contest: Contest
    standing: Standing
    boards: tuple[Board, ...]
    votes: int
    amount_minor: int
    checkpoint: Checkpoint
    rules: RulesNamed

    @property
    def preview(self) -> dict[str, Any]:
        """What the two persons agree to."""
        return {
            "contest": self.contest.slug,
            "counted_votes": self.votes,
            "amount_minor": self.amount_minor,
            "currency": self.contest.currency,
            "entries": self.standing.entries,
            "log_lines": self.checkpoint.size,
            "log_words": " · ".join(words_of(self.checkpoint.root)),
            "boards_sha256": digest_of_boards(self.boards),
        }


class Certifying:
    """Certifies results. `audits`: where a large tally is audited; None: that is left to another process."""

    def __init__(self, engine: AsyncEngine, vault: Vault, audits: AsyncEngine | None = None) -> None:
        self._engine = engine
        self._vault = vault
        self._audits = audits

    async def readiness(self, slug: str, scope: Scope, now: datetime) -> Readiness:
        """How far a contest is from a certified result. Raises ActRefused."""
        async with scoped(self._engine, scope) as connection:
            contest = await _contest(connection, slug, scope)
            standing = await _standing(connection, contest)
            row = (await connection.execute(_WAITING, {"slug": slug})).one_or_none()
            waiting = None if row is None else read_as(Waiting, row)
            versions = await read_versions(connection, contest.id)
            counted = (await connection.execute(_CERTIFIED_ENTRIES, {"contest": contest.id})).scalar_one_or_none()
        behind = 0 if counted is None else standing.entries - counted
        return Readiness(contest, lines_of(contest, standing, now), versions, waiting, behind)

    async def preview(self, connection: AsyncConnection, request: NewRequest) -> Mapping[str, Any]:
        """What would be signed. Raises ActRefused while something stands against it."""
        contest, now = await _contest(connection, request.subject, None), await _now(connection)
        counted = await _count(connection, contest, now)
        await _signature(connection, request.requested_by, now)
        return counted.preview

    async def carry_out(self, request: StaffRequest) -> Executed:
        """Certify what two persons agreed to, once, if it is still so and everything is well with every line that was
        counted. Raises ActRefused."""
        if int(request.preview["entries"]) > AUDITED_AT_ONCE and self._audits is None:
            return Executed("every vote that was counted is being checked once more", finished=False)
        faults = await audit_logs(self._audits or self._engine, self._vault, request.subject)
        if found := faults.get(request.subject):
            _log.error("result_not_certified", contest=request.subject, faults=found[:_FAULTS_LOGGED])
            raise ActRefused(Why.IMPOSSIBLE, f"the check of every counted vote found {len(found)} faults")
        return Executed(await carry_out_once(self._engine, request, _certify))


CERTIFYING: web.AppKey[Certifying] = web.AppKey("certifying", Certifying)


async def _certify(connection: AsyncConnection, request: StaffRequest) -> str:
    # Nor is a sheet of the jury confirmed meanwhile.
    await lock_contests(connection)
    await connection.execute(_HOLD, {"slug": request.subject})
    contest, now = await _contest(connection, request.subject, None), await _now(connection)
    # Before the count, which takes a minute for half a million entries.
    first = await _signature(connection, request.requested_by, request.requested_at)
    second = await _signature(connection, request.decided_by or "", request.decided_at or now)
    if same_name(first.name) == same_name(second.name):
        raise ActRefused(Why.IMPOSSIBLE, f"both accounts have the name {first.name}: two persons sign")
    await connection.execute(_HOLD_TALLY, {"contest": contest.id})
    counted = await _count(connection, contest, now)
    if counted.preview != request.preview:
        raise ActRefused(Why.IMPOSSIBLE, "something was counted or changed since this was asked for: ask again")
    before = await read_versions(connection, contest.id)
    organiser = (await connection.execute(_ORGANISER, {"organiser": contest.organiser_id})).scalar_one()
    document = ResultDocument(
        format=FORMAT,
        contest=contest.slug,
        name=contest.name,
        organiser=organiser,
        number=len(before) + 1,
        made_at=now,
        entries=counted.standing.entries,
        votes=counted.votes,
        amounts={contest.currency: counted.amount_minor},
        tie_break=contest.tie_break.value,
        rules=counted.rules,
        log=SignedState(
            origin=counted.checkpoint.origin,
            size=counted.checkpoint.size,
            root=counted.checkpoint.root.hex(),
            words=words_of(counted.checkpoint.root),
        ),
        boards=counted.boards,
        signed_by=(first, second),
        replaces=Replaced(number=before[0].number, sha256=before[0].sha256, reason=request.reason) if before else None,
    )
    await add_result(connection, contest.id, request.id, document)
    await note(
        connection,
        actor=request.requested_by,
        act="result.certified",
        subject=contest.slug,
        detail={
            "number": document.number,
            "sha256": digest_of(document.text),
            "approved_by": request.decided_by,
            "reason": request.reason,
        },
        contest=contest.id,
    )
    return f"the result is certified, as number {document.number}"


async def _count(connection: AsyncConnection, contest: Contest, now: datetime) -> _Counted:
    """What would be certified. Raises ActRefused while something stands against it."""
    standing = await _standing(connection, contest)
    if not all(line.done for line in lines_of(contest, standing, now)):
        raise ActRefused(Why.IMPOSSIBLE, f"the result of {contest.slug} is not ready: its page lists what is open")
    asked = {"contest": contest.id}
    totals = (await connection.execute(_COUNTED, asked)).one()
    log = (await connection.execute(_LOG, asked)).one()
    return _Counted(
        contest,
        standing,
        tuple(board_of(contest, one) for one in await final_places(connection, contest)),
        int(totals.votes),
        int(totals.amount_minor),
        Checkpoint.read(Note.read(log.note).text),
        RulesNamed(version=log.version, sha256=bytes(log.sha256).hex()),
    )


async def _standing(connection: AsyncConnection, contest: Contest) -> Standing:
    row = (await connection.execute(_STANDING, {"contest": contest.id})).one()
    sheets = [] if contest.jury_percent is None else await read_sheets(connection, contest.id)
    rules = await asyncio.to_thread(lambda: digest_of(text_of(public_rules(contest))))
    known = row.rules_sha256 is not None and bytes(row.rules_sha256).hex() == rules
    return read_as(Standing, row, jury=undecided_points(contest, sheets), rules_logged=known)


async def _now(connection: AsyncConnection) -> datetime:
    """The instant of this transaction."""
    now: datetime = (await connection.execute(_NOW)).scalar_one()
    return now


async def _signature(connection: AsyncConnection, email: str, at: datetime) -> Signature:
    """How a person signs. Raises ActRefused for one without a name: their address is not published."""
    row = (await connection.execute(_SIGNER, {"email": email})).one_or_none()
    if row is None or not row.name.strip():
        raise ActRefused(Why.IMPOSSIBLE, f"{email} has no name, and results are signed by name")
    return Signature(name=row.name, organisation=row.organisation, at=at)


async def _contest(connection: AsyncConnection, slug: str, scope: Scope) -> Contest:
    found = await read_contest(connection, slug, scope)
    if found is None:
        raise ActRefused(Why.UNKNOWN, f"there is no contest {slug!r}")
    return found
