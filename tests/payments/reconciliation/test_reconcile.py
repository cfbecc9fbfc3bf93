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

from admin.approvals.staff_acts import Outcome, StaffActs
from admin.approvals.store import StaffRequests
from gateway.orders.rules import PlacedOrder
from gateway.runtime.accounts import statement_reader
from gateway.values.money import Money
from payments.ledger.book import MoneyRefused, UnknownName
from payments.ledger.differences import DifferenceKind
from payments.provider import Balance, Unavailable, Wallet
from payments.reconciliation.balances import Balances
from payments.reconciliation.difference_acts import Decisions, freeze_decision
from payments.reconciliation.differences import DifferenceLine, Differences
from payments.reconciliation.reconcile import Account, Comparison, Reconciler
from payments.reconciliation.rules import Repair, read_group
from payments.reconciliation.store import ReconciliationStore
from payments.reconciliation.undo_import import UndoImport, freeze_undo
from payments.requests import Act, ActRefused, RequestStatus, Why
from sandbox.operators.book import STATEMENT_HEADER
from tests.rigs.money_rig import RIGHTS, Killed, MoneyRig, hire
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


async def test_what_agrees_is_matched_and_fees_are_booked(service: Reconciling) -> None:
    one, two = await service.counted(), await service.counted(number="+2250501020305")
    done = await service.imported(ours(one, fee=5), {"msisdn": "2250501020305", "our_reference": "", "fee": 7})
    assert (done.lines, done.new, done.matched, done.found) == (2, 2, 2, {})
    assert done.fees == [Money(12, "XOF")]
    assert await service.account("operator_clearing") == 988
    assert await service.rig.rows("select matched_by from statement_lines order by id") == [
        ("our_reference",),
        ("amount_number_time",),
    ]
    assert {row.matched_reference for row in await service.rig.rows("select * from statement_lines")} == {
        one.payment_reference,
        two.payment_reference,
    }
    assert await service.rig.broken() == {}


async def test_a_file_is_imported_once_and_its_lines_in_another_file_count_once(service: Reconciling) -> None:
    order = await service.counted()
    row = ours(order, provider_reference="op-1", fee=5)
    data = statement(dict(row))
    await service.reconciler.import_file("mtn_momo", "a.csv", data, AWA)
    with pytest.raises(MoneyRefused, match="imported before"):
        await service.reconciler.import_file("mtn_momo", "b.csv", data, AWA)
    again = await service.reconciler.import_file("mtn_momo", "c.csv", statement(dict(row), ours(order)), AWA)
    assert (again.new, again.found) == (1, {DifferenceKind.DOUBLE: 1})
    assert await service.account("operator_fee") == 5


async def test_refused_before_anything_is_kept(service: Reconciling) -> None:
    with pytest.raises(UnknownName, match="there are: mtn_momo"):
        await service.reconciler.import_file("wave", "a.csv", statement(), AWA)
    with pytest.raises(MoneyRefused, match="no line names the columns"):
        await service.reconciler.import_file("mtn_momo", "a.csv", b"nothing", AWA)
    with pytest.raises(ActRefused):
        await service.reconciler.import_file("mtn_momo", "a.csv", statement(), " ")
    sita = await hire(service.rig.engine, "sita@house.test", "support")
    with pytest.raises(ActRefused, match="lacks reconcile"):
        await service.reconciler.import_file("mtn_momo", "a.csv", statement(), sita)
    assert await service.rig.one("select count(*) from statement_files") == 0


async def test_missing_here_with_our_reference_is_asked_about_and_comes_in(service: Reconciling) -> None:
    order = await service.rig.placed()
    await service.rig.collect()
    done = await service.imported(ours(order))
    assert (done.waiting, done.found) == (1, {DifferenceKind.MISSING_HERE: 1})
    assert await service.account("operator_clearing") == 0
    assert await service.rig.status(order) == "pending"
    service.provider.query_script = [paid()]
    await service.rig.verify()
    await service.rig.settle_all()
    assert await service.rig.status(order) == "settled"
    again = await service.reconciler.compare("mtn_momo")
    assert (again.matched, again.closed) == (1, 1)
    assert await service.kinds() == []
    assert await service.rig.broken() == {}


