"""What the commands about acts of staff share: asking, deciding, and how a request is printed."""

from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

import typer

from gateway.cli.commands import command
from gateway.cli.failures import FAILED, ApiRefused
from gateway.cli.formats import Columns, minute, print_rows, shown
from gateway.cli.staff.api import StaffApi

NONE_WAITS = "no request waits for a second person"
Request = Annotated[str, typer.Argument(help="The request's number, as `list` and `ask` print it.")]
Public = Annotated[str | None, typer.Option("--public", help="The reason in the public tally; without names.")]


def ask(group: str, act: str, subject: str, reason: str, **params: object) -> None:
    """Ask for an act, and print what it would do and who goes on."""
    given = {name: value for name, value in params.items() if value is not None}
    body = {"act": act, "subject": subject, "reason": reason, "params": given}
    print_asked(group, StaffApi().post("requests", body))


def print_asked(group: str, request: Mapping[str, Any]) -> None:
    """What a request would do, and who goes on."""
    print(f"request {request['id']}")
    print("\n".join(preview_lines(request["preview"])))
    if request["status"] == "waiting":
        print("nothing is done yet: within 24 hours another person must run")
        print(f"  spotlight {group} approve {request['id']}")
    else:
        print(f"{request['status']}: {request['outcome'] or ''}")


def add_decisions(app: typer.Typer, group: str, acts: Collection[str], *, agree: str, turn_down: str) -> None:
    """The commands by which the second person decides about these acts. `agree`, `turn_down`: what their help says."""

    @command(app, "approve", f"spotlight {group} approve REQUEST", help=agree)
    def approve(request: Request) -> None:
        decide(group, acts, request, approve=True)

    @command(app, "reject", f"spotlight {group} reject REQUEST", help=turn_down)
    def reject(request: Request) -> None:
        decide(group, acts, request, approve=False)


def decide(group: str, acts: Collection[str], request_id: str, *, approve: bool) -> None:
    """Agree or turn down, print how it ended; exit status 1 when what was agreed to could not be done."""
    number, api = read_id(request_id), StaffApi()
    try:
        request = api.get(f"requests/{number}")
    except ApiRefused as refused:
        if refused.kind != "unknown_request":
            raise
        raise ApiRefused(f"there is no request {number}; `spotlight {group} list` shows them") from None
    if request["act"] not in acts:
        raise ApiRefused(f"request {number} is a {request['act']}, not for `spotlight {group}`")
    done = api.post(f"requests/{number}/decision", {"approve": approve})
    status = "being done by the workers" if done["status"] == "approved" else done["status"]
    print(f"{status}: {done['outcome']}")
    if done["status"] == "failed":
        raise typer.Exit(FAILED)


def read_id(typed: str) -> UUID:
    """A request's number as it is typed. Raises typer.BadParameter."""
    try:
        return UUID(typed.strip())
    except ValueError:
        raise typer.BadParameter(f"{typed!r} is no request; copy its number from the list") from None


def waiting(api: StaffApi, acts: Collection[str]) -> list[dict[str, Any]]:
    """Requests of these acts that wait for a decision, or that are being done."""
    found: list[dict[str, Any]] = api.get("requests", acts=",".join(acts))["requests"]
    return found


def print_requests(requests: Sequence[Mapping[str, Any]], nothing: str = NONE_WAITS) -> None:
    """Requests in columns, or a sentence where there are none."""
    columns: Columns = {
        "request": "id",
        "act": "act",
        "status": "status",
        "asked by": "requestedBy",
        "at (UTC)": lambda asked: minute(asked["requestedAt"]),
        "what": lambda asked: _in_short(asked["preview"]),
        "why": "reason",
    }
    print_rows(requests, columns, nothing=nothing)


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
