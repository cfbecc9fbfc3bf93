"""MTN's Collection product, asked as its reference pages describe it."""

import asyncio
import base64
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from tests.sandbox.country import Country

KEY = {"Ocp-Apim-Subscription-Key": "sub"}
PAY = "/mtn_momo/collection/v1_0/requesttopay"


def basic(user: str, key: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{key}'.encode()).decode()}"}


async def headers(country: Country, environment: str = "mtnivorycoast", user: str = "user") -> dict[str, str]:
    status, body = await country.json("POST", "/mtn_momo/collection/token/", headers={**KEY, **basic(user, "key")})
    assert status == 200
    assert body["token_type"] == "access_token"
    return {**KEY, "Authorization": f"Bearer {body['access_token']}", "X-Target-Environment": environment}


def order(number: str = "2250501020304", **changes: Any) -> dict[str, Any]:
    return {
        "amount": "500",
        "currency": "XOF",
        "externalId": "SPV7K2QM",
        "payer": {"partyIdType": "MSISDN", "partyId": number},
        "payerMessage": "Spotlight 5 votes star 07",
        "payeeNote": "SPV7K2QM",
        **changes,
    }


async def ask_to_pay(country: Country, head: dict[str, str], body: Any = None, **more: str) -> tuple[str, int, Any]:
    reference = str(uuid4())
    sent = {**head, "X-Reference-Id": reference, **more}
    status, answer = await country.json("POST", PAY, headers=sent, json=order() if body is None else body)
    return reference, status, answer


async def status_of(country: Country, head: dict[str, str], reference: str) -> Any:
    status, body = await country.json("GET", f"{PAY}/{reference}", headers=head)
    assert status == 200, body
    return body


async def final(country: Country, head: dict[str, str], reference: str) -> Any:
    async with asyncio.timeout(3):
        while True:
            body = await status_of(country, head, reference)
            if body["status"] != "PENDING":
                return body
            await asyncio.sleep(0.005)


async def statement(country: Country) -> list[str]:
    async with country.client.get("/statement/mtn_momo.csv") as response:
        return (await response.text()).splitlines()


async def test_an_approved_payment_moves_money_and_calls_back_once(country: Country) -> None:
    head = await headers(country)
    callback = f"{country.gateway_url}/api/webhooks/mtn_momo/word"
    reference, status, answer = await ask_to_pay(country, head, **{"X-Callback-Url": callback})
    assert (status, answer) == (202, None)
    prompt = await country.prompt()
    assert prompt == {"id": reference, "amount": 500, "currency": "XOF", "payee": "SPOTLIGHT"}
    pending = await status_of(country, head, reference)
    assert pending["status"] == "PENDING"
    assert "financialTransactionId" not in pending
    assert await country.phone("prompt", {"pin": "0000"}) == (200, {"status": "SUCCESSFUL"})
    paid = await status_of(country, head, reference)
    assert (paid["status"], paid["amount"], paid["currency"]) == ("SUCCESSFUL", "500", "XOF")
    assert await country.phone("prompt") == (200, None)
    await country.until(lambda: country.calls)
    assert country.calls == [("POST", "/api/webhooks/mtn_momo/word", paid)]
    assert reference not in str(paid)
    lines = await statement(country)
    assert (
        lines[0] == "provider_reference,our_reference,external_id,msisdn,amount,currency,status,completed_at,kind,fee"
    )
    expected = f"{paid['financialTransactionId']},{reference},SPV7K2QM,+2250501020304,500,XOF,SUCCESSFUL,"
    assert lines[1].startswith(expected)
    _, phone = await country.json("GET", "/phones/0501020304")
    assert phone["wallets"]["mtn_momo"] == 99_500


async def test_declined_wrong_pin_and_no_funds(country: Country) -> None:
    head = await headers(country)
    declined, *_ = await ask_to_pay(country, head)
    await country.prompt()
    assert await country.phone("prompt", {"decline": True}) == (
        200,
        {"status": "FAILED", "reason": "APPROVAL_REJECTED"},
    )
    assert (await status_of(country, head, declined))["reason"] == "APPROVAL_REJECTED"

    wrong, *_ = await ask_to_pay(country, head)
    await country.prompt()
    for left in (2, 1, 0):
        answer = await country.phone("prompt", {"pin": "1234"})
        assert answer == (422, {"error": "wrong_pin", "attempts_left": left})
    assert (await country.phone("prompt", {"pin": "0000"}))[0] == 409
    assert (await status_of(country, head, wrong))["reason"] == "PAYMENT_NOT_APPROVED"

    await country.order(balances={"0501020304": 499}, status={"reason_as_object": True})
    poor, *_ = await ask_to_pay(country, head)
    await country.prompt()
    await country.phone("prompt", {"pin": "0000"})
    assert (await status_of(country, head, poor))["reason"]["code"] == "NOT_ENOUGH_FUNDS"
    assert len(await statement(country)) == 1


async def test_an_unanswered_prompt(country: Country) -> None:
    await country.order(expire_after_seconds=0.05)
    head = await headers(country)
    reference, *_ = await ask_to_pay(country, head)
    assert (await final(country, head, reference))["reason"] == "EXPIRED"
    assert await country.phone("prompt") == (200, None)


async def test_headers_are_checked(country: Country) -> None:
    head = await headers(country)
    assert (await ask_to_pay(country, {k: v for k, v in head.items() if "Key" not in k}))[1] == 401
    assert (await ask_to_pay(country, {**head, "Authorization": "Bearer nonsense"}))[1] == 401
    assert (await ask_to_pay(country, {k: v for k, v in head.items() if "Target" not in k}))[1] == 400
    _, status, answer = await ask_to_pay(country, {**head, "X-Target-Environment": "production"})
    assert (status, answer["code"]) == (500, "NOT_ALLOWED_TARGET_ENVIRONMENT")
    for reference in ("", "7", "00000000-0000-1000-8000-000000000000"):
        sent = {**head, "X-Reference-Id": reference}
        assert (await country.json("POST", PAY, headers=sent, json=order()))[0] == 400
    for url in ("null", "", "ftp://x/y"):
        assert (await ask_to_pay(country, head, **{"X-Callback-Url": url}))[1] == 400


async def test_a_token_is_asked_for_without_a_body_and_expires(country: Country) -> None:
    path, head = "/mtn_momo/collection/token/", {**KEY, **basic("user", "key")}
    assert (await country.json("POST", path, headers=head, json={}))[0] == 400
    assert (await country.json("POST", path, headers=KEY))[0] == 401
    assert (await country.json("POST", path, headers=basic("user", "key")))[0] == 401
    await country.order(token_seconds=0.01)
    short = await headers(country)
    await asyncio.sleep(0.02)
    assert (await ask_to_pay(country, short))[1] == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": 500},
        {"amount": "5.5"},
        {"amount": "-5"},
        {"amount": "0"},
        {"payer": {"partyIdType": "MSISDN", "partyId": "+2250501020304"}},
        {"payer": "2250501020304"},
        {"payerMessage": "x" * 161},
        {"currency": None},
    ],
)
async def test_a_wrong_field_is_refused(country: Country, changes: dict[str, Any]) -> None:
    assert (await ask_to_pay(country, await headers(country), order(**changes)))[1] == 400