async def test_missing_here_and_of_an_unknown_payer(service: Reconciling) -> None:
    await service.imported({"our_reference": str(uuid4()), "msisdn": "2250501999999"})
    (found,) = await service.differences.differences()
    assert (found.kind, found.amount_minor) == (DifferenceKind.MISSING_HERE, 500)
    assert Repair.UNEXPLAINED in found.offered
    assert "0501999999" not in str(found)
    with pytest.raises(ActRefused, match="choose: unexplained"):
        await service.repaired(found.id, Repair.TO_BANK, person=AWA, reason="it is not")
    with pytest.raises(ActRefused):
        await service.repaired(found.id, Repair.UNEXPLAINED, person=AWA, reason="x")
    decided = await service.repaired(found.id, Repair.UNEXPLAINED, person=AWA, reason="it is unknown")
    assert (decided.status, decided.resolved_by) == ("resolved", f"{AWA}, {YAO}")
    assert await service.rig.one("select ledger_tx from differences where id = :id", id=found.id) is not None
    assert (await service.account("operator_clearing"), await service.account("unexplained")) == (500, -500)
    with pytest.raises(ActRefused, match="decided about"):
        await service.repaired(found.id, Repair.UNEXPLAINED, person=AWA, reason="once more")
    again = await service.reconciler.compare("mtn_momo")
    assert (again.found, await service.kinds()) == ({}, [])
    assert await service.rig.one("select count(*) from audit_log where act = 'reconcile.resolved'") == 1
    assert await service.rig.broken() == {}


async def test_what_the_operator_kept_of_it_is_booked_with_the_decision(service: Reconciling) -> None:
    await service.imported({"our_reference": str(uuid4()), "msisdn": "2250501999999", "fee": 7})
    (found,) = await service.differences.differences()
    await service.repaired(found.id, Repair.UNEXPLAINED, person=AWA, reason="it is unknown")
    held = {name: await service.account(name) for name in ("operator_clearing", "unexplained", "operator_fee")}
    assert held == {"operator_clearing": 493, "unexplained": -500, "operator_fee": 7}
    assert await service.rig.broken() == {}


async def test_lines_of_another_account_at_the_operator_are_left_to_it(service: Reconciling) -> None:
    order = await service.counted()
    cameroon = replace(service.provider.can, currencies=frozenset({"XAF"}))
    other = TellingProvider()
    other.can = cameroon
    accounts = {**service.reconciler._accounts, "mtn_momo@cm": Account("mtn_momo@cm", other, ["CM"])}
    service.reconciler._accounts = accounts
    done = await service.imported(ours(order), {"currency": "XAF"}, {"currency": "EUR", "our_reference": "x"})
    assert (done.lines, done.elsewhere, done.matched, done.found) == (2, 1, 1, {DifferenceKind.MISSING_HERE: 1})


async def test_an_amount_that_differs_is_booked_as_kept(service: Reconciling) -> None:
    order = await service.counted()
    await service.imported(ours(order, amount=450))
    (found,) = await service.differences.differences()
    assert (found.kind, found.amount_minor) == (DifferenceKind.AMOUNT, -50)
    await service.repaired(found.id, Repair.OPERATOR_KEPT, person=AWA, reason="commission of the day")
    assert (await service.account("operator_clearing"), await service.account("operator_fee")) == (450, 50)
    assert await service.rig.broken() == {}


async def test_a_line_that_a_later_statement_restates_is_reported(service: Reconciling) -> None:
    line = ours(await service.counted(), provider_reference="op-line", fee=5)
    assert (await service.imported(dict(line))).found == {}
    restated = dict(line, amount=450, fee=7)
    again = await service.imported(dict(restated))
    assert (again.new, again.found, again.fees) == (1, {DifferenceKind.AMOUNT: 1}, [])
    (found,) = await service.differences.differences()
    assert (found.amount_minor, "the operator has 450 XOF" in found.detail) == (-50, True)
    # Shown once more, by whichever file, it is no news; nor is the first line.
    assert (await service.imported(dict(restated), ours(await service.counted(number="+2250501020399")))).found == {}
    assert (await service.imported(dict(line), ours(await service.counted(number="+2250501020398")))).found == {}
    await service.repaired(found.id, Repair.OPERATOR_KEPT, person=AWA, reason="they kept it")
    assert await service.kinds() == []
    assert await service.rig.broken() == {}


