"""A vote's life through the real use cases and a real PostgreSQL, one step at a time."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from channels.messages.rules import Routes
from gateway.orders.rules import Channel, PlacedOrder, Refusal
from payments.collection.order_views import ReceiptView
from payments.provider import Failed, NotFound, NotSent, PayerReason, Rejected, StillOpen, Unavailable, Unknown
from tests.rigs.rig import Rig
from tests.rigs.scripted_provider import paid


@pytest.fixture
async def rig(database: Any) -> AsyncIterator[Rig]:
    made = await Rig(database.app_url).open()
    yield made
    try:
        assert await made.broken() == {}
    finally:
        await made.close()


async def votes_for(rig: Rig, code: str) -> int:
    counted: int = await rig.one(
        "select t.votes from candidate_totals t join candidates k on k.id = t.candidate_id"
        " where k.code = :c and k.contest_id = :k",
        c=code,
        k=rig.contest.id,
    )
    return counted


async def texts(rig: Rig) -> list[str]:
    return [row.kind for row in await rig.rows("select kind from messages_out order by created_at, kind")]


async def test_paid_vote_is_counted_once_and_receipted(rig: Rig) -> None:
    order = await rig.placed()
    assert await rig.collect() == 1
    assert await rig.status(order) == "pending"
    rig.provider.query_script = [paid()]
    await rig.callback(order, b'{"status": "SUCCESSFUL"}')
    assert await rig.judge() == 1
    assert await rig.verify() == 1
    assert await rig.status(order) == "confirmed"
    assert await rig.settle_all() == 1
    assert await rig.status(order) == "settled"
    assert await votes_for(rig, "07") == 5
    assert await texts(rig) == ["receipt"]
    view = await rig.views.order(order.vote_id)
    assert view is not None
    assert (view.status, view.quantity) == ("COMPLETED", 5)
    assert view.receipt is not None
    receipt = await rig.views.receipt(view.receipt)
    assert isinstance(receipt, ReceiptView)
    assert (receipt.tally_number, receipt.quantity) == (1, 5)
    assert rig.shown == [(rig.contest.id, (("07", 5),))]


async def test_every_step_is_kept(rig: Rig) -> None:
    order = await rig.placed()
    await rig.collect()
    rig.provider.query_script = [paid()]
    await rig.make_due()
    await rig.verify()
    await rig.settle_all()
    story = await rig.rows(
        "select from_status, to_status, actor from payment_events where reference = :r order by id",
        r=order.payment_reference,
    )
    assert [tuple(step) for step in story] == [
        (None, "created", "voter"),
        ("created", "sent", "collector"),
        ("sent", "pending", "collector"),
        ("pending", "confirmed", "verifier"),
        ("confirmed", "settled", "settler"),
    ]


async def test_same_key_is_the_same_order(rig: Rig) -> None:
    first = await rig.placed(key="session-1")
    again = await rig.placed(key="session-1")
    assert (again.vote_id, again.repeated) == (first.vote_id, True)
    other = await rig.placed(key="session-1", request_hash=b"another body")
    assert other.conflicting
    assert await rig.one("select count(*) from votes") == 1


async def test_twenty_at_once_with_one_key_are_one_order(rig: Rig) -> None:
    orders = await asyncio.gather(*(rig.placed(key="double click") for _ in range(20)))
    assert len({order.vote_id for order in orders}) == 1
    assert await rig.one("select count(*) from payments") == 1


async def test_a_key_known_before_the_close_gives_its_answer_after_it(rig: Rig) -> None:
    first = await rig.placed(key="k")
    async with rig.engine.begin() as connection:
        await connection.execute(text("update contests set closes_at = now()"))
    await rig.directory.refresh()
    again = await rig.place(rig.vote_request(key="k"))
    assert isinstance(again, PlacedOrder)
    assert again.vote_id == first.vote_id
    assert await rig.place(rig.vote_request(key="new")) is Refusal.CLOSED


async def test_the_inserting_statement_judges_the_window_itself(rig: Rig) -> None:
    stale = rig.vote_request()
    async with rig.engine.begin() as connection:
        await connection.execute(text("update contests set closes_at = now() where slug = 'star'"))
    assert await rig.place(stale) is Refusal.CLOSED
    assert await rig.one("select count(*) from votes") == 0


async def test_a_withdrawn_candidate_is_not_sold_by_a_stale_snapshot(rig: Rig) -> None:
    stale = rig.vote_request(code="03")
    async with rig.engine.begin() as connection:
        await connection.execute(text("update candidates set status = 'withdrawn' where code = '03'"))
    assert await rig.place(stale) is Refusal.CANDIDATE_NOT_ELIGIBLE


EVICT = "update candidates set status = 'evicted', evicted_at = {} where code = '07'"


@pytest.mark.parametrize(
    ("moment", "status", "votes"), [("now()", "settled", 5), ("now() - interval '1 hour'", "refund_due", 0)]
)
async def test_a_vote_that_was_placed_before_an_eviction_counts(rig: Rig, moment: str, status: str, votes: int) -> None:
    await rig.placed(quantity=5)
    await rig.collect()
    async with rig.engine.begin() as connection:
        await connection.execute(text(EVICT.format(moment)))
    await rig.directory.refresh()
    assert await rig.place(rig.vote_request(key="new")) is Refusal.CANDIDATE_NOT_ELIGIBLE
    rig.provider.query_script = [paid()]
    await rig.make_due()
    await rig.verify()
    await rig.settle_all()
    assert [row.status for row in await rig.rows("select status from payments")] == [status]
    assert await rig.one("select sum(votes) from candidate_totals") == votes
    refunds = [] if votes else [("candidate_withdrawn",)]
    assert [tuple(row) for row in await rig.rows("select reason from refunds")] == refunds


async def test_declined_counts_nothing_and_says_so_by_sms(rig: Rig) -> None:
    order = await rig.placed()
    await rig.collect()
    rig.provider.query_script = [Failed("APPROVAL_REJECTED", PayerReason.DECLINED, "{}")]
    await rig.make_due()
    await rig.verify()
    assert await rig.status(order) == "failed"
    assert await texts(rig) == ["payment_failed"]
    view = await rig.views.order(order.vote_id)
    assert view is not None
    assert (view.status, view.reason, view.receipt) == ("FAILED", "declined", None)
    assert await votes_for(rig, "07") == 0


async def test_an_unpaid_typed_order_sends_no_text(rig: Rig) -> None:
    await rig.placed(channel=Channel.WEB, typed=True)
    await rig.collect()
    rig.provider.query_script = [Failed("APPROVAL_REJECTED", PayerReason.DECLINED, "{}")]
    await rig.make_due()
    await rig.verify()
    assert await texts(rig) == []


async def test_a_paid_typed_order_is_receipted_to_its_payer(rig: Rig) -> None:
    await rig.placed(channel=Channel.WEB, typed=True)
    await rig.collect()
    rig.provider.query_script = [paid()]
    await rig.make_due()
    await rig.verify()
    await rig.settle_all()
    (message,) = await rig.outbox.claim_due(10, Routes(("africastalking",)))
    assert (message.kind, message.to) == ("receipt", "+2250501020304")
    assert message.params["quantity"] == 5


async def test_lost_answer_stays_open_and_is_asked_about(rig: Rig) -> None:
    rig.provider.create_script = [Unknown("ReadTimeout")]
    order = await rig.placed()
    await rig.collect()
    assert await rig.status(order) == "sent"
    rig.provider.query_script = [paid()]
    await rig.make_due()
    await rig.verify()
    await rig.settle_all()
    assert await rig.status(order) == "settled"
    assert rig.provider.created[order.payment_reference] == 1


async def test_what_never_left_is_sent_again_under_the_same_reference(rig: Rig) -> None:
    rig.provider.create_script = [NotSent("ConnectError")]
    order = await rig.placed()
    for _ in range(5):
        await rig.collect()
        await rig.make_due()
    assert rig.provider.created[order.payment_reference] == 5
    assert await rig.status(order) == "failed"
    assert await texts(rig) == ["payment_failed"]


async def test_a_definite_refusal_fails_at_once(rig: Rig) -> None:
    rig.provider.create_script = [Rejected("PAYER_NOT_FOUND", PayerReason.UNKNOWN_NUMBER)]
    order = await rig.placed()
    await rig.collect()
    assert await rig.status(order) == "failed"


async def test_a_refusal_that_must_be_checked_is_checked(rig: Rig) -> None:
    rig.provider.create_script = [Rejected("NOT_ALLOWED", PayerReason.OTHER, ask_first=True)]
    rig.provider.query_script = [StillOpen("PENDING")]
    order = await rig.placed()
    await rig.collect()
    assert await rig.status(order) == "pending"


async def test_not_found_three_times_over_a_minute_is_sent_again(rig: Rig) -> None:
    rig.provider.create_script = [Unknown("ReadTimeout")]
    rig.provider.query_script = [NotFound("404")]
    order = await rig.placed()
    await rig.collect()
    for _ in range(3):
        await rig.make_due()
        await rig.verify()
        async with rig.engine.begin() as connection:
            await connection.execute(
                text("update payments set not_found_since = not_found_since - interval '40 seconds'")
            )
    assert await rig.status(order) == "created"
    await rig.collect()
    assert rig.provider.created[order.payment_reference] == 2


async def test_deadline_without_success_expires_and_late_success_still_counts(rig: Rig) -> None:
    order = await rig.placed()
    await rig.collect()
    await rig.pass_deadline()
    await rig.make_due()
    await rig.verify()
    assert await rig.status(order) == "expired"
    assert await texts(rig) == ["payment_not_confirmed"]
    rig.provider.query_script = [paid()]
    await rig.make_due()
    await rig.verify()
    await rig.settle_all()
    assert await rig.status(order) == "settled"
    assert await votes_for(rig, "07") == 5


async def test_no_answer_after_the_deadline_is_not_an_expiry(rig: Rig) -> None:
    order = await rig.placed()
    await rig.collect()
    await rig.pass_deadline()
    await rig.make_due()
    rig.provider.query_script = [Unavailable("503")]
    await rig.verify()
    assert await rig.status(order) == "pending"


async def test_another_amount_is_never_counted_and_is_owed_back(rig: Rig) -> None:
    order = await rig.placed()
    await rig.collect()
    rig.provider.query_script = [paid(400)]
    await rig.make_due()
    await rig.verify()
    assert await rig.status(order) == "mismatched"
    assert await rig.broken() == {}
    await rig.settle_all()
    assert await rig.status(order) == "refund_due"
    assert await rig.one("select amount_minor from refunds") == 400
    assert await votes_for(rig, "07") == 0


async def test_success_long_after_the_close_is_owed_back(rig: Rig) -> None:
    order = await rig.placed()
    await rig.collect()
    await rig.count_until("now() - interval '1 hour'")
    rig.provider.query_script = [paid()]
    await rig.make_due()
    await rig.verify()
    await rig.settle_all()
    assert await rig.status(order) == "refund_due"
    assert await texts(rig) == ["refund_pending"]
    view = await rig.views.order(order.vote_id)
    assert view is not None
    assert (view.status, view.reason) == ("HELD", "refund_pending")


async def test_forged_callback_changes_nothing(rig: Rig) -> None:
    order = await rig.placed()
    await rig.collect()
    for _ in range(100):
        await rig.callback(order, b'{"status": "SUCCESSFUL"}')
    await rig.callback(None, b'{"status": "SUCCESSFUL"}', token="forged")
    await rig.callback(None, b"\xff not json", token=None)
    while await rig.judge():
        await rig.verify()
    assert await rig.status(order) == "pending"
    assert rig.provider.asked[order.payment_reference] == 1
    assert await rig.one("select count(*) from callbacks where handled_at is null") == 0
    assert await votes_for(rig, "07") == 0


async def test_callback_by_order_code_finds_its_payment(rig: Rig) -> None:
    order = await rig.placed()
    await rig.collect()
    code = await rig.one("select order_code from order_keys")
    await rig.callback(None, f'{{"status": "SUCCESSFUL", "order_code": "{code}"}}'.encode(), token=None)
    rig.provider.query_script = [paid()]
    await rig.judge()
    assert await rig.verify() == 1
    assert await rig.status(order) == "confirmed"


async def test_a_proof_is_evidence_without_a_question(rig: Rig) -> None:
    order = await rig.placed()
    await rig.collect()
    await rig.callback(order, b'{"proof": true, "amount": 500, "status": "paid"}')
    await rig.judge()
    assert await rig.status(order) == "confirmed"
    assert rig.provider.asked[order.payment_reference] == 0
    await rig.settle_all()


async def test_a_second_payment_of_a_counted_vote_is_given_back(rig: Rig) -> None:
    await rig.placed()
    await rig.collect()
    rig.provider.query_script = [paid()]
    await rig.make_due()
    await rig.verify()
    again = uuid4()
    # As if its wallet had been asked twice, under two references.
    await rig.change(
        "insert into payments select (jsonb_populate_record(p, jsonb_build_object('reference', cast(:again as text),"
        " 'order_code', 'SPAGAIN'))).* from payments p",
        again=str(again),
    )
    await rig.change(
        "insert into evidence (reference, word, source, amount_minor, currency, provider_reference, raw)"
        " select :again, word, source, amount_minor, currency, 'another', raw from evidence",
        again=again,
    )
    await rig.change("update payments set status = 'pending' where reference = :again", again=again)
    assert await rig.settle_all() == 1
    await rig.change("update payments set status = 'confirmed' where reference = :again", again=again)
    await rig.settle()
    assert await votes_for(rig, "07") == 5
    found = await rig.rows("select reference = :again as second, status from payments order by 1", again=again)
    assert [tuple(row) for row in found] == [(False, "settled"), (True, "refund_due")]


async def test_twenty_settlers_and_verifiers_at_once_count_once(rig: Rig) -> None:
    orders = [await rig.placed(number=f"+22505010203{i:02d}", code=f"{i % 12 + 1:02d}") for i in range(40)]
    await rig.collect()
    rig.provider.query_script = [paid()]
    for order in orders:
        await rig.callback(order, b'{"status": "SUCCESSFUL"}')
    await asyncio.gather(*(rig.judge() for _ in range(3)))
    await asyncio.gather(*(rig.verify() for _ in range(4)), *(rig.settle() for _ in range(4)))
    await rig.verify()
    await rig.settle_all()
    assert await rig.one("select sum(votes) from candidate_totals") == 200
    assert await rig.one("select count(*) from messages_out where kind = 'receipt'") == 40


async def test_one_prompt_a_number_at_a_time(rig: Rig) -> None:
    first = await rig.placed()
    second = await rig.placed()
    await rig.collect()
    assert sorted([await rig.status(first), await rig.status(second)]) == ["created", "pending"]
    assert await rig.collect() == 0
    rig.provider.query_script = [Failed("EXPIRED", PayerReason.NOT_ANSWERED, "{}")]
    await rig.make_due()
    await rig.verify()
    assert await rig.collect() == 1


async def test_an_order_whose_payer_could_not_be_asked_is_closed(rig: Rig) -> None:
    order = await rig.placed()
    await rig.pass_deadline()
    assert await rig.collect() == 1
    assert await rig.status(order) == "failed"
    assert rig.provider.created[order.payment_reference] == 0


async def test_a_killed_sender_repeats_nothing_within_ten_minutes(rig: Rig) -> None:
    await rig.placed()
    await rig.collect()
    rig.provider.query_script = [Failed("EXPIRED", PayerReason.NOT_ANSWERED, "{}")]
    await rig.make_due()
    await rig.verify()
    assert len(await rig.outbox.claim_due(10, Routes(("africastalking",)))) == 1
    async with rig.engine.begin() as connection:
        await connection.execute(text("update messages_out set next_try_at = now() - interval '1 second'"))
    assert await rig.outbox.claim_due(10, Routes(("africastalking",))) == []
    assert await rig.one("select status from messages_out") == "unknown"
    await rig.outbox.store_report("africastalking", "ATX1", "Success", "+2250501020304", None)
    await rig.outbox.claim_due(10, Routes(("africastalking",)))
    row = (await rig.rows("select status, carrier_message_id, delivery_status from messages_out"))[0]
    assert tuple(row) == ("sent", "ATX1", "Success")
