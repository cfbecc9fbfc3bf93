"""From the number of votes to the order: the number that pays, the confirmation, the wallet, the tap that pays.

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

from channels.buying import own_number, read_payer, refusal_words
from channels.telegram import buttons, order_views, views
from channels.telegram.buttons import METHODS, tag
from channels.telegram.context import PRIVATE, Context, Shown, offer_in, shown_in, words_of
from channels.telegram.handlers.browse import open_first
from channels.telegram.live import Followed, LiveOrders
from channels.telegram.reading import (
    Offer,
    contact_number,
    goes_beyond_a_number,
    is_no_phone,
    is_own_contact,
    offer,
    read_count,
    read_payer_of,
)
from channels.telegram.state import Asking
from channels.telegram.store import Chat
from channels.telegram.texts import plain, say
from channels.telegram.views import View
from gateway.contests.contest import Contest
from gateway.http.logs import bind_vote
from gateway.orders.rules import Channel, PlacedOrder, Refusal, VoteRequest
from gateway.orders.wallet import PaymentMethod, example_number, guess_method
from gateway.values.msisdn import Msisdn

_log = structlog.get_logger(__name__)


async def tap_count(
    query: CallbackQuery, callback_data: buttons.ChooseCount, state: FSMContext, context: Context, chat: Chat
) -> str | None:
    """A number of votes was chosen."""
    contest = context.contest(callback_data.contest)
    if contest is None:
        return plain(chat.language, "alert.old")
    return await choose(context, chat, state, contest, callback_data.code, callback_data.count)


async def choose(
    context: Context, chat: Chat, state: FSMContext, contest: Contest, code: str, count: int
) -> str | None:
    """So many votes: confirm at once when the payer is known, else ask. The text why, where they are not sold."""
    await state.clear()
    offered = offer(contest, code, count, context.service.now())
    if isinstance(offered, Refusal):
        return refusal_words(chat.language, offered, contest, code)
    await context.chats.set_contest(chat.chat_id, contest.id)
    own = own_number(chat.phone, contest)
    if own is None:
        await ask_payer(context, chat, state, offered)
    else:
        await show_confirmation(context, chat, state, offered, own)
    return None


async def ask_payer(context: Context, chat: Chat, state: FSMContext, offered: Offer) -> None:
    """Ask which number pays, and store what for."""
    await state.set_state(Asking.payer)
    await state.set_data(_stored(offered))
    await context.send(
        chat.chat_id, order_views.ask_payer(chat.language, offered, own_number(chat.phone, offered.contest))
    )


def _stored(offered: Offer) -> dict[str, Any]:
    return {"contest": tag(offered.contest), "code": offered.candidate.code, "count": offered.count}


async def show_confirmation(context: Context, chat: Chat, state: FSMContext, offered: Offer, payer: Msisdn) -> None:
    """The confirmation in a new message. What it is about is stored, for a voter who leaves it and comes back by
    /start."""
    await state.set_state(None)
    await state.set_data(_stored(offered))
    await context.send(chat.chat_id, confirmation(context, chat, offered, payer))


def confirmation(
    context: Context, chat: Chat, offered: Offer, payer: Msisdn, method: PaymentMethod | None = None
) -> View:
    """The confirmation, with the wallet that the number most likely has unless one was chosen."""
    takes = context.service.rails.open_for(payer)
    return order_views.confirm(chat.language, offered, payer, method or guess_method(payer), chat.phone, takes)


async def tap_type_count(
    query: CallbackQuery, callback_data: buttons.TypeCount, state: FSMContext, context: Context, chat: Chat
) -> str | None:
    """Another number of votes, to be typed."""
    contest = context.contest(callback_data.contest)
    if contest is None:
        return plain(chat.language, "alert.old")
    offered = offer(contest, callback_data.code, 1, context.service.now())
    if isinstance(offered, Refusal):
        return refusal_words(chat.language, offered, contest, callback_data.code)
    await state.set_state(Asking.count)
    await state.set_data({"contest": callback_data.contest, "code": callback_data.code})
    await context.send(
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


async def typed_count(message: Message, state: FSMContext, context: Context, chat: Chat) -> None:
    """The typed number of votes."""
    data = await state.get_data()
    contest, code = context.contest(str(data.get("contest"))), data.get("code")
    if contest is None or not isinstance(code, str):
        await state.clear()
        await context.send(chat.chat_id, views.notice(chat.language, "home.words_only"))
        return
    count = read_count(words_of(message), contest)
    if isinstance(count, Refusal):
        if goes_beyond_a_number(context.read(chat, words_of(message))):
            raise SkipHandler
        again = views.notice(chat.language, "ask.count_again", maximum=contest.quantity_max)
        await context.send(chat.chat_id, again)
        return
    if words := await choose(context, chat, state, contest, code, count):
        await context.send(chat.chat_id, order_views.refused(chat.language, words, contest))


async def tap_type_payer(
    query: CallbackQuery, callback_data: buttons.TypePayer, state: FSMContext, context: Context, chat: Chat
) -> str | None:
    """Another number that pays, to be typed."""
    contest = context.contest(callback_data.contest)
    if contest is None:
        return plain(chat.language, "alert.old")
    offered = offer(contest, callback_data.code, callback_data.count, context.service.now())
    if isinstance(offered, Refusal):
        return refusal_words(chat.language, offered, contest, callback_data.code)
    await ask_payer(context, chat, state, offered)
    return None


async def typed_payer(message: Message, state: FSMContext, context: Context, chat: Chat) -> None:
    """The typed number that pays. It is not proved to be the voter's."""
    data = await state.get_data()
    offered = offer_in(data, context)
    if offered is None or isinstance(offered, Refusal):
        await state.clear()
        contest = context.contest(str(data.get("contest")))
        text = "" if offered is None else refusal_words(chat.language, offered, contest, str(data.get("code")))
        view = View(text, frees_keys=True) if text else views.notice(chat.language, "home.words_only")
        await context.send(chat.chat_id, view)
        return
    payer = read_payer(words_of(message), offered.contest)
    if isinstance(payer, Refusal):
        if is_no_phone(words_of(message), context.read(chat, words_of(message))):
            raise SkipHandler
        await context.send(
            chat.chat_id,
            views.notice(chat.language, "ask.number_wrong", example=example_number(offered.contest.country)),
        )
        return
    if own_number(chat.phone, offered.contest) is None:
        noted = views.notice(chat.language, "ask.number_typed", number=payer.masked())
        await context.send(chat.chat_id, View(noted.text, frees_keys=True))
    await show_confirmation(context, chat, state, offered, payer)


