"""Free words, buttons that mean nothing, and who came or went: what no other handler took."""

from aiogram import F, Router
from aiogram.enums import ChatMemberStatus
from aiogram.fsm.context import FSMContext
from aiogram.types import CallbackQuery, ChatMemberUpdated, Message

from channels.telegram import order_views, views
from channels.telegram.desk import Desk
from channels.telegram.handlers.browse import first_view, open_card
from channels.telegram.handlers.buying import choose
from channels.telegram.handlers.common import PRIVATE, words_of
from channels.telegram.reading import TypedVote, read_vote, search
from channels.telegram.texts import cut, plain, refusal
from channels.telegram.views import View
from gateway.domain.contest import Contest
from gateway.domain.order import Refusal
from gateway.ports.telegram import Chat

_TYPED_SHOWN = 40
_GONE = frozenset({ChatMemberStatus.KICKED, ChatMemberStatus.LEFT})


async def words(message: Message, state: FSMContext, desk: Desk, chat: Chat) -> None:
    """A code, a code with a number, or a name."""
    typed = words_of(message)
    if (vote := read_vote(typed)) is not None:
        await _vote(desk, chat, state, vote)
        return
    contest = desk.contest_of(chat)
    if contest is None:
        await desk.send(chat.chat_id, first_view(desk, chat, None))
        return
    found = search(contest, typed)
    if len(found) == 1:
        await open_card(desk, chat, contest, found[0].code)
    elif found:
        await desk.send(chat.chat_id, views.found(chat.language, contest, found))
    else:
        nobody = views.notice(chat.language, "home.not_found", typed=cut(typed, _TYPED_SHOWN))
        await desk.send(chat.chat_id, View(nobody.text, views.home(chat.language, contest, desk.house.now()).rows))


async def _vote(desk: Desk, chat: Chat, state: FSMContext, vote: TypedVote) -> None:
    contest = desk.contest_of(chat)
    if contest is None or contest.candidate(vote.code) is None:
        having = desk.contests_with(vote.code)
        if contest is None and len(having) > 1:
            await desk.send(chat.chat_id, views.meant(chat.language, having, vote.code, vote.count))
            return
        contest = having[0] if len(having) == 1 else contest
    if contest is None or contest.candidate(vote.code) is None:
        await desk.send(chat.chat_id, _unknown(chat, contest, vote.code))
        return
    if vote.count is None:
        told = await open_card(desk, chat, contest, vote.code)
    else:
        told = await choose(desk, chat, state, contest, vote.code, vote.count)
    if told:
        await desk.send(chat.chat_id, order_views.refused(chat.language, told, contest))


def _unknown(chat: Chat, contest: Contest | None, code: str) -> View:
    told = refusal(chat.language, Refusal.UNKNOWN_CANDIDATE, contest, code)
    return order_views.refused(chat.language, told, contest)


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
