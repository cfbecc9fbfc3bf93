"""`spotlight reconcile`: statements and balances of operators against the book."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from gateway.cli.commands import AsJson, command, group
from gateway.cli.failures import FAILED, ApiRefused
from gateway.cli.formats import Columns, Reason, Row, minute, money, print_json, print_rows, shown, snake
from gateway.cli.staff.api import StaffApi
from gateway.cli.staff.requests import add_decisions, ask, print_requests, waiting

_ACTS: Final = ("reconcile", "undo_import")


class FileFirst(TyperGroup):
    """A group whose first word may be a file: then it is imported."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - typer keeps this type private
        """Put the command in where only its file was named."""
        if args and args[0] not in self.commands and args[0] != "--help":
            args = ["import", *args]
        return super().parse_args(ctx, args)


reconcile_app = group(
    "Compare operators' statements with the book: `spotlight reconcile FILE --provider mtn_momo`.", cls=FileFirst
)
Provider = Annotated[str, typer.Option("--provider", help="Whose statement: the account, like mtn_momo.")]
OnlyOf = Annotated[str | None, typer.Option("--provider", help="One account only.")]


@command(reconcile_app, "import", "spotlight reconcile november.xlsx --provider mtn_momo")
def import_file(
    file: Annotated[Path, typer.Argument(help="A statement as the operator exports it: CSV or XLSX.")],
    provider: Provider,
    as_json: AsJson = False,
) -> None:
    """Import a statement and compare each line with the book; the same file twice is refused.

    A line is found by our reference, then by the operator's, then by amount, number and time. What is missing here
    is asked about at the operator; fees are booked; every other difference waits for a person. Exit status 1 when
    there are new differences.
    """
    done = StaffApi().upload("statements", {"account": provider}, file.name, file.read_bytes())
    if as_json:
        fees = [{"amount_minor": fee["amount"], "currency": fee["currency"]} for fee in done["fees"]]
        print_json({**done, "fees": fees})
    else:
        print(f"{done['lines']} lines, {done['new']} of them new; {done['skipped']} lines moved no money")
        if done["elsewhere"]:
            print(f"{done['elsewhere']} lines are another account's; import the file there too")
        print(f"{done['matched']} match the book; {done['waiting']} are asked about at the operator")
        for fee in done["fees"]:
            print(f"fees booked: {money(fee)}")
        for kind, count in sorted(done["found"].items()):
            print(f"new difference: {count} {kind.replace('_', ' ')}")
        if done["closed"]:
            print(f"{done['closed']} earlier differences are explained by it")
    raise typer.Exit(FAILED if done["found"] else 0)


