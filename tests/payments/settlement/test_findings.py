"""Generated attacks are held when they are to be counted, and honest crowds are not."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from gateway.contests.versions import RulesVersions
from gateway.orders.fraud import FRAUD_OFF, FraudLimits
from gateway.orders.prompting import Orderer, OrdererKind, PromptLimits
from gateway.orders.rules import Channel, PlacedOrder
from gateway.orders.store import Orders
from gateway.values.network import read_networks
from payments.requests import Act
from payments.settlement.settle import Settlement
from tests.engines import Database
from tests.rigs.money_rig import MoneyRig

CARRIER = "196.201.0.9"


class Evening(MoneyRig):
    """Votes that were ordered and paid at given moments of an evening that is over."""

    owner_url: str

    async def open(self) -> "Evening":
        await super().open()
        self.settlement = Settlement(self.engine, FraudLimits())
        auto = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        crowds = PromptLimits(limited=False, shared_networks=read_networks("196.201.0.0/24"))
        self.orders = Orders(auto, self.vault, crowds, FRAUD_OFF)
        self.began = await self.now() - timedelta(hours=2)
        return self

    async def ordered(
        self, number: int, *, code: str = "07", device: str = "", address: str = "", quantity: int = 5
    ) -> PlacedOrder:
        """A vote of the wallet with this number: by USSD, or on the web where a device or an address is named."""
        channel = Channel.WEB if device or address else Channel.USSD
        asked = self.vote_request(
            number=f"+22505{number:08}", code=code, quantity=quantity, channel=channel, typed=channel is Channel.WEB
        )
        if device:
            asked = replace(asked, orderer=Orderer(OrdererKind.DEVICE, device, address or None))
        elif address:
            asked = replace(asked, orderer=Orderer(OrdererKind.ADDRESS, address, address))
        order = await self.place(asked)
        assert isinstance(order, PlacedOrder)
        return order

    async def _all_paid(self, moments: dict[Any, Any]) -> None:
        """Every order was placed and paid at its moment; votes are changed by their owner alone."""
        owner = await asyncpg.connect(self.owner_url)
        try:
            for table, key in (("votes", "id"), ("order_keys", "vote_id")):
                await owner.execute(
                    f"update {table} t set placed_at = m.at from unnest($1::uuid[], $2::timestamptz[]) m(reference, at)"
                    f" join payments p on p.reference = m.reference where t.{key} = p.vote_id",
                    list(moments),
                    list(moments.values()),
                )
            await owner.execute(
                "update payments p set placed_at = m.at, confirmed_at = m.at, status = 'confirmed',"
                " next_check_at = null from unnest($1::uuid[], $2::timestamptz[]) m(reference, at)"
                " where p.reference = m.reference",
                list(moments),
                list(moments.values()),
            )
            await owner.execute(
                "insert into evidence (reference, word, source, amount_minor, currency, raw) select reference,"
                " 'succeeded', 'status', amount_minor, currency, '{}' from payments where reference = any($1::uuid[])",
                list(moments),
            )
        finally:
            await owner.close()

    async def evening(self, votes: list[tuple[float, dict[str, Any]]]) -> dict[str, int]:
        """How many of these votes were counted, and how many are held for which reason. Each has the second of the
        evening at which it was ordered."""
        moments = {}
        for second, vote in votes:
            order = await self.ordered(**vote)
            moments[order.payment_reference] = self.began + timedelta(seconds=second)
        await self._all_paid(moments)
        await self.settle_all()
        rows = await self.rows(
            "select coalesce(case when status = 'held' then reason end, status) as what, count(*) as many"
            " from payments where reference = any(:r) group by 1",
            r=list(moments),
        )
        return {row.what: row.many for row in rows}


@pytest.fixture
async def rig(database: Database) -> AsyncIterator[Evening]:
    made = Evening(database.app_url)
    made.owner_url = database.owner_url
    yield await made.open()
    try:
        assert await made.broken() == {}
    finally:
        await made.close()


def many(count: int, apart: float, **vote: Any) -> list[tuple[float, dict[str, Any]]]:
    """Votes of different wallets in no block, so many seconds apart."""
    return [(n * apart, {"number": 1_000_000 + 137 * n, **vote}) for n in range(count)]


ATTACKS: dict[str, tuple[list[tuple[float, dict[str, Any]]], dict[str, int]]] = {
    "a bot on one address": (many(12, 2, address="41.66.0.9"), {"web_votes": 12}),
    "a bot on one device behind a carrier": (many(12, 5.4, device="bot", address=CARRIER), {"web_votes": 12}),
    "a wallet that a program drives": (
        [(n * 2.0, {"number": 7, "code": "07"}) for n in range(5)],
        {"settled": 1, "too_fast": 4},
    ),
    "a device that votes for everybody": (
        [(n * 10.0, {"number": 137 * n, "device": "d", "code": f"0{n + 1}"}) for n in range(4)],
        {"settled": 2, "many_candidates": 2},
    ),
    "a bought block of numbers": (
        [(n * 30.0, {"number": 44_100 + n}) for n in range(12)],
        {"settled": 9, "number_block": 3},
    ),
}
HONEST: dict[str, list[tuple[float, dict[str, Any]]]] = {
    "a crowd behind one carrier address": [
        (n * 0.5, {"number": 5_000_000 + 137 * n, "device": f"phone {n}", "address": CARRIER, "code": f"0{1 + n % 9}"})
        for n in range(40)
    ],
    "a family on one phone": [(n * 45.0, {"number": 8_123_456, "code": f"0{n + 1}"}) for n in range(6)],
    "a fan who votes 200 times": [(n * 30.0, {"number": 9_123_456}) for n in range(200)],
}


@pytest.mark.parametrize("attack", ATTACKS)
async def test_an_attack_is_held(rig: Evening, attack: str) -> None:
    votes, expected = ATTACKS[attack]
    assert await rig.evening(votes) == expected


async def test_honest_voters_are_not_held(rig: Evening) -> None:
    everybody = [vote for votes in HONEST.values() for vote in votes]
    assert await rig.evening(everybody) == {"settled": len(everybody)}
    assert await rig.rows("select * from fraud_findings") == []


async def test_a_held_vote_waits_for_a_person_and_goes_back_when_none_decides(rig: Evening) -> None:
    """Its voter learns that it is checked; what is released counts, what nobody decided about in time is refunded."""
    votes = [(n * 1.0, {"number": 7}) for n in range(3)]
    assert await rig.evening(votes) == {"settled": 1, "too_fast": 2}
    found = await rig.rows("select rule, verdict, seen, limits_version from fraud_findings")
    assert [tuple(one) for one in found] == [("too_fast", "hold", {"seen": 1, "limit": 5}, 0)] * 2
    (noted,) = await rig.rows("select * from audit_log where act = 'fraud.found'")
    assert (noted.contest_id, noted.detail["rules"]) == (rig.contest.id, {"too_fast": 2})
    texts = await rig.rows("select kind, params from messages_out order by kind, key")
    assert [one.kind for one in texts] == ["payment_held", "payment_held", "receipt"]
    assert texts[0].params == {"reason": "too_fast", "hours": 24}
    assert await RulesVersions(rig.engine).held_votes(rig.contest.id) == 10
    released, late = await rig.rows("select reference from payments where status = 'held' order by placed_at")
    await rig.agreed(Act.RELEASE_HELD, released.reference)
    assert await rig.votes_for("07") == 10
    assert await rig.settle_all() == 0
    await rig.change("update payments set decide_by = now() where reference = :r", r=late.reference)
    assert await rig.settle_all() == 1
    assert await rig.one("select status from payments where reference = :r", r=late.reference) == "refund_due"
    assert await rig.one("select params->>'reason' from messages_out where kind = 'refund_pending'") == "undecided"
    assert await rig.votes_for("07") == 10
