"""What the simulated Telegram refuses, and what aiogram makes of it."""

from typing import Any

import pytest
from aiogram import Bot
from aiogram.exceptions import TelegramBadRequest, TelegramForbiddenError, TelegramUnauthorizedError
from aiogram.methods import TelegramMethod
from aiogram.types import (
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    KeyboardButton,
    Message,
    ReplyKeyboardMarkup,
)

from tests.sandbox.country import Country
from tests.sandbox.telegram.awa import AWA, TOKEN, act, at_an_address, bot_of, buttons, chat, polled, started


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "message text is empty"),
        (" <b> </b>", "message text is empty"),
        ("🎤" * 2049, "message is too long"),
        ("<b>x", "Can't find end tag corresponding to start tag"),
        ("<b><i>x</b></i>", "Unmatched end tag at byte offset 7"),
        ("x</b>", "Unexpected end tag"),
        ("é <3", "Unclosed start tag at byte offset 3"),
        ("<blink>x</blink>", 'Unsupported start tag "blink"'),
    ],
)
async def test_texts_that_are_refused(country: Country, bot: Bot, text: str, words: str) -> None:
    await started(country, bot)
    with pytest.raises(TelegramBadRequest, match=words):
        await bot.send_message(AWA, text)
    assert len(await chat(country)) == 2


async def test_the_longest_texts_pass(country: Country, bot: Bot) -> None:
    await act(country, "send", text="/start")
    sent = await bot.send_message(AWA, f"<b>{'🎤' * 2048}</b>")
    assert (sent.entities or [])[0].length == 4096
    await bot.send_photo(AWA, at_an_address(country), caption="x" * 1024)
    with pytest.raises(TelegramBadRequest, match="caption is too long"):
        await bot.send_photo(AWA, at_an_address(country), caption="x" * 1025)


@pytest.mark.parametrize(
    ("keyboard", "words"),
    [
        ([[{"text": "5", "callback_data": "é" * 33}]], "BUTTON_DATA_INVALID"),
        ([[{"text": "5", "callback_data": ""}]], "BUTTON_DATA_INVALID"),
        ([[{"text": "5"}]], "Text buttons are unallowed"),
        ([[{"text": "", "url": "https://x.ci"}]], "text must be non-empty"),
        ([[{"text": "5", "url": "javascript:1"}]], "Wrong HTTP URL"),
        ([[{"text": "5", "url": "http://localhost/x"}]], "Wrong HTTP URL"),
        ([[{"text": "5", "callback_data": "x"}] * 9], "REPLY_MARKUP_TOO_LONG"),
        ([[{"text": "5", "callback_data": "x"}]] * 101, "REPLY_MARKUP_TOO_LONG"),
        ([{"text": "5", "callback_data": "x"}], "Array of Arrays"),
    ],
)
async def test_keyboards_that_are_refused(country: Country, keyboard: Any, words: str) -> None:
    await act(country, "send", text="/start")
    body = {"chat_id": AWA, "text": "x", "reply_markup": {"inline_keyboard": keyboard}}
    status, answer = await country.json("POST", f"/telegram/bot{TOKEN}/sendMessage", json=body)
    assert status == answer["error_code"] == 400
    assert words in answer["description"]


async def test_data_of_64_bytes_and_a_link_pass(country: Country, bot: Bot) -> None:
    await act(country, "send", text="/start")
    link = InlineKeyboardButton(text="Page", url=f"{country.gateway_url}/star")
    keyboard = InlineKeyboardMarkup(inline_keyboard=[[link], *buttons(("5", "é" * 32)).inline_keyboard])
    sent = await bot.send_message(AWA, "x", reply_markup=keyboard)
    assert sent.reply_markup is not None
    assert sent.reply_markup.model_dump() == keyboard.model_dump()


async def test_edits_that_are_refused(country: Country, bot: Bot) -> None:
    sent = await started(country, bot)
    (written, _) = await chat(country)
    same = buttons(("5 voix", "q:07:5"), ("10 voix", "q:07:10"))
    with_key = await bot.send_message(
        AWA, "Numéro ?", reply_markup=ReplyKeyboardMarkup(keyboard=[[KeyboardButton(text="x")]])
    )

    def edit(message_id: int, text: str = "y", chat_id: int = AWA) -> TelegramMethod[Message | bool]:
        return bot.edit_message_text(text, chat_id=chat_id, message_id=message_id, reply_markup=same)  # type: ignore[return-value]  # awaited below

    for method, words in (
        (edit(sent.message_id, "Combien ?"), "message is not modified"),
        (edit(sent.message_id + 1000), "message to edit not found"),
        (edit(written["id"]), "message can't be edited"),
        (edit(with_key.message_id), "message can't be edited"),
        (edit(sent.message_id, chat_id=99), "chat not found"),
        (bot.send_message(99, "x"), "chat not found"),
    ):
        with pytest.raises(TelegramBadRequest, match=words):
            await method


async def test_unknown_tokens_and_methods(country: Country) -> None:
    async with bot_of(country, "123456:wrong") as wrong:
        with pytest.raises(TelegramUnauthorizedError):
            await wrong.get_me()
    for path, status in ((f"/telegram/bot{TOKEN}/sendGift", 404), ("/telegram/botnonsense/getMe", 404)):
        assert (await country.json("POST", path))[0] == status


async def test_a_blocked_bot_is_forbidden_until_it_is_let_in(country: Country, bot: Bot) -> None:
    sent = await started(country, bot)
    await polled(bot)
    await act(country, "block")
    for method in (bot.send_message(AWA, "x"), bot.edit_message_text("y", chat_id=AWA, message_id=sent.message_id)):
        with pytest.raises(TelegramForbiddenError, match="bot was blocked by the user"):
            await method
    await act(country, "send", text="?", status=409)
    await act(country, "unblock")
    await bot.send_message(AWA, "x")
    changes = [update.my_chat_member for update in await polled(bot)]
    assert [change.new_chat_member.status for change in changes if change] == ["kicked", "member"]
