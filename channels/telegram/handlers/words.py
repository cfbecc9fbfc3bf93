"""Free text, the contest that it was meant for, unknown buttons, and blocked bots: what no other handler took.

Words are read by the grammar of texts. An order is never placed by words here: its confirmation has a button.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from aiogram import F, Router
from aiogram.enums import ChatMemberStatus
from aiogram.types import CallbackQuery, ChatMemberUpdated, Message

from channels.buying import named, refusal_words
from channels.grammar import REFUSED_AS, Ask, Check, Doubt, Noise, Say, Vote, Word
from channels.telegram import buttons, order_views, views
from channels.telegram.context import PRIVATE, Context, Conversation, Shown, of_a_contest, words_of
from channels.telegram.handlers.browse import (
    first_view,
    open_card,
    open_first,
    open_ticket,
    show_debited,
    show_help,
    show_mine,
    show_ranking,
    show_receipt,
    show_rules,
)
from channels.telegram.handlers.buying import choose
from channels.telegram.live import LiveRankings
from channels.telegram.reading import in_each, unknown_code
from channels.telegram.texts import cut, plain, say
from channels.telegram.views import View
from gateway.contests.contest import Contest
from gateway.orders.rules import Refusal

FOUND_MAX: Final = 8
_TYPED_SHOWN: Final = 40
_GONE: Final = frozenset({ChatMemberStatus.KICKED, ChatMemberStatus.LEFT})


async def words(message: Message, conversation: Conversation, rankings: LiveRankings) -> None:
    """A code, a code with a number, a name, a receipt, or a word such as STOP."""
    await _act_on(words_of(message), conversation, rankings)


async def _act_on(typed: str, conversation: Conversation, rankings: LiveRankings) -> None:
    match conversation.read(typed):
        case Vote() as order:
            await _order(conversation, order)
        case Ask() as ask:
            await _asked(conversation, typed, ask)
        case Say(word=Word.TOP):
            await show_ranking(conversation, rankings)
        case Say(word=word):
            await _WORDS[word](conversation)
        case Check(typed=receipt):
            await show_receipt(conversation, receipt)
        case Noise():
            await _search(conversation, typed)


async def _order(conversation: Conversation, order: Vote) -> None:
    """So many votes lead to the confirmation, a candidate alone to the card."""
    if order.counted:
        text = await choose(conversation, order.contest, order.code, order.quantity)
    else:
        text = await open_card(conversation, order.contest, order.code)
    if text:
        await conversation.send(order_views.refused(conversation.language, text, order.contest))


async def _asked(conversation: Conversation, typed: str, ask: Ask) -> None:
    language = conversation.language
    if ask.doubt in (Doubt.WHICH_CONTEST, Doubt.UNKNOWN_CODE):
        await _in_some_contest(conversation, typed, ask)
        return
    if ask.doubt is Doubt.PIN:
        await conversation.notice("typed.pin")
    if ask.readings:
        key = "typed.several" if ask.doubt is Doubt.SEVERAL else "typed.readings"
        orders = [*([ask.offer] if ask.offer else []), *ask.readings]
        await conversation.send(order_views.readings(language, key, orders))
    elif ask.offer is not None:
        await _order(conversation, ask.offer)
    elif ask.options and ask.contest is not None:
        await conversation.send(views.found(language, ask.contest, ask.options))
    elif ask.doubt in REFUSED_AS:
        await _refuse(conversation, ask.contest, REFUSED_AS[ask.doubt], ask.code)
    elif ask.doubt in (Doubt.QUANTITY, Doubt.PRICE) and ask.code and ask.contest is not None:
        # The card asks how many.
        await open_card(conversation, ask.contest, ask.code)
    elif ask.doubt is not Doubt.PIN:
        await _search(conversation, typed)


async def _in_some_contest(conversation: Conversation, typed: str, ask: Ask) -> None:
    """Words that are an order in another contest than the chat's, or in several."""
    contests = conversation.service.contests()
    orders = in_each(typed, contests, conversation.service.now())
    if len(orders) == 1:
        await _order(conversation, orders[0])
    elif orders and len({order.code for order in orders}) == 1:
        first = orders[0]
        having = [order.contest for order in orders]
        count = first.quantity if first.counted else None
        await conversation.send(views.meant(conversation.language, having, first.code, count))
    elif code := ask.code or unknown_code(typed, contests):
        await _refuse(conversation, ask.contest, Refusal.UNKNOWN_CANDIDATE, code)
    else:
        await _ask_contest(conversation, typed)


