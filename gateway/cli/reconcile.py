"""`spotlight reconcile`: statements and balances of operators against the book."""

import asyncio
import getpass
import json
from collections.abc import Coroutine
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from typer.core import TyperGroup

from gateway.cli.failures import FAILED, MISUSED, told_failures
from gateway.cli.money_words import As, AsJson, Reason, example, shown, table
from gateway.cli.running import running_settings
from gateway.cli.staff_words import quiet
from gateway.domain.reconciliation import Repair
from gateway.domain.staff_request import ActRefused

if TYPE_CHECKING:
    from gateway.ports.reconciliation import Difference
    from gateway.usecases.reconcile import Summary


T = TypeVar("T")


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
Me = Annotated[str | None, typer.Option("--as", help="Who you are; else your account here.")]


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Do something at the money desk. A refusal is told in a sentence."""
    try:
        with quiet():
            return asyncio.run(work)
    except ActRefused as refused:
        typer.echo(f"error: {refused}", err=True)
        raise typer.Exit(MISUSED) from None


@reconcile_app.command("import", epilog=example("spotlight reconcile november.xlsx --provider mtn_momo"))
def import_file(
    file: Annotated[Path, typer.Argument(help="A statement as the operator exports it: CSV or XLSX.")],
    provider: Provider,
    person: Me = None,
    as_json: AsJson = False,
) -> None:
    """Import a statement and compare each line with the book; the same file twice is refused.

    A line is found by our reference, then by the operator's, then by amount, number and time. What is missing here
    is asked about at the operator; fees are booked; every other difference waits for a person. Exit status 1 when
    there are new differences.
    """
    with told_failures():
        from gateway.money_desk import open_money_desk

        data = file.read_bytes()

        async def run() -> "Summary":
            async with open_money_desk(running_settings()) as desk:
                who = person or f"cli:{getpass.getuser()}"
                return await desk.reconciler.import_file(provider, file.name, data, who)

        done = _run(run())
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


@reconcile_app.command("differences", epilog=example("spotlight reconcile differences --provider mtn_momo"))
def differences(
    provider: OnlyOf = None,
    everything: Annotated[bool, typer.Option("--all", help="Also those that are resolved.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print what differs, and what may be decided about it. Exit status 1 while something is open."""
    with told_failures():
        from gateway.money_desk import open_money_desk

        async def run() -> "list[Difference]":
            async with open_money_desk(running_settings()) as desk:
                return list(await desk.reconciler.differences(open_only=not everything, account=provider))

        found = _run(run())
        if as_json:
            print(json.dumps([asdict(each) for each in found], indent=2, default=str))
        else:
            for each in found:
                print("\n".join(_lines(each)))
            if not found:
                print("nothing differs")
        raise typer.Exit(FAILED if any(each.status == "open" for each in found) else 0)


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
        lines.append("    decide: " + ", ".join(repair.value for repair in each.offered))
    else:
        lines.append(f"    {each.resolution} by {each.resolved_by}{': ' + each.note if each.note else ''}")
    return lines


@reconcile_app.command(
    "resolve",
    epilog=example(
        'spotlight reconcile resolve 12 --action operator_kept --as awa@example.org --reason "commission of November"'
    ),
)
def resolve(
    number: Annotated[int, typer.Argument(help="The difference, as `differences` prints it.")],
    action: Annotated[Repair, typer.Option("--action", help="One of those that `differences` offers.")],
    person: As,
    reason: Reason,
    operator_reference: Annotated[
        str | None, typer.Option(help="For `returned`: the operator's reference of the payment back.")
    ] = None,
) -> None:
    """Decide about a difference: a posting with your name and reason, or the acceptance of another date."""
    with told_failures():
        from gateway.money_desk import open_money_desk

        async def run() -> "Difference":
            async with open_money_desk(running_settings()) as desk:
                who = await desk.person(person)
                return await desk.reconciler.repair(
                    number, action, person=who, reason=reason, operator_reference=operator_reference
                )

        decided = _run(run())
        print("\n".join(_lines(decided)))
        print(f"    ledger transaction {decided.ledger_tx}" if decided.ledger_tx else "    no money moved")


@reconcile_app.command("balances", epilog=example("spotlight reconcile balances"))
def balances(as_json: AsJson = False) -> None:
    """Ask operators what our wallets hold and compare with the book, as is done once a day by itself.

    Exit status 1 when a balance is off by more than money in transit explains.
    """
    with told_failures():
        from gateway.money_desk import open_money_desk

        async def run() -> list[dict[str, object]]:
            async with open_money_desk(running_settings()) as desk:
                return [asdict(each) for each in await desk.reconciler.check_balances()]

        checked = _run(run())
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
