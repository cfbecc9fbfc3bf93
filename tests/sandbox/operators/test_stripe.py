"""The imitated Stripe, asked by Stripe's own SDK and by a browser without script."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import stripe
from aiohttp import web

from tests.sandbox.country import Country

KEY = "sk_test_1"
SECRET = "whsec_1"
ISSUED = {
    "stripe": {"secret_key": KEY, "webhook_secret": SECRET, "webhook_url": "{gateway}/api/webhooks/stripe"},
}
CARD = {"number": "4242 4242 4242 4242", "expiry": "12/48", "cvc": "123", "action": "pay"}
HOOK = "/api/webhooks/stripe"


@pytest.fixture
async def country(tmp_path: Path) -> AsyncIterator[Country]:
    async with Country(tmp_path, ISSUED) as started:
        yield started


class Sdk:
    """Stripe's SDK with its own HTTP client, as a merchant uses it."""

    def __init__(self, country: Country, key: str = KEY) -> None:
        base = str(country.client._base_url).rstrip("/")
        self._http: Any = stripe.HTTPXClient()
        self.client = stripe.StripeClient(
            key, base_addresses={"api": f"{base}/stripe"}, http_client=self._http, max_network_retries=0
        )

    async def close(self) -> None:
        await self._http.close_async()


@pytest.fixture
async def sdk(country: Country) -> AsyncIterator[Sdk]:
    opened = Sdk(country)
    yield opened
    await opened.close()


def order(reference: str = "order-1", **changes: Any) -> Any:
    price = {"currency": "xof", "unit_amount": 100, "product_data": {"name": "5 votes"}}
    return {
        "mode": "payment",
        "line_items": [{"quantity": 5, "price_data": price}],
        "success_url": "https://vote.example/v/1?session={CHECKOUT_SESSION_ID}",
        "cancel_url": "https://vote.example/v/1?left=1",
        "client_reference_id": reference,
        "metadata": {"payment_id": reference},
        "payment_intent_data": {"metadata": {"payment_id": reference}},
        "allowed_payment_method_types": ["card"],
        "adaptive_pricing": {"enabled": False},
        "expires_at": int(time.time()) + 2700,
        "locale": "fr",
        **changes,
    }


async def create(sdk: Sdk, reference: str = "order-1", **changes: Any) -> Any:
    return await sdk.client.v1.checkout.sessions.create_async(order(reference, **changes))


async def show(sdk: Sdk, session: Any) -> Any:
    return await sdk.client.v1.checkout.sessions.retrieve_async(
        session.id, {"expand": ["payment_intent.latest_charge"]}
    )


async def submit(country: Country, session: Any, **form: str) -> tuple[int, str, str]:
    """Status, page, and where it sends the browser."""
    async with country.client.post(session.url, data={**CARD, **form}, allow_redirects=False) as response:
        return response.status, await response.text(), response.headers.get("Location", "")


def mark_of(session: Any) -> Any:
    """What tells its card from others."""
    return session.payment_intent.latest_charge.payment_method_details.card.fingerprint


def kinds(country: Country) -> list[str]:
    return [body["type"] for body in country.bodies(HOOK)]


async def paid(country: Country, sdk: Sdk, reference: str = "order-1") -> Any:
    session = await create(sdk, reference)
    assert (await submit(country, session))[0] == 303
    return await show(sdk, session)


