"""Who speaks and about what: given to every handler by a middleware."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiogram import BaseMiddleware
from aiogram.enums import ChatType
from aiogram.types import CallbackQuery, Message, TelegramObject

from channels.telegram.desk import Desk, language_hint
from gateway.ports.telegram import Chat

PRIVATE: Final = ChatType.PRIVATE
Handler = Callable[[TelegramObject, dict[str, Any]], Awaitable[Any]]


class Introduce(BaseMiddleware):
    """Adds `chat`, as it is kept. A group is not kept: there nobody votes, and members come and go."""

    async def __call__(self, handler: Handler, event: TelegramObject, data: dict[str, Any]) -> Any:  # noqa: ANN401 - aiogram's own
        """Look the chat up, then handle."""
        desk: Desk = data["desk"]
        user, place = data.get("event_from_user"), data.get("event_chat")
        if user is None or place is None or user.is_bot:
            return None
        language = language_hint(user.language_code)
        if place.type == PRIVATE:
            data["chat"] = await desk.chats.meet(place.id, user.id, language)
        else:
            data["chat"] = Chat(place.id, user.id, language)
        return await handler(event, data)


class EndSpinning(BaseMiddleware):
    """Answers every tap, with the words that its handler returned, if any."""

    async def __call__(self, handler: Handler, event: TelegramObject, data: dict[str, Any]) -> Any:  # noqa: ANN401 - aiogram's own
        """Handle, then answer whatever happened."""
        words: Any = None
        try:
            words = await handler(event, data)
        finally:
            if isinstance(event, CallbackQuery):
                await data["desk"].answer(event, words if isinstance(words, str) else None)
        return words


def words_of(message: Message) -> str:
    """What was written; empty for pictures and the like."""
    return (message.text or "").strip()
