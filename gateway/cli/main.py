"""The `spotlight` command. Nothing heavy is imported until a command needs it."""

import asyncio
import gc
import sys
from collections.abc import Callable
from typing import Annotated, Any, Final

import typer

from gateway.cli import witness
from gateway.cli.admin import admin_app
from gateway.cli.commands import AsJson, command, example, group, without_collector
from gateway.cli.contest import contest_app
from gateway.cli.demo import demo_app
from gateway.cli.failures import FAILED, MISUSED, report_failures
from gateway.cli.formats import Contest, print_json
from gateway.cli.ledger import fees_app, ledger_app
from gateway.cli.money import money_app
from gateway.cli.running import running_settings
from gateway.cli.staff import sign_in
from gateway.cli.staff.payouts import organiser_app, payout_app
from gateway.cli.staff.reconcile import reconcile_app
from gateway.cli.staff.refunds import held_app, refund_app
from gateway.cli.staff.tickets import ticket_app
from gateway.cli.staff.voids import callbacks_app, void_app
from gateway.cli.vault import vault_app

app = typer.Typer(
    name="spotlight",
    help="Paid voting by USSD, SMS and web. New here? Run `spotlight up` and open the addresses that it prints.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
)
audit_app = group("Check the books.")
tally_app = group("The count and what is shown of it.")
rollups_app = group("Sums of votes, money and orders by time, which charts show.")
sign_in.add_to(app)
witness.add_to(app)
app.add_typer(audit_app, name="audit")
app.add_typer(tally_app, name="tally")
app.add_typer(rollups_app, name="rollups")
app.add_typer(contest_app, name="contest")
app.add_typer(demo_app, name="demo")
app.add_typer(ledger_app, name="ledger")
app.add_typer(fees_app, name="fees")
app.add_typer(reconcile_app, name="reconcile")
app.add_typer(payout_app, name="payout")
app.add_typer(money_app, name="money")
app.add_typer(organiser_app, name="organiser")
app.add_typer(refund_app, name="refund")
app.add_typer(held_app, name="held")
app.add_typer(ticket_app, name="ticket")
app.add_typer(void_app, name="void")
app.add_typer(callbacks_app, name="callbacks")
app.add_typer(admin_app, name="admin")
app.add_typer(vault_app, name="vault")


ROWS_SHOWN: Final = 20


@command(app, "up", "spotlight up", "PORT=9000 SPOTLIGHT_SANDBOX_PORT=9001 spotlight up")
def up() -> None:
    """Start everything here and stay in the foreground; Ctrl-C ends it all.

    PostgreSQL and Valkey run from their wheels, with their data in SPOTLIGHT_DATA_DIR (.spotlight), unless
    DATABASE_URL or REDIS_URL name servers of your own. Then come the gateway, one worker, the simulated
    country, in which votes are paid with play money, and a witness of the public logs. What dies is started
    again. Starting later finds all data.
    """
    with without_collector():
        from gateway.cli.up import up as run_up

    raise typer.Exit(run_up())


@app.command(epilog=example("PORT=8082 spotlight serve"))
def serve() -> None:
    """Run the gateway: USSD, SMS, web and callbacks over HTTP on HOST:PORT.

    Needs DATABASE_URL, REDIS_URL and SPOTLIGHT_SECRET_KEY, and a migrated database. Several may run at once
    behind one address. SIGTERM lets open requests finish.
    """
    gc.disable()  # a quarter of the time to import; `freeze_garbage` begins again once the process works
    with report_failures():
        running_settings()
    from gateway.runtime.gateway import main as run_gateway

    run_gateway()


@app.command(epilog=example("spotlight worker"))
def worker() -> None:
    """Run one worker: asks operators to collect, verifies, counts, sends messages.

    Needs the same environment as `serve`. Several may run at once; killing one loses nothing.
    """
    gc.disable()  # a quarter of the time to import; `freeze_garbage` begins again once the process works
    with report_failures():
        running_settings()
    from gateway.runtime.worker import main as run_worker

    run_worker()


