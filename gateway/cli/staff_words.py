"""What the commands about acts of staff share: running them, and how a request is printed."""

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar
from uuid import UUID

import structlog
import typer

from gateway.cli.failures import FAILED, MISUSED
from gateway.cli.identity import proven
from gateway.cli.money_words import shown, table
from gateway.cli.running import running_settings
from payments.requests import Act, ActRefused, RequestStatus, StaffRequest, Why

if TYPE_CHECKING:
    from admin.approvals.staff_acts import Outcome
    from gateway.runtime.container import Container

T = TypeVar("T")

Request = Annotated[str, typer.Argument(help="The request's number, as `list` and `ask` print it.")]
Public = Annotated[str | None, typer.Option("--public", help="What the public tally says as the reason; names nobody.")]

# What to do next, by why it was refused.
_NEXT: Final[Mapping[Why, str]] = {
    Why.NO_PERSON: "name yourself with --as and prove it with the password that you sign in with at /admin",
    Why.NO_REASON: "say why with --reason",
    Why.OWN_REQUEST: "have it decided by somebody else with their own --as",
    Why.DECIDED: "ask again if it is still wanted",
    Why.EXPIRED: "ask again",
}


def at_the_desk(act: "Callable[[Container], Awaitable[T]]") -> T:
    """Do something at the desk of the running installation. A refusal ends the command with a sentence."""
    from gateway.runtime.container import open_command

    async def run() -> T:
        async with open_command(running_settings()) as desk:
            return await act(desk)

    try:
        with quiet():
            return asyncio.run(run())
    except ActRefused as refused:
        hint = _NEXT.get(refused.why)
        typer.echo(f"error: {refused}{f'; {hint}' if hint else ''}", err=True)
        raise typer.Exit(MISUSED) from None


@contextmanager
def quiet() -> Iterator[None]:
    """What a process of the service logs is no part of a command's answer; warnings go to stderr."""
    before = structlog.get_config()
    structlog.configure(
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
    )
    try:
        yield
    finally:
        structlog.configure(**before)


def asked(
    group: str, act: Act, subject: str | None, params: Mapping[str, Any], reason: str, person: str
) -> StaffRequest:
    """Ask for an act and print what it would do and who goes on. `subject` None: the payment that
    `params["payment"]` means."""

    async def ask(desk: "Container") -> StaffRequest:
        who = await proven(person)
        rest = dict(params)
        about = str(await _payment(desk, rest.pop("payment"))) if subject is None else subject
        made = await desk.acts.requests.read(await desk.acts.ask(act, about, rest, reason, who))
        if made is None:
            raise ActRefused(Why.UNKNOWN, "the request is gone")
        return made

    request = at_the_desk(ask)
    print(f"request {request.id}")
    print("\n".join(preview_lines(request.preview)))
    if request.status is RequestStatus.WAITING:
        print(f"nothing is done yet: within 24 hours somebody else must run\n  spotlight {group} approve {request.id}")
    else:
        print(f"{request.status.value}: {request.outcome or ''}")
    return request


async def _payment(container: "Container", word: str) -> UUID:
    """The payment with this reference, vote, receipt or order code. Raises ActRefused."""
    found = await container.lookup.payment_named(word)
    if found is None:
        raise ActRefused(Why.UNKNOWN, f"no payment has the reference, vote, receipt or order code {word!r}")
    return found


def decided(group: str, acts: Collection[Act], request_id: str, person: str, *, approve: bool) -> None:
    """Agree or turn down, print how it ended; exit status 1 when what was agreed to could not be done."""
    number = read_id(request_id)

    async def decide(desk: "Container") -> "Outcome":
        who = await proven(person)
        request = await desk.acts.requests.read(number)
        if request is None:
            raise ActRefused(Why.UNKNOWN, f"there is no request {number}; `spotlight {group} list` shows them")
        if request.act not in acts:
            raise ActRefused(Why.IMPOSSIBLE, f"request {number} is a {request.act.value}, not for `spotlight {group}`")
        return await desk.acts.decide(number, who, approve=approve)

    outcome = at_the_desk(decide)
    word = "being done by the workers" if outcome.status is RequestStatus.APPROVED else outcome.status.value
    print(f"{word}: {outcome.text}")
    if outcome.status is RequestStatus.FAILED:
        raise typer.Exit(FAILED)


def given(params: Mapping[str, object | None]) -> dict[str, Any]:
    """What was typed of these."""
    return {name: value for name, value in params.items() if value is not None}


def read_id(typed: str) -> UUID:
    """A request's number as somebody types it. Raises typer.BadParameter."""
    try:
        return UUID(typed.strip())
    except ValueError:
        raise typer.BadParameter(f"{typed!r} is no request; copy its number from the list") from None


def waiting(acts: Collection[Act]) -> Sequence[StaffRequest]:
    """Requests of these acts that nobody decided about, or that are being done."""
    statuses = (RequestStatus.WAITING, RequestStatus.APPROVED)

    async def read(desk: "Container") -> Sequence[StaffRequest]:
        return await desk.acts.requests.listed(statuses=statuses, acts=acts)

    return at_the_desk(read)


def request_table(requests: Sequence[StaffRequest]) -> str:
    """Requests in columns."""
    head = ("request", "act", "status", "asked by", "at (UTC)", "what", "why")
    return table(
        head,
        [
            (
                str(r.id),
                r.act.value,
                r.status.value,
                r.requested_by,
                f"{r.requested_at:%Y-%m-%d %H:%M}",
                _in_short(r.preview),
                r.reason,
            )
            for r in requests
        ],
    )


def as_json(request: StaffRequest) -> dict[str, Any]:
    """A request for a machine."""
    return {
        "id": str(request.id),
        "act": request.act.value,
        "subject": request.subject,
        "status": request.status.value,
        "reason": request.reason,
        "requestedBy": request.requested_by,
        "requestedAt": request.requested_at.isoformat(),
        "decidedBy": request.decided_by,
        "outcome": request.outcome,
        "params": dict(request.params),
        "preview": dict(request.preview),
    }


def preview_lines(preview: Mapping[str, Any]) -> list[str]:
    """A preview, a line for each fact; tables of a window below."""
    lines = []
    for name, value in preview.items():
        if isinstance(value, Mapping):
            lines.append(f"  by {name}:")
            lines += [f"    {key}: {_counted(line, _currency(preview))}" for key, line in value.items()]
        elif name == "amount_minor":
            lines.append(f"  amount: {shown(int(value), str(preview.get('currency')))}")
        elif name != "currency" and value not in (None, ""):
            lines.append(f"  {name.replace('_', ' ')}: {value}")
    return lines


def _counted(line: Mapping[str, int], currency: str) -> str:
    return f"{line['payments']} payments, {line['votes']} votes, {shown(line['money_minor'], currency)}"


def _currency(preview: Mapping[str, Any]) -> str:
    return str(next(iter(preview.get("currencies") or {"": None})))


def _in_short(preview: Mapping[str, Any]) -> str:
    if "amount_minor" in preview:
        return shown(int(preview["amount_minor"]), str(preview.get("currency")))
    if "currencies" in preview:
        return f"{preview['payments']} payments, {preview['votes']} votes"
    return ""
