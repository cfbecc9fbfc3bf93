"""What an MTN callback claims, and how little of it is read into what is malformed."""

from typing import Any

import pytest

from gateway.values.money import Money
from payments.providers.mtn_momo.provider import read_claims

PAID: dict[str, Any] = {
    "financialTransactionId": "1427013986",
    "externalId": "SPV7K2QM0123",
    "amount": "500",
    "currency": "XOF",
    "payer": {"partyIdType": "MSISDN", "partyId": "2250501020304"},
    "status": "SUCCESSFUL",
}


def test_a_whole_claim() -> None:
    claims = read_claims(PAID)
    assert claims is not None
    assert (claims.succeeded, claims.order_code, claims.received) == (True, "SPV7K2QM0123", Money(500, "XOF"))
    assert (claims.payer, claims.provider_reference) == ("+2250501020304", "1427013986")
    assert "2250501020304" not in repr(claims)


@pytest.mark.parametrize("status", ["FAILED", "PENDING", "successful", "", None, ["SUCCESSFUL"]])
def test_only_a_success_claims_anything(status: object) -> None:
    assert read_claims({**PAID, "status": status}) is None


@pytest.mark.parametrize("amount", [None, "", "5OO", "500.5", [500], True, "1" * 40])
def test_an_amount_that_is_none(amount: object) -> None:
    claims = read_claims({**PAID, "amount": amount})
    assert claims is not None
    assert claims.received is None


@pytest.mark.parametrize("currency", [None, "F CFA", "xof", 952])
def test_a_currency_that_is_none(currency: object) -> None:
    claims = read_claims({**PAID, "currency": currency})
    assert claims is not None
    assert claims.received is None


@pytest.mark.parametrize(
    "payer",
    [
        None,
        "2250501020304",
        {"partyId": "2250501020304"},
        {"partyIdType": "EMAIL", "partyId": "2250501020304"},
        {"partyIdType": "MSISDN", "partyId": "+2250501020304"},
        {"partyIdType": "MSISDN", "partyId": "0501020304"},
        {"partyIdType": "MSISDN", "partyId": 2250501020304},
        {"partyIdType": "MSISDN", "partyId": "22505010••••"},
    ],
)
def test_a_payer_that_is_none(payer: object) -> None:
    claims = read_claims({**PAID, "payer": payer})
    assert claims is not None
    assert claims.payer is None
