"""`spotlight admin`: who may sign in to the back office."""

import asyncio
import getpass
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from admin.access.rules import Role
from gateway.cli.commands import AsJson, command, group
from gateway.cli.failures import MISUSED
from gateway.cli.formats import Columns, print_json, print_rows
from gateway.cli.passwords import drawn_password
from gateway.cli.running import running_settings

if TYPE_CHECKING:
    from admin.access.keep_staff import KeepStaff

T = TypeVar("T")

admin_app = group("Who may sign in to the back office at /admin.")
Email = Annotated[
    str, typer.Option("--email", help="Their e-mail address.", callback=lambda typed: typed.strip().lower())
]


def _actor() -> str:
    return f"cli:{getpass.getuser()}"


def _keeping(act: "Callable[[KeepStaff], Awaitable[T]]") -> T:
    """Do something with the accounts of the running installation. A refusal ends the command with a sentence."""
    from admin.access.store import StaffRefused
    from gateway.runtime import operations

    try:
        return asyncio.run(operations.with_staff(running_settings(), act))
    except StaffRefused as refused:
        typer.echo(f"error: {refused}", err=True)
        raise typer.Exit(MISUSED) from None


@command(admin_app, "create", "spotlight admin create --email awa@example.org --role finance")
def create(
    email: Email,
    role: Annotated[Role, typer.Option(help="What they are here for.")] = Role.OWNER,
    name: Annotated[str, typer.Option(help="What they are called.")] = "",
    organiser: Annotated[
        str | None, typer.Option(help="The organiser whose contests alone they see; without it, all.")
    ] = None,
    contest: Annotated[str | None, typer.Option(help="The only contest that an organiser's auditor reads.")] = None,
    generate: Annotated[
        bool, typer.Option("--generate", help="Draw the password and print it once, instead of asking for it.")
    ] = False,
) -> None:
    """Make an account for a member of staff.

    The password is asked for twice and never stands on the command line; without a terminal, or with --generate, it
    is drawn and printed this once. Outside the demo a second factor is set up at the first sign-in.
    """
    settings = running_settings()
    asked = sys.stdin.isatty() and not generate
    password = typer.prompt("Password", hide_input=True, confirmation_prompt=True) if asked else drawn_password()

    async def make(staff: "KeepStaff") -> None:
        await staff.create(email, password, role=role, actor=_actor(), name=name, organiser=organiser, contest=contest)

    _keeping(make)
    print(f"{email} may sign in as {role.value}: {settings.base_url}/admin")
    if not asked:
        print(f"password, shown only now: {password}")


@command(admin_app, "list", "spotlight admin list", "spotlight admin list --json")
def list_staff(as_json: AsJson = False) -> None:
    """Print who may sign in."""

    async def read(staff: "KeepStaff") -> list[dict[str, object]]:
        return [
            {
                "email": line.member.email,
                "name": line.member.name,
                "role": line.member.role.value,
                "organiser": line.organiser,
                "active": line.member.active,
                "secondFactor": line.member.has_factor,
                "signedInAt": line.signed_in_at.isoformat() if line.signed_in_at else None,
            }
            for line in await staff.accounts.listed()
        ]

    rows = _keeping(read)
    if as_json:
        print_json(rows)
        return
    columns: Columns = {
        "e-mail": "email",
        "role": "role",
        "organiser": lambda row: row["organiser"] or "all",
        "second factor": lambda row: "set up" if row["secondFactor"] else "none",
        "last sign-in": lambda row: (row["signedInAt"] or "never")[:16],
        "": lambda row: None if row["active"] else "disabled",
    }
    print_rows(rows, columns, nothing="no account yet: spotlight admin create --email …")


@command(admin_app, "reset-totp", "spotlight admin reset-totp --email awa@example.org")
def reset_totp(email: Email) -> None:
    """Take a person's second factor away, and end their sessions; they set up another when they sign in again."""
    _keeping(lambda staff: staff.accounts.reset_factor(email, _actor()))
    print("done; the password alone opens nothing but the page that sets up another factor")


@command(admin_app, "disable", "spotlight admin disable --email awa@example.org")
def disable(email: Email) -> None:
    """Shut an account; its sessions end within seconds."""
    _keeping(lambda staff: staff.accounts.set_active(email, False, _actor()))
    print("disabled")


@command(admin_app, "enable", "spotlight admin enable --email awa@example.org")
def enable(email: Email) -> None:
    """Open an account again."""
    _keeping(lambda staff: staff.accounts.set_active(email, True, _actor()))
    print("enabled")