@command(
    reconcile_app,
    "differences",
    "spotlight reconcile differences --provider mtn_momo",
    "spotlight reconcile differences --group GROUP",
)
def differences(
    provider: OnlyOf = None,
    group: Annotated[str | None, typer.Option("--group", help="Only those of a group, as `groups` prints it.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also those that are resolved.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print what differs, the oldest 500, and what may be decided about it. Exit status 1 while something is open."""
    try:
        listed = StaffApi().get("differences", provider=provider, group=group, all=everything)
    except ApiRefused as refused:
        if refused.kind != "unknown_group":
            raise
        raise typer.BadParameter(f"{group!r} is no group; copy it from `spotlight reconcile groups`") from None
    found = listed["differences"]
    if as_json:
        print_json([_difference_json(each) for each in found])
    else:
        for each in found:
            print("\n".join(_lines(each)))
        if not found:
            print("nothing differs")
    raise typer.Exit(FAILED if any(each["status"] == "open" for each in found) else 0)


@command(reconcile_app, "groups", "spotlight reconcile groups", "spotlight reconcile resolve GROUP …")
def groups(provider: OnlyOf = None, as_json: AsJson = False) -> None:
    """Print open differences by what is decided alike: account, kind, wallet, currency, day and direction."""
    found = StaffApi().get("differences/groups", provider=provider)["groups"]
    if as_json:
        print_json([{**each, "many": each["count"], "amount_minor": each["amount"]} for each in found])
        return
    columns: Columns = {
        "group": "key",
        "differences": "count",
        "sum": lambda each: shown(each["amount"], each["currency"]),
        "asked about": "asked",
    }
    print_rows(found, columns, right=(1, 2, 3), nothing="nothing differs")


def _lines(each: Row) -> list[str]:
    sign = "+" if each["amount"] > 0 else ""
    lines = [
        f"{each['id']}  {minute(each['foundAt'])}  {each['provider']}  {each['kind'].replace('_', ' ')}  "
        f"{sign}{shown(each['amount'], each['currency'])}",
        f"    {each['detail']}",
    ]
    if each["line"]:
        lines.append("    line: " + ", ".join(f"{name} {value}" for name, value in each["line"].items()))
    if each["status"] == "open":
        asked = f"; asked about in request {each['request']}" if each["request"] else ""
        lines.append("    decide: " + ", ".join(each["offered"]) + asked)
    else:
        note = f": {each['note']}" if each["note"] else ""
        lines.append(f"    {each['resolution']} by {each['resolvedBy']}{note}")
    return lines


def _difference_json(each: Row) -> dict[str, Any]:
    row = snake(each)
    return {**row, "amount_minor": row.pop("amount")}


@command(
    reconcile_app,
    "resolve",
    'spotlight reconcile resolve 12 --action operator_kept --reason "commission of November"',
    "spotlight reconcile approve REQUEST",
)
def resolve(
    difference: Annotated[str, typer.Argument(help="Its number, or a group as `groups` prints it.")],
    action: Annotated[str, typer.Option("--action", help="One of those that `differences` offers.")],
    reason: Reason,
    operator_reference: Annotated[
        str | None, typer.Option(help="For `returned`: the operator's reference of the payment back.")
    ] = None,
) -> None:
    """Ask to book a difference, or to accept one about which no money moves. A second person agrees.

    All differences of a group are decided together: those that are open now.
    """
    ask("reconcile", "reconcile", difference, reason, repair=action, operator_reference=operator_reference)


@command(reconcile_app, "files", "spotlight reconcile files")
def files(as_json: AsJson = False) -> None:
    """Print the latest imports."""
    found = StaffApi().get("statements")["statements"]
    columns: Columns = {
        "import": "id",
        "account": "provider",
        "file": "name",
        "lines": "lines",
        "by": "importedBy",
        "at (UTC)": lambda each: minute(each["importedAt"]),
        "open differences": "open",
        "": lambda each: "undone" if each["undoneAt"] else None,
    }
    print_rows(found, columns, as_json=as_json, right=(3, 6), nothing="no statement was imported")


@command(
    reconcile_app,
    "undo",
    'spotlight reconcile undo IMPORT --reason "the file of another account"',
    "spotlight reconcile approve REQUEST",
)
def undo(file: Annotated[str, typer.Argument(help="The import, as `files` prints it.")], reason: Reason) -> None:
    """Ask to take an import back as a whole, while nothing was decided on it. A second person agrees.

    Its lines match nothing any more, its fees are booked back, its differences end; the same file may come again.
    """
    ask("reconcile", "undo_import", file, reason)


add_decisions(
    reconcile_app,
    "reconcile",
    _ACTS,
    agree="Agree to a decision about differences, or to taking an import back, as the second person.",
    turn_down="Turn such a request down. Nothing is changed.",
)


@command(reconcile_app, "requests", "spotlight reconcile requests")
def requests(as_json: AsJson = False) -> None:
    """Print requests about differences and imports that wait for a second person or are being done."""
    found = waiting(StaffApi(), _ACTS)
    if as_json:
        print_json(found)
    else:
        print_requests(found)


@command(reconcile_app, "balances", "spotlight reconcile balances")
def balances(as_json: AsJson = False) -> None:
    """Ask operators what our wallets hold and compare with the book, as is done once a day by itself.

    Exit status 1 when a balance is off by more than money in transit explains.
    """
    checked = [snake(each) for each in StaffApi().post("wallets/check", {})["wallets"]]
    columns: Columns = {
        "operator": "account",
        "wallet": "wallet",
        "they say": partial(_amount, of="operator_minor"),
        "the book says": partial(_amount, of="book_minor"),
        "unexplained": partial(_amount, of="gap_minor"),
    }
    print_rows(checked, columns, as_json=as_json, nothing="no operator here tells what it holds")
    raise typer.Exit(FAILED if any(each["gap_minor"] for each in checked) else 0)


def _amount(checked: Row, of: str) -> str:
    return "no answer" if checked[of] is None else shown(checked[of], checked["currency"])
