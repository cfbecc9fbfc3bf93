"""The bot at work: all that needs aiogram, whose import alone takes seconds of a processor."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiogram import Bot

from channels.telegram.boards import Boards
from channels.telegram.bot import make_bot, make_dispatcher
from channels.telegram.desk import Desk
from channels.telegram.flood import FloodQueue
from channels.telegram.intake import Intake
from channels.telegram.reception import receive
from channels.telegram.sender import TelegramSender
from channels.telegram.settings import TelegramSettings
from channels.telegram.stores import Stores
from channels.telegram.watcher import Watcher
from channels.voting_service import VotingService


class RunningBot:
    """The bot with its connections. `sender` is for owed messages, in every process."""

    def __init__(self, settings: TelegramSettings, stores: Stores) -> None:
        self._settings = settings
        self._stores = stores
        self._queue = FloodQueue(stores.budget)
        self.bot: Bot = make_bot(settings, self._queue)
        self.sender = TelegramSender(self.bot, self._queue, stores.chats)
        self._desk: Desk | None = None

    @property
    def username(self) -> str:
        """The bot's name, as set or as Telegram says; empty while neither is known."""
        return self._desk.username if self._desk else self._settings.username

    async def aclose(self) -> None:
        """Close connections."""
        await self.sender.aclose()

    @asynccontextmanager
    async def receiving(self, service: VotingService, public_url: str) -> AsyncIterator[Intake]:
        """Take updates and do what belongs to the channel, as long as the block lasts."""
        stores = self._stores
        desk = self._desk = Desk(self.bot, service, stores.chats, stores.sessions, public_url, self._settings.username)
        watcher, boards = Watcher(desk, stores.watched), Boards(desk)
        dispatcher = make_dispatcher(desk, watcher, boards, stores.redis)
        intake = Intake(self.bot, dispatcher, desk, stores.updates)
        tasks = [
            asyncio.create_task(work, name=f"telegram {name}")
            for name, work in (
                ("reception", receive(self._settings, self.bot, desk, intake)),
                ("left over", intake.run()),
                ("orders", watcher.run()),
                ("boards", boards.run()),
            )
        ]
        try:
            yield intake
        finally:
            await intake.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
