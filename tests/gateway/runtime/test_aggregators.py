"""Which USSD aggregators are served, and what they share with us."""

import pytest

import channels.ussd.aggregators
from gateway.runtime.accounts import discover_aggregators, shared_secrets
from gateway.runtime.discovery import discover
from gateway.runtime.settings import Settings

CODES = sorted(discover(channels.ussd.aggregators))


@pytest.fixture(autouse=True)
def nothing_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    for code in CODES:
        monkeypatch.delenv(f"{code.upper()}_SHARED_SECRET", raising=False)


def settings(env: str) -> Settings:
    environment = {"DATABASE_URL": "postgresql://x", "REDIS_URL": "redis://x", "SPOTLIGHT_SECRET_KEY": "x" * 32}
    return Settings.model_validate({**environment, "SPOTLIGHT_ENV": env})


def test_the_demo_serves_all_of_them() -> None:
    assert sorted(discover_aggregators(settings("demo"))) == CODES


@pytest.mark.parametrize("code", CODES)
def test_production_serves_those_that_share_a_word(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert discover_aggregators(settings("production")) == {}
    monkeypatch.setenv(f"{code.upper()}_SHARED_SECRET", "word")
    served = discover_aggregators(settings("production"))
    assert list(served) == [code]
    assert shared_secrets(served) == {code: "word"}
