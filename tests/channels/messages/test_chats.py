"""A voter in a chat gets messages there, and a number that was only typed there gets no text."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from channels.messages.carrier import SendRefused
from channels.messages.rules import Routes
from gateway.orders.rules import Channel, PlacedOrder
from gateway.values.msisdn import Msisdn
from payments.provider import Failed, PayerReason
from tests.channels.messages.sending_rig import CHAT, PASSING, SendingRig
from tests.rigs.rig import Rig
from tests.rigs.scripted_provider import paid

ROUTES = Routes(("africastalking",), chats="telegram")


@pytest.fixture
async def rig(database: Any) -> AsyncIterator[Rig]:
    made = await Rig(database.app_url).open()
    yield made
    try:
        assert await made.broken() == {}
    finally:
        await made.close()


async def ordered(rig: Rig, *, verified: str | None) -> PlacedOrder:
    vote_request = rig.vote_request(channel=Channel.TELEGRAM, typed=True)
    voter = Msisdn(verified, "CI") if verified else None
    order = await rig.place(replace(vote_request, chat_id=CHAT, voter=voter))
    assert isinstance(order, PlacedOrder)
    await rig.collect()
    return order


async def settled(rig: Rig) -> None:
    rig.provider.query_script = [paid()]
    await rig.make_due()
    await rig.verify()
    await rig.settle_all()


@pytest.mark.parametrize(
    ("verified", "to", "ways"),
    [
        (None, "", ("telegram",)),
        ("+2250708091011", "+2250708091011", ("telegram", "africastalking")),
    ],
)
async def test_a_receipt_goes_to_the_chat_and_else_to_the_voters_own_number(
    rig: Rig, verified: str | None, to: str, ways: tuple[str, ...]
) -> None:
    await ordered(rig, verified=verified)
    await settled(rig)
    (message,) = await rig.outbox.claim_due(10, ROUTES)
    assert (message.kind, message.chat_id, message.to, message.ways) == ("receipt", CHAT, to, ways)
    assert message.carrier == "telegram"
    (row,) = await rig.rows("select recipient_index, chat_id from messages_out")
    assert (row.recipient_index is None) is (verified is None)


async def test_the_chat_shows_why_it_was_not_paid_too(rig: Rig) -> None:
    await ordered(rig, verified=None)
    rig.provider.query_script = [Failed("declined", PayerReason.DECLINED, "{}")]
    await rig.make_due()
    await rig.verify()
    (message,) = await rig.outbox.claim_due(10, ROUTES)
    assert (message.kind, message.chat_id, message.to) == ("payment_failed", CHAT, "")
    assert message.params["paid_elsewhere"] is False  # no voter is known who votes from another number


@pytest.mark.parametrize(("verified", "elsewhere"), [("+2250708091011", True), ("+2250501020304", False)])
async def test_whether_another_number_paid_is_a_fact_of_the_text(rig: Rig, verified: str, elsewhere: bool) -> None:
    await ordered(rig, verified=verified)
    await settled(rig)
    (message,) = await rig.outbox.claim_due(10, ROUTES)
    assert message.params["paid_elsewhere"] is elsewhere


async def test_without_a_bot_no_text_is_sent_for_a_typed_number(rig: Rig) -> None:
    await ordered(rig, verified=None)
    await settled(rig)
    assert await rig.outbox.claim_due(10, Routes(("africastalking",))) == []


async def test_the_chat_shows_money_that_came_too_late(rig: Rig, database: Any) -> None:
    order = await ordered(rig, verified=None)
    assert await rig.one("select chat_id from votes where id = :v", v=order.vote_id) == CHAT
    await rig.count_until("now() - interval '1 hour'")
    await settled(rig)
    (message,) = await rig.outbox.claim_due(10, ROUTES)
    assert (message.kind, message.chat_id, message.to) == ("refund_pending", CHAT, "")


async def test_a_chat_message_needs_no_number(outbox: SendingRig) -> None:
    message = await outbox.owe(to=None, chat=CHAT)
    await outbox.send()
    row = await outbox.row(message)
    assert (row["status"], row["carrier"], row["parts"]) == ("sent", "chat", None)
    assert [text.to for text in outbox.chat.asked] == [str(CHAT)]


async def test_a_chat_has_its_own_words_and_a_text_in_its_place_those_of_a_text(outbox: SendingRig) -> None:
    outbox.chat.script.append(SendRefused("blocked", permanent=True))
    await outbox.owe(kind="receipt", chat=CHAT)
    await outbox.owe(chat=CHAT)
    await outbox.send()
    await outbox.send()
    assert "receipt in the chat" in [text.text for text in outbox.chat.asked]
    # A kind that chats have no words for is worded as a text.
    assert "reply fr" in [text.text for text in (*outbox.chat.asked, *outbox.first.asked)]
    assert "in the chat" not in " ".join(text.text for text in outbox.first.asked)


async def test_a_busy_chat_is_tried_again_when_it_says_so(outbox: SendingRig) -> None:
    outbox.chat.script.append(SendRefused("429", permanent=False, retry_after_seconds=90))
    await outbox.owe(chat=CHAT)
    await outbox.send()
    await outbox.pass_time(80)
    assert await outbox.send() == 0
    await outbox.pass_time(11)
    await outbox.send()
    assert outbox.asked == ["chat:2"]


async def test_a_closed_chat_is_replaced_by_a_text(outbox: SendingRig) -> None:
    outbox.chat.script.append(SendRefused("blocked", permanent=True))
    message = await outbox.owe(chat=CHAT)
    await outbox.send()
    await outbox.send()
    row = await outbox.row(message)
    assert (row["status"], row["carrier"]) == ("sent", "first")
    assert outbox.asked == ["first:1", "chat:1"]


async def test_a_closed_chat_without_a_number_is_the_end(outbox: SendingRig) -> None:
    outbox.chat.script.append(SendRefused("blocked", permanent=True))
    message = await outbox.owe(to=None, chat=CHAT)
    await outbox.send()
    await outbox.send_at_every_chance()
    assert (await outbox.row(message))["status"] == "refused"
    assert outbox.asked == ["chat:1"]


async def test_from_a_chat_to_texts_there_is_no_way_back(outbox: SendingRig) -> None:
    outbox.chat.script.append(SendRefused("blocked", permanent=True))
    outbox.first.script.extend([PASSING, PASSING])
    outbox.second.script.extend([PASSING, PASSING])
    await outbox.owe(chat=CHAT)
    for _ in range(8):
        await outbox.send()
        await outbox.pass_time(7_201)
    assert outbox.asked == ["first:3", "second:2", "chat:1"]


@pytest.mark.parametrize(("typed", "expected"), [(False, "first"), (True, None)])
async def test_a_receipt_leaves_a_closed_chat_only_for_the_voters_own_number(
    outbox: SendingRig, typed: bool, expected: str | None
) -> None:
    """`typed`: the number pays but is not known to be the voter's."""
    rig = outbox.rig
    await rig.placed(typed=typed)
    await rig.collect()
    rig.provider.query_script = [paid()]
    await rig.make_due()
    await rig.verify()
    await rig.settle_all()
    (receipt,) = await rig.rows("select * from messages_out where kind = 'receipt'")
    owner = await asyncpg.connect(outbox.owner_url)
    await owner.execute("update messages_out set chat_id = $1", CHAT)
    await owner.close()
    outbox.chat.script.append(SendRefused("blocked", permanent=True))
    await outbox.send()
    await outbox.send()
    row = await outbox.row(receipt.id)
    assert (row["status"], row["carrier"]) == (("sent", expected) if expected else ("refused", "chat"))
