"""What the environment may leave out, and what stops the start."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

import channels.sms.carriers
import channels.ussd.aggregators
import payments.providers
from gateway.orders.prompting import DEMO_LIMITS, NO_LIMITS, PromptLimits
from gateway.runtime.accounts import adapter_faults, build_accounts
from gateway.runtime.deployment import Environment
from gateway.runtime.discovery import discover
from gateway.runtime.pictures import build_files, build_pictures
from gateway.runtime.settings import SettingsError, load_settings
from gateway.storage.bucket_files import BucketFiles
from gateway.storage.files import FolderFiles
from gateway.storage.kept_pictures import KeptPictures
from gateway.storage.pictures import FolderPictures
from gateway.values.network import read_networks

PRODUCTION = {
    "DATABASE_URL": "postgresql://x/y",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "SPOTLIGHT_SECRET_KEY": "3f9c0d71e58b4a26c9d07e1fb83a5264",
    "SPOTLIGHT_ENV": "production",
    "SPOTLIGHT_PUBLIC_URL": "https://vote.example",
    "SPOTLIGHT_TRUSTED_PROXIES": "none",
}
SHARED = "kL9mQ2vXr7Tz4BnW"
OPERATORS = sorted(discover(payments.providers))
CALLERS = sorted({*discover(channels.sms.carriers), *discover(channels.ussd.aggregators)})


@pytest.fixture(autouse=True)
def production(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An installation that nothing calls: none of this machine's settings."""
    monkeypatch.chdir(tmp_path)
    ours = tuple(f"{code.upper()}_" for code in (*CALLERS, *OPERATORS, "telegram", "spotlight"))
    for name in os.environ:
        if name.startswith(ours):
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
    assert faults() == [f"{code.upper()}_SHARED_SECRET: production needs the secret that {code} sends as ?key="]
    monkeypatch.setenv(f"{code.upper()}_SHARED_SECRET", "w")
    assert faults() == [f"{code.upper()}_SHARED_SECRET: use at least 16 random characters"]
    monkeypatch.setenv(f"{code.upper()}_SHARED_SECRET", SHARED)
    assert faults() == []


def test_an_empty_name_sets_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AFRICASTALKING_USERNAME", "")
    assert faults() == []


