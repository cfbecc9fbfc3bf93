"""The Telegram channel of one process: in a worker its sender alone, in a gateway all of it.

The bot is loaded in a thread, by its first use in a worker and once the gateway serves: other channels do not wait
for it. Until it is loaded, an update waits; Telegram calls again.
"""

import asyncio
from typing import TYPE_CHECKING, Final

import structlog
from aiohttp import web
from redis import asyncio as redis_asyncio

from channels.messages.carrier import OutboundText, SendResult
from channels.session_store import SessionStore
from channels.telegram import routes
from channels.telegram.settings import TelegramSettings
from channels.telegram.store import TelegramStore
from channels.voting_service import VotingService

if TYPE_CHECKING:
    from channels.telegram.bot import RunningBot
    from channels.telegram.intake import Intake

CODE: Final = "telegram"
_log = structlog.get_logger(__name__)


def _import() -> "type[RunningBot]":
    import channels.telegram.aiogram_models  # noqa: F401 - before aiogram
    from channels.telegram.bot import RunningBot

    return RunningBot


class TelegramChannel:
    """The bot with what it needs. In every process it is the `MessageSender` of owed messages to chats."""

    code: Final = CODE

    def __init__(
        self, settings: TelegramSettings, store: TelegramStore, sessions: SessionStore, redis: "redis_asyncio.Redis"
    ) -> None:
        self._settings = settings
        self._stores = store, sessions, redis
        self._loading: asyncio.Task[RunningBot] | None = None
        self._running: asyncio.Task[None] | None = None
        self._intake: asyncio.Future[Intake] = asyncio.get_running_loop().create_future()

    async def send(self, message: OutboundText) -> SendResult:
        """Send one text, as it is. Never raises for anything that Telegram may answer."""
        return await (await self._bot()).sender.send(message)

    def address(self) -> str:
        """The bot's address for voters; empty while the bot does not know its own name."""
        bot = self._loading.result() if self._loading and self._loading.done() else None
        username = bot.username if bot else self._settings.username
        return f"https://t.me/{username}" if username else ""

    async def aclose(self) -> None:
        """Close connections."""
        if self._loading is not None:
            await (await self._loading).aclose()

    def setup(self, app: web.Application) -> None:
        """Serve the webhook; updates wait for what `open` begins."""
        if self._settings.mode == "webhook":
            routes.setup(app, self._take, self._settings.secret)
        app.on_cleanup.append(self._end)

    def open(self, service: VotingService, public_url: str) -> None:
        """Run the bot, now that the gateway answers."""
        self._running = asyncio.create_task(self._run(service, public_url), name="telegram")

    async def _take(self, body: bytes) -> bool:
        return await (await asyncio.shield(self._intake)).take(body)

    async def _run(self, service: VotingService, public_url: str) -> None:
        try:
            bot = await self._bot()
            async with bot.receiving(service, public_url) as intake:
                self._intake.set_result(intake)
                await asyncio.Event().wait()
        except Exception as error:
            # The other channels go on.
            _log.exception("telegram_failed")
            if not self._intake.done():
                self._intake.set_exception(error)

    async def _end(self, _: web.Application) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    async def _bot(self) -> "RunningBot":
        if self._loading is None:
            self._loading = asyncio.create_task(self._load(), name="telegram loading")
        return await asyncio.shield(self._loading)

    async def _load(self) -> "RunningBot":
        made = await asyncio.to_thread(_import)
        return made(self._settings, *self._stores)
