"""`spotlight ledger` and `spotlight fees`: the book, at any instant, and how sales are shared."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer

from gateway.cli.commands import AsJson, command, group
from gateway.cli.failures import FAILED
from gateway.cli.formats import At, Columns, Contest, Reason, Row, amount, instant, print_json, print_rows, shown, snake
from gateway.cli.running import in_container
from gateway.cli.staff.api import StaffApi
from gateway.cli.staff.requests import add_decisions, print_asked

if TYPE_CHECKING:
    from gateway.runtime.container import Container

ledger_app = group("The book: balances, trial balance, journal.")
fees_app = group("Our share of what votes bring.")

Organiser = Annotated[str, typer.Argument(help="The organiser's slug.")]


@command(
    ledger_app, "balances", "spotlight ledger balances --contest star", "spotlight ledger balances --at 2026-11-21"
)
def balances(at: At = None, contest: Contest = None, as_json: AsJson = False) -> None:
    """Print what every account of the book holds, by contest and account at an operator. Debits are positive."""
    held = in_container(lambda container: container.book.balances(None, at=instant(at), contest=contest))
    rows = [asdict(balance) for balance in held]
    columns: Columns = {
        "contest": lambda row: row["contest"] or "-",
        "operator": "provider",
        "account": "account",
        "balance": lambda row: shown(row["amount_minor"], row["currency"]),
    }
    print_rows(rows, columns, as_json=as_json, right=(3,))


@command(ledger_app, "trial", "spotlight ledger trial", "spotlight ledger trial --at 2026-11-21T18:00")
def trial(at: At = None, as_json: AsJson = False) -> None:
    """Print the trial balance: both sides of every account. Exit status 1 when a currency does not balance."""
    from payments.ledger.book import unbalanced

    lines = in_container(lambda container: container.book.trial(at=instant(at)))
    left = unbalanced(lines)
    rows = [{**asdict(line), "balance_minor": line.balance_minor} for line in lines]
    if as_json:
        print_json(rows)
    else:
        columns: Columns = {
            "account": "account",
            "debit": lambda row: shown(row["debit_minor"], row["currency"]),
            "credit": lambda row: shown(row["credit_minor"], row["currency"]),
            "balance": lambda row: shown(row["balance_minor"], row["currency"]),
        }
        print_rows(rows, columns, right=(1, 2, 3))
        for currency in sorted({line.currency for line in lines}):
            print(f"{currency}: {f'DOES NOT BALANCE, {left[currency]} over' if currency in left else 'balances'}")
    raise typer.Exit(FAILED if left else 0)


@command(ledger_app, "journal", "spotlight ledger journal --contest star > star.csv")
def journal(at: At = None, contest: Contest = None) -> None:
    """Print every leg that was ever booked as CSV, in the order of writing. Amounts are minor units."""

    async def write(container: "Container") -> None:
        async for line in container.book.journal_csv(None, at=instant(at), contest=contest):
            print(line, end="")

    in_container(write)


@command(fees_app, "show", "spotlight fees show demo")
def show_fees(organiser: Organiser, as_json: AsJson = False) -> None:
    """Print an organiser's fee plans, the latest first. Without one, everything is the organiser's."""
    rows = [snake(plan) for plan in StaffApi().get(_fees_of(organiser))["plans"]]
    columns: Columns = {
        "currency": "currency",
        "paid by": lambda row: row["method"] or "any way",
        "from": "valid_from",
        "percent": _percent,
        "fixed": lambda row: shown(row["fixed_minor"], row["currency"]),
        "at least": lambda row: shown(row["minimum_minor"], row["currency"]),
        "set by": "created_by",
    }
    print_rows(rows, columns, as_json=as_json, right=(3, 4, 5), nothing="no fee plan: everything is the organiser's")


def _percent(row: Row) -> str:
    whole, part = divmod(row["percent_bp"], 100)
    return f"{whole}.{part:02d} %"


def _fees_of(organiser: str) -> str:
    return f"organisers/{quote(organiser, safe='')}/fees"


@command(fees_app, "set", "spotlight fees set demo XOF --percent 7.5 --minimum 5 --reason contract")
def set_fees(
    organiser: Organiser,
    currency: Annotated[str, typer.Argument(help="Of which orders: XOF, XAF …")],
    reason: Reason,
    percent: Annotated[str, typer.Option(help="Per cent of an order, two decimals at most.")] = "0",
    fixed: Annotated[str, typer.Option(help="And so much an order, in whole units.")] = "0",
    minimum: Annotated[str, typer.Option(help="But at least so much an order, in whole units.")] = "0",
    method: Annotated[str | None, typer.Option(help="Paid in this way only: MTN_MOBILE_MONEY, CARD …")] = None,
    valid_from: Annotated[
        str | None, typer.Option("--from", help="From this instant on; else once a second person agrees.")
    ] = None,
) -> None:
    """Ask for another share of an order from an instant on. Votes that are counted by then keep the fee they have.

    Nothing changes before a second person agrees: `spotlight fees approve`.

    Reckoned in whole minor units and rounded down, in the organiser's favour, order by order; never more than
    the order.
    """
    from gateway.values.money import EXPONENTS

    if currency not in EXPONENTS:
        raise typer.BadParameter(f"unknown currency {currency!r}")
    start = instant(valid_from)
    # Per cent with two decimals is basis points: the same shape as an amount in euros and cents.
    share = _or_zero(percent, "EUR")
    if share > 10_000:
        raise typer.BadParameter("more than 100 per cent")
    plan = {
        "currency": currency,
        "method": method,
        "reason": reason,
        "percentBp": share,
        "fixedMinor": _or_zero(fixed, currency),
        "minimumMinor": _or_zero(minimum, currency),
        "validFrom": start.isoformat() if start else None,
    }
    print_asked("fees", StaffApi().post(_fees_of(organiser), plan))


add_decisions(
    fees_app,
    "fees",
    ("fees",),
    agree="Agree to another share, as the second person.",
    turn_down="Turn a request down.",
)


def _or_zero(typed: str, currency: str) -> int:
    return 0 if not typed.replace(".", "").strip("0 ") else amount(typed, currency)
