"""`spotlight ticket` on a real database."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.cli.main import app
from gateway.values.msisdn import Msisdn
from payments.rescue.attempts import Attempts
from payments.rescue.rules import OfNumber
from tests.engines import Database
from tests.gateway.cli.staff import Shell
from tests.gateway.cli.test_refunds import WHY, in_rig, run
from tests.rigs.money_rig import CHECKER, MoneyRig

__all__ = ["run"]


async def debited(rig: MoneyRig) -> tuple[Any, str]:
    """A counted order whose voter asked for help, and the number of the ticket."""
    order = await rig.counted()
    claim = OfNumber(Msisdn("+2250501020304", "CI"), (rig.contest.id,))
    attempts = Attempts(rig.engine, rig.vault)
    number = await attempts.open_ticket(claim, rig.contest.id, "fr", order.payment_reference)
    assert number is not None
    return order, number


@pytest.mark.parametrize("command", ["list", "close"])
def test_every_help_has_an_example(command: str) -> None:
    shown = CliRunner().invoke(app, ["ticket", command, "--help"])
    assert shown.exit_code == 0
    assert f"Example:\n    spotlight ticket {command}" in shown.output


def test_listed_and_closed(run: Shell, database: Database) -> None:
    assert run("ticket list") == (0, "no ticket is open\n", "")
    order, number = in_rig(database, debited)
    status, output, _ = run("ticket list")
    assert status == 0
    assert number in output
    assert "settled" in output
    assert "+225 05 •• •• 03 04" in output
    (line,) = json.loads(run("ticket list --json")[1])
    assert (line["ticket"], line["vote_id"], line["kind"]) == (number, str(order.vote_id), "debited")
    status, _, wrong = run(f"ticket close {number[:-1]}", *WHY)
    assert (status, wrong) == (2, f"error: there is no ticket {number[:-1]}\n")
    assert run(f"ticket close {number}", *WHY) == (0, f"ticket {number} is closed\n", "")
    assert run(f"ticket close {number}", *WHY) == (2, "", f"error: ticket {number} is closed\n")
    assert run("ticket list")[1] == "no ticket is open\n"


def test_a_refund_closes_the_ticket_that_the_voter_names(run: Shell, database: Database) -> None:
    order, number = in_rig(database, debited)
    status, output, _ = run(f"refund ask {order.payment_reference} --ticket {number}", *WHY)
    assert status == 0
    assert f"ticket: {number}" in output
    asked = output.split("request ")[1].split()[0]
    assert run(f"refund approve {asked}", who=CHECKER)[0] == 0
    assert run("ticket list")[1] == "no ticket is open\n"
    status, _, errors = run(f"refund ask {order.payment_reference} --ticket {number[:-1]}", *WHY)
    assert status == 2
    assert errors.startswith("error: ")
