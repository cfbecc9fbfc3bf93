"""Contests, candidates, the ranking, rules, languages, receipts, a voter's own votes, and payments without a vote."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from aiogram import F, Router
from aiogram.filters import Command, CommandObject, CommandStart
from aiogram.types import CallbackQuery, Message

from channels.buying import own_number, refusal_words
from channels.phrases import catalogue, languages
from channels.telegram import buttons, order_views, views
from channels.telegram.context import PRIVATE, Conversation, Shown, of_a_contest
from channels.telegram.linking import code_behind
from channels.telegram.live import LiveRankings
from channels.telegram.reading import contests_having, read_link
from channels.telegram.texts import plain
from channels.telegram.views import View
from channels.voting_service import checked_receipt
from gateway.contests.contest import Candidate, Contest
from gateway.contests.pictures.photos import address_of
from gateway.orders.receipt import read_receipt
from gateway.orders.rules import check_candidate
from payments.rescue.rules import OfChat

MINE_LINES: Final = 10


async def start(message: Message, command: CommandObject, conversation: Conversation) -> None:
    """`/start`, with or without the payload of a deep link. A voter who left in the middle is offered to go on,
    once: the buttons of the offer carry all that is needed."""
    left = await conversation.offer_left()
    await conversation.state.clear()
    code = code_behind(command.args or "")
    if code is not None:
        await _link_alerts(conversation, code)
        return
    link = read_link(command.args or "")
    if link is None and left is not None:
        await conversation.send(order_views.resume(conversation.language, *left))
    elif link is None:
        await open_first(conversation)
    else:
        await _follow_link(conversation, *link)


async def link_alerts(message: Message, command: CommandObject, conversation: Conversation) -> None:
    """A code of the back office, by which alerts come to this chat or group."""
    await _link_alerts(conversation, command.args or "")


async def _link_alerts(conversation: Conversation, code: str) -> None:
    linked = await conversation.context.chats.link_alerts(code, conversation.chat.chat_id)
    await conversation.notice("alerts.linked" if linked else "alerts.unknown")


async def _follow_link(conversation: Conversation, code: str, slug: str | None) -> None:
    named = [contest for contest in conversation.service.contests() if slug in (None, contest.slug)]
    having = contests_having(code, named, conversation.service.now())
    if len(having) == 1:
        await open_card(conversation, having[0], code)
    elif having:
        await conversation.send(views.meant(conversation.language, having, code))
    else:
        await conversation.notice("home.unknown_code", code=code)
        await open_first(conversation)


async def open_first(conversation: Conversation) -> None:
    """The only contest, or the list of them."""
    await conversation.send(first_view(conversation, conversation.contest))


def first_view(conversation: Conversation, contest: Contest | None) -> View:
    """The first view of this contest; without one, which contests there are."""
    now, every = conversation.service.now(), [c for c in conversation.service.contests() if c.listed]
    if contest is not None:
        return views.home(conversation.language, contest, now)
    return views.contests(conversation.language, [c for c in every if now < c.closes_at] or every)


async def open_card(conversation: Conversation, contest: Contest, code: str) -> str | None:
    """A candidate's card in a new message; where there is no such candidate, the text that says so."""
    candidate = check_candidate(contest, code)
    if not isinstance(candidate, Candidate):
        return refusal_words(conversation.language, candidate, contest, code)
    context, chat = conversation.context, conversation.chat
    await context.chats.set_contest(chat.chat_id, contest.id)
    counted, link = context.service.ranking(contest.slug), context.link_to(contest, candidate)
    photo = address_of(candidate, context.public_url)
    await conversation.send(views.card(chat.language, contest, candidate, counted, link, photo))
    return None


async def tap_people(
    query: CallbackQuery, callback_data: buttons.OpenPeople, contest: Contest, shown: Shown, conversation: Conversation
) -> None:
    """A page of candidates was asked for."""
    view = views.people(conversation.language, contest, callback_data.page)
    if callback_data.here:
        await conversation.context.replace(shown, view)
    else:
        await conversation.send(view)


async def tap_card(
    query: CallbackQuery, callback_data: buttons.OpenCard, contest: Contest, conversation: Conversation
) -> str | None:
    """A candidate was chosen."""
    return await open_card(conversation, contest, callback_data.code)


async def tap_rules(query: CallbackQuery, contest: Contest, shown: Shown, conversation: Conversation) -> None:
    """The rules were asked for."""
    await conversation.context.replace(shown, views.rules(conversation.language, contest))


async def tap_ranking(
    query: CallbackQuery,
    callback_data: buttons.OpenRanking,
    contest: Contest,
    shown: Shown,
    conversation: Conversation,
    rankings: LiveRankings,
) -> None:
    """The ranking was asked for, or is to be refreshed."""
    place, chat = shown if callback_data.here else None, conversation.chat
    if query.message is not None and query.message.chat.type == PRIVATE:
        await rankings.show(chat, contest, place)
    else:
        await rankings.show_once(chat.chat_id, contest, chat.language, place)


async def tap_menu(query: CallbackQuery, callback_data: buttons.OpenMenu, conversation: Conversation) -> None:
    """A menu entry that belongs to no contest."""
    match callback_data.what:
        case "mine":
            await show_mine(conversation)
        case "languages":
            await show_languages(conversation)
        case "contests":
            await conversation.send(first_view(conversation, None))
        case "debited":
            await show_debited(conversation)
        case "ticket":
            await open_ticket(conversation)


