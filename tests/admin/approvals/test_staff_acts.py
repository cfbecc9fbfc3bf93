"""Acts of staff through the real use case and a real PostgreSQL: two people, one record, clean books."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import text

from gateway.storage.doorbell import Work
from payments.collection.order_views import ReceiptView
from payments.requests import Act, ActRefused, RequestStatus, Why
from payments.rescue.rules import read_ticket, ticket_number
from tests.admin.approvals.rig import log_of
from tests.admin.approvals.rig import rig as rig
from tests.rigs.money_rig import ASKER, CHECKER, REASON, MoneyRig, hire
from tests.rigs.scripted_provider import paid


async def open_ticket(rig: MoneyRig, order: Any = None) -> str:
    """The number of a voter's ticket."""
    async with rig.engine.begin() as connection:
        ticket: int = (
            await connection.execute(
                text(
                    "insert into support_tickets (contest_id, phone_index, phone_cipher, language, channel, kind,"
                    " payment_reference) values (:c, :i, '\\x00', 'fr', 'ussd', 'debited', :p) returning id"
                ),
                {"c": rig.contest.id, "i": uuid4().bytes, "p": order.payment_reference if order else None},
            )
        ).scalar_one()
    return ticket_number(ticket)


async def test_counted_votes_go_back_by_a_public_adjustment(rig: MoneyRig) -> None:
    await rig.counted(number="+2250501020399", quantity=3)
    order = await rig.counted()
    assert await rig.on_account("platform_fee") == -120
    outcome = await rig.agreed(Act.REFUND_PAYMENT, order.payment_reference)
    assert (outcome.status, outcome.text) == (RequestStatus.DONE, "500 XOF to be refunded, 5 votes removed")
    assert await rig.status(order) == "refund_due"
    assert await rig.votes_for("07") == 3
    proof = await rig.views.receipt(await rig.one("select receipt from votes where id = :v", v=order.vote_id))
    assert isinstance(proof, ReceiptView)
    assert proof.taken_back is not None
    assert (proof.tally_number, proof.taken_back.number, proof.taken_back.reason) == (2, 3, "refund")
    entry = (await rig.rows("select * from tally_entries where kind = 'adjustment'"))[0]
    assert (entry.seq, entry.adjusts, entry.quantity, entry.amount_minor, entry.reason) == (3, 2, -5, -500, "refund")
    refund = (await rig.refunds_of(order))[0]
    assert (refund.requested_by, refund.reason, refund.tally_seq) == (ASKER, "claim", 2)
    assert await rig.on_account("platform_fee") == -45
    assert rig.shown[-1] == (rig.contest.id, (("07", -5),))
    assert Work.REFUND in rig.doorbell.rung
    rig.provider.outgoing_script = [paid(500)]
    await rig.refund()
    await rig.refund_again()
    assert await rig.status(order) == "refunded"
    view = await rig.views.order(order.vote_id)
    assert view is not None
    assert (view.status, view.receipt) == ("REFUNDED", None)


async def test_the_record_says_who_why_and_who_else(rig: MoneyRig) -> None:
    order = await rig.counted()
    await rig.agreed(Act.REFUND_PAYMENT, order.payment_reference)
    assert await log_of(rig) == [
        (ASKER, "refund_payment.asked"),
        (CHECKER, "refund_payment.approved"),
        (ASKER, "refund_payment.done"),
    ]
    details = [row.detail for row in await rig.rows("select detail from audit_log order by id")]
    assert {detail["reason"] for detail in details} == {REASON}
    assert (details[2]["requested_by"], details[2]["approved_by"]) == (ASKER, CHECKER)
    assert details[0]["preview"]["votes"] == 5
    assert "+225" not in str(details)


async def test_the_preview_says_what_it_would_do(rig: MoneyRig) -> None:
    order = await rig.counted()
    asked = await rig.acts.ask(Act.REFUND_PAYMENT, str(order.payment_reference), {}, REASON, ASKER)
    request = await rig.acts.requests.read(asked, None)
    assert request is not None
    seen = {name: request.preview[name] for name in ("contest", "candidate", "votes", "amount_minor", "status")}
    assert seen == {"contest": "star", "candidate": "07", "votes": 5, "amount_minor": 500, "status": "settled"}
    assert await rig.status(order) == "settled", "nothing moves before the second person agrees"


