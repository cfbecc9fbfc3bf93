"""Texts whose sending is unknown, and delivery reports."""

import asyncio

import pytest
from sqlalchemy import event

from channels.messages.carrier import OutboundText
from channels.messages.rules import Routes
from tests.channels.messages.sending_rig import LOST, OTHER, SendingRig


async def test_a_text_of_unknown_outcome_is_never_sent_again(outbox: SendingRig) -> None:
    outbox.first.script.append(LOST)
    message = await outbox.owe()
    await outbox.send()
    assert (await outbox.row(message))["status"] == "unknown"
    await outbox.send_at_every_chance()
    assert outbox.asked == ["first:1"]
    await outbox.pass_time(25 * 3600)
    await outbox.send()
    row = await outbox.row(message)
    assert (row["status"], row["next_try_at"]) == ("unknown", None)


async def test_a_killed_sender_repeats_nothing(outbox: SendingRig) -> None:
    message = await outbox.owe()
    assert len(await outbox.rig.outbox.claim_due(10, outbox.routes)) == 1
    await outbox.pass_time(61)
    await outbox.send()
    row = await outbox.row(message)
    assert (row["status"], row["carrier"]) == ("unknown", "first")
    await outbox.send_at_every_chance()
    assert outbox.asked == []


async def test_reports_that_prove_it_was_not_sent_let_the_other_carrier_try(outbox: SendingRig) -> None:
    outbox.first.script.append(LOST)
    lost = await outbox.owe()
    await outbox.send()
    await outbox.pass_time(60)
    await outbox.owe(to=OTHER)
    await outbox.send()
    await outbox.report("first", "first-2", "Sent", OTHER)
    # Not before ten minutes: its own report may be slower.
    await outbox.pass_time(500)
    assert await outbox.send() == 0
    await outbox.pass_time(60)
    assert await outbox.send() == 1
    row = await outbox.row(lost)
    assert (row["status"], row["carrier"], row["attempts"]) == ("sent", "second", 2)
    assert outbox.asked == ["first:2", "second:1"]


async def test_a_report_on_an_earlier_text_or_of_another_carrier_proves_nothing(outbox: SendingRig) -> None:
    await outbox.owe(to=OTHER)
    await outbox.send()
    await outbox.pass_time(60)
    outbox.first.script.append(LOST)
    lost = await outbox.owe()
    await outbox.send()
    outbox.routes = Routes(("second",), chats="chat")
    await outbox.owe(to=OTHER)
    await outbox.send()
    await outbox.report("first", "first-1", "Success", OTHER)
    await outbox.report("second", "second-1", "Success", OTHER)
    await outbox.send_at_every_chance()
    assert (await outbox.row(lost))["status"] == "unknown"
    assert outbox.asked == ["first:2", "second:1"]


async def test_its_own_report_proves_that_it_was_sent(outbox: SendingRig) -> None:
    outbox.first.script.append(LOST)
    message = await outbox.owe()
    await outbox.send()
    await outbox.report("first", "ATXid_9", "Success")
    await outbox.send()
    row = await outbox.row(message)
    assert (row["status"], row["carrier_message_id"], row["delivery_status"]) == ("sent", "ATXid_9", "Success")
    await outbox.send_at_every_chance()
    assert outbox.asked == ["first:1"]


async def test_a_report_that_names_our_own_id_needs_no_number(outbox: SendingRig) -> None:
    outbox.first.script.append(LOST)
    message = await outbox.owe()
    await outbox.send()
    await outbox.report("first", str(message), "Sent", phone="")
    row = await outbox.row(message)
    assert (row["status"], row["delivery_status"], row["next_try_at"]) == ("sent", "Sent", None)


async def test_one_report_settles_one_of_two_lost_texts(outbox: SendingRig) -> None:
    outbox.first.script.extend([LOST, LOST])
    messages = [await outbox.owe(), await outbox.owe()]
    await outbox.send()
    await outbox.report("first", "ATXid_1", "Sent")
    await outbox.report("first", "ATXid_1", "Success")
    await outbox.send()
    await outbox.send()
    assert sorted([(await outbox.row(m))["status"] for m in messages]) == ["sent", "unknown"]