async def test_a_card_is_charged_and_a_signed_event_says_so(country: Country, sdk: Sdk) -> None:
    session = await create(sdk)
    assert (session.object, session.status, session.payment_status) == ("checkout.session", "open", "unpaid")
    assert (session.amount_total, session.currency, session.payment_intent) == (500, "xof", None)
    async with country.client.get(session.url) as response:
        page = await response.text()
    assert "500 F\u202fCFA" in page
    assert "<script" not in page
    assert 'href="https://vote.example/v/1?left=1"' in page
    status, _, back = await submit(country, session)
    assert (status, back) == (303, f"https://vote.example/v/1?session={session.id}")
    ended = await show(sdk, session)
    assert (ended.status, ended.payment_status, ended.url) == ("complete", "paid", None)
    assert (ended.payment_intent.status, ended.payment_intent.metadata["payment_id"]) == ("succeeded", "order-1")
    again, other = await paid(country, sdk, "order-2"), await create(sdk, "order-3")
    await submit(country, other, number="5555555555554444")
    marks = [mark_of(one) for one in (ended, again, await show(sdk, other))]
    assert marks[0] == marks[1] != marks[2]
    await country.until(lambda: country.received)
    delivery = country.received[0]
    header = delivery.headers["stripe-signature"]
    event = stripe.Webhook.construct_event(delivery.body, header, SECRET)
    assert (event.type, event.data.object["id"]) == ("checkout.session.completed", session.id)
    async with country.client.get("/statement/stripe.csv") as response:
        line = (await response.text()).splitlines()[1]
    assert line.startswith(f"{ended.payment_intent.id},order-1,order-1,,500,XOF,SUCCESSFUL,")


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ({"number": "4000000000000002"}, "a été refusée"),
        ({"number": "4000000000009995"}, "solde insuffisant"),
        ({"number": "4000 0000 0000 0069"}, "a expiré"),
        ({"number": "4000000000000127"}, "n’est pas correct"),
        ({"number": "4000000000000119"}, "Essayez encore"),
        ({"number": "4242424242424241"}, "n’est pas correct"),
        ({"number": "4111111111111111"}, "seules les cartes de test"),
        ({"expiry": "01/20"}, "expiration n’est pas valable"),
        ({"expiry": "soon"}, "expiration n’est pas valable"),
        ({"cvc": "1"}, "n’est pas complet"),
    ],
)
async def test_a_card_that_is_not_taken_ends_nothing(
    country: Country, sdk: Sdk, form: dict[str, str], expected: str
) -> None:
    session = await create(sdk)
    status, page, _ = await submit(country, session, **form)
    assert (status, expected in page) == (200, True)
    assert (await show(sdk, session)).status == "open"
    assert (await submit(country, session))[0] == 303
    assert (await show(sdk, session)).payment_status == "paid"
    await country.until(lambda: country.received)
    assert kinds(country) == ["checkout.session.completed"]


async def test_the_bank_asks_first(country: Country, sdk: Sdk) -> None:
    session = await create(sdk, locale="en")
    status, page, _ = await submit(country, session, number="4000002760003184")
    assert (status, "Your bank asks you" in page) == (200, True)
    _, page, _ = await submit(country, session, action="refuse")
    assert "could not confirm that it is you" in page
    assert (await submit(country, session, action="authenticate"))[0] == 200
    assert (await show(sdk, session)).status == "open"
    await submit(country, session, number="4000002760003184")
    assert (await submit(country, session, action="authenticate"))[0] == 303
    assert (await show(sdk, session)).payment_status == "paid"


async def test_a_declined_card_behind_the_banks_question(country: Country, sdk: Sdk) -> None:
    session = await create(sdk)
    await submit(country, session, number="4000008400001629")
    _, page, _ = await submit(country, session, action="authenticate")
    assert "a été refusée" in page
    assert (await show(sdk, session)).status == "open"


async def test_a_session_is_paid_once(country: Country, sdk: Sdk) -> None:
    session = await create(sdk)
    await asyncio.gather(*(submit(country, session) for _ in range(5)))
    await country.until(lambda: country.received)
    assert kinds(country) == ["checkout.session.completed"]
    async with country.client.get("/statement/stripe.csv") as response:
        assert len((await response.text()).splitlines()) == 2


