"""What the doctor tells of the bot: where updates go, how many wait, what went wrong, and no token."""

import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiogram.types import WebhookInfo
from aiohttp import web
from aiohttp.test_utils import TestServer

from channels.telegram.settings import TelegramSettings
from channels.telegram.webhook import check_webhook, read_webhook
from tests.sandbox.country import Country
from tests.sandbox.telegram.awa import TOKEN, bot_of

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
OURS = "https://vote.example/telegram/webhook"


def webhook(url: str = OURS, waiting: int = 0, error: timedelta | None = None) -> WebhookInfo:
    when = None if error is None else NOW - error
    message = None if error is None else "Wrong response from the webhook: 502 Bad Gateway"
    return WebhookInfo(
        url=url,
        has_custom_certificate=False,
        pending_update_count=waiting,
        last_error_date=when,
        last_error_message=message,
    )


@pytest.mark.parametrize(
    ("info", "mode", "fine", "text"),
    [
        (webhook(), "webhook", True, f"calls {OURS}; updates that wait: 0"),
        (webhook(""), "webhook", False, "no webhook is set"),
        (
            webhook("https://other.example/bot"),
            "webhook",
            False,
            f"calls https://other.example/bot instead of {OURS}",
        ),
        (webhook(""), "polling", True, "we poll; updates that wait: 0"),
        (webhook(), "polling", False, f"a webhook is set although we poll: {OURS}"),
        (webhook(waiting=1_000), "webhook", True, "updates that wait: 1000"),
        (webhook(waiting=1_001), "webhook", False, "updates that wait: 1001"),
        (
            webhook(error=timedelta(minutes=10)),
            "webhook",
            False,
            "last error 2026-06-01 11:50:00 UTC: Wrong response",
        ),
        (
            webhook(error=timedelta(minutes=11)),
            "webhook",
            True,
            "last error 2026-06-01 11:49:00 UTC: Wrong response",
        ),
    ],
)
def test_what_an_answer_means(info: WebhookInfo, mode: str, fine: bool, text: str) -> None:
    seen = read_webhook(info, mode, OURS, NOW)
    assert seen.fine is fine
    assert text in seen.text


def settings(base_url: str, token: str = TOKEN) -> TelegramSettings:
    return TelegramSettings.model_validate({"token": token, "base_url": base_url})


@pytest.fixture
async def country(tmp_path: Path) -> AsyncIterator[Country]:
    async with Country(tmp_path, {"telegram": {"token": TOKEN, "username": "star_bot"}}) as started:
        yield started


def address(country: Country) -> str:
    return str(country.client._base_url).rstrip("/") + "/telegram"


async def test_the_simulated_telegram_is_asked(country: Country) -> None:
    seen = await check_webhook(settings(address(country)), "https://vote.example", NOW)
    assert (seen.fine, seen.text[:21]) == (False, "no webhook is set; st")
    async with bot_of(country) as bot:
        await bot.set_webhook(OURS)
    assert (await check_webhook(settings(address(country)), "https://vote.example", NOW)).fine


async def test_the_token_is_in_no_text(country: Country) -> None:
    async with bot_of(country) as bot:
        await bot.set_webhook(f"https://other.example/{TOKEN}")
    seen = await check_webhook(settings(address(country)), "https://vote.example", NOW)
    assert "calls https://other.example/**** instead" in seen.text
    wrong = await check_webhook(settings(address(country), "123456:another-token"), "https://vote.example", NOW)
    assert wrong.text == "refuses TELEGRAM_TOKEN; take a new one from BotFather"


async def test_who_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("channels.telegram.webhook.CHECK_TIMEOUT_SECONDS", 0.2)
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        seen = await check_webhook(settings(f"http://127.0.0.1:{deaf.getsockname()[1]}"), "https://vote.example", NOW)
    assert not seen.fine
    assert seen.text.startswith("does not answer: T")


async def test_no_bot_answers() -> None:
    gone = await check_webhook(settings("http://127.0.0.1:1"), "https://vote.example", NOW)
    assert gone.text == "does not answer: TelegramNetworkError"


@pytest.mark.parametrize("body", ["<html>", '{"ok": true, "result": 1}'])
async def test_an_answer_that_is_none(body: str) -> None:
    async def odd(_: web.Request) -> web.Response:
        return web.Response(text=body, content_type="application/json")

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", odd)
    async with TestServer(app) as server:
        seen = await check_webhook(settings(str(server.make_url("")).rstrip("/")), "https://vote.example", NOW)
    assert (seen.fine, seen.text) == (False, "does not answer: ClientDecodeError")
