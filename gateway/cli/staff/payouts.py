"""`spotlight payout` and `spotlight organiser`: organisers are paid by two persons, or not at all."""

from typing import Annotated, Any, Final
from urllib.parse import quote

import typer

from gateway.cli.commands import AsJson, command, group
from gateway.cli.formats import Columns, Reason, Row, amount, minute, print_json, print_rows, shown, snake
from gateway.cli.formats import money as money_of
from gateway.cli.staff.api import StaffApi
from gateway.cli.staff.requests import Request, add_decisions, decide, print_asked, print_requests, read_id, waiting

_ACTS: Final = ("payout", "beneficiary")

payout_app = group("Pay organisers: one person asks, another one agrees.")
beneficiary_app = group("Where an organiser is paid.")
payout_app.add_typer(beneficiary_app, name="beneficiary")
organiser_app = group("Stop and resume what organisers are paid.")

Organiser = Annotated[str, typer.Argument(help="The organiser's slug.")]
ContestSlug = Annotated[str, typer.Argument(help="The contest's slug.")]


@command(
    beneficiary_app,
    "add",
    'spotlight payout beneficiary add demo 0505060708 --name "Awa Koné" --operator mtn_momo --country CI '
    '--reason "contract of 3 November"',
)
def add_beneficiary(
    organiser: Organiser,
    number: Annotated[str, typer.Argument(help="The wallet's number.")],
    name: Annotated[str, typer.Option(help="Whose wallet it is.")],
    operator: Annotated[str, typer.Option(help="The account that pays: mtn_momo …")],
    reason: Reason,
    country: Annotated[str, typer.Option(help="Country of the number, as CI or CM.")] = "CI",
) -> None:
    """Register where an organiser is paid. It can be paid a day after a second person has confirmed it."""
    body = {
        "organiser": organiser,
        "account": operator,
        "country": country.upper(),
        "number": number,
        "name": name,
        "reason": reason,
    }
    print_asked("payout", StaffApi().post("beneficiaries", body))


@command(beneficiary_app, "list", "spotlight payout beneficiary list demo")
def list_beneficiaries(
    organiser: Annotated[str | None, typer.Argument(help="One organiser only.")] = None, as_json: AsJson = False
) -> None:
    """Print where organisers are paid; numbers are masked."""
    lines = StaffApi().get("beneficiaries", organiser=organiser)["beneficiaries"]
    columns: Columns = {
        "beneficiary": "id",
        "organiser": "organiser",
        "name": "name",
        "number": "number",
        "operator": "provider",
        "usable": _usable,
    }
    print_rows(lines, columns, as_json=as_json)


def _usable(line: Row) -> str:
    if line["retiredAt"]:
        return f"retired {minute(line['retiredAt'])[:10]}"
    return f"from {minute(line['usableFrom'])} UTC" if line["usableFrom"] else "not confirmed"


@command(beneficiary_app, "retire", "spotlight payout beneficiary retire ID --reason agreed")
def retire_beneficiary(
    beneficiary: Annotated[str, typer.Argument(help="As `list` prints it.")], reason: Reason
) -> None:
    """Pay there no more, from now on."""
    StaffApi().post(f"beneficiaries/{read_id(beneficiary)}/retire", {"reason": reason})
    print("retired")


@command(
    payout_app,
    "ask",
    'spotlight payout ask star 250000 --to BENEFICIARY --reason "November\'s share"',
    "spotlight payout approve REQUEST",
)
def ask(
    contest: ContestSlug,
    money: Annotated[str, typer.Argument(metavar="AMOUNT", help="In whole units, or `all` that is payable.")],
    to: Annotated[str, typer.Option("--to", help="The beneficiary, as `beneficiary list` prints it.")],
    reason: Reason,
) -> None:
    """Ask to pay an organiser. Nothing is sent before a second person agrees.

    Not more than what is owed for counted votes, less those that may still be taken back; nothing while a
    difference with an operator is open, or the organiser is frozen.
    """
    api = StaffApi()
    minor = None
    if money != "all":
        (owed,) = api.get("payouts/positions", contest=contest)["positions"]
        minor = amount(money, owed["currency"])
    body = {"contest": contest, "amountMinor": minor, "beneficiary": str(read_id(to)), "reason": reason}
    print_asked("payout", api.post("payouts", body))


