"""`spotlight refund` and `spotlight held`: single payments that go back, or count after all."""

import json
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway.cli import staff_words
from gateway.cli.failures import told_failures
from gateway.cli.money_words import As, AsJson, Reason, example, shown, table
from gateway.cli.staff_words import Public, Request
from payments.requests import Act

if TYPE_CHECKING:
    from admin.staff_lookup import HeldLine, RefundLine
    from gateway.runtime.container import Container

refund_app = typer.Typer(
    help="Give money back: one person asks, another one agrees.", no_args_is_help=True, rich_markup_mode=None
)
held_app = typer.Typer(
    help="Payments that wait for a person: count them or give them back.", no_args_is_help=True, rich_markup_mode=None
)
_REFUNDS: Final = (Act.REFUND_PAYMENT, Act.MANUAL_REFUND_DONE, Act.RETRY_REFUND)
_HELD: Final = (Act.RELEASE_HELD, Act.REFUSE_HELD)

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
        'spotlight refund ask 7K2M9QX4TB --as awa@example.org --reason "typed 50 for 5, asked at once" --ticket 13',
        "spotlight refund approve REQUEST --as yao@example.org",
    ),
)
def ask(
    payment: Payment,
    person: As,
    reason: Reason,
    ticket: Annotated[str | None, typer.Option("--ticket", help="The voter's ticket; closed with the refund.")] = None,
    public: Public = None,
) -> None:
    """Ask to give a counted or held payment back to the wallet that paid it.

    Prints what it would do. When a second person agreed, the votes leave the count by a public adjustment, the
    operator is asked to pay, and the voter gets a text with the amount and the operator's reference.
    """
    with told_failures():
        params = staff_words.given({"payment": payment, "ticket": ticket, "public_reason": public})
        staff_words.asked("refund", Act.REFUND_PAYMENT, None, params, reason, person)


