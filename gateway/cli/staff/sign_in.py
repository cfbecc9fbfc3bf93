"""`spotlight login`, `logout` and `whoami`: who acts by the commands of staff."""

import sys
from typing import Annotated

import typer

from gateway.cli.commands import AsJson, command
from gateway.cli.formats import print_json
from gateway.cli.staff.api import (
    CODE,
    PASSWORD,
    StaffApi,
    forget_session,
    gateway_url,
    read_session,
    secret,
    sign_in,
    write_session,
)


def login(
    url: Annotated[
        str | None, typer.Option("--url", help="The gateway, like https://vote.example.org; without it, the one here.")
    ] = None,
    email: Annotated[str, typer.Option("--email", help="Your e-mail address; asked for without it.")] = "",
) -> None:
    """Sign in, as at /admin, for the commands of staff: refund, held, void, payout, reconcile, ticket and others.

    Asks for the password and the code of the second factor; a script gives them in SPOTLIGHT_PASSWORD and
    SPOTLIGHT_CODE, or one line each on standard input. The session lasts up to seven days without use; acts about
    money ask for the code again when it was given more than five minutes ago.
    """
    address = gateway_url(url)
    who = email or (typer.prompt("E-mail", err=True) if sys.stdin.isatty() else sys.stdin.readline().strip())
    password = secret(PASSWORD, f"Password of {who}")
    code = secret(CODE, "Code of the second factor (nothing where none is set up)")
    session, person = sign_in(address, who, password, code)
    write_session(session)
    print(f"signed in as {session.email}, {person['role']}, at {address}")
    if not person["rights"]:
        print(f"set up the second factor first: {address}/admin/factor")


def logout() -> None:
    """Sign out: the session ends at the gateway and is deleted here."""
    read_session()
    try:
        StaffApi().sign_out()
    finally:
        forget_session()
    print("signed out")


def whoami(as_json: AsJson = False) -> None:
    """Print who is signed in here, in which role, and where."""
    api = StaffApi()
    person = api.get("me")
    if as_json:
        print_json({**person, "url": api.session.url})
    else:
        print(f"{person['email']}, {person['role']}, at {api.session.url}")


def add_to(app: typer.Typer) -> None:
    """Put the three commands beside the others."""
    command(app, "login", "spotlight login", "spotlight login --url https://vote.example.org")(login)
    command(app, "logout", "spotlight logout")(logout)
    command(app, "whoami", "spotlight whoami")(whoami)
