"""Contests, candidates, the ranking, rules, languages, receipts, a voter's own votes, and payments without a vote."""

from typing import Final

from aiogram import F, Router
from aiogram.filters import Command, CommandObject, CommandStart
from aiogram.fsm.context import FSMContext
from aiogram.types import CallbackQuery, Message

from channels.buying import own_number, refusal_words
from channels.phrases import catalogue, languages
from channels.telegram import buttons, order_views, views
from channels.telegram.context import PRIVATE, Context, offer_left, shown_in
from channels.telegram.live import LiveRankings
from channels.telegram.reading import read_link
from channels.telegram.store import Chat
from channels.telegram.texts import plain
from channels.telegram.views import View
from gateway.contests.contest import Candidate, Contest
from gateway.orders.receipt import read_receipt
from gateway.orders.rules import check_candidate
from gateway.values.msisdn import Msisdn
from payments.rescue.rules import OfChat

MINE_LINES: Final = 10
_OF_DEBITED: Final = frozenset({"debited", "ticket"})


async def start(message: Message, command: CommandObject, state: FSMContext, context: Context, chat: Chat) -> None:
    """`/start`, with or without the payload of a deep link. A voter who left in the middle is offered to go on,
    once: the buttons of the offer carry all that is needed."""
    left = offer_left(await state.get_data(), context)
    await state.clear()
    link = read_link(command.args or "")
    if link is None:
        if left is not None:
            await context.send(chat.chat_id, order_views.resume(chat.language, *left))
        else:
            await open_first(context, chat)
        return
    code, slug = link
    having = context.contests_with(code, slug)
    if len(having) == 1:
        await open_card(context, chat, having[0], code)
    elif having:
        await context.send(chat.chat_id, views.meant(chat.language, having, code))
    else:
        await context.send(chat.chat_id, views.notice(chat.language, "home.unknown_code", code=code))
        await open_first(context, chat)


async def open_first(context: Context, chat: Chat) -> None:
    """The only contest, or the list of them."""
    contest = context.contest_of(chat)
    await context.send(chat.chat_id, first_view(context, chat, contest))


def first_view(context: Context, chat: Chat, contest: Contest | None) -> View:
    """The first view of this contest; without one, which contests there are."""
    now = context.service.now()
    if contest is not None:
        return views.home(chat.language, contest, now)
    running = [c for c in context.service.contests() if now < c.closes_at] or list(context.service.contests())
    return views.contests(chat.language, running)


async def open_card(context: Context, chat: Chat, contest: Contest, code: str) -> str | None:
    """A candidate's card in a new message; where there is no such candidate, the text that says so."""
    candidate = check_candidate(contest, code)
    if not isinstance(candidate, Candidate):
        return refusal_words(chat.language, candidate, contest, code)
    await context.chats.set_contest(chat.chat_id, contest.id)
    counted, link = context.service.ranking(contest.slug), context.link_to(contest, candidate)
    await context.send(chat.chat_id, views.card(chat.language, contest, candidate, counted, link))
    return None


async def tap_contest(
    query: CallbackQuery, callback_data: buttons.OpenContest, context: Context, chat: Chat
) -> str | None:
    """A contest was chosen."""
    contest, shown = context.contest(callback_data.contest), shown_in(query)
    if contest is None or shown is None:
        return plain(chat.language, "alert.old")
    await context.chats.set_contest(chat.chat_id, contest.id)
    await context.replace(shown, views.home(chat.language, contest, context.service.now()))
    return None


async def tap_people(
    query: CallbackQuery, callback_data: buttons.OpenPeople, context: Context, chat: Chat
) -> str | None:
    """A page of candidates was asked for."""
    contest, shown = context.contest(callback_data.contest), shown_in(query)
    if contest is None or shown is None:
        return plain(chat.language, "alert.old")
    view = views.people(chat.language, contest, callback_data.page)
    if callback_data.here:
        await context.replace(shown, view)
    else:
        await context.send(chat.chat_id, view)
    return None


