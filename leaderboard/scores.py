"""Totals: the truth in PostgreSQL, their way through Redis to every gateway process, and the rankings of them there."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import orjson
import structlog
from redis import asyncio as redis_asyncio
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.contests.contest import Contest
from gateway.contests.directory import ContestDirectory
from leaderboard.ranking import Ranking, ranking_of


@dataclass(frozen=True, slots=True)
class ContestScores:
    """Totals of a contest after its `version`-th tally entry, in one snapshot. `votes`: by code, of a round by
    `2:07`, see `leaderboard.ranking.key_of`; `reached`: with which entry each came to their number, where that decides
    among equals, else empty."""

    contest_id: UUID
    slug: str
    version: int
    votes: Mapping[str, int]
    reached: Mapping[str, int] = field(default_factory=dict)


_log = structlog.get_logger(__name__)
CHANNEL: Final = "scores"
# While Redis is away the ranking is read from PostgreSQL this often.
POLL_SECONDS: Final = 2.0

# One statement is one snapshot: totals and version belong together.
_SCORES: Final = text("""
select c.id, c.slug, h.next_seq - 1 as version,
  coalesce(jsonb_object_agg(n.key, coalesce(t.votes, 0)) filter (where k.code is not null), '{}') as votes,
  coalesce(jsonb_object_agg(n.key, t.reached_seq) filter (where c.tie_break = 'earliest' and t.reached_seq > 0), '{}')
    as reached
from contests c join contest_heads h on h.contest_id = c.id
  left join candidates k on k.contest_id = c.id and k.status in ('approved', 'withdrawn', 'evicted')
  left join candidate_totals t on t.candidate_id = k.id
  cross join lateral (select case when t.round > 0 then t.round || ':' || k.code else k.code end as key) n
where cast(:ids as uuid[]) is null or c.id = any(cast(:ids as uuid[]))
group by c.id, h.next_seq
""")

# Absolute totals heal themselves; an older snapshot that arrives late must not overwrite a newer.
_STORE: Final = """
local held = tonumber(redis.call('GET', KEYS[2]) or '-1')
if held >= tonumber(ARGV[1]) then return 0 end
redis.call('DEL', KEYS[1])
if #ARGV > 4 then redis.call('ZADD', KEYS[1], unpack(ARGV, 5)) end
redis.call('SET', KEYS[2], ARGV[1])
redis.call('SET', KEYS[3], ARGV[4])
redis.call('PUBLISH', ARGV[2], ARGV[3])
return 1
"""


def _keys(contest_id: UUID) -> tuple[str, str, str]:
    return f"scores:{contest_id}", f"scores:{contest_id}:version", f"scores:{contest_id}:reached"


class Scores:
    """Totals in PostgreSQL: the truth."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def scores(self, contest_ids: Sequence[UUID] | None = None) -> list[ContestScores]:
        """Totals of these contests, or of all."""
        async with self._engine.connect() as connection:
            ids = list(contest_ids) if contest_ids is not None else None
            rows = (await connection.execute(_SCORES, {"ids": ids})).all()
        return [ContestScores(row.id, row.slug, row.version, row.votes, row.reached) for row in rows]


class Rankings:
    """Rankings of the contests in `directory`, as `take` or `refresh` brought them last."""

    def __init__(self, directory: ContestDirectory) -> None:
        self.directory = directory
        self._latest: dict[str, Ranking] = {}
        self._scores: dict[str, ContestScores] = {}
        self._final: dict[tuple[str, int], tuple[Contest, ContestScores, Ranking]] = {}

    def ranking(self, slug: str) -> Ranking:
        """The ranking as last published; before the first publication, no candidate has a vote. KeyError."""
        existing = self._latest.get(slug)
        if existing is not None:
            return existing
        contest = self.directory.by_slug(slug)
        if contest is None:
            raise KeyError(slug)
        return ranking_of(contest, 0, {})

    def ranking_in(self, slug: str, number: int) -> Ranking | None:
        """The ranking of a round that has begun; None where there is none such."""
        contest, scores = self.directory.by_slug(slug), self._scores.get(slug)
        shown = None if contest is None else contest.round_shown
        if contest is None or scores is None or shown is None or not 1 <= number <= shown.number:
            return None
        held = self._final.get((slug, number))
        if held is None or held[0] is not contest or held[1] is not scores:
            found = ranking_of(contest, scores.version, scores.votes, scores.reached, number)
            held = self._final[slug, number] = contest, scores, found
        return held[2]

    def take(self, scores: ContestScores) -> Ranking | None:
        """Keep newer totals; None when they change nothing."""
        contest = self.directory.by_slug(scores.slug)
        if contest is None:
            return None
        existing = self._latest.get(scores.slug)
        if existing is not None and scores.version < existing.version:
            return None
        self._scores[scores.slug] = scores
        found = ranking_of(contest, scores.version, scores.votes, scores.reached)
        if found == existing:
            return None
        self._latest[scores.slug] = found
        return found

    async def refresh(self, store: Scores) -> None:
        """Bring every ranking up to date, in a process that listens to no feed."""
        for scores in await store.scores():
            self.take(scores)


