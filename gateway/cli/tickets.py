"""`spotlight ticket`: voters who asked for help."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import staff_words
from gateway.cli.failures import told_failures
from gateway.cli.identity import proven
from gateway.cli.money_words import As, AsJson, Reason, example, table

if TYPE_CHECKING:
    from gateway.runtime.container import Container
    from payments.rescue.tickets import OpenTicket

ticket_app = typer.Typer(help="Voters who asked for help.", no_args_is_help=True, rich_markup_mode=None)
_HEAD = ("ticket", "contest", "about", "payment now", "voter", "opened (UTC)", "order")


@ticket_app.command("list", epilog=example("spotlight ticket list"))
def list_tickets(as_json: AsJson = False) -> None:
    """Print open tickets, the oldest first; numbers are masked.

    `payment now` is what became of the payment that the ticket is about: `settled` is counted, `refunded` is back.
    """
    with told_failures():

        async def read(desk: "Container") -> "list[OpenTicket]":
            return list(await desk.tickets.open_tickets(None))

        lines = staff_words.at_the_desk(read)
        if as_json:
            print(json.dumps([asdict(line) for line in lines], indent=2, default=str))
            return
        print(table(_HEAD, [_row(line) for line in lines], right=(0,)) if lines else "no ticket is open")


def _row(line: "OpenTicket") -> tuple[str, ...]:
    about = f"{line.kind}, {line.channel}"
    opened = f"{line.opened_at:%Y-%m-%d %H:%M}"
    order = "" if line.vote_id is None else str(line.vote_id)
    return line.ticket, line.contest, about, line.payment_status or "", line.number, opened, order


@ticket_app.command(
    "close", epilog=example('spotlight ticket close 13 --as awa@example.org --reason "counted meanwhile, called back"')
)
def close(
    ticket: Annotated[str, typer.Argument(help="Its number, as `list` prints it and as the voter was told.")],
    person: As,
    reason: Reason,
) -> None:
    """Close a ticket once the voter has an answer. A refund that names it closes it by itself."""
    with told_failures():

        async def end(desk: "Container") -> None:
            from payments.requests import reasoned

            who = await proven(person)
            await desk.tickets.close(ticket, person=who, reason=reasoned(reason))

        staff_words.at_the_desk(end)
        print(f"ticket {ticket} is closed")
