"""Awa, who writes to the bot, and the bot that aiogram drives."""

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiogram import Bot
from aiogram.client.default import DefaultBotProperties
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.enums import ParseMode
from aiogram.types import InlineKeyboardButton, InlineKeyboardMarkup, Message, Update
from aiohttp import web
from PIL import Image

from tests.sandbox.country import Country

TOKEN = "123456:AAH-simulated_token"
HOOK = "/telegram/webhook"
SECRET = "s3cret-word"
AWA = 55


@asynccontextmanager
async def bot_of(country: Country, token: str = TOKEN) -> AsyncIterator[Bot]:
    base = str(country.client._base_url).rstrip("/") + "/telegram"
    session = AiohttpSession(api=TelegramAPIServer.from_base(base), timeout=5)
    async with Bot(token, session=session, default=DefaultBotProperties(parse_mode=ParseMode.HTML)) as bot:
        yield bot


async def act(country: Country, what: str, person: int = AWA, status: int = 200, **body: Any) -> Any:
    found, answer = await country.json("POST", f"/telegram/people/{person}/{what}", json=body)
    assert found == status, answer
    return answer


async def chat(country: Country, person: int = AWA) -> Any:
    status, messages = await country.json("GET", f"/telegram/people/{person}/chat")
    assert status == 200
    return messages


def buttons(*rows: tuple[str, str]) -> InlineKeyboardMarkup:
    return InlineKeyboardMarkup(
        inline_keyboard=[[InlineKeyboardButton(text=text, callback_data=data)] for text, data in rows]
    )


def photo(width: int = 1000, height: int = 500, colour: str = "orange") -> bytes:
    held = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(held, "JPEG")
    return held.getvalue()


def at_an_address(country: Country, content: bytes | None = None) -> str:
    """Where Telegram finds this photo."""

    async def picture(_: Any) -> web.Response:
        return web.Response(body=photo() if content is None else content, content_type="image/jpeg")

    country.answers["/awa.jpg"] = picture
    return f"{country.gateway_url}/awa.jpg"


async def started(country: Country, bot: Bot) -> Message:
    """Awa has pressed Start; the bot has answered with two buttons."""
    await act(country, "send", text="/start")
    return await bot.send_message(AWA, "Combien ?", reply_markup=buttons(("5 voix", "q:07:5"), ("10 voix", "q:07:10")))


async def polled(bot: Bot, **more: Any) -> list[Update]:
    updates = await bot.get_updates(**more)
    if updates:
        await bot.get_updates(offset=updates[-1].update_id + 1)
    return updates
