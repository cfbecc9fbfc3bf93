"""Parts of a payment that are lost, and what is left to a person."""

from payments.reconciliation.differences import Differences
from tests.payments.disbursement.disputes.cards import CardRig, accept_the_loss, past_us


async def test_a_part_that_was_decided_about_counts_for_nothing_more(rig: CardRig) -> None:
    order = await rig.late()
    rig.provider.out_script = [past_us(200), past_us(200, 300)]
    await rig.refund()
    (found,) = await Differences(rig.engine).differences()
    await accept_the_loss(rig, found.id)
    await rig.run("update refunds set status = 'due', next_try_at = now()")
    await rig.refund()
    (refund,) = await rig.refunds_of(order)
    assert (refund.status, refund.reason_code) == ("manual", "charge_already_refunded")
    (found,) = await Differences(rig.engine).differences()
    assert found.amount_minor == -300


async def test_a_part_that_is_lost_takes_no_vote_and_waits_for_a_person(rig: CardRig) -> None:
    order = await rig.counted()
    await rig.dispute(await rig.intent(order), "lost", amount=200)
    assert (await rig.status(order), await rig.votes_for("07")) == ("settled", 5)
    assert (await rig.effect(), await rig.payable()) == (("lost", "person", 0), (425, 0))
    (found,) = await Differences(rig.engine).differences()
    assert (found.kind, found.amount_minor) == ("amount", -200)
    assert await rig.broken() == {}
    await accept_the_loss(rig, found.id)
    assert await rig.payable() == (425, 425)
    assert (await rig.on_account("operator_clearing"), await rig.on_account("operator_fee")) == (300, 200)


async def test_each_part_that_is_lost_and_each_that_comes_again_is_written_down(rig: CardRig) -> None:
    order = await rig.counted()
    intent = await rig.intent(order)
    for number, amount, status in (("du_1", 200, "lost"), ("du_2", 300, "lost"), ("du_1", 200, "won")):
        await rig.dispute(intent, status, id=number, amount=amount)
    found = await Differences(rig.engine).differences()
    assert [(each.kind, each.amount_minor) for each in found] == [("amount", -200), ("amount", -300), ("amount", 200)]
    assert (await rig.status(order), await rig.votes_for("07")) == ("settled", 5)


async def test_won_after_it_was_lost_is_a_persons(rig: CardRig) -> None:
    order = await rig.counted()
    intent = await rig.intent(order)
    for status in ("lost", "won", "won"):
        await rig.dispute(intent, status)
    assert (await rig.status(order), await rig.effect()) == ("refunded", ("lost", "taken_back", 500))
    (found,) = await Differences(rig.engine).differences()
    assert (found.kind, found.amount_minor) == ("amount", 500)
