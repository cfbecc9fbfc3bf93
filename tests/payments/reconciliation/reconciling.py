"""Statements and balances of an imitated operator against the book, on a real database."""

import csv
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from admin.approvals.staff_acts import Outcome, StaffActs
from admin.approvals.store import StaffRequests
from gateway.orders.rules import PlacedOrder
from gateway.runtime.accounts import statement_reader
from gateway.values.money import Money
from payments.ledger.differences import DifferenceKind
from payments.provider import Balance, Unavailable, Wallet
from payments.reconciliation.balances import Balances
from payments.reconciliation.difference_acts import Decisions, freeze_decision
from payments.reconciliation.differences import DifferenceLine, Differences
from payments.reconciliation.reconcile import Account, Comparison, Reconciler
from payments.reconciliation.rules import Repair
from payments.reconciliation.store import ReconciliationStore
from payments.reconciliation.undo_import import UndoImport, freeze_undo
from payments.requests import Act, RequestStatus
from sandbox.operators.book import STATEMENT_HEADER
from tests.rigs.money_rig import RIGHTS, MoneyRig, hire
from tests.rigs.scripted_provider import ScriptedProvider, paid

AWA, YAO = "finance@spotlight.test", "owner@spotlight.test"


class TellingProvider(ScriptedProvider):
    """Tells what its wallets hold."""

    held: dict[Wallet, int | None]

    async def balance(self, wallet: Wallet, currency: str, country: str) -> Balance | Unavailable:
        minor = self.held[wallet]
        return Unavailable("down") if minor is None else Balance(Money(minor, currency))


@dataclass
class Reconciling:
    rig: MoneyRig
    provider: TellingProvider
    reconciler: Reconciler
    differences: Differences
    acts: StaffActs
    database: Any

    async def counted(self, **vote_request: Any) -> PlacedOrder:
        """A vote of 500 francs, paid and counted."""
        order = await self.rig.placed(**vote_request)
        await self.rig.collect()
        self.provider.query_script = [paid()]
        await self.rig.make_due()
        await self.rig.verify()
        await self.rig.settle_all()
        return order

    async def superuser(self, statement: str) -> None:
        connection = await asyncpg.connect(self.database.superuser_url)
        try:
            await connection.execute("set session_replication_role = replica")
            await connection.execute(statement)
        finally:
            await connection.close()

    async def imported(self, *rows: dict[str, Any]) -> Comparison:
        return await self.reconciler.import_file("mtn_momo", "day.csv", statement(*rows), AWA)

    async def repaired(
        self, number: int, repair: Repair, *, person: str, reason: str, operator_reference: str | None = None
    ) -> DifferenceLine:
        """A decision that one person asks for and another agrees to."""
        params = {"repair": repair.value, "operator_reference": operator_reference}
        asked = await self.acts.ask(Act.RECONCILE, str(number), params, reason, person)
        outcome = await self.acts.decide(asked, YAO, approve=True)
        assert outcome.status is RequestStatus.DONE, outcome
        (decided,) = (d for d in await self.differences.differences(open_only=False) if d.id == number)
        return decided

    async def undone(self, name: str = "day.csv") -> Outcome:
        """An import that two persons take back."""
        file = next(file for file in await self.differences.files() if file.name == name and not file.undone_at)
        asked = await self.acts.ask(Act.UNDO_IMPORT, str(file.id), {}, "of another account", AWA)
        return await self.acts.decide(asked, YAO, approve=True)

    async def kinds(self) -> list[DifferenceKind]:
        return [DifferenceKind(d.kind) for d in await self.differences.differences()]

    async def account(self, name: str) -> int:
        held: int = await self.rig.one("select coalesce(sum(amount_minor), 0) from postings where account = :a", a=name)
        return held


def statement(*rows: dict[str, Any]) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, STATEMENT_HEADER)
    writer.writeheader()
    for row in rows:
        at = row.pop("at", datetime.now(UTC))
        writer.writerow(
            {
                "provider_reference": uuid4().hex[:10],
                "msisdn": "2250501020304",
                "amount": 500,
                "currency": "XOF",
                "status": "SUCCESSFUL",
                "completed_at": at.isoformat(),
                "kind": "collection",
                "fee": 0,
                **row,
            }
        )
    return out.getvalue().encode()


def ours(order: PlacedOrder, **more: Any) -> dict[str, Any]:
    return {"our_reference": str(order.payment_reference), **more}


@pytest.fixture
async def service(database: Any) -> AsyncIterator[Reconciling]:
    provider = TellingProvider()
    provider.can = replace(provider.can, has_balance=True, pays_from_float=True)
    provider.held = {Wallet.COLLECTION: 0, Wallet.DISBURSEMENT: 0}
    rig = await MoneyRig(database.app_url, provider).open()
    provider.can = replace(provider.can, can_refund=False)
    engine = rig.engine
    await hire(engine, AWA)
    await hire(engine, YAO, "owner")
    reconciler = Reconciler(
        ReconciliationStore(engine, rig.vault, RIGHTS.permit),
        Balances(engine),
        {"mtn_momo": Account("mtn_momo", provider, ["CI"])},
        statement_reader(),
    )
    executors = {
        Act.RECONCILE: Decisions(engine).decide,
        Act.UNDO_IMPORT: UndoImport(engine, reconciler.compare_again).undo,
    }
    previews = {Act.RECONCILE: freeze_decision, Act.UNDO_IMPORT: freeze_undo}
    acts = StaffActs(StaffRequests(engine, previews, RIGHTS), executors, rig.doorbell)
    yield Reconciling(rig, provider, reconciler, Differences(engine), acts, database)
    await rig.close()


DAY = "update statement_files set imported_at = imported_at - interval '25 hours';"


async def unnamed(
    service: Reconciling, many: int = 1, *, fee: int = 0, name: str = "day.csv", **more: Any
) -> Comparison:
    """Lines of unknown payers."""
    rows = [{"our_reference": str(uuid4()), "msisdn": "2250501999999", "fee": fee, **more} for _ in range(many)]
    return await service.reconciler.import_file("mtn_momo", name, statement(*rows), AWA)


async def group_of(service: Reconciling) -> str:
    (line,) = await service.differences.groups()
    return line.key
