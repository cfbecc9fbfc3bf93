"""Receipts and other owed messages into chats, by the Bot API."""

from html import escape

import structlog
from aiogram import Bot
from aiogram.exceptions import (
    ClientDecodeError,
    TelegramAPIError,
    TelegramBadRequest,
    TelegramForbiddenError,
    TelegramNetworkError,
    TelegramNotFound,
    TelegramRetryAfter,
    TelegramServerError,
    TelegramUnauthorizedError,
)

from channels.messages.carrier import OutboundText, SendAccepted, SendRefused, SendResult, SendUnknown
from channels.telegram.flood import FloodQueue, TooLong, Urgency, urgency
from channels.telegram.port import ChatStore
from channels.telegram.texts import TEXT_UNITS_MAX, cut
from gateway.storage.engine import DatabaseUnavailable

_log = structlog.get_logger(__name__)


class TelegramSender:
    """Sends texts; `to` is a chat's number. A chat that is closed to us is marked."""

    def __init__(self, bot: Bot, queue: FloodQueue, chats: ChatStore) -> None:
        self._bot = bot
        self._queue = queue
        self._chats = chats

    async def send(self, message: OutboundText) -> SendResult:
        """Send one text, as it is. Never raises for anything that Telegram may answer."""
        chat_id = int(message.to)
        try:
            with urgency(Urgency.RECEIPT):
                sent = await self._bot.send_message(chat_id, escape(cut(message.text, TEXT_UNITS_MAX), quote=False))
        except TooLong as error:
            return SendRefused("busy", permanent=False, retry_after_seconds=round(error.seconds))
        except TelegramRetryAfter as error:
            return SendRefused("429", permanent=False, retry_after_seconds=error.retry_after)
        except TelegramForbiddenError as error:
            await self._mark_unreachable(chat_id)
            return SendRefused(f"403 {error.message[:80]}", permanent=True)
        except (TelegramUnauthorizedError, TelegramNotFound) as error:
            # A wrong token is 401, one that was never given out 404.
            return SendRefused(error.message[:80], permanent=True, ours=True)
        except TelegramServerError as error:
            return SendUnknown(error.message[:80])
        except TelegramBadRequest as error:
            if "chat not found" in error.message:
                await self._mark_unreachable(chat_id)
            return SendRefused(error.message[:80], permanent=True)
        except (ClientDecodeError, TelegramNetworkError) as error:
            # Sent perhaps: the answer is no JSON (a proxy's page) or never came.
            return SendUnknown(type(error).__name__)
        except TelegramAPIError as error:
            return SendRefused(error.message[:80], permanent=False)
        return SendAccepted(str(sent.message_id))

    async def aclose(self) -> None:
        """Close connections."""
        await self._queue.aclose()
        await self._bot.session.close()

    async def _mark_unreachable(self, chat_id: int) -> None:
        try:
            await self._chats.reachable(chat_id, reachable=False)
        except DatabaseUnavailable as error:
            _log.warning("chat_not_marked", error=str(error))
