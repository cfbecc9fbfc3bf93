"""What an operator accepted is kept, whatever became of the payment while it was being asked."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.orders.rules import PAYMENT_URL
from payments.accounts.calls import Unlimited
from payments.collection.collect import Collector
from payments.collection.observations import Observation
from payments.collection.verify import ask
from payments.lifecycle import Actor
from payments.provider import Collection, CreateResult, Redirect, StillOpen
from tests.rigs.collecting import MTN, GatedProvider, drained, kept, ordered, states
from tests.rigs.rig import Rig
from tests.rigs.scripted_provider import paid


@pytest.fixture
async def rig(database: Any) -> AsyncIterator[Rig]:
    made = await Rig(database.app_url, GatedProvider()).open()
    yield made
    try:
        assert await made.broken() == {}
    finally:
        await made.close()


LINK = "https://pay.test/p"


async def accepted_late(rig: Rig, monkeypatch: Any, meanwhile: str, answer: CreateResult) -> None:
    """An order whose payment moves on while the operator is still being asked."""
    provider = GatedProvider(create_script=[answer])
    provider.gate.clear()
    await ordered(rig, 1)
    draining = asyncio.create_task(drained(Collector(rig.payments, {MTN: provider})))
    reference = await provider.begun.get()
    monkeypatch.setitem(rig.providers, MTN, provider)
    provider.query_script = [paid(500) if meanwhile == "confirmed" else StillOpen("PENDING")]
    (claimed,) = await rig.payments.claim_named([reference])
    await ask(claimed, provider, rig.payments, Unlimited())
    if meanwhile == "expired":
        await rig.pass_deadline()
        await rig.make_due()
        await rig.verify()
    assert await states(rig) == {(MTN, meanwhile): 1}
    provider.gate.set()
    await draining


@pytest.mark.parametrize("meanwhile", ["pending", "confirmed", "expired"])
async def test_what_an_acceptance_says_is_kept_when_the_payment_moved_on_meanwhile(
    rig: Rig, monkeypatch: Any, meanwhile: str
) -> None:
    deadline = datetime.now(UTC) + timedelta(minutes=7)
    redirect = Redirect(LINK, deadline, "op-77", {"pay_token": "t"})
    await accepted_late(rig, monkeypatch, meanwhile, redirect)
    (row,) = await rig.rows("select * from payments")
    assert (row.status, row.accepted, row.base_url) == (meanwhile, True, "http://operator.test")
    # The first number that an operator gave stays.
    assert row.provider_reference == ("op-1" if meanwhile == "confirmed" else "op-77")
    assert await kept(rig) == {"pay_token": "t", PAYMENT_URL: LINK}
    assert (row.expires_at == deadline) is (meanwhile == "pending")
    links = await rig.one("select count(*) from messages_out where kind = 'payment_link'")
    assert links == (1 if meanwhile == "pending" else 0)
    if meanwhile == "confirmed":
        await rig.settle_all()


async def test_a_late_acceptance_overwrites_nothing(rig: Rig, monkeypatch: Any) -> None:
    """Another question found the link, and a deadline, before the creation was answered."""
    usual = GatedProvider.create

    async def found_before(self: GatedProvider, collection: Collection, otp: str | None = None) -> CreateResult:
        answer = await usual(self, collection, otp)
        found = {"pay_token": "found", PAYMENT_URL: "https://pay.test/found"}
        facts = Observation(collection.reference, None, Actor.VERIFIER, secrets=found, provider_reference="op-found")
        await rig.payments.observe(replace(facts, next_check_at=await rig.now(), expires_at=at))
        return answer

    at = datetime.now(UTC) + timedelta(minutes=3)
    monkeypatch.setattr(GatedProvider, "create", found_before)
    later = Redirect(LINK, at + timedelta(minutes=9), "op-77", {"pay_token": "t", "more": "m"})
    await accepted_late(rig, monkeypatch, "pending", later)
    (row,) = await rig.rows("select * from payments")
    assert (row.status, row.provider_reference, row.expires_at) == ("pending", "op-found", at)
    assert await kept(rig) == {"pay_token": "found", PAYMENT_URL: "https://pay.test/found", "more": "m"}
