"""Which carrier sends a text, and what follows its answer; on a real PostgreSQL."""

import asyncio

import pytest

from channels.messages.carrier import OutboundText, SendAccepted
from channels.messages.rules import Routes
from tests.channels.messages.sending_rig import BANNED, OTHER, OURS, PASSING, VOTER, SendingRig


async def test_an_unreadable_answer_loses_no_other(outbox: SendingRig) -> None:
    async def stumble(sent: OutboundText) -> None:
        if sent.to == OTHER:
            raise TypeError("not what the documents say")

    good, stumbled, poisonous = await outbox.owe(), await outbox.owe(to=OTHER), await outbox.owe()
    outbox.first.meanwhile = stumble
    outbox.first.script += [SendAccepted("m1"), SendAccepted("m\x002")]
    assert await outbox.send() == 3
    found = {message: (await outbox.row(message))["status"] for message in (good, stumbled, poisonous)}
    assert sorted(found.values()) == ["sent", "unknown", "unknown"]
    assert found[stumbled] == "unknown"
    await outbox.send_at_every_chance()
    assert outbox.asked == ["first:3"], "what may have been sent is not sent again"


async def test_sent_once_with_parts_and_cost(outbox: SendingRig) -> None:
    message = await outbox.owe()
    await outbox.send()
    row = await outbox.row(message)
    assert (row["status"], row["carrier"], row["carrier_message_id"]) == ("sent", "first", "first-1")
    assert (row["parts"], row["cost"], row["last_error"]) == (1, "XOF 12.0000", None)
    await outbox.send_at_every_chance()
    assert outbox.asked == ["first:1"]
    assert outbox.first.asked == [OutboundText(VOTER, "reply fr", str(message))]


async def test_a_passing_refusal_goes_by_the_other_carrier_after_a_while(outbox: SendingRig) -> None:
    outbox.first.script.append(PASSING)
    message = await outbox.owe()
    await outbox.send()
    row = await outbox.row(message)
    assert (row["status"], row["carrier"], row["last_error"]) == ("due", "second", "first refused: CouldNotRoute")
    assert await outbox.send() == 0
    await outbox.pass_time(16)
    await outbox.send()
    assert outbox.asked == ["first:1", "second:1"]
    assert (await outbox.row(message))["status"] == "sent"


async def test_a_refusal_of_us_goes_by_the_other_carrier_at_once_and_is_remembered(outbox: SendingRig) -> None:
    outbox.first.script.append(OURS)
    message = await outbox.owe()
    await outbox.send()
    await outbox.send()
    row = await outbox.row(message)
    assert (row["status"], row["carrier"]) == ("sent", "second")
    assert row["last_error"] == "first refuses us: InsufficientBalance"


async def test_a_refusal_of_the_number_is_final(outbox: SendingRig) -> None:
    outbox.first.script.append(BANNED)
    message = await outbox.owe()
    await outbox.send()
    await outbox.send_at_every_chance()
    assert (await outbox.row(message))["status"] == "refused"
    assert outbox.asked == ["first:1"]


async def test_given_up_after_the_last_wait(outbox: SendingRig) -> None:
    outbox.first.script.extend([PASSING] * 9)
    outbox.second.script.extend([PASSING] * 9)
    message = await outbox.owe()
    for _ in range(12):
        await outbox.pass_time(7_201)
        await outbox.send()
    row = await outbox.row(message)
    assert (row["status"], row["next_try_at"]) == ("refused", None)
    assert outbox.asked == ["first:3", "second:3"]


async def test_twenty_senders_at_once_send_each_text_once(outbox: SendingRig) -> None:
    for number in range(40):
        await outbox.owe(to=f"+22505010203{number:02d}")
    await asyncio.gather(*(outbox.send() for _ in range(20)))
    assert len(outbox.first.asked) == 40
    assert len({text.to for text in outbox.first.asked}) == 40


async def test_a_prefix_has_its_own_order(outbox: SendingRig) -> None:
    outbox.routes = Routes(("first", "second"), {"+237": ("second", "first")})
    await outbox.owe(to="+237670000000")
    await outbox.owe()
    await outbox.send()
    assert [text.to for text in outbox.second.asked] == ["+237670000000"]
    assert [text.to for text in outbox.first.asked] == [VOTER]


async def test_a_carrier_that_is_no_longer_set_up_is_replaced(outbox: SendingRig) -> None:
    outbox.second.script.append(PASSING)
    outbox.routes = Routes(("second", "first"))
    message = await outbox.owe()
    await outbox.send()
    await outbox.pass_time(16)
    outbox.routes = Routes(("second",))
    await outbox.send()
    assert (await outbox.row(message))["carrier"] == "second"


async def test_without_a_carrier_a_text_waits(outbox: SendingRig) -> None:
    outbox.routes = Routes(())
    message = await outbox.owe()
    assert await outbox.send() == 0
    row = await outbox.row(message)
    assert (row["status"], row["last_error"], row["attempts"]) == ("due", "no carrier", 0)
    outbox.routes = Routes(("first",))
    await outbox.pass_time(3_601)
    await outbox.send()
    assert (await outbox.row(message))["status"] == "sent"


async def test_an_unrequested_text_never_reaches_a_number_that_sent_stop(outbox: SendingRig) -> None:
    await outbox.change("insert into text_opt_outs (phone_index) values (:index)", index=outbox.rig.vault.index(VOTER))
    unasked, receipt = await outbox.owe(kind="resume"), await outbox.owe(kind="receipt")
    await outbox.send()
    row = await outbox.row(unasked)
    assert (row["status"], row["last_error"], row["attempts"]) == ("refused", "opted out", 0)
    assert (await outbox.row(receipt))["status"] == "sent"


async def test_an_unrequested_text_waits_for_the_day(outbox: SendingRig, monkeypatch: pytest.MonkeyPatch) -> None:
    hours = {"CI": (0,)}
    now = await outbox.rig.now()
    # Night wherever the clock of this machine stands.
    hours["CI"] = ((2 - now.hour) % 24,)
    monkeypatch.setattr("channels.messages.rules._HOURS_FROM_UTC", hours)
    unasked, receipt = await outbox.owe(kind="resume"), await outbox.owe(kind="receipt")
    await outbox.send()
    row = await outbox.row(unasked)
    assert (row["status"], row["last_error"], row["attempts"]) == ("due", "quiet hours", 0)
    assert 0 < (row["next_try_at"] - now).total_seconds() <= 6 * 3600
    assert (await outbox.row(receipt))["status"] == "sent"
    hours["CI"] = ((12 - now.hour) % 24,)
    await outbox.pass_time(7 * 3600)
    await outbox.send()
    assert (await outbox.row(unasked))["status"] == "sent"
