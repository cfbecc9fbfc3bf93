"""Who does the acts of staff about money: storage, then the new totals and whoever goes on."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from gateway.storage.work import Doorbell, Work
from gateway.values.money import Money
from payments.acts.give_back_port import Moved, StaffMoneyStore, VoidStore
from payments.acts.request import Act, Executed, Executor, StaffRequest
from payments.settlement.settle import Show

_GOES_ON: Final[Mapping[Act, Work]] = {
    Act.REFUND_PAYMENT: Work.REFUND,
    Act.REFUSE_HELD: Work.REFUND,
    Act.RETRY_REFUND: Work.REFUND,
    Act.RELEASE_HELD: Work.TEXTS_OUT,
    Act.MANUAL_REFUND_DONE: Work.TEXTS_OUT,
    Act.REPLAY_CALLBACK: Work.CALLBACKS,
}


def money_executors(money: StaffMoneyStore, voids: VoidStore, doorbell: Doorbell, show: Show) -> dict[Act, Executor]:
    """An executor for every act about payments, refunds and callbacks. `show` is told after the commit."""

    def executor(act: Act, does: Callable[[StaffRequest], Awaitable[Moved]]) -> Executor:
        async def execute(request: StaffRequest) -> Executed:
            moved = await does(request)
            doorbell.ring(_GOES_ON[act])
            if moved.contest_id is not None and moved.counted:
                await show({moved.contest_id: moved.counted})
            return Executed(moved.outcome)

        return execute

    async def void_window(request: StaffRequest) -> Executed:
        batch = await voids.run_batch(request)
        if batch.counted:
            await show({batch.contest_id: batch.counted})
        if batch.looked_at:
            doorbell.ring(Work.REFUND)
        if not batch.last:
            # Progress reads every row of the window, so it is read once, at the end.
            return Executed(f"{request.preview['payments']} payments are going back", finished=False)
        lines = await voids.progress(request.id, given=False)
        said = ", ".join(
            f"{line.done} of {line.payments} payments, {line.votes_done} votes, "
            f"{Money(line.money_done_minor, line.currency).plain()} {line.currency}"
            for line in lines
        )
        return Executed(said or "nothing in the window")

    return {
        Act.REFUND_PAYMENT: executor(Act.REFUND_PAYMENT, money.refund_payment),
        Act.RELEASE_HELD: executor(Act.RELEASE_HELD, money.release_held),
        Act.REFUSE_HELD: executor(Act.REFUSE_HELD, money.refuse_held),
        Act.MANUAL_REFUND_DONE: executor(Act.MANUAL_REFUND_DONE, money.manual_refund_done),
        Act.RETRY_REFUND: executor(Act.RETRY_REFUND, money.retry_refund),
        Act.REPLAY_CALLBACK: executor(Act.REPLAY_CALLBACK, money.replay_callback),
        Act.VOID_WINDOW: void_window,
    }
