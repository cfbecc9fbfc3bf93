"""When the Telegram channel is there, and when production refuses to start with it."""

import pytest

from gateway.runtime.process import ProcessContainer
from gateway.runtime.settings import SettingsError, load_settings

PRODUCTION = {
    "DATABASE_URL": "postgresql://x/y",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "SPOTLIGHT_SECRET_KEY": "3f9c0d71e58b4a26c9d07e1fb83a5264",
    "SPOTLIGHT_ENV": "production",
    "SPOTLIGHT_PUBLIC_URL": "https://vote.example",
}


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TOKEN", "WEBHOOK_SECRET", "MODE", "BASE_URL", "USERNAME"):
        monkeypatch.delenv(f"TELEGRAM_{name}", raising=False)
    for name, value in PRODUCTION.items():
        monkeypatch.setenv(name, value)


def refused() -> str:
    try:
        load_settings()
    except SettingsError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("environment", "fault"),
    [
        ({}, False),
        ({"TOKEN": "123456:T"}, True),
        ({"TOKEN": "123456:T", "WEBHOOK_SECRET": "kL9mQ2vXr7Tz4BnW"}, False),
        ({"TOKEN": "123456:T", "WEBHOOK_SECRET": "word"}, True),
        ({"TOKEN": "123456:T", "MODE": "polling"}, False),
    ],
)
def test_production_wants_a_secret_for_the_webhook(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], fault: bool
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(f"TELEGRAM_{name}", value)
    assert ("TELEGRAM_WEBHOOK_SECRET" in refused()) is fault


async def test_without_a_token_there_is_no_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    def container() -> ProcessContainer:
        return ProcessContainer(load_settings())

    monkeypatch.setenv("SPOTLIGHT_TRUSTED_PROXIES", "none")
    async with container() as without:
        assert without.telegram is None
    monkeypatch.setenv("TELEGRAM_WEBHOOK_SECRET", "kL9mQ2vXr7Tz4BnW")
    async with container() as without:
        assert without.telegram is None
    monkeypatch.setenv("TELEGRAM_TOKEN", "123456:T")
    async with container() as with_bot:
        assert with_bot.telegram is not None
        assert with_bot.telegram.code == "telegram"
