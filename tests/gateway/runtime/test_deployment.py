"""What production demands of addresses and secrets, and what a demo must not reach."""

import pytest

from gateway.runtime.deployment import (
    SECRET_KEY_LENGTH_MIN,
    Environment,
    address_fault,
    is_of_the_demo,
    is_private,
    is_simulated,
    placement_fault,
    secret_fault,
)

RANDOM = "3f9c0d71e58b4a26c9d07e1fb83a5264"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "127.99.3.4",
        "2130706433",
        "0x7f.0.0.1",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "localhost",
        "LOCALHOST.",
        "mtn.localhost",
        "ip6-localhost",
        "sandbox",
    ],
)
def test_this_machine_under_any_of_its_names_is_simulated(host: str) -> None:
    assert is_simulated(f"https://{host}:8081/mtn_momo")
    assert address_fault(f"https://{host}:8081/mtn_momo", own_network=True) is not None


@pytest.mark.parametrize("host", ["proxy.momoapi.mtn.com", "10.0.0.7", "localhost.example", "128.0.0.1", "1.example"])
def test_other_machines_are_not(host: str) -> None:
    assert not is_simulated(f"https://{host}/")


@pytest.mark.parametrize(
    ("url", "own_network", "refused"),
    [
        ("https://proxy.momoapi.mtn.com", False, False),
        ("http://proxy.momoapi.mtn.com", False, True),
        ("http://10.0.0.7", False, True),
        ("http://10.0.0.7:13013", True, False),
        ("http://kannel:13013", True, False),
        ("http://kannel.internal:13013", True, False),
        ("http://kannel.example:13013", True, True),
        ("http://8.8.8.8:13013", True, True),
    ],
)
def test_plain_http_stays_in_a_network_of_our_own(url: str, own_network: bool, refused: bool) -> None:
    assert (address_fault(url, own_network=own_network) is not None) is refused
    assert is_private(url) or refused or url.startswith("https")


@pytest.mark.parametrize(
    ("secret", "weak"),
    [
        (RANDOM, False),
        (RANDOM[:31], True),
        ("x" * 32, True),
        ("ab" * 16, True),
        ("abcdefghijklmnop" * 2, True),
        ("abcabcab" * 3 + "abcdabcd", True),
        ("une phrase assez longue pour cela", False),
    ],
)
def test_a_secret_that_can_be_guessed_is_none(secret: str, weak: bool) -> None:
    assert (secret_fault(secret, SECRET_KEY_LENGTH_MIN) is not None) is weak


def test_secrets_of_the_demo_are_known() -> None:
    assert is_of_the_demo("demo-api-key")
    assert is_of_the_demo("123456:demo-token")
    assert not is_of_the_demo("live-demonstrably-mine")


@pytest.mark.parametrize(
    ("environment", "url", "in_test", "own_network", "refused"),
    [
        (Environment.PRODUCTION, "https://api.stripe.com", False, False, False),
        (Environment.PRODUCTION, "https://api.stripe.com", True, False, True),
        (Environment.DEMO, "https://api.stripe.com", False, False, True),
        (Environment.DEMO, "https://api.stripe.com", True, False, False),
        (Environment.DEMO, "http://127.0.0.1:8081/stripe", False, False, False),
        (Environment.DEMO, "http://10.0.0.7:13013", False, True, False),
        (Environment.DEMO, "http://10.0.0.7", False, False, True),
    ],
)
def test_an_account_is_used_where_it_belongs(
    environment: Environment, url: str, in_test: bool, own_network: bool, refused: bool
) -> None:
    assert (placement_fault(environment, url, in_test=in_test, own_network=own_network) is not None) is refused