async def test_a_double_goes_back_by_hand(service: Reconciling) -> None:
    order = await service.counted()
    done = await service.imported(ours(order), ours(order))
    assert (done.matched, done.found) == (2, {DifferenceKind.DOUBLE: 1})
    (found,) = await service.differences.differences()
    with pytest.raises(ActRefused, match="operator's reference"):
        await service.repaired(found.id, Repair.RETURNED, person=AWA, reason="taken twice")
    await service.repaired(found.id, Repair.RETURNED, person=AWA, reason="taken twice", operator_reference="MP1")
    assert (await service.account("operator_clearing"), await service.account("unexplained")) == (500, 0)
    assert await service.rig.one("select note from differences") == "taken twice (operator: MP1)"
    assert await service.rig.broken() == {}


async def test_another_day_is_accepted_without_a_posting(service: Reconciling) -> None:
    order = await service.counted()
    await service.imported(ours(order, at=datetime.now(UTC) - timedelta(days=3)))
    (found,) = await service.differences.differences()
    assert found.kind == DifferenceKind.DATE
    await service.repaired(found.id, Repair.ACCEPT, person=AWA, reason="their clock")
    assert await service.rig.one("select ledger_tx from differences where id = :id", id=found.id) is None


async def test_missing_there_a_day_later_until_a_later_statement_has_it(service: Reconciling) -> None:
    order, other = await service.counted(), await service.counted(number="+2250501020305")
    now = datetime.now(UTC)
    await service.imported(
        ours(other, at=now - timedelta(hours=1)),
        ours(other, provider_reference="end", at=now + timedelta(hours=1), kind="fee", amount=1),
    )
    first = await service.differences.differences()
    assert DifferenceKind.MISSING_THERE not in {d.kind for d in first}
    await service.superuser("""
        update payments set confirmed_at = confirmed_at - interval '30 hours';
        update statement_files set first_at = first_at - interval '1 day'""")
    assert (await service.reconciler.compare("mtn_momo")).found == {DifferenceKind.MISSING_THERE: 1}
    assert (await service.reconciler.compare("mtn_momo")).found == {}
    found = next(d for d in await service.differences.differences() if d.kind == DifferenceKind.MISSING_THERE)
    assert (found.reference, found.amount_minor) == (order.payment_reference, -500)
    await service.reconciler.import_file("mtn_momo", "late.csv", statement(ours(order)), AWA)
    assert DifferenceKind.MISSING_THERE not in await service.kinds()


async def test_balances(service: Reconciling) -> None:
    await service.counted()
    service.provider.held = {Wallet.COLLECTION: 500, Wallet.DISBURSEMENT: 10_000}
    collects, pays = await service.reconciler.check_balances()
    assert (collects.gap_minor, pays.gap_minor) == (0, 10_000)
    (found,) = await service.differences.differences()
    assert (found.kind, found.wallet) == (DifferenceKind.BALANCE, Wallet.DISBURSEMENT)
    service.provider.held[Wallet.DISBURSEMENT] = 9_000
    await service.reconciler.check_balances()
    (found,) = await service.differences.differences()
    assert found.amount_minor == 9_000
    await service.repaired(found.id, Repair.FROM_BANK, person=AWA, reason="what we put in")
    assert [c.gap_minor for c in await service.reconciler.check_balances()] == [0, 0]
    assert (await service.account("operator_float"), await service.account("bank")) == (9_000, -9_000)
    service.provider.held[Wallet.COLLECTION] = 400
    assert (await service.reconciler.check_balances())[0].gap_minor == -85  # 3 % may be fees of no statement yet
    service.provider.held[Wallet.COLLECTION] = 500
    await service.reconciler.check_balances()
    assert await service.kinds() == []
    assert await service.rig.one("select count(*) from balance_checks") == 10
    assert await service.rig.broken() == {}


async def test_an_operator_that_says_nothing_is_no_difference(service: Reconciling) -> None:
    service.provider.held = {Wallet.COLLECTION: None, Wallet.DISBURSEMENT: None}
    assert [c.gap_minor for c in await service.reconciler.check_balances()] == [None, None]
    assert await service.kinds() == []


async def test_once_a_day(service: Reconciling) -> None:
    await service.reconciler.daily()
    await service.reconciler.daily()
    assert await service.rig.one("select count(*) from balance_checks") == 2


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
async def test_the_audit_finds_what_statements_contradict(service: Reconciling, name: str) -> None:
    order = await service.counted()
    await service.imported(ours(order))
    assert await service.rig.broken() == {}
    await service.superuser(PLANTED[name])
    assert {each.split()[0] for each in await service.rig.broken()} == {name}


