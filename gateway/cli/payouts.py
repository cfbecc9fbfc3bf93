"""`spotlight payout` and `spotlight organiser`: organisers are paid by two persons' word, or not at all."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import typer

from gateway.cli.failures import told_failures
from gateway.cli.identity import proven
from gateway.cli.money_acts import at_the_desk, decide, made_request, say_asked
from gateway.cli.money_words import As, AsJson, Reason, amount, example, shown, table
from gateway.cli.staff_words import Request, read_id, request_table
from payments.requests import Act, RequestStatus, StaffRequest

if TYPE_CHECKING:
    from admin.approvals.staff_acts import StaffActs
    from gateway.runtime.container import Container
    from payments.disbursement.payouts.acts import PayoutLine
    from payments.disbursement.payouts.beneficiaries import BeneficiaryLine
    from payments.disbursement.payouts.statement import PayoutStatement

T = TypeVar("T")
_ACTS: Final = (Act.PAYOUT, Act.BENEFICIARY)

payout_app = typer.Typer(
    help="Pay organisers: one person asks, another one agrees.", no_args_is_help=True, rich_markup_mode=None
)
beneficiary_app = typer.Typer(help="Where an organiser is paid.", no_args_is_help=True, rich_markup_mode=None)
payout_app.add_typer(beneficiary_app, name="beneficiary")
organiser_app = typer.Typer(
    help="Stop and resume what organisers are paid.", no_args_is_help=True, rich_markup_mode=None
)

Organiser = Annotated[str, typer.Argument(help="The organiser's slug.")]
ContestSlug = Annotated[str, typer.Argument(help="The contest's slug.")]


@beneficiary_app.command(
    "add",
    epilog=example(
        'spotlight payout beneficiary add demo 0505060708 --name "Awa Koné" --operator mtn_momo --country CI '
        '--as awa@example.org --reason "contract of 3 November"'
    ),
)
def add_beneficiary(
    organiser: Organiser,
    number: Annotated[str, typer.Argument(help="The wallet's number.")],
    name: Annotated[str, typer.Option(help="Whose wallet it is.")],
    operator: Annotated[str, typer.Option(help="The account that pays: mtn_momo …")],
    person: As,
    reason: Reason,
    country: Annotated[str, typer.Option(help="Country of the number, as CI or CM.")] = "CI",
) -> None:
    """Register where an organiser is paid. It can be paid a day after a second person has confirmed it."""
    with told_failures():

        async def run(desk: "Container", acts: "StaffActs") -> "StaffRequest":
            from admin.money.payout_acts import register_beneficiary

            made = await register_beneficiary(
                organiser=organiser,
                account=operator,
                country=country.upper(),
                number=number,
                name=name,
                person=await proven(person),
                reason=reason,
                providers=desk.providers,
                add=desk.beneficiaries.add,
                acts=acts,
            )
            return await made_request(acts, made)

        say_asked("payout", at_the_desk(run))


@beneficiary_app.command("list", epilog=example("spotlight payout beneficiary list demo"))
def list_beneficiaries(
    organiser: Annotated[str | None, typer.Argument(help="One organiser only.")] = None, as_json: AsJson = False
) -> None:
    """Print where organisers are paid; numbers are masked."""
    with told_failures():

        async def run(desk: "Container", _: "StaffActs") -> "list[BeneficiaryLine]":
            return list(await desk.beneficiaries.listed(organiser))

        lines = at_the_desk(run)
        if as_json:
            print(json.dumps([asdict(line) for line in lines], indent=2, default=str))
            return
        head = ("beneficiary", "organiser", "name", "number", "operator", "usable")
        print(table(head, [(str(b.id), b.organiser, b.name, b.number, b.provider, _usable(b)) for b in lines]))


def _usable(line: "BeneficiaryLine") -> str:
    if line.retired_at:
        return f"retired {line.retired_at:%Y-%m-%d}"
    return f"from {line.usable_from:%Y-%m-%d %H:%M} UTC" if line.usable_from else "not confirmed"


@beneficiary_app.command(
    "retire", epilog=example("spotlight payout beneficiary retire ID --as awa@example.org --reason agreed")
)
def retire_beneficiary(
    beneficiary: Annotated[str, typer.Argument(help="As `list` prints it.")], person: As, reason: Reason
) -> None:
    """Pay there no more, from now on."""
    with told_failures():

        async def run(desk: "Container", _: "StaffActs") -> None:
            from payments.requests import reasoned

            who = await proven(person)
            await desk.beneficiaries.retire(read_id(beneficiary), person=who, reason=reasoned(reason))

        at_the_desk(run)
        print("retired")


@payout_app.command(
    "ask",
    epilog=example(
        'spotlight payout ask star 250000 --to BENEFICIARY --as awa@example.org --reason "November\'s share"',
        "spotlight payout approve REQUEST --as yao@example.org",
    ),
)
def ask(
    contest: ContestSlug,
    money: Annotated[str, typer.Argument(metavar="AMOUNT", help="In whole units, or `all` that is payable.")],
    to: Annotated[str, typer.Option("--to", help="The beneficiary, as `beneficiary list` prints it.")],
    person: As,
    reason: Reason,
) -> None:
    """Ask to pay an organiser. Nothing is sent before a second person agrees.

    Not more than what is owed for counted votes, less those that may still be taken back; nothing while a
    difference with an operator is open, or the organiser is frozen.
    """
    with told_failures():

        async def run(desk: "Container", acts: "StaffActs") -> "StaffRequest":
            who = await proven(person)
            owed = await desk.payouts.position(contest)
            minor = owed.position.payable_minor if money == "all" else amount(money, owed.currency)
            params = {"step": "send", "amount_minor": minor, "beneficiary": str(read_id(to))}
            return await made_request(acts, await acts.ask(Act.PAYOUT, contest, params, reason, who))

        say_asked("payout", at_the_desk(run))


@payout_app.command(
    "finish",
    epilog=example(
        "spotlight payout finish PAYOUT --end done --operator-reference MP1 --as awa@example.org --reason agreed"
    ),
)
def finish(
    payout: Annotated[str, typer.Argument(help="A payout that waits for a person, as `list` prints it.")],
    end: Annotated[str, typer.Option(help="done: they have it; failed: it never arrived; again: ask once more.")],
    person: As,
    reason: Reason,
    operator_reference: Annotated[str | None, typer.Option(help="For `done`: the operator's reference.")] = None,
) -> None:
    """Ask to end a payout that the operator gave no clear answer about."""
    with told_failures():

        async def run(desk: "Container", acts: "StaffActs") -> "StaffRequest":
            who = await proven(person)
            params = {"step": "finish", "end": end, "operator_reference": operator_reference}
            return await made_request(acts, await acts.ask(Act.PAYOUT, str(read_id(payout)), params, reason, who))

        say_asked("payout", at_the_desk(run))


@payout_app.command("approve", epilog=example("spotlight payout approve REQUEST --as yao@example.org"))
def approve(request: Request, person: As) -> None:
    """Agree to a payout or a beneficiary, as the second person."""
    with told_failures():
        decide(_ACTS, request, person, approve=True)


@payout_app.command("reject", epilog=example("spotlight payout reject REQUEST --as yao@example.org"))
def reject(request: Request, person: As) -> None:
    """Turn a request down."""
    with told_failures():
        decide(_ACTS, request, person, approve=False)


@beneficiary_app.command("confirm", epilog=example("spotlight payout beneficiary confirm REQUEST --as yao@example.org"))
def confirm(request: Request, person: As) -> None:
    """Confirm a beneficiary, as the second person."""
    with told_failures():
        decide(_ACTS, request, person, approve=True)


@payout_app.command("list", epilog=example("spotlight payout list --contest star"))
def list_payouts(
    contest: Annotated[
        str | None, typer.Option("--contest", help="One contest only; also says what is payable.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print requests that wait for a second person, and payouts, the latest first."""
    with told_failures():

        async def run(desk: "Container", acts: "StaffActs") -> "tuple[list[str], list[PayoutLine]]":
            said = []
            if contest is not None:
                owed = await desk.payouts.position(contest)
                minor = owed.position.payable_minor
                said = [f"payable to {owed.organiser}: {shown(minor, owed.currency)}{' (frozen)' * owed.frozen}"]
            waiting = await acts.requests.listed(statuses=(RequestStatus.WAITING,), acts=_ACTS)
            if waiting:
                said.append(request_table(waiting))
            return said, list(await desk.payouts.payouts(contest))

        said, lines = at_the_desk(run)
        if as_json:
            print(json.dumps([asdict(line) for line in lines], indent=2, default=str))
            return
        print("\n".join(said))
        head = ("payout", "contest", "to", "operator", "amount", "status", "asked")
        rows = [_payout_row(line) for line in lines]
        print(table(head, rows, right=(4,)) if rows else "no payouts")


