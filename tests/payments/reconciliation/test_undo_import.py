"""An import that two persons take back."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from payments.ledger.book import MoneyRefused
from payments.ledger.differences import DifferenceKind
from payments.reconciliation.rules import Repair
from payments.requests import Act, ActRefused, RequestStatus, Why
from tests.payments.reconciliation.reconciling import AWA, DAY, YAO, Reconciling, ours, statement, unnamed
from tests.payments.reconciliation.reconciling import service as service
from tests.rigs.money_rig import Killed


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
        request = await service.acts.requests.read(asked, None)
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
