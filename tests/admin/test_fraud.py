"""Suspicious votes reviewed: decided about together, limits tried and set, numbers and addresses listed."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from admin.access.rules import Role
from admin.fraud import store
from admin.fraud.store import FRAUD, Limits
from gateway.orders.fraud import FraudLimits
from gateway.orders.prompting import Orderer, OrdererKind
from gateway.orders.rules import Channel, PlacedOrder, Refusal
from gateway.values.msisdn import mask
from payments.requests import ActRefused
from payments.settlement.settle import Settlement
from tests.admin.acting import AWA, REASON, YAO
from tests.admin.acting import office as office
from tests.admin.back_office import Office, other_organiser

PAGE, API = "/admin/contests/star/fraud", "/api/admin/contests/star/fraud"


async def burst(office: Office, many: int) -> list[PlacedOrder]:
    """Votes of one wallet at once: the first counts, the others are held."""
    rig = office.rig
    rig.settlement = Settlement(rig.engine, FraudLimits())
    first = await rig.counted()
    held = [await rig.confirmed() for _ in range(many)]
    await rig.settle_all()
    assert [await rig.status(order) for order in held] == ["held"] * many
    return [first, *held]


async def test_held_votes_are_released_and_refunded_together_by_two(office: Office) -> None:
    """What the page shows is chosen, asked for and agreed to; payers of refunded votes may be kept out."""
    rig = office.rig
    orders = await burst(office, 3)
    awa, yao = await office.signed_in(AWA), await office.signed_in(YAO)
    async with awa.get(API) as answer:
        found = await answer.json()
    assert [one["findings"][0]["rule"] for one in found["held"]] == ["too_fast"] * 3
    assert found["flagged"] == []
    one, *others = [str(order.payment_reference) for order in orders[1:]]
    for names, fields, outcome in (
        (
            [f"held_{one}", *(f"listed_{each}" for each in (one, *others))],
            {"step": "release", "block_days": "7"},
            "Votes comptés\u00a0: 5.",
        ),
        (
            ["all", *(f"listed_{each}" for each in others)],
            {"step": "refuse", "block_days": "7"},
            "Paiements qui repartent\u00a0: 2. Leurs payeurs sont écartés pour 7 jours.",
        ),
    ):
        chosen = dict.fromkeys(names, "1")
        status, shown = await office.form(awa, PAGE, **chosen, **fields, reason=REASON)
        assert status == 200, shown
        asked = await rig.one("select id from staff_requests where status = 'waiting'")
        status, shown = await office.form(yao, f"/admin/requests/{asked}", decision="approve")
        assert outcome in shown
    assert await rig.votes_for("07") == 10
    assert [await rig.status(order) for order in orders] == ["settled", "settled", "refund_due", "refund_due"]
    assert await rig.place(rig.vote_request()) is Refusal.NOT_ACCEPTED
    assert await rig.broken() == {}
    # What is not held any more is not decided about again.
    gone = {"act": "decide_held", "subject": "star", "reason": REASON}
    for params in (
        {"step": "refuse", "payments": str(orders[1].payment_reference)},
        {"step": "refuse", "payments": ""},
        {"step": "look", "payments": str(orders[1].payment_reference)},
        {"step": "release", "payments": str(orders[1].payment_reference), "block_days": 3},
    ):
        async with awa.post("/api/admin/requests", json={**gone, "params": params}) as answer:
            assert answer.status == 409, params


async def test_many_held_votes_are_decided_together(office: Office) -> None:
    await burst(office, 45)
    awa = await office.signed_in(AWA)
    async with awa.get(PAGE) as answer:
        names = re.findall(r'name="((?:listed|held)_[^"]+)"', await answer.text())
    assert len(names) == 90
    chosen = dict.fromkeys(names, "1")
    status, shown = await office.form(awa, PAGE, **chosen, step="refuse", reason=REASON)
    assert status == 200, shown
    params = await office.rig.one("select params from staff_requests")
    assert len(params["payments"].split()) == 45


async def test_limits_are_tried_on_a_past_hour_and_set_as_a_version(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = office.rig
    await burst(office, 2)
    awa = await office.signed_in(AWA)
    async with awa.get(f"{API}/limits") as answer:
        view = await answer.json()
    assert (view["version"], view["versions"], view["limits"]["gapSeconds"]) == (0, [], 5)
    lax = {**view["limits"], "gapSeconds": 0}
    since = (datetime.now(UTC) - timedelta(minutes=30)).isoformat()
    for limits, held in ((view["limits"], 2), (lax, 0)):
        async with awa.get(f"{API}/what-if", params={**limits, "since": since}) as answer:
            tried = await answer.json()
        assert (tried["orders"], tried["votes"], tried["held"], tried["heldVotes"]) == (3, 15, held, 5 * held)
        assert tried["partial"] is False
    async with awa.get(f"{API}/what-if", params={**lax, "since": "9999-12-31T23:59:59Z"}) as answer:
        assert answer.status == 409
    typed = {name: str(value) for name, value in await form_of(awa)}
    monkeypatch.setattr(store, "REPLAYED_MAX", 2)
    async with awa.get(f"{PAGE}/limits", params={**typed, "gap_seconds": "0", "since": since[:16]}) as answer:
        assert answer.status == 200
        assert "les 2 premières payées, 10 votes" in await answer.text()
    async with awa.get(f"{PAGE}/limits", params={"gap_seconds": "x", "since": since[:16]}) as answer:
        assert answer.status == 422
    # Votes count by them: two persons change them, on every way.
    assert view["byTwo"] is True
    changed = {**typed, "gap_seconds": "0", "reason": REASON}
    status, shown = await office.form(awa, f"{PAGE}/entries", f"{PAGE}/limits", **changed)
    assert (status, "Secondes entre deux votes" in shown) == (200, True)
    async with awa.put(f"{API}/limits", json={"limits": {**lax, "webVotes": 9}, "reason": REASON}) as answer:
        assert (answer.status, (await answer.json())["act"]) == (201, "fraud_limits")
    async with awa.put(f"{API}/limits", json={"limits": {**lax, "webVotes": 151}, "reason": REASON}) as answer:
        assert answer.status == 422
    wanted = {"act": "fraud_limits", "subject": "star", "reason": REASON}
    for params in ({}, {"gap_seconds": 0}, {**{name: 1 for name in typed}, "web_votes": 151}):
        async with awa.post("/api/admin/requests", json={**wanted, "params": params}) as answer:
            assert answer.status == 409, params
    with pytest.raises(ActRefused, match="two persons"):
        await office.app[FRAUD].set_limits("star", Limits(gap_seconds=0), None, AWA, REASON)
    assert await rig.one("select fraud_limits from contests where slug = 'star'") == {}
    yao = await office.signed_in(YAO)
    first, second = await rig.rows("select id, preview from staff_requests order by requested_at")
    assert first.preview["limits"] == [{"limit": "gap_seconds", "before": 5, "after": 0}]
    for client, one, expected in ((awa, first, 403), (yao, first, 200), (yao, second, 200)):
        status, shown = await office.form(client, f"/admin/requests/{one.id}", decision="approve")
        assert status == expected
    assert "Les limites ont changé depuis la demande." in shown
    assert await rig.one("select fraud_limits->>'gap_seconds' from contests where slug = 'star'") == "0"
    assert await rig.one("select made_by from fraud_limits") == AWA
    (noted,) = await office.audit("fraud.limits")
    assert noted.detail["approved_by"] == YAO
    # They hold from then on. Once nothing is counted any more, one person is enough.
    await rig.counted()
    await rig.change(
        "update contests set opens_at = opens_at - interval '9 days', closes_at = now() - interval '1 day'"
    )
    back = {**typed, "reason": REASON}
    status, shown = await office.form(awa, f"{PAGE}/entries", f"{PAGE}/limits", **back)
    assert (status, REASON in shown) == (200, True)
    status, _ = await office.form(awa, f"{PAGE}/entries", f"{PAGE}/limits", **back)
    assert status == 409
    assert await rig.one("select max(version) from fraud_limits") == 2


async def form_of(client: Any) -> list[tuple[str, object]]:
    """The limits by the names of their fields."""
    async with client.get(f"{API}/limits") as answer:
        limits = (await answer.json())["limits"]
    return [("".join(f"_{c.lower()}" if c.isupper() else c for c in name), value) for name, value in limits.items()]


async def test_numbers_and_addresses_are_listed_for_a_time_and_lifted(office: Office) -> None:
    rig = office.rig
    support = await office.signed_in(await office.hire("support@house.test", Role.SUPPORT))
    manager = await office.signed_in(await office.hire("manager@demo.test", Role.MANAGER, "demo"))
    wanted = {"list": "deny", "subject": "0501020304", "days": 3, "reason": REASON}
    async with support.post(f"{API}/entries", json=wanted) as answer:
        (entry,) = (await answer.json())["entries"]
    assert (entry["kind"], entry["valid"], "0501020304" in entry["shown"]) == ("number", True, False)
    assert await rig.place(rig.vote_request()) is Refusal.NOT_ACCEPTED
    for odd in ({"subject": "Awa"}, {"days": 0}, {"reason": ""}):
        async with support.post(f"{API}/entries", json={**wanted, **odd}) as answer:
            assert answer.status in (409, 422)
    async with manager.post(f"{API}/entries", json=wanted) as answer:
        assert answer.status == 403
    async with manager.get(f"{API}/entries") as answer:
        assert len((await answer.json())["entries"]) == 1
    status, shown = await office.form(support, f"{PAGE}/entries", lift=entry["id"])
    assert status == 200
    assert "support@house.test" in shown
    assert isinstance(await rig.place(rig.vote_request()), PlacedOrder)
    address = {"subject": "2001:db8:1:2::7", "list": "allow", "days": "9", "reason": REASON}
    status, shown = await office.form(support, f"{PAGE}/entries", **address)
    assert (status, "2001:db8:…" in shown) == (200, True)
    status, shown = await office.form(support, f"{PAGE}/entries", **{**address, "list": "own", "subject": "0501020306"})
    assert (status, "De notre équipe</td>" in shown) == (200, True)
    for odd in ({"list": "own"}, {"list": "friends"}):
        status, _ = await office.form(support, f"{PAGE}/entries", **{**address, **odd})
        assert status == 409
    assert [line.act for line in await rig.rows("select act from audit_log where act like 'fraud%' order by id")] == [
        *("fraud.listed", "fraud.lifted", "fraud.listed", "fraud.listed")
    ]


async def test_from_a_held_order_others_of_its_number_device_and_name_are_found(office: Office) -> None:
    """Of its contest alone, whose staff alone see them; numbers are masked."""
    rig = office.rig
    orders = await burst(office, 2)
    phone = Orderer(OrdererKind.DEVICE, "one phone", "203.0.113.7")
    orders.append(await rig.placed(number="+2250501020377"))
    for number in ("+2250577000001", "+2250577000002"):
        asked = rig.vote_request(number=number, channel=Channel.WEB, typed=True)
        made = await rig.place(replace(asked, orderer=phone))
        assert isinstance(made, PlacedOrder)
        orders.append(made)
    paid = "update payments set status = 'confirmed', confirmed_at = now() where reference = any(:r)"
    await rig.change(paid, r=[one.payment_reference for one in orders[3:]])
    card = "update payments set card_index = :c where reference = any(:r)"
    await rig.change(card, c=b"card", r=[orders[0].payment_reference, orders[4].payment_reference])
    manager = await office.signed_in(await office.hire("manager@demo.test", Role.MANAGER, "demo"))
    async with manager.get(f"{API}/payments/{orders[1].payment_reference}") as answer:
        found = await answer.json()
    assert [(one["kind"], one["many"]) for one in found["groups"]] == [("number", 2), ("block", 1)]
    assert found["order"]["findings"][0]["rule"] == "too_fast"
    assert {one["payer"] for one in found["groups"][0]["orders"]} == {mask("+2250501020304")}
    async with manager.get(f"{API}/payments/{orders[4].payment_reference}") as answer:
        found = await answer.json()
    assert [(one["kind"], one["many"]) for one in found["groups"]] == [
        *(("device", 1), ("address", 1), ("card", 1), ("block", 1))
    ]
    async with manager.get(PAGE) as answer:
        assert f"{PAGE}/payments/{orders[1].payment_reference}" in await answer.text()
    async with manager.get(f"{PAGE}/payments/{orders[4].payment_reference}") as answer:
        shown = await answer.text()
    assert f"/admin/orders/{orders[5].vote_id}" in shown
    assert "203.0.113" not in shown
    await other_organiser(rig)
    stranger = await office.signed_in(await office.hire("manager@other.test", Role.MANAGER, "other"))
    for client, reference in ((stranger, orders[1].payment_reference), (manager, orders[1].vote_id), (manager, "x")):
        async with client.get(f"{PAGE}/payments/{reference}") as answer:
            assert answer.status == 404
