"""A lost dispute of a payment whose refund is owed: waiting, on its way, or refused by the operator."""

from contextlib import suppress

import pytest

from gateway.values.money import Money
from payments.disbursement.disputes.store import act_on_lost
from payments.provider import (
    Failed,
    NotFound,
    PayerReason,
    Succeeded,
    Unknown,
)
from payments.reconciliation.differences import Differences
from tests.payments.disbursement.disputes.cards import CardRig, accept_the_loss, past_us
from tests.rigs.money_rig import Cut


@pytest.mark.parametrize("reported_before", [0, 1, 2])
async def test_a_refund_of_what_went_back_past_us_in_parts_is_done(rig: CardRig, reported_before: int) -> None:
    order = await rig.late()
    rig.provider.out_script = [past_us(200, 300)]
    if reported_before:
        # Our refund has been sent by then.
        rig.provider.out_script = [Unknown("time-out"), past_us(200, 300)]
        await rig.refund()
        for number, minor in list(enumerate((200, 300), 1))[:reported_before]:
            past = {"id": f"re_{number}", "object": "refund", "amount": minor, "currency": "xof", "status": "succeeded"}
            await rig.post(rig.event("refund.created", {**past, "payment_intent": await rig.intent(order)}))
        await rig.judge()
        rig.provider.asked_script = [NotFound("no such refund of the payment")]
        await rig.run("update refunds set not_found_count = 2, not_found_since = now() - interval '70 seconds'")
        await rig.refund_again()
    await rig.refund_again()
    assert [row.status for row in await rig.refunds_of(order)] == ["void"]
    assert (await rig.status(order), await rig.refund_again()) == ("refunded", 0)
    parts = await rig.rows("select effect, reversed_minor from disputes order by operator_reference")
    assert [tuple(part) for part in parts] == [("refund_stopped", 200), ("refund_stopped", 300)]
    assert await Differences(rig.engine).differences() == []
    assert {await rig.on_account(a) for a in ("operator_clearing", "refunds_owed", "operator_fee")} == {0}
    assert (await rig.places())["reversed"] == 500


async def test_a_refund_of_what_went_back_in_part_waits_for_a_person_until_the_rest_went_too(rig: CardRig) -> None:
    order = await rig.late()
    rig.provider.out_script = [past_us(200)]
    await rig.refund()
    (refund,) = await rig.refunds_of(order)
    assert (refund.status, refund.reason_code) == ("manual", "partly_given_back")
    (found,) = await Differences(rig.engine).differences()
    assert (found.kind, found.amount_minor, await rig.on_account("refunds_owed")) == ("amount", -200, -500)
    assert await rig.broken() == {}
    past = {"id": "re_9", "object": "refund", "amount": 300, "currency": "xof", "status": "succeeded"}
    await rig.post(rig.event("refund.created", {**past, "payment_intent": await rig.intent(order)}))
    await rig.judge()
    assert ([row.status for row in await rig.refunds_of(order)], await rig.status(order)) == (["void"], "refunded")
    assert await Differences(rig.engine).differences() == []


async def test_a_refund_that_is_refused_dies_at_any_statement_and_is_done_once(rig: CardRig) -> None:
    order = await rig.late()
    rig.provider.out_script = [past_us(200, 300)]
    rig.provider.asked_script = [NotFound("no such refund of the payment")]
    died = 0
    while (await rig.status(order)) != "refunded":
        died += 1
        # An answer that was lost with its process is asked about, and the same is sent again.
        unknown = "not_found_count = 2, not_found_since = now() - interval '70 seconds', send_tries = 1"
        await rig.run(f"update refunds set {unknown} where status = 'sent'")
        with rig.dying_at(died, Cut), suppress(Cut):
            await rig.refund_again()
        assert await rig.broken() == {}
        await act_on_lost(rig.engine)
    assert died > 10
    assert [row.status for row in await rig.refunds_of(order)] == ["void"]
    parts = await rig.rows("select effect, reversed_minor from disputes order by operator_reference")
    assert [tuple(part) for part in parts] == [("refund_stopped", 200), ("refund_stopped", 300)]


async def test_a_refund_on_its_way_is_waited_for_and_money_that_went_twice_is_a_persons(rig: CardRig) -> None:
    order = await rig.late()
    await rig.refund()
    await rig.dispute(await rig.intent(order), "lost")
    assert await rig.effect() == ("lost", None, 0)
    assert (await act_on_lost(rig.engine), await rig.status(order)) == (0, "refund_due")
    rig.provider.outgoing_script = rig.provider.asked_script = [Succeeded(Money(500, "XOF"), "re_1", "{}")]
    await rig.refund_again()
    assert (await act_on_lost(rig.engine), await act_on_lost(rig.engine)) == (1, 0)
    assert (await rig.status(order), await rig.effect()) == ("refunded", ("lost", "twice", 0))
    (found,) = await Differences(rig.engine).differences()
    assert (found.kind, found.amount_minor, found.reference) == ("double", -500, order.payment_reference)
    await accept_the_loss(rig, found.id)
    assert await rig.on_account("operator_fee") == 500


async def test_a_refund_that_failed_is_not_sent_again(rig: CardRig) -> None:
    order = await rig.late()
    rig.provider.out_script = [Unknown("time-out")]
    await rig.refund()
    await rig.dispute(await rig.intent(order), "lost")
    rig.provider.asked_script = [Failed("charge_for_pending_refund_disputed", PayerReason.OTHER, "{}")]
    await rig.refund_again()
    assert (await act_on_lost(rig.engine), await rig.refund_again()) == (1, 0)
    assert [row.status for row in await rig.refunds_of(order)] == ["void", "void"]
    assert await rig.effect() == ("lost", "refund_stopped", 500)