async def test_who_asked_does_not_decide(rig: MoneyRig) -> None:
    order = await rig.counted()
    asked = await rig.acts.ask(Act.REFUND_PAYMENT, str(order.payment_reference), {}, REASON, ASKER)
    for own in (ASKER, ASKER.upper(), f" {ASKER} "):
        with pytest.raises(ActRefused) as refused:
            await rig.acts.decide(asked, own, approve=True)
        assert refused.value.why is Why.OWN_REQUEST
    assert await rig.status(order) == "settled"


async def test_not_even_the_database_lets_one_person_be_two(rig: MoneyRig) -> None:
    order = await rig.counted()
    asked = await rig.acts.ask(Act.REFUND_PAYMENT, str(order.payment_reference), {}, REASON, ASKER)
    with pytest.raises(Exception, match="staff_requests"):
        async with rig.engine.begin() as connection:
            await connection.execute(
                text("update staff_requests set status = 'approved', decided_by = requested_by where id = :i"),
                {"i": asked},
            )


async def test_turned_down_nothing_moves_and_it_stays_so(rig: MoneyRig) -> None:
    order = await rig.counted()
    asked = await rig.acts.ask(Act.REFUND_PAYMENT, str(order.payment_reference), {}, REASON, ASKER)
    outcome = await rig.acts.decide(asked, CHECKER, approve=False)
    assert outcome.status is RequestStatus.REJECTED
    assert await rig.status(order) == "settled"
    with pytest.raises(ActRefused) as refused:
        await rig.acts.decide(asked, await hire(rig.engine, "eve@house.test"), approve=True)
    assert refused.value.why is Why.DECIDED


async def test_after_a_day_it_must_be_asked_again(rig: MoneyRig, database: Any) -> None:
    order = await rig.counted()
    asked = await rig.acts.ask(Act.REFUND_PAYMENT, str(order.payment_reference), {}, REASON, ASKER)
    connection = await asyncpg.connect(database.superuser_url)
    try:
        await connection.execute("update staff_requests set requested_at = now() - $1::interval", timedelta(hours=24))
    finally:
        await connection.close()
    with pytest.raises(ActRefused) as refused:
        await rig.acts.decide(asked, CHECKER, approve=True)
    assert refused.value.why is Why.EXPIRED
    assert await rig.status(order) == "settled"


@pytest.mark.parametrize("subject", ["", "7", "5c1d0b7e-6a0f-4c0e-9a55-0f3c1a2b7d10"])
async def test_an_unknown_subject_is_refused(rig: MoneyRig, subject: str) -> None:
    for act in (Act.REFUND_PAYMENT, Act.RELEASE_HELD, Act.REFUSE_HELD, Act.MANUAL_REFUND_DONE, Act.RETRY_REFUND):
        with pytest.raises(ActRefused) as refused:
            await rig.acts.ask(act, subject, {}, REASON, ASKER)
        assert refused.value.why is Why.UNKNOWN
    assert await rig.one("select count(*) from staff_requests") == 0
    with pytest.raises(ActRefused) as refused:
        await rig.acts.decide(uuid4(), CHECKER, approve=True)
    assert refused.value.why is Why.UNKNOWN


async def test_an_act_without_an_executor_is_refused(rig: MoneyRig) -> None:
    with pytest.raises(ActRefused) as refused:
        await rig.acts.ask(Act.PAYOUT, "x", {}, REASON, ASKER)
    assert refused.value.why is Why.IMPOSSIBLE


async def test_only_what_was_counted_or_held_goes_back(rig: MoneyRig) -> None:
    order = await rig.placed()
    with pytest.raises(ActRefused, match="created"):
        await rig.acts.ask(Act.REFUND_PAYMENT, str(order.payment_reference), {}, REASON, ASKER)


async def test_two_requests_for_one_payment_give_it_back_once(rig: MoneyRig) -> None:
    order = await rig.counted()
    asked = [await rig.acts.ask(Act.REFUND_PAYMENT, str(order.payment_reference), {}, REASON, ASKER) for _ in range(2)]
    outcomes = await asyncio.gather(*(rig.acts.decide(one, CHECKER, approve=True) for one in asked))
    assert {outcome.status for outcome in outcomes} == {RequestStatus.DONE, RequestStatus.FAILED}
    assert await rig.one("select count(*) from refunds") == 1
    assert await rig.one("select count(*) from tally_entries where kind = 'adjustment'") == 1


