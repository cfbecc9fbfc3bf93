"""What must hold in a money world: nothing is booked that the operator's own books do not have, and when all
faults have stopped everything comes to an end, to the franc.

Votes times price are what was collected, less what was refunded, less what was lost to payers' banks, but for
what is written down as an open difference for a person: money that left twice, in part, or came again.
"""

from typing import Any, Final

from payments.ledger.audit import TAKEN
from payments.lifecycle import COUNTABLE
from payments.provider import DisputeStatus
from tests.machine.later import LaterWorld

PRICE: Final = 100
_UNFINISHED: Final = "('created','sent','pending','confirmed','surplus','mismatched')"
_WORK: Final = ("judge", "collect", "verify", "settle", "settle", "lost", "refund", "sum")


async def check(world: LaterWorld) -> None:
    """At any moment."""
    assert world.operator.violations == [], world.operator.violations
    broken = await world.rig.broken()
    assert broken == {}, broken
    await _taken(world)
    await _refunds_left(world)
    await _disputed(world)


async def _taken(world: LaterWorld) -> None:
    prompts = world.operator.prompts
    rows = await world.rig.rows(f"""
        select p.reference, p.provisional, coalesce(p.received_minor, p.amount_minor) as amount, (
          select from_status from payment_events e where e.reference = p.reference and e.to_status = 'confirmed'
          order by id desc limit 1) as before
        from payments p where status in {TAKEN}""")
    for row in rows:
        if row.provisional:
            assert world.counting, f"counted on a callback by itself: {row.reference}"
            assert row.reference in world.vouched, f"counted on a callback that does not agree: {row.reference}"
            assert row.before in COUNTABLE, f"counted on a callback though it was {row.before}: {row.reference}"
            continue
        prompt = prompts.get(row.reference)
        assert prompt is not None, f"money that the operator never saw: {row.reference}"
        assert prompt.taken == row.amount, f"{row.reference}: {row.amount} booked, {prompt.taken} taken"
    gone = await world.rig.rows("select reference, seen from payment_events where seen in ('denied', 'paid_otherwise')")
    for row in gone:
        prompt = prompts.get(row.reference)
        has = prompt.taken if prompt else 0
        denied = row.seen == "denied"
        assert has is not None, f"{row.seen} before the payer decided: {row.reference}"
        assert (has == 0) == denied, f"{row.seen}, and the operator has {has}: {row.reference}"
        assert denied or prompt is None or has != prompt.asked.amount_minor, f"uncounted though paid: {row.reference}"


async def _refunds_left(world: LaterWorld) -> None:
    done = await world.rig.rows(
        "select reference, payment_reference, manual_reference from refunds where status = 'done'"
    )
    for row in done:
        gone = world.operator.outgoing.get(row.reference)
        by_hand = row.manual_reference is not None and row.payment_reference in world.operator.by_hand
        assert by_hand or (gone is not None and gone.done), f"booked as refunded, and is not: {row.reference}"


async def _disputed(world: LaterWorld) -> None:
    rows = await world.rig.rows("select * from disputes")
    for row in rows:
        theirs = world.operator.disputes.known.get(row.operator_reference)
        assert theirs is not None, f"a dispute that the operator never had: {row.operator_reference}"
        assert (row.payment_reference, row.amount_minor) == (theirs.payment, theirs.amount.amount_minor), theirs
        assert DisputeStatus(row.status) in theirs.was, f"{row.status}, and never was: {theirs}"
        if row.reversed_minor:
            assert DisputeStatus.LOST in theirs.was, f"reversed, and was not lost: {theirs}"
            parts = [other.reversed_minor for other in rows if other.payment_reference == row.payment_reference]
            assert world.operator.prompts[theirs.payment].taken == sum(parts), f"reversed in part: {theirs}"