async def test_the_same_key_tells_the_same_and_another_request_under_it_is_refused(sdk: Sdk) -> None:
    sessions, params = sdk.client.v1.checkout.sessions, order()
    first = await sessions.create_async(params, {"idempotency_key": "pay-1"})
    again: Any = await sessions.create_async(params, {"idempotency_key": "pay-1"})
    assert again.id == first.id
    assert again.last_response.headers["Idempotent-Replayed"] == "true"
    with pytest.raises(stripe.IdempotencyError):
        await sessions.create_async(order(expires_at=params["expires_at"] + 1), {"idempotency_key": "pay-1"})
    with pytest.raises(stripe.InvalidRequestError):
        await sessions.create_async(order(expires_at=1), {"idempotency_key": "pay-2"})
    await sessions.create_async(order("order-2"), {"idempotency_key": "pay-2"})


async def test_a_fault_of_stripes_is_repeated_under_its_key(country: Country, sdk: Sdk) -> None:
    sessions, params = sdk.client.v1.checkout.sessions, order()
    await country.order(request={"error_500": "oops", "error_500_registered": True})
    for _ in range(2):
        with pytest.raises(stripe.APIError):
            await sessions.create_async(params, {"idempotency_key": "pay-1"})
        await country.order(request={"error_500": ""})
    assert len((await sessions.list_async()).data) == 1


async def test_keys_and_sessions_outlive_the_process(country: Country, sdk: Sdk) -> None:
    params = order()
    first = await sdk.client.v1.checkout.sessions.create_async(params, {"idempotency_key": "pay-1"})
    ended = await paid(country, sdk, "order-2")
    await country.stop()
    await country.start()
    later = Sdk(country)
    again = await later.client.v1.checkout.sessions.create_async(params, {"idempotency_key": "pay-1"})
    assert again.id == first.id
    assert (await show(later, ended)).payment_intent.status == "succeeded"
    await later.close()


@pytest.mark.parametrize(
    ("changes", "code", "param"),
    [
        (
            {"line_items": [{"quantity": 1, "price_data": order()["line_items"][0]["price_data"]}]},
            "amount_too_small",
            None,
        ),
        ({"expires_at": 1}, None, "expires_at"),
        ({"expires_at": 9_999_999_999}, None, "expires_at"),
        ({"votes": 5}, "parameter_unknown", "votes"),
        ({"success_url": "vote.example"}, "url_invalid", "success_url"),
        ({"line_items": [{"price": "price_1", "quantity": 1}]}, "resource_missing", "line_items[0][price]"),
        ({"line_items": []}, "parameter_missing", "line_items"),
        ({"mode": "subscription"}, "parameter_missing", "mode"),
    ],
)
async def test_what_is_refused(sdk: Sdk, changes: Any, code: str | None, param: str | None) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await create(sdk, **changes)
    assert (refused.value.code, refused.value.param) == (code, param)
    assert refused.value.request_id


async def test_who_may_call(country: Country) -> None:
    stranger = Sdk(country, "sk_test_other")
    with pytest.raises(stripe.AuthenticationError):
        await create(stranger)
    await stranger.close()


async def test_lists_go_on_where_a_page_ended(country: Country, sdk: Sdk) -> None:
    made = [(await create(sdk, f"order-{number}")).id for number in range(5)]
    sessions = sdk.client.v1.checkout.sessions
    page = await sessions.list_async({"limit": 2, "created": {"gte": int(time.time()) - 60}})
    assert ([one.id for one in page.data], page.has_more) == (made[:2:-1], True)
    assert [one.id async for one in page.auto_paging_iter()] == made[::-1]
    assert (await sessions.list_async({"created": {"lt": int(time.time()) - 60}})).data == []


async def test_expired_by_time(country: Country, sdk: Sdk) -> None:
    await country.order(expire_after_seconds=0.05)
    short = await create(sdk)
    await country.until(lambda: country.received)
    assert kinds(country) == ["checkout.session.expired"]
    assert (await submit(country, short))[0] == 200
    assert (await show(sdk, short)).payment_status == "unpaid"


