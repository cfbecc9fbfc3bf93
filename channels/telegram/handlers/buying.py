"""From the number of votes to the order: the confirmation, the wallet, and the tap that pays.

Each confirmation is a message of its own, and its tap places one order however often it comes: the
order's key is chat, message and action.
"""

import hashlib
from typing import Any

import orjson
import structlog
from aiogram import F, Router
from aiogram.dispatcher.event.bases import SkipHandler
from aiogram.filters import StateFilter
from aiogram.fsm.context import FSMContext
from aiogram.types import CallbackQuery, Message

from channels.buying import refusal_words
from channels.telegram import callbacks, order_views, views
from channels.telegram.callbacks import METHODS, tag
from channels.telegram.desk import Desk, Shown, shown_in
from channels.telegram.handlers.common import PRIVATE, offer_in, words_of
from channels.telegram.port import Chat
from channels.telegram.reading import (
    Offer,
    goes_beyond_a_number,
    is_no_phone,
    offer,
    own_number,
    read_count,
    read_number,
    read_payer,
)
from channels.telegram.state import Asking
from channels.telegram.texts import plain, refusal
from channels.telegram.views import View
from channels.telegram.watcher import Followed, Watcher
from gateway.contests.contest import Contest
from gateway.http.logs import bind_vote
from gateway.orders.rules import Channel, PlacedOrder, Refusal, VoteRequest
from gateway.orders.wallet import PaymentMethod, example_number, guess_method
from gateway.values.msisdn import Msisdn

_log = structlog.get_logger(__name__)


async def tap_count(
    query: CallbackQuery, callback_data: callbacks.ChooseCount, state: FSMContext, desk: Desk, chat: Chat
) -> str | None:
    """A number of votes was chosen."""
    contest = desk.contest(callback_data.contest)
    if contest is None:
        return plain(chat.language, "alert.old")
    return await choose(desk, chat, state, contest, callback_data.code, callback_data.count)


async def choose(desk: Desk, chat: Chat, state: FSMContext, contest: Contest, code: str, count: int) -> str | None:
    """So many votes: confirm at once when the payer is known, else ask. Words when they are not sold."""
    await state.clear()
    offered = offer(contest, code, count, desk.service.now())
    if isinstance(offered, Refusal):
        return refusal(chat.language, offered, contest, code)
    await desk.chats.visit(chat.chat_id, contest.id)
    own = own_number(chat.phone, contest)
    if own is None:
        await ask_payer(desk, chat, state, offered)
    else:
        await show_confirmation(desk, chat, state, offered, own)
    return None


async def ask_payer(desk: Desk, chat: Chat, state: FSMContext, offered: Offer) -> None:
    """Ask which number pays, and remember what for."""
    await state.set_state(Asking.payer)
    await state.set_data(_kept(offered))
    await desk.send(
        chat.chat_id, order_views.ask_payer(chat.language, offered, own_number(chat.phone, offered.contest))
    )


def _kept(offered: Offer) -> dict[str, Any]:
    return {"contest": tag(offered.contest), "code": offered.candidate.code, "count": offered.count}


async def show_confirmation(desk: Desk, chat: Chat, state: FSMContext, offered: Offer, payer: Msisdn) -> None:
    """The confirmation in a new message. What it is about is remembered for whoever leaves it and comes
    back by /start."""
    await state.set_state(None)
    await state.set_data(_kept(offered))
    await desk.send(chat.chat_id, confirmation(desk, chat, offered, payer))


def confirmation(desk: Desk, chat: Chat, offered: Offer, payer: Msisdn, method: PaymentMethod | None = None) -> View:
    """The confirmation, with the wallet that the number most likely has unless one was chosen."""
    takes = desk.service.rails.open_for(payer)
    return order_views.confirm(chat.language, offered, payer, method or guess_method(payer), chat.phone, takes)


