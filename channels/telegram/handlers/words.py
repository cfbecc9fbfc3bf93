"""Free words, buttons that mean nothing, and who came or went: what no other handler took.

Words are read by the grammar of texts. An order is never placed by words here: its confirmation has a button.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from aiogram import F, Router
from aiogram.enums import ChatMemberStatus
from aiogram.fsm.context import FSMContext
from aiogram.types import CallbackQuery, ChatMemberUpdated, Message

from channels.grammar import Ask, Check, Doubt, Noise, Say, Vote, Word
from channels.telegram import order_views, views
from channels.telegram.boards import Boards
from channels.telegram.desk import Desk
from channels.telegram.handlers import debited
from channels.telegram.handlers.browse import first_view, open_card, open_first, show_board, show_mine, show_receipt
from channels.telegram.handlers.buying import choose
from channels.telegram.handlers.common import PRIVATE, offer_left, words_of
from channels.telegram.port import Chat
from channels.telegram.reading import in_each, search, unknown_code
from channels.telegram.texts import cut, plain, refusal
from channels.telegram.views import View
from gateway.contests.contest import Contest
from gateway.orders.rules import Refusal

_TYPED_SHOWN: Final = 40
_GONE: Final = frozenset({ChatMemberStatus.KICKED, ChatMemberStatus.LEFT})
_REFUSALS: Final = {
    Doubt.UNKNOWN_CODE: Refusal.UNKNOWN_CANDIDATE,
    Doubt.NOT_STANDING: Refusal.CANDIDATE_NOT_STANDING,
    Doubt.TOO_MANY: Refusal.TOO_MANY,
}


@dataclass(frozen=True, slots=True)
class _Said:
    """Words of a chat, with what is needed to answer them."""

    words: str
    state: FSMContext
    desk: Desk
    chat: Chat
    boards: Boards

    async def send(self, view: View) -> None:
        """A new message."""
        await self.desk.send(self.chat.chat_id, view)

    async def notice(self, key: str) -> None:
        """One phrase."""
        await self.send(views.notice(self.chat.language, key))


async def words(message: Message, state: FSMContext, desk: Desk, chat: Chat, boards: Boards) -> None:
    """A code, a code with a number, a name, a receipt, or a word such as STOP."""
    said = _Said(words_of(message), state, desk, chat, boards)
    match desk.read(chat, said.words):
        case Vote() as order:
            await _order(said, order)
        case Ask() as ask:
            await _asked(said, ask)
        case Say(word=word):
            await _WORDS[word](said)
        case Check(typed=typed):
            await show_receipt(desk, chat, typed)
        case Noise():
            await _search(said)


async def _order(said: _Said, order: Vote) -> None:
    """So many votes lead to the confirmation, a candidate alone to the card."""
    desk, chat, contest = said.desk, said.chat, order.contest
    if order.counted:
        told = await choose(desk, chat, said.state, contest, order.code, order.quantity)
    else:
        told = await open_card(desk, chat, contest, order.code)
    if told:
        await said.send(order_views.refused(chat.language, told, contest))


async def _asked(said: _Said, ask: Ask) -> None:
    language = said.chat.language
    if ask.doubt in (Doubt.WHICH_CONTEST, Doubt.UNKNOWN_CODE):
        await _in_some_contest(said, ask)
        return
    if ask.doubt is Doubt.PIN:
        await said.notice("typed.pin")
    if ask.readings:
        key = "typed.several" if ask.doubt is Doubt.SEVERAL else "typed.readings"
        await said.send(order_views.readings(language, key, [*([ask.offer] if ask.offer else []), *ask.readings]))
    elif ask.offer is not None:
        await _order(said, ask.offer)
    elif ask.options and ask.contest is not None:
        await said.send(views.found(language, ask.contest, ask.options))
    elif ask.doubt in _REFUSALS:
        await _refused(said, ask.contest, _REFUSALS[ask.doubt], ask.code)
    elif ask.doubt in (Doubt.QUANTITY, Doubt.PRICE) and ask.code and ask.contest is not None:
        # The card asks how many.
        await open_card(said.desk, said.chat, ask.contest, ask.code)
    elif ask.doubt is not Doubt.PIN:
        await _search(said)


async def _in_some_contest(said: _Said, ask: Ask) -> None:
    """Words that are an order in a contest that the chat is not about, or in several."""
    orders = in_each(said.words, said.desk.service.contests(), said.desk.service.now())
    if len(orders) == 1:
        await _order(said, orders[0])
    elif orders and len({order.code for order in orders}) == 1:
        first = orders[0]
        having = [order.contest for order in orders]
        count = first.quantity if first.counted else None
        await said.send(views.meant(said.chat.language, having, first.code, count))
    elif code := ask.code or unknown_code(said.words, said.desk.service.contests()):
        await _refused(said, ask.contest, Refusal.UNKNOWN_CANDIDATE, code)
    else:
        await said.send(first_view(said.desk, said.chat, None))


async def _refused(said: _Said, contest: Contest | None, why: Refusal, code: str) -> None:
    told = refusal(said.chat.language, why, contest, cut(code, _TYPED_SHOWN))
    await said.send(order_views.refused(said.chat.language, told, contest))


async def _search(said: _Said) -> None:
    """Whose name has these words."""
    desk, chat = said.desk, said.chat
    contest = desk.contest_of(chat)
    if contest is None:
        await said.send(first_view(desk, chat, None))
        return
    found = search(contest, said.words)
    if len(found) == 1:
        await open_card(desk, chat, contest, found[0].code)
    elif found:
        await said.send(views.found(chat.language, contest, found))
    else:
        nobody = views.notice(chat.language, "home.not_found", typed=cut(said.words, _TYPED_SHOWN))
        await said.send(View(nobody.text, views.home(chat.language, contest, desk.service.now()).rows))


async def _help(said: _Said) -> None:
    await said.send(views.help_text(said.chat.language, said.desk.contest_of(said.chat)))


async def _info(said: _Said) -> None:
    contest = said.desk.contest_of(said.chat)
    view = first_view(said.desk, said.chat, None) if contest is None else views.rules(said.chat.language, contest)
    await said.send(view)


async def _stop(said: _Said) -> None:
    await said.state.clear()
    await said.send(View(views.notice(said.chat.language, "typed.stop").text, frees_keys=True))


async def _start(said: _Said) -> None:
    await said.state.clear()
    await open_first(said.desk, said.chat)


async def _yes(said: _Said) -> None:
    """Only a button pays: what was left is shown once more."""
    left = offer_left(await said.state.get_data(), said.desk)
    if left is None:
        await open_first(said.desk, said.chat)
    else:
        await said.send(order_views.resume(said.chat.language, *left))


async def _no(said: _Said) -> None:
    await said.state.clear()
    await said.send(View(views.notice(said.chat.language, "confirm.cancelled").text, frees_keys=True))


async def _debited(said: _Said) -> None:
    await debited.look(said.desk, said.chat)


async def _ticket(said: _Said) -> None:
    await debited.open_ticket(said.desk, said.chat)


async def _status(said: _Said) -> None:
    await show_mine(said.desk, said.chat)


async def _top(said: _Said) -> None:
    await show_board(said.desk, said.chat, said.boards)


_WORDS: Final[dict[Word, Callable[[_Said], Awaitable[None]]]] = {
    Word.HELP: _help,
    Word.INFO: _info,
    Word.STOP: _stop,
    Word.START: _start,
    Word.STATUS: _status,
    Word.DEBITED: _debited,
    Word.TICKET: _ticket,
    Word.TOP: _top,
    Word.YES: _yes,
    Word.NO: _no,
}


async def something_else(message: Message, desk: Desk, chat: Chat) -> None:
    """A picture, a voice, a sticker."""
    await desk.send(chat.chat_id, views.notice(chat.language, "home.words_only"))


async def strange_tap(query: CallbackQuery, chat: Chat) -> str:
    """A button that we never made, or no longer make."""
    return plain(chat.language, "alert.old")


async def came_or_went(event: ChatMemberUpdated, desk: Desk) -> None:
    """The bot was blocked, or let in again."""
    if event.chat.type == PRIVATE:
        await desk.chats.reachable(event.chat.id, reachable=event.new_chat_member.status not in _GONE)


def router() -> Router:
    """The last to be asked."""
    here = Router(name="words")
    private = F.chat.type == PRIVATE
    here.message.register(words, F.text, private)
    here.message.register(something_else, private)
    here.callback_query.register(strange_tap)
    here.my_chat_member.register(came_or_went)
    return here
