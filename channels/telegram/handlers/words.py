"""Free text, unknown buttons, and blocked bots: what no other handler took.

Words are read by the grammar of texts. An order is never placed by words here: its confirmation has a button."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from aiogram import F, Router
from aiogram.enums import ChatMemberStatus
from aiogram.fsm.context import FSMContext
from aiogram.types import CallbackQuery, ChatMemberUpdated, Message

from channels.buying import named, refusal_words
from channels.grammar import Ask, Check, Doubt, Noise, Say, Vote, Word
from channels.telegram import order_views, views
from channels.telegram.context import PRIVATE, Context, offer_left, words_of
from channels.telegram.handlers.browse import (
    first_view,
    open_card,
    open_first,
    open_ticket,
    show_debited,
    show_mine,
    show_ranking,
    show_receipt,
)
from channels.telegram.handlers.buying import choose
from channels.telegram.live import LiveRankings
from channels.telegram.reading import in_each, unknown_code
from channels.telegram.store import Chat
from channels.telegram.texts import cut, plain
from channels.telegram.views import View
from gateway.contests.contest import Contest
from gateway.orders.rules import Refusal

FOUND_MAX: Final = 8
_TYPED_SHOWN: Final = 40
_GONE: Final = frozenset({ChatMemberStatus.KICKED, ChatMemberStatus.LEFT})
_REFUSALS: Final = {
    Doubt.UNKNOWN_CODE: Refusal.UNKNOWN_CANDIDATE,
    Doubt.NOT_STANDING: Refusal.CANDIDATE_NOT_STANDING,
    Doubt.TOO_MANY: Refusal.TOO_MANY,
}


@dataclass(frozen=True, slots=True)
class _Written:
    """What a voter wrote, with what is needed to answer it."""

    words: str
    state: FSMContext
    context: Context
    chat: Chat
    rankings: LiveRankings

    async def send(self, view: View) -> None:
        """A new message."""
        await self.context.send(self.chat.chat_id, view)

    async def notice(self, key: str) -> None:
        """One phrase."""
        await self.send(views.notice(self.chat.language, key))


async def words(message: Message, state: FSMContext, context: Context, chat: Chat, rankings: LiveRankings) -> None:
    """A code, a code with a number, a name, a receipt, or a word such as STOP."""
    written = _Written(words_of(message), state, context, chat, rankings)
    match context.read(chat, written.words):
        case Vote() as order:
            await _order(written, order)
        case Ask() as ask:
            await _asked(written, ask)
        case Say(word=word):
            await _WORDS[word](written)
        case Check(typed=typed):
            await show_receipt(context, chat, typed)
        case Noise():
            await _search(written)


async def _order(written: _Written, order: Vote) -> None:
    """So many votes lead to the confirmation, a candidate alone to the card."""
    context, chat, contest = written.context, written.chat, order.contest
    if order.counted:
        text = await choose(context, chat, written.state, contest, order.code, order.quantity)
    else:
        text = await open_card(context, chat, contest, order.code)
    if text:
        await written.send(order_views.refused(chat.language, text, contest))


async def _asked(written: _Written, ask: Ask) -> None:
    language = written.chat.language
    if ask.doubt in (Doubt.WHICH_CONTEST, Doubt.UNKNOWN_CODE):
        await _in_some_contest(written, ask)
        return
    if ask.doubt is Doubt.PIN:
        await written.notice("typed.pin")
    if ask.readings:
        key = "typed.several" if ask.doubt is Doubt.SEVERAL else "typed.readings"
        await written.send(order_views.readings(language, key, [*([ask.offer] if ask.offer else []), *ask.readings]))
    elif ask.offer is not None:
        await _order(written, ask.offer)
    elif ask.options and ask.contest is not None:
        await written.send(views.found(language, ask.contest, ask.options))
    elif ask.doubt in _REFUSALS:
        await _refused(written, ask.contest, _REFUSALS[ask.doubt], ask.code)
    elif ask.doubt in (Doubt.QUANTITY, Doubt.PRICE) and ask.code and ask.contest is not None:
        # The card asks how many.
        await open_card(written.context, written.chat, ask.contest, ask.code)
    elif ask.doubt is not Doubt.PIN:
        await _search(written)


async def _in_some_contest(written: _Written, ask: Ask) -> None:
    """Words that are an order in another contest than the chat's, or in several."""
    orders = in_each(written.words, written.context.service.contests(), written.context.service.now())
    if len(orders) == 1:
        await _order(written, orders[0])
    elif orders and len({order.code for order in orders}) == 1:
        first = orders[0]
        having = [order.contest for order in orders]
        count = first.quantity if first.counted else None
        await written.send(views.meant(written.chat.language, having, first.code, count))
    elif code := ask.code or unknown_code(written.words, written.context.service.contests()):
        await _refused(written, ask.contest, Refusal.UNKNOWN_CANDIDATE, code)
    else:
        await written.send(first_view(written.context, written.chat, None))