@command(payout_app, "finish", "spotlight payout finish PAYOUT --end done --operator-reference MP1 --reason agreed")
def finish(
    payout: Annotated[str, typer.Argument(help="A payout that waits for a person, as `list` prints it.")],
    end: Annotated[str, typer.Option(help="done: they have it; failed: it never arrived; again: ask once more.")],
    reason: Reason,
    operator_reference: Annotated[str | None, typer.Option(help="For `done`: the operator's reference.")] = None,
) -> None:
    """Ask to end a payout that the operator gave no clear answer about."""
    body = {"end": end, "operatorReference": operator_reference, "reason": reason}
    print_asked("payout", StaffApi().post(f"payouts/{read_id(payout)}/finish", body))


add_decisions(
    payout_app,
    "payout",
    _ACTS,
    agree="Agree to a payout or a beneficiary, as the second person.",
    turn_down="Turn a request down.",
)


@command(beneficiary_app, "confirm", "spotlight payout beneficiary confirm REQUEST")
def confirm(request: Request) -> None:
    """Confirm a beneficiary, as the second person."""
    decide("payout", _ACTS, request, approve=True)


@command(payout_app, "list", "spotlight payout list --contest star")
def list_payouts(
    contest: Annotated[
        str | None, typer.Option("--contest", help="One contest only; also says what is payable.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print requests that wait for a second person, and payouts, the latest first."""
    api = StaffApi()
    lines = api.get("payouts", contest=contest)["payouts"]
    if as_json:
        print_json([_payout_json(line) for line in lines])
        return
    if contest is not None:
        (owed,) = api.get("payouts/positions", contest=contest)["positions"]
        payable = shown(owed["payableMinor"], owed["currency"])
        print(f"payable to {owed['organiser']}: {payable}{' (frozen)' * owed['frozen']}")
    print_requests([request for request in waiting(api, _ACTS) if request["status"] == "waiting"])
    columns: Columns = {
        "payout": "reference",
        "contest": "contest",
        "to": "beneficiary",
        "operator": "provider",
        "amount": lambda line: money_of(line["amount"]),
        "status": lambda line: f"{line['status']} ({line['reasonCode']})" if line["reasonCode"] else line["status"],
        "asked": lambda line: minute(line["createdAt"]),
    }
    print_rows(lines, columns, right=(4,), nothing="no payouts")


def _payout_json(line: Row) -> dict[str, Any]:
    amount = {"amount_minor": line["amount"]["amount"], "currency": line["amount"]["currency"]}
    return {**snake(line), "amount": amount}


@command(payout_app, "statement", "spotlight payout statement PAYOUT --csv > november.csv")
def statement(
    payout: Annotated[str, typer.Argument(help="The payout, as `list` prints it.")],
    as_csv: Annotated[bool, typer.Option("--csv", help="For a spreadsheet; amounts are minor units.")] = False,
) -> None:
    """Print what a payout was made of: gross, fees, what was taken back, net, and the tally that it pays for."""
    made = StaffApi().get(f"payouts/{read_id(payout)}/statement")
    print(made["csv"] if as_csv else made["text"], end="" if as_csv else "\n")


@command(organiser_app, "freeze", "spotlight organiser freeze demo --reason fraud")
def freeze(organiser: Organiser, reason: Reason) -> None:
    """Stop an organiser: no order is taken, no payer asked, nothing paid out; its people may only read.

    What was asked before is confirmed, counted or refunded.
    """
    _set_state(organiser, "frozen", reason)


@command(organiser_app, "limit", "spotlight organiser limit demo --reason 'papers are missing'")
def limit(organiser: Organiser, reason: Reason) -> None:
    """Let nothing new begin: no contest is published, nobody invited, and the platform alone asks for payouts."""
    _set_state(organiser, "limited", reason)


@command(organiser_app, "unfreeze", "spotlight organiser unfreeze demo --reason cleared")
def unfreeze(organiser: Organiser, reason: Reason) -> None:
    """Let an organiser that was frozen or limited go on."""
    _set_state(organiser, "active", reason)


def _set_state(organiser: str, state: str, reason: str) -> None:
    made = StaffApi().put(f"organisers/{quote(organiser, safe='')}/state", {"state": state, "reason": reason})
    print(made["state"])