async def tap_card(query: CallbackQuery, callback_data: buttons.OpenCard, context: Context, chat: Chat) -> str | None:
    """A candidate was chosen."""
    contest = context.contest(callback_data.contest)
    if contest is None:
        return plain(chat.language, "alert.old")
    return await open_card(context, chat, contest, callback_data.code)


async def tap_rules(query: CallbackQuery, callback_data: buttons.OpenRules, context: Context, chat: Chat) -> str | None:
    """The rules were asked for."""
    contest, shown = context.contest(callback_data.contest), shown_in(query)
    if contest is None or shown is None:
        return plain(chat.language, "alert.old")
    await context.replace(shown, views.rules(chat.language, contest))
    return None


async def tap_ranking(
    query: CallbackQuery, callback_data: buttons.OpenRanking, context: Context, chat: Chat, rankings: LiveRankings
) -> str | None:
    """The ranking was asked for, or is to be refreshed."""
    contest, shown = context.contest(callback_data.contest), shown_in(query)
    if contest is None or shown is None:
        return plain(chat.language, "alert.old")
    place = shown if callback_data.here else None
    if is_private(query):
        await rankings.show(chat, contest, place)
    else:
        await rankings.show_once(chat.chat_id, contest, chat.language, place)
    return None


def is_private(query: CallbackQuery) -> bool:
    """Whether a tapped button stands in a private chat."""
    return query.message is not None and query.message.chat.type == PRIVATE


async def tap_menu(query: CallbackQuery, callback_data: buttons.OpenMenu, context: Context, chat: Chat) -> str | None:
    """A menu entry that belongs to no contest."""
    match callback_data.what:
        case "mine":
            await show_mine(context, chat)
        case "languages":
            await context.send(chat.chat_id, views.languages(chat.language, languages()))
        case "contests":
            await context.send(chat.chat_id, first_view(context, chat, None))
    return None


async def tap_language(
    query: CallbackQuery, callback_data: buttons.ChooseLanguage, context: Context, chat: Chat
) -> str | None:
    """A language was chosen."""
    language = callback_data.language
    shown = shown_in(query)
    if language not in catalogue() or shown is None:
        return plain(chat.language, "alert.old")
    await context.chats.set_language(chat.chat_id, language)
    await context.replace(shown, views.notice(language, "language.changed"))
    await context.send(
        chat.chat_id, first_view(context, Chat(chat.chat_id, chat.user_id, language), context.contest_of(chat))
    )
    return None


async def ranking(message: Message, context: Context, chat: Chat, rankings: LiveRankings) -> None:
    """`/classement`, in groups too."""
    await show_ranking(context, chat, rankings, private=message.chat.type == PRIVATE)


async def show_ranking(context: Context, chat: Chat, rankings: LiveRankings, *, private: bool = True) -> None:
    """The ranking of the contest that the chat is about."""
    contest = context.contest_of(chat)
    if contest is None:
        await context.send(chat.chat_id, first_view(context, chat, None))
    elif private:
        await rankings.show(chat, contest)
    else:
        await rankings.show_once(chat.chat_id, contest, chat.language)


async def mine(message: Message, context: Context, chat: Chat) -> None:
    """`/mesvotes`."""
    await show_mine(context, chat)


async def show_mine(context: Context, chat: Chat) -> None:
    """The votes that were ordered in this chat."""
    await context.send(chat.chat_id, views.my_votes(chat.language, await context.chats.votes_of(chat, MINE_LINES)))


async def verify(message: Message, command: CommandObject, context: Context, chat: Chat) -> None:
    """`/verifier <receipt>`."""
    await show_receipt(context, chat, (command.args or "").strip())


async def show_receipt(context: Context, chat: Chat, typed: str) -> None:
    """What a receipt proves, or why it proves nothing."""
    await context.send(chat.chat_id, await _receipt(context, chat.language, typed))


