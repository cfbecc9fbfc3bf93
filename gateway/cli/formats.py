"""How commands read and print instants, amounts and rows."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer

from gateway.values.money import EXPONENTS, Money, parse_amount

At = Annotated[
    str | None, typer.Option("--at", help="As of this instant, UTC where no zone is given: 2026-11-21T18:00.")
]
Contest = Annotated[str | None, typer.Option("--contest", help="One contest only, by its slug.")]
Reason = Annotated[str, typer.Option("--reason", help="Why, for the record.")]

NOT_MONEY: Final = "VOTES"
Row = Mapping[str, Any]
Columns = Mapping[str, str | Callable[[Any], object]]
"""Each by its name: a field of a row, or what is shown of the row."""


def instant(typed: str | None) -> datetime | None:
    """An instant as it is typed; one without a zone is UTC. Raises typer.BadParameter."""
    if typed is None:
        return None
    try:
        read = datetime.fromisoformat(typed)
    except ValueError:
        raise typer.BadParameter(f"{typed!r} is no instant; write it as 2026-11-21T18:00") from None
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def amount(typed: str, currency: str) -> int:
    """A positive amount in minor units, as it is typed in whole units. Raises typer.BadParameter."""
    read = parse_amount(typed.replace(" ", ""), currency)
    if read is None or read.amount_minor <= 0:
        raise typer.BadParameter(f"{typed!r} is no amount of {currency}")
    return read.amount_minor


def shown(amount_minor: int, currency: str) -> str:
    """An amount for people; votes and currencies that we do not know stand as they are."""
    if currency in EXPONENTS:
        return f"{Money(amount_minor, currency).plain()} {currency}"
    return f"{amount_minor} {currency.lower() if currency == NOT_MONEY else currency}"


def money(amount: Mapping[str, Any]) -> str:
    """An amount of the API for people."""
    return shown(int(amount["amount"]), str(amount["currency"]))


def print_rows(
    rows: Sequence[Row], columns: Columns, *, as_json: bool = False, right: Sequence[int] = (), nothing: str = ""
) -> None:
    """Rows under their head, in columns, or as JSON with all that they hold. `right`: columns of figures; `nothing`:
    the sentence where there are no rows."""
    if as_json:
        print_json([snake(row) for row in rows])
        return
    if not rows and nothing:
        print(nothing)
        return
    found = [[row[of] if isinstance(of, str) else of(row) for of in columns.values()] for row in rows]
    lines = [list(columns), *(["" if value is None else str(value) for value in row] for row in found)]
    widths = [max(len(line[n]) for line in lines) for n in range(len(columns))]
    for line in lines:
        cells = zip(line, widths, strict=True)
        print("  ".join(c.rjust(w) if n in right else c.ljust(w) for n, (c, w) in enumerate(cells)).rstrip())


def print_json(value: object) -> None:
    """A document for a machine."""
    print(json.dumps(value, indent=2, default=str))


def minute(at: str) -> str:
    """An instant of the API as tables have it: to the minute, UTC."""
    return f"{datetime.fromisoformat(at).astimezone(UTC):%Y-%m-%d %H:%M}"


def snake(row: Row) -> dict[str, Any]:
    """A row of the API with the names that `--json` has: `voteId` becomes `vote_id`."""
    return {re.sub(r"([A-Z])", lambda letter: f"_{letter[1].lower()}", name): value for name, value in row.items()}
