"""Statements against the book, on a real database: every kind of difference, and its end."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from gateway.values.money import Money
from payments.ledger.book import MoneyRefused, UnknownName
from payments.ledger.differences import DifferenceKind
from payments.reconciliation.reconcile import Account
from payments.reconciliation.rules import Repair
from payments.requests import ActRefused
from tests.payments.reconciliation.reconciling import AWA, DAY, YAO, Reconciling, TellingProvider, ours, statement
from tests.payments.reconciliation.reconciling import service as service
from tests.rigs.money_rig import hire
from tests.rigs.scripted_provider import paid


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
