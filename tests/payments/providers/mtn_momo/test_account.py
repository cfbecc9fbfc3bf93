"""What an account with MTN is configured with."""

import asyncio
from typing import Any

import pytest
from pydantic import ValidationError

from payments.providers.mtn_momo.account import ENVIRONMENTS, Settings
from payments.providers.mtn_momo.provider import MtnMomo
from sandbox.operators.mtn_momo.numbers import CURRENCIES

USUAL = {
    "base_url": "https://momo.example",
    "subscription_key": "key",
    "api_user": "user",
    "api_key": "secret",
    "target_environment": "mtnivorycoast",
}
PAYING = {"disbursement_subscription_key": "k", "disbursement_api_user": "u", "disbursement_api_key": "s"}


def abilities(**changes: Any) -> Any:
    provider = MtnMomo(Settings.model_validate({**USUAL, **changes}))
    asyncio.run(provider.aclose())
    return provider.capabilities("")


@pytest.mark.parametrize("missing", sorted(PAYING))
def test_what_gives_money_out_is_whole_or_absent(missing: str) -> None:
    with pytest.raises(ValidationError, match="belong together"):
        Settings.model_validate({**USUAL, **PAYING, missing: None})


@pytest.mark.parametrize(
    "wrong", [{"target_environment": "production"}, {"target_environment": "CI"}, {"refunds_by": "hand"}]
)
def test_what_mtn_does_not_know_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate({**USUAL, **wrong})


def test_without_the_product_nothing_goes_out() -> None:
    takes, gives = abilities(), abilities(**PAYING)
    assert (takes.can_refund, takes.can_pay_out, takes.pays_from_float) == (False, False, False)
    assert (gives.can_refund, gives.can_pay_out, gives.pays_from_float) == (True, True, True)
    assert takes.has_balance
    assert takes.knows_holders


@pytest.mark.parametrize(("environment", "currency"), [("mtnivorycoast", "XOF"), ("mtncameroon", "XAF")])
def test_an_environment_has_one_currency(environment: str, currency: str) -> None:
    assert abilities(target_environment=environment).currencies == {currency}
    assert {"XOF", "XAF"} <= abilities(target_environment="sandbox", currency="EUR").currencies


def test_our_currencies_are_those_of_the_operator() -> None:
    assert all(CURRENCIES[name] == currency for name, (_, currency) in ENVIRONMENTS.items())