async def tap_wallet(
    query: CallbackQuery, callback_data: buttons.ChooseWallet, context: Context, chat: Chat
) -> str | None:
    """Another wallet for the same votes."""
    contest, shown = context.contest(callback_data.contest), shown_in(query)
    if contest is None or shown is None:
        return plain(chat.language, "alert.old")
    offered = offer(contest, callback_data.code, callback_data.count, context.service.now())
    payer = read_payer_of(callback_data.payer, chat.phone, contest)
    for wrong in (offered, payer):
        if isinstance(wrong, Refusal):
            return refusal_words(chat.language, wrong, contest, callback_data.code)
    if isinstance(offered, Offer) and isinstance(payer, Msisdn):
        await context.replace(shown, confirmation(context, chat, offered, payer, METHODS[callback_data.wallet]))
    return None


async def tap_pay(
    query: CallbackQuery,
    callback_data: buttons.Pay,
    state: FSMContext,
    context: Context,
    chat: Chat,
    orders: LiveOrders,
) -> str | None:
    """The order itself. The service checks everything again, whatever the button holds."""
    contest, shown = context.contest(callback_data.contest), shown_in(query)
    if contest is None or shown is None:
        return plain(chat.language, "alert.old")
    vote_request = vote_request_of(chat, contest, callback_data, shown)
    placed = await context.service.place_order(vote_request)
    if isinstance(placed, Refusal):
        payer = vote_request.payer
        methods = context.service.rails.open_for(payer) if payer and placed is Refusal.NOT_ITS_WALLET else None
        words = refusal_words(chat.language, placed, contest, callback_data.code, payer=payer, methods=methods)
        if placed is not Refusal.TRY_AGAIN:
            await context.replace(shown, order_views.refused(chat.language, words, contest))
        return words
    await state.clear()
    bind_vote(placed.vote_id, placed.payment_reference)
    _log.info("order_placed", channel="telegram", repeated=placed.repeated)
    await show_order(context, orders, chat, shown, placed)
    return plain(chat.language, "order.known") if placed.conflicting else None


