"""Money that a card company takes back: from its signed event to the tally, the book and the organiser."""

import asyncio
import time
from contextlib import suppress

import pytest

from payments.disbursement.disputes.store import act_on_lost
from payments.ledger.money_places import MoneyPlaces
from payments.ledger.money_story import sentences_of
from payments.ledger.story_phrases import story_lines
from payments.provider import (
    Succeeded,
    Wallet,
)
from payments.reconciliation.balances import Balances
from tests.payments.disbursement.disputes.cards import (
    AWA,
    CardRig,
)
from tests.rigs.money_rig import Killed


async def test_opened_nothing_is_paid_out_and_lost_the_votes_leave(rig: CardRig) -> None:
    order = await rig.counted()
    kept = await rig.counted(code="03", quantity=3)
    intent = await rig.intent(order)
    assert await rig.payable() == (680, 680)
    await rig.dispute(intent, "needs_response")
    assert (await rig.outcome(), await rig.payable(), await rig.votes_for("07")) == ("hint", (680, 255), 5)
    assert (await rig.places())["disputed"] == 500
    _, transit = await Balances(rig.engine).in_book("stripe", Wallet.COLLECTION, "XOF", from_float=False)
    assert transit.leaving == 500
    fee = [{"fee": 150, "currency": "xof"}]
    await rig.dispute(intent, "lost", balance_transactions=fee)
    assert (await rig.status(order), await rig.status(kept)) == ("refunded", "settled")
    assert (await rig.votes_for("07"), await rig.votes_for("03"), await rig.payable()) == (0, 3, (255, 255))
    assert await rig.effect() == ("lost", "taken_back", 500)
    accounts = ("operator_clearing", "operator_fee", "platform_fee", "sales", "refunds_owed")
    assert [await rig.on_account(account) for account in accounts] == [300 - 150, 150, -45, -300, 0]
    assert await rig.one("select count(*) from refunds") == 0
    (entry,) = await rig.rows("select * from tally_entries where kind = 'adjustment'")
    assert (entry.quantity, entry.reason) == (-5, "the payment was reversed at the operator")
    view = await rig.views.order(order.vote_id)
    assert view is not None
    assert (view.status, view.reason) == ("REFUNDED", "reversed")
    places = await rig.places()
    assert (places["reversed"], "disputed" in places) == (500, False)
    assert await rig.rows("select 1 from messages_out where kind = 'votes_withdrawn'") == []


async def test_every_voter_who_can_be_reached_is_notified(rig: CardRig) -> None:
    order = await rig.counted(number=AWA.e164)
    await rig.dispute(await rig.intent(order), "lost")
    (text,) = await rig.rows("select recipient_index, params from messages_out where kind = 'votes_withdrawn'")
    assert (bytes(text.recipient_index), text.params) == (rig.vault.index(AWA.e164), {"reason": "reversed"})
    (attempt,) = await MoneyPlaces(rig.engine, rig.vault).of_number(AWA.e164)
    assert sentences_of(attempt)[0].key == "now_reversed"
    joined = "\n".join(story_lines(sentences_of(attempt), "en"))
    assert "stripe reversed the payment: dispute_lost du_pi_1." in joined


async def test_a_dispute_that_is_won_leaves_everything_as_it_was(rig: CardRig) -> None:
    order = await rig.counted()
    intent = await rig.intent(order)
    fee = {"fee": 150, "currency": "xof"}
    await rig.dispute(intent, "needs_response", balance_transactions=[fee])
    assert (await rig.payable(), await rig.on_account("operator_fee")) == ((425, 0), 150)
    await rig.dispute(intent, "won", balance_transactions=[fee, {"fee": -150, "currency": "xof"}])
    assert (await rig.status(order), await rig.votes_for("07")) == ("settled", 5)
    assert (await rig.payable(), await rig.on_account("operator_fee")) == ((425, 425), 0)
    assert await rig.effect() == ("won", None, 0)


async def test_lost_before_it_was_opened_and_reported_twenty_times_at_once(rig: CardRig) -> None:
    order = await rig.counted()
    intent = await rig.intent(order)
    lost = {"id": "du_1", "object": "dispute", "amount": 500, "currency": "xof", "payment_intent": intent}
    for _ in range(20):
        await rig.post(rig.event("charge.dispute.closed", {**lost, "status": "lost"}))
    await asyncio.gather(*(rig.judge() for _ in range(5)))
    await rig.dispute(intent, "needs_response", id="du_1")
    assert await rig.effect() == ("lost", "taken_back", 500)
    assert (await rig.status(order), await rig.votes_for("07")) == ("refunded", 0)
    assert await rig.one("select count(*) from tally_entries") == 2
    assert await rig.one("select count(*) from dispute_events") == 1
    assert await rig.one("select count(*) from callbacks where outcome <> 'hint'") == 0