@app.command(epilog=example("SPOTLIGHT_SANDBOX_PORT=8091 spotlight sandbox"))
def sandbox() -> None:
    """Run the simulated country on SPOTLIGHT_SANDBOX_PORT: operators, SMS carrier and handsets.

    Its page is a handset: dial *789#, read messages, answer PIN prompts. It calls back SPOTLIGHT_GATEWAY_URL.
    """
    with report_failures():
        from gateway.cli.running import apply_running_environment
        from gateway.cli.up import require_sandbox

        require_sandbox()
        apply_running_environment(required=False)
    from sandbox.app import main as run_sandbox

    run_sandbox()


@command(app, "migrate", "spotlight migrate")
def migrate() -> None:
    """Bring the database to the newest schema; safe to repeat.

    Connects with SPOTLIGHT_OWNER_DATABASE_URL, the role that owns the tables (DATABASE_URL where it is not set).
    """
    with without_collector():
        from gateway.runtime.migrate import migrate as bring_up_to_date

    asyncio.run(bring_up_to_date(running_settings()))
    print("the database is up to date")


@command(app, "partitions", "spotlight partitions --months 6")
def partitions(
    months: Annotated[int, typer.Option(min=1, max=24, help="How many coming months to prepare.")] = 3,
) -> None:
    """Make the monthly partitions of votes, payments and callbacks for the coming months."""
    from gateway.runtime import operations

    made = asyncio.run(operations.make_partitions(running_settings(), months))
    for name in made:
        print(f"made {name}")
    if not made:
        print(f"the partitions of the coming {months} months are there already")


@command(app, "purge", "spotlight purge")
def purge() -> None:
    """Delete what was kept as long as the settings SPOTLIGHT_KEEP_… say; safe to stop and to repeat.

    Callbacks go by whole months; of sent texts numbers and words go. Tally, book, orders, payments, evidence and the
    audit log stay. The service does the same once a day.
    """
    from gateway.runtime import operations

    def progress(what: str, done: int) -> None:
        print(f"{what}: {done}", flush=True)

    gone = asyncio.run(operations.purge(running_settings(), progress))
    if gone is None:
        print("another process is purging")
    else:
        print(f"{gone} rows and months were old enough" if gone else "nothing is old enough")


@command(audit_app, "money", "spotlight audit money", "spotlight audit money --json")
def audit_money(as_json: AsJson = False) -> None:
    """Check that votes counted and money collected agree, for every contest. Exit status 1 when they do not."""
    from gateway.runtime import operations

    def progress(name: str, rows: list[dict[str, Any]]) -> None:
        if not as_json:
            print(f"{'BROKEN' if rows else 'holds ':<7} {name}", flush=True)
            for row in rows[:ROWS_SHOWN]:
                print(f"        {row}")
            if len(rows) > ROWS_SHOWN:
                print(f"        and {len(rows) - ROWS_SHOWN} more")

    found = asyncio.run(operations.audit_money(running_settings(), progress))
    if as_json:
        print_json(dict(found))
    raise typer.Exit(FAILED if any(rows for _, rows in found) else 0)


def _print_findings(found: dict[str, list[str]], *, as_json: bool) -> None:
    """Each sentence, and exit status 1 where there is one; 2 where there is no such contest."""
    if not found:
        print("error: there is no such contest", file=sys.stderr)
        raise typer.Exit(MISUSED)
    if as_json:
        print_json(found)
    else:
        for contest, sentences in found.items():
            print(f"{contest}: {'all is as it was counted' if not sentences else f'{len(sentences)} findings'}")
            for sentence in sentences:
                print(f"  {sentence}")
    raise typer.Exit(FAILED if any(found.values()) else 0)


def _leaves_done(*, quiet: bool) -> Callable[[str, int, int], None]:
    def progress(contest: str, done: int, whole: int) -> None:
        if not quiet:
            print(f"{contest}: {done} of {whole} leaves", file=sys.stderr, flush=True)

    return progress


