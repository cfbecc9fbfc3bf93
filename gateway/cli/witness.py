"""`spotlight witness`: keep and cosign the checkpoints of logs that others run."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.commands import command


def add_to(app: typer.Typer) -> None:
    """Offer the command."""
    command(
        app,
        "witness",
        "spotlight witness --name newspaper.example/witness --log vote.example/c/miss/log+d1a0c5f2+AT…",
        "spotlight witness --dir /var/lib/witness --host 0.0.0.0 --port 8082",
    )(witness)


def witness(
    directory: Annotated[
        Path, typer.Option("--dir", help="Its folder: key, logs.txt and checkpoints. Keep a backup of the key.")
    ] = Path("witness"),
    name: Annotated[
        str, typer.Option("--name", help="Who it is, at its first start: an address without https://, as a.example/w.")
    ] = "",
    logs: Annotated[
        list[str] | None, typer.Option("--log", help="The key of a log that it trusts; or a line in logs.txt.")
    ] = None,
    sites: Annotated[
        list[str] | None,
        typer.Option("--site", help="A site like https://vote.example: the key that a log of it has first is trusted."),
    ] = None,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65_535, envvar="SPOTLIGHT_WITNESS_PORT", help="The port to listen on.")
    ] = 8082,
) -> None:
    """Watch over logs of contests from outside: cosign each checkpoint that goes on from the one before, and keep it.

    Needs no database, no Redis and no settings. The first start makes a key. Give the log the line that is printed and
    the address where it reaches this witness. Any log that speaks C2SP tlog-witness may send its checkpoints.
    """
    from gateway.http.logs import set_up_logs
    from leaderboard.witness.folder import Folder
    from leaderboard.witness.server import serve

    folder = Folder(directory, name, logs or ())
    trusted = sorted(folder.logs)
    set_up_logs("info")

    def ready(at: int) -> None:
        print(f"witness key  {folder.signer.key.text}")
        for origin in trusted:
            print(f"trusts       {origin}")
        for site in sites or ():
            print(f"trusts       the logs of {site}")
        if not (trusted or sites):
            print(f"trusts       no log yet: put its key into {directory / 'logs.txt'}")
        print(f"ready        http://{host}:{at}/", flush=True)

    asyncio.run(serve(folder, sites or (), host, port, ready))
