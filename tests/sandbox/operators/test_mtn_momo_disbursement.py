"""MTN's Disbursement product, asked as its reference pages describe it."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.sandbox.country import Country
from tests.sandbox.operators.test_mtn_momo import KEY, PAY, ask_to_pay, basic, final, headers, order, statement

BASE = "/mtn_momo/disbursement/v1_0"


async def payer(country: Country, environment: str = "mtnivorycoast", product: str = "disbursement") -> dict[str, str]:
    status, body = await country.json("POST", f"/mtn_momo/{product}/token/", headers={**KEY, **basic("out", "key")})
    assert status == 200
    return {**KEY, "Authorization": f"Bearer {body['access_token']}", "X-Target-Environment": environment}


def transfer(number: str = "2250501020304", **changes: Any) -> dict[str, Any]:
    body = order(**changes)
    body.pop("payer")
    return {**body, "payee": {"partyIdType": "MSISDN", "partyId": number}}


def refund(reference: str, **changes: Any) -> dict[str, Any]:
    body = order(**changes)
    body.pop("payer")
    return {**body, "referenceIdToRefund": reference}


async def pay(country: Country, head: dict[str, str], kind: str, body: Any, **more: str) -> tuple[str, int, Any]:
    reference = str(uuid4())
    sent = {**head, "X-Reference-Id": reference, **more}
    status, answer = await country.json("POST", f"{BASE}/{kind}", headers=sent, json=body)
    return reference, status, answer


async def end(country: Country, head: dict[str, str], kind: str, reference: str) -> Any:
    async with asyncio.timeout(3):
        while True:
            status, body = await country.json("GET", f"{BASE}/{kind}/{reference}", headers=head)
            assert status == 200
            if body["status"] != "PENDING":
                return body
            await asyncio.sleep(0.005)


async def paid(country: Country) -> str:
    await country.order(autopay=True)
    head = await headers(country)
    reference, *_ = await ask_to_pay(country, head)
    assert (await final(country, head, reference))["status"] == "SUCCESSFUL"
    return reference


async def test_money_goes_back_to_who_paid(country: Country) -> None:
    collected = await paid(country)
    head = await payer(country)
    hook = {"X-Callback-Url": f"{country.gateway_url}/hook"}
    reference, status, answer = await pay(country, head, "refund", refund(collected, amount="200"), **hook)
    assert (status, answer) == (202, None)
    done = await end(country, head, "refund", reference)
    assert done["payee"] == {"partyIdType": "MSISDN", "partyId": "2250501020304"}
    assert (done["status"], done["amount"]) == ("SUCCESSFUL", "200")
    await country.until(lambda: country.calls)
    assert country.calls == [("POST", "/hook", done)]
    lines = await statement(country)
    assert lines[2].startswith(
        f"{done['financialTransactionId']},{reference},SPV7K2QM,+2250501020304,200,XOF,SUCCESSFUL,"
    )
    assert lines[2].endswith(",refund,0")
    _, phone = await country.json("GET", "/phones/0501020304")
    assert phone["wallets"]["mtn_momo"] == 99_700
    _, inbox = await country.phone("inbox")
    assert inbox[-1]["from"] == "MoMo"
    assert inbox[-1]["text"].startswith("You have received 200 XOF from SPOTLIGHT.")


async def test_never_more_than_was_paid_and_only_what_was_paid(country: Country) -> None:
    collected = await paid(country)
    head = await payer(country)
    for body, reason in (
        (refund(collected, amount="501"), "NOT_ALLOWED"),
        (refund(str(uuid4())), "PAYER_NOT_FOUND"),
        (refund(collected, amount="300"), None),
        (refund(collected, amount="300"), "NOT_ALLOWED"),
    ):
        reference, status, _ = await pay(country, head, "refund", body)
        assert status == 202
        assert (await end(country, head, "refund", reference)).get("reason") == reason
    await country.order(autopay=False)
    waiting, *_ = await ask_to_pay(country, await headers(country))
    reference, *_ = await pay(country, head, "refund", refund(waiting))
    assert (await end(country, head, "refund", reference))["reason"] == "PAYER_NOT_FOUND"


async def test_the_float_is_a_wallet_of_its_own(country: Country) -> None:
    await country.order(float_balance=700)
    head = await payer(country)
    balance = f"{BASE}/account/balance"
    assert (await country.json("GET", balance, headers=head))[1] == {"availableBalance": "700", "currency": "XOF"}
    for reason in (None, "NOT_ENOUGH_FUNDS"):
        reference, *_ = await pay(country, head, "transfer", transfer())
        assert (await end(country, head, "transfer", reference)).get("reason") == reason
    assert (await country.json("GET", f"{balance}/XOF", headers=head))[1]["availableBalance"] == "200"
    assert (await country.json("GET", f"{balance}/EUR", headers=head))[0] == 500
    collection = await country.json("GET", "/mtn_momo/collection/v1_0/account/balance", headers=await headers(country))
    assert collection[1]["availableBalance"] == "0"


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        ("46733123450", "INTERNAL_PROCESSING_ERROR"),
        ("46733123455", "NOT_ENOUGH_FUNDS"),
        ("46733123457", "PAYEE_NOT_FOUND"),
        ("46733123464", "TRANSFER_TYPE_UNKNOWN"),
    ],
)
async def test_payees_of_the_testing_page(country: Country, number: str, reason: str) -> None:
    head = await payer(country, "sandbox")
    reference, status, _ = await pay(country, head, "transfer", transfer(number, currency="EUR"))
    assert status == 202
    assert (await end(country, head, "transfer", reference))["reason"] == reason
    await country.order(request={"refuse_at_post": True})
    _, status, answer = await pay(country, head, "transfer", transfer(number, currency="EUR"))
    assert (status, answer["code"]) == (500, reason)


async def test_refunds_of_the_testing_page(country: Country) -> None:
    await country.order(status={"delayed_seconds": 0.05})
    head = await payer(country, "sandbox")
    reasons = {}
    for number in range(1, 15):
        reference, status, _ = await pay(country, head, "refund", refund(str(number), currency="EUR"))
        assert status == 202
        if number == 5:
            assert (await country.json("GET", f"{BASE}/refund/{reference}", headers=head))[1]["status"] == "PENDING"
        else:
            reasons[number] = (await end(country, head, "refund", reference)).get("reason")
    assert reasons[1] == "PAYER_NOT_FOUND"
    assert reasons[13] == "COULD_NOT_PERFORM_TRANSACTION"
    assert [number for number, reason in reasons.items() if reason is None] == [6, 14]


async def test_a_token_opens_one_product(country: Country) -> None:
    head = await payer(country)
    assert (await ask_to_pay(country, head))[1] == 401
    assert (await pay(country, await headers(country), "transfer", transfer()))[1] == 401
    v2 = {**head, "X-Reference-Id": str(uuid4())}
    path = "/mtn_momo/disbursement/v2_0/refund"
    assert (await country.json("POST", path, headers=v2, json=refund(str(uuid4()))))[0] == 202


async def test_each_product_and_each_account_has_its_own_keys(tmp_path: Path) -> None:
    issued = {
        "subscription_key": "sub",
        "api_user": "user",
        "api_key": "key",
        "target_environment": "mtnivorycoast",
        "disbursement_subscription_key": "out-sub",
        "disbursement_api_user": "out",
        "disbursement_api_key": "out-key",
        "cm_subscription_key": "cm-sub",
        "cm_target_environment": "mtncameroon",
        "cm_disbursement_api_key": "cm-out-key",
    }
    out = {"Ocp-Apim-Subscription-Key": "out-sub"}
    cases = [
        ("collection", KEY, ("user", "key"), 200),
        ("collection", out, ("user", "key"), 401),
        ("collection", KEY, ("out", "out-key"), 401),
        ("collection", {"Ocp-Apim-Subscription-Key": "cm-sub"}, ("user", "key"), 200),
        ("disbursement", KEY, ("out", "out-key"), 401),
        ("disbursement", out, ("user", "key"), 401),
        ("disbursement", out, ("out", "out-key"), 200),
        ("disbursement", out, ("out", "cm-out-key"), 200),
    ]
    async with Country(tmp_path, {"mtn_momo": issued}) as country:
        for product, key, pair, wanted in cases:
            asked = await country.json("POST", f"/mtn_momo/{product}/token/", headers={**key, **basic(*pair)})
            assert asked[0] == wanted, (product, key, pair)
        head = {**await headers(country, "mtncameroon")}
        assert (await ask_to_pay(country, head, order("237670000000", currency="XAF")))[1] == 202
        assert (await ask_to_pay(country, {**head, "X-Target-Environment": "mtnbenin"}))[1] == 500


async def test_ten_questions_a_second_for_each_account(country: Country) -> None:
    await country.order(status={"rate_limit_per_second": None})
    ours, theirs = await payer(country), await headers(country)
    path, other = f"{BASE}/transfer/{uuid4()}", f"{PAY}/{uuid4()}"
    asked = await asyncio.gather(*(country.json("GET", path, headers=ours) for _ in range(15)))
    assert sorted(status for status, _ in asked) == [404] * 10 + [429] * 5
    assert (await country.json("GET", other, headers=theirs))[0] == 404


async def test_a_restart_goes_on_with_what_was_open(country: Country) -> None:
    await country.order(pending_seconds=60)
    head = await payer(country)
    reference, *_ = await pay(country, head, "transfer", transfer())
    assert (await country.json("GET", f"{BASE}/transfer/{reference}", headers=head))[1]["status"] == "PENDING"
    await country.stop()
    await country.start()
    head = await payer(country)
    assert (await end(country, head, "transfer", reference))["status"] == "SUCCESSFUL"
    assert len(await statement(country)) == 2


async def test_faults_of_one_direction_only(country: Country) -> None:
    await country.order(only="disbursements", request={"error_500": "INTERNAL_PROCESSING_ERROR"})
    assert (await ask_to_pay(country, await headers(country)))[1] == 202
    assert (await pay(country, await payer(country), "transfer", transfer()))[1] == 500
    await country.order(only="collections")
    assert (await ask_to_pay(country, await headers(country)))[1] == 500
    assert (await pay(country, await payer(country), "transfer", transfer()))[1] == 202


async def test_fees_stay_with_the_operator(country: Country) -> None:
    await country.order(fee_per_mille=20)
    await paid(country)
    assert (await statement(country))[1].endswith(",collection,10")
    _, body = await country.json("GET", "/mtn_momo/collection/v1_0/account/balance", headers=await headers(country))
    assert body["availableBalance"] == "490"


@pytest.mark.parametrize("body", [{}, [], {"amount": "5"}, transfer(amount=5), transfer("+225"), refund("x")])
async def test_a_wrong_body_is_refused(country: Country, body: Any) -> None:
    assert (await pay(country, await payer(country), "transfer", body))[1] == 400
