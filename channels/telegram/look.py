"""Whether Telegram reaches us, as it says itself: for `spotlight doctor`.

Source: Bot API, `getWebhookInfo`.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import ClientDecodeError, TelegramAPIError, TelegramUnauthorizedError
from aiogram.types import WebhookInfo

from channels.telegram.routes import PATH
from channels.telegram.settings import TelegramSettings

LOOK_SECONDS: Final = 5.0
# Telegram tells its last error for ever; one that is older than this is over.
ERROR_COUNTS: Final = timedelta(minutes=10)
# As many wait when nobody takes them.
WAITING_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class Look:
    """What was found. `text` holds no token."""

    fine: bool
    text: str


async def look(settings: TelegramSettings, public_url: str, now: datetime) -> Look:
    """Ask Telegram where it sends updates; raises nothing, and takes seconds at most."""
    token = settings.token.get_secret_value()
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            found = judged(await _ask(settings, token), settings.mode, f"{public_url}{PATH}", now)
    except TelegramUnauthorizedError:
        return Look(fine=False, text="refuses TELEGRAM_TOKEN; take a new one from BotFather")
    except (TelegramAPIError, ClientDecodeError, TimeoutError) as error:
        # The name alone: the address that was called has the token in it.
        return Look(fine=False, text=f"does not answer: {type(error).__name__}")
    # Some programs put their token into the address of their webhook.
    return Look(found.fine, found.text.replace(token, "****"))


async def _ask(settings: TelegramSettings, token: str) -> WebhookInfo:
    session = AiohttpSession(api=TelegramAPIServer.from_base(settings.base_url), timeout=LOOK_SECONDS)
    async with Bot(token, session=session) as bot:
        return await bot.get_webhook_info()


def judged(info: WebhookInfo, mode: str, wanted: str, now: datetime) -> Look:
    """What this answer means. `wanted`: the address of our webhook."""
    where, fault = _where(info.url, mode, wanted)
    facts = [where, f"updates that wait: {info.pending_update_count}"]
    fresh = False
    if info.last_error_date is not None:
        when = info.last_error_date.astimezone(UTC)
        fresh = now - when <= ERROR_COUNTS
        facts.append(f"last error {when:%Y-%m-%d %H:%M:%S} UTC: {info.last_error_message or 'not said'}")
    return Look(not (fault or fresh or info.pending_update_count > WAITING_MAX), "; ".join(facts))


def _where(url: str, mode: str, wanted: str) -> tuple[str, bool]:
    """Where updates go, and whether that is wrong."""
    if mode == "polling":
        return (f"a webhook is set although we poll: {url}", True) if url else ("we poll", False)
    if not url:
        return "no webhook is set; start `spotlight serve`", True
    return (f"calls {url}", False) if url == wanted else (f"calls {url} instead of {wanted}", True)
