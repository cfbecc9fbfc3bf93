"""A voided window: frozen when asked for, given back row by row, gone on with after a kill."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any

import pytest

from gateway.orders.rules import Channel
from payments.disbursement.refunds import voids
from payments.requests import Act, ActRefused, RequestStatus
from tests.rigs.money_rig import ASKER, CHECKER, REASON, Killed, MoneyRig, opened
from tests.rigs.scripted_provider import paid


@pytest.fixture
async def rig(database: Any) -> AsyncIterator[MoneyRig]:
    made = await opened(database.app_url)
    await made.charge_fees()
    yield made
    try:
        assert await made.broken() == {}
    finally:
        await made.close()


async def window(rig: MoneyRig, **params: Any) -> Mapping[str, Any]:
    now = await rig.now()
    first, last = now - timedelta(hours=1), now + timedelta(hours=1)
    return {"from": first.isoformat(), "to": last.isoformat(), **params}


async def many(rig: MoneyRig, count: int, **vote_request: Any) -> list[Any]:
    return [await rig.counted(number=f"+22505010203{n:02}", **vote_request) for n in range(count)]


async def test_the_preview_counts_by_candidate_channel_and_operator(rig: MoneyRig) -> None:
    await many(rig, 2)
    await rig.counted(number="+2250501020399", code="03", channel=Channel.WEB, quantity=2)
    await rig.held(number="+2250501020398")
    shown = await rig.voids.preview("star", await window(rig), None)
    assert (shown["payments"], shown["votes"]) == (4, 17)
    assert shown["candidates"]["07"] == {"payments": 3, "votes": 15, "money_minor": 1500}
    assert shown["candidates"]["03"] == {"payments": 1, "votes": 2, "money_minor": 200}
    assert set(shown["channels"]) == {"ussd", "web"}
    assert shown["operators"]["mtn_momo"]["money_minor"] == 1700
    assert await rig.one("select count(*) from void_rows") == 0


async def test_a_window_is_from_one_instant_to_before_another(rig: MoneyRig) -> None:
    order = await rig.counted()
    at = await rig.one("select placed_at from payments where reference = :r", r=order.payment_reference)
    tick = timedelta(microseconds=1)
    for first, last, votes in ((at, at + tick, 5), (at - tick, at, 0), (at + tick, at + 2 * tick, 0)):
        shown = await rig.voids.preview("star", {"from": first.isoformat(), "to": last.isoformat()}, None)
        assert shown["votes"] == votes


@pytest.mark.parametrize(
    ("asked", "payments"),
    [
        ({}, 2),
        ({"channel": "web"}, 1),
        ({"channel": "sms"}, 0),
        ({"operator": "mtn_momo"}, 2),
        ({"operator": "orange_money"}, 0),
    ],
)
async def test_a_window_may_be_of_a_channel_or_an_operator(rig: MoneyRig, asked: dict[str, str], payments: int) -> None:
    await rig.counted()
    await rig.counted(number="+2250501020399", channel=Channel.WEB)
    assert (await rig.voids.preview("star", await window(rig, **asked), None))["payments"] == payments


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"from": "yesterday", "to": "today"},
        {"from": "2026-11-21T20:00", "to": "2026-11-21T21:00"},
        {"from": "2026-11-21T21:00Z", "to": "2026-11-21T20:00Z"},
        {"from": "2020-11-21T20:00Z", "to": "2100-11-21T21:00Z", "channel": "fax"},
        {"from": "2016-11-21T20:00Z", "to": "2016-11-21T21:00Z"},
    ],
)
async def test_a_window_that_is_none_is_refused(rig: MoneyRig, params: dict[str, str]) -> None:
    with pytest.raises(ActRefused):
        await rig.acts.ask(Act.VOID_WINDOW, "star", params, REASON, ASKER)
    with pytest.raises(ActRefused):
        await rig.acts.ask(Act.VOID_WINDOW, "nowhere", await window(rig), REASON, ASKER)
    assert await rig.one("select count(*) from staff_requests") == 0


async def test_what_was_frozen_is_given_back_and_nothing_else(rig: MoneyRig) -> None:
    orders = await many(rig, 3)
    held = await rig.held(number="+2250501020398")
    asked = await rig.acts.ask(Act.VOID_WINDOW, "star", await window(rig), REASON, ASKER)
    later = await rig.counted(number="+2250501020399", quantity=2)
    outcome = await rig.acts.decide(asked, CHECKER, approve=True)
    assert (outcome.status, outcome.text) == (RequestStatus.DONE, "4 of 4 payments, 20 votes, 2000 XOF")
    assert {await rig.status(order) for order in (*orders, held)} == {"refund_due"}
    assert await rig.status(later) == "settled"
    assert await rig.votes_for("07") == 2
    reasons = await rig.rows("select distinct reason from tally_entries where kind = 'adjustment'")
    assert [row.reason for row in reasons] == ["voided window"]
    assert await rig.on_account("platform_fee") == -30
    rig.provider.outgoing_script = [paid(500)]
    await rig.refund()
    await rig.refund_again()
    (progress,) = await rig.voids.progress(asked, None)
    assert (progress.payments, progress.done, progress.skipped, progress.refunded) == (4, 4, 0, 4)


async def test_what_left_the_tally_meanwhile_is_skipped(rig: MoneyRig) -> None:
    first, second = await many(rig, 2)
    asked = await rig.acts.ask(Act.VOID_WINDOW, "star", await window(rig), REASON, ASKER)
    await rig.agreed(Act.REFUND_PAYMENT, first.payment_reference)
    await rig.acts.decide(asked, CHECKER, approve=True)
    (progress,) = await rig.voids.progress(asked, None)
    assert (progress.done, progress.skipped, progress.votes_done) == (2, 1, 5)
    assert await rig.status(second) == "refund_due"
    assert await rig.one("select count(*) from refunds") == 2


async def test_turned_down_it_does_nothing(rig: MoneyRig) -> None:
    (order,) = await many(rig, 1)
    asked = await rig.acts.ask(Act.VOID_WINDOW, "star", await window(rig), REASON, ASKER)
    await rig.acts.decide(asked, CHECKER, approve=False)
    assert await rig.acts.run_approved() == 0
    assert await rig.status(order) == "settled"


async def test_killed_at_every_statement_it_goes_on_where_it_was(
    rig: MoneyRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(voids, "BATCH", 2)
    orders = await many(rig, 12)
    asked = await rig.acts.ask(Act.VOID_WINDOW, "star", await window(rig), REASON, ASKER)
    try:
        with rig.dying_at(12):
            await rig.acts.decide(asked, CHECKER, approve=True)
    except Killed:
        pass
    assert await rig.one("select status from staff_requests") == "approved"
    deaths = 0
    for statement in range(1, 40):
        try:
            with rig.dying_at(statement):
                await rig.acts.run_approved()
        except Killed:
            deaths += 1
        assert await rig.broken() == {}
        (progress,) = await rig.voids.progress(asked, None)
        given = await rig.one("select count(*) from payments where status = 'refund_due'")
        assert progress.done == given, "what is marked is what is given back"
    while await rig.acts.run_approved():
        pass
    assert deaths > 5
    assert {await rig.status(order) for order in orders} == {"refund_due"}
    assert await rig.votes_for("07") == 0
    assert await rig.one("select count(*) from refunds") == 12
    assert await rig.one("select status from staff_requests") == "done"


async def test_progress_is_read_once_however_many_batches_it_takes(
    rig: MoneyRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(voids, "BATCH", 2)
    await many(rig, 6)
    asked = await rig.acts.ask(Act.VOID_WINDOW, "star", await window(rig), REASON, ASKER)
    outcome = await rig.acts.decide(asked, CHECKER, approve=True)
    assert (outcome.status, outcome.text) == (RequestStatus.APPROVED, "6 payments are going back")
    read = rig.reads_of("void_rows r")
    while await rig.acts.run_approved():
        pass
    (request,) = await rig.rows("select status, outcome from staff_requests")
    assert (request.status, request.outcome) == ("done", "6 of 6 payments, 30 votes, 3000 XOF")
    (summed,) = [statement for statement in read if "count(*)" in statement]
    assert "payments p" not in summed, "what became of a million refunds is not looked for"


async def test_two_workers_and_the_settler_at_once(
    rig: MoneyRig, database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(voids, "BATCH", 2)
    orders = await many(rig, 9)
    asked = await rig.acts.ask(Act.VOID_WINDOW, "star", await window(rig), REASON, ASKER)
    for n in range(6):
        await rig.confirmed(number=f"+22505010204{n:02}")
    other = await opened(database.app_url)
    try:
        await rig.acts.decide(asked, CHECKER, approve=True)
        while await rig.one("select count(*) from staff_requests where status = 'approved'"):
            await asyncio.gather(rig.acts.run_approved(), other.acts.run_approved(), rig.settle(), other.settle())
    finally:
        await other.close()
    await rig.settle_all()
    assert {await rig.status(order) for order in orders} == {"refund_due"}
    assert await rig.votes_for("07") == 30
    assert await rig.one("select count(*) from tally_entries where kind = 'adjustment'") == 9