class ScoreFeed:
    """Totals on their way to every gateway process: a sorted set and a version for each contest, and one channel.

    May be lost; `heal_scores` refills it.
    """

    def __init__(self, client: "redis_asyncio.Redis") -> None:
        self._client = client
        self._store = client.register_script(_STORE)

    async def publish(self, scores: ContestScores, counted: Sequence[tuple[str, int]]) -> None:
        """Store totals unless newer ones are stored, and notify every gateway. Raises RedisError."""
        message = orjson.dumps({"contest": str(scores.contest_id), "version": scores.version, "counted": counted})
        pairs: list[Any] = []
        for code, votes in scores.votes.items():
            pairs += [votes, code]
        reached = orjson.dumps(scores.reached)
        await self._store(keys=list(_keys(scores.contest_id)), args=[scores.version, CHANNEL, message, reached, *pairs])

    async def version(self, contest_id: UUID) -> int | None:
        """Version in the feed; None when it holds nothing. Raises RedisError."""
        held = await self._client.get(_keys(contest_id)[1])
        return int(held) if held is not None else None

    async def forget(self, contest_id: UUID) -> None:
        """Drop what is stored, so that the next publication is accepted. Raises RedisError."""
        await self._client.delete(*_keys(contest_id))

    async def read(self, contest_id: UUID) -> tuple[int, dict[str, int], dict[str, int]] | None:
        """Version, totals and when they were reached, as stored; None when nothing is. Raises RedisError."""
        ranking, version, reached = _keys(contest_id)
        pipeline = self._client.pipeline(transaction=True)
        pipeline.get(version)
        pipeline.zrange(ranking, 0, -1, withscores=True)
        pipeline.get(reached)
        held, pairs, when = await pipeline.execute()
        if held is None:
            return None
        return int(held), {code.decode(): int(votes) for code, votes in pairs}, orjson.loads(when or b"{}")

    async def changes(self) -> AsyncIterator[tuple[UUID, list[tuple[str, int]]]]:
        """Contest and counted votes of each publication, until the connection breaks (RedisError)."""
        async with self._client.pubsub() as subscription:
            await subscription.subscribe(CHANNEL)
            while True:
                message = await subscription.get_message(ignore_subscribe_messages=True, timeout=POLL_SECONDS)
                if message is None:
                    continue
                change = orjson.loads(message["data"])
                yield UUID(change["contest"]), [(code, votes) for code, votes in change["counted"]]


Show = Callable[[ContestScores, Sequence[tuple[str, int]]], None]


class ScoreListener:
    """Keeps one process's boards up to date: by Redis as changes are published, by PostgreSQL otherwise.

    A message only marks its contest; the totals are then read once, however many messages came.
    """

    def __init__(self, feed: ScoreFeed, store: Scores, show: Show) -> None:
        self._feed = feed
        self._store = store
        self._show = show
        self._counted: dict[UUID, list[tuple[str, int]]] = defaultdict(list)
        self._slugs: dict[UUID, str] = {}
        self._news = asyncio.Event()

    async def prime(self) -> None:
        """Show every contest as PostgreSQL has it."""
        await self._show_stored()

    async def run(self) -> None:
        """Listen and poll until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            tasks.create_task(self._read_marked())
            tasks.create_task(self._poll())

    async def _listen(self) -> None:
        while True:
            try:
                async for contest_id, counted in self._feed.changes():
                    self._counted[contest_id].extend(counted)
                    self._news.set()
            except (RedisError, OSError) as error:
                _log.warning("score_feed_lost", error=type(error).__name__)
            await asyncio.sleep(1.0)

    async def _read_marked(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            marked, self._counted = self._counted, defaultdict(list)
            for contest_id, counted in marked.items():
                with suppress(RedisError, OSError, SQLAlchemyError):  # the poll shows it two seconds later
                    await self._read(contest_id, counted)
            await asyncio.sleep(0.05)

    async def _read(self, contest_id: UUID, counted: Sequence[tuple[str, int]]) -> None:
        held = await self._feed.read(contest_id)
        slug = self._slugs.get(contest_id)
        if held is None or slug is None:
            await self._show_stored([contest_id], counted)
        else:
            self._show(ContestScores(contest_id, slug, *held), counted)

    async def _show_stored(
        self, contest_ids: Sequence[UUID] | None = None, counted: Sequence[tuple[str, int]] = ()
    ) -> None:
        for scores in await self._store.scores(contest_ids):
            self._slugs[scores.contest_id] = scores.slug
            self._show(scores, counted)

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                await self._show_stored()
            except (SQLAlchemyError, OSError) as error:
                _log.warning("scores_not_polled", error=type(error).__name__)


async def publish_scores(counted: Mapping[UUID, Sequence[tuple[str, int]]], *, scores: Scores, feed: ScoreFeed) -> None:
    """Publish the totals of these contests; `counted`: candidate code and votes just counted."""
    for found in await scores.scores(list(counted)):
        await feed.publish(found, counted[found.contest_id])


async def heal_scores(*, scores: Scores, feed: ScoreFeed) -> int:
    """Refill what the feed lacks or has older than PostgreSQL; how many contests were behind."""
    behind = 0
    for found in await scores.scores():
        held = await feed.version(found.contest_id)
        if held is None or held < found.version:
            await feed.publish(found, ())
            behind += 1
    return behind
