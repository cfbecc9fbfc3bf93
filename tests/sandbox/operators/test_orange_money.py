"""Orange's Web Payment, asked as its reference pages describe it."""

import asyncio
import base64
import re
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.sandbox.country import Country

BASE = "/orange_money/orange-money-webpay/ci/v1"
PAYER = "0701020304"


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


async def bearer(country: Country) -> dict[str, str]:
    form = {"grant_type": "client_credentials"}
    status, body = await country.json(
        "POST", "/orange_money/oauth/v3/token", headers=basic("client", "secret"), data=form
    )
    assert status == 200
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 7_776_000)
    return {"Authorization": f"Bearer {body['access_token']}"}


def order(country: Country, order_id: str = "SPV7K2QM", **changes: Any) -> dict[str, Any]:
    return {
        "merchant_key": "a1b2c3d4",
        "currency": "XOF",
        "order_id": order_id,
        "amount": 500,
        "return_url": "https://vote.example.org/p/SPV7K2QM",
        "cancel_url": "https://vote.example.org/p/SPV7K2QM?c=1",
        "notif_url": f"{country.gateway_url}/api/webhooks/orange_money/word",
        "lang": "fr",
        "reference": "Spotlight",
        **changes,
    }


async def create(country: Country, head: dict[str, str], **changes: Any) -> Any:
    status, body = await country.json("POST", f"{BASE}/webpayment", headers=head, json=order(country, **changes))
    assert status == 201, body
    return body


async def ask(country: Country, head: dict[str, str], created: Any, **changes: Any) -> tuple[int, Any]:
    question = {"order_id": "SPV7K2QM", "amount": 500, "pay_token": created["pay_token"], **changes}
    return await country.json("POST", f"{BASE}/transactionstatus", headers=head, json=question)


async def code(country: Country, number: str = PAYER) -> str:
    _, screen = await country.phone("dial", {"code": "#144*82#"}, number)
    assert screen["open"] is False
    found = re.search(r"\b\d{4}\b", screen["screen"])
    assert found
    return found.group()


async def submit(country: Country, created: Any, **form: str) -> tuple[int, str]:
    async with country.client.post(created["payment_url"], data=form) as response:
        return response.status, await response.text()


async def test_a_payment_on_the_page(country: Country) -> None:
    head = await bearer(country)
    created = await create(country, head)
    assert re.fullmatch("[0-9a-f]{64}", created["pay_token"])
    assert re.fullmatch("[0-9a-f]{32}", created["notif_token"])
    assert (await ask(country, head, created))[1]["status"] == "INITIATED"
    async with country.client.get(created["payment_url"]) as response:
        page = await response.text()
    assert "500 XOF" in page
    assert "#144*82#" in page
    status, page = await submit(country, created, msisdn="07 01 02 03 04", code=await code(country), action="pay")
    assert (status, "Paiement effectué" in page) == (200, True)
    status, body = await ask(country, head, created)
    assert (status, body["status"], body["order_id"]) == (201, "SUCCESS", "SPV7K2QM")
    assert re.fullmatch(r"MP\d{6}\.\d{4}\.C\d+", body["txnid"])
    await country.until(lambda: country.calls)
    notification = {"status": "SUCCESS", "notif_token": created["notif_token"], "txnid": body["txnid"]}
    assert country.calls == [("POST", "/api/webhooks/orange_money/word", notification)]
    async with country.client.get("/statement/orange_money.csv") as response:
        line = (await response.text()).splitlines()[1]
    assert line.startswith(f"{body['txnid']},SPV7K2QM,SPV7K2QM,+2250701020304,500,XOF,SUCCESSFUL,")