async def test_one_decision_at_once_wins(rig: MoneyRig) -> None:
    order = await rig.counted()
    asked = await rig.acts.ask(Act.REFUND_PAYMENT, str(order.payment_reference), {}, REASON, ASKER)
    people = [await hire(rig.engine, f"p{n}@house.test") for n in range(5)]
    results = await asyncio.gather(
        *(rig.acts.decide(asked, person, approve=True) for person in people), return_exceptions=True
    )
    assert sum(not isinstance(result, BaseException) for result in results) == 1
    assert await rig.one("select count(*) from refunds") == 1


async def test_counting_and_taking_back_at_once_leave_no_gap(rig: MoneyRig) -> None:
    counted = [await rig.counted(number=f"+22505010203{n:02}") for n in range(6)]
    asked = [
        await rig.acts.ask(Act.REFUND_PAYMENT, str(order.payment_reference), {}, REASON, ASKER) for order in counted
    ]
    for n in range(6):
        await rig.confirmed(number=f"+22505010204{n:02}")
    await asyncio.gather(
        *(rig.acts.decide(one, CHECKER, approve=True) for one in asked), *(rig.settle() for _ in range(4))
    )
    await rig.settle_all()
    assert await rig.votes_for("07") == 30
    assert await rig.one("select count(*) from tally_entries") == 18


async def test_a_ticket_is_closed_by_its_refund(rig: MoneyRig) -> None:
    order = await rig.counted()
    ticket = await open_ticket(rig, order)
    outcome = await rig.agreed(Act.REFUND_PAYMENT, order.payment_reference, {"ticket": ticket})
    assert outcome.status is RequestStatus.DONE
    assert await rig.one("select status from support_tickets where id = :t", t=read_ticket(ticket)) == "closed"


async def test_a_ticket_must_be_open_and_of_this_payment(rig: MoneyRig) -> None:
    order, other = await rig.counted(), await rig.counted(number="+2250501020399")
    theirs = await open_ticket(rig, other)
    unknown = ticket_number(1 + int(theirs[:-1]))
    for ticket, why in (
        (theirs, Why.IMPOSSIBLE),
        (unknown, Why.UNKNOWN),
        (theirs[:-1], Why.UNKNOWN),
        ("x", Why.UNKNOWN),
    ):
        with pytest.raises(ActRefused) as refused:
            await rig.acts.ask(Act.REFUND_PAYMENT, str(order.payment_reference), {"ticket": ticket}, REASON, ASKER)
        assert refused.value.why is why
    await rig.agreed(Act.REFUND_PAYMENT, other.payment_reference, {"ticket": theirs})
    with pytest.raises(ActRefused, match="closed"):
        await rig.acts.ask(Act.REFUND_PAYMENT, str(order.payment_reference), {"ticket": theirs}, REASON, ASKER)


async def test_a_held_payment_is_counted_or_goes_back(rig: MoneyRig) -> None:
    good, bad = await rig.held(), await rig.held(number="+2250501020399")
    assert (await rig.agreed(Act.RELEASE_HELD, good.payment_reference)).status is RequestStatus.DONE
    assert (await rig.agreed(Act.REFUSE_HELD, bad.payment_reference)).status is RequestStatus.DONE
    assert (await rig.status(good), await rig.status(bad)) == ("settled", "refund_due")
    assert await rig.votes_for("07") == 5
    assert await rig.one("select fee_minor from payments where reference = :r", r=good.payment_reference) == 75
    assert await rig.one("select count(*) from messages_out where kind = 'receipt'") == 1
    assert await rig.one("select count(*) from tally_entries") == 1
    assert await rig.on_account("held_funds") == 0
    assert (await rig.refunds_of(bad))[0].reason == "review"


async def test_a_held_payment_may_go_back_by_claim_and_no_vote_with_it(rig: MoneyRig) -> None:
    order = await rig.held()
    outcome = await rig.agreed(Act.REFUND_PAYMENT, order.payment_reference)
    assert outcome.text == "500 XOF to be refunded"
    assert await rig.one("select count(*) from tally_entries") == 0


