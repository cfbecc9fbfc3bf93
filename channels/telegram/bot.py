"""The bot and its dispatcher, put together."""

from typing import Final

from aiogram import Bot, Dispatcher
from aiogram.client.default import DefaultBotProperties
from aiogram.client.telegram import TelegramAPIServer
from aiogram.enums import ParseMode
from redis import asyncio as redis_asyncio

from channels.telegram.boards import Boards
from channels.telegram.desk import Desk
from channels.telegram.flood import FloodMiddleware, FloodQueue
from channels.telegram.handlers import browse, buying, debited, numbers, words
from channels.telegram.handlers.common import EndSpinning, Introduce
from channels.telegram.session import DeliveringSession
from channels.telegram.settings import TelegramSettings
from channels.telegram.state import ChatIsolation, ForgetfulStorage
from channels.telegram.watcher import Watcher

CALL_SECONDS: Final = 10.0
# Edited messages are not asked for: what was voted stays voted.
ALLOWED_UPDATES: Final = ("message", "callback_query", "my_chat_member")


def make_bot(settings: TelegramSettings, queue: FloodQueue) -> Bot:
    """The bot; all it sends goes through `queue`."""
    session = DeliveringSession(api=TelegramAPIServer.from_base(settings.base_url), timeout=CALL_SECONDS)
    session.middleware(FloodMiddleware(queue))
    defaults = DefaultBotProperties(parse_mode=ParseMode.HTML, link_preview_is_disabled=True)
    return Bot(settings.token.get_secret_value(), session=session, default=defaults)


def make_dispatcher(desk: Desk, watcher: Watcher, boards: Boards, redis: "redis_asyncio.Redis") -> Dispatcher:
    """Who handles what, the particular before the general."""
    dispatcher = Dispatcher(storage=ForgetfulStorage(redis), events_isolation=ChatIsolation(redis))
    dispatcher["desk"], dispatcher["watcher"], dispatcher["boards"] = desk, watcher, boards
    dispatcher.message.middleware(Introduce())
    dispatcher.callback_query.outer_middleware(EndSpinning())
    dispatcher.callback_query.middleware(Introduce())
    dispatcher.include_routers(debited.router(), browse.router(), numbers.router(), buying.router(), words.router())
    return dispatcher