async def test_a_code_is_for_one_number_and_one_use(country: Country) -> None:
    head = await bearer(country)
    created = await create(country, head)
    right = await code(country)
    _, page = await submit(country, created, msisdn="0701020305", code=right, action="pay")
    assert "Code incorrect" in page
    _, page = await submit(country, created, msisdn="0501020304", code=right, action="pay")
    assert "n’est pas un numéro Orange" in page
    assert (await country.phone("orange_pay", {"payment_url": created["payment_url"], "code": right}, PAYER)) == (
        200,
        {"status": "SUCCESS"},
    )
    second = await create(country, head, order_id="SECOND")
    for _ in range(3):
        await submit(country, second, msisdn=PAYER, code=right, action="pay")
    assert (await ask(country, head, second, order_id="SECOND"))[1]["status"] == "FAILED"


async def test_cancelled_expired_and_poor(country: Country) -> None:
    head = await bearer(country)
    cancelled = await create(country, head)
    await submit(country, cancelled, action="cancel")
    assert (await ask(country, head, cancelled))[1]["status"] == "FAILED"
    await asyncio.sleep(0.02)
    assert country.calls == []
    await country.order(balances={PAYER: 10})
    poor = await create(country, head, order_id="POOR")
    await submit(country, poor, msisdn=PAYER, code=await code(country), action="pay")
    assert (await ask(country, head, poor, order_id="POOR"))[1]["status"] == "FAILED"
    await country.order(expire_after_seconds=0.02)
    late = await create(country, head, order_id="LATE")
    await asyncio.sleep(0.05)
    assert (await ask(country, head, late, order_id="LATE"))[1]["status"] == "EXPIRED"


async def test_money_that_takes_its_time(country: Country) -> None:
    await country.order(pending_seconds=0.1)
    head = await bearer(country)
    created = await create(country, head)
    _, page = await submit(country, created, msisdn=PAYER, code=await code(country), action="pay")
    assert "Paiement en cours" in page
    assert (await ask(country, head, created))[1]["status"] == "PENDING"
    await country.until(lambda: country.calls)
    assert (await ask(country, head, created))[1]["status"] == "SUCCESS"


async def test_the_sandbox_segment_has_numbers_of_its_own(country: Country) -> None:
    head = await bearer(country)
    path = "/orange_money/orange-money-webpay/dev/v1/webpayment"
    _, failed = await country.json("POST", path, headers=head, json=order(country, "A", currency="OUV"))
    _, page = await submit(country, failed, msisdn="0701020309", code=await code(country, "0701020309"), action="pay")
    assert "non effectué" in page
    _, waits = await country.json("POST", path, headers=head, json=order(country, "B", currency="OUV"))
    _, page = await submit(country, waits, msisdn="0701020308", code=await code(country, "0701020308"), action="pay")
    assert "en cours" in page


@pytest.mark.parametrize(
    ("changes", "status", "number"),
    [
        ({"order_id": "X" * 31}, 400, 24),
        ({"order_id": 7}, 400, 24),
        ({"amount": "500"}, 400, 24),
        ({"amount": 0}, 400, 24),
        ({"amount": True}, 400, 24),
        ({"amount": 1.5}, 400, 24),
        ({"currency": "OUV"}, 400, 24),
        ({"notif_url": "javascript:alert(1)"}, 400, 24),
        ({"return_url": "http://["}, 400, 24),
    ],
)
async def test_wrong_fields(country: Country, changes: dict[str, Any], status: int, number: int) -> None:
    body = {**order(country), **changes}
    answer = await country.json("POST", f"{BASE}/webpayment", headers=await bearer(country), json=body)
    assert (answer[0], answer[1]["code"]) == (status, number)


