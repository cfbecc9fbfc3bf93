"""`spotlight reconcile`: statements and balances of operators against the book."""

import json
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from gateway.cli.failures import FAILED, report_failures
from gateway.cli.formats import AsJson, Reason, example, minute, money, shown, snake, table
from gateway.cli.staff_api import ApiRefused, StaffApi
from gateway.cli.staff_requests import Request, ask, decide, request_table, waiting

_ACTS: Final = ("reconcile", "undo_import")


class FileFirst(TyperGroup):
    """A group whose first word may be a file: then it is imported."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - typer keeps this type private
        """Put the command in where only its file was named."""
        if args and args[0] not in self.commands and args[0] != "--help":
            args = ["import", *args]
        return super().parse_args(ctx, args)


reconcile_app = typer.Typer(
    cls=FileFirst,
    help="Compare operators' statements with the book: `spotlight reconcile FILE --provider mtn_momo`.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Provider = Annotated[str, typer.Option("--provider", help="Whose statement: the account, like mtn_momo.")]
OnlyOf = Annotated[str | None, typer.Option("--provider", help="One account only.")]


@reconcile_app.command("import", epilog=example("spotlight reconcile november.xlsx --provider mtn_momo"))
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
    with report_failures():
        data = file.read_bytes()

        done = StaffApi().upload("statements", {"account": provider}, file.name, data)
        if as_json:
            fees = [{"amount_minor": fee["amount"], "currency": fee["currency"]} for fee in done["fees"]]
            print(json.dumps({**done, "fees": fees}, indent=2))
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


@reconcile_app.command(
    "differences",
    epilog=example(
        "spotlight reconcile differences --provider mtn_momo", "spotlight reconcile differences --group GROUP"
    ),
)
def differences(
    provider: OnlyOf = None,
    group: Annotated[str | None, typer.Option("--group", help="Only those of a group, as `groups` prints it.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also those that are resolved.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print what differs, the oldest 500, and what may be decided about it. Exit status 1 while something is open."""
    with report_failures():
        try:
            listed = StaffApi().get("differences", provider=provider, group=group, all=everything)
        except ApiRefused as refused:
            if refused.kind != "unknown_group":
                raise
            raise typer.BadParameter(f"{group!r} is no group; copy it from `spotlight reconcile groups`") from None
        found = listed["differences"]
        if as_json:
            print(json.dumps([_difference_json(each) for each in found], indent=2))
        else:
            for each in found:
                print("\n".join(_lines(each)))
            if not found:
                print("nothing differs")
        raise typer.Exit(FAILED if any(each["status"] == "open" for each in found) else 0)


@reconcile_app.command("groups", epilog=example("spotlight reconcile groups", "spotlight reconcile resolve GROUP …"))
def groups(provider: OnlyOf = None, as_json: AsJson = False) -> None:
    """Print open differences by what is decided alike: account, kind, wallet, currency, day and direction."""
    with report_failures():
        found = StaffApi().get("differences/groups", provider=provider)["groups"]
        if as_json:
            print(
                json.dumps(
                    [{**each, "many": each["count"], "amount_minor": each["amount"]} for each in found], indent=2
                )
            )
            return
        rows = [
            (each["key"], str(each["count"]), shown(each["amount"], each["currency"]), str(each["asked"]))
            for each in found
        ]
        head = ("group", "differences", "sum", "asked about")
        print(table(head, rows, right=(1, 2, 3)) if rows else "nothing differs")


def _lines(each: dict[str, Any]) -> list[str]:
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


def _difference_json(each: dict[str, Any]) -> dict[str, Any]:
    row = snake(each)
    return {**row, "amount_minor": row.pop("amount")}


@reconcile_app.command(
    "resolve",
    epilog=example(
        'spotlight reconcile resolve 12 --action operator_kept --reason "commission of November"',
        "spotlight reconcile approve REQUEST",
    ),
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
    with report_failures():
        ask("reconcile", "reconcile", difference, reason, repair=action, operator_reference=operator_reference)


@reconcile_app.command("files", epilog=example("spotlight reconcile files"))
def files(as_json: AsJson = False) -> None:
    """Print the latest imports."""
    with report_failures():
        found = StaffApi().get("statements")["statements"]
        if as_json:
            print(json.dumps([snake(each) for each in found], indent=2))
            return
        head = ("import", "account", "file", "lines", "by", "at (UTC)", "open differences", "")
        print(table(head, [_file(each) for each in found], right=(3, 6)) if found else "no statement was imported")


def _file(each: dict[str, Any]) -> tuple[str, ...]:
    at, undone = minute(each["importedAt"]), "undone" if each["undoneAt"] else ""
    of = (each["id"], each["provider"], each["name"], str(each["lines"]), each["importedBy"])
    return (*of, at, str(each["open"]), undone)


@reconcile_app.command(
    "undo",
    epilog=example(
        'spotlight reconcile undo IMPORT --reason "the file of another account"',
        "spotlight reconcile approve REQUEST",
    ),
)
def undo(file: Annotated[str, typer.Argument(help="The import, as `files` prints it.")], reason: Reason) -> None:
    """Ask to take an import back as a whole, while nothing was decided on it. A second person agrees.

    Its lines match nothing any more, its fees are booked back, its differences end; the same file may come again.
    """
    with report_failures():
        ask("reconcile", "undo_import", file, reason)


@reconcile_app.command("approve", epilog=example("spotlight reconcile approve REQUEST"))
def approve(request: Request) -> None:
    """Agree to a decision about differences, or to taking an import back, as the second person."""
    with report_failures():
        decide("reconcile", _ACTS, request, approve=True)


@reconcile_app.command("reject", epilog=example("spotlight reconcile reject REQUEST"))
def reject(request: Request) -> None:
    """Turn such a request down. Nothing is changed."""
    with report_failures():
        decide("reconcile", _ACTS, request, approve=False)


@reconcile_app.command("requests", epilog=example("spotlight reconcile requests"))
def requests(as_json: AsJson = False) -> None:
    """Print requests about differences and imports that wait for a second person or are being done."""
    with report_failures():
        found = waiting(StaffApi(), _ACTS)
        print(json.dumps(found, indent=2) if as_json else request_table(found))


@reconcile_app.command("balances", epilog=example("spotlight reconcile balances"))
def balances(as_json: AsJson = False) -> None:
    """Ask operators what our wallets hold and compare with the book, as is done once a day by itself.

    Exit status 1 when a balance is off by more than money in transit explains.
    """
    with report_failures():
        checked = [snake(each) for each in StaffApi().post("wallets/check", {})["wallets"]]
        if as_json:
            print(json.dumps(checked, indent=2))
        elif not checked:
            print("no operator here tells what it holds")
        else:
            print(table(("operator", "wallet", "they say", "the book says", "unexplained"), [_row(c) for c in checked]))
        raise typer.Exit(FAILED if any(each["gap_minor"] for each in checked) else 0)


def _row(checked: dict[str, Any]) -> tuple[str, ...]:
    def amount(name: str) -> str:
        minor = checked[name]
        return "no answer" if minor is None else shown(minor, checked["currency"])

    return (checked["account"], checked["wallet"], amount("operator_minor"), amount("book_minor"), amount("gap_minor"))
