"""`spotlight contest`: a contest as a document, and everything that its voters will read."""

import asyncio
import getpass
import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.commands import AsJson, command, group
from gateway.cli.failures import FAILED, MISUSED
from gateway.cli.running import running_settings

contest_app = group("Contests: look for faults, write to a file, read from a file.")


@command(
    contest_app,
    "lint",
    "spotlight contest lint star",
    "spotlight contest lint star --language fr --sms-price 12 --strict",
)
def lint(
    slug: Annotated[str | None, typer.Argument(help="The contest; all of them where none is named.")] = None,
    language: Annotated[str | None, typer.Option(help="One language only: fr, en, wes …")] = None,
    sms_price: Annotated[str | None, typer.Option(help="What the carrier takes for one part of a text.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 for warnings too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print every screen and text of a contest with its length and cost, and what is wrong with it.

    Names are shown as phones show them. Nothing is changed. Exit status 2: there is an error; 1: there is a
    warning and --strict was given; 0 otherwise.
    """
    from channels.lint import Level
    from gateway.cli import contest_files, lint_report

    reports = asyncio.run(
        contest_files.lint_contests(
            running_settings(), slug, in_language=language, sms_price=sms_price, now=datetime.now(UTC)
        )
    )
    if as_json:
        print(json.dumps([asdict(report) for report in reports], ensure_ascii=False, indent=2))
    else:
        for report in reports:
            print("\n".join(lint_report.lines(report)))
    if any(report.has(Level.ERROR) for report in reports):
        raise typer.Exit(MISUSED)
    raise typer.Exit(FAILED if strict and any(report.has(Level.WARNING) for report in reports) else 0)


@command(contest_app, "export", "spotlight contest export star > star.json")
def export(slug: Annotated[str, typer.Argument(help="The contest.")]) -> None:
    """Print a contest with its candidates as a JSON document that `apply` reads."""
    from gateway.cli import contest_files

    document = asyncio.run(contest_files.export(running_settings(), slug))
    print(json.dumps(document, ensure_ascii=False, indent=2))


@command(contest_app, "apply", "spotlight contest apply star.json --dry-run", "spotlight contest apply star.json")
def apply(
    file: Annotated[Path, typer.Argument(help="A document as `export` prints it.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
) -> None:
    """Apply a document to a contest: make a new one, or change an existing one.

    Each change is printed and noted in the audit log. A candidate without a code gets the next free one. Codes are
    never changed or given to another candidate, and no candidate is deleted: withdraw one with the status `withdrawn`.
    """
    from gateway.cli import contest_files, lint_report

    document = contest_files.read_document(file)
    actor = f"cli:{getpass.getuser()}"
    made = asyncio.run(contest_files.apply(running_settings(), document, actor=actor, dry_run=dry_run))
    print("\n".join(lint_report.plan_lines(made, dry_run=dry_run)))
