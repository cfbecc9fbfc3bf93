"""Who votes in a chat is told in the chat, and a number that somebody typed there is never texted."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from channels.messages.texting import Routes
from gateway.orders.rules import Channel, PlacedOrder
from gateway.values.msisdn import Msisdn
from payments.provider import Failed, PayerReason
from tests.rigs.rig import Rig
from tests.rigs.scripted_provider import paid

ROUTES = Routes(("africastalking",), chats="telegram")
CHAT = 4_503_599_627_370_495


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
    (message,) = await rig.messages.claim_due(10, ROUTES)
    assert (message.kind, message.chat_id, message.to, message.ways) == ("receipt", CHAT, to, ways)
    assert message.carrier == "telegram"
    (row,) = await rig.rows("select recipient_index, chat_id from messages_out")
    assert (row.recipient_index is None) is (verified is None)


async def test_why_it_was_not_paid_is_told_in_the_chat_too(rig: Rig) -> None:
    await ordered(rig, verified=None)
    rig.provider.query_script = [Failed("declined", PayerReason.DECLINED, "{}")]
    await rig.make_due()
    await rig.verify()
    (message,) = await rig.messages.claim_due(10, ROUTES)
    assert (message.kind, message.chat_id, message.to) == ("payment_failed", CHAT, "")
    assert message.params["paid_elsewhere"] is False  # nobody is known to vote from another number


@pytest.mark.parametrize(("verified", "elsewhere"), [("+2250708091011", True), ("+2250501020304", False)])
async def test_whether_another_number_paid_is_a_fact_of_the_text(rig: Rig, verified: str, elsewhere: bool) -> None:
    await ordered(rig, verified=verified)
    await settled(rig)
    (message,) = await rig.messages.claim_due(10, ROUTES)
    assert message.params["paid_elsewhere"] is elsewhere


async def test_without_a_bot_nobody_is_texted_for_a_typed_number(rig: Rig) -> None:
    await ordered(rig, verified=None)
    await settled(rig)
    assert await rig.messages.claim_due(10, Routes(("africastalking",))) == []


async def test_money_that_came_too_late_is_told_in_the_chat(rig: Rig, database: Any) -> None:
    order = await ordered(rig, verified=None)
    assert await rig.one("select chat_id from votes where id = :v", v=order.vote_id) == CHAT
    connection = await asyncpg.connect(database.superuser_url)
    await connection.execute("update contests set closes_at = now() - interval '1 hour', late_seconds = 0")
    await connection.close()
    await settled(rig)
    (message,) = await rig.messages.claim_due(10, ROUTES)
    assert (message.kind, message.chat_id, message.to) == ("refund_pending", CHAT, "")