async def tap_type_count(
    query: CallbackQuery, callback_data: callbacks.TypeCount, state: FSMContext, desk: Desk, chat: Chat
) -> str | None:
    """Another number of votes, to be typed."""
    contest = desk.contest(callback_data.contest)
    if contest is None:
        return plain(chat.language, "alert.old")
    offered = offer(contest, callback_data.code, 1, desk.service.now())
    if isinstance(offered, Refusal):
        return refusal(chat.language, offered, contest, callback_data.code)
    await state.set_state(Asking.count)
    await state.set_data({"contest": callback_data.contest, "code": callback_data.code})
    await desk.send(
        chat.chat_id,
        views.notice(
            chat.language,
            "ask.count",
            code=offered.candidate.code,
            name=offered.candidate.name,
            maximum=contest.quantity_max,
        ),
    )
    return None


async def typed_count(message: Message, state: FSMContext, desk: Desk, chat: Chat) -> None:
    """The typed number of votes."""
    data = await state.get_data()
    contest, code = desk.contest(str(data.get("contest"))), data.get("code")
    if contest is None or not isinstance(code, str):
        await state.clear()
        await desk.send(chat.chat_id, views.notice(chat.language, "home.words_only"))
        return
    count = read_count(words_of(message), contest)
    if isinstance(count, Refusal):
        if goes_beyond_a_number(desk.read(chat, words_of(message))):
            raise SkipHandler
        again = views.notice(chat.language, "ask.count_again", maximum=contest.quantity_max)
        await desk.send(chat.chat_id, again)
        return
    if words := await choose(desk, chat, state, contest, code, count):
        await desk.send(chat.chat_id, order_views.refused(chat.language, words, contest))


async def tap_type_payer(
    query: CallbackQuery, callback_data: callbacks.TypePayer, state: FSMContext, desk: Desk, chat: Chat
) -> str | None:
    """Another number that pays, to be typed."""
    contest = desk.contest(callback_data.contest)
    if contest is None:
        return plain(chat.language, "alert.old")
    offered = offer(contest, callback_data.code, callback_data.count, desk.service.now())
    if isinstance(offered, Refusal):
        return refusal(chat.language, offered, contest, callback_data.code)
    await ask_payer(desk, chat, state, offered)
    return None


async def typed_payer(message: Message, state: FSMContext, desk: Desk, chat: Chat) -> None:
    """The typed number that pays: nobody has proved to hold it."""
    data = await state.get_data()
    offered = offer_in(data, desk)
    if offered is None or isinstance(offered, Refusal):
        await state.clear()
        contest = desk.contest(str(data.get("contest")))
        text = "" if offered is None else refusal(chat.language, offered, contest, str(data.get("code")))
        view = View(text, frees_keys=True) if text else views.notice(chat.language, "home.words_only")
        await desk.send(chat.chat_id, view)
        return
    payer = read_number(words_of(message), offered.contest)
    if isinstance(payer, Refusal):
        if is_no_phone(words_of(message), desk.read(chat, words_of(message))):
            raise SkipHandler
        await desk.send(
            chat.chat_id,
            views.notice(chat.language, "ask.number_wrong", example=example_number(offered.contest.country)),
        )
        return
    if own_number(chat.phone, offered.contest) is None:
        noted = views.notice(chat.language, "ask.number_typed", number=payer.masked())
        await desk.send(chat.chat_id, View(noted.text, frees_keys=True))
    await show_confirmation(desk, chat, state, offered, payer)


async def tap_wallet(query: CallbackQuery, callback_data: callbacks.ChooseWallet, desk: Desk, chat: Chat) -> str | None:
    """Another wallet for the same votes."""
    contest, shown = desk.contest(callback_data.contest), shown_in(query)
    if contest is None or shown is None:
        return plain(chat.language, "alert.old")
    offered = offer(contest, callback_data.code, callback_data.count, desk.service.now())
    payer = read_payer(callback_data.payer, chat.phone, contest)
    for wrong in (offered, payer):
        if isinstance(wrong, Refusal):
            return refusal(chat.language, wrong, contest, callback_data.code)
    if isinstance(offered, Offer) and isinstance(payer, Msisdn):
        await desk.replace(shown, confirmation(desk, chat, offered, payer, METHODS[callback_data.wallet]))
    return None


