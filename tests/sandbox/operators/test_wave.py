"""Wave's checkout, asked as its clients do, and paid in the application."""

import hashlib
import hmac
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.country import Country

KEY = {"Authorization": "Bearer key"}
SESSIONS = "/wave/v1/checkout/sessions"
PAYER = "0701020304"
HOOK = "/api/webhooks/wave"


@pytest.fixture
async def country(tmp_path: Path) -> AsyncIterator[Country]:
    issued = {"api_key": "key", "webhook_secret": "secret", "callback_url": f"{{gateway}}{HOOK}"}
    async with Country(tmp_path, {"wave": issued}) as started:
        yield started


async def create(country: Country, **changes: Any) -> tuple[int, Any]:
    body = {
        "amount": "500",
        "currency": "XOF",
        "client_reference": "SPV7K2QM0123",
        "success_url": "https://vote.example/v/1",
        "error_url": "https://vote.example/v/1",
        **changes,
    }
    return await country.json("POST", SESSIONS, json=body, headers=KEY)


async def show(country: Country, session: str) -> Any:
    status, body = await country.json("GET", f"{SESSIONS}/{session}", headers=KEY)
    assert status == 200
    return body


async def tap(country: Country, session: Any, **form: str) -> str:
    given = {"msisdn": PAYER, "pin": "0000", "action": "pay", **form}
    async with country.client.post(session["wave_launch_url"], data=given) as response:
        assert response.status == 200
        return await response.text()


async def test_a_session_is_paid_in_the_application(country: Country) -> None:
    status, session = await create(country)
    assert status == 200
    assert (session["checkout_status"], session["payment_status"]) == ("open", "processing")
    assert "processing" in await tap(country, session, pin="9999")
    assert "succeeded" in await tap(country, session)
    paid = await show(country, session["id"])
    assert (paid["checkout_status"], paid["payment_status"]) == ("complete", "succeeded")
    assert paid["when_completed"]
    _, phone = await country.json("GET", f"/phones/{PAYER}")
    assert phone["wallets"]["wave"] == 99_500
    await country.until(lambda: country.received)
    event = country.received[0]
    stamp, given = (part.partition("=")[2] for part in event.headers["wave-signature"].split(","))
    assert given == hmac.new(b"secret", stamp.encode() + event.body, hashlib.sha256).hexdigest()
    assert country.bodies(HOOK)[0]["type"] == "checkout.session.completed"
    async with country.client.get("/statement/wave.csv") as response:
        assert ",SPV7K2QM0123,+2250701020304,500,XOF,SUCCESSFUL," in await response.text()


async def test_a_try_that_fails_leaves_the_session_open(country: Country) -> None:
    _, session = await create(country)
    await country.order(balances={PAYER: 499})
    await tap(country, session)
    failed = await show(country, session["id"])
    assert failed["payment_status"] == "processing"
    assert failed["last_payment_error"]["code"] == "insufficient-funds"
    await country.order(balances={PAYER: 500})
    await tap(country, session)
    assert (await show(country, session["id"]))["payment_status"] == "succeeded"
    await country.until(lambda: len(country.received) == 2)
    assert country.bodies(HOOK)[0]["type"] == "checkout.session.payment_failed"


async def test_the_payer_cancels(country: Country) -> None:
    _, session = await create(country)
    await tap(country, session, action="cancel")
    await tap(country, session)
    assert (await show(country, session["id"]))["payment_status"] == "cancelled"


async def test_made_twice_it_is_two_sessions_and_both_are_found(country: Country) -> None:
    sessions = [(await create(country))[1]["id"] for _ in range(2)]
    _, found = await country.json("GET", f"{SESSIONS}/search?client_reference=SPV7K2QM0123", headers=KEY)
    assert [session["id"] for session in found["result"]] == sessions
    _, none = await country.json("GET", f"{SESSIONS}/search?client_reference=SPOTHER", headers=KEY)
    assert none == {"result": []}


async def test_a_refund_is_given_once(country: Country) -> None:
    _, session = await create(country)
    path = f"{SESSIONS}/{session['id']}/refund"
    assert (await country.json("POST", path, headers=KEY))[1]["code"] == "checkout-refund-failed"
    await tap(country, session)
    for _ in range(2):
        assert await country.json("POST", path, headers=KEY) == (200, None)
    assert (await show(country, session["id"]))["when_refunded"]
    _, phone = await country.json("GET", f"/phones/{PAYER}")
    assert phone["wallets"]["wave"] == 100_000


@pytest.mark.parametrize("changes", [{"amount": 500}, {"amount": "5.5"}, {"currency": "XAF"}, {"success_url": None}])
async def test_refusals(country: Country, changes: dict[str, Any]) -> None:
    status, body = await create(country, **changes)
    assert (status, body["code"]) == (422, "request-validation-error")


async def test_who_calls(country: Country) -> None:
    assert (await country.json("GET", f"{SESSIONS}/cos-x"))[1]["code"] == "missing-auth-header"
    status, body = await country.json("GET", f"{SESSIONS}/cos-x", headers=KEY)
    assert (status, body["code"]) == (404, "checkout-session-not-found")