async def _refused(written: _Written, contest: Contest | None, why: Refusal, code: str) -> None:
    text = refusal_words(written.chat.language, why, contest, cut(code, _TYPED_SHOWN))
    await written.send(order_views.refused(written.chat.language, text, contest))


async def _search(written: _Written) -> None:
    """The candidates whose name has these words."""
    context, chat = written.context, written.chat
    contest = context.contest_of(chat)
    if contest is None:
        await written.send(first_view(context, chat, None))
        return
    found = named(contest, written.words)[:FOUND_MAX]
    if len(found) == 1:
        await open_card(context, chat, contest, found[0].code)
    elif found:
        await written.send(views.found(chat.language, contest, found))
    else:
        nobody = views.notice(chat.language, "home.not_found", typed=cut(written.words, _TYPED_SHOWN))
        await written.send(View(nobody.text, views.home(chat.language, contest, context.service.now()).rows))


async def _help(written: _Written) -> None:
    await written.send(views.help_text(written.chat.language, written.context.contest_of(written.chat)))


async def _info(written: _Written) -> None:
    contest = written.context.contest_of(written.chat)
    view = (
        first_view(written.context, written.chat, None)
        if contest is None
        else views.rules(written.chat.language, contest)
    )
    await written.send(view)


async def _stop(written: _Written) -> None:
    await written.state.clear()
    await written.send(View(views.notice(written.chat.language, "typed.stop").text, frees_keys=True))


async def _start(written: _Written) -> None:
    await written.state.clear()
    await open_first(written.context, written.chat)


async def _yes(written: _Written) -> None:
    """Only a button pays: the offer that was left is shown once more."""
    left = offer_left(await written.state.get_data(), written.context)
    if left is None:
        await open_first(written.context, written.chat)
    else:
        await written.send(order_views.resume(written.chat.language, *left))


async def _no(written: _Written) -> None:
    await written.state.clear()
    await written.send(View(views.notice(written.chat.language, "confirm.cancelled").text, frees_keys=True))


async def _debited(written: _Written) -> None:
    await show_debited(written.context, written.chat)


async def _ticket(written: _Written) -> None:
    await open_ticket(written.context, written.chat)


async def _status(written: _Written) -> None:
    await show_mine(written.context, written.chat)


async def _top(written: _Written) -> None:
    await show_ranking(written.context, written.chat, written.rankings)


_WORDS: Final[dict[Word, Callable[[_Written], Awaitable[None]]]] = {
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


async def something_else(message: Message, context: Context, chat: Chat) -> None:
    """A picture, a voice, a sticker."""
    await context.send(chat.chat_id, views.notice(chat.language, "home.words_only"))


async def unknown_tap(query: CallbackQuery, chat: Chat) -> str:
    """A button that the bot does not make, or no longer makes."""
    return plain(chat.language, "alert.old")


async def came_or_went(event: ChatMemberUpdated, context: Context) -> None:
    """The bot was blocked, or let in again."""
    if event.chat.type == PRIVATE:
        await context.chats.set_reachable(event.chat.id, reachable=event.new_chat_member.status not in _GONE)


def router() -> Router:
    """Handlers for what the other routers left."""
    here = Router(name="words")
    private = F.chat.type == PRIVATE
    here.message.register(words, F.text, private)
    here.message.register(something_else, private)
    here.callback_query.register(unknown_tap)
    here.my_chat_member.register(came_or_went)
    return here
