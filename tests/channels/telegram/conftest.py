"""A whole channel on a real database and a real Redis, with the wire to Telegram in memory."""

import channels.telegram.aiogram_models  # noqa: F401 - before aiogram

# isort: split
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from aiogram import Bot
from aiogram.client.default import DefaultBotProperties
from aiogram.types import Message
from redis import asyncio as redis_asyncio
from sqlalchemy import text

from channels.telegram.bot import make_dispatcher
from channels.telegram.context import Context
from channels.telegram.intake import Intake
from channels.telegram.live import FollowedOrders, LiveOrders, LiveRankings
from channels.telegram.sending import QueueMiddleware, SendBudget, SendQueue, Wait
from channels.telegram.store import TelegramStore
from gateway.storage.engine import make_engine
from gateway.storage.redis_link import connect
from gateway.storage.vault import Vault
from tests.channels.telegram.service import chat_service
from tests.channels.telegram.wire import Wire, body, shared, tapped, written
from tests.demo import CONTEST_ID
from tests.engines import BUSY_SECONDS
from tests.rigs.voting_service import FakeVotingService

SECRET_KEY = "0123456789abcdef0123456789abcdef"
PUBLIC = "https://vote.example"
OTHER_CONTEST_ID = UUID("0b000000-0000-4000-9000-000000000002")


class NoLimit(SendBudget):
    """Every message may be sent at once. `silence`: what Telegram asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.silence: list[float] = []

    async def take(self, chat_id: int) -> Wait | None:
        return None

    async def stop(self, seconds: float) -> None:
        self.silence.append(seconds)


class Sessions:
    """`SessionStore` in memory."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}

    async def put(self, key: str, value: bytes, seconds: int = 0) -> None:
        self.values[key] = value

    async def get(self, key: str) -> bytes | None:
        return self.values.get(key)


@dataclass
class World:
    """One process of the channel."""

    store: TelegramStore
    redis: "redis_asyncio.Redis"
    service: FakeVotingService = field(default_factory=chat_service)
    wire: Wire = field(default_factory=Wire)
    sessions: Sessions = field(default_factory=Sessions)
    limit: NoLimit = field(default_factory=NoLimit)

    def __post_init__(self) -> None:
        self.queue = SendQueue(self.limit)
        self.wire.middleware(QueueMiddleware(self.queue))
        self.bot = Bot("123456:T", session=self.wire, default=DefaultBotProperties(parse_mode="HTML"))
        self.context = Context(self.bot, self.service, self.store, self.sessions, PUBLIC, "spotlight_bot")  # type: ignore[arg-type] # the service as far as chats ask it
        self.followed = FollowedOrders(self.redis, self.bot.id)
        self.orders, self.rankings = LiveOrders(self.context, self.followed), LiveRankings(self.context)
        dispatcher = make_dispatcher(self.context, self.orders, self.rankings, self.redis)
        self.intake = Intake(self.bot, dispatcher, self.context, self.store)

    async def send(self, update: dict[str, Any]) -> None:
        """An update comes and is dealt with."""
        await self.intake.take(body(update))
        await self.intake.wait_idle()

    async def write(self, words: str, user: int = 55, **more: Any) -> str:
        """A person writes; the newest message of the chat."""
        await self.send(written(words, user, **more))
        return self.text(more.get("chat_id") or user)

    async def tap(self, label: str, user: int = 55) -> str:
        """A person taps the newest button that begins so."""
        message, data = self.wire.button(user, label)
        await self.send(tapped(data, message, user))
        return self.text(user)

    async def tap_data(self, data: str, message: Message | None, user: int = 55) -> None:
        await self.send(tapped(data, message, user))

    async def share(self, phone: str, owner: int | None, user: int = 55, **more: Any) -> str:
        await self.send(shared(phone, owner, user, **more))
        return self.text(user)

    def text(self, chat_id: int = 55) -> str:
        newest = self.wire.last(chat_id)
        return newest.text or newest.caption or ""

    async def rows(self, statement: str) -> list[Any]:
        async with self.store._auto.connect() as connection:
            return list((await connection.execute(text(statement))).all())

    async def run(self, statement: str) -> None:
        async with self.store._auto.connect() as connection:
            await connection.execute(text(statement))

    async def outcomes(self) -> list[str | None]:
        return [row.outcome for row in await self.rows("select outcome from telegram_updates order by update_id")]

    async def close(self) -> None:
        await self.intake.close()
        await self.orders.wait_idle()
        await self.queue.aclose()


async def verified(world: World, user: int = 55) -> None:
    """A voter who shared the own number."""
    await world.write("/start", user)
    await world.share("2250501020304", user, user)


# The contests of these tests are in memory; the tables only want to know their ids.
_KNOW = """
insert into contests (id, organiser_id, slug, name, country, currency, price_minor, opens_at, closes_at,
  service_code, short_code, keyword)
select $1, organiser_id, $2, name, country, currency, price_minor, opens_at, closes_at, service_code, short_code, $2
from contests where slug = 'star'
"""


@pytest.fixture
async def store(database: Any) -> AsyncIterator[TelegramStore]:
    connection = await asyncpg.connect(database.superuser_url)
    for number, contest_id in enumerate((CONTEST_ID, OTHER_CONTEST_ID)):
        await connection.execute(_KNOW, contest_id, f"memory-{number}")
    await connection.close()
    engine = make_engine(database.app_url, pool_size=4, wait_seconds=BUSY_SECONDS)
    yield TelegramStore(engine.execution_options(isolation_level="AUTOCOMMIT"), Vault(SECRET_KEY))
    await engine.dispose()


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator["redis_asyncio.Redis"]:
    client = connect(redis_url, timeout_seconds=1)
    yield client
    await client.aclose()


@pytest.fixture
async def world(store: TelegramStore, redis: "redis_asyncio.Redis") -> AsyncIterator[World]:
    made = World(store, redis)
    yield made
    await made.close()