async def test_nothing_is_concluded_while_another_text_to_that_number_is_being_sent(outbox: SendingRig) -> None:
    outbox.first.script.append(LOST)
    lost = await outbox.owe()
    await outbox.send()
    in_sending = await outbox.owe()
    (claimed,) = await outbox.rig.outbox.claim_due(10, outbox.routes)
    assert claimed.id == in_sending
    await outbox.report("first", "ATXid_of_the_second", "Success")
    await outbox.send()
    assert (await outbox.row(lost))["status"] == "unknown"


async def test_a_report_before_the_answer(outbox: SendingRig) -> None:
    message = await outbox.owe()

    async def report(text: OutboundText) -> None:
        await outbox.report("first", "first-1", "Success")
        await outbox.report("first", "first-1", "Sent")

    outbox.first.meanwhile = report
    await outbox.send()
    row = await outbox.row(message)
    assert (row["status"], row["delivery_status"]) == ("sent", "Success")
    assert row["delivery_at"] is not None


async def test_a_report_by_our_id_before_an_answer_that_is_lost(outbox: SendingRig) -> None:
    message = await outbox.owe()

    async def report(text: OutboundText) -> None:
        await outbox.report("first", text.reference, "Sent", phone="")

    outbox.first.script.append(LOST)
    outbox.first.meanwhile = report
    await outbox.send()
    row = await outbox.row(message)
    assert (row["status"], row["delivery_status"], row["next_try_at"]) == ("sent", "Sent", None)


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["Sent", "Success"], "Success"),
        (["Success", "Sent"], "Success"),
        (["Sent", "Sent", "Success", "Success"], "Success"),
        (["Sent", "Failed"], "Failed"),
        (["Failed", "Sent"], "Failed"),
        (["Failed", "Success"], "Success"),
        (["Success", "Failed"], "Success"),
        (["Teleported"], "Teleported"),
    ],
)
async def test_what_reports_show(outbox: SendingRig, words: list[str], shown: str) -> None:
    message = await outbox.owe()
    await outbox.send()
    for word in words:
        await outbox.report("first", "first-1", word)
    row = await outbox.row(message)
    assert (row["status"], row["delivery_status"]) == ("sent", shown)
    assert await outbox.rig.one("select count(*) from delivery_reports") == len(words)


async def test_reports_that_arrive_together_are_written_together_and_in_their_order(outbox: SendingRig) -> None:
    messages = [await outbox.owe() for _ in range(3)]
    await outbox.send()
    asked: list[str] = []
    event.listen(outbox.rig.engine.sync_engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    words = [
        ("first-1", "Sent"),
        ("first-1", "Failed"),
        ("first-2", "Success"),
        ("first-2", "Sent"),
        ("first-3", "Sent"),
    ]
    await asyncio.gather(outbox.report("first", "unknown", "Sent"), *(outbox.report("first", *one) for one in words))
    assert len(asked) <= 3
    shown = await outbox.rig.rows("select carrier_message_id, delivery_status from messages_out order by 1")
    assert [tuple(row) for row in shown] == [("first-1", "Failed"), ("first-2", "Success"), ("first-3", "Sent")]
    assert await outbox.rig.one("select count(*) from delivery_reports") == 1 + len(words)
    assert len(messages) == len(shown)


async def test_an_answer_after_the_lease_ran_out_settles_it(outbox: SendingRig) -> None:
    message = await outbox.owe()

    async def the_lease_runs_out(text: OutboundText) -> None:
        await outbox.pass_time(61)
        await outbox.rig.outbox.claim_due(10, outbox.routes)
        assert (await outbox.row(message))["status"] == "unknown"

    outbox.first.meanwhile = the_lease_runs_out
    await outbox.send()
    row = await outbox.row(message)
    assert (row["status"], row["carrier_message_id"], row["next_try_at"]) == ("sent", "first-1", None)
