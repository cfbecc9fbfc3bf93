"""How the bot introduces itself, and how it asks for updates where it has no public address."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiogram.exceptions import TelegramConflictError, TelegramNetworkError, TelegramUnauthorizedError
from aiogram.methods import (
    DeleteWebhook,
    GetMe,
    GetUpdates,
    GetWebhookInfo,
    SetMyCommands,
    SetWebhook,
    TelegramMethod,
)
from aiogram.types import Update, WebhookInfo
from pydantic import ValidationError

from channels.telegram import webhook
from channels.telegram.settings import TelegramSettings
from channels.telegram.webhook import COMMANDS, receive_updates
from gateway.runtime.accounts import read_given
from gateway.runtime.settings import SettingsError
from tests.channels.telegram.conftest import World
from tests.channels.telegram.wire import Wire, written

WEBHOOK = TelegramSettings.model_validate({"token": "123456:T", "webhook_secret": "word"})
POLLING = TelegramSettings.model_validate({"token": "123456:T", "mode": "polling"})


async def run_until(world: World, settings: TelegramSettings, done: Callable[[], bool]) -> None:
    task = asyncio.create_task(receive_updates(settings, world.bot, world.context, world.intake))
    try:
        async with asyncio.timeout(10):
            while not done():  # noqa: ASYNC110 - the wire rings no bell
                await asyncio.sleep(0.01)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_the_webhook_is_set_with_its_secret_and_all_that_we_read(world: World) -> None:
    world.context.username = ""
    await run_until(world, WEBHOOK, lambda: len(world.wire.made(SetMyCommands)) == 2)
    (hook,) = world.wire.made(SetWebhook)
    assert (hook.url, hook.secret_token) == ("https://vote.example/telegram/webhook", "word")
    assert hook.allowed_updates == ["message", "callback_query", "my_chat_member"]
    assert world.context.username == "spotlight_bot"
    commands = {call.language_code: call.commands for call in world.wire.made(SetMyCommands)}
    assert set(commands) == {None, "en"}
    assert all(tuple(c.command for c in listed) == COMMANDS for listed in commands.values())


@pytest.mark.parametrize(
    "fault",
    [
        TelegramNetworkError(method=GetMe(), message="away"),
        TelegramUnauthorizedError(method=GetMe(), message="Unauthorized"),
    ],
)
async def test_a_telegram_that_is_away_is_asked_again(
    world: World, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    monkeypatch.setattr(webhook, "RETRY_FIRST_SECONDS", 0.01)
    monkeypatch.setattr(webhook, "RETRY_MAX_SECONDS", 0.02)
    world.wire.faults.extend([fault, fault])
    await run_until(world, WEBHOOK, lambda: bool(world.wire.made(SetWebhook)))


class OtherHook(Wire):
    """Another installation set another webhook."""

    async def make_request(self, bot: Any, method: TelegramMethod[Any], timeout: int | None = None) -> Any:  # noqa: ASYNC109 - aiogram's own signature
        answer = await super().make_request(bot, method, timeout)
        if isinstance(method, GetWebhookInfo):
            return WebhookInfo(url="https://elsewhere", has_custom_certificate=False, pending_update_count=0)
        return answer


async def test_a_changed_webhook_is_set_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "CHECK_EVERY_SECONDS", 0.01)
    other = World(world.store, world.redis, wire=OtherHook())
    await run_until(other, WEBHOOK, lambda: len(other.wire.made(SetWebhook)) > 1)
    await other.close()


class Offered(Wire):
    """Updates to be asked for; first another process asks too."""

    def __init__(self, *updates: dict[str, Any]) -> None:
        super().__init__()
        self.updates = [Update.model_validate(update) for update in updates]
        self.conflict = True
        self.offsets: list[int | None] = []

    async def make_request(self, bot: Any, method: TelegramMethod[Any], timeout: int | None = None) -> Any:  # noqa: ASYNC109 - aiogram's own signature
        if not isinstance(method, GetUpdates):
            return await super().make_request(bot, method, timeout)
        if self.conflict:
            self.conflict = False
            raise TelegramConflictError(method=method, message="terminated by other getUpdates request")
        self.offsets.append(method.offset)
        left = [update for update in self.updates if method.offset is None or update.update_id >= method.offset]
        if not left:
            await asyncio.sleep(0.05)
        return left


async def test_without_a_public_address_the_bot_asks_for_updates(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "RETRY_FIRST_SECONDS", 0.01)
    first, second = written("/start"), written("07", language=None)
    other = World(world.store, world.redis, wire=Offered(first, second))
    offered = other.wire
    assert isinstance(offered, Offered)
    await run_until(other, POLLING, lambda: len(offered.offsets) > 1)
    await other.intake.wait_idle()
    assert offered.made(DeleteWebhook)
    assert not offered.made(SetWebhook)
    assert offered.offsets[:2] == [None, second["update_id"] + 1]
    assert await other.outcomes() == ["done", "done"]
    assert "Awa Ouattara" in other.text()
    await other.close()


@pytest.mark.parametrize(
    "wrong",
    [
        {"token": "no token"},
        {"token": "123456:T", "webhook_secret": "not allowed!"},
        {"token": "123456:T", "webhook_secret": "x" * 257},
        {"token": "123456:T", "mode": "pigeon"},
        {"token": "123456:T", "base_url": "telegram.org"},
        {"token": "123456:T", "username": "@bot"},
    ],
)
def test_settings_that_cannot_be_used_stop_the_start(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        TelegramSettings.model_validate(wrong)
    with pytest.raises(SettingsError, match="TELEGRAM_") as refused:
        read_given("telegram", wrong, TelegramSettings)
    assert wrong.get("webhook_secret", "not allowed!") not in str(refused.value)


def test_settings_keep_their_secrets_to_themselves() -> None:
    shown = repr(WEBHOOK)
    assert "123456:T" not in shown
    assert "word" not in shown
    assert (WEBHOOK.bot_id, WEBHOOK.secret, POLLING.secret) == (123456, "word", None)
