"""aiogram's HTTP session, for which a call that was done is done, whatever stands in its answer."""

import json
import re
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final, cast, get_args

import structlog
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.exceptions import ClientDecodeError
from aiogram.methods import Response, TelegramMethod
from aiogram.methods.base import TelegramType
from aiogram.types import Chat, Message

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
