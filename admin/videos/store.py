"""Statements of candidates' videos: what is signed, what a person decides, and of which Cloudinary is to be asked."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.contests.contest import called
from gateway.contests.directory import read_contest
from gateway.contests.nominations import News, Nominations
from gateway.contests.quotas import Quota, check
from gateway.contests.store import lock_organiser
from gateway.contests.videos import Asset, Next, Upload, VideoState, first_question
from gateway.storage.audit_log import note
from gateway.storage.engine import scoped
from gateway.storage.rows import read_as
from gateway.values.scope import OneContest, Scope
from payments.requests import ActRefused, Why

# 96 bits: who knows one name finds no other.
_NAME_BYTES: Final = 12
ISSUED_OF_CANDIDATE: Final = 10
ISSUED_OF_CONTEST: Final = 200
LISTED_MAX: Final = 20
LEASE_SECONDS: Final = 60

_CANDIDATE: Final = text("""
select d.id, d.contest_id, c.organiser_id, c.slug, c.name as contest, d.code, d.name
from candidates d join contests c on c.id = d.contest_id
where c.slug = :slug and d.code = :code
  and (cast(:organiser as uuid) is null or c.organiser_id = :organiser)
  and (cast(:only as uuid) is null or c.id = :only)
""")
_ISSUED_LATELY: Final = text("""
select count(*) as of_contest, count(*) filter (where candidate_id = :candidate) as of_candidate
from video_uploads where contest_id = :contest and issued_at > now() - interval '1 hour'
""")
_KEPT: Final = text("""
select o.quotas, (select count(*) from video_uploads u join contests c on c.id = u.contest_id
  where c.organiser_id = o.id and u.state in ('issued', 'uploaded', 'ready', 'approved')) as videos
from organisers o where o.id = :organiser
""")
_ISSUE: Final = text("""
insert into video_uploads (public_id, contest_id, candidate_id, issued_by, issued_at, ask_at)
values (:public_id, :contest, :candidate, :actor, :now, :ask_at)
""")
_LISTED: Final = text("""
select public_id, state, issued_at, issued_by, version, bytes, milliseconds, width, height, fault, reason, decided_by,
  decided_at
from video_uploads where candidate_id = :candidate and issued_at <= coalesce(cast(:at as timestamptz), 'infinity')
order by issued_at desc, public_id limit :limit
""")
# What persons had decided by a moment, the latest last.
_DECIDED: Final = text("""
select detail ->> 'video' as public_id, act, actor, at, detail ->> 'reason' as reason from audit_log
where contest_id = :contest and at <= :at and act = any(:acts) and detail ->> 'video' = any(:public_ids) order by id
""")
_WAITING: Final = text("""
select distinct d.id, d.contest_id, c.organiser_id, c.slug, c.name as contest, d.code, d.name
from video_uploads u join candidates d on d.id = u.candidate_id join contests c on c.id = u.contest_id
where c.slug = :slug and u.state = 'ready' and d.status in ('submitted', 'approved')
  and (cast(:organiser as uuid) is null or c.organiser_id = :organiser)
  and (cast(:only as uuid) is null or c.id = :only)
order by d.code
""")
_ONE: Final = text("""
select state from video_uploads where public_id = :public_id and candidate_id = :candidate for update
""")
_DECIDE: Final = text("""
update video_uploads set state = :state, reason = nullif(:reason, ''), decided_by = :actor, decided_at = now(),
  ask_at = case when :state = 'approved' then ask_at else now() end
where public_id = :public_id
""")
_REPLACE: Final = text("""
update video_uploads set state = 'gone', ask_at = now() where candidate_id = :candidate and state = 'approved'
""")
_ASK_NOW: Final = text("""
update video_uploads set ask_at = now()
where public_id = any(cast(:public_ids as text[])) and (cast(:candidate as uuid) is null or candidate_id = :candidate)
""")
_UNKNOWN: Final = text("""
select n from unnest(cast(:public_ids as text[])) n
where not exists (select from video_uploads where public_id = n)
""")
_NOTIFIED: Final = text("""
insert into video_notifications (kind, key, body) values (:kind, :key, :body) on conflict do nothing
""")
_CLAIM: Final = text("""
update video_uploads set ask_at = now() + make_interval(secs => :lease), checks = checks + 1
where public_id = any(array(
  select public_id from video_uploads where ask_at <= now() order by ask_at limit :limit for update skip locked))
