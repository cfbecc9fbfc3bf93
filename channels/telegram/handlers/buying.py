"""From the number of votes to the order: the number that pays, the confirmation, the wallet, the tap that pays.

Each confirmation is a message of its own, and its tap places one order however often it comes: the
order's key is chat, message and action.
"""

import hashlib
from dataclasses import replace
from html import escape
from typing import Any

import orjson
import structlog
from aiogram import F, Router
from aiogram.dispatcher.event.bases import SkipHandler
from aiogram.filters import StateFilter
from aiogram.types import CallbackQuery, Message

from channels.buying import own_number, read_payer, refusal_words
from channels.telegram import buttons, order_views, views
from channels.telegram.buttons import METHODS, tag
from channels.telegram.context import PRIVATE, Conversation, Shown, of_a_contest, words_of
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
from gateway.orders.wallet import PaymentMethod, example_number
from gateway.values.msisdn import Msisdn

_log = structlog.get_logger(__name__)


async def tap_count(
    query: CallbackQuery, callback_data: buttons.ChooseCount, contest: Contest, conversation: Conversation
) -> str | None:
    """A number of votes was chosen."""
    return await choose(conversation, contest, callback_data.code, callback_data.count)


async def choose(conversation: Conversation, contest: Contest, code: str, count: int) -> str | None:
    """So many votes: confirm at once when the payer is known, else ask. The text why, where they are not sold."""
    chat = conversation.chat
    await conversation.state.clear()
    offered = offer(contest, code, count, conversation.service.now())
    if isinstance(offered, Refusal):
        return refusal_words(chat.language, offered, contest, code)
    await conversation.context.chats.set_contest(chat.chat_id, contest.id)
    own = own_number(chat.phone, contest)
    if own is None:
        await ask_payer(conversation, offered)
    else:
        await show_confirmation(conversation, offered, own)
    return None


async def ask_payer(conversation: Conversation, offered: Offer) -> None:
    """Ask which number pays, and store what for."""
    await conversation.state.set_state(Asking.payer)
    await conversation.state.set_data(_stored(offered))
    own = own_number(conversation.chat.phone, offered.contest)
    await conversation.send(order_views.ask_payer(conversation.language, offered, own))


def _stored(offered: Offer) -> dict[str, Any]:
    return {"contest": tag(offered.contest), "code": offered.candidate.code, "count": offered.count}


async def show_confirmation(conversation: Conversation, offered: Offer, payer: Msisdn) -> None:
    """The confirmation in a new message. What it is about is stored, for a voter who leaves it and comes back by
    /start."""
    await conversation.state.set_state(None)
    await conversation.state.set_data(_stored(offered))
    await conversation.send(confirmation(conversation, offered, payer, conversation.service.rails.guess(payer)))


def confirmation(conversation: Conversation, offered: Offer, payer: Msisdn, method: PaymentMethod | None) -> View:
    """The confirmation, with this wallet."""
    takes, chat = conversation.service.rails.open_for(payer), conversation.chat
    return order_views.confirm(chat.language, offered, payer, method, chat.phone, takes)


async def tap_type_count(
    query: CallbackQuery, callback_data: buttons.TypeCount, contest: Contest, conversation: Conversation
) -> str | None:
    """Another number of votes, to be typed."""
    offered = offer(contest, callback_data.code, 1, conversation.service.now())
    if isinstance(offered, Refusal):
        return refusal_words(conversation.language, offered, contest, callback_data.code)
    await conversation.state.set_state(Asking.count)
    await conversation.state.set_data({"contest": callback_data.contest, "code": callback_data.code})
    who = offered.candidate
    await conversation.notice("ask.count", code=who.code, name=who.name, maximum=contest.quantity_max)
    return None


async def typed_count(message: Message, conversation: Conversation) -> None:
    """The typed number of votes."""
    data = await conversation.state.get_data()
    contest, code = conversation.context.contest(str(data.get("contest"))), data.get("code")
    if contest is None or not isinstance(code, str):
        await conversation.state.clear()
        await conversation.notice("home.words_only")
        return
    count = read_count(words_of(message), contest)
    if isinstance(count, Refusal):
        if goes_beyond_a_number(conversation.read(words_of(message))):
            raise SkipHandler
        await conversation.notice("ask.count_again", maximum=contest.quantity_max)
    elif text := await choose(conversation, contest, code, count):
        await conversation.send(order_views.refused(conversation.language, text, contest))


