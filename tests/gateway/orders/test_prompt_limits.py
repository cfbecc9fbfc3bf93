"""No phone is flooded through us: how often a number may be asked, judged where orders are written."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from gateway.orders.fraud import FRAUD_OFF
from gateway.orders.prompting import NO_LIMITS, Orderer, OrdererKind, PromptLimits
from gateway.orders.rules import Channel, PlacedOrder, Refusal
from gateway.orders.store import Orders
from gateway.storage.engine import make_engine
from gateway.values.network import read_networks
from payments.collection.store import Payments
from payments.provider import Failed, PayerReason
from tests.rigs.rig import PUBLIC_URL, Rig
from tests.rigs.scripted_provider import paid

OWN, STRANGER = "+2250501020304", "+2250505050505"
ADDRESS = "203.0.113.5"


@pytest.fixture
async def rig(database: Any) -> AsyncIterator[Rig]:
    made = await Rig(database.app_url).open()
    made.orders = Orders(
        made.engine.execution_options(isolation_level="AUTOCOMMIT"), made.vault, PromptLimits(), FRAUD_OFF
    )
    yield made
    await made.close()


async def order(
    rig: Rig, number: str, *, typed: bool = False, orderer: str = "a phone", address: str | None = None
) -> PlacedOrder | Refusal:
    """`orderer`: the device; nothing for one that is known by its address alone."""
    vote_request = rig.vote_request(number=number, typed=typed, channel=Channel.WEB if typed else Channel.USSD)
    kind = OrdererKind.DEVICE if orderer else OrdererKind.ADDRESS
    return await rig.place(
        replace(vote_request, orderer=Orderer(kind, orderer or str(address), address) if typed else None)
    )


def limited(rig: Rig, **limits: Any) -> None:
    """Let other limits than production's hold."""
    auto = rig.engine.execution_options(isolation_level="AUTOCOMMIT")
    rig.orders = Orders(auto, rig.vault, replace(PromptLimits(), **limits), FRAUD_OFF)


async def pay(rig: Rig) -> None:
    """Each payer who was asked approves."""
    rig.provider.query_script = [paid()]
    while await rig.collect() + await rig.verify():
        await rig.make_due()
    await rig.settle_all()


def strangers(first: int, many: int) -> list[str]:
    return [f"+22505{number:08d}" for number in range(first, first + many)]


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


async def test_a_typed_number_is_asked_once_a_minute_by_any_sender(rig: Rig) -> None:
    assert isinstance(await order(rig, STRANGER, typed=True), PlacedOrder)
    assert await order(rig, STRANGER, typed=True, orderer="another person") is Refusal.ASKED_TOO_OFTEN
    # Its holder is not kept from voting by what others typed.
    assert isinstance(await order(rig, STRANGER), PlacedOrder)


async def test_one_orderer_types_three_numbers_an_hour(rig: Rig) -> None:
    for number in ("+2250505050501", "+2250505050502", "+2250505050503"):
        assert isinstance(await order(rig, number, typed=True), PlacedOrder)
    assert await order(rig, "+2250505050504", typed=True) is Refusal.TOO_MANY_UNPAID
    assert isinstance(await order(rig, "+2250505050504", typed=True, orderer="another phone"), PlacedOrder)


async def test_who_pays_with_many_numbers_may_go_on(rig: Rig) -> None:
    for number in strangers(1, 6):
        assert isinstance(await order(rig, number, typed=True), PlacedOrder)
        await pay(rig)
    for number in strangers(101, 3):
        assert isinstance(await order(rig, number, typed=True), PlacedOrder)
    assert await order(rig, "+2250500000104", typed=True) is Refusal.TOO_MANY_UNPAID


async def test_many_voters_behind_one_address_are_all_served(rig: Rig) -> None:
    devices = [f"device {n}" if n % 2 else "" for n in range(30)]
    for first in (1, 101, 201):
        voters = zip(strangers(first, 30), devices, strict=True)
        placed = await asyncio.gather(
            *(order(rig, number, typed=True, orderer=device, address=ADDRESS) for number, device in voters)
        )
        assert [type(one) for one in placed] == [PlacedOrder] * 30
        await pay(rig)
    assert await rig.one("select count(*) from payments where status = 'settled'") == 90


async def test_who_changes_devices_is_stopped_by_the_address(rig: Rig, database: Any) -> None:
    owner = make_engine(database.owner_url, as_app=False).execution_options(isolation_level="AUTOCOMMIT")
    placed = []
    for turn in range(3):
        for at in range(0, 60, 20):
            placed += await asyncio.gather(
                *(
                    order(rig, number, typed=True, orderer=f"{turn} {number}" if at else "", address=ADDRESS)
                    for number in strangers(at, 20)
                )
            )
        async with owner.connect() as connection:
            await connection.execute(text("update payments set placed_at = placed_at - interval '61 seconds'"))
    await owner.dispose()
    assert sum(isinstance(one, PlacedOrder) for one in placed) == PromptLimits().of_address
    assert await rig.one("select max(many) from (select count(*) as many from payments group by payer_index) p") <= 2
    assert Refusal.TOO_MANY_UNPAID in placed
    assert isinstance(await order(rig, OWN, typed=True, address="198.51.100.9"), PlacedOrder)
    # A phone that orders itself comes from nowhere that is counted.
    assert isinstance(await order(rig, "+2250500000001"), PlacedOrder)


