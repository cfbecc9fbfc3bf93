"""Languages that numbers chose: in PostgreSQL for good, in Redis until that loses them."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from channels.messages import languages as module
from channels.messages.languages import Languages, language_key
from gateway.storage.purging import LANGUAGE_DAYS
from gateway.storage.redis_link import RedisPipeline, connect_for_pipeline
from gateway.storage.sessions import RedisSessions, SessionSeal
from gateway.values.msisdn import Msisdn
from tests.engines import Database
from tests.rigs.rig import Rig

AWA, KOFFI = Msisdn("+2250501020304", "CI"), Msisdn("+2250701020304", "CI")


class World:
    def __init__(self, rig: Rig, redis: "Redis") -> None:
        self.rig, self.redis = rig, redis
        self.sessions = RedisSessions(RedisPipeline(redis), SessionSeal(rig.vault))
        self.auto = rig.engine.execution_options(isolation_level="AUTOCOMMIT")
        self.languages = Languages(self.auto, rig.vault, self.sessions)

    async def noted(self, *choices: tuple[Msisdn, str]) -> None:
        for voter, language in choices:
            self.languages.note(voter, language)
        for _ in range(500):
            if len(await self.kept()) >= len({voter for voter, _ in choices}):
                break
            await asyncio.sleep(0.01)

    async def kept(self) -> dict[bytes, str]:
        rows = await self.rig.rows("select phone_index, language from chosen_languages")
        return {bytes(row.phone_index): row.language for row in rows}

    async def in_redis(self, voter: Msisdn) -> bytes | None:
        return await self.sessions.get(language_key(self.languages.number_key(voter)))


@pytest.fixture
async def world(database: Database, redis_url: str) -> AsyncIterator[World]:
    rig, redis = await Rig(database.app_url).open(), connect_for_pipeline(redis_url)
    yield World(rig, redis)
    await redis.aclose()
    await rig.close()


async def test_the_later_choice_is_kept_without_the_number(world: World) -> None:
    await world.noted((AWA, "en"), (KOFFI, "en"), (AWA, "wes"))
    assert await world.kept() == {
        world.rig.vault.index(AWA.e164): "wes",
        world.rig.vault.index(KOFFI.e164): "en",
    }
    await world.noted((AWA, "fr"))
    for _ in range(500):
        if "fr" in (await world.kept()).values():
            break
        await asyncio.sleep(0.01)
    assert sorted((await world.kept()).values()) == ["en", "fr"]


async def test_an_emptied_redis_gets_them_again_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAGE", 1)
    await world.noted((AWA, "en"), (KOFFI, "wes"))
    assert await world.in_redis(AWA) is None
    assert await world.languages.copy() == 2
    assert (await world.in_redis(AWA), await world.in_redis(KOFFI)) == (b"en", b"wes")
    assert await world.languages.copy() == 0
    assert not [key for key in await world.redis.keys() if b"0102" in key or b"language" in key]
    await world.redis.flushdb()
    assert await world.languages.copy() == 2


async def test_one_that_is_too_old_is_not_copied(world: World, database: Database) -> None:
    await world.noted((AWA, "en"))
    async with world.auto.connect() as connection:
        age = timedelta(days=LANGUAGE_DAYS + 1)
        await connection.exec_driver_sql("update chosen_languages set chosen_at = now() - $1::interval", (age,))
    assert await world.languages.copy() == 0


async def test_without_redis_nothing_is_read_or_raised(world: World) -> None:
    away = connect_for_pipeline("redis://127.0.0.1:1/0")
    sessions = RedisSessions(RedisPipeline(away), SessionSeal(world.rig.vault))
    assert await Languages(world.auto, world.rig.vault, sessions).copy() == 0
    await away.aclose()
