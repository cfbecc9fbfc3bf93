"""I was debited: what became of the payments of this chat, and a person where that stays unclear."""

from typing import Final

from aiogram import F, Router
from aiogram.filters import Command
from aiogram.types import CallbackQuery, Message

from channels.telegram import callbacks, debited_views
from channels.telegram.desk import Desk
from channels.telegram.handlers.common import PRIVATE
from channels.telegram.port import Chat
from channels.telegram.reading import own_number
from gateway.values.msisdn import Msisdn
from payments.rescue.rules import OfChat

_TAPS: Final = frozenset({"debited", "ticket"})


async def debited(message: Message, desk: Desk, chat: Chat) -> None:
    """`/debite`."""
    await look(desk, chat)


async def tap(query: CallbackQuery, callback_data: callbacks.OpenMenu, desk: Desk, chat: Chat) -> None:
    """The same by a button, or the vote request that a person looks."""
    if callback_data.what == "debited":
        await look(desk, chat)
    else:
        await open_ticket(desk, chat)


async def open_ticket(desk: Desk, chat: Chat) -> None:
    """Have a person look."""
    number = await desk.service.open_ticket(_claim(desk, chat), chat.language)
    await desk.send(chat.chat_id, debited_views.ticket(chat.language, number, desk.contest_of(chat)))


async def look(desk: Desk, chat: Chat) -> None:
    """What became of the payments."""
    claim = _claim(desk, chat)
    found = await desk.service.rescue(claim, chat.language)
    await desk.send(chat.chat_id, debited_views.found(chat.language, found, claim.number, desk.public_url))


def _claim(desk: Desk, chat: Chat) -> OfChat:
    """What was ordered in this chat, and what its verified number paid anywhere."""
    contest = desk.contest_of(chat)
    return OfChat(chat.chat_id, _verified(desk, chat), contest.id if contest else None)


def _verified(desk: Desk, chat: Chat) -> Msisdn | None:
    numbers = (own_number(chat.phone, contest) for contest in desk.service.contests())
    return next((number for number in numbers if number is not None), None)


def router() -> Router:
    """Private chats only."""
    here = Router(name="debited")
    here.message.register(debited, Command("debite", "debited"), F.chat.type == PRIVATE)
    here.callback_query.register(tap, callbacks.OpenMenu.filter(F.what.in_(_TAPS)), F.message.chat.type == PRIVATE)
    return here
