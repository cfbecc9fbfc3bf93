"""Workers that touch the same rows wait in one order, so that none waits for ever.

In each case the row that must be locked first is held elsewhere: a transaction that waits for it may hold no other one.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from itertools import count
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from payments.collection.callback_queue import JudgedCallback, hint
from payments.collection.observations import Observation
from payments.disbursement.answers import Observation as OutgoingObservation
from payments.disbursement.rules import Step
from payments.lifecycle import Actor, Observed
from tests.rigs.money_rig import MoneyRig, opened


@pytest.fixture
async def rig(database: Any) -> AsyncIterator[MoneyRig]:
    made = await opened(database.app_url)
    yield made
    await made.close()


async def asked(rig: MoneyRig) -> list[UUID]:
    """Payments that an operator was asked about, in the order in which they lie in the table: not that of
    their references."""
    numbers = count(10)
    while True:
        orders = [await rig.placed(number=f"+22505010203{next(numbers):02d}") for _ in range(4)]
        assert await rig.collect() == len(orders)
        references = [order.payment_reference for order in orders]
        if references != sorted(references):
            return references


async def waits_empty_handed(
    rig: MoneyRig, work: Awaitable[Any], first: tuple[str, UUID], others: Sequence[tuple[str, UUID]]
) -> None:
    """Hold the row `first`, let `work` run into it, and see that it holds none of `others`."""
    lock = "select 1 from {} where reference = $1 for update nowait"
    holder = await asyncpg.connect(rig.engine.url.set(drivername="postgresql").render_as_string(hide_password=False))
    try:
        held = holder.transaction()
        await held.start()
        await holder.execute(lock.format(first[0]), first[1])
        task = asyncio.ensure_future(work)
        waiting = (
            "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        )
        async with asyncio.timeout(10):
            while not task.done() and not await holder.fetchval(waiting):
                await holder.execute("select pg_stat_clear_snapshot(), pg_sleep(0.01)")
        assert not task.done(), "it did not wait"
        for table, reference in others:
            await holder.execute(lock.format(table), reference)
        await held.commit()
        await task
    finally:
        await holder.close()


def judged(references: Sequence[UUID]) -> list[JudgedCallback]:
    return [JudgedCallback(n, "hint", reference, hinted=True) for n, reference in enumerate(references, start=1)]


async def test_hints_at_payments(rig: MoneyRig) -> None:
    references = await asked(rig)
    first, *others = sorted(references)
    rows = [("payments", reference) for reference in others]
    await waits_empty_handed(rig, rig.queue.judge(judged(references)), ("payments", first), rows)


async def test_what_a_statement_hints_at(rig: MoneyRig) -> None:
    references = await asked(rig)
    first, *others = sorted(references)

    async def statement() -> None:
        async with rig.engine.begin() as connection:
            assert await hint(connection, references) == len(references)

    await waits_empty_handed(rig, statement(), ("payments", first), [("payments", other) for other in others])


async def test_what_operators_answered_about_several_payments(rig: MoneyRig) -> None:
    references = await asked(rig)
    first, *others = sorted(references)
    # The last one's group comes first.
    seen = [Observation(others[-1], Observed.DEADLINE_PASSED, Actor.VERIFIER)]
    seen += [Observation(reference, None, Actor.VERIFIER) for reference in references if reference != others[-1]]
    rows = [("payments", reference) for reference in others]
    await waits_empty_handed(rig, rig.payments.record(seen), ("payments", first), rows)


async def refunds(rig: MoneyRig) -> list[tuple[UUID, UUID]]:
    """Refunds that an operator was asked about, with their payments, as they lie in the table."""
    while True:
        orders = [await rig.late(number=f"+22505010203{number:02d}") for number in range(3)]
        await rig.refund()
        found = [(await rig.refunds_of(order))[0].reference for order in orders]
        if found != sorted(found):
            return [(refund, order.payment_reference) for refund, order in zip(found, orders, strict=True)]


async def test_hints_at_refunds_and_then_at_payments(rig: MoneyRig) -> None:
    pairs = await refunds(rig)
    payments = await asked(rig)
    first, *others = sorted(refund for refund, _ in pairs)
    hinted = judged([*payments, *(refund for refund, _ in pairs)])
    rows = [*(("refunds", refund) for refund in others), *(("payments", payment) for payment in payments)]
    await waits_empty_handed(rig, rig.queue.judge(hinted), ("refunds", first), rows)


async def test_what_operators_answered_about_several_refunds(rig: MoneyRig) -> None:
    pairs = await refunds(rig)
    first, *others = sorted(refund for refund, _ in pairs)
    seen = [OutgoingObservation(others[-1], Step.PUT_OFF)]
    seen += [OutgoingObservation(refund, None) for refund, _ in pairs if refund != others[-1]]
    rows = [("refunds", refund) for refund in others]
    await waits_empty_handed(rig, rig.refunds.record(seen), ("refunds", first), rows)
