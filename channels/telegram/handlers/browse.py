"""Looking around: contests, candidates, the ranking, rules, languages, receipts, one's own votes."""

from aiogram import F, Router
from aiogram.filters import Command, CommandObject, CommandStart
from aiogram.fsm.context import FSMContext
from aiogram.types import CallbackQuery, Message

from channels.phrases import catalogue, languages
from channels.telegram import callbacks, order_views, views
from channels.telegram.boards import Boards
from channels.telegram.desk import Desk, shown_in
from channels.telegram.handlers.common import PRIVATE, offer_left
from channels.telegram.port import Chat
from channels.telegram.reading import read_link
from channels.telegram.texts import plain, refusal
from channels.telegram.views import View
from gateway.contests.contest import Candidate, Contest
from gateway.orders.receipt import read_receipt
from gateway.orders.rules import check_candidate

MINE_LINES = 10


async def start(message: Message, command: CommandObject, state: FSMContext, desk: Desk, chat: Chat) -> None:
    """`/start`, with or without the payload of a deep link. Who left in the middle is offered to go on,
    once: the buttons of the offer carry all that is to be known."""
    left = offer_left(await state.get_data(), desk)
    await state.clear()
    link = read_link(command.args or "")
    if link is None:
        if left is not None:
            await desk.send(chat.chat_id, order_views.resume(chat.language, *left))
        else:
            await open_first(desk, chat)
        return
    code, slug = link
    having = desk.contests_with(code, slug)
    if len(having) == 1:
        await open_card(desk, chat, having[0], code)
    elif having:
        await desk.send(chat.chat_id, views.meant(chat.language, having, code))
    else:
        await desk.send(chat.chat_id, views.notice(chat.language, "home.unknown_code", code=code))
        await open_first(desk, chat)


async def open_first(desk: Desk, chat: Chat) -> None:
    """The only contest, or the list of them."""
    contest = desk.contest_of(chat)
    await desk.send(chat.chat_id, first_view(desk, chat, contest))


def first_view(desk: Desk, chat: Chat, contest: Contest | None) -> View:
    """The first view of this contest; without one, which contests there are."""
    now = desk.service.now()
    if contest is not None:
        return views.home(chat.language, contest, now)
    running = [c for c in desk.service.contests() if now < c.closes_at] or list(desk.service.contests())
    return views.contests(chat.language, running)


async def open_card(desk: Desk, chat: Chat, contest: Contest, code: str) -> str | None:
    """A candidate's card in a new message; words where there is no such candidate."""
    candidate = check_candidate(contest, code)
    if not isinstance(candidate, Candidate):
        return refusal(chat.language, candidate, contest, code)
    await desk.chats.visit(chat.chat_id, contest.id)
    ranking = desk.service.ranking(contest.slug)
    link = desk.link_to(contest, candidate)
    await desk.send(chat.chat_id, views.card(chat.language, contest, candidate, ranking, link))
    return None


async def tap_contest(query: CallbackQuery, callback_data: callbacks.OpenContest, desk: Desk, chat: Chat) -> str | None:
    """A contest was chosen."""
    contest, shown = desk.contest(callback_data.contest), shown_in(query)
    if contest is None or shown is None:
        return plain(chat.language, "alert.old")
    await desk.chats.visit(chat.chat_id, contest.id)
    await desk.replace(shown, views.home(chat.language, contest, desk.service.now()))
    return None


async def tap_people(query: CallbackQuery, callback_data: callbacks.OpenPeople, desk: Desk, chat: Chat) -> str | None:
    """A page of candidates was asked for."""
    contest, shown = desk.contest(callback_data.contest), shown_in(query)
    if contest is None or shown is None:
        return plain(chat.language, "alert.old")
    view = views.people(chat.language, contest, callback_data.page)
    if callback_data.here:
        await desk.replace(shown, view)
    else:
        await desk.send(chat.chat_id, view)
    return None


async def tap_card(query: CallbackQuery, callback_data: callbacks.OpenCard, desk: Desk, chat: Chat) -> str | None:
    """A candidate was chosen."""
    contest = desk.contest(callback_data.contest)
    if contest is None:
        return plain(chat.language, "alert.old")
    return await open_card(desk, chat, contest, callback_data.code)


async def tap_rules(query: CallbackQuery, callback_data: callbacks.OpenRules, desk: Desk, chat: Chat) -> str | None:
    """The rules were asked for."""
    contest, shown = desk.contest(callback_data.contest), shown_in(query)
    if contest is None or shown is None:
        return plain(chat.language, "alert.old")
    await desk.replace(shown, views.rules(chat.language, contest))
    return None


async def tap_board(
    query: CallbackQuery, callback_data: callbacks.OpenBoard, desk: Desk, chat: Chat, boards: Boards
) -> str | None:
    """The ranking was asked for, or is to be looked at again."""
    contest, shown = desk.contest(callback_data.contest), shown_in(query)
    if contest is None or shown is None:
        return plain(chat.language, "alert.old")
    place = shown if callback_data.here else None
    if is_private(query):
        await boards.show(chat, contest, place)
    else:
        await boards.show_once(chat.chat_id, contest, chat.language, place)
    return None


