"""Statements against the book, on a real database: every kind of difference, and its end."""

import csv
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from gateway.domain.money import Money
from gateway.domain.order import PlacedOrder
from gateway.domain.reconciliation import DifferenceKind, Repair
from gateway.domain.staff_request import ActRefused
from gateway.money_desk import statement_reader
from gateway.ports.books import MoneyRefused, UnknownName
from gateway.ports.payment_provider import Balance, Unavailable, Wallet
from gateway.storage.balances import PostgresBalances
from gateway.storage.differences import PostgresDifferences
from gateway.storage.reconciliation import PostgresReconciliation
from gateway.usecases.reconcile import Account, Reconciler, Summary
from payments.sandbox.book import STATEMENT_HEADER
from tests.gateway.rig import Rig
from tests.gateway.scripted_provider import ScriptedProvider, paid

AWA = "finance@spotlight.test"


class TellingProvider(ScriptedProvider):
    """Tells what its wallets hold."""

    held: dict[Wallet, int | None]

    async def balance(self, wallet: Wallet, currency: str, country: str) -> Balance | Unavailable:
        minor = self.held[wallet]
        return Unavailable("down") if minor is None else Balance(Money(minor, currency))


@dataclass
class House:
    rig: Rig
    provider: TellingProvider
    reconciler: Reconciler
    database: Any

    async def counted(self, **wish: Any) -> PlacedOrder:
        """A vote of 500 francs, paid and counted."""
        order = await self.rig.placed(**wish)
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

    async def imported(self, *rows: dict[str, Any]) -> Summary:
        return await self.reconciler.import_file("mtn_momo", "day.csv", statement(*rows), AWA)

    async def kinds(self) -> list[DifferenceKind]:
        return [d.kind for d in await self.reconciler.differences()]

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
async def house(database: Any) -> AsyncIterator[House]:
    provider = TellingProvider()
    provider.can = replace(provider.can, has_balance=True, pays_from_float=True)
    provider.held = {Wallet.COLLECTION: 0, Wallet.DISBURSEMENT: 0}
    rig = await Rig(database.app_url, provider).open()
    engine = rig.engine
    reconciler = Reconciler(
        PostgresReconciliation(engine, rig.vault),
        PostgresDifferences(engine),
        PostgresBalances(engine),
        {"mtn_momo": Account("mtn_momo", provider, ["CI"])},
        statement_reader(),
    )
    yield House(rig, provider, reconciler, database)
    await rig.close()


async def test_what_agrees_is_matched_and_fees_are_booked(house: House) -> None:
    one, two = await house.counted(), await house.counted(number="+2250501020305")
    done = await house.imported(ours(one, fee=5), {"msisdn": "2250501020305", "our_reference": "", "fee": 7})
    assert (done.lines, done.new, done.matched, done.found) == (2, 2, 2, {})
    assert done.fees == [Money(12, "XOF")]
    assert await house.account("operator_clearing") == 988
    assert await house.rig.rows("select matched_by from statement_lines order by id") == [
        ("our_reference",),
        ("amount_number_time",),
    ]
    assert {row.matched_reference for row in await house.rig.rows("select * from statement_lines")} == {
        one.payment_reference,
        two.payment_reference,
    }
    assert await house.rig.broken() == {}


async def test_a_file_is_imported_once_and_its_lines_in_another_file_count_once(house: House) -> None:
    order = await house.counted()
    row = ours(order, provider_reference="op-1", fee=5)
    data = statement(dict(row))
    await house.reconciler.import_file("mtn_momo", "a.csv", data, AWA)
    with pytest.raises(MoneyRefused, match="imported before"):
        await house.reconciler.import_file("mtn_momo", "b.csv", data, AWA)
    again = await house.reconciler.import_file("mtn_momo", "c.csv", statement(dict(row), ours(order)), AWA)
    assert (again.new, again.found) == (1, {DifferenceKind.DOUBLE: 1})
    assert await house.account("operator_fee") == 5


async def test_refused_before_anything_is_kept(house: House) -> None:
    with pytest.raises(UnknownName, match="there are: mtn_momo"):
        await house.reconciler.import_file("wave", "a.csv", statement(), AWA)
    with pytest.raises(MoneyRefused, match="no line names the columns"):
        await house.reconciler.import_file("mtn_momo", "a.csv", b"nothing", AWA)
    with pytest.raises(ActRefused):
        await house.reconciler.import_file("mtn_momo", "a.csv", statement(), " ")
    assert await house.rig.one("select count(*) from statement_files") == 0


async def test_missing_here_with_our_reference_is_asked_about_and_comes_in(house: House) -> None:
    order = await house.rig.placed()
    await house.rig.collect()
    done = await house.imported(ours(order))
    assert (done.waiting, done.found) == (1, {DifferenceKind.MISSING_HERE: 1})
    assert await house.account("operator_clearing") == 0
    assert await house.rig.status(order) == "pending"
    house.provider.query_script = [paid()]
    await house.rig.verify()
    await house.rig.settle_all()
    assert await house.rig.status(order) == "settled"
    again = await house.reconciler.compare("mtn_momo")
    assert (again.matched, again.closed) == (1, 1)
    assert await house.kinds() == []
    assert await house.rig.broken() == {}


