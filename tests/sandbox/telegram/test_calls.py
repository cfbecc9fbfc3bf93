"""Messages that a bot sends and edits in the simulated Telegram, driven by aiogram as the gateway drives it."""

import pytest
from aiogram import Bot
from aiogram.exceptions import TelegramBadRequest
from aiogram.types import BotCommand, Message

from tests.sandbox.country import Country
from tests.sandbox.telegram.awa import AWA, TOKEN, act, buttons, chat, started


async def test_the_bot_says_who_it_is(bot: Bot) -> None:
    me = await bot.get_me()
    assert (me.id, me.is_bot, me.username) == (123456, True, "star_bot")


async def test_a_message_with_marks_and_buttons(country: Country, bot: Bot) -> None:
    await act(country, "send", text="/start")
    sent = await bot.send_message(
        AWA,
        "  Votez <b>Awa 🎤</b> &amp; <a href='https://x.ci/?a=1&amp;b=2'>voir</a>",
        reply_markup=buttons(("5", "q:5")),
    )
    assert sent.text == "Votez Awa 🎤 & voir"
    assert [(e.type, e.offset, e.length) for e in sent.entities or []] == [("bold", 6, 6), ("text_link", 15, 4)]
    assert (sent.entities or [])[1].url == "https://x.ci/?a=1&b=2"
    assert sent.chat.id == AWA
    assert sent.from_user is not None
    assert sent.from_user.id == 123456
    (_, shown) = await chat(country)
    assert shown["from"] == "bot"
    assert shown["buttons"] == [[{"text": "5", "data": "q:5"}]]
    assert shown["edits"] == 0


async def test_an_edit_changes_the_message_in_place(country: Country, bot: Bot) -> None:
    sent = await started(country, bot)
    edited = await bot.edit_message_text("Merci", chat_id=AWA, message_id=sent.message_id)
    assert isinstance(edited, Message)
    assert edited.edit_date is not None
    assert edited.reply_markup is None
    assert [(m["id"], m["text"], m["buttons"], m["edits"]) for m in (await chat(country))[1:]] == [
        (sent.message_id, "Merci", [], 1)
    ]


async def test_parameters_come_in_four_ways(country: Country) -> None:
    await act(country, "send", text="/start")
    path = f"/telegram/bot{TOKEN}/sendMessage"
    fields = {"chat_id": str(AWA), "text": "Café"}
    markup = {"inline_keyboard": [[{"text": "5", "callback_data": "q:5"}]]}
    for options in (
        {"params": fields},
        {"data": fields},
        {"json": {"chat_id": AWA, "text": "Café", "reply_markup": markup}},
        {"params": {"chat_id": str(AWA)}, "json": {"text": "Café"}},
    ):
        status, answer = await country.json("POST", path, **options)
        assert (status, answer["ok"], answer["result"]["text"]) == (200, True, "Café")
    status, answer = await country.json("GET", path.lower().replace(TOKEN.lower(), TOKEN), params=fields)
    assert (status, answer["result"]["chat"]["id"]) == (200, AWA)


async def test_what_the_bot_says_about_itself(country: Country, bot: Bot) -> None:
    assert await bot.set_my_commands([BotCommand(command="vote", description="Voter")], language_code="fr")
    shown = (await country.json("GET", f"/telegram/people/{AWA}"))[1]
    assert shown["commands"] == [{"command": "vote", "description": "Voter"}]
    for wrong in (
        bot.set_my_commands([BotCommand(command="Voter!", description="x")]),
        bot.set_my_commands([BotCommand(command="vote", description="")]),
    ):
        with pytest.raises(TelegramBadRequest):
            await wrong
