"""Differences are decided by two persons, one by one or as a group."""

from datetime import UTC, datetime

import pytest

from payments.reconciliation.rules import Repair, read_group
from payments.requests import Act, ActRefused, RequestStatus, Why
from tests.payments.reconciliation.reconciling import AWA, YAO, Reconciling, group_of, ours, unnamed
from tests.payments.reconciliation.reconciling import service as service
from tests.rigs.money_rig import Killed, hire
from tests.rigs.scripted_provider import paid


async def test_a_correction_needs_two_persons(service: Reconciling) -> None:
    await unnamed(service)
    (found,) = await service.differences.differences()
    asked = await service.acts.ask(Act.RECONCILE, str(found.id), {"repair": "unexplained"}, "it is unknown", AWA)
    request = await service.acts.requests.read(asked, None)
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
    request = await service.acts.requests.read(asked, None)
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
        request = await service.acts.requests.read(asked, None)
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
