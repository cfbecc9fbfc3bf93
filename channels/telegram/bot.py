"""The bot put together: its HTTP session, its dispatcher, its tasks. To import aiogram takes seconds of a processor."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final, cast, get_args

import structlog
from aiogram import Bot, Dispatcher
from aiogram.client.default import DefaultBotProperties
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.enums import ParseMode
from aiogram.exceptions import ClientDecodeError
from aiogram.methods import Response, TelegramMethod
from aiogram.methods.base import TelegramType
from aiogram.types import Chat, Message
from redis import asyncio as redis_asyncio

from channels.session_store import SessionStore
from channels.telegram.context import AddConversation, AnswerTaps, Context
from channels.telegram.handlers import browse, buying, words
from channels.telegram.intake import Intake
from channels.telegram.live import FollowedOrders, LiveOrders, LiveRankings
from channels.telegram.sending import QueueMiddleware, SendQueue, SharedSendBudget, TelegramSender
from channels.telegram.settings import TelegramSettings
from channels.telegram.state import ChatIsolation, OptionalStorage
from channels.telegram.store import TelegramStore
from channels.telegram.webhook import CALL_SECONDS, receive_updates
from channels.voting_service import VotingService

# An answer that was cut off still begins so.
_OK: Final = re.compile(r'\s*\{\s*"ok"\s*:\s*true\b')
_MESSAGE_ID: Final = re.compile(r'"message_id"\s*:\s*(\d{1,15})\b')
_UNKNOWN_DATE: Final = datetime(1970, 1, 1, tzinfo=UTC)
_log = structlog.get_logger(__name__)


class DeliveringSession(AiohttpSession):
    """A 2xx answer with `"ok": true` means that the message was delivered: to send it once more because its
    body lacks a field would send it twice."""

    def check_response(
        self, bot: Bot, method: TelegramMethod[TelegramType], status_code: int, content: str
    ) -> Response[TelegramType]:
        """The answer; for an unreadable one of a call that was done, what a caller needs of it."""
        try:
            answer = super().check_response(bot, method, status_code, content)
            if answer.result is not None:
                return answer
        except ClientDecodeError:
            if not _accepted(status_code, content) or _done(method, content) is None:
                raise
        _log.warning("bot_api_answer_unreadable", method=type(method).__name__)
        return cast(Response[TelegramType], Response[Any].model_construct(ok=True, result=_done(method, content)))


def _accepted(status: int, content: str) -> bool:
    """Whether the Bot API says that it did what was asked."""
    if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return False
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        return _OK.match(content) is not None
    return isinstance(answer, dict) and answer.get("ok") is True


def _done(method: TelegramMethod[Any], content: str) -> Message | bool | None:
    """The result of a method that does something; None for one that asks, whose answer is its result. A message
    whose number cannot be read has the number 0, which no message of Telegram has."""
    kinds = get_args(method.__returning__) or (method.__returning__,)
    if Message in kinds:
        found = _MESSAGE_ID.search(content)
        chat_id = getattr(method, "chat_id", 0)
        chat = Chat(id=chat_id if isinstance(chat_id, int) else 0, type="private")
        return Message.model_construct(message_id=int(found[1]) if found else 0, date=_UNKNOWN_DATE, chat=chat)
    return True if bool in kinds else None


def make_bot(settings: TelegramSettings, queue: SendQueue) -> Bot:
    """The bot; all it sends goes through `queue`."""
    session = DeliveringSession(api=TelegramAPIServer.from_base(settings.base_url), timeout=CALL_SECONDS)
    session.middleware(QueueMiddleware(queue))
    defaults = DefaultBotProperties(parse_mode=ParseMode.HTML, link_preview_is_disabled=True)
    return Bot(settings.token.get_secret_value(), session=session, default=defaults)


def make_dispatcher(
    context: Context, orders: LiveOrders, rankings: LiveRankings, redis: "redis_asyncio.Redis"
) -> Dispatcher:
    """Which handler gets what: the specific ones first."""
    dispatcher = Dispatcher(storage=OptionalStorage(redis), events_isolation=ChatIsolation(redis))
    dispatcher["context"], dispatcher["orders"], dispatcher["rankings"] = context, orders, rankings
    dispatcher.message.middleware(AddConversation())
    dispatcher.callback_query.outer_middleware(AnswerTaps())
    dispatcher.callback_query.middleware(AddConversation())
    dispatcher.include_routers(browse.router(), buying.router(), words.router())
    return dispatcher


class RunningBot:
    """The bot with its connections. `sender` is for owed messages, in every process."""

    def __init__(
        self, settings: TelegramSettings, store: TelegramStore, sessions: SessionStore, redis: "redis_asyncio.Redis"
    ) -> None:
        self._settings = settings
        self._store = store
        self._sessions = sessions
        self._redis = redis
        self._queue = SendQueue(SharedSendBudget(redis, settings.bot_id))
        self.bot: Bot = make_bot(settings, self._queue)
        self.sender = TelegramSender(self.bot, self._queue, store)
        self._context: Context | None = None

    @property
    def username(self) -> str:
        """The bot's name, as set or as Telegram says; empty while neither is known."""
        return self._context.username if self._context else self._settings.username

    async def aclose(self) -> None:
        """Close connections."""
        await self.sender.aclose()

    @asynccontextmanager
    async def receiving(self, service: VotingService, public_url: str) -> AsyncIterator[Intake]:
        """Handle updates and keep live messages up to date, as long as the block lasts."""
        settings = self._settings
        context = Context(self.bot, service, self._store, self._sessions, public_url, settings.username)
        self._context = context
        orders, rankings = LiveOrders(context, FollowedOrders(self._redis, settings.bot_id)), LiveRankings(context)
        dispatcher = make_dispatcher(context, orders, rankings, self._redis)
        intake = Intake(self.bot, dispatcher, context, self._store)
        tasks = [
            asyncio.create_task(work, name=f"telegram {name}")
            for name, work in (
                ("updates", receive_updates(settings, self.bot, context, intake)),
                ("unfinished updates", intake.run()),
                ("orders", orders.run()),
                ("rankings", rankings.run()),
            )
        ]
        try:
            yield intake
        finally:
            await intake.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
