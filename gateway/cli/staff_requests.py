"""What the commands about acts of staff share: asking, deciding, and how a request is printed."""

from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

import typer

from gateway.cli.failures import FAILED
from gateway.cli.formats import minute, shown, table
from gateway.cli.staff_api import ApiRefused, StaffApi

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
        print("nothing is done yet: within 24 hours somebody else must run")
        print(f"  spotlight {group} approve {request['id']}")
    else:
        print(f"{request['status']}: {request['outcome'] or ''}")


def decide(group: str, acts: Collection[str], request_id: str, *, approve: bool) -> None:
    """Agree or turn down, print how it ended; exit status 1 when what was agreed to could not be done."""
    number, api = read_id(request_id), StaffApi()
    request = read_request(api, group, number)
    if request["act"] not in acts:
        raise ApiRefused(f"request {number} is a {request['act']}, not for `spotlight {group}`")
    done = api.post(f"requests/{number}/decision", {"approve": approve})
    status = "being done by the workers" if done["status"] == "approved" else done["status"]
    print(f"{status}: {done['outcome']}")
    if done["status"] == "failed":
        raise typer.Exit(FAILED)


def read_request(api: StaffApi, group: str, number: UUID) -> dict[str, Any]:
    """One request. Raises ApiRefused."""
    try:
        return api.get(f"requests/{number}")
    except ApiRefused as refused:
        if refused.kind != "unknown_request":
            raise
        raise ApiRefused(f"there is no request {number}; `spotlight {group} list` shows them") from None


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


def request_table(requests: Sequence[Mapping[str, Any]]) -> str:
    """Requests in columns, or a sentence where there are none."""
    if not requests:
        return NONE_WAITS
    head = ("request", "act", "status", "asked by", "at (UTC)", "what", "why")
    return table(
        head,
        [
            (
                r["id"],
                r["act"],
                r["status"],
                r["requestedBy"],
                minute(r["requestedAt"]),
                _in_short(r["preview"]),
                r["reason"],
            )
            for r in requests
        ],
    )


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