@command(audit_app, "log", "spotlight audit log", "spotlight audit log --contest star --json")
def audit_log(contest: Contest = None, as_json: AsJson = False) -> None:
    """Compute the public logs anew from PostgreSQL: leaves, hashes, tiles, checkpoints, names. Exit status 1 where
    anything differs."""
    from gateway.runtime import operations

    found = asyncio.run(operations.audit_logs(running_settings(), contest, _leaves_done(quiet=as_json)))
    _print_findings(found, as_json=as_json)


@command(audit_app, "tally", "spotlight audit tally", "spotlight audit tally --contest star --json")
def audit_tally(contest: Contest = None, as_json: AsJson = False) -> None:
    """Compare the tally with its public log, with the totals, with the orders and with Redis. Exit status 1 where
    anything differs."""
    from gateway.runtime import operations

    found = asyncio.run(operations.audit_tally(running_settings(), contest, _leaves_done(quiet=as_json)))
    _print_findings(found, as_json=as_json)


@command(tally_app, "rebuild", "spotlight tally rebuild")
def rebuild_tally() -> None:
    """Restore what is derived: Redis from the totals in PostgreSQL, and the tiles of the public logs from their leaves.

    Safe to stop and to repeat. A log whose leaves are not those that were signed stays as it is.
    """
    from gateway.runtime import operations

    settings = running_settings()
    for contest, votes in asyncio.run(operations.rebuild_tally(settings)).items():
        print(f"{contest}: {votes} votes")
    for contest, leaves in asyncio.run(operations.rebuild_logs(settings, _leaves_done(quiet=False))).items():
        print(f"{contest}: {leaves} leaves of the log")


@command(rollups_app, "rebuild", "spotlight rollups rebuild")
def rebuild_rollups() -> None:
    """Sum votes, money and orders by minute and hour again, from all that happened to payments, and the book by day.

    Safe to stop and to repeat: a worker goes on where it was. Until it ends, charts show what is summed by then;
    balances are right all the time.
    """
    from gateway.runtime import operations

    def progress(source: str, seen: int, last: int) -> None:
        print(f"{source.replace('_', ' ')}: {seen:,} of {last:,}", flush=True)

    print(f"{asyncio.run(operations.rebuild_rollups(running_settings(), progress)):,} rows summed")


@command(app, "config", "spotlight config", "spotlight config --example >> .env")
def config(
    as_json: AsJson = False,
    show_example: Annotated[
        bool, typer.Option("--example", help="The names that each operator, carrier and aggregator reads, for .env.")
    ] = False,
) -> None:
    """List every setting with its value and where it came from; secrets are masked.

    Exit status 2 when a value cannot be used, with one sentence for each.
    """
    from gateway.cli.configuration import example, faults, listed

    if show_example:
        print(example())
        return
    rows = listed()
    wrong = faults()
    if as_json:
        print_json({"settings": [row._asdict() for row in rows], "faults": wrong})
    else:
        width = max(len(row.name) for row in rows)
        for row in rows:
            print(f"{row.name:<{width}}  {row.value}  ({row.source})")
        for line in wrong:
            typer.echo(f"error: {line}", err=True)
    raise typer.Exit(MISUSED if wrong else 0)


@command(app, "doctor", "spotlight doctor")
def doctor(as_json: AsJson = False) -> None:
    """Look for what would keep Spotlight from running here, and say how to mend it."""
    from gateway.cli.doctor import examine

    findings = asyncio.run(examine())
    if as_json:
        print_json([finding._asdict() for finding in findings])
    else:
        for finding in findings:
            print(f"{'ok   ' if finding.fine else 'WRONG'} {finding.what}: {finding.text}")
    raise typer.Exit(0 if all(finding.fine for finding in findings) else FAILED)


def main() -> None:
    """Run the command line. Exit status 0: done; 1: it failed; 2: it was used wrongly."""
    app()


if __name__ == "__main__":
    main()
