"""Decisions about differences and imports as acts of staff: one asks, another one agrees, then it is done."""

from collections.abc import Awaitable, Callable, Mapping

from payments.requests import Act, Executed, Executor, StaffRequest


def reconcile_executors(
    decide: Executor, undo: Callable[[StaffRequest], Awaitable[str]], compare: Callable[[str], Awaitable[None]]
) -> Mapping[Act, Executor]:
    """Who does these acts. `compare`: an account's lines once more, after one of its imports was taken back."""

    async def undone(request: StaffRequest) -> Executed:
        outcome = await undo(request)
        await compare(str(request.preview["account"]))
        return Executed(outcome)

    return {Act.RECONCILE: decide, Act.UNDO_IMPORT: undone}
