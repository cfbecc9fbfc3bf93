"""I was debited: the operator is asked at once, and a voter who paid is counted, answered, or given a ticket."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from gateway.orders.rules import Channel, PlacedOrder
from gateway.storage.doorbell import Work
from gateway.values.check_digit import holds
from gateway.values.msisdn import Msisdn
from payments.accounts.calls import Unlimited
from payments.provider import Failed, NotFound, PayerReason, StatusReport, StillOpen, Unavailable
from payments.rescue import rescue as rescue_payment
from payments.rescue.attempts import Attempts
from payments.rescue.rescue import Rescuer
from payments.rescue.rules import OfChat, OfNumber, OfOrder, Outcome, Rescue
from tests.rigs.rig import Rig
from tests.rigs.scripted_provider import paid

VOTER = Msisdn("+2250501020304", "CI")
DECLINED = Failed("APPROVAL_REJECTED", PayerReason.DECLINED, "{}")


@pytest.fixture
async def rig(database: Any) -> AsyncIterator[Rig]:
    made = await Rig(database.app_url).open()
    yield made
    try:
        assert await made.broken() == {}
    finally:
        await made.close()


async def rescued(rig: Rig, number: Msisdn = VOTER) -> Rescue:
    return await rescuer(rig).rescue(OfNumber(number, (rig.contest.id,)), "fr")


def rescuer(rig: Rig) -> Rescuer:
    return Rescuer(Attempts(rig.engine, rig.vault), rig.payments, rig.providers, Unlimited(), rig.doorbell)


async def asked_before(rig: Rig) -> None:
    """The operator was asked long enough ago to be asked again."""
    async with rig.engine.begin() as connection:
        await connection.execute(text("update payments set asked_at = asked_at - interval '1 minute'"))


async def ordered(rig: Rig, **vote_request: Any) -> PlacedOrder:
    order = await rig.placed(**vote_request)
    await rig.collect()
    return order


async def expired(rig: Rig) -> PlacedOrder:
    """The prompt timed out, by all that was reported to us."""
    order = await ordered(rig)
    await rig.pass_deadline()
    await rig.make_due()
    await rig.verify()
    assert await rig.status(order) == "expired"
    await asked_before(rig)
    return order


async def test_a_number_that_never_ordered_causes_no_question(rig: Rig) -> None:
    await ordered(rig, number="+2250501020399")
    assert await rescued(rig) == Rescue(Outcome.NOTHING)
    assert rig.provider.asked == {}


async def test_a_late_success_is_found_counted_and_answered_with_its_receipt(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = await expired(rig)
    rig.provider.query_script = [paid()]

    rung = asyncio.Event()
    monkeypatch.setattr(rig.doorbell, "ring", lambda kind: rung.set() if kind is Work.SETTLE else None)

    async def worker() -> None:
        await rung.wait()
        await rig.settle_all()

    found, _ = await asyncio.gather(rescued(rig), worker())
    assert found.outcome is Outcome.COUNTED
    assert found.attempt is not None
    view = await rig.views.order(order.vote_id)
    assert view is not None
    assert (found.attempt.receipt, found.attempt.quantity) == (view.receipt, 5)
    assert await rig.status(order) == "settled"


async def test_a_worker_that_is_slow_leaves_the_news_that_it_is_paid(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rescue_payment, "COUNT_SECONDS", 0.1)
    order = await expired(rig)
    rig.provider.query_script = [paid()]
    assert (await rescued(rig)).outcome is Outcome.PAID
    assert await rig.status(order) == "confirmed"
    assert await rig.settle_all() == 1
    assert (await rescued(rig)).outcome is Outcome.COUNTED


async def test_another_amount_is_owed_back(rig: Rig) -> None:
    await expired(rig)
    rig.provider.query_script = [paid(300)]
    assert (await rescued(rig)).outcome is Outcome.REFUNDING


async def test_what_the_operator_refused_was_not_taken(rig: Rig) -> None:
    order = await expired(rig)
    rig.provider.query_script = [DECLINED]
    found = await rescued(rig)
    assert (found.outcome, found.ticket) == (Outcome.NOT_PAID, None)
    assert await rig.status(order) == "failed"


async def test_a_prompt_that_is_still_open_waits(rig: Rig) -> None:
    await ordered(rig)
    assert (await rescued(rig)).outcome is Outcome.WAITING


@pytest.mark.parametrize("report", [Unavailable("503"), NotFound("RESOURCE_NOT_FOUND"), StillOpen("PENDING")])
async def test_what_stays_unknown_gets_one_ticket(rig: Rig, report: StatusReport) -> None:
    order = await expired(rig)
    rig.provider.query_script = [report]
    first = await rescued(rig)
    assert first.outcome is Outcome.UNCLEAR
    assert first.ticket is not None
    assert holds(first.ticket)
    # Also to who asks again before the operator may be asked again.
    assert await rescued(rig) == first
    await asked_before(rig)
    assert (await rescued(rig)).ticket == first.ticket
    (ticket,) = await rig.rows("select * from support_tickets")
    assert (ticket.payment_reference, ticket.kind, ticket.status) == (order.payment_reference, "debited", "open")
    assert VOTER.digits.encode() not in bytes(ticket.phone_cipher)


async def test_a_closed_ticket_is_not_opened_again_but_followed_by_another(rig: Rig) -> None:
    await expired(rig)
    rig.provider.query_script = [Unavailable("503")]
    first = await rescued(rig)
    async with rig.engine.begin() as connection:
        await connection.execute(text("update support_tickets set status = 'closed', closed_at = now()"))
    await asked_before(rig)
    assert (await rescued(rig)).ticket not in (None, first.ticket)


async def test_an_operator_that_does_not_answer_is_not_waited_for(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rescue_payment, "ASK_SECONDS", 0.05)
    await expired(rig)
    hanging = asyncio.Event()

    async def query(_: object) -> StatusReport:
        await hanging.wait()
        return paid()

    monkeypatch.setattr(rig.provider, "query", query)
    assert (await rescued(rig)).outcome is Outcome.UNCLEAR
    # Its lease runs out, and the usual verifier asks again.
    assert await rig.one("select count(*) from payments where next_check_at > now()") == 1


async def test_who_asks_again_within_seconds_does_not_ask_the_operator_again(rig: Rig) -> None:
    order = await ordered(rig)
    await rescued(rig)
    await rescued(rig)
    assert rig.provider.asked[order.payment_reference] == 1


async def test_a_failure_that_turns_out_to_be_paid_is_repaired(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rescue_payment, "COUNT_SECONDS", 0.0)
    order = await ordered(rig)
    rig.provider.query_script = [DECLINED, paid()]
    await rig.make_due()
    await rig.verify()
    assert await rig.status(order) == "failed"
    await asked_before(rig)
    assert (await rescued(rig)).outcome is Outcome.PAID
    assert await rig.status(order) == "confirmed"
    await rig.settle_all()


async def test_a_voter_who_ordered_for_another_number_is_answered_too(rig: Rig) -> None:
    vote_request = rig.vote_request(number=VOTER.e164)
    other = Msisdn("+2250501020399", "CI")
    placed = await rig.place(replace(vote_request, payer=other))
    assert isinstance(placed, PlacedOrder)
    await rig.collect()
    for number in (VOTER, other):
        assert (await rescued(rig, number)).outcome is Outcome.WAITING


CHAT = 4_503_599_627_370_495


async def test_a_chat_asks_about_its_own_orders_whatever_number_pays(rig: Rig) -> None:
    vote_request = rig.vote_request(channel=Channel.TELEGRAM, typed=True)
    placed = await rig.place(replace(vote_request, chat_id=CHAT))
    assert isinstance(placed, PlacedOrder)
    await rig.collect()
    assert (await rescuer(rig).rescue(OfChat(CHAT), "fr")).outcome is Outcome.WAITING
    assert await rescuer(rig).rescue(OfChat(CHAT + 1), "fr") == Rescue(Outcome.NOTHING)
    assert (await rescuer(rig).rescue(OfChat(CHAT + 1, VOTER), "fr")).outcome is Outcome.WAITING
    # An unknown number, and no order: there is nothing that a person could look at.
    assert await rescuer(rig).open_ticket(OfChat(CHAT + 1, None, rig.contest.id), "fr") is None
    stranger = Msisdn("+2250501020398", "CI")
    assert await rescuer(rig).open_ticket(OfChat(CHAT + 1, stranger), "fr") is None
    assert await rescuer(rig).open_ticket(OfChat(CHAT + 1, stranger, rig.contest.id), "fr") is not None
    ticket = await rescuer(rig).open_ticket(OfChat(CHAT), "fr")
    assert ticket is not None
    assert holds(ticket)


async def test_the_holder_of_an_order_is_answered_about_this_order_alone(rig: Rig) -> None:
    failed = await ordered(rig)
    rig.provider.query_script = [DECLINED]
    await rig.make_due()
    await rig.verify()
    other = await ordered(rig)
    await asked_before(rig)
    rig.provider.query_script = [DECLINED]
    assert (await rescuer(rig).rescue(OfOrder(failed.vote_id), "fr")).outcome is Outcome.NOT_PAID
    assert set(rig.provider.asked) == {failed.payment_reference}
    assert await rescuer(rig).rescue(OfOrder(other.payment_reference), "fr") == Rescue(Outcome.NOTHING)


async def test_a_stranger_with_an_order_does_not_turn_the_owners_ticket_to_it(rig: Rig) -> None:
    mine = await expired(rig)
    rig.provider.query_script = [Unavailable("503")]
    own = await rescued(rig)
    typed = await rig.place(rig.vote_request(channel=Channel.WEB, typed=True))
    assert isinstance(typed, PlacedOrder)
    assert await rescuer(rig).open_ticket(OfOrder(typed.vote_id), "fr") == own.ticket
    (ticket,) = await rig.rows("select * from support_tickets")
    assert (ticket.payment_reference, ticket.channel) == (mine.payment_reference, "ussd")