async def test_money_that_takes_its_time(country: Country, sdk: Sdk) -> None:
    await country.order(pending_seconds=0.2)
    session = await create(sdk)
    assert (await submit(country, session))[0] == 303
    waiting = await show(sdk, session)
    assert (waiting.status, waiting.payment_status, waiting.payment_intent.status) == (
        "complete",
        "unpaid",
        "processing",
    )
    await country.until(lambda: len(country.received) == 2)
    assert kinds(country) == ["checkout.session.completed", "checkout.session.async_payment_succeeded"]
    assert (await show(sdk, session)).payment_status == "paid"


async def test_an_event_is_repeated_until_it_is_taken_and_signed_anew(
    country: Country, sdk: Sdk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.operators.stripe.events.REPEAT_SECONDS", (0.01, 0.01, 0.01))
    statuses = iter([500, 307, 200])

    async def busy(_: object) -> web.Response:
        return web.Response(status=next(statuses))

    country.answers[HOOK] = busy
    await paid(country, sdk)
    await country.until(lambda: len(country.received) == 3)
    assert len({request.body for request in country.received}) == 1
    assert next(statuses, None) is None
    for request in country.received:
        stripe.WebhookSignature.verify_header(request.body, request.headers["stripe-signature"], SECRET, 300)


async def test_refunds_in_parts_and_never_more_than_was_paid(country: Country, sdk: Sdk) -> None:
    session = await paid(country, sdk)
    refunds, intent = sdk.client.v1.refunds, session.payment_intent.id
    first = await refunds.create_async({"payment_intent": intent, "amount": 200, "metadata": {"refund_id": "r-1"}})
    assert first.status == "pending"
    await country.until(lambda: "charge.refund.updated" in kinds(country))
    assert (await refunds.retrieve_async(first.id)).status == "succeeded"
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await refunds.create_async({"payment_intent": intent, "amount": 400})
    assert refused.value.param == "amount"
    rest = await refunds.create_async({"payment_intent": intent})
    assert rest.amount == 300
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await refunds.create_async({"payment_intent": intent})
    assert refused.value.code == "charge_already_refunded"
    await country.until(lambda: kinds(country).count("charge.refund.updated") == 2)
    assert [one.id for one in (await refunds.list_async({"payment_intent": intent})).data] == [rest.id, first.id]
    assert (await sdk.client.v1.balance.retrieve_async()).available[0].amount == 0


async def test_a_refund_that_the_balance_does_not_bear(country: Country, sdk: Sdk) -> None:
    session = await paid(country, sdk)
    await country.order(float_balance=100)
    await sdk.client.v1.refunds.create_async({"payment_intent": session.payment_intent.id})
    await country.until(lambda: "charge.refund.updated" in kinds(country))
    (failed,) = (await sdk.client.v1.refunds.list_async()).data
    assert (failed.status, failed.failure_reason) == ("failed", "insufficient_funds")


async def test_refunds_of_nothing(country: Country, sdk: Sdk) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await sdk.client.v1.refunds.create_async({"payment_intent": "pi_unknown"})
    assert refused.value.code == "resource_missing"
    with pytest.raises(stripe.InvalidRequestError):
        await sdk.client.v1.refunds.create_async({})


async def test_a_dispute_and_how_it_ends(country: Country, sdk: Sdk) -> None:
    session = await create(sdk)
    await submit(country, session, number="4000000000000259")
    await country.until(lambda: "charge.dispute.created" in kinds(country))
    intent = (await show(sdk, session)).payment_intent
    (dispute,) = (await sdk.client.v1.disputes.list_async({"payment_intent": intent.id})).data
    assert (dispute.status, dispute.reason, dispute.amount) == ("needs_response", "fraudulent", 500)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await sdk.client.v1.refunds.create_async({"payment_intent": intent.id})
    assert refused.value.code == "charge_disputed"
    async with country.client.post(f"/stripe/c/pay/{session.id}", data={"action": "dispute_lost"}) as response:
        assert response.status == 200
    await country.until(lambda: "charge.dispute.closed" in kinds(country))
    assert country.bodies(HOOK)[-1]["data"]["object"]["status"] == "lost"


async def test_the_payments_page_decides_a_dispute_and_the_account_bears_it(country: Country, sdk: Sdk) -> None:
    await country.order(dispute_fee=150)
    lost, won = await paid(country, sdk), await paid(country, sdk, "order-2")
    for session, end in ((lost, "dispute_lost"), (won, "dispute_won")):
        for action in ("dispute", end, end):
            async with country.client.post(f"/stripe/c/pay/{session.id}", data={"action": action}) as response:
                assert response.status == 200
    await country.until(lambda: kinds(country).count("charge.dispute.closed") == 2)
    disputes = {body["data"]["object"]["status"]: body["data"]["object"] for body in country.bodies(HOOK)}
    assert [one["net"] for one in disputes["lost"]["balance_transactions"]] == [-650]
    assert [one["net"] for one in disputes["won"]["balance_transactions"]] == [-650, 500]
    (held,) = [one for one in (await sdk.client.v1.balance.retrieve_async()).available if one.currency == "xof"]
    assert held.amount == 1000 - 650 - 150


async def test_a_refund_past_the_merchant_carries_no_reference_of_his(country: Country, sdk: Sdk) -> None:
    session = await paid(country, sdk)
    async with country.client.post(f"/stripe/c/pay/{session.id}", data={"action": "refund"}) as response:
        assert response.status == 200
    await country.until(lambda: "charge.refund.updated" in kinds(country))
    refund = country.bodies(HOOK)[-1]["data"]["object"]
    assert (refund["metadata"], refund["amount"], refund["payment_intent"]) == ({}, 500, session.payment_intent.id)


async def test_events_are_kept_whether_they_were_posted_or_not(country: Country, sdk: Sdk) -> None:
    await country.order(callback={"mode": "none"})
    await paid(country, sdk)
    events = await sdk.client.v1.events.list_async({"type": "checkout.session.completed"})
    assert [event.data.object["client_reference_id"] for event in events.data] == ["order-1"]
    assert country.received == []


async def test_disputes_are_listed_by_time_and_events_by_group_and_a_forged_one_is_in_no_list(
    country: Country, sdk: Sdk
) -> None:
    session = await create(sdk)
    await submit(country, session, number="4000000000000259")
    await country.until(lambda: "charge.dispute.created" in kinds(country))
    forged = {"type": "charge.dispute.closed", "object": {"id": "du_x", "object": "dispute"}}
    assert (await country.json("POST", "/stripe/forged_event", json=forged))[0] == 200
    (header,) = [delivery.headers["stripe-signature"] for delivery in country.received if b"du_x" in delivery.body]
    stripe.WebhookSignature.verify_header(country.received[-1].body.decode(), header, SECRET, 300)
    assert (await country.json("POST", "/stripe/forged_event", json={"type": 7}))[0] == 400
    events = (await sdk.client.v1.events.list_async({"type": "charge.dispute.*"})).data
    assert [event.type for event in events] == ["charge.dispute.created"]
    now = int(time.time())
    for since, found in ((now - 60, 1), (now + 60, 0)):
        assert len((await sdk.client.v1.disputes.list_async({"created": {"gte": since}})).data) == found
    assert len((await sdk.client.v1.refunds.list_async({"created": {"gte": now - 60}})).data) == 0


async def test_a_browser_without_script_is_shown_what_it_typed_again(country: Country, sdk: Sdk) -> None:
    session = await create(sdk)
    _, page, _ = await submit(country, session, number='4000000000000002"><b>', name="Aya <b>")
    assert "<b>" not in page
    assert re.search(r'name="name"[^>]*value="Aya &lt;b&gt;"', page)
    async with country.client.post(session.url + "?format=json", data=CARD) as response:
        assert (response.status, json.loads(await response.text())) == (200, {"status": "SUCCESSFUL"})
    async with country.client.get("/stripe/c/pay/cs_test_unknown") as response:
        assert response.status == 404
