"""Which accounts may be counted on by their callbacks, and what is wrong with saying so."""

import os
from pathlib import Path

import pytest

from gateway.cli.configuration import prefixes
from gateway.cli.doctor import counting_on_callbacks
from gateway.runtime.accounts import counted_on
from gateway.runtime.settings import SettingsError, load_settings
from gateway.values.network import read_networks
from tests.gateway.runtime.test_settings import PRODUCTION

THEIRS = "212.88.125.0/24"


@pytest.fixture(autouse=True)
def production(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One account at MTN, and none elsewhere."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith(("SPOTLIGHT_", *prefixes())):
            monkeypatch.delenv(name)
    for name, value in {**PRODUCTION, "MTN_MOMO_API_USER": "u"}.items():
        monkeypatch.setenv(name, value)


def refusals() -> list[str]:
    try:
        counted_on(load_settings())
    except SettingsError as error:
        return str(error).splitlines()
    return []


@pytest.mark.parametrize("value", [None, ""])
def test_callbacks_are_counted_on_only_where_it_is_set(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if value is not None:
        monkeypatch.setenv("MTN_MOMO_COUNT_ON_CALLBACK_BACKLOG", value)
    monkeypatch.setenv("MTN_MOMO_CALLBACK_SOURCES", THEIRS)
    assert counted_on(load_settings()) == {}
    assert list(counting_on_callbacks()) == []


def test_an_account_is_counted_on_by_its_own_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPOTLIGHT_ACCOUNTS", "mtn_momo@cm")
    monkeypatch.setenv("MTN_MOMO_COUNT_ON_CALLBACK_BACKLOG", "120")
    monkeypatch.setenv("MTN_MOMO_CALLBACK_SOURCES", f"{THEIRS}, 212.88.100.195")
    (key,), (policy,) = zip(*counted_on(load_settings()).items(), strict=True)
    assert (key, policy.backlog_seconds) == ("mtn_momo", 120)
    assert policy.sources == read_networks(f"{THEIRS},212.88.100.195/32")
    (finding,) = counting_on_callbacks()
    assert (finding.fine, "more than 120 s, from 212.88.125.0/24" in finding.text) == (True, True)


def test_without_sources_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MTN_MOMO_COUNT_ON_CALLBACK_BACKLOG", "120")
    assert refusals() == [
        "MTN_MOMO_CALLBACK_SOURCES: counting on callbacks needs the networks that mtn_momo calls from;"
        " ask the operator for them"
    ]
    (finding,) = counting_on_callbacks()
    assert (finding.what, finding.fine) == ("counting on callbacks", False)


@pytest.mark.parametrize(
    ("sources", "proxies", "wrong"),
    [
        ("127.0.0.1", "none", "127.0.0.1/32 is our own side"),
        ("10.1.2.3", "10.0.0.0/8", "10.1.2.3/32 is our own side"),
        ("10.0.0.0/8", "10.1.2.3", "10.0.0.0/8 is our own side"),
        ("0.0.0.0/0", "none", "nearly everybody"),
        ("MTN", "none", "does not appear to be an IPv4 or IPv6 network"),
        ("212.88.125.1/24", "none", "has host bits set"),
    ],
)
def test_networks_that_anybody_may_call_from(
    sources: str, proxies: str, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MTN_MOMO_COUNT_ON_CALLBACK_BACKLOG", "120")
    monkeypatch.setenv("MTN_MOMO_CALLBACK_SOURCES", sources)
    monkeypatch.setenv("SPOTLIGHT_TRUSTED_PROXIES", proxies)
    (line,) = refusals()
    assert line.startswith("MTN_MOMO_CALLBACK_SOURCES: ")
    assert wrong in line


@pytest.mark.parametrize("seconds", ["0", "-1", "soon", "1e9", "86401"])
def test_a_backlog_that_is_none(seconds: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MTN_MOMO_COUNT_ON_CALLBACK_BACKLOG", seconds)
    monkeypatch.setenv("MTN_MOMO_CALLBACK_SOURCES", THEIRS)
    (line,) = refusals()
    assert line.startswith("MTN_MOMO_COUNT_ON_CALLBACK_BACKLOG: ")


def test_the_simulated_country_may_call_from_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPOTLIGHT_ENV", "demo")
    monkeypatch.setenv("MTN_MOMO_COUNT_ON_CALLBACK_BACKLOG", "120")
    monkeypatch.setenv("MTN_MOMO_CALLBACK_SOURCES", "127.0.0.1")
    assert refusals() == []
