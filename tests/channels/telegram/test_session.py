"""Answers of the Bot API as they come over the wire: what was delivered is not sent again."""

from collections.abc import AsyncIterator

import pytest
from aiogram import Bot
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import ClientDecodeError, TelegramBadRequest
from aiohttp import web
from aiohttp.test_utils import TestServer

from channels.telegram.bot import DeliveringSession


class Api:
    """A Bot API that gives the same answer to every call."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.answer: tuple[int, str] = (200, "")

    async def serve(self, request: web.Request) -> web.Response:
        self.calls.append(request.path.rpartition("/")[2])
        status, body = self.answer
        return web.Response(status=status, text=body, content_type="application/json")


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
async def bot(api: Api) -> AsyncIterator[Bot]:
    app = web.Application()
    app.router.add_post("/{tail:.*}", api.serve)
    async with TestServer(app) as server:
        session = DeliveringSession(api=TelegramAPIServer.from_base(str(server.make_url("/"))))
        yield Bot("123456:T", session=session)
        await session.close()


@pytest.mark.parametrize(
    ("body", "message_id"),
    [
        ('{"ok": true, "result": {}}', 0),
        ('{"ok": true}', 0),
        ('{"ok": "true"}', 0),
        ('{"ok": true, "result": {"message_id": 77, "text": "no date and no chat"}}', 77),
        ('{"ok": true, "result": {"message_id": "?", "chat": 5}}', 0),
        ('{"result": [], "ok": true}', 0),
        ('{"ok":true,"result":{"message_id":78,"da', 78),
    ],
)
@pytest.mark.parametrize("status", [200, 201])
async def test_a_message_that_was_taken_is_delivered_whatever_the_answer_lacks(
    bot: Bot, api: Api, body: str, message_id: int, status: int
) -> None:
    api.answer = status, body
    sent = await bot.send_message(55, "Bonjour")
    assert sent.message_id == message_id
    assert sent.photo is None
    assert await bot.answer_callback_query("1") is True
    assert api.calls == ["sendMessage", "answerCallbackQuery"]


@pytest.mark.parametrize("body", ["<html>", "", "[]", "null", '{"ok": fal', "[" * 5_000])
async def test_a_page_of_a_proxy_proves_nothing(bot: Bot, api: Api, body: str) -> None:
    api.answer = 200, body
    with pytest.raises(ClientDecodeError):
        await bot.send_message(55, "Bonjour")


async def test_what_asks_needs_a_readable_answer(bot: Bot, api: Api) -> None:
    api.answer = 200, '{"ok": true, "result": {"x": 1}}'
    for ask in (bot.get_me, bot.get_updates, bot.get_webhook_info):
        with pytest.raises(ClientDecodeError):
            await ask()


async def test_a_refusal_stays_one(bot: Bot, api: Api) -> None:
    api.answer = 400, '{"ok": false, "error_code": 400, "description": "Bad Request: chat not found"}'
    with pytest.raises(TelegramBadRequest):
        await bot.send_message(55, "Bonjour")
    api.answer = 502, '{"ok": true, "result": {}}'
    with pytest.raises(ClientDecodeError):
        await bot.send_message(55, "Bonjour")
