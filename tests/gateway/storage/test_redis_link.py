"""Trips to Redis that many callers share: each gets its own answer."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.exceptions import RedisError, ResponseError

from gateway.storage.redis_link import (
    READ,
    REQUEST_TIMEOUT_SECONDS,
    RedisPipeline,
    connect,
    connect_for_pipeline,
)
from gateway.storage.sessions import RedisSessions, SessionSeal
from gateway.storage.vault import Vault
from tests.rigs.rig import SECRET_KEY

SEAL = SessionSeal(Vault(SECRET_KEY))


@pytest.fixture
async def pipeline(redis_url: str) -> AsyncIterator[RedisPipeline]:
    client = connect_for_pipeline(redis_url)
    yield RedisPipeline(client)
    await client.aclose()


async def test_everybody_gets_what_they_asked_for(pipeline: RedisPipeline) -> None:
    sessions = RedisSessions(pipeline, SEAL)
    sessions.put_soon(("a", b"1", 60), ("b", b"2", 60))
    await sessions.put("c", b"3", 60)
    found: tuple[Any, ...] = await asyncio.gather(
        sessions.get("a"),
        pipeline.command("PING"),
        sessions.get_all("b", "missing", "c"),
        pipeline.command("EXISTS", SEAL.name("a")),
        sessions.put("d", b"4", 60),
        sessions.get("c"),
    )
    assert (found[0], *found[2:]) == (b"1", [b"2", None, b"3"], 1, None, b"3")
    assert await sessions.get("d") == b"4"


async def test_what_is_stored_dies_in_time(pipeline: RedisPipeline) -> None:
    sessions = RedisSessions(pipeline, SEAL)
    await asyncio.gather(sessions.put("a", b"1", 60), sessions.put("b", b"2", 5))
    assert 55 < await pipeline.command("TTL", SEAL.name("a")) <= 60
    assert 0 < await pipeline.command("TTL", SEAL.name("b")) <= 5


async def test_the_later_of_two_for_one_key_stays(pipeline: RedisPipeline) -> None:
    sessions = RedisSessions(pipeline, SEAL)
    sessions.put_soon(("a", b"1", 60))
    sessions.put_soon(("a", b"2", 60))
    # Together with the writes, in one trip.
    assert await sessions.get("a") == b"2"


async def test_one_bad_command_spoils_no_other(pipeline: RedisPipeline) -> None:
    await pipeline.command("SADD", "a set", "x")
    found: tuple[Any, ...] = await asyncio.gather(
        pipeline.command("INCR", "a set"),
        RedisSessions(pipeline, SEAL).put("a", b"1", 60),
        pipeline.command(READ, "a set", SEAL.name("a")),
        return_exceptions=True,
    )
    assert isinstance(found[0], ResponseError)
    assert (found[1], found[2][0], SEAL.open(SEAL.name("a"), found[2][1])) == (None, None, b"1")
    assert await RedisSessions(pipeline, SEAL).get("a") == b"1"


async def test_without_redis_a_session_is_forgotten() -> None:
    client = connect_for_pipeline("redis://127.0.0.1:1/0")
    pipeline = RedisPipeline(client)
    sessions = RedisSessions(pipeline, SEAL)
    sessions.put_soon(("a", b"1", 60))
    await sessions.put("b", b"2", 60)
    assert await sessions.get_all("a", "b") == [None, None]
    with pytest.raises((RedisError, OSError)):
        await pipeline.command("PING")
    await client.aclose()


async def test_a_connection_that_redis_closed_is_opened_again(pipeline: RedisPipeline, redis_url: str) -> None:
    sessions = RedisSessions(pipeline, SEAL)
    await sessions.put("a", b"1", 60)
    other = connect(redis_url)
    for pause in (0.05, 0.0):
        # Once it knows that its connection is closed, and once it does not.
        await other.client_kill_filter(_type="normal", skipme=True)
        await asyncio.sleep(pause)
        assert await sessions.get("a") == b"1"
    await other.aclose()


async def test_a_trip_that_takes_too_long_leaves_no_answer_behind(pipeline: RedisPipeline, redis_url: str) -> None:
    sessions = RedisSessions(pipeline, SEAL)
    await sessions.put("a", b"1", 60)
    other = connect(redis_url)
    await other.client_pause(2 * int(1000 * REQUEST_TIMEOUT_SECONDS))
    assert await sessions.get("a") is None
    await other.client_unpause()
    assert await pipeline.command("PING") == b"PONG"
    assert await sessions.get("a") == b"1"
    await other.aclose()


async def test_redis_holds_no_number_in_clear(pipeline: RedisPipeline) -> None:
    sessions, number = RedisSessions(pipeline, SEAL), "+2250501020304"
    sessions.put_soon((f"ussd:africastalking:{number}:ATUid_1", f'["07",{number},5]'.encode(), 60))
    await sessions.put(f"ussd:reached:{number}", b'["star","07",5,"fr"]', 60)
    names = await pipeline.command("KEYS", "*")
    held = b"\n".join([*names, *[await pipeline.command("GET", name) for name in names]])
    assert len(names) == 2
    assert not [word for word in (b"501020304", b"ussd", b'"07"', b"star") if word in held]


@pytest.mark.parametrize("spoiled", [None, b"", b"short", b"x" * 60])
def test_a_value_that_is_not_ours_is_none(spoiled: bytes | None) -> None:
    assert SEAL.open(SEAL.name("a"), spoiled) is None


def test_a_value_opens_under_its_own_key_and_root_only() -> None:
    sealed = SEAL.seal(SEAL.name("a"), b"1")
    other = SessionSeal(Vault("another root key, long enough, too"))
    assert SEAL.open(SEAL.name("a"), sealed) == b"1"
    assert SEAL.open(SEAL.name("b"), sealed) is None
    assert other.name("a") != SEAL.name("a")
    assert other.open(SEAL.name("a"), sealed) is None


def test_half_a_surrogate_pair_in_a_key_is_a_key() -> None:
    assert SEAL.name("ussd:\ud800") != SEAL.name("ussd:\ud801")
