"""`spotlight vault`: the keys that phone numbers and tokens are sealed with."""

import asyncio
import sys

import typer

from gateway.cli.commands import command, group
from gateway.cli.failures import FAILED
from gateway.cli.running import running_settings

vault_app = group("The keys that phone numbers and tokens are sealed with.")


@command(vault_app, "rotate", "spotlight vault rotate")
def rotate() -> None:
    """Seal everything again with the first key of SPOTLIGHT_VAULT_KEYS, so that the others can go.

    Put the new key last first, as `1,2:SECRET`, and restart every process: all can read it then. Put it first, as
    `2:SECRET,1`, and restart again: it seals from now on. Then run this, as the tables' owner
    (SPOTLIGHT_OWNER_DATABASE_URL); it may be stopped and run again. When it is done, `2:SECRET` is enough.
    """
    from gateway.runtime import operations
    from gateway.storage.vault import SealBroken

    try:
        done = asyncio.run(operations.rotate_vault(running_settings(), _progress))
    except SealBroken as broken:
        typer.echo(f"error: no key opens {broken}; nothing of its batch was changed", err=True)
        raise typer.Exit(FAILED) from None
    print(f"sealed again: {done} values; keys other than the first are no longer needed")


def _progress(column: str, done: int, whole: int) -> None:
    print(f"{column}: {done} of {whole}", file=sys.stderr, flush=True)
