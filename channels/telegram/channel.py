"""The Telegram channel of one process: in a worker its sender alone, in a gateway all of it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from aiogram import Bot
from aiohttp import web
from redis import asyncio as redis_asyncio

from channels.telegram import routes
from channels.telegram.boards import Boards
from channels.telegram.bot import make_bot, make_dispatcher
from channels.telegram.desk import Desk
from channels.telegram.flood import FloodQueue
from channels.telegram.intake import Intake
from channels.telegram.reception import receive
from channels.telegram.sender import TelegramSender
from channels.telegram.settings import TelegramSettings
from channels.telegram.watcher import Watcher
from gateway.ports.house import House, SessionStore
from gateway.ports.telegram import ChatStore, SendBudget, UpdateStore, WatchedOrders


@dataclass(frozen=True)
class Stores:
    """What the channel keeps, and where."""

    updates: UpdateStore
    chats: ChatStore
    budget: SendBudget
    watched: WatchedOrders
    sessions: SessionStore
    redis: "redis_asyncio.Redis"


class TelegramChannel:
    """The bot with what it needs. `sender` is for owed messages, in every process."""

    def __init__(self, settings: TelegramSettings, stores: Stores) -> None:
        self.settings = settings
        self._stores = stores
        self._queue = FloodQueue(stores.budget)
        self.bot: Bot = make_bot(settings, self._queue)
        self.sender = TelegramSender(self.bot, self._queue, stores.chats)

    async def aclose(self) -> None:
        """Close connections."""
        await self.sender.aclose()

    def setup(self, app: web.Application, house: House, public_url: str) -> None:
        """Serve the webhook, and run what belongs to the channel as long as the application serves."""
        stores = self._stores
        desk = Desk(self.bot, house, stores.chats, stores.sessions, public_url, self.settings.username)
        watcher, boards = Watcher(desk, stores.watched), Boards(desk)
        dispatcher = make_dispatcher(desk, watcher, boards, stores.redis)
        intake = Intake(self.bot, dispatcher, desk, stores.updates)
        if self.settings.mode == "webhook":
            routes.setup(app, intake, self.settings.secret)

        async def keep_running(_: web.Application) -> AsyncIterator[None]:
            tasks = [
                asyncio.create_task(work, name=f"telegram {name}")
                for name, work in (
                    ("reception", receive(self.settings, self.bot, desk, intake)),
                    ("left over", intake.run()),
                    ("orders", watcher.run()),
                    ("boards", boards.run()),
                )
            ]
            yield
            await intake.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        app.cleanup_ctx.append(keep_running)
