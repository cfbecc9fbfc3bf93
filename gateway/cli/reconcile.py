"""`spotlight reconcile`: statements and balances of operators against the book."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from typer.core import TyperGroup

from gateway.cli.failures import FAILED, told_failures
from gateway.cli.identity import proven
from gateway.cli.money_acts import at_the_desk, decide, made_request, say_asked
from gateway.cli.money_words import As, AsJson, Reason, example, shown, table
from gateway.cli.staff_words import Request, given, request_table
from gateway.cli.staff_words import as_json as request_json
from payments.reconciliation.rules import Repair, read_group
from payments.requests import Act, RequestStatus

if TYPE_CHECKING:
    from admin.approvals.staff_acts import StaffActs
    from gateway.runtime.container import Container
    from payments.reconciliation.differences import Difference, GroupLine, StatementFile
    from payments.reconciliation.reconcile import Summary
    from payments.requests import StaffRequest

_ACTS: Final = (Act.RECONCILE, Act.UNDO_IMPORT)


class FileFirst(TyperGroup):
    """A group whose first word may be a file: then it is imported."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - typer keeps this type private
        """Put the command in where only its file was named."""
        if args and args[0] not in self.commands and args[0] != "--help":
            args = ["import", *args]
        return super().parse_args(ctx, args)


