"""Totals on their way: to every gateway process, through a Redis that may be emptied."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
from redis import asyncio as redis_asyncio

from gateway.contests.contest import TieBreak
from gateway.contests.store import RankingFixed
from gateway.storage.redis_link import REQUEST_TIMEOUT_SECONDS, RedisPipeline, connect, connect_for_pipeline
from gateway.storage.sessions import RedisSessions, SessionSeal
from gateway.storage.vault import Vault
from leaderboard.ranking import ranking_of
from leaderboard.scores import ContestScores, ScoreFeed, ScoreListener, Scores, heal_scores, publish_scores
from payments.lifecycle import Actor, State
from payments.settlement.corrections import Correction, owe_refunds
from payments.settlement.count import By
from tests.rigs.rig import SECRET_KEY, Rig
from tests.rigs.scripted_provider import paid

SEAL = SessionSeal(Vault(SECRET_KEY))


@pytest.fixture
async def rig(database: Any) -> AsyncIterator[Rig]:
    made = await Rig(database.app_url).open()
    yield made
    await made.close()


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator["redis_asyncio.Redis"]:
    client = connect(redis_url)
    yield client
    await client.aclose()


async def counted(rig: Rig, number: str, code: str = "07") -> None:
    await rig.placed(number=number, code=code)
    await rig.collect()
    rig.provider.query_script = [paid()]
    await rig.make_due()
    await rig.verify()
    await rig.settle_all()


async def until(look: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not look():  # noqa: ASYNC110 - what is looked at is in another task
            await asyncio.sleep(0.02)


class Process:
    """One gateway's listener and what it was shown."""

    def __init__(self, feed: ScoreFeed, store: Scores) -> None:
        self.shown: list[tuple[int, int]] = []
        self.counted: list[tuple[str, int]] = []
        self.delays: list[bool] = []
        self.listener = ScoreListener(feed, store, self.show, self.delays.append)

    async def show(self, scores: ContestScores, counted: Sequence[tuple[str, int]]) -> None:
        self.shown.append((scores.version, scores.votes["07"]))
        self.counted.extend(counted)


async def test_every_process_is_notified(rig: Rig, redis: "redis_asyncio.Redis") -> None:
    store = Scores(rig.engine)
    processes = [Process(ScoreFeed(redis), store) for _ in range(2)]
    for process in processes:
        await process.listener.prime()
    tasks = [asyncio.create_task(process.listener.run()) for process in processes]
    await asyncio.sleep(0.2)
    await counted(rig, "+2250501020304")
    await publish_scores({rig.contest.id: [("07", 5)]}, scores=store, feed=ScoreFeed(redis))
    for process in processes:
        await until(lambda process=process: (1, 5) in process.shown)  # type: ignore[misc] # bound for the loop
        await until(lambda process=process: process.counted == [("07", 5)])  # type: ignore[misc] # bound for the loop
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_redis_that_is_silent_or_gone_delays_the_ranking_until_it_is_back(
    rig: Rig, redis: "redis_asyncio.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leaderboard.scores.POLL_SECONDS", 0.05)
    process = Process(ScoreFeed(redis), Scores(rig.engine))
    await process.listener.prime()
    running = asyncio.create_task(process.listener.run())
    await until(lambda: process.delays[-1:] == [False])
    await redis.client_pause(400)
    await until(lambda: process.delays[-1:] == [True])
    await counted(rig, "+2250501020304")
    await until(lambda: (1, 5) in process.shown)
    await until(lambda: process.delays[-1:] == [False])
    await redis.client_kill_filter(_type="pubsub")
    await until(lambda: process.delays[-1:] == [True])
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_an_emptied_redis_is_refilled(rig: Rig, redis: "redis_asyncio.Redis") -> None:
    store, feed = Scores(rig.engine), ScoreFeed(redis)
    await counted(rig, "+2250501020304")
    assert await heal_scores(scores=store, feed=feed) == 2
    assert await heal_scores(scores=store, feed=feed) == 0
    await redis.flushdb()
    assert await feed.read(rig.contest.id) is None
    assert await heal_scores(scores=store, feed=feed) == 2
    held = await feed.read(rig.contest.id)
    assert held is not None
    assert (held[0], held[1]["07"]) == (1, 5)


async def test_an_older_snapshot_never_overwrites_a_newer(rig: Rig, redis: "redis_asyncio.Redis") -> None:
    feed = ScoreFeed(redis)
    await feed.publish(ContestScores(rig.contest.id, "star", 9, {"07": 90}, {"07": 9}), ())
    await feed.publish(ContestScores(rig.contest.id, "star", 4, {"07": 40}, {"07": 4}), ())
    assert await feed.read(rig.contest.id) == (9, {"07": 90}, {"07": 9})


async def test_when_totals_were_reached_is_known_where_it_decides(rig: Rig) -> None:
    (star,) = await Scores(rig.engine).scores([rig.contest.id])
    assert star.reached == {}
    await rig.new_rules(tie_break=TieBreak.EARLIEST)
    for number, code in (("+2250501020304", "07"), ("+2250501020305", "03")):
        await counted(rig, number, code)
    (star,) = await Scores(rig.engine).scores([rig.contest.id])
    assert (star.version, dict(star.reached)) == (2, {"07": 1, "03": 2})
    assert [entry.code for entry in ranking_of(rig.contest, 2, star.votes, star.reached).entries[:2]] == ["07", "03"]
    # Five more that are taken back: with the entry that took them.
    await counted(rig, "+2250501020306", "07")
    async with rig.engine.begin() as connection:
        last = (await rig.rows("select payment_reference from tally_entries where seq = 3"))[0].payment_reference
        why = Correction("refund", "refund", By(Actor.STAFF, "awa@house.test"))
        await owe_refunds(connection, rig.contest.id, [last], why, states=frozenset({State.SETTLED}))
    (star,) = await Scores(rig.engine).scores([rig.contest.id])
    assert (star.version, star.votes["07"], dict(star.reached)) == (4, 5, {"07": 4, "03": 2})
    for change in ({"tie_break": TieBreak.SHARED}, {"jury_percent": 30}):
        with pytest.raises(RankingFixed):
            await rig.new_rules(**change)


async def test_sessions_survive_a_redis_that_is_away(tmp_path: Any) -> None:
    away = connect_for_pipeline(f"unix://{tmp_path}/unknown")
    sessions = RedisSessions(RedisPipeline(away), SEAL)
    await sessions.put("key", b"value", 60)
    assert await sessions.get("key") is None
    await away.aclose()


async def test_a_silent_redis_delays_no_caller(tmp_path: Any) -> None:
    async def listen_only(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_unix_server(listen_only, f"{tmp_path}/silent"):
        silent = connect_for_pipeline(f"unix://{tmp_path}/silent")
        sessions = RedisSessions(RedisPipeline(silent), SEAL)
        async with asyncio.timeout(8 * REQUEST_TIMEOUT_SECONDS):
            assert set(await asyncio.gather(*(sessions.get(f"key{n}") for n in range(200)))) == {None}
        await silent.aclose()


async def test_sessions_are_kept_for_their_time(redis: "redis_asyncio.Redis") -> None:
    sessions = RedisSessions(RedisPipeline(redis), SEAL)
    await asyncio.gather(*(sessions.put(f"key{n}", str(n).encode(), 60) for n in range(50)))
    assert await asyncio.gather(*(sessions.get(f"key{n}") for n in range(50))) == [str(n).encode() for n in range(50)]
    assert 0 < await redis.ttl(SEAL.name("key1")) <= 60
