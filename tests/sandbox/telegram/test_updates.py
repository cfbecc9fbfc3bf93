"""How updates of the simulated Telegram reach a bot: asked for, or by webhook."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiogram import Bot
from aiogram.exceptions import TelegramBadRequest, TelegramConflictError
from aiogram.types import Update
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.sandbox.country import Country
from tests.sandbox.telegram.awa import AWA, HOOK, SECRET, act, started


async def test_updates_are_asked_for_and_confirmed(country: Country, bot: Bot) -> None:
    await act(country, "send", text="/start c_star_07", first_name="Koffi", language_code="en-CI")
    await act(country, "send", text="07", language_code=None)
    first, second = await bot.get_updates()
    assert first.message is not None
    assert first.message.from_user is not None
    assert (first.message.text, first.message.from_user.language_code) == ("/start c_star_07", "en-CI")
    assert first.message.from_user.first_name == "Koffi"
    assert [(e.type, e.offset, e.length) for e in first.message.entities or []] == [("bot_command", 0, 6)]
    assert second.message is not None
    assert second.message.from_user is not None
    assert second.message.from_user.language_code is None
    assert second.update_id == first.update_id + 1
    assert [u.update_id for u in await bot.get_updates(offset=-1)] == [second.update_id]
    assert [u.update_id for u in await bot.get_updates()] == [second.update_id]
    assert await bot.get_updates(offset=second.update_id + 1) == []


async def test_a_long_wait_ends_with_an_update_and_with_another_poller(country: Country, bot: Bot) -> None:
    waiting = asyncio.create_task(bot.get_updates(timeout=10))
    await asyncio.sleep(0.05)
    await act(country, "send", text="07")
    (update,) = await waiting
    waiting = asyncio.create_task(bot.get_updates(offset=update.update_id + 1, timeout=10))
    await asyncio.sleep(0.05)
    assert await bot.get_updates(offset=update.update_id + 1) == []
    with pytest.raises(TelegramConflictError, match="terminated by other getUpdates"):
        await waiting


async def test_only_kinds_that_are_wanted(country: Country, bot: Bot) -> None:
    await bot.get_updates(allowed_updates=["callback_query"])
    sent = await started(country, bot)
    assert (await act(country, "send", text="07"))["update_id"] is None
    await act(country, "tap", message_id=sent.message_id, data="q:07:5")
    (update,) = await bot.get_updates()
    assert update.event_type == "callback_query"


class Received:
    """A webhook that keeps what comes; `answers` are given in turn, the last for ever."""

    def __init__(self, *answers: int) -> None:
        self.answers = list(answers) or [200]
        self.updates: list[dict[str, Any]] = []
        self.secrets: list[str | None] = []
        self.open = 0
        self.most_open = 0
        self.seconds = 0.0

    async def take(self, request: web.Request) -> web.Response:
        self.updates.append(await request.json())
        self.secrets.append(request.headers.get("X-Telegram-Bot-Api-Secret-Token"))
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        await asyncio.sleep(self.seconds)
        self.open -= 1
        return web.Response(status=self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])

    def texts(self) -> list[str]:
        return [update["message"]["text"] for update in self.updates]


@asynccontextmanager
async def hooked(bot: Bot, received: Received, **more: Any) -> AsyncIterator[Received]:
    app = web.Application()
    app.router.add_post(HOOK, received.take)
    async with TestServer(app) as server:
        await bot.set_webhook(str(server.make_url(HOOK)), secret_token=SECRET, **more)
        yield received


async def test_the_webhook_gets_updates_with_the_secret(country: Country, bot: Bot) -> None:
    async with hooked(bot, Received(), allowed_updates=["message", "callback_query"], max_connections=7) as received:
        sent = await started(country, bot)
        await act(country, "tap", message_id=sent.message_id, data="q:07:5")
        await country.until(lambda: len(received.updates) == 2)
        assert received.secrets == [SECRET, SECRET]
        query = Update.model_validate(received.updates[1]).callback_query
        assert query is not None
        assert query.message is not None
        assert (query.data, query.message.message_id) == ("q:07:5", sent.message_id)
        with pytest.raises(TelegramConflictError, match="webhook is active"):
            await bot.get_updates()
        info = await bot.get_webhook_info()
        assert (info.pending_update_count, info.max_connections) == (0, 7)
        assert info.allowed_updates == ["message", "callback_query"]
        await bot.delete_webhook()
        assert (await bot.get_webhook_info()).url == ""


async def test_an_update_comes_again_until_it_is_taken_and_holds_up_its_chat(country: Country, bot: Bot) -> None:
    await country.order(telegram={"repeat_seconds": 0.01})
    async with hooked(bot, Received(500, 503, 200)) as received:
        await act(country, "send", text="one")
        await act(country, "send", text="two")
        await country.until(lambda: len(received.updates) == 4)
        assert received.texts() == ["one", "one", "one", "two"]
        assert len({update["update_id"] for update in received.updates[:3]}) == 1
        info = await bot.get_webhook_info()
        assert info.last_error_message == "Wrong response from the webhook: 503"


async def test_pauses_between_repeats_grow(country: Country, bot: Bot) -> None:
    await country.order(telegram={"repeat_seconds": 0.02, "repeat_seconds_max": 0.08})
    async with hooked(bot, Received(500, 500, 500, 500, 200)) as received:
        before = time.monotonic()
        await act(country, "send", text="one")
        await country.until(lambda: len(received.updates) == 5)
        assert time.monotonic() - before >= 0.02 + 0.04 + 0.08 + 0.08


async def test_no_answer_in_time_is_no_answer(country: Country, bot: Bot) -> None:
    await country.order(telegram={"repeat_seconds": 0.01, "answer_seconds": 0.05})
    slow = Received()
    slow.seconds = 0.2
    async with hooked(bot, slow) as received:
        await act(country, "send", text="one")
        await country.until(lambda: len(received.updates) >= 2)
        assert len({update["update_id"] for update in received.updates}) == 1
        assert (await bot.get_webhook_info()).pending_update_count == 1
        slow.seconds = 0.0


async def test_one_chat_in_turn_and_different_chats_at_once(country: Country, bot: Bot) -> None:
    slow = Received()
    slow.seconds = 0.05
    async with hooked(bot, slow, max_connections=2) as received:
        for text in ("a", "b"):
            await act(country, "send", text=text)
        await country.until(lambda: len(received.updates) == 2)
        assert received.most_open == 1
        for person in range(60, 64):
            await act(country, "send", text="x", person=person)
        await country.until(lambda: len(received.updates) == 6)
        assert received.most_open == 2


@pytest.mark.parametrize(("how", "open_at_once"), [("after", 1), ("at_once", 2)])
async def test_doubled_updates(country: Country, bot: Bot, how: str, open_at_once: int) -> None:
    await country.order(telegram={"double_updates": how})
    slow = Received()
    slow.seconds = 0.02
    async with hooked(bot, slow) as received:
        await act(country, "send", text="one")
        await country.until(lambda: len(received.updates) == 2)
        assert received.updates[0] == received.updates[1]
        assert received.most_open == open_at_once


async def test_what_waited_goes_to_a_webhook_that_is_set_later_unless_dropped(country: Country, bot: Bot) -> None:
    await act(country, "send", text="one")
    async with hooked(bot, Received(), drop_pending_updates=True):
        assert (await bot.get_webhook_info()).pending_update_count == 0
    await bot.delete_webhook()
    await act(country, "send", text="two")
    async with hooked(bot, Received()) as received:
        await country.until(lambda: received.updates)
        assert received.texts() == ["two"]


async def test_webhooks_that_are_refused(bot: Bot) -> None:
    for url, secret in (("ftp://x.ci", "s"), ("http://[", "s"), ("https://x.ci/hook", "é")):
        with pytest.raises(TelegramBadRequest):
            await bot.set_webhook(url, secret_token=secret)


async def test_a_waiting_request_does_not_delay_the_end(country: Country, bot: Bot) -> None:
    await act(country, "send", text="07")
    (update,) = await bot.get_updates()
    _, seen = await country.json("GET", f"/telegram/people/{AWA}")
    page = asyncio.create_task(country.client.get(f"/telegram/people/{AWA}?newer_than={seen['version']}"))
    poll = asyncio.create_task(bot.get_updates(offset=update.update_id + 1, timeout=30))
    await asyncio.sleep(0.05)
    before = time.monotonic()
    await country._server.close()
    assert time.monotonic() - before < 2
    await asyncio.gather(page, poll, return_exceptions=True)