@pytest.mark.parametrize("code", CALLERS)
def test_the_demo_needs_no_word(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPOTLIGHT_ENV", "demo")
    monkeypatch.setenv(f"{code.upper()}_USERNAME", "star")
    assert faults() == []


MTN = {
    "MTN_MOMO_BASE_URL": "https://proxy.momoapi.mtn.com",
    "MTN_MOMO_SUBSCRIPTION_KEY": "k",
    "MTN_MOMO_API_USER": "u",
    "MTN_MOMO_API_KEY": "k",
    "MTN_MOMO_TARGET_ENVIRONMENT": "mtnivorycoast",
}
STRIPE = {"STRIPE_SECRET_KEY": "sk_live_1", "STRIPE_WEBHOOK_SECRET": "whsec_1"}
WAVE = {"WAVE_BASE_URL": "https://api.wave.com", "WAVE_API_KEY": "k", "WAVE_WEBHOOK_SECRET": "s"}
PAWAPAY = {
    "PAWAPAY_BASE_URL": "https://api.pawapay.io",
    "PAWAPAY_API_TOKEN": "t",
    "PAWAPAY_CALLBACK_URL": "https://vote.example/api/webhooks/pawapay",
}
ORANGE = {
    "ORANGE_MONEY_BASE_URL": "https://api.orange.com",
    "ORANGE_MONEY_CLIENT_ID": "i",
    "ORANGE_MONEY_CLIENT_SECRET": "s",
    "ORANGE_MONEY_MERCHANT_KEY": "m",
}
AFRICASTALKING = {
    "AFRICASTALKING_USERNAME": "star",
    "AFRICASTALKING_API_KEY": "k",
    "AFRICASTALKING_SHARED_SECRET": SHARED,
}


def set_all(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("environment", [MTN, STRIPE, WAVE, PAWAPAY, ORANGE, AFRICASTALKING])
def test_production_starts_with_real_operators_and_the_demo_does_not(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_all(monkeypatch, environment)
    assert faults() == []
    assert adapter_faults(Environment.PRODUCTION) == []
    assert len(adapter_faults(Environment.DEMO)) == 1
    assert "a demo reaches no real operator" in adapter_faults(Environment.DEMO)[0]


@pytest.mark.parametrize(
    ("environment", "name", "value"),
    [
        (MTN, "MTN_MOMO_BASE_URL", "https://sandbox.momodeveloper.mtn.com"),
        (MTN, "MTN_MOMO_TARGET_ENVIRONMENT", "sandbox"),
        (STRIPE, "STRIPE_SECRET_KEY", "sk_test_1"),
        (STRIPE, "STRIPE_SECRET_KEY", "rk_test_1"),
        (PAWAPAY, "PAWAPAY_BASE_URL", "https://api.sandbox.pawapay.io"),
        (ORANGE, "ORANGE_MONEY_COUNTRY_SEGMENT", "dev"),
        (AFRICASTALKING, "AFRICASTALKING_USERNAME", "sandbox"),
        (AFRICASTALKING, "AFRICASTALKING_BASE_URL", "https://api.sandbox.africastalking.com"),
    ],
)
def test_play_money_is_for_the_demo(
    environment: dict[str, str], name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_all(monkeypatch, {**environment, name: value})
    assert "an operator's test environment" in adapter_faults(Environment.PRODUCTION)[0]
    assert adapter_faults(Environment.DEMO) == []


def test_an_account_of_the_test_environment_is_not_built(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, {**STRIPE, "STRIPE_SECRET_KEY": "sk_test_1"})
    with pytest.raises(SettingsError, match="test environment"):
        build_accounts(Environment.PRODUCTION)


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("MTN_MOMO_BASE_URL", "http://[::1]:8081/mtn_momo", "does not start with a simulated operator"),
        ("MTN_MOMO_BASE_URL", "http://127.1:8081/mtn_momo", "does not start with a simulated operator"),
        ("MTN_MOMO_BASE_URL", "http://proxy.momoapi.mtn.com", "over https:// only"),
        ("MTN_MOMO_API_KEY", "demo-api-key", "is the demo's"),
        ("SPOTLIGHT_SECRET_KEY", "x" * 40, "use random characters"),
        ("SPOTLIGHT_SECRET_KEY", "short", "at least 32"),
        ("SPOTLIGHT_LOCAL_WEBHOOKS", "true", "sends nothing to its own machine"),
        ("SPOTLIGHT_TRUSTED_PROXIES", "", "or none if voters call this process itself"),
        ("SPOTLIGHT_TRUSTED_PROXIES", "0.0.0.0/0", "nearly everybody"),
        ("SPOTLIGHT_TRUSTED_PROXIES", "::/0", "nearly everybody"),
        ("SPOTLIGHT_TRUSTED_PROXIES", "10.0.0.1, 0.0.0.0/1", "nearly everybody"),
        ("SPOTLIGHT_SHARED_NETWORKS", "102.0.0.0/7", "nearly everybody"),
        ("SPOTLIGHT_SHARED_NETWORKS", "orange", "does not appear to be"),
        ("SPOTLIGHT_UNPAID_ORDERS", "0", "greater than or equal to 1"),
        ("SPOTLIGHT_METRICS_TOKEN", "a", "at least 16"),
        ("SPOTLIGHT_PUBLIC_URL", "http://vote.example", "needs the https:// address"),
    ],
)
def test_production_refuses_to_start(name: str, value: str, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, {**MTN, name: value})
    assert [line for line in faults() if line.startswith(f"{name}: ") and fault in line]


def test_proxies_are_networks_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().proxies == []
    monkeypatch.setenv("SPOTLIGHT_TRUSTED_PROXIES", "10.0.0.0/8, fd00:1::/32")
    assert [str(network) for network in load_settings().proxies] == ["10.0.0.0/8", "fd00:1::/32"]


@pytest.mark.parametrize(
    ("given", "limits"),
    [
        ({"SPOTLIGHT_ENV": "demo"}, DEMO_LIMITS),
        (
            {"SPOTLIGHT_ENV": "demo", "SPOTLIGHT_SHARED_NETWORKS": "160.154.10.0/24"},
            replace(DEMO_LIMITS, shared_networks=(*DEMO_LIMITS.shared_networks, *read_networks("160.154.10.0/24"))),
        ),
        ({"SPOTLIGHT_ENV": "demo", "SPOTLIGHT_DEMO_LIMITS": "false"}, PromptLimits()),
        ({"SPOTLIGHT_ENV": "demo", "SPOTLIGHT_RATE_LIMITS": "false"}, NO_LIMITS),
        ({}, PromptLimits()),
        ({"SPOTLIGHT_DEMO_LIMITS": "true"}, PromptLimits()),
        ({"SPOTLIGHT_RATE_LIMITS": "false"}, NO_LIMITS),
    ],
)
def test_a_demo_may_have_the_limits_of_production(
    given: dict[str, str], limits: PromptLimits, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_all(monkeypatch, given)
    assert load_settings().prompt_limits == limits


def test_networks_and_their_allowances_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    more = {"SPOTLIGHT_SHARED_NETWORKS": "203.0.113.0/24, 2001:db8:5::/48", "SPOTLIGHT_UNPAID_ORDERS": "7"}
    set_all(monkeypatch, more | {"SPOTLIGHT_UNPAID_ORDERS_SHARED": "70"})
    limits = load_settings().prompt_limits
    addresses = ("203.0.113.9", "2001:db8:5::/64", "198.51.100.9", "2001:db8:6::/64", "", "nonsense")
    assert [limits.allowance(address) for address in addresses] == [70, 70, 7, 7, 7, 7]


def test_where_pictures_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(build_pictures(load_settings()), FolderPictures)
    monkeypatch.setenv("SPOTLIGHT_PICTURES", "s3")
    with pytest.raises(SettingsError, match="S3_BUCKET: Field required"):
        build_pictures(load_settings())
    monkeypatch.setenv("S3_BUCKET", "star-pictures")
    assert isinstance(build_pictures(load_settings()), KeptPictures)
    monkeypatch.setenv("S3_BASE_URL", "http://127.0.0.1:9000")
    assert len(faults()) == 1  # production calls nobody by plain http
    monkeypatch.delenv("S3_BASE_URL")
    monkeypatch.setenv("SPOTLIGHT_PICTURES", "cloudinary")
    with pytest.raises(SettingsError, match="needs CLOUDINARY_CLOUD_NAME"):
        build_pictures(load_settings())
    for name, value in {"CLOUD_NAME": "star", "API_KEY": "42", "API_SECRET": "kL9mQ2vXr7Tz"}.items():
        monkeypatch.setenv(f"CLOUDINARY_{name}", value)
    pictures = build_pictures(load_settings())
    assert pictures.address("o/n") == "https://res.cloudinary.com/star/image/upload/v1/spotlight-photos/o/n"
    monkeypatch.setenv("SPOTLIGHT_PICTURES", "attic")
    assert faults() == ["SPOTLIGHT_PICTURES: Input should be 'folder', 's3' or 'cloudinary'"]


def test_where_files_of_staff_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(build_files(load_settings()), FolderFiles)
    monkeypatch.setenv("SPOTLIGHT_EXPORTS", "s3")
    with pytest.raises(SettingsError, match="EXPORTS_S3_BUCKET: Field required"):
        build_files(load_settings())
    monkeypatch.setenv("EXPORTS_S3_BUCKET", "star-exports")
    assert isinstance(build_files(load_settings()), BucketFiles)


def test_witnesses_are_set_by_key_and_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPOTLIGHT_WITNESSES", "https://witness.news.example")
    assert faults() == ["SPOTLIGHT_WITNESSES: not a verifier key: 'https://witness.news.example'"]


def test_the_logs_are_signed_with_keys_that_nobody_guesses(monkeypatch: pytest.MonkeyPatch) -> None:
    strong = "9a7c1e5b3d8f02468ace13579bdf0246"
    for given, fault in {
        f"{strong},{PRODUCTION['SPOTLIGHT_SECRET_KEY']}": [],
        f"{strong},{strong}": ["SPOTLIGHT_LOG_KEY: a key is there twice"],
        "short": ["SPOTLIGHT_LOG_KEY: use 32 random characters or more for each key"],
    }.items():
        monkeypatch.setenv("SPOTLIGHT_LOG_KEY", given)
        assert faults() == fault
