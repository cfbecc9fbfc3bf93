"""pawaPay, asked as its clients do: the payer's code, prompts, refunds, payouts, signed callbacks."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from unittest import mock
from uuid import uuid4

import pytest

from payments.provider import Accepted, Collection, Failed, NeedsOtp, PayerReason, Succeeded
from payments.providers.pawapay.provider import REGISTRATION, PawaPay
from tests.contracts.provider_cases import collection
from tests.sandbox.country import Country

TOKEN = {"Authorization": "Bearer token"}
MTN, ORANGE = "2250501020304", "2250701020304"


@pytest.fixture
async def country(tmp_path: Path) -> AsyncIterator[Country]:
    issued = {"api_token": "token", "callback_url": "{gateway}/api/webhooks/pawapay"}
    async with Country(tmp_path, {"pawapay": issued}) as started:
        yield started


@pytest.fixture
async def provider(country: Country) -> AsyncIterator[PawaPay]:
    settings = {
        "base_url": str(country.client._base_url) + "pawapay",
        "api_token": "token",
        "callback_url": f"{country.gateway_url}/api/webhooks/pawapay",
    }
    built = REGISTRATION.build(REGISTRATION.settings.model_validate(settings))
    assert isinstance(built, PawaPay)
    yield built
    await built.aclose()


async def post(country: Country, what: str, body: object, **head: str) -> tuple[int, Any]:
    return await country.json("POST", f"/pawapay/v2/{what}", json=body, headers=TOKEN | head)


async def get(country: Country, path: str) -> Any:
    status, body = await country.json("GET", f"/pawapay/v2/{path}", headers=TOKEN)
    assert status == 200, body
    return body


def party(number: str, provider: str) -> dict[str, object]:
    return {"type": "MMO", "accountDetails": {"phoneNumber": number, "provider": provider}}


def deposit(number: str = MTN, provider: str = "MTN_MOMO_CIV", **changes: Any) -> dict[str, Any]:
    body = {
        "depositId": str(uuid4()),
        "amount": "500",
        "currency": "XOF",
        "payer": party(number, provider),
        "clientReferenceId": "SPV7K2QM0123",
        "customerMessage": "Spotlight 5 votes",
        **changes,
    }
    return {name: value for name, value in body.items() if value is not None}


async def ended(country: Country, kind: str, reference: str) -> Any:
    async with asyncio.timeout(5):
        while True:
            data = (await get(country, f"{kind}s/{reference}"))["data"]
            if data["status"] in ("COMPLETED", "FAILED"):
                return data
            await asyncio.sleep(0.01)


async def paid(country: Country, amount: str = "500") -> str:
    await country.order(autopay=True)
    body = deposit(amount=amount)
    assert (await post(country, "deposits", body))[1]["status"] == "ACCEPTED"
    assert (await ended(country, "deposit", body["depositId"]))["status"] == "COMPLETED"
    return str(body["depositId"])


async def dialled(country: Country, number: str = ORANGE) -> str:
    _, screen = await country.phone("dial", {"code": "#144*82#"}, f"+{number}")
    words = str(screen["screen"]).replace(".", " ").split()
    return next(word for word in words if word.isdigit() and len(word) == 4)


def order(number: str = ORANGE) -> Collection:
    return collection("pawapay", {"reference": uuid4(), "payer": f"+{number}", "country": "CI"})


async def end_of(provider: PawaPay, asked: Collection) -> Succeeded | Failed:
    async with asyncio.timeout(5):
        while True:
            report = await provider.query(asked)
            if isinstance(report, Succeeded | Failed):
                return report
            await asyncio.sleep(0.01)


async def test_orange_is_paid_by_the_payer_s_code_and_the_phone_stays_dark(country: Country, provider: PawaPay) -> None:
    asked = order()
    assert isinstance(await provider.create(asked), NeedsOtp)
    assert isinstance(await provider.create(asked, await dialled(country)), Accepted)
    report = await end_of(provider, asked)
    assert isinstance(report, Succeeded)
    assert report.received == asked.amount
    assert (await country.phone("prompt", number=f"+{ORANGE}"))[1] is None
    _, phone = await country.json("GET", f"/phones/+{ORANGE}")
    assert phone["wallets"]["pawapay"] == 100_000 - 500


async def test_a_code_pays_once(country: Country, provider: PawaPay) -> None:
    code, first, second = await dialled(country), order(), order()
    assert isinstance(await provider.create(first, code), Accepted)
    assert isinstance(await end_of(provider, first), Succeeded)
    assert isinstance(await provider.create(second, code), Accepted)
    report = await end_of(provider, second)
    assert isinstance(report, Failed)
    assert report.reason is PayerReason.WRONG_CODE


async def test_a_code_of_yesterday_or_of_another_person(country: Country, provider: PawaPay) -> None:
    with mock.patch("sandbox.operators.orange_codes.CODE_SECONDS", 0.0):
        late = await dialled(country)
    foreign = await dialled(country, "2250705060708")
    for code in (late, foreign, "0000"):
        asked = order()
        assert isinstance(await provider.create(asked, code), Accepted)
        report = await end_of(provider, asked)
        assert isinstance(report, Failed)
        assert report.reason is PayerReason.WRONG_CODE


async def test_a_code_serves_orange_s_own_page_and_pawapay_alike(country: Country, provider: PawaPay) -> None:
    asked, code = order(), await dialled(country)
    newer = await dialled(country)
    assert isinstance(await provider.create(asked, code if code == newer else newer), Accepted)
    assert isinstance(await end_of(provider, asked), Succeeded)
    _, screen = await country.phone("dial", {"code": "#144*82#"}, f"+{MTN}")
    assert screen == {"screen": "Service reserve aux clients Orange Money.", "open": False}


async def test_the_right_code_and_too_little_money(country: Country, provider: PawaPay) -> None:
    await country.order(balances={f"+{ORANGE}": 499})
    asked = order()
    await provider.create(asked, await dialled(country))
    report = await end_of(provider, asked)
    assert isinstance(report, Failed)
    assert report.reason is PayerReason.NO_FUNDS


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"depositId": None}, 400, "MISSING_PARAMETER"),
        ({"depositId": "7"}, 400, "INVALID_PARAMETER"),
        ({"amount": 500}, 400, "INVALID_PARAMETER"),
        ({"payer": None}, 400, "MISSING_PARAMETER"),
        ({"customerMessage": "l'été"}, 400, "INVALID_PARAMETER"),
        ({"preAuthorisationCode": "1234"}, 400, "UNSUPPORTED_PARAMETER"),
        ({"payer": party(ORANGE, "ORANGE_CIV")}, 400, "MISSING_PARAMETER"),
        ({"amount": "0"}, 200, "INVALID_PARAMETER"),
        ({"amount": "5.5"}, 200, "INVALID_AMOUNT"),
        ({"currency": "XAF"}, 200, "INVALID_CURRENCY"),
        ({"payer": party(MTN, "MTN_MOMO_XYZ")}, 200, "INVALID_PROVIDER"),
        ({"payer": party("05", "MTN_MOMO_CIV")}, 200, "INVALID_PHONE_NUMBER"),
    ],
)
async def test_refusals(country: Country, changes: dict[str, Any], status: int, code: str) -> None:
    answered, body = await post(country, "deposits", deposit(**changes))
    assert (answered, body["failureReason"]["failureCode"]) == (status, code)
    assert status == 400 or body["status"] == "REJECTED"


async def test_who_calls(country: Country) -> None:
    assert await country.json("GET", f"/pawapay/v2/deposits/{uuid4()}") == (
        401,
        {"failureReason": {"failureCode": "NO_AUTHENTICATION", "failureMessage": "No authentication"}},
    )
    status, body = await post(country, "deposits", deposit(), Authorization="Bearer unknown")
    assert (status, body["failureReason"]["failureCode"]) == (403, "AUTHENTICATION_ERROR")


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("2250503456019", "PAYER_LIMIT_REACHED"),
        ("2250503456029", "PAYER_NOT_FOUND"),
        ("2250503456039", "PAYMENT_NOT_APPROVED"),
        ("2250503456049", "INSUFFICIENT_BALANCE"),
        ("2250503456069", "UNSPECIFIED_FAILURE"),
        ("2250101020304", "PAYER_NOT_FOUND"),
    ],
)
async def test_numbers_that_fail(country: Country, number: str, code: str) -> None:
    body = deposit(number)
    await post(country, "deposits", body)
    data = await ended(country, "deposit", body["depositId"])
    assert data["failureReason"]["failureCode"] == code


async def test_a_number_that_stays_stuck_has_no_callback(country: Country) -> None:
    await country.order(autopay=True)
    body = deposit("2250503456129")
    await post(country, "deposits", body)
    assert (await get(country, f"deposits/{body['depositId']}"))["data"]["status"] == "IN_RECONCILIATION"
    await paid(country)
    await country.until(lambda: country.calls)
    assert body["depositId"] not in {call["depositId"] for call in country.bodies("/api/webhooks/pawapay")}


async def test_a_deposit_outlives_the_process(country: Country) -> None:
    body = deposit()
    await post(country, "deposits", body)
    await country.prompt()
    await country.stop()
    await country.start()
    await country.prompt()
    await country.phone("prompt", {"pin": "0000"})
    assert (await ended(country, "deposit", body["depositId"]))["status"] == "COMPLETED"


async def test_refunds_of_one_deposit(country: Country) -> None:
    reference = await paid(country)
    refund = {"refundId": str(uuid4()), "depositId": reference, "amount": "200", "currency": "XOF"}
    assert (await post(country, "refunds", refund))[1]["status"] == "ACCEPTED"
    assert (await post(country, "refunds", refund))[1]["status"] == "DUPLICATE_IGNORED"
    assert (await ended(country, "refund", refund["refundId"]))["amount"] == "200"

    async def code(**changes: Any) -> str:
        _, body = await post(country, "refunds", {**refund, "refundId": str(uuid4()), **changes})
        return str(body.get("failureReason", {}).get("failureCode", body["status"]))

    assert await code(amount="301") == "AMOUNT_TOO_LARGE"
    assert await code(depositId=str(uuid4())) == "NOT_FOUND"
    assert await code(currency="XAF") == "INVALID_CURRENCY"
    assert await code(amount=None) == "ACCEPTED"
    await country.until(lambda: len(country.bodies("/api/webhooks/pawapay")) == 3)
    assert await code() == "DEPOSIT_ALREADY_REFUNDED"
    unpaid = deposit("2250503456129")
    await post(country, "deposits", unpaid)
    assert await code(depositId=unpaid["depositId"]) == "INVALID_STATE"


async def test_one_refund_of_a_deposit_moves_at_a_time(country: Country) -> None:
    reference = await paid(country)
    await country.order(pending_seconds=60)
    first, second = ({"refundId": str(uuid4()), "depositId": reference, "amount": "100"} for _ in range(2))
    assert (await post(country, "refunds", first))[1]["status"] == "ACCEPTED"
    with mock.patch("sandbox.operators.pawapay.messages.ACCEPTED_SECONDS", -1.0):
        _, body = await post(country, "refunds", second)
    assert body["failureReason"]["failureCode"] == "REFUND_IN_PROGRESS"


async def test_a_payout_out_of_an_empty_wallet(country: Country) -> None:
    await country.order(float_balance=499)
    reference = str(uuid4())
    body = {"payoutId": reference, "amount": "500", "currency": "XOF", "recipient": party(MTN, "MTN_MOMO_CIV")}
    assert (await post(country, "payouts", body))[1]["status"] == "ACCEPTED"
    data = await ended(country, "payout", reference)
    assert data["failureReason"]["failureCode"] == "PAWAPAY_WALLET_OUT_OF_FUNDS"
    assert await get(country, "wallet-balances?country=CIV") == {
        "balances": [{"country": "CIV", "balance": "499", "currency": "XOF", "provider": ""}]
    }
    assert {row["country"] for row in (await get(country, "wallet-balances"))["balances"]} == {"CIV", "CMR"}


async def test_callbacks_are_signed_and_forged_ones_are_found_out(country: Country, provider: PawaPay) -> None:
    await paid(country)
    await country.until(lambda: country.received)
    genuine = country.received.pop()
    assert {"signature", "signature-input", "signature-date", "content-digest"} <= set(genuine.headers)
    assert (len(provider.parse_callback(genuine, {})), provider.is_signed(genuine)) == (1, None)
    await provider.query(order())
    assert (len(provider.parse_callback(genuine, {})), provider.is_signed(genuine)) == (1, True)
    await country.order(callback={"mode": "forged"})
    await post(country, "deposits", deposit("2250503456129"))
    await country.until(lambda: country.received)
    forged = country.received.pop()
    assert forged.headers["signature"]
    assert (provider.parse_callback(forged, {}), provider.is_signed(forged)) == ((), False)
    unsigned = {name: value for name, value in genuine.headers.items() if name != "signature"}
    assert provider.parse_callback(type(genuine)("POST", "", unsigned, genuine.body), {}) == ()