async def tap_language(
    query: CallbackQuery, callback_data: buttons.ChooseLanguage, shown: Shown, conversation: Conversation
) -> str | None:
    """A language was chosen."""
    language, context, chat = callback_data.language, conversation.context, conversation.chat
    if language not in catalogue():
        return plain(chat.language, "alert.old")
    await context.chats.set_language(chat.chat_id, language)
    await context.replace(shown, views.notice(language, "language.changed"))
    await open_first(replace(conversation, chat=replace(chat, language=language)))
    return None


async def ranking(message: Message, conversation: Conversation, rankings: LiveRankings) -> None:
    """`/classement`, in groups too."""
    await show_ranking(conversation, rankings, private=message.chat.type == PRIVATE)


async def show_ranking(conversation: Conversation, rankings: LiveRankings, *, private: bool = True) -> None:
    """The ranking of the contest that the chat is about."""
    contest, chat = conversation.contest, conversation.chat
    if contest is None:
        await conversation.send(first_view(conversation, None))
    elif private:
        await rankings.show(chat, contest)
    else:
        await rankings.show_once(chat.chat_id, contest, chat.language)


async def show_mine(conversation: Conversation) -> None:
    """The votes that were ordered in this chat."""
    lines = await conversation.context.chats.votes_of(conversation.chat, MINE_LINES)
    await conversation.send(views.my_votes(conversation.language, lines))


async def verify(message: Message, command: CommandObject, conversation: Conversation) -> None:
    """`/verifier <receipt>`."""
    await show_receipt(conversation, (command.args or "").strip())


async def show_receipt(conversation: Conversation, typed: str) -> None:
    """What a receipt proves, or why it proves nothing."""
    if not typed:
        await conversation.notice("receipt.how")
    elif (code := read_receipt(typed[:40])) is None:
        await conversation.notice("receipt.malformed")
    elif (found := await checked_receipt(conversation.service, code)) is None:
        await conversation.notice("receipt.unknown")
    else:
        await conversation.send(views.receipt(conversation.language, code, found))


async def show_rules(conversation: Conversation) -> None:
    """The rules of the contest that the chat is about."""
    contest = conversation.contest
    rules = first_view(conversation, None) if contest is None else views.rules(conversation.language, contest)
    await conversation.send(rules)


async def show_languages(conversation: Conversation) -> None:
    """Which language."""
    await conversation.send(views.languages(conversation.language, languages()))


async def show_help(conversation: Conversation) -> None:
    """What the bot can do."""
    await conversation.send(views.help_text(conversation.language, conversation.contest))


async def only_in_private(message: Message, conversation: Conversation) -> None:
    """`/start` in a group."""
    await conversation.notice("group.vote")


async def open_ticket(conversation: Conversation) -> None:
    """Open a ticket, for a person to look into these payments."""
    number = await conversation.service.open_ticket(_claim(conversation), conversation.language)
    await conversation.send(views.ticket(conversation.language, number, conversation.contest))


async def show_debited(conversation: Conversation) -> None:
    """What became of the payments of this chat."""
    claim = _claim(conversation)
    found = await conversation.service.rescue(claim, conversation.language)
    public_url = conversation.context.public_url
    await conversation.send(views.debited(conversation.language, found, claim.number, public_url))


def _claim(conversation: Conversation) -> OfChat:
    """Orders of this chat, and payments of its verified number anywhere."""
    chat, contest = conversation.chat, conversation.contest
    numbers = (own_number(chat.phone, one) for one in conversation.service.contests())
    verified = next((number for number in numbers if number is not None), None)
    return OfChat(chat.chat_id, verified, contest.id if contest else None)


def _command(show: Callable[[Conversation], Awaitable[None]]) -> Callable[[Message, Conversation], Awaitable[None]]:
    async def handle(message: Message, conversation: Conversation) -> None:
        await show(conversation)

    return handle


def router() -> Router:
    """Commands and buttons; in groups the ranking alone."""
    here = Router(name="browse")
    private, tapped = F.chat.type == PRIVATE, F.message.chat.type == PRIVATE
    here.message.register(start, CommandStart(), private)
    here.message.register(only_in_private, CommandStart())
    here.message.register(ranking, Command("classement", "ranking", "top"))
    here.message.register(link_alerts, Command("alertes", "alerts"))
    here.message.register(verify, Command("verifier", "verify"), private)
    for show, names in (
        (show_mine, ("mesvotes", "myvotes")),
        (show_rules, ("regles", "rules")),
        (show_languages, ("langue", "language")),
        (show_help, ("aide", "help")),
        (show_debited, ("debite", "debited")),
    ):
        here.message.register(_command(show), Command(*names), private)
    here.callback_query.register(tap_ranking, buttons.OpenRanking.filter(), of_a_contest)
    for tap, kind in (
        (tap_people, buttons.OpenPeople),
        (tap_card, buttons.OpenCard),
        (tap_rules, buttons.OpenRules),
    ):
        here.callback_query.register(tap, kind.filter(), tapped, of_a_contest)
    here.callback_query.register(tap_menu, buttons.OpenMenu.filter(), tapped)
    here.callback_query.register(tap_language, buttons.ChooseLanguage.filter(), tapped)
    return here
