"""Who runs a command: `--as` is proven by the password, and the code of the second factor, of that person."""

import os
import sys
from typing import Final

import typer

from gateway.cli.running import running_settings
from payments.requests import ActRefused, Why, named

PASSWORD: Final = "SPOTLIGHT_STAFF_PASSWORD"  # noqa: S105 - the name of a variable
CODE: Final = "SPOTLIGHT_STAFF_CODE"


async def proven(email: str) -> str:
    """The person that `--as` names, by the same rules and limits as a sign-in at /admin. Raises ActRefused."""
    from admin.access.sign_in import Attempt, SignInRefused
    from admin.access.store import Client
    from gateway.runtime.container import open_command
    from gateway.storage.engine import DatabaseUnavailable

    name = named(email)
    async with open_command(running_settings()) as container:
        sign_in = container.sign_in
        password = _secret(PASSWORD, f"Password of {name}")
        code = _secret(CODE, "Code of the second factor") if await sign_in.wants_code(name) else ""
        try:
            found = await sign_in.identify(Attempt(name, password, code, Client("", "command line")))
        except DatabaseUnavailable:
            raise ActRefused(Why.NO_PERSON, "too many sign in at once: try again in a minute") from None
    if not isinstance(found, SignInRefused):
        return found.email
    if found.wait_seconds:
        raise ActRefused(Why.NO_PERSON, f"too many failed tries: come back in {found.wait_seconds} s")
    raise ActRefused(Why.NO_PERSON, f"the password or the code of {name} is wrong, or there is no such account")


def _secret(variable: str, prompt: str) -> str:
    """From the environment, else typed unseen, else the next line of what is piped in."""
    if (given := os.environ.get(variable)) is not None:
        return given
    if sys.stdin.isatty():
        typed: str = typer.prompt(prompt, hide_input=True, default="", show_default=False, err=True)
        return typed
    return sys.stdin.readline().rstrip("\r\n")
