"""From the checkout to the lost dispute over HTTP."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, cast
from unittest import mock

from payments.collection.callbacks import IncomingCallback
from payments.collection.collect import Collector
from payments.providers.stripe.provider import Settings, Stripe
from tests.payments.disbursement.disputes.cards import (
    SECRET,
    CardRig,
    later,
)
from tests.sandbox.country import Country

INVENTED: Final = {
    "id": "du_invented",
    "object": "dispute",
    "amount": 500,
    "currency": "xof",
    "payment_intent": "pi_invented",
    "balance_transactions": [{"fee": 9000, "currency": "xof"}],
    "status": "lost",
}
CARD = {"number": "4242424242424242", "expiry": "12/48", "cvc": "123", "action": "pay"}


async def newest_page(country: Country) -> str:
    """The address of the checkout page that was made last."""
    listed = await country.json("GET", "/stripe/v1/checkout/sessions", headers={"Authorization": "Bearer sk_test_1"})
    return str(listed[1]["data"][0]["url"])


async def deliver(country: Country, rig: CardRig, kind: str) -> None:
    """Wait for an event of this kind, then store and judge all that came."""
    await country.until(lambda: kind in [body["type"] for body in country.bodies("/api/webhooks/stripe")])
    for delivery in country.received:
        heads = dict(delivery.headers)
        await rig.callbacks.store(IncomingCallback("stripe", None, "POST", heads, delivery.body, "127.0.0.1"))
    country.received.clear()
    await rig.judge()


async def takes_back_without_an_event(country: Country, rig: CardRig, number: str, actions: Sequence[str]) -> None:
    """A counted payment that these acts at the company take back is found by asking."""
    another = await rig.placed(number=number, code="03", quantity=6)
    await Collector(rig.payments, rig.providers).step()
    page = await newest_page(country)
    async with country.client.post(page, data=CARD, allow_redirects=False):
        await rig.run("update payments set next_check_at = now() where status = 'pending'")
        await rig.verify()
    await rig.settle_all()
    assert (await rig.status(another), await rig.votes_for("03")) == ("settled", 6)
    for action in actions:
        async with country.client.post(page, data={"action": action}):
            await asyncio.sleep(0)
    with mock.patch("payments.providers.stripe.lookups.PAGE_SIZE", 1):
        async with asyncio.timeout(5):
            while await rig.status(another) != "refunded":
                await later(rig)
                await rig.sweep()
                await rig.look_up()
    assert (await rig.votes_for("03"), country.received) == (0, [])


async def test_from_the_checkout_to_the_lost_dispute_over_http(database: Any, tmp_path: Path) -> None:
    """The imitated company, its page, its signed events, the real provider, PostgreSQL."""
    issued = {"secret_key": "sk_test_1", "webhook_secret": SECRET, "webhook_url": "{gateway}/api/webhooks/stripe"}
    rig = CardRig(database.app_url)
    await rig.open()
    async with Country(tmp_path, {"stripe": issued}) as country:
        await country.order(dispute_fee=150)
        base = str(country.client._base_url).rstrip("/") + "/stripe"
        company = Stripe(
            Settings.model_validate({"base_url": base, "secret_key": "sk_test_1", "webhook_secret": SECRET})
        )
        rig.providers = cast(Any, {"stripe": company})
        order = await rig.placed(number="+2250505999998")
        await Collector(rig.payments, rig.providers).step()
        page = await newest_page(country)
        async with country.client.post(page, data=CARD, allow_redirects=False) as paid:
            assert paid.status == 303
        await deliver(country, rig, "checkout.session.completed")
        await rig.verify()
        await rig.settle_all()
        assert (await rig.status(order), await rig.votes_for("07")) == ("settled", 5)
        for action, event in (("dispute", "created"), ("dispute_lost", "closed")):
            async with country.client.post(page, data={"action": action}):
                await deliver(country, rig, f"charge.dispute.{event}")
        assert (await rig.status(order), await rig.votes_for("07")) == ("refunded", 0)
        assert (await rig.effect(), await rig.on_account("operator_fee")) == (("lost", "taken_back", 500), 150)

        # An invented event, and one that never came.
        await country.json("POST", "/stripe/forged_event", json={"type": "charge.dispute.closed", "object": INVENTED})
        await deliver(country, rig, "charge.dispute.closed")
        assert await rig.on_account("operator_fee") == 150
        assert (await rig.answers())["du_invented"] == "not there"
        await country.order(callback={"mode": "none"})
        for number, actions in (("+2250505999901", ("dispute", "dispute_lost")), ("+2250505999902", ("refund",))):
            await takes_back_without_an_event(country, rig, number, actions)
        assert await rig.broken() == {}
        await company.aclose()
    await rig.close()
