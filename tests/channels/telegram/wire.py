"""The other end of the wire in memory: what the bot calls, and updates as Telegram writes them."""

import itertools
from collections import deque
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any

import orjson
from aiogram import Bot
from aiogram.client.session.base import BaseSession
from aiogram.methods import (
    EditMessageText,
    GetMe,
    SendMessage,
    SendPhoto,
    TelegramMethod,
)
from aiogram.types import Chat, InlineKeyboardMarkup, Message, PhotoSize, User

WHEN = datetime(2026, 6, 1, 12, tzinfo=UTC)
BOT = User(id=123456, is_bot=True, first_name="Spotlight", username="spotlight_bot")
_update_ids = itertools.count(7_000)


class Wire(BaseSession):
    """Remembers every call. `faults`: raised one a call, before anything is done."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[TelegramMethod[Any]] = []
        self.faults: deque[Exception | None] = deque()
        self.messages: dict[tuple[int, int], Message] = {}
        self._ids = itertools.count(100)

    async def close(self) -> None:
        """Nothing is open."""

    async def stream_content(self, *_: Any, **__: Any) -> AsyncGenerator[bytes, None]:
        yield b""

    async def make_request(
        self,
        bot: Bot,
        method: TelegramMethod[Any],
        timeout: int | None = None,  # noqa: ASYNC109 - aiogram's own signature
    ) -> Any:
        if self.faults and (fault := self.faults.popleft()) is not None:
            raise fault
        self.calls.append(method)
        match method:
            case SendMessage():
                return self._keep(method.chat_id, next(self._ids), method.text, method.reply_markup)
            case SendPhoto():
                return self._keep(method.chat_id, next(self._ids), None, method.reply_markup, method.caption)
            case EditMessageText():
                return self._keep(method.chat_id, method.message_id, method.text, method.reply_markup)
            case GetMe():
                return BOT
        return True

    def _keep(
        self, chat_id: Any, message_id: int | None, text: str | None, markup: Any, caption: str | None = None
    ) -> Message:
        message = Message(
            message_id=message_id or 0,
            date=WHEN,
            chat=Chat(id=int(chat_id), type="private" if int(chat_id) > 0 else "group"),
            from_user=BOT,
            text=text,
            caption=caption,
            photo=[PhotoSize(file_id="kept-photo", file_unique_id="k", width=1, height=1)] if caption else None,
            reply_markup=markup if isinstance(markup, InlineKeyboardMarkup) else None,
        )
        self.messages[message.chat.id, message.message_id] = message
        return message

    def texts(self, chat_id: int) -> list[str]:
        """What stands in a chat now."""
        return [m.text or m.caption or "" for (chat, _), m in sorted(self.messages.items()) if chat == chat_id]

    def last(self, chat_id: int) -> Message:
        return max((m for (chat, _), m in self.messages.items() if chat == chat_id), key=lambda m: m.message_id)

    def made(self, kind: type[TelegramMethod[Any]]) -> list[Any]:
        return [call for call in self.calls if isinstance(call, kind)]

    def button(self, chat_id: int, label: str) -> tuple[Message, str]:
        """The newest message with a button whose label begins so, and what the button carries."""
        for (chat, _), message in sorted(self.messages.items(), reverse=True):
            rows = message.reply_markup.inline_keyboard if chat == chat_id and message.reply_markup else []
            for button in itertools.chain.from_iterable(rows):
                if button.text.startswith(label) and button.callback_data:
                    return message, button.callback_data
        raise AssertionError(f"no button {label!r} in {self.texts(chat_id)}")


def person(user_id: int, language: str | None = "fr") -> dict[str, Any]:
    """A user as Telegram writes one."""
    return {"id": user_id, "is_bot": False, "first_name": "Awa"} | ({"language_code": language} if language else {})


def place(chat_id: int) -> dict[str, Any]:
    """A chat as Telegram writes one."""
    return {"id": chat_id, "type": "private" if chat_id > 0 else "group", "title": "G"}


def written(text: str, user_id: int = 55, chat_id: int | None = None, language: str | None = "fr") -> dict[str, Any]:
    """A person wrote."""
    message: dict[str, Any] = {
        "message_id": next(_update_ids),
        "date": 1_795_200_000,
        "chat": place(chat_id or user_id),
        "from": person(user_id, language),
        "text": text,
    }
    if text.startswith("/"):
        message["entities"] = [{"type": "bot_command", "offset": 0, "length": len(text.split()[0])}]
    return {"update_id": next(_update_ids), "message": message}


def shared(phone: str, owner: int | None, user_id: int = 55, **more: Any) -> dict[str, Any]:
    """A person sent a contact."""
    update = written("", user_id)
    del update["message"]["text"]
    card = {"phone_number": phone, "first_name": "Awa"} | ({"user_id": owner} if owner is not None else {})
    update["message"] |= {"contact": card, **more}
    return update


def tapped(data: str, message: Message | None, user_id: int = 55) -> dict[str, Any]:
    """A person tapped a button."""
    query: dict[str, Any] = {
        "id": str(next(_update_ids)),
        "from": person(user_id),
        "chat_instance": "-91",
        "data": data,
    }
    if message is not None:
        query["message"] = orjson.loads(message.model_dump_json(by_alias=True, exclude_none=True))
    return {"update_id": next(_update_ids), "callback_query": query}


def body(update: dict[str, Any]) -> bytes:
    return orjson.dumps(update)
