"""No payer is asked for money that cannot count, nor without end; what was ever sent is asked about for a day."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text

from gateway.orders.rules import PlacedOrder
from payments.lifecycle import TABLE, Actor, Observed, State
from payments.provider import Accepted, NotFound, NotSent, PayerReason, Rejected, Unknown
from tests.rigs.rig import Rig
from tests.rigs.scripted_provider import paid

EVICTED_AGO = "update candidates set status = 'evicted', evicted_at = now() - interval '{}' where code = '07'"
WITHDRAWN = "update candidates set status = 'withdrawn' where code = '07'"
STATE = "update organisers set state = '{}'"
TRIED = "update payments set send_tries = {}"
Older = Callable[[int], Awaitable[None]]


@pytest.fixture
async def rig(database: Any) -> AsyncIterator[Rig]:
    made = await Rig(database.app_url).open()
    yield made
    try:
        assert await made.broken() == {}
    finally:
        await made.close()


async def change(rig: Rig, *statements: str) -> None:
    async with rig.engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))


@pytest.fixture
async def grow_older(database: Any) -> AsyncIterator[Older]:
    """Every order was placed so many minutes earlier."""
    owner = await asyncpg.connect(database.owner_url)

    async def older(minutes: int) -> None:
        for table in ("payments", "votes", "order_keys"):
            await owner.execute(f"update {table} set placed_at = placed_at - interval '{minutes} minutes'")

    yield older
    await owner.close()


@pytest.mark.parametrize(
    ("meanwhile", "late_seconds", "closed", "status"),
    [
        ([], 600, -3600, "pending"),
        # A payer has 330 seconds, and what comes 600 seconds after the close counts.
        ([], 600, 1, "pending"),
        ([], 600, 260, "pending"),
        ([], 600, 271, "closed"),
        ([], 0, -60, "pending"),
        ([], 0, 1, "closed"),
        ([], 330, -60, "pending"),
        ([], 330, 1, "closed"),
        ([TRIED.format(1)], 600, 660, "closed"),
        ([WITHDRAWN], 600, -3600, "candidate_withdrawn"),
        ([WITHDRAWN], 600, 3600, "candidate_withdrawn"),
        ([STATE.format("frozen")], 600, -3600, "suspended"),
        ([STATE.format("limited")], 600, -3600, "pending"),
        ([TRIED.format(4)], 600, -3600, "pending"),
        ([TRIED.format(5)], 600, -3600, "tried"),
        ([EVICTED_AGO.format("1 minute")], 600, -3600, "pending"),
        # A gateway sold it that did not know of it yet.
        ([EVICTED_AGO.format("13 minutes")], 600, -3600, "candidate_withdrawn"),
    ],
)
async def test_the_claim_asks_no_payer_in_vain(
    rig: Rig, grow_older: Older, meanwhile: list[str], late_seconds: int, closed: int, status: str
) -> None:
    """`closed`: so many seconds ago. By the rules of the order: those that hold now are others."""
    await rig.new_rules(late_seconds=late_seconds)
    order = await rig.placed()
    await grow_older(12)
    await rig.count_until(f"now() + interval '{late_seconds - closed} seconds'")
    await rig.new_rules(late_seconds=900 - late_seconds)
    await change(rig, *meanwhile)
    assert await rig.collect() == 1
    (row,) = await rig.rows("select * from payments")
    if status == "pending":
        assert row.status == "pending"
        return
    assert (row.status, row.reason_code) == ("failed", status)
    assert row.reason == ("service_down" if status == "tried" else status)
    assert rig.provider.created == {}
    assert (row.next_check_at is not None) is (row.send_tries > 0)
    texts = await rig.rows("select kind, params from messages_out")
    assert [tuple(one) for one in texts] == [("payment_failed", {"reason": row.reason})]
    view = await rig.views.order(order.vote_id)
    assert view is not None
    assert (view.status, view.reason) == ("FAILED", row.reason)
    (event,) = await rig.rows("select * from payment_events where to_status = 'failed'")
    assert TABLE[State(event.from_status), Observed(event.seen)].to is State.FAILED
    assert (event.actor, bool(event.detail)) == (Actor.COLLECTOR, True)


async def test_those_who_may_not_be_asked_keep_no_others_from_their_turn(rig: Rig) -> None:
    """More than fit into one claim, and one number with an order of each kind."""
    same = "+2250501020399"
    await rig.placed(number=same)
    for number in range(9):
        await rig.placed(number=f"+22505010203{number:02d}")
    await change(rig, WITHDRAWN)
    good = [await rig.placed(number=same, code="03"), await rig.placed(number="+2250501020398", code="03")]
    assert len(await rig.payments.claim_to_collect(4)) == 4
    await rig.collect()
    assert [await rig.status(order) for order in good] == ["pending", "pending"]
    assert await rig.one("select count(*) from payments where status = 'failed'") == 10


async def lost_without_trace(rig: Rig) -> None:
    """The operator says three times within more than a minute that it does not know it."""
    for _ in range(3):
        await rig.make_due()
        await rig.verify()
        await change(rig, "update payments set not_found_since = not_found_since - interval '40 seconds'")


@pytest.fixture
async def lost(rig: Rig) -> PlacedOrder:
    """An order whose every request is lost on its way."""
    rig.provider.create_script = [Unknown("ReadTimeout")]
    rig.provider.query_script = [NotFound("404")]
    return await rig.placed()


async def test_a_payer_is_asked_five_times_at_most(rig: Rig, lost: PlacedOrder) -> None:
    for _ in range(8):
        await rig.collect()
        await lost_without_trace(rig)
    assert rig.provider.created == {lost.payment_reference: 5}
    assert await rig.status(lost) == "sent"
    await rig.pass_deadline()
    await rig.make_due()
    await rig.verify()
    assert await rig.status(lost) == "expired"
    assert await rig.one("select kind from messages_out") == "payment_not_confirmed"
    await still_found(rig, lost)


async def test_an_order_is_sent_again_until_it_is_too_old(rig: Rig, grow_older: Older, lost: PlacedOrder) -> None:
    await rig.collect()
    await lost_without_trace(rig)
    # It waits with the deadline of its order, however often it was claimed.
    left = "select extract(epoch from expires_at - placed_at) from payments where status = 'created'"
    assert await rig.one(left) == 900
    await rig.collect()
    await grow_older(16)
    await lost_without_trace(rig)
    assert rig.provider.created == {lost.payment_reference: 2}
    assert await rig.status(lost) == "sent"


async def test_an_order_that_waits_too_long_for_another_try_is_asked_about(rig: Rig, lost: PlacedOrder) -> None:
    await rig.collect()
    await lost_without_trace(rig)
    await rig.pass_deadline()
    assert await rig.collect() == 1
    (row,) = await rig.rows("select * from payments")
    assert (row.status, row.reason, row.reason_code) == ("failed", "service_down", "too_old")
    assert rig.provider.created == {lost.payment_reference: 1}
    await still_found(rig, lost)


async def test_what_was_sent_before_the_last_try_failed_is_asked_about(rig: Rig, lost: PlacedOrder) -> None:
    await rig.collect()
    await lost_without_trace(rig)
    rig.provider.create_script = [NotSent("ConnectError")]
    for _ in range(4):
        await rig.make_due()
        await rig.collect()
    (row,) = await rig.rows("select * from payments")
    assert (row.status, row.reason_code, row.send_tries) == ("failed", "not_sent", 5)
    await still_found(rig, lost)


async def test_a_refusal_of_a_repeat_says_nothing_of_what_was_sent_before(rig: Rig, lost: PlacedOrder) -> None:
    await rig.collect()
    await lost_without_trace(rig)
    rig.provider.create_script = [Rejected("LIMIT", PayerReason.LIMIT)]
    await rig.collect()
    assert await rig.status(lost) == "failed"
    await still_found(rig, lost)


async def still_found(rig: Rig, order: PlacedOrder) -> None:
    """The ladder goes on: money that did arrive is found, and counted."""
    waits = await rig.one("select next_check_at < now() + interval '5 minutes' from payments")
    assert waits, "no prompt is sent again"
    await rig.make_due()
    await rig.verify()
    assert await rig.one("select next_check_at is not null from payments"), "it was asked about once only"
    await rig.make_due()
    rig.provider.query_script = [paid()]
    await rig.verify()
    await rig.settle_all()
    assert await rig.status(order) == "settled"


async def test_what_was_never_sent_is_not_asked_about(rig: Rig) -> None:
    await rig.placed()
    await rig.pass_deadline()
    assert await rig.collect() == 1
    (row,) = await rig.rows("select * from payments")
    assert (row.status, row.reason_code, row.next_check_at) == ("failed", "never_sent", None)
    assert await rig.one("select seen from payment_events where to_status = 'failed'") == "never_sent"
    assert await rig.one("select kind from messages_out") == "payment_failed"


async def test_a_prompt_after_the_close_that_still_counts(rig: Rig, grow_older: Older) -> None:
    order = await rig.placed()
    await grow_older(2)
    await rig.count_until("now() + interval '9 minutes'")
    rig.provider.create_script = [Accepted()]
    rig.provider.query_script = [paid()]
    await rig.collect()
    await rig.make_due()
    await rig.verify()
    await rig.settle_all()
    assert await rig.status(order) == "settled"
