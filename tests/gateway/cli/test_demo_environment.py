"""The environment of a demo's programs."""

from pathlib import Path
from uuid import UUID

import pytest

import channels.sms.carriers
import payments.providers
from gateway.cli.configuration import example
from gateway.cli.demo_environment import Place, demo_environment, reachable_host
from gateway.runtime.discovery import discover

SERVERS = {
    "DATABASE_URL": "postgresql://spotlight_app@/spotlight?host=/run/pg",
    "SPOTLIGHT_OWNER_DATABASE_URL": "postgresql://owner@/spotlight",
    "REDIS_URL": "unix:///run/s",
}


def made(host: str = "127.0.0.1", **inherited: str) -> dict[str, str]:
    return demo_environment(Place(host, 8080, 8081, Path("/data"), 8025, 8082), SERVERS, "k" * 64, inherited)


def test_it_names_this_very_place() -> None:
    values = made()
    assert {name: values[name] for name in SERVERS} == SERVERS
    assert (values["HOST"], values["PORT"], values["SPOTLIGHT_SANDBOX_PORT"]) == (
        "127.0.0.1",
        "8080",
        "8081",
    )
    assert values["SPOTLIGHT_DATA_DIR"] == "/data"
    assert values["SPOTLIGHT_GATEWAY_URL"] == values["SPOTLIGHT_PUBLIC_URL"] == "http://127.0.0.1:8080"
    assert values["SPOTLIGHT_SMTP_URL"] == "smtp://127.0.0.1:8025"
    assert values["SPOTLIGHT_SANDBOX_MAIL_PORT"] == "8025"
    assert values["SPOTLIGHT_ENV"] == "demo"


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("MTN_MOMO", "mtn_momo"),
        ("ORANGE_MONEY", "orange_money"),
        ("AFRICASTALKING", "africastalking"),
        ("KANNEL", "kannel"),
        ("TELEGRAM", "telegram"),
    ],
)
def test_every_operator_is_in_the_simulated_country(name: str, path: str) -> None:
    assert made()[f"{name}_BASE_URL"] == f"http://127.0.0.1:8081/{path}"


def test_mtn_wants_a_random_uuid_as_user() -> None:
    assert UUID(made()["MTN_MOMO_API_USER"]).version == 4


def test_what_is_set_wins_over_demo_words_but_not_over_the_place() -> None:
    values = made(AFRICASTALKING_SENDER="1234", SPOTLIGHT_PUBLIC_URL="https://vote.example", DATABASE_URL="elsewhere")
    assert values["AFRICASTALKING_SENDER"] == "1234"
    assert values["SPOTLIGHT_PUBLIC_URL"] == "https://vote.example"
    assert values["DATABASE_URL"] == SERVERS["DATABASE_URL"]


def test_an_empty_word_counts_as_not_set() -> None:
    assert made(AFRICASTALKING_SENDER="")["AFRICASTALKING_SENDER"] == "7890,CM:7800"


@pytest.mark.parametrize(
    ("listens", "called"),
    [
        ("0.0.0.0", "127.0.0.1"),
        ("::", "127.0.0.1"),
        ("::1", "[::1]"),
        ("10.1.2.3", "10.1.2.3"),
        ("localhost", "localhost"),
    ],
)
def test_where_a_listener_is_reached(listens: str, called: str) -> None:
    assert reachable_host(listens) == called
    assert made(listens)["SPOTLIGHT_GATEWAY_URL"] == f"http://{called}:8080"


ADAPTERS = {**discover(channels.sms.carriers), **discover(payments.providers)}


@pytest.mark.parametrize("code", ADAPTERS)
def test_every_operator_and_carrier_says_what_the_demo_sets(code: str) -> None:
    prefix = f"{code.upper()}_"
    given = {name.removeprefix(prefix).lower(): value for name, value in made().items() if name.startswith(prefix)}
    assert given["base_url"] == f"http://127.0.0.1:8081/{code}"
    assert ADAPTERS[code].settings.model_validate(given)


@pytest.mark.parametrize("code", ADAPTERS)
def test_every_name_that_it_reads_is_in_the_example(code: str) -> None:
    values = dict(line[1:].split("=", 1) for line in example().splitlines() if line and not line.startswith("# "))
    assert values[f"{code.upper()}_BASE_URL"].startswith("http")
    for name in ADAPTERS[code].settings.model_fields:
        assert f"{code.upper()}_{name.upper()}" in values