async def test_garbage_is_never_a_server_error(country: Country) -> None:
    head = {**await headers(country), "X-Reference-Id": str(uuid4())}
    for body in (b"", b"{", b"[]", b'"x"', b"\xff\xfe", b"null", b"1"):
        assert (await country.json("POST", PAY, headers=head, data=body))[0] == 400
    async with country.client.get("/mtn_momo/nothing/here") as response:
        assert response.status == 404
    for reference in ("x", str(uuid4())):
        assert (await country.json("GET", f"{PAY}/{reference}", headers=head))[0] in (400, 404)


async def test_the_same_reference_again_is_a_conflict(country: Country) -> None:
    head = {**await headers(country), "X-Reference-Id": str(uuid4())}
    assert (await country.json("POST", PAY, headers=head, json=order()))[0] == 202
    status, answer = await country.json("POST", PAY, headers=head, json=order(amount="900"))
    assert (status, answer["code"]) == (409, "RESOURCE_ALREADY_EXIST")


async def test_logical_mistakes_are_http_500_and_the_firewall_speaks_html(country: Country) -> None:
    head = await headers(country)
    _, status, answer = await ask_to_pay(country, head, order(currency="EUR"))
    assert (status, answer["code"]) == (500, "INVALID_CURRENCY")
    sent = {**head, "X-Reference-Id": str(uuid4())}
    async with country.client.post(PAY, headers=sent, json=order(payerMessage="Star d'Abidjan")) as response:
        assert response.content_type == "text/html"
        assert "support ID" in await response.text()
    assert (await country.json("GET", f"{PAY}/{sent['X-Reference-Id']}", headers=head))[0] == 404


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        ("46733123450", "INTERNAL_PROCESSING_ERROR"),
        ("46733123452", "EXPIRED"),
        ("46733123464", "TRANSFER_TYPE_UNKNOWN"),
    ],
)
async def test_failing_test_numbers(country: Country, number: str, reason: str) -> None:
    head = await headers(country, "sandbox")
    reference, status, _ = await ask_to_pay(country, head, order(number, currency="EUR"))
    assert status == 202
    assert (await final(country, head, reference))["reason"] == reason
    await country.order(request={"refuse_at_post": True})
    _, status, answer = await ask_to_pay(country, head, order(number, currency="EUR"))
    assert (status, answer["code"]) == (500, reason)