async def test_missing_here_and_nobody_can_name_it(house: House) -> None:
    await house.imported({"our_reference": str(uuid4()), "msisdn": "2250501999999"})
    (found,) = await house.reconciler.differences()
    assert (found.kind, found.amount_minor) == (DifferenceKind.MISSING_HERE, 500)
    assert Repair.UNEXPLAINED in found.offered
    assert "0501999999" not in str(found)
    with pytest.raises(MoneyRefused, match="choose: unexplained"):
        await house.reconciler.repair(found.id, Repair.TO_BANK, person=AWA, reason="it is not")
    with pytest.raises(ActRefused):
        await house.reconciler.repair(found.id, Repair.UNEXPLAINED, person=AWA, reason="x")
    decided = await house.reconciler.repair(found.id, Repair.UNEXPLAINED, person=AWA, reason="nobody knows it")
    assert (decided.status, decided.resolved_by, decided.ledger_tx is None) == ("resolved", AWA, False)
    assert (await house.account("operator_clearing"), await house.account("unexplained")) == (500, -500)
    with pytest.raises(MoneyRefused, match="decided about"):
        await house.reconciler.repair(found.id, Repair.UNEXPLAINED, person=AWA, reason="once more")
    again = await house.reconciler.compare("mtn_momo")
    assert (again.found, await house.kinds()) == ({}, [])
    assert await house.rig.one("select count(*) from audit_log where act = 'reconcile.resolved'") == 1
    assert await house.rig.broken() == {}


async def test_what_the_operator_kept_of_it_is_booked_with_the_decision(house: House) -> None:
    await house.imported({"our_reference": str(uuid4()), "msisdn": "2250501999999", "fee": 7})
    (found,) = await house.reconciler.differences()
    await house.reconciler.repair(found.id, Repair.UNEXPLAINED, person=AWA, reason="nobody knows it")
    held = {name: await house.account(name) for name in ("operator_clearing", "unexplained", "operator_fee")}
    assert held == {"operator_clearing": 493, "unexplained": -500, "operator_fee": 7}
    assert await house.rig.broken() == {}


async def test_lines_of_another_account_at_the_operator_are_left_to_it(house: House) -> None:
    order = await house.counted()
    cameroon = replace(house.provider.can, currencies=frozenset({"XAF"}))
    other = TellingProvider()
    other.can = cameroon
    accounts = {**house.reconciler._accounts, "mtn_momo@cm": Account("mtn_momo@cm", other, ["CM"])}
    house.reconciler._accounts = accounts
    done = await house.imported(ours(order), {"currency": "XAF"}, {"currency": "EUR", "our_reference": "x"})
    assert (done.lines, done.elsewhere, done.matched, done.found) == (2, 1, 1, {DifferenceKind.MISSING_HERE: 1})


async def test_an_amount_that_differs_is_booked_as_kept(house: House) -> None:
    order = await house.counted()
    await house.imported(ours(order, amount=450))
    (found,) = await house.reconciler.differences()
    assert (found.kind, found.amount_minor) == (DifferenceKind.AMOUNT, -50)
    await house.reconciler.repair(found.id, Repair.OPERATOR_KEPT, person=AWA, reason="commission of the day")
    assert (await house.account("operator_clearing"), await house.account("operator_fee")) == (450, 50)
    assert await house.rig.broken() == {}


async def test_a_line_that_a_later_statement_restates_is_told(house: House) -> None:
    line = ours(await house.counted(), provider_reference="op-line", fee=5)
    assert (await house.imported(dict(line))).found == {}
    restated = dict(line, amount=450, fee=7)
    again = await house.imported(dict(restated))
    assert (again.new, again.found, again.fees) == (1, {DifferenceKind.AMOUNT: 1}, [])
    (found,) = await house.reconciler.differences()
    assert (found.amount_minor, "the operator says 450 XOF" in found.detail) == (-50, True)
    # Said once more, by whichever file, it is no news; nor is the first line.
    assert (await house.imported(dict(restated), ours(await house.counted(number="+2250501020399")))).found == {}
    assert (await house.imported(dict(line), ours(await house.counted(number="+2250501020398")))).found == {}
    await house.reconciler.repair(found.id, Repair.OPERATOR_KEPT, person=AWA, reason="they kept it")
    assert await house.kinds() == []
    assert await house.rig.broken() == {}


async def test_a_double_goes_back_by_hand(house: House) -> None:
    order = await house.counted()
    done = await house.imported(ours(order), ours(order))
    assert (done.matched, done.found) == (2, {DifferenceKind.DOUBLE: 1})
    (found,) = await house.reconciler.differences()
    with pytest.raises(MoneyRefused, match="operator's reference"):
        await house.reconciler.repair(found.id, Repair.RETURNED, person=AWA, reason="taken twice")
    await house.reconciler.repair(found.id, Repair.RETURNED, person=AWA, reason="taken twice", operator_reference="MP1")
    assert (await house.account("operator_clearing"), await house.account("unexplained")) == (500, 0)
    assert await house.rig.one("select note from differences") == "taken twice (operator: MP1)"
    assert await house.rig.broken() == {}


