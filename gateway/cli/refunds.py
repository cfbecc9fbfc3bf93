"""`spotlight refund` and `spotlight held`: single payments that go back, or count after all."""

import json
from typing import Annotated, Any, Final

import typer

from gateway.cli.failures import report_failures
from gateway.cli.formats import AsJson, Reason, example, minute, money, table
from gateway.cli.staff_api import StaffApi
from gateway.cli.staff_requests import Public, Request, decide, request_table, waiting
from gateway.cli.staff_requests import ask as ask_for

refund_app = typer.Typer(
    help="Give money back: one person asks, another one agrees.", no_args_is_help=True, rich_markup_mode=None
)
held_app = typer.Typer(
    help="Payments that wait for a person: count them or give them back.", no_args_is_help=True, rich_markup_mode=None
)
_REFUNDS: Final = ("refund_payment", "manual_refund_done", "retry_refund")
_HELD: Final = ("release_held", "refuse_held")

Payment = Annotated[
    str,
    typer.Argument(
        help="The payment: its reference, its vote's id, the voter's receipt, or the SP… code of the operator's text."
    ),
]
Refund = Annotated[str, typer.Argument(help="The refund's reference, as `spotlight refund list` prints it.")]


@refund_app.command(
    "ask",
    epilog=example(
        'spotlight refund ask 7K2M9QX4TB --reason "typed 50 for 5, asked at once" --ticket 13',
        "spotlight refund approve REQUEST",
    ),
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
    with report_failures():
        ask_for("refund", "refund_payment", payment, reason, ticket=ticket, public_reason=public)


@refund_app.command("list", epilog=example("spotlight refund list", "spotlight refund list --manual"))
def list_refunds(
    manual: Annotated[bool, typer.Option("--manual", help="Only refunds that wait for a person.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print requests that wait for a second person, and refunds that their payers do not have yet.

    A refund is `due`, `sent` (the operator is being asked) or `manual`: then a person pays it at the operator and
    says so with `spotlight refund done`.
    """
    with report_failures():
        api = StaffApi()
        requests = waiting(api, _REFUNDS)
        lines = [line for line in api.get("refunds")["refunds"] if line["status"] == "manual" or not manual]
        if as_json:
            print(json.dumps({"requests": requests, "refunds": [_refund_json(line) for line in lines]}, indent=2))
            return
        print(request_table(requests))
        print()
        print(_refund_table(lines) if lines else "no refund is on its way")


@refund_app.command("approve", epilog=example("spotlight refund approve REQUEST"))
def approve(request: Request) -> None:
    """Agree to what somebody else asked for, as the second person. It is done at once."""
    with report_failures():
        decide("refund", _REFUNDS, request, approve=True)


@refund_app.command("reject", epilog=example("spotlight refund reject REQUEST"))
def reject(request: Request) -> None:
    """Turn down what somebody else asked for. Nothing is changed."""
    with report_failures():
        decide("refund", _REFUNDS, request, approve=False)


@refund_app.command(
    "done",
    epilog=example("spotlight refund done REFUND --operator-reference MP2311.A1 --reason 'paid by hand'"),
)
def done(
    refund: Refund,
    operator_reference: Annotated[
        str, typer.Option("--operator-reference", help="The operator's own reference of the money sent back.")
    ],
    reason: Reason,
) -> None:
    """Say that a refund which waited for a person was paid by hand. A second person agrees to it."""
    with report_failures():
        ask_for("refund", "manual_refund_done", refund, reason, operator_reference=operator_reference)


@refund_app.command("retry", epilog=example("spotlight refund retry REFUND --reason 'the wallet is open again'"))
def retry(refund: Refund, reason: Reason) -> None:
    """Ask to have a refund which waits for a person sent by the machine once more. A second person agrees to it."""
    with report_failures():
        ask_for("refund", "retry_refund", refund, reason)


@held_app.command("list", epilog=example("spotlight held list"))
def list_held(as_json: AsJson = False) -> None:
    """Print payments that wait for a person, and requests about them that wait for a second one."""
    with report_failures():
        api = StaffApi()
        requests, lines = waiting(api, _HELD), api.get("held")["held"]
        if as_json:
            print(json.dumps({"requests": requests, "payments": [_held_json(line) for line in lines]}, indent=2))
            return
        print(request_table(requests))
        print()
        head = ("payment", "contest", "candidate", "votes", "amount", "operator", "why")
        rows = [
            (
                line["reference"],
                line["contest"],
                line["candidateCode"],
                str(line["votes"]),
                money(line["amount"]),
                line["provider"],
                line["reason"] or "",
            )
            for line in lines
        ]
        print(table(head, rows, right=(3, 4)) if rows else "no payment is held")


def _held_json(line: dict[str, Any]) -> dict[str, Any]:
    return {
        "reference": line["reference"],
        "contest": line["contest"],
        "candidate": line["candidateCode"],
        "votes": line["votes"],
        "amountMinor": line["amount"]["amount"],
        "currency": line["amount"]["currency"],
        "reason": line["reason"],
    }


@held_app.command("release", epilog=example("spotlight held release PAYMENT --reason 'called, it was her'"))
def release(payment: Payment, reason: Reason) -> None:
    """Ask to count a held payment. A second person agrees with `spotlight held approve`."""
    with report_failures():
        ask_for("held", "release_held", payment, reason)


@held_app.command("refuse", epilog=example("spotlight held refuse PAYMENT --reason 'a stolen wallet'"))
def refuse(payment: Payment, reason: Reason) -> None:
    """Ask to give a held payment back. A second person agrees with `spotlight held approve`."""
    with report_failures():
        ask_for("held", "refuse_held", payment, reason)


@held_app.command("approve", epilog=example("spotlight held approve REQUEST"))
def approve_held(request: Request) -> None:
    """Agree, as the second person, to what somebody asked about a held payment. It is done at once."""
    with report_failures():
        decide("held", _HELD, request, approve=True)


@held_app.command("reject", epilog=example("spotlight held reject REQUEST"))
def reject_held(request: Request) -> None:
    """Turn down what somebody asked about a held payment. It stays held."""
    with report_failures():
        decide("held", _HELD, request, approve=False)


def _refund_table(lines: list[dict[str, Any]]) -> str:
    head = ("refund", "payment", "contest", "status", "operator", "amount", "reason", "why", "since (UTC)")
    rows = [
        (
            line["reference"],
            line["paymentReference"],
            line["contest"],
            line["status"],
            line["provider"],
            money(line["amount"]),
            line["reason"],
            line["reasonCode"] or "",
            minute(line["createdAt"]),
        )
        for line in lines
    ]
    return table(head, rows, right=(5,))


def _refund_json(line: dict[str, Any]) -> dict[str, Any]:
    return {
        "reference": line["reference"],
        "payment": line["paymentReference"],
        "contest": line["contest"],
        "status": line["status"],
        "operator": line["provider"],
        "amountMinor": line["amount"]["amount"],
        "currency": line["amount"]["currency"],
        "reason": line["reason"],
        "reasonCode": line["reasonCode"],
        "createdAt": line["createdAt"],
    }
