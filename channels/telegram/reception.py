"""How updates come: by webhook, which Telegram has to be told, or by asking for them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from aiogram import Bot
from aiogram.exceptions import ClientDecodeError, TelegramAPIError, TelegramUnauthorizedError
from aiogram.types import BotCommand, Update

from channels.telegram.bot import ALLOWED_UPDATES, CALL_SECONDS
from channels.telegram.desk import Desk
from channels.telegram.intake import Intake
from channels.telegram.routes import PATH
from channels.telegram.settings import TelegramSettings
from channels.telegram.texts import catalogue, plain
from gateway.http.phrases import DEFAULT_LANGUAGE
from gateway.storage.engine import DatabaseUnavailable

COMMANDS: Final = ("start", "classement", "mesvotes", "debite", "verifier", "regles", "langue", "aide")
CONNECTIONS: Final = 40
POLL_SECONDS: Final = 25
LOOK_SECONDS: Final = 60.0
RETRY_FIRST_SECONDS: Final = 1.0
RETRY_MAX_SECONDS: Final = 60.0
_log = structlog.get_logger(__name__)


async def receive(settings: TelegramSettings, bot: Bot, desk: Desk, intake: Intake) -> None:
    """Introduce the bot and, where it polls, ask for updates until cancelled."""
    await _until_done("introduce", lambda: _introduce(settings, bot, desk))
    if settings.mode == "polling":
        await _poll(bot, intake)
    else:
        await _keep_webhook(settings, bot, desk)


async def _introduce(settings: TelegramSettings, bot: Bot, desk: Desk) -> None:
    me = await bot.me()
    desk.username = settings.username or me.username or ""
    if settings.mode == "webhook":
        await _set_webhook(settings, bot, desk)
    else:
        await bot.delete_webhook()
    for language in catalogue():
        commands = [BotCommand(command=word, description=plain(language, f"command.{word}")) for word in COMMANDS]
        # The default language is for everybody whose language has no list of its own.
        await bot.set_my_commands(commands, language_code=None if language == DEFAULT_LANGUAGE else language)
    _log.info("telegram_ready", bot=desk.username, mode=settings.mode)


async def _set_webhook(settings: TelegramSettings, bot: Bot, desk: Desk) -> None:
    await bot.set_webhook(
        f"{desk.public_url}{PATH}",
        secret_token=settings.secret,
        allowed_updates=list(ALLOWED_UPDATES),
        max_connections=CONNECTIONS,
    )


async def _keep_webhook(settings: TelegramSettings, bot: Bot, desk: Desk) -> None:
    """See to it that Telegram goes on calling us: another program with the same token may change it."""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        try:
            info = await bot.get_webhook_info()
            if info.url != f"{desk.public_url}{PATH}":
                _log.warning("telegram_webhook_changed")
                await _set_webhook(settings, bot, desk)
        except (TelegramAPIError, ClientDecodeError, TimeoutError) as error:
            _log.warning("telegram_webhook_not_seen", error=type(error).__name__)


async def _until_done(what: str, act: Callable[[], Awaitable[None]]) -> None:
    """Try until it works, ever more slowly."""
    wait = RETRY_FIRST_SECONDS
    while True:
        try:
            return await act()
        except TelegramUnauthorizedError:
            _log.error("telegram_token_wrong", what=what)
            wait = RETRY_MAX_SECONDS
        except (TelegramAPIError, ClientDecodeError, TimeoutError) as error:
            _log.warning("telegram_waits", what=what, error=type(error).__name__, seconds=wait)
        await asyncio.sleep(wait)
        wait = min(RETRY_MAX_SECONDS, wait * 2)


async def _poll(bot: Bot, intake: Intake) -> None:
    offset: int | None = None
    while True:
        try:
            updates = await bot.get_updates(
                offset=offset,
                timeout=POLL_SECONDS,
                allowed_updates=list(ALLOWED_UPDATES),
                request_timeout=POLL_SECONDS + round(CALL_SECONDS),
            )
            for update in updates:
                await intake.take(_body(update))
                # The next question confirms what has been kept.
                offset = update.update_id + 1
        except (TelegramAPIError, ClientDecodeError, DatabaseUnavailable, TimeoutError) as error:
            # 409: somebody else asks too, or set a webhook.
            _log.warning("telegram_poll_waits", error=type(error).__name__)
            await asyncio.sleep(RETRY_FIRST_SECONDS)


def _body(update: Update) -> bytes:
    return update.model_dump_json(by_alias=True, exclude_unset=True).encode()