async def _ask_contest(conversation: Conversation, typed: str) -> None:
    """Which contest these words are meant for; they are kept until one is chosen."""
    await conversation.state.update_data(typed=typed)
    await conversation.send(first_view(conversation, None))


async def tap_contest(
    query: CallbackQuery, contest: Contest, shown: Shown, conversation: Conversation, rankings: LiveRankings
) -> None:
    """A contest was chosen: its first view, then what was typed before."""
    context, chat = conversation.context, conversation.chat
    await context.chats.set_contest(chat.chat_id, contest.id)
    await context.replace(shown, views.home(chat.language, contest, context.service.now()))
    data = await conversation.state.get_data()
    typed = data.pop("typed", None)
    if isinstance(typed, str):
        await conversation.state.set_data(data)
        await _act_on(typed, replace(conversation, chat=replace(chat, contest_id=contest.id)), rankings)


async def _refuse(conversation: Conversation, contest: Contest | None, why: Refusal, code: str) -> None:
    text = refusal_words(conversation.language, why, contest, cut(code, _TYPED_SHOWN))
    await conversation.send(order_views.refused(conversation.language, text, contest))


async def _search(conversation: Conversation, typed: str) -> None:
    """The candidates whose name has these words."""
    contest, language = conversation.contest, conversation.language
    if contest is None:
        if any(named(one, typed) for one in conversation.service.contests()):
            await _ask_contest(conversation, typed)
        else:
            await conversation.send(first_view(conversation, None))
        return
    found = named(contest, typed)[:FOUND_MAX]
    if len(found) == 1:
        await open_card(conversation, contest, found[0].code)
    elif found:
        await conversation.send(views.found(language, contest, found))
    else:
        text = say(language, "home.not_found", typed=cut(typed, _TYPED_SHOWN))
        await conversation.send(View(text, first_view(conversation, contest).rows))


async def _stop(conversation: Conversation) -> None:
    await conversation.state.clear()
    await conversation.notice("typed.stop", frees_keys=True)


async def _start(conversation: Conversation) -> None:
    await conversation.state.clear()
    await open_first(conversation)


async def _yes(conversation: Conversation) -> None:
    """Only a button pays: the offer that was left is shown once more."""
    left = await conversation.offer_left()
    if left is None:
        await open_first(conversation)
    else:
        await conversation.send(order_views.resume(conversation.language, *left))


async def _no(conversation: Conversation) -> None:
    await conversation.state.clear()
    await conversation.notice("confirm.cancelled", frees_keys=True)


_WORDS: Final[dict[Word, Callable[[Conversation], Awaitable[None]]]] = {
    Word.HELP: show_help,
    Word.INFO: show_rules,
    Word.STOP: _stop,
    Word.START: _start,
    Word.STATUS: show_mine,
    Word.DEBITED: show_debited,
    Word.TICKET: open_ticket,
    Word.YES: _yes,
    Word.NO: _no,
}


async def something_else(message: Message, conversation: Conversation) -> None:
    """A picture, a voice, a sticker."""
    await conversation.notice("home.words_only")


async def unknown_tap(query: CallbackQuery, conversation: Conversation) -> str:
    """A button that the bot does not make, or no longer makes, or whose contest is gone."""
    return plain(conversation.language, "alert.old")


async def blocked_or_unblocked(event: ChatMemberUpdated, context: Context) -> None:
    """The voter blocked the bot, or let it in again."""
    if event.chat.type == PRIVATE:
        await context.chats.set_reachable(event.chat.id, reachable=event.new_chat_member.status not in _GONE)


def router() -> Router:
    """Handlers for what the other routers left."""
    here = Router(name="words")
    private = F.chat.type == PRIVATE
    here.message.register(words, F.text, private)
    here.message.register(something_else, private)
    tapped = F.message.chat.type == PRIVATE
    here.callback_query.register(tap_contest, buttons.OpenContest.filter(), tapped, of_a_contest)
    here.callback_query.register(unknown_tap)
    here.my_chat_member.register(blocked_or_unblocked)
    return here