def _payout_row(line: "PayoutLine") -> tuple[str, ...]:
    status = f"{line.status.value}{f' ({line.reason_code})' if line.reason_code else ''}"
    money = shown(line.amount.amount_minor, line.amount.currency)
    asked = f"{line.created_at:%Y-%m-%d %H:%M}"
    return (str(line.reference), line.contest, line.beneficiary, line.provider, money, status, asked)


@payout_app.command("statement", epilog=example("spotlight payout statement PAYOUT --csv > november.csv"))
def statement(
    payout: Annotated[str, typer.Argument(help="The payout, as `list` prints it.")],
    as_csv: Annotated[bool, typer.Option("--csv", help="For a spreadsheet; amounts are minor units.")] = False,
) -> None:
    """Print what a payout was made of: gross, fees, what was taken back, net, and the tally that it pays for."""
    with told_failures():

        async def run(desk: "Container", _: "StaffActs") -> "PayoutStatement":
            from payments.disbursement.payouts.statement import payout_statement

            return await payout_statement(desk.engine, read_id(payout))

        from payments.disbursement.payouts.statement import statement_csv, statement_text

        made = at_the_desk(run)
        print(statement_csv(made) if as_csv else statement_text(made), end="" if as_csv else "\n")


@organiser_app.command("freeze", epilog=example("spotlight organiser freeze demo --as awa@example.org --reason fraud"))
def freeze(organiser: Organiser, person: As, reason: Reason) -> None:
    """Pay this organiser nothing until `unfreeze`. Votes are counted and refunds go on."""
    _freeze(organiser, person, reason, frozen=True)


@organiser_app.command(
    "unfreeze", epilog=example("spotlight organiser unfreeze demo --as awa@example.org --reason cleared")
)
def unfreeze(organiser: Organiser, person: As, reason: Reason) -> None:
    """Pay this organiser again."""
    _freeze(organiser, person, reason, frozen=False)


def _freeze(organiser: str, person: str, reason: str, *, frozen: bool) -> None:
    with told_failures():

        async def run(desk: "Container", _: "StaffActs") -> None:
            from payments.requests import reasoned

            who = await proven(person)
            await desk.payouts.freeze(organiser, frozen=frozen, reason=reasoned(reason), person=who)

        at_the_desk(run)
        print("frozen" if frozen else "paid again")
