"""How updates come: by a webhook that Telegram is given, or by polling. And whether that works, for `spotlight doctor`.

Source: Bot API, `setWebhook`, `getUpdates`, `getWebhookInfo`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import ClientDecodeError, TelegramAPIError, TelegramUnauthorizedError
from aiogram.types import BotCommand, Update, WebhookInfo

from channels.telegram.context import Context
from channels.telegram.intake import Intake
from channels.telegram.routes import PATH
from channels.telegram.settings import TelegramSettings
from channels.telegram.texts import catalogue, plain
from gateway.http.phrases import DEFAULT_LANGUAGE
from gateway.storage.engine import DatabaseUnavailable

COMMANDS: Final = ("start", "classement", "mesvotes", "debite", "verifier", "regles", "langue", "aide")
# Edited messages are not asked for: a vote that was placed stays.
ALLOWED_UPDATES: Final = ("message", "callback_query", "my_chat_member")
CALL_SECONDS: Final = 10.0
CONNECTIONS: Final = 40
POLL_SECONDS: Final = 25
CHECK_EVERY_SECONDS: Final = 60.0
CHECK_TIMEOUT_SECONDS: Final = 5.0
# Telegram reports its last error for ever; one that is older than this is over.
ERROR_COUNTS: Final = timedelta(minutes=10)
# So many updates wait only when nothing takes them.
WAITING_MAX: Final = 1_000
RETRY_FIRST_SECONDS: Final = 1.0
RETRY_MAX_SECONDS: Final = 60.0
_log = structlog.get_logger(__name__)


async def receive_updates(settings: TelegramSettings, bot: Bot, context: Context, intake: Intake) -> None:
    """Introduce the bot and, where it polls, ask for updates until cancelled."""
    await _until_done("introduce", lambda: _introduce(settings, bot, context))
    if settings.mode == "polling":
        await _poll(bot, intake)
    else:
        await _keep_webhook(settings, bot, context)


async def _introduce(settings: TelegramSettings, bot: Bot, context: Context) -> None:
    me = await bot.me()
    context.username = settings.username or me.username or ""
    if settings.mode == "webhook":
        await _set_webhook(settings, bot, context)
    else:
        await bot.delete_webhook()
    for language in catalogue():
        commands = [BotCommand(command=word, description=plain(language, f"command.{word}")) for word in COMMANDS]
        # The default language is for voters whose language has no list of its own.
        await bot.set_my_commands(commands, language_code=None if language == DEFAULT_LANGUAGE else language)
    _log.info("telegram_ready", bot=context.username, mode=settings.mode)


async def _set_webhook(settings: TelegramSettings, bot: Bot, context: Context) -> None:
    await bot.set_webhook(
        f"{context.public_url}{PATH}",
        secret_token=settings.secret,
        allowed_updates=list(ALLOWED_UPDATES),
        max_connections=CONNECTIONS,
    )


async def _keep_webhook(settings: TelegramSettings, bot: Bot, context: Context) -> None:
    """Keep the webhook set: another program with the same token may change it."""
    while True:
        await asyncio.sleep(CHECK_EVERY_SECONDS)
        try:
            info = await bot.get_webhook_info()
            if info.url != f"{context.public_url}{PATH}":
                _log.warning("telegram_webhook_changed")
                await _set_webhook(settings, bot, context)
        except (TelegramAPIError, ClientDecodeError, TimeoutError) as error:
            _log.warning("telegram_webhook_not_checked", error=type(error).__name__)


async def _until_done(what: str, act: Callable[[], Awaitable[None]]) -> None:
    """Try until it works, with growing pauses."""
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
                # The next request confirms what has been stored.
                offset = update.update_id + 1
        except (TelegramAPIError, ClientDecodeError, DatabaseUnavailable, TimeoutError) as error:
            # 409: another program polls too, or set a webhook.
            _log.warning("telegram_poll_waits", error=type(error).__name__)
            await asyncio.sleep(RETRY_FIRST_SECONDS)


def _body(update: Update) -> bytes:
    return update.model_dump_json(by_alias=True, exclude_unset=True).encode()


@dataclass(frozen=True, slots=True)
class WebhookCheck:
    """What was found. `text` holds no token."""

    fine: bool
    text: str


async def check_webhook(settings: TelegramSettings, public_url: str, now: datetime) -> WebhookCheck:
    """Ask Telegram where it sends updates; raises nothing, and takes seconds at most."""
    token = settings.token.get_secret_value()
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_SECONDS):
            found = read_webhook(await _ask(settings, token), settings.mode, f"{public_url}{PATH}", now)
    except TelegramUnauthorizedError:
        return WebhookCheck(fine=False, text="refuses TELEGRAM_TOKEN; take a new one from BotFather")
    except (TelegramAPIError, ClientDecodeError, TimeoutError) as error:
        # The name alone: the address that was called has the token in it.
        return WebhookCheck(fine=False, text=f"does not answer: {type(error).__name__}")
    # Some programs put their token into the address of their webhook.
    return WebhookCheck(found.fine, found.text.replace(token, "****"))


async def _ask(settings: TelegramSettings, token: str) -> WebhookInfo:
    session = AiohttpSession(api=TelegramAPIServer.from_base(settings.base_url), timeout=CHECK_TIMEOUT_SECONDS)
    async with Bot(token, session=session) as bot:
        return await bot.get_webhook_info()


def read_webhook(info: WebhookInfo, mode: str, wanted: str, now: datetime) -> WebhookCheck:
    """What this answer means. `wanted`: the address of our webhook."""
    where, fault = _where(info.url, mode, wanted)
    facts = [where, f"updates that wait: {info.pending_update_count}"]
    fresh = False
    if info.last_error_date is not None:
        when = info.last_error_date.astimezone(UTC)
        fresh = now - when <= ERROR_COUNTS
        facts.append(f"last error {when:%Y-%m-%d %H:%M:%S} UTC: {info.last_error_message or 'no reason given'}")
    return WebhookCheck(not (fault or fresh or info.pending_update_count > WAITING_MAX), "; ".join(facts))


def _where(url: str, mode: str, wanted: str) -> tuple[str, bool]:
    """Where updates go, and whether that is wrong."""
    if mode == "polling":
        return (f"a webhook is set although we poll: {url}", True) if url else ("we poll", False)
    if not url:
        return "no webhook is set; start `spotlight serve`", True
    return (f"calls {url}", False) if url == wanted else (f"calls {url} instead of {wanted}", True)