returning public_id, state, issued_at, checks, asset_id, version, ask_at as leased_until
""")
# A hint that came while Cloudinary was asked is not lost, and what a person decided meanwhile stands.
_RECORD: Final = text("""
update video_uploads set state = :state, fault = coalesce(:fault, fault),
  checks = case when state = :state then checks else 0 end,
  ask_at = case when ask_at = :leased_until then cast(:ask_at as timestamptz) else ask_at end,
  asset_id = coalesce(:asset_id, asset_id), version = coalesce(:version, version), bytes = coalesce(:bytes, bytes),
  milliseconds = coalesce(:milliseconds, milliseconds), width = coalesce(:width, width),
  height = coalesce(:height, height)
where public_id = :public_id and state = :seen
""")
_LATER: Final = text("""
update video_uploads set ask_at = :ask_at where public_id = :public_id and ask_at = :leased_until
""")


class Decision(StrEnum):
    """What a person decides about a video."""

    APPROVED = "approved"
    REJECTED = "rejected"
    REMOVED = "removed"


# In which states each is possible, and what it makes of the upload.
_DECISIONS: Final[Mapping[Decision, tuple[frozenset[VideoState], VideoState]]] = {
    Decision.APPROVED: (frozenset({VideoState.READY}), VideoState.APPROVED),
    Decision.REJECTED: (frozenset({VideoState.READY, VideoState.APPROVED}), VideoState.REJECTED),
    Decision.REMOVED: (frozenset(VideoState) - {VideoState.REJECTED, VideoState.GONE}, VideoState.GONE),
}


_NEWS: Final = {Decision.APPROVED: News.VIDEO_TAKEN, Decision.REJECTED: News.VIDEO_REFUSED}


@dataclass(frozen=True, slots=True)
class Filmed:
    """A candidate whose videos are kept. `slug`, `contest`: of the contest, its name."""

    id: UUID
    contest_id: UUID
    organiser_id: UUID
    slug: str
    contest: str
    code: str
    name: str

    @property
    def called(self) -> str:
        """How staff read of them."""
        return called(self.code, self.name)


@dataclass(frozen=True, slots=True)
class UploadLine:
    """An upload as staff read it. `fault`: why a rule rejected it; `reason`: what a person wrote. `state`: None as of a
    moment at which nobody had decided; when Cloudinary had the file and what it found is not dated."""

    public_id: str
    state: str | None
    issued_at: datetime
    issued_by: str
    version: int | None
    bytes: int | None
    milliseconds: int | None
    width: int | None
    height: int | None
    fault: str | None
    reason: str | None
    decided_by: str | None
    decided_at: datetime | None


@dataclass(frozen=True, slots=True)
class Claimed:
    """An upload under a lease of this process."""

    public_id: str
    upload: Upload
    leased_until: datetime


class TooMany(Exception):
    """So many uploads were signed lately that no further one is."""


class VideoStore:
    """`engine`: of this process."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def candidate(self, scope: Scope, slug: str, code: str) -> Filmed:
        """A candidate within a scope. Raises ActRefused."""
        async with scoped(self._engine, scope) as connection:
            return await _candidate(connection, scope, slug, code)

    async def listed(
        self, scope: Scope, slug: str, code: str, at: datetime | None = None
    ) -> tuple[Filmed, list[UploadLine]]:
        """A candidate and their latest uploads, the newest first; `at` a moment: by then, as far as persons had decided
        about them. Raises ActRefused."""
        async with scoped(self._engine, scope) as connection:
            candidate = await _candidate(connection, scope, slug, code)
            rows = await connection.execute(_LISTED, {"candidate": candidate.id, "limit": LISTED_MAX, "at": at})
            lines = [read_as(UploadLine, row) for row in rows]
            if at is None:
                return candidate, lines
            asked = {
                "contest": candidate.contest_id,
                "at": at,
                "acts": [f"video.{decision.value}" for decision in Decision],
                "public_ids": [line.public_id for line in lines],
            }
            decided = {row.public_id: row for row in await connection.execute(_DECIDED, asked)}
        shown = [name for name, row in decided.items() if row.act == f"video.{Decision.APPROVED.value}"][-1:]
        return candidate, [_then(line, decided.get(line.public_id), shown) for line in lines]

    async def waiting(self, scope: Scope, slug: str) -> list[Filmed]:
        """Candidates of a contest of whom a video waits for a person, by code."""
        async with scoped(self._engine, scope) as connection:
            rows = await connection.execute(_WAITING, {"slug": slug, **_within(scope)})
            return [read_as(Filmed, row) for row in rows]

    async def issue(self, candidate: Filmed, actor: str, folder: str, now: datetime) -> str:
        """Write that an upload will be signed; its name at Cloudinary, in this folder. Raises TooMany,
        QuotaReached, ReadOnly."""
        public_id = f"{folder}/{candidate.slug}/{candidate.code}-{secrets.token_urlsafe(_NAME_BYTES)}"
        # Also for a candidate who uploads by a link of their own.
        of = {"contest": candidate.contest_id, "candidate": candidate.id}
        async with scoped(self._engine, candidate.organiser_id) as connection:
            lately = (await connection.execute(_ISSUED_LATELY, of)).one()
            if lately.of_candidate >= ISSUED_OF_CANDIDATE or lately.of_contest >= ISSUED_OF_CONTEST:
                raise TooMany
            await lock_organiser(connection, candidate.organiser_id)
            held = (await connection.execute(_KEPT, {"organiser": candidate.organiser_id})).one()
            check(held.quotas, Quota.VIDEOS, held.videos + 1)
            given = {"public_id": public_id, "actor": actor, "now": now, "ask_at": first_question(now)}
            await connection.execute(_ISSUE, {**of, **given})
            await _note(connection, actor, "issued", candidate, public_id)
        return public_id

    async def decide(
        self,
        scope: Scope,
        slug: str,
        code: str,
        public_id: str,
        decision: Decision,
        reason: str,
        actor: str,
        nominations: Nominations,
    ) -> None:
        """Approve, reject or remove a video; the candidate is notified of the first two. Raises ActRefused."""
        possible, becomes = _DECISIONS[decision]
        async with scoped(self._engine, scope) as connection:
            candidate = await _candidate(connection, scope, slug, code)
            which = {"public_id": public_id, "candidate": candidate.id}
            state = (await connection.execute(_ONE, which)).scalar_one_or_none()
            if state is None:
                raise ActRefused(Why.UNKNOWN, f"there is no video {public_id!r}")
            if state not in possible:
                raise ActRefused(Why.IMPOSSIBLE, f"the video is {state}")
            if becomes is VideoState.APPROVED:
                await connection.execute(_REPLACE, which)
            given = {"public_id": public_id, "state": becomes.value, "reason": reason, "actor": actor}
            await connection.execute(_DECIDE, given)
            await _note(connection, actor, decision.value, candidate, public_id, reason)
            contest, news = await read_contest(connection, slug, scope), _NEWS.get(decision)
            person = None if contest is None else contest.candidate(code)
            if contest is not None and person is not None and news is not None:
                await nominations.tell_of(connection, contest, person, news, reason)

    async def ask_now(self, candidate: Filmed, public_id: str) -> None:
        """Have Cloudinary asked about an upload of a candidate."""
        async with scoped(self._engine, candidate.organiser_id) as connection:
            await connection.execute(_ASK_NOW, {"public_ids": [public_id], "candidate": candidate.id})

    async def notified(self, kind: str, key: str, body: str, public_ids: Sequence[str]) -> bool:
        """Keep a notification, and have Cloudinary asked about what it names; False for one that is kept already."""
        async with self._engine.begin() as connection:
            kept = await connection.execute(_NOTIFIED, {"kind": kind, "key": key, "body": body})
            if kept.rowcount:
                await connection.execute(_ASK_NOW, {"public_ids": list(public_ids), "candidate": None})
        return bool(kept.rowcount)

    async def unknown(self, public_ids: Sequence[str]) -> list[str]:
        """Those of these names of which no upload was ever signed."""
        async with self._engine.connect() as connection:
            return list((await connection.execute(_UNKNOWN, {"public_ids": list(public_ids)})).scalars())

    async def claim(self, limit: int) -> list[Claimed]:
        """Take uploads that are due; they are due again when the lease is out."""
        async with self._engine.begin() as connection:
            rows = (await connection.execute(_CLAIM, {"lease": LEASE_SECONDS, "limit": limit})).all()
        return [
            Claimed(
                row.public_id,
                Upload(VideoState(row.state), row.issued_at, row.checks, row.asset_id, row.version),
                row.leased_until,
            )
            for row in rows
        ]

    async def record(self, claimed: Claimed, result: Next, asset: Asset | None) -> None:
        """Write what became of an upload. `asset`: what was found of it."""
        seconds = None if asset is None else asset.seconds
        values = {
            "public_id": claimed.public_id,
            "seen": claimed.upload.state.value,
            "leased_until": claimed.leased_until,
            "state": result.state.value,
            "ask_at": result.ask_at,
            "fault": result.fault,
            "asset_id": asset and asset.asset_id,
            "version": asset and asset.version,
            "bytes": asset and asset.bytes,
            "milliseconds": None if seconds is None else round(seconds * 1000),
            "width": asset and asset.width,
            "height": asset and asset.height,
        }
        async with self._engine.begin() as connection:
            await connection.execute(_RECORD, values)

    async def later(self, claimed: Claimed, ask_at: datetime) -> None:
        """Write that nothing was learnt, and when to ask again."""
        which = {"public_id": claimed.public_id, "leased_until": claimed.leased_until}
        async with self._engine.begin() as connection:
            await connection.execute(_LATER, {**which, "ask_at": ask_at})