def vote_request_of(chat: Chat, contest: Contest, data: buttons.Pay, shown: Shown) -> VoteRequest:
    """The vote request behind a tap. Only the number that the chat has proved to hold is its voter."""
    payer = read_payer_of(data.payer, chat.phone, contest)
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


async def show_order(context: Context, orders: LiveOrders, chat: Chat, shown: Shown, placed: PlacedOrder) -> None:
    """The order in place of its confirmation, kept up to date from now on."""
    order = await context.service.order(placed.vote_id)
    if order is None:
        return
    view = orders.view(chat.language, order)
    message_id = await context.replace(shown, view)
    followed = Followed(shown.chat_id, message_id, chat.language, context.service.now())
    await orders.follow(order, view, followed)


async def tap_cancel(
    query: CallbackQuery, callback_data: buttons.Cancel, state: FSMContext, context: Context, chat: Chat
) -> str | None:
    """The confirmation is left. An order that was placed from it stays: it has no button then."""
    await state.clear()
    if (shown := shown_in(query)) is not None:
        await context.replace(shown, views.notice(chat.language, "confirm.cancelled"))
    return None


async def contact(message: Message, state: FSMContext, context: Context, chat: Chat) -> None:
    """A contact was sent: the one proof of a number that Telegram gives, where it is the sender's own."""
    card = message.contact
    if card is None:
        return
    share = plain(chat.language, "ask.share")
    own = is_own_contact(
        contact_user=card.user_id,
        sender=message.from_user.id if message.from_user else None,
        private=message.chat.type == PRIVATE,
        forwarded=message.forward_origin is not None,
        by_bot=message.via_bot is not None,
    )
    if not own:
        refused = View(say(chat.language, "ask.not_yours", share=share), asks_contact=share)
        await context.send(chat.chat_id, refused)
        return
    offered = offer_in(await state.get_data(), context)
    meant = [offered.contest] if isinstance(offered, Offer) else list(context.service.contests())
    number = contact_number(card.phone_number, meant)
    if number is None:
        # Still asked for a number, which may be typed.
        country = offered.contest.country if isinstance(offered, Offer) else context.country_of(chat)
        example = example_number(country)
        refused = View(say(chat.language, "ask.contact_foreign", example=example), frees_keys=True)
        await context.send(chat.chat_id, refused)
        return
    await context.chats.set_phone(chat.chat_id, number.e164)
    known = Chat(chat.chat_id, chat.user_id, chat.language, chat.contest_id, number.e164)
    await state.clear()
    kept = say(chat.language, "ask.number_kept", number=number.masked())
    await context.send(chat.chat_id, View(kept, frees_keys=True))
    if isinstance(offered, Offer) and own_number(known.phone, offered.contest) is not None:
        await show_confirmation(context, known, state, offered, number)
    else:
        await open_first(context, known)


def router() -> Router:
    """Private chats only: numbers and votes are private."""
    here = Router(name="buying")
    taps = F.message.chat.type == PRIVATE
    for tap, kind in (
        (tap_count, buttons.ChooseCount),
        (tap_type_count, buttons.TypeCount),
        (tap_type_payer, buttons.TypePayer),
        (tap_wallet, buttons.ChooseWallet),
        (tap_pay, buttons.Pay),
        (tap_cancel, buttons.Cancel),
    ):
        here.callback_query.register(tap, kind.filter(), taps)
    private = F.chat.type == PRIVATE
    here.message.register(contact, F.contact, private)
    here.message.register(typed_count, StateFilter(Asking.count), F.text, private)
    here.message.register(typed_payer, StateFilter(Asking.payer), F.text, private)
    return here
