"""From /start to the order, with everything that people may send instead."""

from dataclasses import replace
from typing import Any

import pytest
from aiogram.filters.callback_data import CallbackData
from aiogram.methods import (
    AnswerCallbackQuery,
    SendMessage,
)
from aiogram.types import InaccessibleMessage, ReplyKeyboardMarkup, ReplyKeyboardRemove

from channels.telegram import buttons
from channels.telegram.buttons import tag
from gateway.orders.rules import Channel
from gateway.orders.wallet import PaymentMethod
from gateway.values.money import Money
from tests.channels.telegram.conftest import World, verified
from tests.channels.telegram.wire import body, tapped, written
from tests.demo import demo_contest

CONTEST = demo_contest()
MINE = "+2250501020304"


async def test_from_a_deep_link_to_the_order(world: World) -> None:
    card = await world.write("/start c_07")
    assert "Awa Ouattara" in card
    assert "https://t.me/spotlight_bot?start=c_07_star" in card
    asked = await world.tap("5 votes")
    assert "Partager mon numéro" in asked
    keys = world.wire.made(SendMessage)[-1].reply_markup
    assert isinstance(keys, ReplyKeyboardMarkup)
    assert keys.keyboard[0][0].request_contact is True
    confirmation = await world.share("2250501020304", 55)
    assert "<b>500 FCFA</b>" in confirmation
    assert "MTN MoMo" in confirmation
    assert "+225 05 •• •• 03 04" in confirmation
    assert any(isinstance(call.reply_markup, ReplyKeyboardRemove) for call in world.wire.made(SendMessage))
    assert "demande de paiement" in await world.tap("Payer 500 FCFA")
    (vote_request,) = world.service.vote_requests
    message = world.wire.last(55)
    assert (vote_request.channel, vote_request.key) == (Channel.TELEGRAM, f"55:{message.message_id}:pay")
    assert vote_request.chat_id == 55
    assert (vote_request.candidate_code, vote_request.quantity, vote_request.method) == ("07", 5, PaymentMethod.MTN)
    assert vote_request.voter == vote_request.payer
    assert vote_request.voter is not None
    assert vote_request.voter.e164 == MINE
    assert set(await world.outcomes()) == {"done"}


async def test_a_double_tap_is_one_order_and_both_taps_are_answered(world: World) -> None:
    await verified(world)
    await world.write("07 5")
    message, data = world.wire.button(55, "Payer 500")
    for update in (tapped(data, message), tapped(data, message)):
        await world.intake.take(body(update))
    await world.intake.wait_idle()
    assert len(world.service.vote_requests) == 1
    assert len(world.wire.made(AnswerCallbackQuery)) == 2


async def test_a_changed_price_is_confirmed_again_in_the_same_message(world: World) -> None:
    await verified(world)
    await world.write("07 5")
    first = world.wire.last(55)
    world.service.shown = [replace(CONTEST, price=Money(200, "XOF"), _by_code={})]
    again = await world.tap("Payer 500 FCFA")
    assert "Le prix a changé" in again
    assert "1 000 FCFA" in again
    assert world.service.vote_requests == []
    assert "Le prix a changé" in str(world.wire.made(AnswerCallbackQuery)[-1].text)
    await world.tap("Payer 1 000 FCFA")
    (vote_request,) = world.service.vote_requests
    assert vote_request.key == f"55:{first.message_id}:pay"
    assert vote_request.contest.price == Money(200, "XOF")


async def test_two_confirmations_are_two_orders(world: World) -> None:
    await verified(world)
    for _ in range(2):
        await world.write("07 5")
        await world.tap("Payer 500")
    assert len({vote_request.key for vote_request in world.service.vote_requests}) == 2


async def test_the_contact_of_another_person_proves_nothing(world: World) -> None:
    await world.write("/start c_07")
    await world.tap("5 votes")
    by_bot: dict[str, Any] = {"via_bot": {"id": 9, "is_bot": True, "first_name": "x"}}
    no_more: dict[str, Any] = {}
    for owner, more in ((56, no_more), (None, no_more), (55, by_bot)):
        text = await world.share("2250501020304", owner, **more)
        assert "n'est pas le vôtre" in text
    origin = {"type": "hidden_user", "sender_user_name": "x", "date": 1}
    assert "n'est pas le vôtre" in await world.share("2250501020304", 55, forward_origin=origin)
    (row,) = await world.rows("select phone_index, phone_cipher, verified_at from telegram_chats")
    assert tuple(row) == (None, None, None)
    # The number may still be typed, and then it is not proved.
    assert "son propriétaire" in await world.write("0501020304")
    await world.tap("Payer 500")
    (vote_request,) = world.service.vote_requests
    assert vote_request.voter is None
    assert vote_request.payer is not None
    assert vote_request.payer.e164 == MINE