async def test_ordinary_ongoing_and_delayed_numbers_of_the_sandbox(country: Country) -> None:
    await country.order(status={"delayed_seconds": 0.1}, prompt_delay_ms=10_000)
    head = await headers(country, "sandbox")
    ordinary, *_ = await ask_to_pay(country, head, order("46700000000", currency="EUR", amount="5.00"))
    assert (await status_of(country, head, ordinary))["status"] == "SUCCESSFUL"
    delayed, *_ = await ask_to_pay(country, head, order("46733123454", currency="EUR"))
    ongoing, *_ = await ask_to_pay(country, head, order("46733123453", currency="EUR"))
    assert (await status_of(country, head, delayed))["status"] == "PENDING"
    assert (await final(country, head, delayed))["status"] == "SUCCESSFUL"
    assert (await status_of(country, head, ongoing))["status"] == "PENDING"


async def test_a_number_of_another_network_has_no_wallet(country: Country) -> None:
    head = await headers(country)
    reference, status, _ = await ask_to_pay(country, head, order("2250701020304"))
    assert status == 202
    assert (await final(country, head, reference))["reason"] == "PAYER_NOT_FOUND"
    base = "/mtn_momo/collection/v1_0/accountholder/msisdn"
    assert await country.json("GET", f"{base}/2250501020304/active", headers=head) == (200, {"result": True})
    assert (await country.json("GET", f"{base}/2250701020304/active", headers=head))[0] == 404


async def test_a_busy_phone_is_shown_no_prompt(country: Country) -> None:
    head = await headers(country)
    await country.phone("dial", {"code": "*789#"})
    failed, *_ = await ask_to_pay(country, head)
    assert (await final(country, head, failed))["reason"] == "COULD_NOT_PERFORM_TRANSACTION"
    _, calls = await country.json("GET", "/requests/mtn_momo?direction=note")
    assert [call["note"] for call in calls] == ["busy"]
    await country.order(busy_prompt="delay")
    delayed, *_ = await ask_to_pay(country, head)
    await asyncio.sleep(0.02)
    assert await country.phone("prompt") == (200, None)
    await country.phone("hangup", {})
    assert (await country.prompt())["id"] == delayed


async def test_pending_requests_are_approved_by_hand(country: Country) -> None:
    await country.order(push=False)
    head = await headers(country)
    reference, *_ = await ask_to_pay(country, head)
    await country.until(lambda: True)
    await asyncio.sleep(0.02)
    _, inbox = await country.phone("inbox")
    assert "*133#" in inbox[0]["text"]
    _, screen = await country.phone("dial", {"code": "*133#"})
    assert "1 SPOTLIGHT 500 XOF" in screen["screen"]
    await country.phone("reply", {"input": "1"})
    _, wrong = await country.phone("reply", {"input": "9999"})
    assert "incorrect" in wrong["screen"]
    assert wrong["open"]
    _, done = await country.phone("reply", {"input": "0000"})
    assert done == {"screen": "Paiement de 500 XOF valide.", "open": False}
    assert (await status_of(country, head, reference))["status"] == "SUCCESSFUL"


@pytest.mark.parametrize(("mode", "count"), [("none", 0), ("once", 1), ("twice", 2), ("many", 20), ("put", 1)])
async def test_callback_modes(country: Country, mode: str, count: int) -> None:
    await country.order(autopay=True, callback={"mode": mode})
    head = await headers(country)
    reference, *_ = await ask_to_pay(country, head, **{"X-Callback-Url": f"{country.gateway_url}/hook"})
    await final(country, head, reference)
    await country.until(lambda: len(country.calls) == count)
    await asyncio.sleep(0.02)
    assert [call[0] for call in country.calls] == ["PUT" if mode == "put" else "POST"] * count


async def test_callbacks_that_lie_or_come_early(country: Country) -> None:
    head = await headers(country)
    hook = {"X-Callback-Url": f"{country.gateway_url}/hook"}
    await country.order(callback={"mode": "forged"})
    forged, *_ = await ask_to_pay(country, head, **hook)
    call = await country.until(lambda: country.calls and country.calls.pop())
    assert call[2]["status"] == "SUCCESSFUL"
    assert (await status_of(country, head, forged))["status"] == "PENDING"
    await country.order(autopay=True, callback={"mode": "wrong_amount"})
    await ask_to_pay(country, head, **hook)
    assert (await country.until(lambda: country.calls and country.calls.pop()))[2]["amount"] == "5000"
    await country.order(callback={"mode": "before_answer"})
    await ask_to_pay(country, head, **hook)
    assert len(country.calls) == 1
    await asyncio.sleep(0.02)
    assert len(country.calls) == 1


