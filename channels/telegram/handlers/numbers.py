"""A shared contact: the one proof of a number that Telegram gives."""

from aiogram import F, Router
from aiogram.fsm.context import FSMContext
from aiogram.types import Message

from channels.telegram.desk import Desk
from channels.telegram.handlers.browse import open_first
from channels.telegram.handlers.buying import show_confirmation
from channels.telegram.handlers.common import PRIVATE, offer_in
from channels.telegram.port import Chat
from channels.telegram.reading import Offer, contact_number, is_own_contact, own_number
from channels.telegram.texts import plain, say
from channels.telegram.views import View
from gateway.orders.wallet import example_number


async def contact(message: Message, state: FSMContext, desk: Desk, chat: Chat) -> None:
    """A contact was sent: it is believed only when it is the sender's own."""
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
        await desk.send(chat.chat_id, refused)
        return
    offered = offer_in(await state.get_data(), desk)
    meant = [offered.contest] if isinstance(offered, Offer) else list(desk.service.contests())
    number = contact_number(card.phone_number, meant)
    if number is None:
        # Still asked for a number, which may be typed.
        country = offered.contest.country if isinstance(offered, Offer) else desk.country_of(chat)
        example = example_number(country)
        refused = View(say(chat.language, "ask.contact_foreign", example=example), frees_keys=True)
        await desk.send(chat.chat_id, refused)
        return
    await desk.chats.verify(chat.chat_id, number.e164)
    known = Chat(chat.chat_id, chat.user_id, chat.language, chat.contest_id, number.e164)
    await state.clear()
    kept = say(chat.language, "ask.number_kept", number=number.masked())
    await desk.send(chat.chat_id, View(kept, frees_keys=True))
    if isinstance(offered, Offer) and own_number(known.phone, offered.contest) is not None:
        await show_confirmation(desk, known, state, offered, number)
    else:
        await open_first(desk, known)


def router() -> Router:
    """Contacts; from a group none is taken."""
    here = Router(name="numbers")
    here.message.register(contact, F.contact, F.chat.type == PRIVATE)
    return here
