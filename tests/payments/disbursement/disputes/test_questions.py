"""Disputes are asked about: an event or a list names them and decides nothing."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import text

from gateway.storage.doorbell import Work
from gateway.values.money import Money
from payments.disbursement.disputes.store import ObservedReversal
from payments.provider import (
    DisputeStatus,
    ListedReversal,
    Reversed,
)
from payments.reconciliation.differences import Differences
from payments.reconciliation.rules import Repair
from tests.payments.disbursement.disputes.cards import (
    CardRig,
    later,
)


async def waiting(rig: CardRig, provisional: bool) -> None:
    async with rig.engine.begin() as connection:
        await connection.execute(text("update payments set provisional = :p"), {"p": provisional})


async def test_an_event_decides_nothing_and_what_is_read_does(rig: CardRig) -> None:
    order = await rig.counted()
    lost = {"id": "du_1", "object": "dispute", "amount": 500, "currency": "xof", "status": "lost"}
    claimed = {**lost, "payment_intent": await rig.intent(order)}
    rig.company.known["du_1"] = {**claimed, "status": "won"}
    await rig.post(rig.event("charge.dispute.closed", claimed, invented=True))
    await rig.judge()
    assert (await rig.effect(), await rig.votes_for("07")) == (("won", None, 0), 5)


async def test_what_was_read_before_overtakes_nothing(rig: CardRig) -> None:
    order = await rig.counted()
    now = await rig.now()
    # Nothing can follow of a loss while the payment waits for its question.
    await waiting(rig, True)
    for dispute_status, seconds in ((DisputeStatus.LOST, 60), (DisputeStatus.WON, 30), (DisputeStatus.LOST, 31)):
        reversal = Reversed("x", Money(500, "XOF"), "du_1", "{}", dispute_status, at=now - timedelta(seconds=seconds))
        await rig.reversals.record([ObservedReversal("stripe", reversal, order.payment_reference)])
    assert await rig.effect() == ("won", None, 0)
    again = replace(reversal, at=now - timedelta(seconds=30))  # of the same instant: the last word
    await rig.reversals.record([ObservedReversal("stripe", again, order.payment_reference)])
    assert await rig.effect() == ("lost", None, 0)
    await waiting(rig, False)


async def test_a_dispute_that_was_invented_takes_nothing_and_is_found(rig: CardRig) -> None:
    order = await rig.counted()
    before, intent = await rig.everything(), await rig.intent(order)
    lost = {"object": "dispute", "amount": 500, "currency": "xof", "status": "lost", "payment_intent": intent}
    fee = [{"fee": 9000, "currency": "xof"}]
    for number in ("du_x1", "du_x2"):
        closed = {**lost, "id": number, "balance_transactions": fee}
        await rig.post(rig.event("charge.dispute.closed", closed, invented=True))
    past = {**lost, "id": "re_x", "object": "refund", "status": "succeeded"}
    await rig.post(rig.event("refund.created", past, invented=True))
    await rig.judge()
    assert set((await rig.answers()).values()) == {"not there"}
    assert (await rig.everything(), await rig.payable()) == (before, (425, 425))
    (found,) = await Differences(rig.engine).differences()
    assert (found.kind, found.amount_minor, found.offered) == ("missing_there", 0, [Repair.ACCEPT])
    assert await rig.look_up() == 0


async def test_a_dispute_whose_events_never_came_is_found_by_a_sweep(rig: CardRig) -> None:
    order = await rig.counted()
    lost = {"id": "du_1", "object": "dispute", "amount": 500, "currency": "xof", "status": "lost"}
    rig.company.known["du_1"] = {**lost, "payment_intent": await rig.intent(order)}
    rig.company.listed = [ListedReversal("du_1", await rig.now())]
    rig.company.silent = True
    await rig.sweep()
    assert await rig.answers() == {}
    rig.company.silent = False
    await rig.sweep()
    assert len(rig.company.asked_since) == 1, "one sweep in five minutes, for all callers"
    await later(rig)
    await asyncio.gather(*(rig.sweep() for _ in range(5)))
    assert len(rig.company.asked_since) == 2
    assert await rig.look_up() == 1
    assert (await rig.status(order), await rig.effect()) == ("refunded", ("lost", "taken_back", 500))
    # The next begins a little before this one did; what was read since is not asked about again.
    rig.company.listed = [ListedReversal("du_1", await rig.now() - timedelta(minutes=1))]
    await later(rig)
    await rig.sweep()
    now, (first, second, third) = await rig.now(), rig.company.asked_since
    assert [round((now - at) / timedelta(minutes=30)) for at in (first, second, third)] == [7200, 7200, 1]
    assert await rig.look_up() == 0
    rig.company.listed = [ListedReversal("du_1", await rig.now())]
    await later(rig)
    await rig.sweep()
    assert await rig.look_up() == 1


async def test_one_that_cannot_be_read_now_is_asked_about_again(rig: CardRig) -> None:
    order = await rig.counted()
    rig.company.silent = True
    await rig.dispute(await rig.intent(order), "lost")
    assert await rig.rows("select 1 from disputes") == []
    (kept,) = await rig.rows("select tries, next_try_at - now() as left, outcome from reversal_questions")
    assert (kept.tries, kept.outcome, 5 < kept.left.total_seconds() <= 10) == (1, None, True)
    assert Work.REVERSALS not in await rig.owed.owed()
    await rig.run("update reversal_questions set next_try_at = now()")
    assert Work.REVERSALS in await rig.owed.owed()
    rig.company.silent = False
    assert await rig.look_up() == 1
    assert await rig.status(order) == "refunded"