def _then(line: UploadLine, decided: Row[Any] | None, shown: Sequence[str]) -> UploadLine:
    """An upload after this last decision about it. `shown`: the approved one that replaced others."""
    if decided is None:
        return replace(line, state=None, fault=None, reason=None, decided_by=None, decided_at=None)
    state = _DECISIONS[Decision(decided.act.removeprefix("video."))][1]
    if state is VideoState.APPROVED and line.public_id not in shown:
        state = VideoState.GONE
    return replace(
        line, state=state, fault=None, reason=decided.reason, decided_by=decided.actor, decided_at=decided.at
    )


def _within(scope: Scope) -> dict[str, object]:
    """A scope as a statement asks for it."""
    return {"organiser": scope, "only": scope.contest if isinstance(scope, OneContest) else None}


async def _candidate(connection: AsyncConnection, scope: Scope, slug: str, code: str) -> Filmed:
    which = {"slug": slug, "code": code, **_within(scope)}
    row = (await connection.execute(_CANDIDATE, which)).one_or_none()
    if row is None:
        raise ActRefused(Why.UNKNOWN, f"there is no candidate {code!r} in {slug!r}")
    return read_as(Filmed, row)


async def _note(
    connection: AsyncConnection, actor: str, act: str, candidate: Filmed, public_id: str, reason: str = ""
) -> None:
    detail: dict[str, Any] = {"candidate": candidate.code, "video": public_id} | ({"reason": reason} if reason else {})
    await note(
        connection, actor=actor, act=f"video.{act}", subject=candidate.slug, detail=detail, contest=candidate.contest_id
    )