async def tap_pay(
    query: CallbackQuery, callback_data: callbacks.Pay, state: FSMContext, desk: Desk, chat: Chat, watcher: Watcher
) -> str | None:
    """The order itself. Everything is judged by the service, whatever the button said."""
    contest, shown = desk.contest(callback_data.contest), shown_in(query)
    if contest is None or shown is None:
        return plain(chat.language, "alert.old")
    vote_request = vote_request_of(chat, contest, callback_data, shown)
    placed = await desk.service.place_order(vote_request)
    if isinstance(placed, Refusal):
        words = refusal(chat.language, placed, contest, callback_data.code)
        if placed is Refusal.NOT_ITS_WALLET and vote_request.payer is not None:
            methods = desk.service.rails.open_for(vote_request.payer)
            words = refusal_words(chat.language, placed, contest, payer=vote_request.payer, methods=methods)
        if placed is not Refusal.TRY_AGAIN:
            await desk.replace(shown, order_views.refused(chat.language, words, contest))
        return words
    await state.clear()
    bind_vote(placed.vote_id, placed.payment_reference)
    _log.info("order_placed", channel="telegram", repeated=placed.repeated)
    await show_order(desk, watcher, chat, shown, placed)
    return plain(chat.language, "order.known") if placed.conflicting else None


def vote_request_of(chat: Chat, contest: Contest, data: callbacks.Pay, shown: Shown) -> VoteRequest:
    """The vote request behind a tap. Only the number that the chat has proved to hold is its voter."""
    payer = read_payer(data.payer, chat.phone, contest)
    asked = [contest.slug, data.code, data.count, data.wallet, data.payer]
    return VoteRequest(
        channel=Channel.TELEGRAM,
        key=f"{shown.chat_id}:{shown.message_id}:pay",
        contest=contest,
        candidate_code=data.code,
        quantity=data.count,
        method=METHODS[data.wallet],
        payer=payer if isinstance(payer, Msisdn) else None,
        voter=own_number(chat.phone, contest),
        language=chat.language,
        request_hash=hashlib.sha256(orjson.dumps(asked)).digest(),
        chat_id=shown.chat_id,
    )


async def show_order(desk: Desk, watcher: Watcher, chat: Chat, shown: Shown, placed: PlacedOrder) -> None:
    """The order in place of its confirmation, followed from now on."""
    order = await desk.service.order(placed.vote_id)
    if order is None:
        return
    view = watcher.view(chat.language, order)
    message_id = await desk.replace(shown, view)
    followed = Followed(shown.chat_id, message_id, chat.language, desk.service.now())
    await watcher.follow(order, view, followed)


async def tap_cancel(
    query: CallbackQuery, callback_data: callbacks.Cancel, state: FSMContext, desk: Desk, chat: Chat
) -> str | None:
    """The confirmation is left. Whoever ordered from it meanwhile keeps the order: it has no button then."""
    await state.clear()
    if (shown := shown_in(query)) is not None:
        await desk.replace(shown, views.notice(chat.language, "confirm.cancelled"))
    return None


def router() -> Router:
    """Private chats only: numbers and votes are nobody else's business."""
    here = Router(name="buying")
    taps = F.message.chat.type == PRIVATE
    for tap, kind in (
        (tap_count, callbacks.ChooseCount),
        (tap_type_count, callbacks.TypeCount),
        (tap_type_payer, callbacks.TypePayer),
        (tap_wallet, callbacks.ChooseWallet),
        (tap_pay, callbacks.Pay),
        (tap_cancel, callbacks.Cancel),
    ):
        here.callback_query.register(tap, kind.filter(), taps)
    private = F.chat.type == PRIVATE
    here.message.register(typed_count, StateFilter(Asking.count), F.text, private)
    here.message.register(typed_payer, StateFilter(Asking.payer), F.text, private)
    return here