@refund_app.command("list", epilog=example("spotlight refund list", "spotlight refund list --manual"))
def list_refunds(
    manual: Annotated[bool, typer.Option("--manual", help="Only refunds that wait for a person.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print requests that wait for a second person, and refunds that their payers do not have yet.

    A refund is `due`, `sent` (the operator is being asked) or `manual`: then a person pays it at the operator and
    says so with `spotlight refund done`.
    """
    with told_failures():

        async def read(desk: "Container") -> "list[RefundLine]":
            return list(await desk.lookup.refunds_on_their_way(manual_only=manual))

        requests, lines = staff_words.waiting(_REFUNDS), staff_words.at_the_desk(read)
        if as_json:
            found = {
                "requests": [staff_words.as_json(request) for request in requests],
                "refunds": [_refund_json(line) for line in lines],
            }
            print(json.dumps(found, indent=2))
            return
        print(staff_words.request_table(requests) if requests else "no request waits for a second person")
        print()
        print(_refund_table(lines) if lines else "no refund is on its way")


@refund_app.command("approve", epilog=example("spotlight refund approve REQUEST --as yao@example.org"))
def approve(request: Request, person: As) -> None:
    """Agree to what somebody else asked for, as the second person. It is done at once."""
    with told_failures():
        staff_words.decided("refund", _REFUNDS, request, person, approve=True)


@refund_app.command("reject", epilog=example("spotlight refund reject REQUEST --as yao@example.org"))
def reject(request: Request, person: As) -> None:
    """Turn down what somebody else asked for. Nothing is changed."""
    with told_failures():
        staff_words.decided("refund", _REFUNDS, request, person, approve=False)


@refund_app.command(
    "done",
    epilog=example(
        "spotlight refund done REFUND --operator-reference MP2311.A1 --as awa@example.org --reason 'paid by hand'"
    ),
)
def done(
    refund: Refund,
    operator_reference: Annotated[
        str, typer.Option("--operator-reference", help="The operator's own reference of the money sent back.")
    ],
    person: As,
    reason: Reason,
) -> None:
    """Say that a refund which waited for a person was paid by hand. A second person agrees to it."""
    with told_failures():
        params = {"operator_reference": operator_reference}
        staff_words.asked("refund", Act.MANUAL_REFUND_DONE, refund, params, reason, person)


@refund_app.command(
    "retry", epilog=example("spotlight refund retry REFUND --as awa@example.org --reason 'the wallet is open again'")
)
def retry(refund: Refund, person: As, reason: Reason) -> None:
    """Ask to have a refund which waits for a person sent by the machine once more. A second person agrees to it."""
    with told_failures():
        staff_words.asked("refund", Act.RETRY_REFUND, refund, {}, reason, person)


@held_app.command("list", epilog=example("spotlight held list"))
def list_held(as_json: AsJson = False) -> None:
    """Print payments that wait for a person, and requests about them that wait for a second one."""
    with told_failures():

        async def read(desk: "Container") -> "list[HeldLine]":
            return list(await desk.lookup.held_payments())

        requests, lines = staff_words.waiting(_HELD), staff_words.at_the_desk(read)
        if as_json:
            found = {
                "requests": [staff_words.as_json(request) for request in requests],
                "payments": [
                    {
                        "reference": str(line.reference),
                        "contest": line.contest,
                        "candidate": line.candidate_code,
                        "votes": line.votes,
                        "amountMinor": line.amount.amount_minor,
                        "currency": line.amount.currency,
                        "reason": line.reason,
                    }
                    for line in lines
                ],
            }
            print(json.dumps(found, indent=2))
            return
        print(staff_words.request_table(requests) if requests else "no request waits for a second person")
        print()
        head = ("payment", "contest", "candidate", "votes", "amount", "operator", "why")
        rows = [
            (
                str(line.reference),
                line.contest,
                line.candidate_code,
                str(line.votes),
                shown(line.amount.amount_minor, line.amount.currency),
                line.provider,
                line.reason or "",
            )
            for line in lines
        ]
        print(table(head, rows, right=(3, 4)) if rows else "no payment is held")


@held_app.command(
    "release", epilog=example("spotlight held release PAYMENT --as awa@example.org --reason 'called, it was her'")
)
def release(payment: Payment, person: As, reason: Reason) -> None:
    """Ask to count a held payment. A second person agrees with `spotlight held approve`."""
    with told_failures():
        staff_words.asked("held", Act.RELEASE_HELD, None, {"payment": payment}, reason, person)


@held_app.command(
    "refuse", epilog=example("spotlight held refuse PAYMENT --as awa@example.org --reason 'a stolen wallet'")
)
def refuse(payment: Payment, person: As, reason: Reason) -> None:
    """Ask to give a held payment back. A second person agrees with `spotlight held approve`."""
    with told_failures():
        staff_words.asked("held", Act.REFUSE_HELD, None, {"payment": payment}, reason, person)


@held_app.command("approve", epilog=example("spotlight held approve REQUEST --as yao@example.org"))
def approve_held(request: Request, person: As) -> None:
    """Agree, as the second person, to what somebody asked about a held payment. It is done at once."""
    with told_failures():
        staff_words.decided("held", _HELD, request, person, approve=True)


@held_app.command("reject", epilog=example("spotlight held reject REQUEST --as yao@example.org"))
def reject_held(request: Request, person: As) -> None:
    """Turn down what somebody asked about a held payment. It stays held."""
    with told_failures():
        staff_words.decided("held", _HELD, request, person, approve=False)


def _refund_table(lines: "list[RefundLine]") -> str:
    head = ("refund", "payment", "contest", "status", "operator", "amount", "reason", "why", "since (UTC)")
    rows = [
        (
            str(line.reference),
            str(line.payment_reference),
            line.contest,
            line.status,
            line.provider,
            shown(line.amount.amount_minor, line.amount.currency),
            line.reason,
            line.reason_code or "",
            f"{line.created_at:%Y-%m-%d %H:%M}",
        )
        for line in lines
    ]
    return table(head, rows, right=(5,))


def _refund_json(line: "RefundLine") -> dict[str, Any]:
    return {
        "reference": str(line.reference),
        "payment": str(line.payment_reference),
        "contest": line.contest,
        "status": line.status,
        "operator": line.provider,
        "amountMinor": line.amount.amount_minor,
        "currency": line.amount.currency,
        "reason": line.reason,
        "reasonCode": line.reason_code,
        "createdAt": line.created_at.isoformat(),
    }