async def test_a_held_payment_for_one_who_withdrew_is_not_counted(rig: MoneyRig) -> None:
    order = await rig.held()
    async with rig.engine.begin() as connection:
        await connection.execute(text("update candidates set status = 'withdrawn' where code = '07'"))
    outcome = await rig.agreed(Act.RELEASE_HELD, order.payment_reference)
    assert outcome.status is RequestStatus.FAILED
    assert await rig.status(order) == "held"


async def test_a_person_who_paid_enters_the_operators_reference(rig: MoneyRig) -> None:
    order = await rig.late()
    rig.provider.can = replace(rig.provider.can, can_refund=False)
    await rig.refund()
    refund = (await rig.refunds_of(order))[0]
    with pytest.raises(ActRefused, match="reference"):
        await rig.acts.ask(Act.MANUAL_REFUND_DONE, str(refund.reference), {}, REASON, ASKER)
    outcome = await rig.agreed(Act.MANUAL_REFUND_DONE, refund.reference, {"operator_reference": "OM-77"})
    assert (outcome.status, outcome.text) == (RequestStatus.DONE, "500 XOF refunded by hand, OM-77")
    assert await rig.status(order) == "refunded"
    assert await rig.one("select params->>'reference' from messages_out where kind = 'refunded'") == "OM-77"
    assert await rig.on_account("operator_clearing") == 0
    assert await rig.one("select source from evidence where reference = :r", r=refund.reference) == "staff"


async def test_only_what_waits_for_a_person_is_done_by_one(rig: MoneyRig) -> None:
    order = await rig.late()
    refund = (await rig.refunds_of(order))[0]
    for act in (Act.MANUAL_REFUND_DONE, Act.RETRY_REFUND):
        with pytest.raises(ActRefused, match="due"):
            await rig.acts.ask(act, str(refund.reference), {"operator_reference": "OM-77"}, REASON, ASKER)


async def test_what_a_person_had_can_be_sent_again(rig: MoneyRig) -> None:
    order = await rig.late()
    able = rig.provider.can
    rig.provider.can = replace(able, can_refund=False)
    await rig.refund()
    rig.provider.can = able
    refund = (await rig.refunds_of(order))[0]
    await rig.agreed(Act.RETRY_REFUND, refund.reference)
    rig.provider.outgoing_script = [paid(500)]
    await rig.refund_again()
    await rig.refund_again()
    assert await rig.status(order) == "refunded"
    assert [asked.reference for asked in rig.provider.disbursed] == [refund.reference]


async def test_a_stored_callback_is_judged_again_by_one_person(rig: MoneyRig) -> None:
    order = await rig.placed()
    await rig.collect()
    await rig.callback(order, b'{"status": "SUCCESSFUL"}')
    await rig.judge()
    number = await rig.one("select id from callbacks")
    asked = await rig.acts.ask(Act.REPLAY_CALLBACK, str(number), {}, REASON, ASKER)
    request = await rig.acts.requests.read(asked, None)
    assert request is not None
    assert request.status is RequestStatus.DONE
    assert await log_of(rig) == [(ASKER, "replay_callback.asked"), (ASKER, "replay_callback.done")]
    assert await rig.one("select handled_at is null and replayed_at is not null from callbacks")
    assert await rig.judge() == 1
    for unknown in (str(number + 1), "x"):
        with pytest.raises(ActRefused):
            await rig.acts.ask(Act.REPLAY_CALLBACK, unknown, {}, REASON, ASKER)


async def test_requests_are_listed_by_status_and_act(rig: MoneyRig) -> None:
    order = await rig.counted()
    waiting = await rig.acts.ask(Act.REFUND_PAYMENT, str(order.payment_reference), {}, REASON, ASKER)
    found = await rig.acts.requests.listed(None, statuses=[RequestStatus.WAITING], acts=[Act.REFUND_PAYMENT])
    assert [request.id for request in found] == [waiting]
    assert await rig.acts.requests.listed(None, statuses=[RequestStatus.DONE]) == []
    assert await rig.acts.requests.listed(None, acts=[Act.VOID_WINDOW]) == []