async def test_a_decision_explains_it_to_the_audit(service: Reconciling) -> None:
    order = await service.counted()
    await service.imported(ours(order), ours(order), {"our_reference": str(UUID(int=7)), "msisdn": ""})
    await service.superuser(DAY)
    assert {each.split()[0] for each in await service.rig.broken()} == {"R1", "R3"}
    for found in await service.differences.differences():
        await service.repaired(found.id, Repair.UNEXPLAINED, person=AWA, reason="looked into")
    assert await service.rig.broken() == {}


async def unnamed(
    service: Reconciling, many: int = 1, *, fee: int = 0, name: str = "day.csv", **more: Any
) -> Comparison:
    """Lines of unknown payers."""
    rows = [{"our_reference": str(uuid4()), "msisdn": "2250501999999", "fee": fee, **more} for _ in range(many)]
    return await service.reconciler.import_file("mtn_momo", name, statement(*rows), AWA)


async def group_of(service: Reconciling) -> str:
    (line,) = await service.differences.groups()
    return line.key


async def test_a_correction_needs_two_persons(service: Reconciling) -> None:
    await unnamed(service)
    (found,) = await service.differences.differences()
    asked = await service.acts.ask(Act.RECONCILE, str(found.id), {"repair": "unexplained"}, "it is unknown", AWA)
    request = await service.acts.requests.read(asked)
    assert request is not None
    shown = {
        name: request.preview[name] for name in ("account", "kind", "repair", "differences", "amount_minor", "books")
    }
    assert shown == {
        "account": "mtn_momo",
        "kind": "missing_here",
        "repair": "unexplained",
        "differences": 1,
        "amount_minor": 500,
        "books": "operator_clearing +500, unexplained -500",
    }
    with pytest.raises(ActRefused) as refused:
        await service.acts.decide(asked, AWA, approve=True)
    assert refused.value.why is Why.OWN_REQUEST
    with pytest.raises(ActRefused) as refused:
        await service.acts.decide(asked, await hire(service.rig.engine, "sita@house.test", "support"), approve=True)
    assert refused.value.why is Why.NOT_ALLOWED
    assert await service.account("operator_clearing") == 0
    # It is not asked about twice, and it is free again once it was turned down.
    with pytest.raises(ActRefused, match="waits for a second person"):
        await service.acts.ask(Act.RECONCILE, str(found.id), {"repair": "unexplained"}, "once more", AWA)
    await service.acts.decide(asked, YAO, approve=False)
    assert (await service.differences.differences())[0].request is None
    await service.repaired(found.id, Repair.UNEXPLAINED, person=AWA, reason="it is unknown")
    log = [(row.actor, row.act) for row in await service.rig.rows("select actor, act from audit_log order by id")]
    assert log[-4:] == [
        (AWA, "reconcile.asked"),
        (YAO, "reconcile.approved"),
        (AWA, "reconcile.resolved"),
        (AWA, "reconcile.done"),
    ]


@pytest.mark.parametrize(
    "subject", ["0", "9" * 30, "x", "a/b/c/d/e/f", "mtn_momo/double/collection/XOF/2026-11-21/more"]
)
async def test_a_decision_is_about_something(service: Reconciling, subject: str) -> None:
    await unnamed(service)
    with pytest.raises(ActRefused) as refused:
        await service.acts.ask(Act.RECONCILE, subject, {"repair": "unexplained"}, "it is unknown", AWA)
    assert refused.value.why is Why.UNKNOWN
    with pytest.raises(ActRefused, match="is no decision"):
        await service.acts.ask(Act.RECONCILE, "1", {"repair": "nothing"}, "it is unknown", AWA)


