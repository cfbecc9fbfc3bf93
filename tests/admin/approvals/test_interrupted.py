"""Acts that are killed, repeated or fail half way."""

import pytest

from admin.approvals.staff_acts import StaffActs
from admin.approvals.store import StaffRequests
from gateway.runtime.owed_work import OwedWork
from gateway.storage.doorbell import Work
from payments.requests import Act, Executed, RequestStatus, StaffRequest
from tests.admin.approvals.rig import rig as rig
from tests.rigs.money_rig import ASKER, CHECKER, REASON, RIGHTS, Killed, MoneyRig


@pytest.mark.parametrize(
    ("act", "prepare", "after"),
    [
        (Act.REFUND_PAYMENT, "counted", "refund_due"),
        (Act.RELEASE_HELD, "held", "settled"),
        (Act.REFUSE_HELD, "held", "refund_due"),
    ],
)
async def test_killed_at_every_statement_the_next_worker_goes_on(
    rig: MoneyRig, act: Act, prepare: str, after: str
) -> None:
    deaths, outcomes = 0, set[str | None]()
    while True:
        order = await getattr(rig, prepare)(number=f"+22505010203{deaths:02}")
        asked = await rig.acts.ask(act, str(order.payment_reference), {}, REASON, ASKER)
        try:
            with rig.dying_at(deaths + 1):
                outcome = await rig.acts.decide(asked, CHECKER, approve=True)
        except Killed:
            deaths += 1
        else:
            outcomes.add(outcome.text)
            break
        assert await rig.broken() == {}
        request = await rig.acts.requests.read(asked, None)
        assert request is not None
        if request.status is RequestStatus.WAITING:
            await rig.acts.decide(asked, CHECKER, approve=True)
        else:
            assert Work.STAFF_ACTS in await OwedWork(rig.engine).owed()
            assert await rig.acts.run_approved() == 1
        assert await rig.status(order) == after
        written = await rig.acts.requests.read(asked, None)
        assert written is not None
        assert written.status is RequestStatus.DONE
        outcomes.add(written.outcome)
        assert await rig.acts.run_approved() == 0
    assert deaths > 8
    assert len(outcomes) == 1


@pytest.mark.parametrize(
    ("act", "prepare", "expected"),
    [
        (Act.REFUND_PAYMENT, "counted", "500 XOF to be refunded, 5 votes removed"),
        (Act.RELEASE_HELD, "held", "5 votes counted"),
        (Act.REFUSE_HELD, "held", "500 XOF to be refunded"),
    ],
)
async def test_a_worker_and_the_person_who_agrees_may_both_do_it_and_tell_the_same(
    rig: MoneyRig, act: Act, prepare: str, expected: str
) -> None:
    order = await getattr(rig, prepare)()
    asked = await rig.acts.ask(act, str(order.payment_reference), {}, REASON, ASKER)
    request = await rig.acts.requests.decide(asked, CHECKER, approve=True)
    does = rig.executors[act]
    assert [(await does(request)).outcome for _ in range(2)] == [expected, expected]
    assert await rig.acts.run_approved() == 1
    written = await rig.acts.requests.read(asked, None)
    assert written is not None
    assert (written.status, written.outcome) == (RequestStatus.DONE, expected)
    # Once it is finished, too.
    assert (await does(request)).outcome == expected
    assert await rig.broken() == {}


async def test_a_temporary_error_leaves_it_approved_and_a_fault_of_ours_ends_it(rig: MoneyRig) -> None:
    class Away(Exception):
        pass

    answers: list[Exception | Executed] = [Away(), Away(), Executed("half", finished=False), Executed("all")]

    async def execute(request: StaffRequest) -> Executed:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    requests = StaffRequests(rig.engine, {}, RIGHTS)
    acts = StaffActs(requests, {Act.PAYOUT: execute}, rig.doorbell, temporary=(Away,))
    asked = await acts.ask(Act.PAYOUT, "x", {}, REASON, ASKER)
    with pytest.raises(Away):
        await acts.decide(asked, CHECKER, approve=True)
    assert await acts.run_approved() == 0
    assert await acts.run_approved() == 1
    assert await acts.run_approved() == 1
    request = await requests.read(asked, None)
    assert request is not None
    assert (request.status, request.outcome) == (RequestStatus.DONE, "all")
    answers.append(RuntimeError("a bug"))
    broken = await acts.ask(Act.PAYOUT, "y", {}, REASON, ASKER)
    outcome = await acts.decide(broken, CHECKER, approve=True)
    assert (outcome.status, outcome.text) == (RequestStatus.FAILED, "an error of ours: RuntimeError")