reconcile_app = typer.Typer(
    cls=FileFirst,
    help="Compare operators' statements with the book: `spotlight reconcile FILE --provider mtn_momo --as EMAIL`.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Provider = Annotated[str, typer.Option("--provider", help="Whose statement: the account, like mtn_momo.")]
OnlyOf = Annotated[str | None, typer.Option("--provider", help="One account only.")]


@reconcile_app.command(
    "import", epilog=example("spotlight reconcile november.xlsx --provider mtn_momo --as awa@example.org")
)
def import_file(
    file: Annotated[Path, typer.Argument(help="A statement as the operator exports it: CSV or XLSX.")],
    provider: Provider,
    person: As,
    as_json: AsJson = False,
) -> None:
    """Import a statement and compare each line with the book; the same file twice is refused.

    A line is found by our reference, then by the operator's, then by amount, number and time. What is missing here
    is asked about at the operator; fees are booked; every other difference waits for a person. Exit status 1 when
    there are new differences.
    """
    with told_failures():
        data = file.read_bytes()

        async def run(desk: "Container", _: "StaffActs") -> "Summary":
            return await desk.reconciler.import_file(provider, file.name, data, await proven(person))

        done = at_the_desk(run)
        if as_json:
            print(json.dumps(asdict(done), indent=2, default=str))
        else:
            print(f"{done.lines} lines, {done.new} of them new; {done.skipped} lines moved no money")
            if done.elsewhere:
                print(f"{done.elsewhere} lines are another account's; import the file there too")
            print(f"{done.matched} match the book; {done.waiting} are asked about at the operator")
            for fee in done.fees:
                print(f"fees booked: {shown(fee.amount_minor, fee.currency)}")
            for kind, count in sorted(done.found.items()):
                print(f"new difference: {count} {kind.value.replace('_', ' ')}")
            if done.closed:
                print(f"{done.closed} earlier differences are explained by it")
        raise typer.Exit(FAILED if done.found else 0)


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
    with told_failures():
        which = None if group is None else read_group(group)
        if group is not None and which is None:
            raise typer.BadParameter(f"{group!r} is no group; copy it from `spotlight reconcile groups`")

        async def run(desk: "Container", _: "StaffActs") -> "list[Difference]":
            return list(await desk.reconciler.differences(open_only=not everything, account=provider, group=which))

        found = at_the_desk(run)
        if as_json:
            print(json.dumps([asdict(each) for each in found], indent=2, default=str))
        else:
            for each in found:
                print("\n".join(_lines(each)))
            if not found:
                print("nothing differs")
        raise typer.Exit(FAILED if any(each.status == "open" for each in found) else 0)


@reconcile_app.command("groups", epilog=example("spotlight reconcile groups", "spotlight reconcile resolve GROUP …"))
def groups(provider: OnlyOf = None, as_json: AsJson = False) -> None:
    """Print open differences by what is decided alike: account, kind, wallet, currency, day and direction."""
    with told_failures():

        async def run(desk: "Container", _: "StaffActs") -> "list[GroupLine]":
            return list(await desk.reconciler.groups(provider))

        found = at_the_desk(run)
        if as_json:
            print(json.dumps([{"key": each.group.key, **asdict(each)} for each in found], indent=2, default=str))
            return
        rows = [
            (each.group.key, str(each.many), shown(each.amount_minor, each.group.currency), str(each.asked))
            for each in found
        ]
        print(
            table(("group", "differences", "sum", "asked about"), rows, right=(1, 2, 3)) if rows else "nothing differs"
        )


def _lines(each: "Difference") -> list[str]:
    sign = "+" if each.amount_minor > 0 else ""
    lines = [
        f"{each.id}  {each.found_at:%Y-%m-%d %H:%M}  {each.provider}  {each.kind.value.replace('_', ' ')}  "
        f"{sign}{shown(each.amount_minor, each.currency)}",
        f"    {each.detail}",
    ]
    if each.line:
        lines.append("    line: " + ", ".join(f"{name} {value}" for name, value in each.line.items()))
    if each.status == "open":
        asked = f"; asked about in request {each.request}" if each.request else ""
        lines.append("    decide: " + ", ".join(repair.value for repair in each.offered) + asked)
    else:
        lines.append(f"    {each.resolution} by {each.resolved_by}{': ' + each.note if each.note else ''}")
    return lines


@reconcile_app.command(
    "resolve",
    epilog=example(
        'spotlight reconcile resolve 12 --action operator_kept --as awa@example.org --reason "commission of November"',
        "spotlight reconcile approve REQUEST --as yao@example.org",
    ),
)
def resolve(
    difference: Annotated[str, typer.Argument(help="Its number, or a group as `groups` prints it.")],
    action: Annotated[Repair, typer.Option("--action", help="One of those that `differences` offers.")],
    person: As,
    reason: Reason,
    operator_reference: Annotated[
        str | None, typer.Option(help="For `returned`: the operator's reference of the payment back.")
    ] = None,
) -> None:
    """Ask to book a difference, or to accept one about which no money moves. A second person agrees.

    All differences of a group are decided together: those that are open now.
    """
    with told_failures():
        params = given({"repair": action.value, "operator_reference": operator_reference})
        _ask(Act.RECONCILE, difference, params, reason, person)


@reconcile_app.command("files", epilog=example("spotlight reconcile files"))
def files(as_json: AsJson = False) -> None:
    """Print the latest imports."""
    with told_failures():

        async def run(desk: "Container", _: "StaffActs") -> "list[StatementFile]":
            return list(await desk.reconciler.files())

        found = at_the_desk(run)
        if as_json:
            print(json.dumps([asdict(each) for each in found], indent=2, default=str))
            return
        head = ("import", "account", "file", "lines", "by", "at (UTC)", "open differences", "")
        print(table(head, [_file(each) for each in found], right=(3, 6)) if found else "no statement was imported")


def _file(each: "StatementFile") -> tuple[str, ...]:
    at, undone = f"{each.imported_at:%Y-%m-%d %H:%M}", "taken back" if each.undone_at else ""
    return (str(each.id), each.provider, each.name, str(each.lines), each.imported_by, at, str(each.open), undone)


@reconcile_app.command(
    "undo",
    epilog=example(
        'spotlight reconcile undo IMPORT --as awa@example.org --reason "the file of another account"',
        "spotlight reconcile approve REQUEST --as yao@example.org",
    ),
)
def undo(
    file: Annotated[str, typer.Argument(help="The import, as `files` prints it.")], person: As, reason: Reason
) -> None:
    """Ask to take an import back as a whole, while nothing was decided on it. A second person agrees.

    Its lines match nothing any more, its fees are booked back, its differences end; the same file may come again.
    """
    with told_failures():
        _ask(Act.UNDO_IMPORT, file, {}, reason, person)


def _ask(act: Act, subject: str, params: dict[str, Any], reason: str, person: str) -> None:
    async def run(_: "Container", acts: "StaffActs") -> "StaffRequest":
        return await made_request(acts, await acts.ask(act, subject, params, reason, await proven(person)))

    say_asked("reconcile", at_the_desk(run))


@reconcile_app.command("approve", epilog=example("spotlight reconcile approve REQUEST --as yao@example.org"))
def approve(request: Request, person: As) -> None:
    """Agree to a decision about differences, or to taking an import back, as the second person."""
    with told_failures():
        decide(_ACTS, request, person, approve=True)


@reconcile_app.command("reject", epilog=example("spotlight reconcile reject REQUEST --as yao@example.org"))
def reject(request: Request, person: As) -> None:
    """Turn such a request down. Nothing is changed."""
    with told_failures():
        decide(_ACTS, request, person, approve=False)


@reconcile_app.command("requests", epilog=example("spotlight reconcile requests"))
def requests(as_json: AsJson = False) -> None:
    """Print requests about differences and imports that wait for a second person or are being done."""
    with told_failures():

        async def run(_: "Container", acts: "StaffActs") -> "list[StaffRequest]":
            statuses = (RequestStatus.WAITING, RequestStatus.APPROVED)
            return list(await acts.requests.listed(statuses=statuses, acts=_ACTS))

        found = at_the_desk(run)
        if as_json:
            print(json.dumps([request_json(each) for each in found], indent=2))
            return
        print(request_table(found) if found else "no request waits for a second person")


@reconcile_app.command("balances", epilog=example("spotlight reconcile balances"))
def balances(as_json: AsJson = False) -> None:
    """Ask operators what our wallets hold and compare with the book, as is done once a day by itself.

    Exit status 1 when a balance is off by more than money in transit explains.
    """
    with told_failures():

        async def run(desk: "Container", _: "StaffActs") -> list[dict[str, object]]:
            return [asdict(each) for each in await desk.reconciler.check_balances()]

        checked = at_the_desk(run)
        if as_json:
            print(json.dumps(checked, indent=2))
        elif not checked:
            print("no operator here tells what it holds")
        else:
            print(table(("operator", "wallet", "they say", "the book says", "unexplained"), [_row(c) for c in checked]))
        raise typer.Exit(FAILED if any(each["gap_minor"] for each in checked) else 0)


def _row(checked: dict[str, object]) -> tuple[str, ...]:
    def money(name: str) -> str:
        minor = checked[name]
        return "no answer" if minor is None else shown(int(str(minor)), str(checked["currency"]))

    return (
        str(checked["account"]),
        str(checked["wallet"]),
        money("operator_minor"),
        money("book_minor"),
        money("gap_minor"),
    )