def is_private(query: CallbackQuery) -> bool:
    """Whether a tapped button stands in a private chat."""
    return query.message is not None and query.message.chat.type == PRIVATE


async def tap_menu(query: CallbackQuery, callback_data: callbacks.OpenMenu, desk: Desk, chat: Chat) -> str | None:
    """What belongs to no contest."""
    match callback_data.what:
        case "mine":
            await show_mine(desk, chat)
        case "languages":
            await desk.send(chat.chat_id, views.languages(chat.language, languages()))
        case "contests":
            await desk.send(chat.chat_id, first_view(desk, chat, None))
    return None


async def tap_language(
    query: CallbackQuery, callback_data: callbacks.ChooseLanguage, desk: Desk, chat: Chat
) -> str | None:
    """A language was chosen."""
    language = callback_data.language
    shown = shown_in(query)
    if language not in catalogue() or shown is None:
        return plain(chat.language, "alert.old")
    await desk.chats.speak(chat.chat_id, language)
    await desk.replace(shown, views.notice(language, "language.changed"))
    await desk.send(chat.chat_id, first_view(desk, Chat(chat.chat_id, chat.user_id, language), desk.contest_of(chat)))
    return None


async def board(message: Message, desk: Desk, chat: Chat, boards: Boards) -> None:
    """`/classement`, in groups too."""
    await show_board(desk, chat, boards, private=message.chat.type == PRIVATE)


async def show_board(desk: Desk, chat: Chat, boards: Boards, *, private: bool = True) -> None:
    """The ranking of the contest that the chat is about."""
    contest = desk.contest_of(chat)
    if contest is None:
        await desk.send(chat.chat_id, first_view(desk, chat, None))
    elif private:
        await boards.show(chat, contest)
    else:
        await boards.show_once(chat.chat_id, contest, chat.language)


async def mine(message: Message, desk: Desk, chat: Chat) -> None:
    """`/mesvotes`."""
    await show_mine(desk, chat)


async def show_mine(desk: Desk, chat: Chat) -> None:
    """What was ordered here."""
    await desk.send(chat.chat_id, views.my_votes(chat.language, await desk.chats.votes_of(chat, MINE_LINES)))


async def verify(message: Message, command: CommandObject, desk: Desk, chat: Chat) -> None:
    """`/verifier <receipt>`."""
    await show_receipt(desk, chat, (command.args or "").strip())


async def show_receipt(desk: Desk, chat: Chat, typed: str) -> None:
    """What a receipt proves, or why nothing."""
    await desk.send(chat.chat_id, await _receipt(desk, chat.language, typed))


async def _receipt(desk: Desk, language: str, typed: str) -> View:
    if not typed:
        return views.notice(language, "receipt.how")
    code = read_receipt(typed[:40])
    if code is None:
        return views.notice(language, "receipt.malformed")
    proof = await desk.service.receipt(code)
    return views.notice(language, "receipt.unknown") if proof is None else views.receipt(language, proof)


async def rules(message: Message, desk: Desk, chat: Chat) -> None:
    """`/regles`."""
    contest = desk.contest_of(chat)
    view = first_view(desk, chat, None) if contest is None else views.rules(chat.language, contest)
    await desk.send(chat.chat_id, view)


async def choose_language(message: Message, desk: Desk, chat: Chat) -> None:
    """`/langue`."""
    await desk.send(chat.chat_id, views.languages(chat.language, languages()))


async def help_(message: Message, desk: Desk, chat: Chat) -> None:
    """`/aide`."""
    await desk.send(chat.chat_id, views.help_text(chat.language, desk.contest_of(chat)))


async def only_in_private(message: Message, desk: Desk, chat: Chat) -> None:
    """`/start` in a group."""
    await desk.send(chat.chat_id, views.notice(chat.language, "group.vote"))


def router() -> Router:
    """Commands and buttons; in groups the ranking alone."""
    here = Router(name="browse")
    private = F.chat.type == PRIVATE
    here.message.register(start, CommandStart(), private)
    here.message.register(only_in_private, CommandStart())
    here.message.register(board, Command("classement", "ranking", "top"))
    for handler, names in (
        (mine, ("mesvotes", "myvotes")),
        (verify, ("verifier", "verify")),
        (rules, ("regles", "rules")),
        (choose_language, ("langue", "language")),
        (help_, ("aide", "help")),
    ):
        here.message.register(handler, Command(*names), private)
    here.callback_query.register(tap_board, callbacks.OpenBoard.filter())
    taps = F.message.chat.type == PRIVATE
    for tap, kind in (
        (tap_contest, callbacks.OpenContest),
        (tap_people, callbacks.OpenPeople),
        (tap_card, callbacks.OpenCard),
        (tap_rules, callbacks.OpenRules),
        (tap_menu, callbacks.OpenMenu),
        (tap_language, callbacks.ChooseLanguage),
    ):
        here.callback_query.register(tap, kind.filter(), taps)
    return here