async def test_a_verified_number_is_kept_sealed_and_asked_for_once(world: World) -> None:
    await verified(world)
    (row,) = await world.rows("select phone_cipher, phone_index from telegram_chats")
    assert b"0501020304" not in bytes(row.phone_cipher) + bytes(row.phone_index)
    assert "Payé par MTN MoMo" in await world.write("vote 07 x2")


async def test_another_number_pays_and_the_voter_stays_the_voter(world: World) -> None:
    await verified(world)
    await world.write("07 5")
    await world.tap("Autre numéro")
    assert "n'est pas un numéro" in await world.write("pas un numéro")
    assert "n'est pas un numéro" in await world.write("+33612345678")
    confirmation = await world.write("07 07 08 09 10")
    assert "Orange Money" in confirmation
    await world.tap("Payer 500")
    (vote_request,) = world.service.vote_requests
    assert vote_request.voter is not None
    assert vote_request.payer is not None
    assert (vote_request.voter.e164, vote_request.payer.e164) == (MINE, "+2250707080910")
    assert vote_request.method is PaymentMethod.ORANGE


async def test_another_wallet(world: World) -> None:
    await verified(world)
    await world.write("07 5")
    with pytest.raises(AssertionError):
        world.wire.button(55, "Payer avec Orange")
    assert "Wave" in await world.tap("Payer avec Wave")
    await world.tap("Payer 500")
    assert world.service.vote_requests[0].method is PaymentMethod.WAVE


async def test_a_number_without_a_known_wallet_has_to_choose_one(world: World) -> None:
    await world.write("07 5")
    asked = await world.write("0101020304")
    assert "Moov Money n'est pas encore accepté. Ce numéro peut payer par: Wave." in asked
    assert "Avec quel compte" in asked
    for label in ("Payer 500", "Payer avec MTN", "Payer avec Orange"):
        with pytest.raises(AssertionError):
            world.wire.button(55, label)
    await world.tap("Payer avec Wave")
    await world.tap("Payer 500")
    assert world.service.vote_requests[0].method is PaymentMethod.WAVE


async def test_a_typed_number_of_votes(world: World) -> None:
    await verified(world)
    await world.write("07")
    await world.tap("Autre nombre")
    for wrong in ("beaucoup", "0", "10001"):
        assert "de 1 à 10000" in await world.write(wrong)
    assert "<b>12 votes</b>" in await world.write("12")


async def test_a_new_code_instead_of_a_number_begins_another_vote(world: World) -> None:
    await world.write("07 5")
    assert "Adjoua Brou" in await world.write("09")


@pytest.mark.parametrize(
    "data",
    [
        "",
        "y",
        "zzz",
        "y:ffffffffffff:07:5:m:me:100",
        f"y:{tag(CONTEST)}:07:0:m:me:100",
        f"y:{tag(CONTEST)}:07:5:m:you:100",
        f"y:{tag(CONTEST)}:07:5:m:me:0",
        f"y:{tag(CONTEST)}:07:5:m:you",
        f"q:{tag(CONTEST)}:07:-1",
        "l:xx",
        "l:zzz",
        "h:everything",
        "💥" * 16,
    ],
)
async def test_forged_data_changes_nothing_and_is_answered(world: World, data: str) -> None:
    await verified(world)
    before = len(world.wire.texts(55))
    await world.tap_data(data or " ", world.wire.last(55))
    assert world.service.vote_requests == []
    assert len(world.wire.texts(55)) == before
    answer = world.wire.made(AnswerCallbackQuery)[-1]
    assert "trop ancien" in (answer.text or "")


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (buttons.Pay(contest=tag(CONTEST), code="99", count=5, wallet="m", payer="me", price=100), "inconnu"),
        (buttons.Pay(contest=tag(CONTEST), code="07", count=10_001, wallet="m", payer="me", price=100), "Au plus"),
        (buttons.Pay(contest=tag(CONTEST), code="07", count=5, wallet="c", payer="me", price=100), "disponible"),
        (
            buttons.Pay(contest=tag(CONTEST), code="07", count=5, wallet="m", payer="33612345678", price=100),
            "incorrect",
        ),
        (buttons.ChooseCount(contest=tag(CONTEST), code="99", count=5), "inconnu"),
        (buttons.ChooseWallet(contest=tag(CONTEST), code="07", count=5, wallet="o", payer="12345678"), "pays"),
    ],
)
async def test_well_formed_lies_are_judged_by_the_service(world: World, data: CallbackData, word: str) -> None:
    await verified(world)
    await world.tap_data(data.pack(), world.wire.last(55))
    assert world.service.vote_requests == []
    assert word in (world.wire.made(AnswerCallbackQuery)[-1].text or "")


