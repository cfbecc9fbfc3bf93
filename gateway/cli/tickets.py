"""`spotlight ticket`: voters who asked for help."""

import json
from typing import Annotated, Any
from urllib.parse import quote

import typer

from gateway.cli.failures import report_failures
from gateway.cli.formats import AsJson, Reason, example, minute, snake, table
from gateway.cli.staff_api import StaffApi

ticket_app = typer.Typer(help="Voters who asked for help.", no_args_is_help=True, rich_markup_mode=None)
_HEAD = ("ticket", "contest", "about", "payment now", "voter", "opened (UTC)", "order")


@ticket_app.command("list", epilog=example("spotlight ticket list"))
def list_tickets(as_json: AsJson = False) -> None:
    """Print open tickets, the oldest first; numbers are masked.

    `payment now` is what became of the payment that the ticket is about: `settled` is counted, `refunded` is back.
    """
    with report_failures():
        lines = StaffApi().get("tickets")["tickets"]
        if as_json:
            print(json.dumps([snake(line) for line in lines], indent=2))
            return
        print(table(_HEAD, [_row(line) for line in lines], right=(0,)) if lines else "no ticket is open")


def _row(line: dict[str, Any]) -> tuple[str, ...]:
    about, order = f"{line['kind']}, {line['channel']}", line["voteId"] or ""
    payment = line["paymentStatus"] or ""
    return line["ticket"], line["contest"], about, payment, line["number"], minute(line["openedAt"]), order


@ticket_app.command("close", epilog=example('spotlight ticket close 13 --reason "counted meanwhile, called back"'))
def close(
    ticket: Annotated[str, typer.Argument(help="Its number, as `list` prints it and as the voter received it.")],
    reason: Reason,
) -> None:
    """Close a ticket once the voter has an answer. A refund that names it closes it by itself."""
    with report_failures():
        StaffApi().post(f"tickets/{quote(ticket, safe='')}/close", {"reason": reason})
        print(f"ticket {ticket} is closed")