async def test_a_device_that_paid_is_not_held_to_what_others_at_its_address_do(rig: Rig) -> None:
    limited(rig, of_address=2)
    assert isinstance(await order(rig, OWN, typed=True, orderer="known", address=ADDRESS), PlacedOrder)
    await pay(rig)
    for number in strangers(1, 2):
        assert isinstance(await order(rig, number, typed=True, orderer="", address=ADDRESS), PlacedOrder)
    for device in ("", "fresh"):
        refused = await order(rig, STRANGER, typed=True, orderer=device, address=ADDRESS)
        assert refused is Refusal.TOO_MANY_UNPAID
    for number in strangers(11, 3):
        assert isinstance(await order(rig, number, typed=True, orderer="known", address=ADDRESS), PlacedOrder)
    assert await order(rig, STRANGER, typed=True, orderer="known", address=ADDRESS) is Refusal.TOO_MANY_UNPAID


async def test_what_was_paid_at_an_address_makes_room_for_more(rig: Rig) -> None:
    limited(rig, of_address=4)
    for number in strangers(1, 3):
        assert isinstance(await order(rig, number, typed=True, orderer="", address=ADDRESS), PlacedOrder)
    for number in strangers(101, 5):
        assert isinstance(await order(rig, number, typed=True, orderer="", address=ADDRESS), PlacedOrder)
        await pay_only(rig, number)
    # The three that never paid are no longer among the last eight.
    for number in strangers(201, 4):
        assert isinstance(await order(rig, number, typed=True, orderer="", address=ADDRESS), PlacedOrder)
    assert await order(rig, STRANGER, typed=True, orderer="", address=ADDRESS) is Refusal.TOO_MANY_UNPAID


async def pay_only(rig: Rig, number: str) -> None:
    async with rig.engine.begin() as connection:
        await connection.execute(
            text("update payments set status = 'settled' where payer_index = :index"),
            {"index": rig.vault.index(number)},
        )


async def test_an_address_of_a_shared_network_has_its_own_allowance(rig: Rig) -> None:
    limited(rig, of_address=1, of_shared=3, shared_networks=read_networks("203.0.113.0/24"))
    for address, allowed in ((ADDRESS, 3), ("198.51.100.9", 1)):
        placed = [
            await order(rig, number, typed=True, orderer="", address=address)
            for number in strangers(int(address[:3]) * 100, 4)
        ]
        assert sum(isinstance(one, PlacedOrder) for one in placed) == allowed


async def test_what_several_gateways_let_through_at_once_is_asked_for_twice_at_most(rig: Rig) -> None:
    auto = rig.engine.execution_options(isolation_level="AUTOCOMMIT")
    rig.payments = Payments(rig.engine, rig.vault, PUBLIC_URL, frozenset({"mtn_momo"}), PromptLimits())
    # None of them sees the others' orders.
    rig.orders = Orders(auto, rig.vault, NO_LIMITS, FRAUD_OFF)
    for number in range(5):
        assert isinstance(await order(rig, STRANGER, typed=True, orderer=f"device {number}"), PlacedOrder)
    own = await order(rig, OWN)
    for _ in range(6):
        await decline(rig)
    assert isinstance(own, PlacedOrder)
    assert rig.provider.created.pop(own.payment_reference) == 1
    assert sum(rig.provider.created.values()) == 2
    found = await rig.rows("select reason_code, count(*) as many from payments where status = 'failed' group by 1")
    assert {row.reason_code: row.many for row in found} == {"REJECTED": 3, "asked_too_often": 3}


async def test_the_same_order_again_is_found_where_no_other_is_taken(rig: Rig) -> None:
    limited(rig, of_address=1)
    vote_request = replace(
        rig.vote_request(number=STRANGER, typed=True, channel=Channel.WEB),
        orderer=Orderer(OrdererKind.ADDRESS, ADDRESS, ADDRESS),
    )
    first, again = await rig.place(vote_request), await rig.place(vote_request)
    assert isinstance(first, PlacedOrder)
    assert isinstance(again, PlacedOrder)
    assert (again.vote_id, again.repeated) == (first.vote_id, True)


async def test_stop_keeps_typed_orders_away_for_good(rig: Rig) -> None:
    async with rig.engine.begin() as connection:
        await connection.execute(
            text("insert into text_opt_outs (phone_index) values (:index)"), {"index": rig.vault.index(STRANGER)}
        )
    assert await order(rig, STRANGER, typed=True) is Refusal.ASKED_TOO_OFTEN
    assert isinstance(await order(rig, STRANGER), PlacedOrder)


async def test_two_refusals_in_a_row_silence_typed_orders_until_the_phone_speaks(rig: Rig) -> None:
    lenient = replace(PromptLimits(), typed_apart=timedelta(0), typed_lately=50, typed_a_day=50)
    rig.orders = Orders(rig.engine.execution_options(isolation_level="AUTOCOMMIT"), rig.vault, lenient, FRAUD_OFF)
    for _ in range(2):
        assert isinstance(await order(rig, STRANGER, typed=True), PlacedOrder)
        await decline(rig)
    assert await order(rig, STRANGER, typed=True) is Refusal.ASKED_TOO_OFTEN
    # Its own order shows that its owner wants to be asked.
    assert isinstance(await order(rig, STRANGER), PlacedOrder)
    assert isinstance(await order(rig, STRANGER, typed=True), PlacedOrder)