async def _receipt(context: Context, language: str, typed: str) -> View:
    if not typed:
        return views.notice(language, "receipt.how")
    code = read_receipt(typed[:40])
    if code is None:
        return views.notice(language, "receipt.malformed")
    proof = await context.service.receipt(code)
    return views.notice(language, "receipt.unknown") if proof is None else views.receipt(language, proof)


async def rules(message: Message, context: Context, chat: Chat) -> None:
    """`/regles`."""
    contest = context.contest_of(chat)
    view = first_view(context, chat, None) if contest is None else views.rules(chat.language, contest)
    await context.send(chat.chat_id, view)


async def choose_language(message: Message, context: Context, chat: Chat) -> None:
    """`/langue`."""
    await context.send(chat.chat_id, views.languages(chat.language, languages()))


async def help_(message: Message, context: Context, chat: Chat) -> None:
    """`/aide`."""
    await context.send(chat.chat_id, views.help_text(chat.language, context.contest_of(chat)))


async def only_in_private(message: Message, context: Context, chat: Chat) -> None:
    """`/start` in a group."""
    await context.send(chat.chat_id, views.notice(chat.language, "group.vote"))


async def debited(message: Message, context: Context, chat: Chat) -> None:
    """`/debite`."""
    await show_debited(context, chat)


async def tap_debited(query: CallbackQuery, callback_data: buttons.OpenMenu, context: Context, chat: Chat) -> None:
    """The same by a button, or the request that a person looks into it."""
    if callback_data.what == "debited":
        await show_debited(context, chat)
    else:
        await open_ticket(context, chat)


async def open_ticket(context: Context, chat: Chat) -> None:
    """Open a ticket, for a person to look into these payments."""
    number = await context.service.open_ticket(_claim(context, chat), chat.language)
    await context.send(chat.chat_id, views.ticket(chat.language, number, context.contest_of(chat)))


async def show_debited(context: Context, chat: Chat) -> None:
    """What became of the payments."""
    claim = _claim(context, chat)
    found = await context.service.rescue(claim, chat.language)
    await context.send(chat.chat_id, views.debited(chat.language, found, claim.number, context.public_url))


def _claim(context: Context, chat: Chat) -> OfChat:
    """Orders of this chat, and payments of its verified number anywhere."""
    contest = context.contest_of(chat)
    return OfChat(chat.chat_id, _verified(context, chat), contest.id if contest else None)


def _verified(context: Context, chat: Chat) -> Msisdn | None:
    numbers = (own_number(chat.phone, contest) for contest in context.service.contests())
    return next((number for number in numbers if number is not None), None)


def router() -> Router:
    """Commands and buttons; in groups the ranking alone."""
    here = Router(name="browse")
    private = F.chat.type == PRIVATE
    here.message.register(start, CommandStart(), private)
    here.message.register(only_in_private, CommandStart())
    here.message.register(ranking, Command("classement", "ranking", "top"))
    for handler, names in (
        (mine, ("mesvotes", "myvotes")),
        (verify, ("verifier", "verify")),
        (rules, ("regles", "rules")),
        (choose_language, ("langue", "language")),
        (help_, ("aide", "help")),
        (debited, ("debite", "debited")),
    ):
        here.message.register(handler, Command(*names), private)
    here.callback_query.register(tap_ranking, buttons.OpenRanking.filter())
    taps = F.message.chat.type == PRIVATE
    here.callback_query.register(tap_debited, buttons.OpenMenu.filter(F.what.in_(_OF_DEBITED)), taps)
    for tap, kind in (
        (tap_contest, buttons.OpenContest),
        (tap_people, buttons.OpenPeople),
        (tap_card, buttons.OpenCard),
        (tap_rules, buttons.OpenRules),
        (tap_menu, buttons.OpenMenu),
        (tap_language, buttons.ChooseLanguage),
    ):
        here.callback_query.register(tap, kind.filter(), taps)
    return here