async def tap_type_payer(
    query: CallbackQuery, callback_data: buttons.TypePayer, contest: Contest, conversation: Conversation
) -> str | None:
    """Another number that pays, to be typed."""
    offered = offer(contest, callback_data.code, callback_data.count, conversation.service.now())
    if isinstance(offered, Refusal):
        return refusal_words(conversation.language, offered, contest, callback_data.code)
    await ask_payer(conversation, offered)
    return None


async def typed_payer(message: Message, conversation: Conversation) -> None:
    """The typed number that pays. It is not proved to be the voter's."""
    data, language = await conversation.state.get_data(), conversation.language
    offered = conversation.offer_of(data)
    if offered is None:
        await conversation.state.clear()
        await conversation.notice("home.words_only")
        return
    if isinstance(offered, Refusal):
        await conversation.state.clear()
        contest, code = conversation.context.contest(str(data.get("contest"))), str(data.get("code"))
        text = escape(refusal_words(language, offered, contest, code), quote=False)
        await conversation.send(View(text, frees_keys=True))
        return
    payer = read_payer(words_of(message), offered.contest)
    if isinstance(payer, Refusal):
        if is_no_phone(words_of(message), conversation.read(words_of(message))):
            raise SkipHandler
        await conversation.notice("ask.number_wrong", example=example_number(offered.contest.country))
        return
    if own_number(conversation.chat.phone, offered.contest) is None:
        await conversation.notice("ask.number_typed", number=payer.masked(), frees_keys=True)
    await show_confirmation(conversation, offered, payer)


async def tap_wallet(
    query: CallbackQuery,
    callback_data: buttons.ChooseWallet,
    contest: Contest,
    shown: Shown,
    conversation: Conversation,
) -> str | None:
    """Another wallet for the same votes."""
    offered = offer(contest, callback_data.code, callback_data.count, conversation.service.now())
    payer = read_payer_of(callback_data.payer, conversation.chat.phone, contest)
    for wrong in (offered, payer):
        if isinstance(wrong, Refusal):
            return refusal_words(conversation.language, wrong, contest, callback_data.code)
    if isinstance(offered, Offer) and isinstance(payer, Msisdn):
        view = confirmation(conversation, offered, payer, METHODS[callback_data.wallet])
        await conversation.context.replace(shown, view)
    return None


async def tap_pay(
    query: CallbackQuery,
    callback_data: buttons.Pay,
    contest: Contest,
    shown: Shown,
    conversation: Conversation,
    orders: LiveOrders,
) -> str | None:
    """The order itself. The service checks everything again, whatever the button holds."""
    language, service = conversation.language, conversation.service
    if callback_data.price != contest.price.amount_minor and await _asked_again(
        conversation, contest, callback_data, shown
    ):
        return plain(language, "confirm.price_changed")
    vote_request = vote_request_of(conversation.chat, contest, callback_data, shown)
    placed = await service.place_order(vote_request)
    if isinstance(placed, Refusal):
        payer = vote_request.payer
        methods = service.rails.open_for(payer) if payer and placed is Refusal.NOT_ITS_WALLET else None
        text = refusal_words(language, placed, contest, callback_data.code, payer=payer, methods=methods)
        if placed is not Refusal.TRY_AGAIN:
            await conversation.context.replace(shown, order_views.refused(language, text, contest))
        return text
    await conversation.state.clear()
    bind_vote(placed.vote_id, placed.payment_reference)
    _log.debug("order_placed", channel="telegram", repeated=placed.repeated)
    await show_order(conversation, orders, shown, placed)
    return plain(language, "order.known") if placed.conflicting else None


