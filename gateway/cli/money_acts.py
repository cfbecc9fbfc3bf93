"""What commands share that ask for acts at the money desk, and decide about them."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

import typer

from gateway.cli.failures import FAILED, MISUSED
from gateway.cli.identity import proven
from gateway.cli.running import running_settings
from gateway.cli.staff_words import preview_lines, quiet, read_id
from payments.requests import Act, ActRefused, RequestStatus, StaffRequest, Why

if TYPE_CHECKING:
    from admin.approvals.staff_acts import Outcome, StaffActs
    from gateway.runtime.container import Container

T = TypeVar("T")


def at_the_desk(act: "Callable[[Container, StaffActs], Awaitable[T]]") -> T:
    """Do something at the money desk of the running installation. A refusal is told in a sentence."""
    from gateway.runtime.container import REPORT_TIMEOUT_MS, open_command

    async def run() -> T:
        async with open_command(running_settings(), statement_timeout_ms=REPORT_TIMEOUT_MS) as desk:
            return await act(desk, desk.acts)

    try:
        with quiet():
            return asyncio.run(run())
    except ActRefused as refused:
        typer.echo(f"error: {refused}", err=True)
        raise typer.Exit(MISUSED) from None


async def made_request(acts: "StaffActs", request_id: UUID) -> StaffRequest:
    """A request that was just made. Raises ActRefused."""
    made = await acts.requests.read(request_id)
    if made is None:
        raise ActRefused(Why.UNKNOWN, "the request is gone")
    return made


def say_asked(group: str, request: StaffRequest) -> None:
    """What was asked for, and who goes on."""
    print(f"request {request.id}")
    print("\n".join(preview_lines(request.preview)))
    print(f"nothing is done yet: within 24 hours somebody else must run\n  spotlight {group} approve {request.id}")


def decide(acts: Collection[Act], request: str, person: str, *, approve: bool) -> None:
    """Agree or turn down, print how it ended; exit status 1 when what was agreed to could not be done."""

    async def run(_: "Container", staff: "StaffActs") -> "Outcome":
        who = await proven(person)
        held = await staff.requests.read(read_id(request))
        if held is None or held.act not in acts:
            raise ActRefused(Why.UNKNOWN, f"there is no request {request} that this command decides about")
        return await staff.decide(held.id, who, approve)

    outcome = at_the_desk(run)
    word = "being done by the workers" if outcome.status is RequestStatus.APPROVED else outcome.status.value
    print(f"{word}: {outcome.text}")
    if outcome.status is RequestStatus.FAILED:
        raise typer.Exit(FAILED)