async def test_reordered_callbacks(country: Country) -> None:
    await country.order(autopay=True, callback={"reorder": True})
    head = await headers(country)
    for number in (1, 2):
        await ask_to_pay(country, head, **{"X-Callback-Url": f"{country.gateway_url}/hook/{number}"})
    await country.until(lambda: len(country.calls) == 2)
    assert [call[1] for call in country.calls] == ["/hook/2", "/hook/1"]


async def test_status_faults(country: Country) -> None:
    await country.order(autopay=True, status={"not_found_first": 2})
    head = await headers(country)
    reference, *_ = await ask_to_pay(country, head)
    path = f"{PAY}/{reference}"
    assert [(await country.json("GET", path, headers=head))[0] for _ in range(3)] == [404, 404, 200]
    await country.order(status={"not_found_first": 0, "amount_as_number": True, "unknown_word": True})
    body = await status_of(country, head, reference)
    assert body["amount"] == 500
    assert body["status"] not in ("PENDING", "SUCCESSFUL", "FAILED")
    await country.order(status={"rate_limit_per_second": 2})
    answers = [(await country.json("GET", path, headers=head))[0] for _ in range(3)]
    assert answers == [200, 200, 429]
    await country.order(status={"rate_limit_per_second": 0, "http_503_seconds": 0.05})
    assert (await country.json("GET", path, headers=head))[0] == 503
    await asyncio.sleep(0.06)
    assert (await country.json("GET", path, headers=head))[0] == 200


async def test_connections_cut_before_and_after_registration(country: Country) -> None:
    head = await headers(country)
    for fault, status in (("drop_before", 404), ("drop_after", 200)):
        await country.order(reset=True, request={fault: True})
        sent = {**head, "X-Reference-Id": str(uuid4())}
        with pytest.raises(aiohttp.ClientError):
            await country.json("POST", PAY, headers=sent, json=order())
        found, _ = await country.json("GET", f"{PAY}/{sent['X-Reference-Id']}", headers=head)
        assert found == status
    await country.order(reset=True, request={"error_500": "INTERNAL_PROCESSING_ERROR", "share": 0.5})
    assert [(await ask_to_pay(country, head))[1] for _ in range(4)] == [202, 500, 202, 500]


async def test_the_book_survives_a_restart(country: Country) -> None:
    head = await headers(country)
    paid, *_ = await ask_to_pay(country, head)
    await country.prompt()
    await country.phone("prompt", {"pin": "0000"})
    waiting, *_ = await ask_to_pay(country, head, order("2250501020305"))
    before = await statement(country)
    await country.stop()
    await country.start()
    assert await statement(country) == before
    assert (await country.prompt("0501020305"))["id"] == waiting
    head = await headers(country)
    assert (await status_of(country, head, paid))["status"] == "SUCCESSFUL"
    await country.phone("prompt", {"pin": "0000"}, number="0501020305")
    _, body = await country.json("GET", "/mtn_momo/collection/v1_0/account/balance", headers=head)
    assert body == {"availableBalance": "1000", "currency": "XOF"}


async def test_a_burst_with_autopay(country: Country) -> None:
    await country.order(autopay=True)
    head = await headers(country)
    hook = {"X-Callback-Url": f"{country.gateway_url}/hook"}
    numbers = [f"22505{number:08d}" for number in range(500)]
    answers = await asyncio.gather(*(ask_to_pay(country, head, order(number), **hook) for number in numbers))
    assert {status for _, status, _ in answers} == {202}
    await country.until(lambda: len(country.calls) == 500, seconds=20)
    assert len(await statement(country)) == 501


async def test_issued_credentials_are_the_only_ones(tmp_path: Path) -> None:
    issued = {"subscription_key": "sub", "api_user": "user", "api_key": "key", "target_environment": "mtnivorycoast"}
    async with Country(tmp_path, {"mtn_momo": issued}) as country:
        head = await headers(country)
        assert (await ask_to_pay(country, head))[1] == 202
        assert (await ask_to_pay(country, {**head, "Ocp-Apim-Subscription-Key": "other"}))[1] == 401
        _, status, _ = await ask_to_pay(country, {**head, "X-Target-Environment": "mtncameroon"})
        assert status == 500
        wrong = {**KEY, **basic("user", "guess")}
        assert (await country.json("POST", "/mtn_momo/collection/token/", headers=wrong))[0] == 401
