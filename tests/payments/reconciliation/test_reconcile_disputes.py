"""Lines of statements about money that the operator took back."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.orders.rules import PlacedOrder
from gateway.values.money import Money
from payments.disbursement.disputes.store import ObservedReversal, record_reversals
from payments.ledger.differences import DifferenceKind
from payments.provider import DisputeStatus, Reversed
from payments.reconciliation.rules import Repair
from tests.payments.reconciliation.reconciling import Reconciling, ours
from tests.payments.reconciliation.reconciling import service as service

NUMBER = "du_1"


async def report(
    service: Reconciling, order: PlacedOrder, dispute_status: DisputeStatus, fee: int | None = None
) -> None:
    reversal = Reversed(
        "fraudulent",
        Money(500, "XOF"),
        NUMBER,
        "{}",
        dispute_status,
        fee=None if fee is None else Money(fee, "XOF"),
    )
    await record_reversals(service.rig.engine, [ObservedReversal("mtn_momo", reversal, order.payment_reference)])


def taken_back(order: PlacedOrder, **more: Any) -> dict[str, Any]:
    """As Stripe's simulated statement has it: under its own number, with ours beside it."""
    return {
        "kind": "dispute",
        "our_reference": NUMBER,
        "provider_reference": NUMBER,
        "external_id": str(order.payment_reference),
        **more,
    }


@pytest.fixture
async def order(service: Reconciling) -> PlacedOrder:
    return await service.counted()


async def test_a_lost_dispute_is_explained(service: Reconciling, order: PlacedOrder) -> None:
    await report(service, order, DisputeStatus.LOST)
    done = await service.imported(ours(order), taken_back(order))
    assert (done.matched, done.waiting, done.found) == (2, 0, {})
    assert await service.account("operator_clearing") == 0


async def test_what_it_cost_is_booked_once(service: Reconciling, order: PlacedOrder) -> None:
    await report(service, order, DisputeStatus.LOST, fee=100)
    done = await service.imported(ours(order), taken_back(order, fee=150))
    assert done.fees == [Money(50, "XOF")]
    assert await service.account("operator_fee") == 150


async def test_while_it_is_open_the_operator_has_less_than_the_book(service: Reconciling, order: PlacedOrder) -> None:
    await report(service, order, DisputeStatus.OPEN)
    done = await service.imported(ours(order), taken_back(order))
    assert (done.matched, done.waiting, done.found) == (1, 1, {DifferenceKind.MISSING_HERE: 1})
    (found,) = await service.differences.differences()
    assert (found.amount_minor, Repair.UNEXPLAINED in found.offered) == (-500, False)
    await report(service, order, DisputeStatus.LOST)
    again = await service.reconciler.compare("mtn_momo")
    assert (again.matched, again.closed, await service.kinds()) == (1, 1, [])


async def test_a_line_that_we_do_not_have_makes_us_ask_the_operator(service: Reconciling, order: PlacedOrder) -> None:
    past = {**taken_back(order), "kind": "refund", "provider_reference": "re_1", "our_reference": "", "external_id": ""}
    await service.imported(ours(order), taken_back(order), past)
    named = await service.rig.rows("select provider, number from reversal_questions where next_try_at <= now()")
    assert {tuple(row) for row in named} == {("mtn_momo", NUMBER), ("mtn_momo", "re_1")}
    await service.superuser("update reversal_questions set next_try_at = null, asked_at = now()")
    await service.reconciler.compare("mtn_momo")
    assert await service.rig.rows("select 1 from reversal_questions where next_try_at <= now()") == []
    # What was read before its line, and is open here, too.
    await report(service, order, DisputeStatus.OPEN)
    await service.superuser("update reversal_questions set asked_at = now() - interval '1 hour'")
    await service.reconciler.compare("mtn_momo")
    assert len(await service.rig.rows("select 1 from reversal_questions where next_try_at <= now()")) == 2


async def test_one_that_a_statement_of_its_time_lacks_is_missing_there(
    service: Reconciling, order: PlacedOrder
) -> None:
    await report(service, order, DisputeStatus.LOST)
    then = "now() - interval '30 hours'"
    await service.superuser(f"update disputes set opened_at = {then}, closed_at = {then}")
    ago = [datetime.now(UTC) - timedelta(hours=hours) for hours in (40, 0)]
    done = await service.imported({"our_reference": "", "at": ago[0]}, ours(order, at=ago[1]))
    assert done.found == {DifferenceKind.MISSING_HERE: 1, DifferenceKind.MISSING_THERE: 1}
    found = (await service.differences.differences())[-1]
    assert (found.kind, found.amount_minor, found.reference) == ("missing_there", 500, order.payment_reference)
    late = taken_back(order, at=datetime.now(UTC) - timedelta(hours=29))
    assert (await service.imported(late)).closed == 1
    assert await service.kinds() == [DifferenceKind.MISSING_HERE]


async def test_a_dispute_that_was_never_reported_waits_for_a_person(service: Reconciling, order: PlacedOrder) -> None:
    done = await service.imported(ours(order), taken_back(order))
    assert done.found == {DifferenceKind.MISSING_HERE: 1}
    (found,) = await service.differences.differences()
    assert found.amount_minor == -500
    # Votes of a payment that is on the statement are not doubted by it.
    assert await service.rig.status(order) == "settled"


async def test_one_under_another_number_is_another_one(service: Reconciling, order: PlacedOrder) -> None:
    await report(service, order, DisputeStatus.LOST)
    await service.imported(ours(order), taken_back(order))
    done = await service.imported(taken_back(order, provider_reference=f"{NUMBER}-again", our_reference=NUMBER))
    assert done.found == {DifferenceKind.MISSING_HERE: 1}
    (found,) = await service.differences.differences()
    assert found.amount_minor == -500
