"""Nobody's phone is flooded through us: how often a number may be asked, judged where orders are written."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from gateway.domain.order import Channel, PlacedOrder, Refusal
from gateway.domain.prompting import PromptLimits
from gateway.ports.payment_provider import Failed, PayerReason
from gateway.storage.orders import PostgresOrders
from tests.gateway.rig import Rig
from tests.gateway.scripted_provider import paid

OWN, STRANGER = "+2250501020304", "+2250505050505"


@pytest.fixture
async def rig(database: Any) -> AsyncIterator[Rig]:
    made = await Rig(database.app_url).open()
    made.orders = PostgresOrders(
        made.engine.execution_options(isolation_level="AUTOCOMMIT"), made.vault, PromptLimits()
    )
    yield made
    await made.close()


async def order(rig: Rig, number: str, *, typed: bool = False, orderer: str = "a phone") -> PlacedOrder | Refusal:
    wish = rig.wish(number=number, typed=typed, channel=Channel.WEB if typed else Channel.USSD)
    return await rig.place(replace(wish, orderer=orderer if typed else None))


async def decline(rig: Rig) -> None:
    rig.provider.query_script = [Failed("REJECTED", PayerReason.DECLINED, "{}")]
    await rig.collect()
    await rig.make_due()
    await rig.verify()


async def test_a_phone_that_orders_itself_is_asked_five_times_in_ten_minutes(rig: Rig) -> None:
    for _ in range(5):
        assert isinstance(await order(rig, OWN), PlacedOrder)
    assert await order(rig, OWN) is Refusal.ASKED_TOO_OFTEN
    assert isinstance(await order(rig, STRANGER), PlacedOrder)


async def test_who_pays_may_go_on(rig: Rig) -> None:
    rig.provider.query_script = [paid()]
    for _ in range(8):
        assert isinstance(await order(rig, OWN), PlacedOrder)
        await rig.collect()
        await rig.make_due()
        await rig.verify()
        await rig.settle_all()


async def test_orders_of_one_moment_are_counted_together(rig: Rig) -> None:
    placed = await asyncio.gather(*(order(rig, OWN) for _ in range(9)))
    assert sum(isinstance(one, PlacedOrder) for one in placed) == 5
    assert placed.count(Refusal.ASKED_TOO_OFTEN) == 4


async def test_a_typed_number_is_asked_once_a_minute_whoever_types_it(rig: Rig) -> None:
    assert isinstance(await order(rig, STRANGER, typed=True), PlacedOrder)
    assert await order(rig, STRANGER, typed=True, orderer="somebody else") is Refusal.ASKED_TOO_OFTEN
    # Its holder is not kept from voting by what others typed.
    assert isinstance(await order(rig, STRANGER), PlacedOrder)


async def test_one_orderer_types_three_numbers_an_hour(rig: Rig) -> None:
    for number in ("+2250505050501", "+2250505050502", "+2250505050503"):
        assert isinstance(await order(rig, number, typed=True), PlacedOrder)
    assert await order(rig, "+2250505050504", typed=True) is Refusal.ASKED_TOO_OFTEN
    assert isinstance(await order(rig, "+2250505050504", typed=True, orderer="another phone"), PlacedOrder)


async def test_stop_keeps_typed_orders_away_for_good(rig: Rig) -> None:
    async with rig.engine.begin() as connection:
        await connection.execute(
            text("insert into text_opt_outs (phone_index) values (:index)"), {"index": rig.vault.index(STRANGER)}
        )
    assert await order(rig, STRANGER, typed=True) is Refusal.ASKED_TOO_OFTEN
    assert isinstance(await order(rig, STRANGER), PlacedOrder)


async def test_two_refusals_in_a_row_silence_typed_orders_until_the_phone_speaks(rig: Rig) -> None:
    lenient = replace(PromptLimits(), typed_apart=timedelta(0), typed_lately=50, typed_a_day=50)
    rig.orders = PostgresOrders(rig.engine.execution_options(isolation_level="AUTOCOMMIT"), rig.vault, lenient)
    for _ in range(2):
        assert isinstance(await order(rig, STRANGER, typed=True), PlacedOrder)
        await decline(rig)
    assert await order(rig, STRANGER, typed=True) is Refusal.ASKED_TOO_OFTEN
    # Its own order shows that somebody is there who wants to be asked.
    assert isinstance(await order(rig, STRANGER), PlacedOrder)
    assert isinstance(await order(rig, STRANGER, typed=True), PlacedOrder)
