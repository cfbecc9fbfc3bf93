"""`spotlight refund` and `spotlight held`: single payments that go back, or count after all."""

from collections.abc import Sequence
from typing import Annotated, Any, Final

import typer

from gateway.cli.commands import AsJson, command, group
from gateway.cli.formats import Columns, Reason, Row, minute, money, print_json, print_rows
from gateway.cli.staff.api import StaffApi
from gateway.cli.staff.requests import Public, add_decisions, print_requests, waiting
from gateway.cli.staff.requests import ask as ask_for

refund_app = group("Give money back: one person asks, another one agrees.")
held_app = group("Payments that wait for a person: count them or give them back.")
_REFUNDS: Final = ("refund_payment", "manual_refund_done", "retry_refund")
_HELD: Final = ("release_held", "refuse_held")

Payment = Annotated[
    str,
    typer.Argument(
        help="The payment: its reference, its vote's id, the voter's receipt, or the SP… code of the operator's text."
    ),
]
Refund = Annotated[str, typer.Argument(help="The refund's reference, as `spotlight refund list` prints it.")]


@command(
    refund_app,
    "ask",
    'spotlight refund ask 7K2M9QX4TB --reason "typed 50 for 5, asked at once" --ticket 13',
    "spotlight refund approve REQUEST",
)
def ask(
    payment: Payment,
    reason: Reason,
    ticket: Annotated[str | None, typer.Option("--ticket", help="The voter's ticket; closed with the refund.")] = None,
    public: Public = None,
) -> None:
    """Ask to give a counted or held payment back to the wallet that paid it.

    Prints what it would do. When a second person agreed, the votes leave the count by a public adjustment, the
    operator is asked to pay, and the voter gets a text with the amount and the operator's reference.
    """
    ask_for("refund", "refund_payment", payment, reason, ticket=ticket, public_reason=public)


@command(refund_app, "list", "spotlight refund list", "spotlight refund list --manual")
def list_refunds(
    manual: Annotated[bool, typer.Option("--manual", help="Only refunds that wait for a person.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print requests that wait for a second person, and refunds that their payers do not have yet.

    A refund is `due`, `sent` (the operator is being asked) or `manual`: then a person pays it at the operator and
    says so with `spotlight refund done`.
    """
    api = StaffApi()
    requests = waiting(api, _REFUNDS)
    lines = [line for line in api.get("refunds")["refunds"] if line["status"] == "manual" or not manual]
    if as_json:
        print_json({"requests": requests, "refunds": [_refund_json(line) for line in lines]})
        return
    print_requests(requests)
    print()
    columns: Columns = {
        "refund": "reference",
        "payment": "paymentReference",
        "contest": "contest",
        "status": "status",
        "operator": "provider",
        "amount": lambda line: money(line["amount"]),
        "reason": "reason",
        "why": "reasonCode",
        "since (UTC)": lambda line: minute(line["createdAt"]),
    }
    print_rows(lines, columns, right=(5,), nothing="no refund is on its way")


add_decisions(
    refund_app,
    "refund",
    _REFUNDS,
    agree="Agree to what another person asked for, as the second person. It is done at once.",
    turn_down="Turn down what another person asked for. Nothing is changed.",
)


@command(refund_app, "done", "spotlight refund done REFUND --operator-reference MP2311.A1 --reason 'paid by hand'")
def done(
    refund: Refund,
    operator_reference: Annotated[
        str, typer.Option("--operator-reference", help="The operator's own reference of the money sent back.")
    ],
    reason: Reason,
) -> None:
    """Say that a refund which waited for a person was paid by hand. A second person agrees to it."""
    ask_for("refund", "manual_refund_done", refund, reason, operator_reference=operator_reference)


@command(refund_app, "retry", "spotlight refund retry REFUND --reason 'the wallet is open again'")
def retry(refund: Refund, reason: Reason) -> None:
    """Ask to have a refund which waits for a person sent by the machine once more. A second person agrees to it."""
    ask_for("refund", "retry_refund", refund, reason)


@command(held_app, "list", "spotlight held list")
def list_held(as_json: AsJson = False) -> None:
    """Print payments that wait for a person, and requests about them that wait for a second one."""
    api = StaffApi()
    requests, lines = waiting(api, _HELD), api.get("held")["held"]
    if as_json:
        print_json({"requests": requests, "payments": [_held_json(line) for line in lines]})
        return
    print_requests(requests)
    print()
    columns: Columns = {
        "payment": "reference",
        "contest": "contest",
        "candidate": "candidateCode",
        "votes": "votes",
        "amount": lambda line: money(line["amount"]),
        "operator": "provider",
        "why": "reason",
    }
    print_rows(lines, columns, right=(3, 4), nothing="no payment is held")


@command(held_app, "release", "spotlight held release PAYMENT --reason 'called, it was her'")
def release(payment: Payment, reason: Reason) -> None:
    """Ask to count a held payment. A second person agrees with `spotlight held approve`."""
    ask_for("held", "release_held", payment, reason)


@command(held_app, "refuse", "spotlight held refuse PAYMENT --reason 'a stolen wallet'")
def refuse(payment: Payment, reason: Reason) -> None:
    """Ask to give a held payment back. A second person agrees with `spotlight held approve`."""
    ask_for("held", "refuse_held", payment, reason)


add_decisions(
    held_app,
    "held",
    _HELD,
    agree="Agree, as the second person, to what was asked about a held payment. It is done at once.",
    turn_down="Turn down what was asked about a held payment. It stays held.",
)


def _refund_json(line: Row) -> dict[str, Any]:
    names = ("reference", "contest", "status", "reason", "reasonCode", "createdAt")
    return _named(line, names) | {"payment": line["paymentReference"], "operator": line["provider"]}


def _held_json(line: Row) -> dict[str, Any]:
    return _named(line, ("reference", "contest", "votes", "reason")) | {"candidate": line["candidateCode"]}


def _named(line: Row, names: Sequence[str]) -> dict[str, Any]:
    """These fields of a line, and its amount."""
    amount = {"amountMinor": line["amount"]["amount"], "currency": line["amount"]["currency"]}
    return {name: line[name] for name in names} | amount
