"""Totals: the truth in PostgreSQL, their way through Redis to every gateway process, and the rankings of them there."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson
import structlog
from redis import asyncio as redis_asyncio
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.contests.contest import Contest
from gateway.contests.directory import ContestDirectory
from gateway.storage.direct import Direct
from leaderboard.ranking import Ranking, is_hidden, public_ranking, ranking_of


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
# After totals were read and ranked, so many times as long as that took is left to everything else.
REST: Final = 2.0
# Of more candidates a ranking is made beside the loop, which goes on serving.
RANKED_BESIDE: Final = 2_000
# Beside Redis, PostgreSQL is asked this often what is newer: while Redis is away the ranking is at most this old, and
# as long as it takes to read. Also for how long a connection to Redis may be silent before it is asked for a sign of
# life, and then until it is given up.
POLL_SECONDS: Final = 2.0

# One statement is one snapshot: totals and version belong together.
_SCORES: Final = Direct(
    text("""
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
)

_VERSIONS: Final = Direct(text("select contest_id, next_seq - 1 as version from contest_heads"))

# Absolute totals heal themselves; an older snapshot that arrives late must not overwrite a newer. Lua hands over some
# thousand values at once at most.
_STORE: Final = """
local held = tonumber(redis.call('GET', KEYS[2]) or '-1')
if held >= tonumber(ARGV[1]) then return 0 end
redis.call('DEL', KEYS[1])
for first = 5, #ARGV, 2000 do redis.call('ZADD', KEYS[1], unpack(ARGV, first, math.min(first + 1999, #ARGV))) end
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
        ids = list(contest_ids) if contest_ids is not None else None
        rows = await _SCORES.named(self._engine, {"ids": ids})
        return [ContestScores(row.id, row.slug, row.version, row.votes, row.reached) for row in rows]

    async def versions(self) -> dict[UUID, int]:
        """The version of each contest."""
        return {row["contest_id"]: row["version"] for row in await _VERSIONS.rows(self._engine, {})}


class Rankings:
    """Rankings of the contests in `directory`, as `take` or `refresh` brought them last, and as the public may read
    them. `clock`: UTC."""

    def __init__(self, directory: ContestDirectory, clock: Callable[[], datetime]) -> None:
        self.directory = directory
        self._clock = clock
        self.confirming: Mapping[str, int] = {}
        """Votes that count once their operator was asked, by contest; a figure of the whole contest."""
        self._latest: dict[str, Ranking] = {}
        self._scores: dict[str, ContestScores] = {}
        self._made_from: dict[str, tuple[Contest, ContestScores, bool]] = {}
        self._final: dict[tuple[str, int], tuple[Contest, ContestScores, bool, Ranking]] = {}

    def ranking(self, slug: str) -> Ranking:
        """The ranking as last published; before the first publication, no candidate has a vote. KeyError."""
        existing = self._latest.get(slug)
        if existing is not None:
            return existing
        contest = self.directory.by_slug(slug)
        if contest is None:
            raise KeyError(slug)
        return public_ranking(contest, 0, {}, now=self._clock())

    def counted(self, slug: str) -> Ranking:
        """The ranking with its figures, for staff alone while the public does not see them. KeyError."""
        found, contest, scores = self.ranking(slug), self.directory.by_slug(slug), self._scores.get(slug)
        if found.hidden is None or contest is None or scores is None:
            return found
        return ranking_of(contest, scores.version, scores.votes, scores.reached)

    def ranking_in(self, slug: str, number: int) -> Ranking | None:
        """The ranking of a round that has begun; None where there is none such."""
        contest, scores = self.directory.by_slug(slug), self._scores.get(slug)
        shown = None if contest is None else contest.round_shown
        if contest is None or scores is None or shown is None or not 1 <= number <= shown.number:
            return None
        now = self._clock()
        hidden, held = is_hidden(contest, number, now), self._final.get((slug, number))
        if held is None or held[0] is not contest or held[1] is not scores or held[2] is not hidden:
            found = public_ranking(contest, scores.version, scores.votes, scores.reached, number, now=now)
            held = self._final[slug, number] = contest, scores, hidden, found
        return held[3]

    def take(self, scores: ContestScores) -> Ranking | None:
        """Keep newer totals; None when they change nothing, and while figures are hidden."""
        contest = self.directory.by_slug(scores.slug)
        if contest is None:
            return None
        now = self._clock()
        hidden, made_from = is_hidden(contest, None, now), self._made_from.get(scores.slug)
        if made_from is not None and made_from[0] is contest and made_from[1] is scores and made_from[2] is hidden:
            return None
        existing, held = self._latest.get(scores.slug), self._scores.get(scores.slug)
        if held is not None and scores.version < held.version:
            return None
        self._scores[scores.slug] = scores
        self._made_from[scores.slug] = contest, scores, hidden
        # While it is hidden, its version does not say how many votes come in.
        version = existing.version if hidden and existing is not None and existing.hidden else scores.version
        found = public_ranking(contest, version, scores.votes, scores.reached, now=now)
        if found == existing:
            return None
        self._latest[scores.slug] = found
        return found

    async def take_beside(self, scores: ContestScores) -> Ranking | None:
        """The same as `take`, in a thread where there are many candidates. Not while another one runs."""
        return await asyncio.to_thread(self.take, scores) if len(scores.votes) > RANKED_BESIDE else self.take(scores)

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

    async def changes(self) -> AsyncIterator[tuple[UUID, list[tuple[str, int]]] | None]:
        """Contest and counted votes of each publication, until the connection breaks or is silent (RedisError). None
        where Redis only shows that it answers: at first, and when nothing was published for a while."""
        async with self._client.pubsub() as subscription:
            await subscription.subscribe(CHANNEL)
            asked = True
            while not _is_cancelled():
                message = await subscription.get_message(timeout=POLL_SECONDS)
                if message is None:
                    if asked:
                        raise RedisTimeoutError("no sign of life")
                    await subscription.ping()
                    asked = True
                    continue
                asked = False
                if message["type"] != "message":
                    yield None
                    continue
                change = orjson.loads(message["data"])
                yield UUID(change["contest"]), [(code, votes) for code, votes in change["counted"]]


Show = Callable[[ContestScores, Sequence[tuple[str, int]]], Awaitable[None]]
Delay = Callable[[bool], None]
"""Takes whether rankings are delayed now."""


async def feed_faults(feed: ScoreFeed, scores: ContestScores) -> list[str]:
    """A sentence for each total that Redis has otherwise than PostgreSQL. What is being counted is no fault: another
    version is not compared. Raises RedisError."""
    held = await feed.read(scores.contest_id)
    if held is None:
        return ["Redis has no totals; `spotlight tally rebuild` puts them there"]
    version, votes, _ = held
    if version != scores.version:
        return [] if version > scores.version else [f"Redis has the totals after entry {version} of {scores.version}"]
    return [
        f"Redis has {votes.get(code, 0)} votes for {code}, and PostgreSQL {scores.votes.get(code, 0)}"
        for code in sorted({*votes, *scores.votes})
        if votes.get(code, 0) != scores.votes.get(code, 0)
    ]


class ScoreListener:
    """Keeps one process's boards up to date: by Redis as changes are published, by PostgreSQL otherwise.

    A message only marks its contest; the totals are then read once, however many messages came. `delay`: called with
    True while Redis is away, so that a ranking may be as old as `POLL_SECONDS` and its reading, and with False when it
    is back.
    """

    def __init__(self, feed: ScoreFeed, store: Scores, show: Show, delay: Delay) -> None:
        self._feed = feed
        self._store = store
        self._show_one = show
        self._delay = delay
        self._latest: dict[UUID, ContestScores] = {}
        self._showing = asyncio.Lock()
        self._counted: dict[UUID, list[tuple[str, int]]] = defaultdict(list)
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
        while not _is_cancelled():
            try:
                async for change in self._feed.changes():
                    self._delay(False)
                    if change is not None:
                        contest_id, counted = change
                        self._counted[contest_id].extend(counted)
                        self._news.set()
            except (RedisError, OSError) as error:
                _log.warning("score_feed_lost", error=type(error).__name__)
            self._delay(True)
            await asyncio.sleep(1.0)

    async def _read_marked(self) -> None:
        while not _is_cancelled():
            await self._news.wait()
            self._news.clear()
            began = time.monotonic()
            marked, self._counted = self._counted, defaultdict(list)
            for contest_id, counted in marked.items():
                with suppress(RedisError, OSError, SQLAlchemyError):  # the poll shows it two seconds later
                    await self._read(contest_id, counted)
            await asyncio.sleep(max(0.05, REST * (time.monotonic() - began)))

    async def _read(self, contest_id: UUID, counted: Sequence[tuple[str, int]]) -> None:
        held = await self._feed.read(contest_id)
        known = self._latest.get(contest_id)
        if held is None or known is None:
            await self._show_stored([contest_id], counted)
        else:
            await self._show(ContestScores(contest_id, known.slug, *held), counted)

    async def _show_stored(
        self, contest_ids: Sequence[UUID] | None = None, counted: Sequence[tuple[str, int]] = ()
    ) -> None:
        for scores in await self._store.scores(contest_ids):
            await self._show(scores, counted)

    async def _show(self, scores: ContestScores, counted: Sequence[tuple[str, int]]) -> None:
        known = self._latest.get(scores.contest_id)
        if known is None or scores.version >= known.version:
            self._latest[scores.contest_id] = scores
        async with self._showing:
            await self._show_one(scores, counted)

    async def _look(self) -> None:
        """Show what is known once more, because candidates or the hour may have changed it, then what is newer in
        PostgreSQL."""
        for scores in tuple(self._latest.values()):
            await self._show(scores, ())
        versions = await self._store.versions()
        # What Redis has named is about to be read.
        behind = [id_ for id_, version in versions.items() if self._version(id_) < version and id_ not in self._counted]
        if behind:
            await self._show_stored(behind)

    def _version(self, contest_id: UUID) -> int:
        known = self._latest.get(contest_id)
        return -1 if known is None else known.version

    async def _poll(self) -> None:
        while not _is_cancelled():
            await asyncio.sleep(POLL_SECONDS)
            try:
                await self._look()
            except (SQLAlchemyError, OSError) as error:
                _log.warning("scores_not_polled", error=type(error).__name__)


def _is_cancelled() -> bool:
    """Whether this task shall end: redis-py loses a cancellation that meets a breaking connection."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def publish_scores(counted: Mapping[UUID, Sequence[tuple[str, int]]], *, scores: Scores, feed: ScoreFeed) -> None:
    """Publish the totals of these contests; `counted`: candidate code and votes just counted."""
    for found in await scores.scores(list(counted)):
        await feed.publish(found, counted[found.contest_id])


async def heal_scores(*, scores: Scores, feed: ScoreFeed) -> int:
    """Refill what the feed lacks or has older than PostgreSQL; how many contests were behind."""
    behind = []
    for contest_id, version in (await scores.versions()).items():
        held = await feed.version(contest_id)
        if held is None or held < version:
            behind.append(contest_id)
    for found in await scores.scores(behind) if behind else []:
        await feed.publish(found, ())
    return len(behind)