async def test_a_forged_old_or_foreign_event_changes_nothing(rig: CardRig) -> None:
    order = await rig.counted()
    before, intent = await rig.everything(), await rig.intent(order)
    lost = {"id": "du_1", "object": "dispute", "amount": 500, "currency": "xof", "status": "lost"}
    mine = rig.event("charge.dispute.closed", {**lost, "payment_intent": intent})
    rig.company.known.clear()
    await rig.post(mine, secret="whsec_of_another")
    await rig.post(mine, at=int(time.time()) - 3600)
    await rig.judge()
    await rig.post(rig.event("charge.dispute.closed", {**lost, "payment_intent": "pi_of_another_shop"}))
    await rig.judge()
    assert (await rig.outcome(), await rig.answers()) == ("hint", {"du_1": "unknown payment"})
    assert await rig.everything() == before


async def test_a_payment_of_another_operator_is_not_ours_to_lose(rig: CardRig) -> None:
    order = await rig.counted()
    await rig.run("update payments set provider = 'wave'")
    await rig.dispute("pi_1", "lost", metadata={"payment_id": str(order.payment_reference)})
    await rig.dispute("pi_1", "lost", id="du_2")
    assert await rig.one("select count(*) from disputes") == 0
    await rig.run("update payments set provider = 'stripe'")


async def test_a_refund_in_the_operators_dashboard_is_lost_at_once(rig: CardRig) -> None:
    order = await rig.counted()
    refund = {"id": "re_1", "object": "refund", "amount": 500, "currency": "xof", "status": "succeeded"}
    past = {**refund, "payment_intent": await rig.intent(order), "metadata": {}}
    for kind in ("refund.created", "charge.refund.updated"):
        await rig.post(rig.event(kind, past))
        await rig.judge()
    assert (await rig.status(order), await rig.effect()) == ("refunded", ("lost", "taken_back", 500))
    assert await rig.votes_for("07") == 0


@pytest.mark.parametrize("wait", ["confirmed", "held", "late"])
async def test_a_payment_that_does_not_count_leaves_the_book(rig: CardRig, wait: str) -> None:
    order = await getattr(rig, wait)()
    await rig.dispute(await rig.intent(order), "lost")
    assert await rig.status(order) == "refunded"
    assert await rig.effect() == ("lost", "refund_stopped" if wait == "late" else "taken_back", 500)
    assert {await rig.on_account(a) for a in ("operator_clearing", "held_funds", "refunds_owed", "sales")} == {0}
    assert [row.status for row in await rig.refunds_of(order)] == (["void"] if wait == "late" else [])
    assert await rig.settle_all() == await rig.refund_again() == 0


async def test_lost_before_we_knew_of_the_money(rig: CardRig) -> None:
    order = await rig.placed(number="+2250505999998")
    await rig.collect()
    await rig.dispute("pi_1", "lost", metadata={"payment_id": str(order.payment_reference)})
    assert (await rig.effect(), await rig.status(order)) == (("lost", None, 0), "pending")
    rig.provider.query_script = [Succeeded(order.amount, "pi_1", "{}")]
    await rig.verify()  # the event made it due
    assert await rig.status(order) == "confirmed"
    await rig.settle_all()
    assert await act_on_lost(rig.engine) == 1
    assert (await rig.status(order), await rig.votes_for("07")) == ("refunded", 0)


async def test_killed_at_every_statement_it_acts_once(rig: CardRig) -> None:
    order = await rig.counted()
    await rig.dispute(await rig.intent(order), "needs_response")
    lost = {"id": "du_pi_1", "object": "dispute", "amount": 500, "currency": "xof", "payment_intent": "pi_1"}
    await rig.post(rig.event("charge.dispute.closed", {**lost, "status": "lost"}))
    died = 0
    while (await rig.status(order)) != "refunded":
        died += 1
        with rig.dying_at(died), suppress(Killed):
            await rig.judge()
        assert await rig.broken() == {}
        # The lease of a process that died ends.
        await rig.run("update reversal_questions set next_try_at = now() where next_try_at is not null")
    assert died > 10
    assert (await rig.status(order), await rig.effect()) == ("refunded", ("lost", "taken_back", 500))
    assert await rig.one("select count(*) from tally_entries") == 2
