"""Votes of an evening that is over, judged by the fraud rules when they are counted."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg

from gateway.orders.fraud import FRAUD_OFF, FraudLimits
from gateway.orders.prompting import Orderer, OrdererKind, PromptLimits
from gateway.orders.rules import Channel, PlacedOrder
from gateway.orders.store import Orders
from gateway.values.network import read_networks
from payments.collection.payers import card_index, holder_index
from payments.rollups.store import Rollups
from payments.settlement.settle import Settlement
from sandbox.crowd.plan import SHARED_NETWORKS, Attempt, Ending, Group, Stage, Wallet, make_plan
from sandbox.crowd.plan import Channel as Way
from tests.rigs.money_rig import MoneyRig

CARRIER = "160.154.10.9"
_STAGE = Stage("star", "CI", "*789#", "7890", "STAR", tuple(f"{n:02}" for n in range(1, 13)), 10_000)


class Evening(MoneyRig):
    """Votes that were ordered and paid at given moments of an evening that is over."""

    references: list[UUID]

    def __init__(self, app_url: str, *, owner_url: str) -> None:
        super().__init__(app_url)
        self.owner_url = owner_url

    async def open(self) -> "Evening":
        await super().open()
        self.settlement = Settlement(self.engine, FraudLimits())
        auto = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        crowds = PromptLimits(limited=False, shared_networks=read_networks(",".join(SHARED_NETWORKS)))
        self.orders = Orders(auto, self.vault, crowds, FRAUD_OFF)
        self.began = (await self.now()).replace(second=0, microsecond=0) - timedelta(hours=2)
        return self

    async def ordered(
        self,
        number: int,
        *,
        code: str = "07",
        device: str = "",
        address: str = "",
        quantity: int = 5,
        card: str = "",
        holder: str = "",
    ) -> PlacedOrder:
        """A vote of the wallet with this number: by USSD, or on the web where a device or an address is named. `card`,
        `holder`: what the operator shows of who paid."""
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
        if card or holder:
            await self.change(
                "update payments set card_index = :c, holder_index = :h where reference = :r",
                c=card_index(self.vault, card),
                h=holder_index(self.vault, holder),
                r=order.payment_reference,
            )
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
            await owner.execute("alter table payment_events disable trigger user")
            await owner.execute(
                "update payment_events e set at = m.at from unnest($1::uuid[], $2::timestamptz[]) m(reference, at)"
                " where e.reference = m.reference",
                list(moments),
                list(moments.values()),
            )
            await owner.execute("alter table payment_events enable trigger user")
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
        moments: dict[UUID, Any] = {}
        for second, vote in votes:
            order = await self.ordered(**vote)
            moments[order.payment_reference] = self.began + timedelta(seconds=second)
        self.references = list(moments)
        await self._all_paid(moments)
        await Rollups(self.engine).catch_up()
        await self.settle_all()
        rows = await self.rows(
            "select coalesce(case when status = 'held' then reason end, status) as what, count(*) as many"
            " from payments where reference = any(:r) group by 1",
            r=list(moments),
        )
        return {row.what: row.many for row in rows}

    async def crowd(self, voters: int, seconds: float, seed: int) -> dict[Group, tuple[int, int]]:
        """A generated crowd votes: of each group, how many paid and how many of those are held."""
        paying = [
            one
            for one in make_plan(_STAGE, voters, seconds, seed)
            if one.ending in (Ending.PAYS, Ending.MISTYPES) and one.wallet is not Wallet.CARD
        ]
        await self.evening([(one.at, _vote(one)) for one in paying])
        rows = await self.rows("select reference from payments where status = 'held'")
        held = {row.reference for row in rows}
        found = dict.fromkeys(Group, (0, 0))
        for one, reference in zip(paying, self.references, strict=True):
            paid, kept = found[one.group]
            found[one.group] = paid + 1, kept + (reference in held)
        return found


def _vote(attempt: Attempt) -> dict[str, Any]:
    on_the_web = attempt.channel in (Way.WEB, Way.API)
    return {
        "number": int(attempt.msisdn[-8:]),
        "code": attempt.candidate,
        "quantity": attempt.votes,
        "address": attempt.address if on_the_web else "",
        "device": f"person {attempt.person}" if attempt.channel is Way.WEB else "",
    }
