"""People who write to a bot in the simulated Telegram."""

import asyncio
import time
from pathlib import Path

import pytest
from aiogram import Bot
from aiogram.exceptions import TelegramBadRequest
from aiogram.types import KeyboardButton, Message, ReplyKeyboardMarkup, ReplyKeyboardRemove

from sandbox.telegram.people import start_text
from tests.sandbox.country import Country
from tests.sandbox.telegram.awa import AWA, TOKEN, act, buttons, chat, polled, started


async def test_a_tap_is_answered(country: Country, bot: Bot) -> None:
    sent = await started(country, bot)
    await polled(bot)
    tapped = await act(country, "tap", message_id=sent.message_id, data="q:07:5")
    (update,) = await polled(bot)
    query = update.callback_query
    assert query is not None
    assert [query.id] == tapped["queries"]
    assert (query.from_user.id, query.data) == (AWA, "q:07:5")
    assert isinstance(query.message, Message)
    assert query.message.reply_markup == sent.reply_markup
    await query.answer("Merci", show_alert=True)
    shown = (await country.json("GET", f"/telegram/people/{AWA}"))[1]
    assert shown["answers"] == [{"query_id": query.id, "text": "Merci", "alert": True}]
    with pytest.raises(TelegramBadRequest, match="MESSAGE_TOO_LONG"):
        await query.answer("x" * 201)
    await country.order(telegram={"query_seconds": 0.001})
    await asyncio.sleep(0.002)
    with pytest.raises(TelegramBadRequest, match="query is too old"):
        await query.answer()
    with pytest.raises(TelegramBadRequest, match="query is too old"):
        await bot.answer_callback_query("1")


async def test_a_double_tap_is_two_queries(country: Country, bot: Bot) -> None:
    sent = await started(country, bot)
    await polled(bot)
    await act(country, "tap", message_id=sent.message_id, data="q:07:5", times=2)
    first, second = (update.callback_query for update in await polled(bot))
    assert first is not None
    assert second is not None
    assert first.id != second.id
    assert (first.data, first.message) == (second.data, second.message)


async def test_only_buttons_that_are_shown_now_unless_forged(country: Country, bot: Bot) -> None:
    sent = await started(country, bot)
    await bot.edit_message_text(
        "Payer ?", chat_id=AWA, message_id=sent.message_id, reply_markup=buttons(("Payer", "pay:1"))
    )
    await polled(bot)
    for message_id, data in ((sent.message_id, "q:07:5"), (sent.message_id + 1, "pay:1")):
        await act(country, "tap", message_id=message_id, data=data, status=409)
    await act(country, "tap", message_id=sent.message_id, data="pay:999", forge=True)
    await act(country, "tap", message_id=1, data="pay:1", forge=True)
    forged, gone = (update.callback_query for update in await polled(bot))
    assert forged is not None
    assert forged.data == "pay:999"
    assert gone is not None
    assert gone.message is not None
    assert not isinstance(gone.message, Message)


async def test_contacts_own_foreign_and_forwarded(country: Country, bot: Bot) -> None:
    await act(country, "send", text="/start")
    key = ReplyKeyboardMarkup(
        keyboard=[[KeyboardButton(text="Mon numéro", request_contact=True)]], one_time_keyboard=True
    )
    await bot.send_message(AWA, "Numéro ?", reply_markup=key)
    asked = (await country.json("GET", f"/telegram/people/{AWA}"))[1]
    assert asked["keyboard"] == [[{"text": "Mon numéro", "request_contact": True}]]
    await polled(bot)
    await act(country, "contact", phone="2250501020304", forwarded=True)
    await act(country, "contact", phone="2250501020304")
    await act(country, "contact", phone="+225 0502030405", own=False)
    await act(country, "contact", phone="2250502030405", own=False, user_id=77)
    forwarded, own, stranger, other = (update.message for update in await polled(bot))
    for message, number, user_id in (
        (forwarded, "2250501020304", AWA),
        (own, "2250501020304", AWA),
        (stranger, "+225 0502030405", None),
        (other, "2250502030405", 77),
    ):
        assert message is not None
        assert message.contact is not None
        assert (message.contact.phone_number, message.contact.user_id) == (number, user_id)
        assert (message.forward_origin is not None) == (message is forwarded)
    assert (await country.json("GET", f"/telegram/people/{AWA}"))[1]["keyboard"] is None
    await bot.send_message(AWA, "Numéro ?", reply_markup=key)
    await bot.send_message(AWA, "Merci", reply_markup=ReplyKeyboardRemove())
    assert (await country.json("GET", f"/telegram/people/{AWA}"))[1]["keyboard"] is None


async def test_a_link_is_a_start(country: Country, bot: Bot) -> None:
    await act(country, "open", url="https://t.me/Star_Bot?start=c_star_07")
    await act(country, "open", url="https://t.me/star_bot?start=%3Cb%3E")
    assert [m["text"] for m in await chat(country)] == ["/start c_star_07", "/start"]
    for wrong in ("https://t.me/other_bot?start=x", "https://example.org/star_bot", "http://["):
        await act(country, "open", url=wrong, status=400)
        with pytest.raises(ValueError):  # noqa: PT011 - of urlsplit too
            start_text(wrong, "star_bot")


async def test_news_are_waited_for(country: Country, bot: Bot) -> None:
    await act(country, "send", text="/start")
    _, seen = await country.json("GET", f"/telegram/people/{AWA}")
    waiting = asyncio.create_task(country.json("GET", f"/telegram/people/{AWA}?newer_than={seen['version']}"))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    await bot.send_message(AWA, "Bonjour")
    async with asyncio.timeout(3):
        _, shown = await waiting
    assert [m["text"] for m in shown["messages"]] == ["/start", "Bonjour"]


async def test_acts_that_cannot_be(country: Country) -> None:
    for person, what, body, status in (
        (AWA, "send", {}, 400),
        (AWA, "send", {"text": "x" * 4097}, 400),
        (AWA, "send", {"text": "x", "colour": "red"}, 400),
        (AWA, "tap", {"message_id": "1", "data": "x"}, 400),
        (AWA, "contact", {"phone": ""}, 400),
        (0, "send", {"text": "x"}, 400),
        (2**52, "send", {"text": "x"}, 400),
    ):
        await act(country, what, person=person, status=status, **body)


async def test_no_chat_to_write_to(tmp_path: Path) -> None:
    async with Country(tmp_path) as country:
        await act(country, "send", text="/start", status=409)


async def test_numbers_of_a_later_run_are_higher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Country(tmp_path, {"telegram": {"token": TOKEN}}) as country:
        before = await act(country, "send", text="/start")
        await country.stop()
        real = time.time
        monkeypatch.setattr("sandbox.telegram.chats.time.time", lambda: real() + 1)
        await country.start()
        after = await act(country, "send", text="/start")
    assert after["update_id"] > before["update_id"]
    assert after["message_id"] > before["message_id"]


async def test_the_exchange_of_one_person(country: Country, bot: Bot) -> None:
    await started(country, bot)
    _, kept = await country.json("GET", f"/telegram/people/{AWA}/exchange")
    assert [call["url"].rsplit("/", 1)[1] for call in kept] == ["sendMessage"]


async def test_the_page(country: Country) -> None:
    for path in ("/telegram", "/telegram/", "/handset/telegram.js", "/handset/telegram.css"):
        async with country.client.get(path) as response:
            assert response.status == 200, path
