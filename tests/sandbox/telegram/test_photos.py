"""Photos in the simulated Telegram."""

from pathlib import Path

import pytest
from aiogram import Bot
from aiogram.exceptions import TelegramBadRequest

from tests.sandbox.country import Country
from tests.sandbox.telegram.awa import AWA, act, at_an_address, bot_of, chat, photo


async def test_a_photo_is_fetched_once_and_named_afterwards(country: Country, bot: Bot) -> None:
    await act(country, "send", text="/start")
    sent = await bot.send_photo(AWA, at_an_address(country), caption="<b>Awa</b>", reply_markup=None)
    assert sent.photo is not None
    assert [(size.width, size.height) for size in sent.photo] == [(90, 45), (320, 160), (800, 400), (1000, 500)]
    again = await bot.send_photo(AWA, sent.photo[-1].file_id)
    assert again.photo == sent.photo
    _, first, _ = await chat(country)
    assert first["text"] == "Awa"
    async with country.client.get(first["photo"]) as response:
        assert await response.read() == photo()
    with pytest.raises(TelegramBadRequest, match="no text in the message to edit"):
        await bot.edit_message_text("x", chat_id=AWA, message_id=sent.message_id)


async def test_a_photo_by_its_address(country: Country, bot: Bot) -> None:
    await act(country, "send", text="/start")
    sent = await bot.send_photo(AWA, at_an_address(country))
    assert sent.photo
    with pytest.raises(TelegramBadRequest, match="non-empty"):
        await bot.send_photo(AWA, f"{country.gateway_url}/other")
    with pytest.raises(TelegramBadRequest, match="failed to get HTTP URL content"):
        await bot.send_photo(AWA, "http://127.0.0.1:1/awa.jpg")


async def test_photos_that_are_refused(tmp_path: Path) -> None:
    async with Country(tmp_path) as country, bot_of(country) as bot, bot_of(country, "777:other_token") as other:
        await bot.get_me()
        await act(country, "send", text="/start")
        sent = await bot.send_photo(AWA, at_an_address(country))
        await other.get_me()
        await country.json("POST", f"/telegram/people/{AWA}/send?bot=777", json={"text": "/start"})
        assert sent.photo is not None
        for sender, given, words in (
            (other, sent.photo[-1].file_id, "wrong file identifier"),
            (bot, "AgACAgQAAxnonsense", "wrong remote file identifier"),
        ):
            with pytest.raises(TelegramBadRequest, match=words):
                await sender.send_photo(AWA, given)
        for content, words in (
            (b"GIF?", "IMAGE_PROCESS_FAILED"),
            (photo(2000, 50), "PHOTO_INVALID_DIMENSIONS"),
            (b"x" * (5 * 1024 * 1024 + 1), "too big"),
        ):
            with pytest.raises(TelegramBadRequest, match=words):
                await bot.send_photo(AWA, at_an_address(country, content))
