"""`spotlight ledger` and `spotlight fees`: the book, at any instant, and how sales are shared."""

import asyncio
import getpass
import json
from dataclasses import asdict
from typing import Annotated

import typer

from gateway.cli.failures import report_failures
from gateway.cli.formats import AsJson, At, Contest, amount, example, instant, shown, table
from gateway.cli.running import running_settings

ledger_app = typer.Typer(
    help="The book: balances, trial balance, journal.", no_args_is_help=True, rich_markup_mode=None
)
fees_app = typer.Typer(help="Our share of what votes bring.", no_args_is_help=True, rich_markup_mode=None)


@ledger_app.command(
    "balances", epilog=example("spotlight ledger balances --contest star", "spotlight ledger balances --at 2026-11-21")
)
def balances(at: At = None, contest: Contest = None, as_json: AsJson = False) -> None:
    """Print what every account of the book holds, by contest and account at an operator. Debits are positive."""
    with report_failures():
        from gateway.runtime.container import REPORT_TIMEOUT_MS, open_command

        async def read() -> list[dict[str, object]]:
            async with open_command(running_settings(), statement_timeout_ms=REPORT_TIMEOUT_MS) as container:
                return [asdict(b) for b in await container.book.balances(at=instant(at), contest=contest)]

        rows = asyncio.run(read())
        if as_json:
            print(json.dumps(rows, indent=2))
            return
        head = ("contest", "operator", "account", "balance")
        lines = [
            (str(r["contest"] or "-"), str(r["provider"]), str(r["account"]), _shown(r["amount_minor"], r["currency"]))
            for r in rows
        ]
        print(table(head, lines, right=(3,)))


def _shown(amount_minor: object, currency: object) -> str:
    return shown(int(str(amount_minor)), str(currency))


@ledger_app.command("trial", epilog=example("spotlight ledger trial", "spotlight ledger trial --at 2026-11-21T18:00"))
def trial(at: At = None, as_json: AsJson = False) -> None:
    """Print the trial balance: both sides of every account. Exit status 1 when a currency does not balance."""
    with report_failures():
        from gateway.cli.failures import FAILED
        from gateway.runtime.container import REPORT_TIMEOUT_MS, open_command

        async def read() -> list[tuple[str, str, int, int, int]]:
            async with open_command(running_settings(), statement_timeout_ms=REPORT_TIMEOUT_MS) as container:
                return [
                    (r.account, r.currency, r.debit_minor, r.credit_minor, r.balance_minor)
                    for r in await container.book.trial(at=instant(at))
                ]

        rows = asyncio.run(read())
        sums: dict[str, int] = {}
        for _, currency, _, _, balance in rows:
            sums[currency] = sums.get(currency, 0) + balance
        if as_json:
            names = ("account", "currency", "debit_minor", "credit_minor", "balance_minor")
            print(json.dumps([dict(zip(names, row, strict=True)) for row in rows], indent=2))
        else:
            head = ("account", "debit", "credit", "balance")
            lines = [(a, shown(d, c), shown(k, c), shown(b, c)) for a, c, d, k, b in rows]
            print(table(head, lines, right=(1, 2, 3)))
            for currency, left in sorted(sums.items()):
                print(f"{currency}: {'balances' if left == 0 else f'DOES NOT BALANCE, {left} over'}")
        raise typer.Exit(FAILED if any(sums.values()) else 0)


@ledger_app.command("journal", epilog=example("spotlight ledger journal --contest star > star.csv"))
def journal(at: At = None, contest: Contest = None) -> None:
    """Print every leg that was ever booked as CSV, in the order of writing. Amounts are minor units."""
    with report_failures():
        from gateway.runtime.container import REPORT_TIMEOUT_MS, open_command
        from payments.ledger.book import journal_csv

        async def write() -> None:
            async with open_command(running_settings(), statement_timeout_ms=REPORT_TIMEOUT_MS) as container:
                async for line in journal_csv(container.book, at=instant(at), contest=contest):
                    print(line, end="")

        asyncio.run(write())


@fees_app.command("show", epilog=example("spotlight fees show demo"))
def show_fees(organiser: Annotated[str, typer.Argument(help="The organiser's slug.")], as_json: AsJson = False) -> None:
    """Print an organiser's fee plans, the latest first. Without one, everything is the organiser's."""
    with report_failures():
        from gateway.runtime.container import REPORT_TIMEOUT_MS, open_command

        async def read() -> list[dict[str, object]]:
            async with open_command(running_settings(), statement_timeout_ms=REPORT_TIMEOUT_MS) as container:
                return [
                    {
                        "currency": p.currency,
                        "valid_from": p.valid_from.isoformat(),
                        **asdict(p.plan),
                        "created_by": p.created_by,
                    }
                    for p in await container.book.fee_plans(organiser)
                ]

        rows = asyncio.run(read())
        if as_json:
            print(json.dumps(rows, indent=2))
        elif not rows:
            print("no fee plan: everything is the organiser's")
        else:
            head = ("currency", "from", "percent", "fixed", "at least", "set by")
            print(table(head, [_fee_line(row) for row in rows], right=(2, 3, 4)))


def _fee_line(row: dict[str, object]) -> tuple[str, ...]:
    whole, part = divmod(int(str(row["percent_bp"])), 100)
    currency = str(row["currency"])
    return (
        currency,
        str(row["valid_from"]),
        f"{whole}.{part:02d} %",
        _shown(row["fixed_minor"], currency),
        _shown(row["minimum_minor"], currency),
        str(row["created_by"]),
    )


@fees_app.command("set", epilog=example("spotlight fees set demo XOF --percent 7.5 --minimum 5"))
def set_fees(
    organiser: Annotated[str, typer.Argument(help="The organiser's slug.")],
    currency: Annotated[str, typer.Argument(help="Of which orders: XOF, XAF …")],
    percent: Annotated[str, typer.Option(help="Per cent of an order, two decimals at most.")] = "0",
    fixed: Annotated[str, typer.Option(help="And so much an order, in whole units.")] = "0",
    minimum: Annotated[str, typer.Option(help="But at least so much an order, in whole units.")] = "0",
    valid_from: Annotated[str | None, typer.Option("--from", help="From this instant on; else from now.")] = None,
) -> None:
    """Set our share of an order from an instant on. Votes that are counted by then keep the fee they have.

    Reckoned in whole minor units and rounded down, in the organiser's favour, order by order; never more than
    the order.
    """
    with report_failures():
        from gateway.runtime.container import REPORT_TIMEOUT_MS, open_command
        from gateway.values.money import EXPONENTS
        from payments.ledger.postings import FeePlan

        if currency not in EXPONENTS:
            raise typer.BadParameter(f"unknown currency {currency!r}")
        # Per cent with two decimals is basis points: the same shape as an amount in euros and cents.
        plan = FeePlan(_or_zero(percent, "EUR"), _or_zero(fixed, currency), _or_zero(minimum, currency))
        if plan.percent_bp > 10_000:
            raise typer.BadParameter("more than 100 per cent")

        async def write() -> str:
            async with open_command(running_settings(), statement_timeout_ms=REPORT_TIMEOUT_MS) as container:
                made = await container.book.set_fee_plan(
                    organiser, currency, plan, valid_from=instant(valid_from), actor=f"cli:{getpass.getuser()}"
                )
                return made.valid_from.isoformat()

        print(f"set from {asyncio.run(write())}")


def _or_zero(typed: str, currency: str) -> int:
    return 0 if not typed.replace(".", "").strip("0 ") else amount(typed, currency)
