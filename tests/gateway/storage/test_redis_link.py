"""Trips to Redis that many callers share: each gets its own answer."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.exceptions import RedisError, ResponseError

from gateway.storage.redis_link import READ, RedisSessions, RedisTrips, connect_for_trips


@pytest.fixture
async def trips(redis_url: str) -> AsyncIterator[RedisTrips]:
    client = connect_for_trips(redis_url)
    yield RedisTrips(client)
    await client.aclose()


async def test_everybody_gets_what_they_asked_for(trips: RedisTrips) -> None:
    sessions = RedisSessions(trips)
    sessions.put_soon(("a", b"1", 60), ("b", b"2", 60))
    await sessions.put("c", b"3", 60)
    found: tuple[Any, ...] = await asyncio.gather(
        sessions.get("a"),
        trips.command("PING"),
        sessions.get_all("b", "missing", "c"),
        trips.command("STRLEN", "a"),
        sessions.put("d", b"4", 60),
        sessions.get("c"),
    )
    assert (found[0], *found[2:]) == (b"1", [b"2", None, b"3"], 1, None, b"3")
    assert await sessions.get("d") == b"4"


async def test_what_is_stored_dies_in_time(trips: RedisTrips) -> None:
    sessions = RedisSessions(trips)
    await asyncio.gather(sessions.put("a", b"1", 60), sessions.put("b", b"2", 5))
    assert 55 < await trips.command("TTL", "a") <= 60
    assert 0 < await trips.command("TTL", "b") <= 5


async def test_the_later_of_two_for_one_key_stays(trips: RedisTrips) -> None:
    sessions = RedisSessions(trips)
    sessions.put_soon(("a", b"1", 60))
    sessions.put_soon(("a", b"2", 60))
    # Together with the writes, in one trip.
    assert await sessions.get("a") == b"2"


async def test_one_bad_command_spoils_nobody_elses(trips: RedisTrips) -> None:
    await trips.command("SADD", "a set", "x")
    found: tuple[Any, ...] = await asyncio.gather(
        trips.command("INCR", "a set"),
        RedisSessions(trips).put("a", b"1", 60),
        trips.command(READ, "a set", "a"),
        return_exceptions=True,
    )
    assert isinstance(found[0], ResponseError)
    assert tuple(found[1:]) == (None, [None, b"1"])
    assert await RedisSessions(trips).get("a") == b"1"


async def test_without_redis_a_session_is_forgotten() -> None:
    client = connect_for_trips("redis://127.0.0.1:1/0")
    trips = RedisTrips(client)
    sessions = RedisSessions(trips)
    sessions.put_soon(("a", b"1", 60))
    await sessions.put("b", b"2", 60)
    assert await sessions.get_all("a", "b") == [None, None]
    with pytest.raises((RedisError, OSError)):
        await trips.command("PING")
    await client.aclose()