async def finish(world: LaterWorld) -> None:
    """Faults stop: everything comes to an end, and to the franc."""
    world.operator.fates.clear()
    world.operator.silent = 0
    await world.end_disputes()
    for round_number in range(80):
        await world.pass_time("questions")
        if round_number == 40:
            # What was sent as often as may be, and is not known over there.
            await world.pass_time("deadline")
        for reference in list(world.operator.prompts):
            world.operator.decide(reference, 0)
        for reference in list(world.operator.outgoing):
            world.operator.pay_out(reference, True)
        await world.do(_WORK)
        await world.help_refunds(by_hand=round_number % 2 == 0)
        if not await _unknown(world) and not await _open(world):
            break
    else:
        raise AssertionError(f"not at an end: {await _open(world)}, never booked: {await _unknown(world)}")
    await check(world)
    for table, position in (("payment_events", "rollup_position"), ("postings", "balance_position")):
        left = await world.rig.one(f"select count(*) from {table} e, {position} o where e.id > o.seen")
        assert left == 0, f"{left} rows of {table} that are not summed"
    await _ended(world)
    await _balanced(world)


async def _open(world: LaterWorld) -> list[Any]:
    return await world.rig.rows(f"""
        select 'payment', reference, status from payments where status in {_UNFINISHED} or provisional
        union all select 'refund', reference, status from refunds where status in ('due', 'sent', 'manual')
        union all select 'callback', payment_reference, provider from callbacks where handled_at is null
        union all select 'dispute', d.reference, p.status
          from disputes d join payments p on p.reference = d.payment_reference
          where d.status = 'lost' and d.effect is null and p.status in {TAKEN}""")


async def _unknown(world: LaterWorld) -> list[Any]:
    """Money that the operator took and we do not know of."""
    taken = [reference for reference, prompt in world.operator.prompts.items() if prompt.taken]
    return await world.rig.rows(
        "select reference, status, reason_code, next_check_at from payments"
        f" where reference = any(:taken) and status not in {TAKEN}",
        taken=taken,
    )


async def _ended(world: LaterWorld) -> None:
    """Our state of each dispute is the operator's. Only what we acted upon stays lost when it turns, with a
    difference for a person."""
    rows = await world.rig.rows("""
        select operator_reference, status, effect,
          exists (select 1 from differences f where f.dispute_reference = d.reference and f.amount_minor > 0) as ours
        from disputes d""")
    ours = {row.operator_reference: row for row in rows}
    for number, theirs in world.operator.disputes.known.items():
        row = ours.get(number)
        assert row is not None, f"not known here: {theirs}"
        turned = (
            row.status == DisputeStatus.LOST and row.effect is not None and theirs.dispute_status is DisputeStatus.WON
        )
        assert row.status == theirs.dispute_status or turned, f"{row.status} here: {theirs}"
        assert row.ours == turned, f"{row.ours} that it came again: {theirs}"


async def _balanced(world: LaterWorld) -> None:
    operator, rig = world.operator, world.rig
    kept = operator.collected - operator.refunded - operator.disputes.lost
    # By how much the operator holds more than the book, and a person knows. Parts of a payment, lost one by one,
    # are in the book once they are all of it, and their differences have come in.
    known = int(
        await rig.one(
            "select coalesce(sum(amount_minor), 0) from differences where resolution is distinct from 'came_in'"
        )
    )
    where = await rig.one(
        "select coalesce(sum(amount_minor), 0) from postings"
        " where account in ('operator_clearing', 'operator_float') and currency <> 'VOTES'"
    )
    fees = operator.disputes.fees
    assert where == kept - known - fees, f"{where} booked, the operator has {kept} less {fees}, {known} explained"
    assert await rig.on_account("operator_fee") == fees
    votes = await rig.one("select coalesce(sum(votes), 0) from candidate_totals")
    assert votes * PRICE == kept - known, f"{votes} votes for {kept}, {known} explained"
    doubles = await rig.rows("select vote_id from payments where status = 'settled' group by 1 having count(*) > 1")
    assert doubles == []
    orders = await rig.one("select count(*) from votes")
    assert orders >= len({order.vote_id for order in world.placed}), "an answered order is lost"
    world.progress.counted_on += await rig.one("select count(*) from callbacks where outcome = 'provisional'")
    world.progress.counted += int(
        await rig.one("select coalesce(sum(quantity), 0) from tally_entries where kind = 'vote'")
    )
    world.progress.refunded += operator.refunded
    world.progress.lost += operator.disputes.lost
