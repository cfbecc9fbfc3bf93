"""Whom the acts of staff let ask and decide."""

import pytest
from sqlalchemy import text

from admin.access.rights import StaffRights
from admin.approvals.staff_acts import StaffActs
from admin.approvals.store import StaffRequests
from payments.requests import Act, ActRefused, RequestStatus, Why
from tests.admin.approvals.rig import rig as rig
from tests.rigs.money_rig import ASKER, CHECKER, REASON, MoneyRig, hire


@pytest.mark.parametrize(
    ("role", "asks", "decides"),
    [("owner", True, True), ("finance", True, True), ("support", True, False), ("auditor", False, False)],
)
async def test_roles_hold_where_all_doors_meet(rig: MoneyRig, role: str, asks: bool, decides: bool) -> None:
    order, eve = await rig.counted(), await hire(rig.engine, "eve@house.test", role)
    why = set()
    try:
        await rig.acts.ask(Act.REFUND_PAYMENT, str(order.payment_reference), {}, REASON, eve)
    except ActRefused as refused:
        why.add(("asks", refused.why))
    asked = await rig.acts.ask(Act.REFUND_PAYMENT, str(order.payment_reference), {}, REASON, ASKER)
    try:
        await rig.acts.decide(asked, eve, approve=True)
    except ActRefused as refused:
        why.add(("decides", refused.why))
    wanted = {"asks": asks, "decides": decides}
    assert why == {(what, Why.NOT_ALLOWED) for what, may in wanted.items() if not may}
    assert await rig.status(order) == ("refund_due" if decides else "settled")


async def test_the_rights_are_those_of_the_moment(rig: MoneyRig) -> None:
    order = await rig.counted()
    asked = await rig.acts.ask(Act.REFUND_PAYMENT, str(order.payment_reference), {}, REASON, ASKER)
    for email in (ASKER, CHECKER):
        await hire(rig.engine, email, active=False)
        with pytest.raises(ActRefused) as refused:
            await rig.acts.decide(asked, CHECKER, approve=True)
        assert (refused.value.why, email in str(refused.value)) == (Why.NO_PERSON, True)
        await hire(rig.engine, email)
    assert await rig.status(order) == "settled"
    assert (await rig.acts.decide(asked, CHECKER, approve=True)).status is RequestStatus.DONE


async def test_without_a_second_factor_acts_are_refused_in_production(rig: MoneyRig) -> None:
    order = await rig.counted()
    strict = StaffRequests(rig.engine, {}, StaffRights(factor_wanted=True))
    acts = StaffActs(strict, rig.acts._executors, rig.doorbell)
    with pytest.raises(ActRefused, match="no second factor") as refused:
        await acts.ask(Act.REFUND_PAYMENT, str(order.payment_reference), {}, REASON, ASKER)
    assert refused.value.why is Why.NOT_ALLOWED


async def test_who_works_for_one_organiser_touches_no_other(rig: MoneyRig) -> None:
    order, asked = await rig.counted(), []
    for act, subject in ((Act.REFUND_PAYMENT, order.payment_reference), (Act.VOID_WINDOW, "star")):
        params = {"from": "2020-01-01T00:00+00:00", "to": "2100-01-01T00:00+00:00"}
        asked.append(await rig.acts.ask(act, str(subject), params, REASON, ASKER))
    async with rig.engine.begin() as connection:
        await connection.execute(
            text(
                "with made as (insert into organisers (id, slug, name) values (gen_random_uuid(), 'other', 'Other')"
                " returning id) update staff set organiser_id = made.id from made where email = :e"
            ),
            {"e": CHECKER},
        )
    for one in asked:
        with pytest.raises(ActRefused) as refused:
            await rig.acts.decide(one, CHECKER, approve=True)
        assert refused.value.why is Why.UNKNOWN
    for act in (Act.REFUND_PAYMENT, Act.VOID_WINDOW, Act.RELEASE_HELD, Act.RETRY_REFUND, Act.REPLAY_CALLBACK):
        for subject in (str(order.payment_reference), "star", "1", "9" * 30):
            with pytest.raises(ActRefused) as refused:
                await rig.acts.ask(act, subject, {}, REASON, CHECKER)
            assert refused.value.why is Why.UNKNOWN
    assert await rig.status(order) == "settled"