async def test_missing_fields_repeated_orders_and_garbage(country: Country) -> None:
    head = await bearer(country)
    for name in order(country):
        body = {key: value for key, value in order(country).items() if key != name}
        status, answer = await country.json("POST", f"{BASE}/webpayment", headers=head, json=body)
        assert (status, answer["code"], name in answer["description"]) == (400, 23, True)
    await create(country, head)
    assert (await country.json("POST", f"{BASE}/webpayment", headers=head, json=order(country)))[0] == 400
    for path in ("webpayment", "transactionstatus"):
        for garbage in (b"", b"{", b"[]", b"\xff"):
            assert (await country.json("POST", f"{BASE}/{path}", headers=head, data=garbage))[0] == 400
    other = BASE.replace("/ci/", "/zz/")
    status, answer = await country.json("POST", f"{other}/webpayment", headers=head, json=order(country))
    assert (status, answer["code"]) == (404, 60)
    async with country.client.get("/orange_money/payment/pay_token/0") as response:
        assert response.status == 404


async def test_status_needs_all_three_values(country: Country) -> None:
    head = await bearer(country)
    created = await create(country, head)
    for changes in ({"amount": 501}, {"order_id": "OTHER"}, {"pay_token": "0" * 64}):
        status, answer = await ask(country, head, created, **changes)
        assert (status, answer["code"]) == (404, 60)
    await country.order(status={"answer_200": True, "unknown_word": True})
    status, answer = await ask(country, head, created, merchant_key="ignored")
    assert (status, answer["status"]) == (200, "PROCESSING")


async def test_credentials(tmp_path: Path) -> None:
    issued = {"client_id": "client", "client_secret": "secret", "merchant_key": "a1b2c3d4"}
    async with Country(tmp_path, {"orange_money": issued}) as country:
        head = await bearer(country)
        wrong = {**order(country), "merchant_key": "other"}
        assert (await country.json("POST", f"{BASE}/webpayment", headers=head, json=wrong))[0] == 403
        token = "/orange_money/oauth/v3/token"
        form = {"grant_type": "client_credentials"}
        status, body = await country.json("POST", token, headers=basic("client", "guess"), data=form)
        assert (status, body["error"]) == (401, "invalid_client")
        assert (await country.json("POST", token, headers=basic("client", "secret"), data={}))[0] == 400
        for header, number in (({}, 40), ({"Authorization": "Bearer x"}, 41)):
            status, body = await country.json("POST", f"{BASE}/webpayment", headers=header, json=order(country))
            assert (status, body["code"]) == (401, number)
        await country.order(token_seconds=0.01)
        _, short = await country.json("POST", token, headers=basic("client", "secret"), data=form)
        await asyncio.sleep(0.02)
        expired = {"Authorization": f"Bearer {short['access_token']}"}
        _, body = await country.json("POST", f"{BASE}/webpayment", headers=expired, json=order(country))
        assert body["code"] == 42


async def test_notification_faults_and_autopay(country: Country) -> None:
    head = await bearer(country)
    await country.order(autopay=True, callback={"mode": "twice", "extra_fields": True})
    await create(country, head)
    await country.until(lambda: len(country.calls) == 2)
    assert country.calls[0][2]["order_id"] == "SPV7K2QM"
    country.calls.clear()
    await country.order(reset=True, callback={"mode": "forged"})
    forged = await create(country, head, order_id="FORGED")
    await country.until(lambda: country.calls)
    assert country.calls[0][2]["status"] == "SUCCESS"
    assert country.calls[0][2]["notif_token"] != forged["notif_token"]
    assert (await ask(country, head, forged, order_id="FORGED"))[1]["status"] == "INITIATED"


async def test_faults_of_one_operator_leave_the_others_alone(country: Country) -> None:
    head = await bearer(country)
    await country.order(mtn_momo={"request": {"drop_before": True}})
    await create(country, head)
    await country.order(orange_money={"request": {"drop_before": True}})
    with pytest.raises(aiohttp.ClientError):
        await create(country, head, order_id="CUT")


async def test_the_page_escapes_what_the_merchant_says(country: Country) -> None:
    created = await create(country, await bearer(country), reference="<script>x</script>", lang="en")
    async with country.client.get(created["payment_url"]) as response:
        page = await response.text()
    assert "<script>" not in page
    assert "Payment to" in page