async def test_me_on_a_forged_button_is_not_another_persons_number(world: World) -> None:
    await verified(world, 55)
    await world.write("/start", 66)
    data = buttons.Pay(contest=tag(CONTEST), code="07", count=5, wallet="m", payer="me", price=100).pack()
    await world.tap_data(data, world.wire.last(66), user=66)
    assert world.service.vote_requests == []


async def test_a_button_that_held_no_price_asks_to_confirm_again(world: World) -> None:
    await verified(world)
    await world.write("07 5")
    message, data = world.wire.button(55, "Payer 500")
    await world.tap_data(data.removesuffix(":100"), message)
    assert world.service.vote_requests == []
    assert "Vérifiez le prix" in (world.wire.made(AnswerCallbackQuery)[-1].text or "")
    assert world.wire.button(55, "Payer 500") == (message, data)
    await world.tap("Payer 500")
    assert len(world.service.vote_requests) == 1


async def test_the_same_message_with_other_data_is_answered_that_it_is_placed(world: World) -> None:
    await verified(world)
    await world.write("07 5")
    message, data = world.wire.button(55, "Payer 500")
    await world.tap_data(data, message)
    await world.tap_data(data.replace(":07:5:", ":08:9:"), message)
    assert len(world.service.vote_requests) == 1
    assert "déjà" in (world.wire.made(AnswerCallbackQuery)[-1].text or "")


async def test_a_tap_after_the_close_sells_nothing_and_says_so_in_place(world: World) -> None:
    await verified(world)
    await world.write("07 5")
    world.service.instant = CONTEST.closes_at
    assert "est clos" in await world.tap("Payer 500")
    assert world.service.vote_requests == []


async def test_a_tap_on_a_message_that_telegram_no_longer_shows(world: World) -> None:
    await verified(world)
    await world.write("07 5")
    message, data = world.wire.button(55, "Payer 500")
    gone = InaccessibleMessage(chat=message.chat, message_id=message.message_id, date=0)
    await world.send(tapped(data, None) | {})
    assert world.service.vote_requests == []
    update = tapped(data, message)
    update["callback_query"]["message"] = {
        "chat": {"id": gone.chat.id, "type": "private"},
        "message_id": gone.message_id,
        "date": 0,
    }
    await world.send(update)
    assert world.service.vote_requests[0].key == f"55:{message.message_id}:pay"


async def test_state_that_was_lost_costs_a_key_press_and_no_money(world: World) -> None:
    await world.write("/start c_07")
    await world.tap("5 votes")
    await world.redis.flushdb()
    assert "vérifié" in world.wire.texts(55)[-1] or await world.share("2250501020304", 55)
    (row,) = await world.rows("select phone_index is not null as verified from telegram_chats")
    assert row.verified
    assert "Total" in await world.tap("5 votes")


async def test_without_redis_the_buttons_still_sell(world: World) -> None:
    await verified(world)
    await world.redis.aclose()
    world.redis.connection_pool.connection_kwargs["port"] = 1
    await world.write("07 5")
    await world.tap("Payer 500")
    assert len(world.service.vote_requests) == 1


async def test_edited_messages_do_not_vote(world: World) -> None:
    await verified(world)
    update = written("07 5")
    update["edited_message"] = update.pop("message")
    before = len(world.wire.calls)
    await world.send(update)
    assert len(world.wire.calls) == before
    assert (await world.outcomes())[-1] == "ignored"
