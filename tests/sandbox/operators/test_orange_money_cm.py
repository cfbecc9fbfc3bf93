"""Orange's core API of Cameroon, asked as its clients do."""

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.country import Country

MP = "/orange_money_cm/omcoreapis/1.0.2/mp"
PAYER = "237690000001"
ISSUED = {
    "consumer_key": "key",
    "consumer_secret": "secret",
    "api_user": "user",
    "api_password": "password",
    "channel_msisdn": "691000000",
    "channel_pin": "2468",
}


def base64_of(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


async def headers(country: Country) -> dict[str, str]:
    status, body = await country.json(
        "POST",
        "/orange_money_cm/token",
        headers={"Authorization": f"Basic {base64_of('key:secret')}"},
        data={"grant_type": "client_credentials"},
    )
    assert status == 200
    assert body["expires_in"] == 3600
    return {"Authorization": f"Bearer {body['access_token']}", "X-AUTH-TOKEN": base64_of("user:password")}


async def handle(country: Country, head: dict[str, str]) -> str:
    status, body = await country.json("POST", f"{MP}/init", headers=head)
    assert status == 200
    return str(body["data"]["payToken"])


def order(pay_token: str, **changes: Any) -> dict[str, Any]:
    return {
        "subscriberMsisdn": "690000001",
        "channelUserMsisdn": "691000000",
        "amount": "500",
        "description": "Spotlight 5 votes",
        "orderId": "SPV7K2QM",
        "pin": "2468",
        "payToken": pay_token,
        "notifUrl": "",
        **changes,
    }


async def ask(country: Country, head: dict[str, str], **changes: Any) -> tuple[str, int, Any]:
    pay_token = await handle(country, head)
    status, body = await country.json("POST", f"{MP}/pay", headers=head, json=order(pay_token, **changes))
    return pay_token, status, body


async def status_of(country: Country, head: dict[str, str], pay_token: str) -> Any:
    status, body = await country.json("GET", f"{MP}/paymentstatus/{pay_token}", headers=head)
    assert status == 200, body
    return body["data"]


async def test_the_pin_pays_and_the_callback_has_two_l(country: Country) -> None:
    head = await headers(country)
    pay_token, status, body = await ask(country, head, notifUrl=f"{country.gateway_url}/hook")
    assert (status, body["data"]["status"], body["data"]["txnmode"]) == (200, "PENDING", "SPV7K2QM")
    prompt = await country.prompt(PAYER)
    assert (prompt["amount"], prompt["currency"]) == (500, "XAF")
    assert (await status_of(country, head, pay_token))["confirmtxnstatus"] is None
    await country.phone("prompt", {"pin": "0000"}, PAYER)
    done = await status_of(country, head, pay_token)
    assert (done["status"], done["confirmtxnstatus"]) == ("SUCCESSFULL", "200")
    await country.until(lambda: country.calls)
    assert country.calls[0][2]["status"] == "SUCCESSFULL"
    assert country.calls[0][2]["payToken"] == pay_token
    async with country.client.get("/statement/orange_money_cm.csv") as response:
        assert (
            (await response.text()).splitlines()[1].startswith(f"{done['txnid']},{pay_token},SPV7K2QM,+{PAYER},500,XAF")
        )
    assert (await country.json("GET", f"/phones/{PAYER}"))[1]["wallets"]["orange_money_cm"] == 99_500


async def test_a_handle_pays_once(country: Country) -> None:
    head = await headers(country)
    pay_token, *_ = await ask(country, head)
    status, _ = await country.json("POST", f"{MP}/pay", headers=head, json=order(pay_token))
    assert status == 422
    unused = await handle(country, head)
    assert (await country.json("GET", f"{MP}/paymentstatus/{unused}", headers=head))[0] == 404
    assert (await country.json("POST", f"{MP}/pay", headers=head, json=order("MPUNKNOWN")))[0] == 400


async def test_how_it_ends_without_money(country: Country) -> None:
    head = await headers(country)
    declined, *_ = await ask(country, head)
    await country.prompt(PAYER)
    await country.phone("prompt", {"decline": True}, PAYER)
    assert (await status_of(country, head, declined))["status"] == "CANCELLED"
    await country.order(balances={PAYER: 499}, autopay=True)
    poor, *_ = await ask(country, head)
    await asyncio.sleep(0.05)
    ended = await status_of(country, head, poor)
    assert (ended["status"], ended["confirmtxnstatus"]) == ("FAILED", "60019")
    await country.order(autopay=False, expire_after_seconds=0.01)
    late, *_ = await ask(country, head)
    await asyncio.sleep(0.05)
    assert (await status_of(country, head, late))["status"] == "EXPIRED"


@pytest.mark.parametrize(("number", "code"), [("670000001", "00671"), ("690099051", "99051")])
async def test_numbers_that_cannot_pay(country: Country, number: str, code: str) -> None:
    head = await headers(country)
    pay_token, status, body = await ask(country, head, subscriberMsisdn=number)
    assert (status, body["data"]["inittxnstatus"]) == (417, code)
    assert (await country.json("GET", f"{MP}/paymentstatus/{pay_token}", headers=head))[0] == 404
    await country.order(request={"refusal_as_200": True})
    _, status, body = await ask(country, head, subscriberMsisdn=number)
    assert (status, body["data"]["inittxnstatus"]) == (200, code)


async def test_the_menu_lists_what_waits(country: Country) -> None:
    head = await headers(country)
    pay_token, *_ = await ask(country, head)
    assert (await country.prompt(PAYER))["id"] == pay_token
    _, screen = await country.phone("dial", {"code": "#150*50#"}, PAYER)
    assert "1 SPOTLIGHT 500 XAF" in screen["screen"]


async def test_faults_of_the_gateway_in_front(country: Country) -> None:
    head = await headers(country)
    pay_token = await handle(country, head)
    await country.order(request={"xml": True})
    async with country.client.post(f"{MP}/pay", headers=head, json=order(pay_token)) as response:
        assert (response.status, response.content_type) == (503, "text/xml")
    status, body = await country.json("POST", f"{MP}/init", headers={**head, "Authorization": "Bearer nonsense"})
    assert (status, body["fault"]["code"]) == (401, 900901)
    assert (await country.json("POST", f"{MP}/init"))[1]["fault"]["code"] == 900902


async def test_issued_credentials_are_the_only_ones(tmp_path: Path) -> None:
    async with Country(tmp_path, {"orange_money_cm": ISSUED}) as country:
        head = await headers(country)
        assert (await ask(country, head))[1] == 200
        assert (await ask(country, head, pin="0000"))[1] == 400
        assert (await ask(country, head, channelUserMsisdn="691000001"))[1] == 400
        assert (await country.json("POST", f"{MP}/init", headers={**head, "X-AUTH-TOKEN": "x"}))[0] == 403
        wrong = {"Authorization": f"Basic {base64_of('key:guess')}"}
        grant = {"grant_type": "client_credentials"}
        assert (await country.json("POST", "/orange_money_cm/token", headers=wrong, data=grant))[0] == 401
        right = {"Authorization": f"Basic {base64_of('key:secret')}"}
        assert (await country.json("POST", "/orange_money_cm/token", headers=right, data={}))[0] == 400


@pytest.mark.parametrize(
    "changes", [{"amount": 500}, {"amount": "5.5"}, {"orderId": "has-a-dash"}, {"orderId": "X" * 21}]
)
async def test_a_wrong_field_is_refused(country: Country, changes: dict[str, Any]) -> None:
    assert (await ask(country, await headers(country), **changes))[1] == 400


async def test_garbage_is_never_a_server_error(country: Country) -> None:
    head = await headers(country)
    for body in (b"", b"{", b"[]", b'"x"', b"\xff\xfe", b"null"):
        assert (await country.json("POST", f"{MP}/pay", headers=head, data=body))[0] == 400
