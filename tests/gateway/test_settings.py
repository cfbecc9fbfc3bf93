"""What the environment may leave out, and what stops the start."""

import os
from pathlib import Path

import pytest

import channels.sms.carriers
import channels.ussd.aggregators
from gateway.discovery import discover
from gateway.settings import SettingsError, load_settings

PRODUCTION = {
    "DATABASE_URL": "postgresql://x/y",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "SPOTLIGHT_SECRET_KEY": "x" * 32,
    "SPOTLIGHT_ENV": "production",
    "SPOTLIGHT_PUBLIC_URL": "https://vote.example",
}
CALLERS = sorted({*discover(channels.sms.carriers), *discover(channels.ussd.aggregators)})


@pytest.fixture(autouse=True)
def production(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An installation that nothing calls: none of this machine's settings."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith(tuple(f"{code.upper()}_" for code in CALLERS)):
            monkeypatch.delenv(name)
    for name, value in PRODUCTION.items():
        monkeypatch.setenv(name, value)


def faults() -> list[str]:
    try:
        load_settings()
    except SettingsError as error:
        return str(error).splitlines()
    return []


def test_production_needs_no_word_of_who_does_not_call() -> None:
    assert faults() == []


@pytest.mark.parametrize("code", CALLERS)
def test_production_needs_the_word_of_everybody_who_is_set_up(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{code.upper()}_USERNAME", "star")
    assert faults() == [f"{code.upper()}_SHARED_SECRET: production needs the word that {code} sends as ?key="]
    monkeypatch.setenv(f"{code.upper()}_SHARED_SECRET", "word")
    assert faults() == []


def test_an_empty_name_sets_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AFRICASTALKING_USERNAME", "")
    assert faults() == []


@pytest.mark.parametrize("code", CALLERS)
def test_the_demo_needs_no_word(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPOTLIGHT_ENV", "demo")
    monkeypatch.setenv(f"{code.upper()}_USERNAME", "star")
    assert faults() == []