async def test_another_day_is_accepted_without_a_posting(house: House) -> None:
    order = await house.counted()
    await house.imported(ours(order, at=datetime.now(UTC) - timedelta(days=3)))
    (found,) = await house.reconciler.differences()
    assert found.kind is DifferenceKind.DATE
    decided = await house.reconciler.repair(found.id, Repair.ACCEPT, person=AWA, reason="their clock")
    assert decided.ledger_tx is None


async def test_missing_there_a_day_later_until_a_later_statement_has_it(house: House) -> None:
    order, other = await house.counted(), await house.counted(number="+2250501020305")
    now = datetime.now(UTC)
    await house.imported(
        ours(other, at=now - timedelta(hours=1)),
        ours(other, provider_reference="end", at=now + timedelta(hours=1), kind="fee", amount=1),
    )
    first = await house.reconciler.differences()
    assert DifferenceKind.MISSING_THERE not in {d.kind for d in first}
    await house.superuser("""
        update payments set confirmed_at = confirmed_at - interval '30 hours';
        update statement_files set first_at = first_at - interval '1 day'""")
    assert (await house.reconciler.compare("mtn_momo")).found == {DifferenceKind.MISSING_THERE: 1}
    assert (await house.reconciler.compare("mtn_momo")).found == {}
    found = next(d for d in await house.reconciler.differences() if d.kind is DifferenceKind.MISSING_THERE)
    assert (found.reference, found.amount_minor) == (order.payment_reference, -500)
    await house.reconciler.import_file("mtn_momo", "late.csv", statement(ours(order)), AWA)
    assert DifferenceKind.MISSING_THERE not in await house.kinds()


async def test_balances(house: House) -> None:
    await house.counted()
    house.provider.held = {Wallet.COLLECTION: 500, Wallet.DISBURSEMENT: 10_000}
    collects, pays = await house.reconciler.check_balances()
    assert (collects.gap_minor, pays.gap_minor) == (0, 10_000)
    (found,) = await house.reconciler.differences()
    assert (found.kind, found.wallet) == (DifferenceKind.BALANCE, Wallet.DISBURSEMENT)
    house.provider.held[Wallet.DISBURSEMENT] = 9_000
    await house.reconciler.check_balances()
    (found,) = await house.reconciler.differences()
    assert found.amount_minor == 9_000
    await house.reconciler.repair(found.id, Repair.FROM_BANK, person=AWA, reason="what we put in")
    assert [c.gap_minor for c in await house.reconciler.check_balances()] == [0, 0]
    assert (await house.account("operator_float"), await house.account("bank")) == (9_000, -9_000)
    house.provider.held[Wallet.COLLECTION] = 400
    assert (await house.reconciler.check_balances())[0].gap_minor == -85  # 3 % may be fees of no statement yet
    house.provider.held[Wallet.COLLECTION] = 500
    await house.reconciler.check_balances()
    assert await house.kinds() == []
    assert await house.rig.one("select count(*) from balance_checks") == 10
    assert await house.rig.broken() == {}


async def test_an_operator_that_says_nothing_is_no_difference(house: House) -> None:
    house.provider.held = {Wallet.COLLECTION: None, Wallet.DISBURSEMENT: None}
    assert [c.gap_minor for c in await house.reconciler.check_balances()] == [None, None]
    assert await house.kinds() == []


async def test_once_a_day(house: House) -> None:
    await house.reconciler.daily()
    await house.reconciler.daily()
    assert await house.rig.one("select count(*) from balance_checks") == 2


DAY = "update statement_files set imported_at = imported_at - interval '25 hours';"
PLANTED = {
    "R1": DAY + "update statement_lines set matched_reference = gen_random_uuid()",
    "R2": DAY
    + """update payments set confirmed_at = confirmed_at - interval '25 hours';
    update statement_files set first_at = first_at - interval '2 days';
    update statement_lines set matched_reference = gen_random_uuid(), kind = 'other'""",
    "R3": DAY + "update statement_lines set amount_minor = amount_minor + 1",
}


@pytest.mark.parametrize("name", PLANTED)
async def test_the_audit_finds_what_statements_contradict(house: House, name: str) -> None:
    order = await house.counted()
    await house.imported(ours(order))
    assert await house.rig.broken() == {}
    await house.superuser(PLANTED[name])
    assert {each.split()[0] for each in await house.rig.broken()} == {name}


async def test_a_decision_explains_it_to_the_audit(house: House) -> None:
    order = await house.counted()
    await house.imported(ours(order), ours(order), {"our_reference": str(UUID(int=7)), "msisdn": ""})
    await house.superuser(DAY)
    assert {each.split()[0] for each in await house.rig.broken()} == {"R1", "R3"}
    for found in await house.reconciler.differences():
        await house.reconciler.repair(found.id, Repair.UNEXPLAINED, person=AWA, reason="looked into")
    assert await house.rig.broken() == {}
