"""What fraud rules refuse before the payer is asked, and who is listed for it."""

from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID

import pytest

from gateway.orders.fraud import FraudLimits
from gateway.orders.fraud_places import shown_address
from gateway.orders.prompting import Orderer, OrdererKind, PromptLimits
from gateway.orders.rules import Channel, PlacedOrder, Refusal
from gateway.orders.store import Orders
from gateway.values.network import read_networks
from tests.engines import Database
from tests.rigs.rig import Rig

HOME, CARRIER = "41.66.0.9", "196.201.0.9"
OFF = {"payer": 0}


@pytest.fixture
async def rig(database: Database) -> AsyncIterator[Rig]:
    made = await Rig(database.app_url).open()
    auto = made.engine.execution_options(isolation_level="AUTOCOMMIT")
    crowds = PromptLimits(limited=False, shared_networks=read_networks("196.201.0.0/24"))
    made.orders = Orders(auto, made.vault, crowds, FraudLimits(web_votes=4, wallet_orders=6))
    yield made
    await made.close()


async def web(rig: Rig, address: str, device: str = "", number: int | None = None) -> PlacedOrder | Refusal:
    OFF["payer"] += 1
    asked = rig.vote_request(
        number=f"+22505{number or 137 * OFF['payer']:08}", channel=Channel.WEB, typed=True, quantity=1
    )
    kind, identity = (OrdererKind.DEVICE, device) if device else (OrdererKind.ADDRESS, address)
    return await rig.place(replace(asked, orderer=Orderer(kind, identity, address)))


async def refusals(rig: Rig, times: int, address: str, device: str = "") -> list[str]:
    answers = [await web(rig, address, device) for _ in range(times)]
    return ["placed" if isinstance(one, PlacedOrder) else one.value for one in answers]


async def test_many_votes_from_one_address_are_refused_and_then_the_address_is_listed(rig: Rig) -> None:
    assert await refusals(rig, 8, HOME) == ["placed"] * 4 + ["too_many_here"] * 3 + ["not_accepted"]
    (entry,) = await rig.rows("select *, extract(epoch from until - made_at)::int as seconds from fraud_entries")
    assert (entry.list, entry.kind, entry.origin, entry.shown, entry.seconds) == (
        *("deny", "address", "rule", "41.66.…"),
        900,
    )
    (noted,) = await rig.rows("select * from audit_log where act = 'fraud.listed'")
    assert (noted.contest_id, noted.detail["shown"]) == (rig.contest.id, "41.66.…")
    # Each time after that within a day for twice as long; what is lifted is not listed any more.
    for seconds in (1_800, 3_600):
        await rig.change("update fraud_entries set lifted_at = now(), lifted_by = 'awa' where lifted_at is null")
        assert await refusals(rig, 2, HOME) == ["too_many_here", "not_accepted"]
        longest = "select max(extract(epoch from until - made_at)::int) from fraud_entries"
        assert await rig.one(longest) == seconds
    # A phone is not judged by somebody's address, nor another address.
    assert isinstance(await rig.place(rig.vote_request()), PlacedOrder)
    assert await refusals(rig, 1, "41.66.0.10") == ["placed"]


async def test_behind_a_shared_address_devices_are_judged(rig: Rig) -> None:
    crowd = [await web(rig, CARRIER, f"phone {n}") for n in range(12)]
    assert all(isinstance(one, PlacedOrder) for one in crowd)
    assert (await refusals(rig, 8, CARRIER, "bot"))[4:] == ["too_many_here"] * 3 + ["not_accepted"]
    assert await refusals(rig, 1, CARRIER, "another phone") == ["placed"]
    # Who has no cookie there is one of many.
    assert await refusals(rig, 6, CARRIER) == ["placed"] * 6
    assert await rig.one("select kind from fraud_entries") == "device"


async def test_an_address_that_is_allowed_is_not_judged_and_a_number_is_refused_where_it_is_denied(rig: Rig) -> None:
    await entry(rig, "allow", "address", rig.vault.index(f"address {HOME}"))
    assert await refusals(rig, 6, HOME) == ["placed"] * 6
    fan = "+2250500001111"
    asked = [rig.vote_request(number=fan) for _ in range(7)]
    placed = [await rig.place(one) for one in asked]
    assert placed[6] is Refusal.TOO_MANY_ORDERS
    assert all(isinstance(one, PlacedOrder) for one in placed[:6])
    stranger = "+2250500002222"
    denied = await entry(rig, "deny", "number", rig.vault.index(stranger))
    assert await rig.place(rig.vote_request(number=stranger)) is Refusal.NOT_ACCEPTED
    await rig.change("update fraud_entries set lifted_at = now(), lifted_by = 'awa' where id = :id", id=denied)
    assert isinstance(await rig.place(rig.vote_request(number=stranger)), PlacedOrder)
    # The same order again is the same answer.
    assert isinstance(await rig.place(asked[0]), PlacedOrder)


async def test_a_fan_votes_200_times_in_an_hour_and_only_who_pays_may(rig: Rig) -> None:
    auto = rig.engine.execution_options(isolation_level="AUTOCOMMIT")
    rig.orders = Orders(auto, rig.vault, PromptLimits(), FraudLimits())  # as in production
    fan, other = "+2250500001111", "+2250500002222"
    for _ in range(200):
        assert isinstance(await rig.place(rig.vote_request(number=fan, quantity=1)), PlacedOrder)
        await rig.change("update payments set status = 'settled' where status = 'created'")
    assert await rig.place(rig.vote_request(number=fan)) is Refusal.TOO_MANY_ORDERS
    answers = [await rig.place(rig.vote_request(number=other, quantity=1)) for _ in range(6)]
    assert [isinstance(one, PlacedOrder) for one in answers] == [True] * 5 + [False]
    assert answers[5] is Refusal.ASKED_TOO_OFTEN


async def entry(rig: Rig, to: str, kind: str, subject: bytes) -> UUID:
    made: UUID = await rig.one("select gen_random_uuid()")
    await rig.change(
        "insert into fraud_entries (id, contest_id, list, kind, origin, shown, reason, made_by, subject, until)"
        " values (:id, :c, :l, :k, 'person', '', 'test', 'awa', :s, now() + interval '1 day')",
        **{"id": made, "c": rig.contest.id, "l": to, "k": kind, "s": subject},
    )
    return made


@pytest.mark.parametrize(("address", "shown"), [("41.66.0.9", "41.66.…"), ("2001:db8:1:2::/64", "2001:db8:…")])
def test_an_address_is_shown_by_its_first_half(address: str, shown: str) -> None:
    assert shown_address(address) == shown
