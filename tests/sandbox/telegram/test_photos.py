"""Photos in the simulated Telegram."""

from pathlib import Path
from typing import Any

import pytest
from aiogram import Bot
from aiogram.exceptions import TelegramBadRequest
from aiogram.types import BufferedInputFile
from aiohttp import web

from tests.sandbox.country import Country
from tests.sandbox.telegram.awa import AWA, act, bot_of, chat, photo


async def test_a_photo_is_uploaded_once_and_named_afterwards(country: Country, bot: Bot) -> None:
    await act(country, "send", text="/start")
    sent = await bot.send_photo(AWA, BufferedInputFile(photo(), "awa.jpg"), caption="<b>Awa</b>", reply_markup=None)
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
    async def picture(_: Any) -> web.Response:
        return web.Response(body=photo(), content_type="image/jpeg")

    country.answers["/awa.jpg"] = picture
    await act(country, "send", text="/start")
    sent = await bot.send_photo(AWA, f"{country.gateway_url}/awa.jpg")
    assert sent.photo
    with pytest.raises(TelegramBadRequest, match="non-empty"):
        await bot.send_photo(AWA, f"{country.gateway_url}/other")
    with pytest.raises(TelegramBadRequest, match="failed to get HTTP URL content"):
        await bot.send_photo(AWA, "http://127.0.0.1:1/awa.jpg")


async def test_photos_that_are_refused(tmp_path: Path) -> None:
    async with Country(tmp_path) as country, bot_of(country) as bot, bot_of(country, "777:other_token") as other:
        await bot.get_me()
        await act(country, "send", text="/start")
        sent = await bot.send_photo(AWA, BufferedInputFile(photo(), "awa.jpg"))
        await other.get_me()
        await country.json("POST", f"/telegram/people/{AWA}/send?bot=777", json={"text": "/start"})
        assert sent.photo is not None
        for sender, given, words in (
            (other, sent.photo[-1].file_id, "wrong file identifier"),
            (bot, "AgACAgQAAxnonsense", "wrong remote file identifier"),
            (bot, BufferedInputFile(b"GIF?", "x.jpg"), "IMAGE_PROCESS_FAILED"),
            (bot, BufferedInputFile(photo(2000, 50), "x.jpg"), "PHOTO_INVALID_DIMENSIONS"),
            (bot, BufferedInputFile(b"x" * (10 * 1024 * 1024 + 1), "x.jpg"), "too big"),
        ):
            with pytest.raises(TelegramBadRequest, match=words):
                await sender.send_photo(AWA, given)
