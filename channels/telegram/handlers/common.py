"""Who speaks and about what: given to every handler by a middleware."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiogram import BaseMiddleware
from aiogram.enums import ChatType
from aiogram.types import CallbackQuery, Message, TelegramObject

from channels.telegram.desk import Desk, language_hint
from channels.telegram.port import Chat
from channels.telegram.reading import Offer, offer
from gateway.orders.rules import Refusal

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


def offer_in(data: dict[str, Any], desk: Desk) -> Offer | Refusal | None:
    """What the voter was asked about; None when that is forgotten or garbled."""
    contest, code, count = desk.contest(str(data.get("contest"))), data.get("code"), data.get("count")
    if contest is None or not isinstance(code, str) or not isinstance(count, int):
        return None
    return offer(contest, code, count, desk.service.now())


def offer_left(data: dict[str, Any], desk: Desk) -> tuple[Offer, bool] | None:
    """What may be gone on with, and whether the number of votes was chosen; None where nothing may."""
    counted = "count" in data
    found = offer_in(data if counted else {**data, "count": 1}, desk)
    return (found, counted) if isinstance(found, Offer) else None


def words_of(message: Message) -> str:
    """What was written; empty for pictures and the like."""
    return (message.text or "").strip()
