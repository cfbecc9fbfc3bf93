"""One update of a chat at a time, also when a process died or Redis is away."""

import asyncio

import pytest
from aiogram.fsm.storage.base import StorageKey
from redis import asyncio as redis_asyncio

from channels.telegram import state
from channels.telegram.state import Asking, ChatIsolation, OptionalStorage
from gateway.storage.redis_link import connect

KEY = StorageKey(bot_id=123456, chat_id=55, user_id=55)


async def held(isolation: ChatIsolation, order: list[str], name: str) -> None:
    async with isolation.lock(KEY):
        order.append(f"{name} in")
        await asyncio.sleep(0.05)
        order.append(f"{name} out")


async def test_two_processes_take_turns(redis: "redis_asyncio.Redis") -> None:
    order: list[str] = []
    await asyncio.gather(held(ChatIsolation(redis), order, "a"), held(ChatIsolation(redis), order, "b"))
    assert order in (["a in", "a out", "b in", "b out"], ["b in", "b out", "a in", "a out"])


async def test_one_process_takes_turns_without_redis() -> None:
    nowhere = connect("redis://127.0.0.1:1/0", timeout_seconds=0.2)
    isolation = ChatIsolation(nowhere)
    order: list[str] = []
    await asyncio.gather(held(isolation, order, "a"), held(isolation, order, "b"))
    assert order == ["a in", "a out", "b in", "b out"]
    await nowhere.aclose()


async def test_the_lock_of_a_killed_process_is_not_waited_for(
    redis: "redis_asyncio.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "LOCK_WAIT_SECONDS", 0.1)
    killed = ChatIsolation(redis).lock(KEY)
    await killed.__aenter__()
    order: list[str] = []
    async with asyncio.timeout(2):
        await held(ChatIsolation(redis), order, "next")
    assert order == ["next in", "next out"]
    await killed.__aexit__(None, None, None)


async def test_state_is_kept_for_half_an_hour_under_the_bots_own_key(redis: "redis_asyncio.Redis") -> None:
    storage = OptionalStorage(redis)
    await storage.set_state(KEY, Asking.payer)
    await storage.set_data(KEY, {"count": 5})
    assert await storage.get_state(KEY) == Asking.payer.state
    assert await storage.get_data(KEY) == {"count": 5}
    keys = [key async for key in redis.scan_iter()]
    assert len(keys) == 2
    assert all(b"123456" in key for key in keys)
    assert all([0 < await redis.ttl(key) <= state.LIFE_SECONDS for key in keys])


async def test_without_redis_state_is_forgotten_and_nothing_fails() -> None:
    nowhere = connect("redis://127.0.0.1:1/0", timeout_seconds=0.2)
    storage = OptionalStorage(nowhere)
    await storage.set_state(KEY, Asking.payer)
    await storage.set_data(KEY, {"count": 5})
    assert (await storage.get_state(KEY), await storage.get_data(KEY)) == (None, {})
    await nowhere.aclose()