async def test_a_group_is_decided_by_two_in_batches_and_only_as_it_was_asked_about(
    service: Reconciling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("payments.reconciliation.difference_acts.BATCH", 2)
    await unnamed(service, 5, fee=7)
    (line,) = await service.differences.groups()
    assert (line.count, line.amount, line.asked) == (5, 2500, 0)
    assert line.key == f"mtn_momo/missing_here/collection/XOF/{datetime.now(UTC).date()}/more"
    assert len(await service.differences.differences(group=read_group(line.key))) == 5
    with pytest.raises(ActRefused, match="for each one"):
        await service.acts.ask(Act.RECONCILE, line.key, {"repair": "returned", "operator_reference": "x"}, "all", AWA)
    asked = await service.acts.ask(Act.RECONCILE, line.key, {"repair": "unexplained"}, "a till of theirs", AWA)
    await unnamed(service, 1, name="later.csv")
    (line,) = await service.differences.groups()
    assert (line.count, line.asked) == (6, 5)
    with pytest.raises(ActRefused, match="choose: unexplained"):
        await service.acts.ask(Act.RECONCILE, line.key, {"repair": "to_bank"}, "the other one", AWA)
    outcome = await service.acts.decide(asked, YAO, approve=True)
    assert outcome.status is RequestStatus.APPROVED
    while await service.acts.requests.approved(1):
        await service.acts.run_approved()
    request = await service.acts.requests.read(asked)
    assert request is not None
    assert (request.status, request.outcome) == (RequestStatus.DONE, "5 of 5 differences decided: unexplained")
    assert (await service.account("unexplained"), await service.account("operator_fee")) == (-2500, 35)
    assert [d.status for d in await service.differences.differences(open_only=False)] == ["resolved"] * 5 + ["open"]
    assert await service.rig.one("select count(distinct ledger_tx) from differences") == 5
    assert await service.rig.broken() == {}


async def test_what_is_explained_before_the_second_person_agrees_is_not_booked(service: Reconciling) -> None:
    order = await service.rig.placed()
    await service.rig.collect()
    await service.imported(ours(order))
    (found,) = await service.differences.differences()
    asked = await service.acts.ask(Act.RECONCILE, str(found.id), {"repair": "unexplained"}, "it is unknown", AWA)
    service.provider.query_script = [paid()]
    await service.rig.verify()
    await service.rig.settle_all()
    await service.reconciler.compare("mtn_momo")
    outcome = await service.acts.decide(asked, YAO, approve=True)
    assert (outcome.status, outcome.text) == (
        RequestStatus.FAILED,
        "what it was about is explained or has changed since",
    )
    assert await service.account("unexplained") == 0


async def test_killed_at_every_statement_a_decision_is_booked_once(
    service: Reconciling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("payments.reconciliation.difference_acts.BATCH", 2)
    for statement in range(1, 60):
        await unnamed(service, 3, name=f"{statement}.csv")
        asked = await service.acts.ask(Act.RECONCILE, await group_of(service), {"repair": "unexplained"}, "theirs", AWA)
        try:
            with service.rig.dying_at(statement):
                await service.acts.decide(asked, YAO, approve=True)
                await service.acts.run_approved()
                died = False
        except Killed:
            died = True
        request = await service.acts.requests.read(asked)
        assert request is not None
        if request.status is RequestStatus.WAITING:
            await service.acts.decide(asked, YAO, approve=True)
        while await service.acts.requests.approved(1):
            await service.acts.run_approved()
        assert await service.account("unexplained") == -1500 * statement, statement
        assert await service.kinds() == []
        if not died:
            break
    else:
        pytest.fail("it never ran to its end")
    assert await service.rig.broken() == {}


async def test_an_import_is_undone_and_may_come_again(service: Reconciling) -> None:
    one, two = await service.counted(), await service.counted(number="+2250501020305")
    rows = (ours(one, fee=5, provider_reference="op-1"), ours(one, provider_reference="op-2"), ours(two, fee=7))
    data = statement(*rows, {"our_reference": "x", "msisdn": ""})
    await service.reconciler.import_file("mtn_momo", "day.csv", data, AWA)
    assert (await service.account("operator_fee"), sorted(await service.kinds())) == (12, ["double", "missing_here"])
    outcome = await service.undone()
    assert (outcome.status, outcome.text) == (
        RequestStatus.DONE,
        "day.csv is undone: 4 lines, 2 open differences",
    )
    assert (await service.account("operator_fee"), await service.account("operator_clearing")) == (0, 1000)
    assert await service.kinds() == []
    assert await service.rig.one("select count(*) from statement_lines where matched_reference is not null") == 0
    # Nothing of it is gone.
    assert await service.rig.one("select count(*) from statement_lines") == 4
    assert [d.status for d in await service.differences.differences(open_only=False)] == ["undone"] * 2
    assert await service.rig.one("select count(*) from audit_log where act = 'reconcile.undone'") == 1
    await service.superuser(DAY)
    assert await service.rig.broken() == {}
    again = await service.reconciler.import_file("mtn_momo", "day.csv", data, AWA)
    assert (again.new, again.matched) == (4, 3)
    assert again.found == {DifferenceKind.DOUBLE: 1, DifferenceKind.MISSING_HERE: 1}
    assert await service.account("operator_fee") == 12
    with pytest.raises(MoneyRefused, match="imported before"):
        await service.reconciler.import_file("mtn_momo", "day.csv", data, AWA)


async def test_a_wrong_file_before_the_right_one(service: Reconciling) -> None:
    """Lines of the right file were second ones only beside those of the wrong file."""
    order = await service.counted()
    await service.reconciler.import_file("mtn_momo", "wrong.csv", statement(ours(order, provider_reference="w")), AWA)
    right = await service.imported(ours(order, provider_reference="r", amount=450, fee=5))
    assert right.found == {DifferenceKind.DOUBLE: 1}
    await service.undone("wrong.csv")
    assert await service.kinds() == [DifferenceKind.AMOUNT]
    assert await service.account("operator_fee") == 5
    assert await service.rig.one("select count(*) from statement_lines where matched_reference is not null") == 1
    assert await service.rig.broken() == {}


async def test_what_an_undone_file_explained_is_open_again(service: Reconciling) -> None:
    order = await service.counted()
    await service.superuser("update payments set confirmed_at = confirmed_at - interval '30 hours'")
    await unnamed(service)
    await service.superuser("update statement_files set first_at = first_at - interval '2 days'")
    await service.reconciler.compare("mtn_momo")
    assert DifferenceKind.MISSING_THERE in await service.kinds()
    data = statement(ours(order, at=datetime.now(UTC) - timedelta(hours=30)))
    await service.reconciler.import_file("mtn_momo", "late.csv", data, AWA)
    assert DifferenceKind.MISSING_THERE not in await service.kinds()
    await service.undone("late.csv")
    assert DifferenceKind.MISSING_THERE in await service.kinds()
    # Without any file that speaks for its time nothing is missing on one, and it can be found anew.
    await service.undone()
    assert await service.kinds() == []
    await unnamed(service, name="again.csv")
    await service.superuser(
        "update statement_files set first_at = first_at - interval '2 days' where undone_at is null"
    )
    await service.reconciler.compare("mtn_momo")
    assert DifferenceKind.MISSING_THERE in await service.kinds()


async def test_what_was_decided_on_stays_imported(service: Reconciling) -> None:
    order = await service.counted()
    line = ours(order, provider_reference="op-1")
    await service.imported(dict(line), {"our_reference": "x", "msisdn": ""})
    (found,) = await service.differences.differences()
    asked = await service.acts.ask(Act.RECONCILE, str(found.id), {"repair": "unexplained"}, "it is unknown", AWA)
    with pytest.raises(ActRefused, match="wait for a decision"):
        await service.undone()
    await service.acts.decide(asked, YAO, approve=False)
    await service.reconciler.import_file("mtn_momo", "later.csv", statement(dict(line), ours(order)), AWA)
    with pytest.raises(ActRefused, match=r"undo these first: later\.csv"):
        await service.undone()
    assert (await service.undone("later.csv")).status is RequestStatus.DONE
    await service.repaired(found.id, Repair.UNEXPLAINED, person=AWA, reason="it is unknown")
    with pytest.raises(ActRefused, match="1 of its differences are decided"):
        await service.undone()
    for subject in ("x", str(uuid4())):
        with pytest.raises(ActRefused) as refused:
            await service.acts.ask(Act.UNDO_IMPORT, subject, {}, "no such import", AWA)
        assert refused.value.why is Why.UNKNOWN


async def test_killed_at_every_statement_an_import_is_undone_once(service: Reconciling) -> None:
    order = await service.counted()
    for statement_number in range(1, 80):
        name = f"{statement_number}.csv"
        data = statement(ours(order, fee=5, provider_reference="op-1"), {"our_reference": "x", "msisdn": ""})
        await service.reconciler.import_file("mtn_momo", name, data, AWA)
        assert await service.account("operator_fee") == 5
        file = next(file for file in await service.differences.files() if not file.undone_at)
        asked = await service.acts.ask(Act.UNDO_IMPORT, str(file.id), {}, "of another account", AWA)
        try:
            with service.rig.dying_at(statement_number):
                await service.acts.decide(asked, YAO, approve=True)
                died = False
        except Killed:
            died = True
        request = await service.acts.requests.read(asked)
        assert request is not None
        if request.status is RequestStatus.WAITING:
            await service.acts.decide(asked, YAO, approve=True)
        await service.acts.run_approved()
        assert (await service.account("operator_fee"), await service.kinds()) == (0, []), statement_number
        if not died:
            break
    else:
        pytest.fail("it never ran to its end")
    assert await service.rig.broken() == {}