async def tap_pay_unpriced(
    query: CallbackQuery,
    callback_data: buttons.PayUnpriced,
    contest: Contest,
    shown: Shown,
    conversation: Conversation,
) -> str | None:
    """A tap that does not say which price was confirmed: it is confirmed again."""
    wrong = await tap_wallet(query, callback_data, contest, shown, conversation)
    return wrong or plain(conversation.language, "confirm.again")


async def _asked_again(conversation: Conversation, contest: Contest, data: buttons.Pay, shown: Shown) -> bool:
    """Show the confirmation with the price of now: nobody pays another amount than the one that they confirmed. False
    where the votes are not sold any more."""
    offered = offer(contest, data.code, data.count, conversation.service.now())
    payer = read_payer_of(data.payer, conversation.chat.phone, contest)
    if isinstance(offered, Refusal) or isinstance(payer, Refusal):
        return False
    view = confirmation(conversation, offered, payer, METHODS[data.wallet])
    text = f"{say(conversation.language, 'confirm.price_changed')}\n\n{view.text}"
    await conversation.context.replace(shown, replace(view, text=text))
    return True


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


async def show_order(conversation: Conversation, orders: LiveOrders, shown: Shown, placed: PlacedOrder) -> None:
    """The order in place of its confirmation, kept up to date from now on."""
    order = await conversation.service.order(placed.vote_id)
    if order is None:
        return
    view = orders.view(conversation.language, order)
    message_id = await conversation.context.replace(shown, view)
    followed = Followed(shown.chat_id, message_id, conversation.language, conversation.service.now())
    await orders.follow(order, view, followed)


async def tap_cancel(query: CallbackQuery, shown: Shown, conversation: Conversation) -> None:
    """The confirmation is left. An order that was placed from it stays: it has no button then."""
    await conversation.state.clear()
    await conversation.context.replace(shown, views.notice(conversation.language, "confirm.cancelled"))


async def contact(message: Message, conversation: Conversation) -> None:
    """A contact was sent: the one proof of a number that Telegram gives, where it is the sender's own."""
    card, language = message.contact, conversation.language
    if card is None:
        return
    own = is_own_contact(
        contact_user=card.user_id,
        sender=message.from_user.id if message.from_user else None,
        private=message.chat.type == PRIVATE,
        forwarded=message.forward_origin is not None,
        by_bot=message.via_bot is not None,
    )
    if not own:
        share = plain(language, "ask.share")
        await conversation.send(View(say(language, "ask.not_yours", share=share), asks_contact=share))
        return
    asked = conversation.offer_of(await conversation.state.get_data())
    offered = asked if isinstance(asked, Offer) else None
    number = contact_number(card.phone_number, [offered.contest] if offered else conversation.service.contests())
    if number is None:
        # The question stays open: a number may be typed.
        example = example_number(offered.contest.country if offered else conversation.country)
        await conversation.notice("ask.contact_foreign", example=example, frees_keys=True)
        return
    await conversation.context.chats.set_phone(conversation.chat.chat_id, number.e164)
    conversation = replace(conversation, chat=replace(conversation.chat, phone=number.e164))
    await conversation.state.clear()
    await conversation.notice("ask.number_kept", number=number.masked(), frees_keys=True)
    if offered and own_number(number.e164, offered.contest) is not None:
        await show_confirmation(conversation, offered, number)
    else:
        await open_first(conversation)


def router() -> Router:
    """Private chats only: numbers and votes are private."""
    here = Router(name="buying")
    private, tapped = F.chat.type == PRIVATE, F.message.chat.type == PRIVATE
    for tap, kind in (
        (tap_count, buttons.ChooseCount),
        (tap_type_count, buttons.TypeCount),
        (tap_type_payer, buttons.TypePayer),
        (tap_wallet, buttons.ChooseWallet),
        (tap_pay, buttons.Pay),
        (tap_pay_unpriced, buttons.PayUnpriced),
    ):
        here.callback_query.register(tap, kind.filter(), tapped, of_a_contest)
    here.callback_query.register(tap_cancel, buttons.Cancel.filter(), tapped)
    here.message.register(contact, F.contact, private)
    here.message.register(typed_count, StateFilter(Asking.count), F.text, private)
    here.message.register(typed_payer, StateFilter(Asking.payer), F.text, private)
    return here
