"""`spotlight ticket`: voters who asked for help."""

from typing import Annotated
from urllib.parse import quote

import typer

from gateway.cli.commands import AsJson, command, group
from gateway.cli.formats import Columns, Reason, minute, print_rows
from gateway.cli.staff.api import StaffApi

ticket_app = group("Voters who asked for help.")


@command(ticket_app, "list", "spotlight ticket list")
def list_tickets(as_json: AsJson = False) -> None:
    """Print open tickets, the oldest first; numbers are masked.

    `payment now` is what became of the payment that the ticket is about: `settled` is counted, `refunded` is back.
    """
    lines = StaffApi().get("tickets")["tickets"]
    columns: Columns = {
        "ticket": "ticket",
        "contest": "contest",
        "about": lambda line: f"{line['kind']}, {line['channel']}",
        "payment now": "paymentStatus",
        "voter": "number",
        "opened (UTC)": lambda line: minute(line["openedAt"]),
        "order": "voteId",
    }
    print_rows(lines, columns, as_json=as_json, right=(0,), nothing="no ticket is open")


@command(ticket_app, "close", 'spotlight ticket close 13 --reason "counted meanwhile, called back"')
def close(
    ticket: Annotated[str, typer.Argument(help="Its number, as `list` prints it and as the voter received it.")],
    reason: Reason,
) -> None:
    """Close a ticket once the voter has an answer. A refund that names it closes it by itself."""
    StaffApi().post(f"tickets/{quote(ticket, safe='')}/close", {"reason": reason})
    print(f"ticket {ticket} is closed")
