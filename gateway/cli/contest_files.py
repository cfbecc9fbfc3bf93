"""Contests as documents, and their lint: what `spotlight contest` does with the database."""

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid5

from pydantic import ValidationError

from channels.lint import Report, lint
from channels.phrases import languages
from gateway.cli.failures import ContestFileError
from gateway.contests.changes import ChangeRefused, Plan
from gateway.contests.contest import Contest
from gateway.contests.directory import read_contests
from gateway.contests.document import Document, document_of, planned
from gateway.contests.store import add_organiser, lock_contests, organiser_named, organiser_of, write_plan
from gateway.runtime.accounts import rails_of
from gateway.runtime.container import Container
from gateway.runtime.settings import Settings
from gateway.values.money import Money, parse_amount

_SPACE: Final = UUID("5907119e-0000-4000-8000-0000c047e575")


def read_document(path: Path) -> Document:
    """The document in a file. Raises ContestFileError, OSError."""
    try:
        return Document.model_validate(json.loads(path.read_text("utf-8")))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ContestFileError(f"{path} is no JSON: {error}") from None
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, e['loc'])) or 'document'}: {e['msg']}" for e in error.errors()]
        raise ContestFileError("\n".join(f"{path}: {fault}" for fault in faults)) from None


def _container(settings: Settings) -> Container:
    return Container(settings, name="spotlight contest", pool_size=1)


async def export(settings: Settings, slug: str) -> dict[str, Any]:
    """A contest as a document. ContestFileError where there is none of this slug."""
    async with _container(settings) as container, container.engine.connect() as connection:
        contest = _named(await read_contests(connection), slug)
        organiser = await organiser_of(connection, contest.organiser_id)
    return document_of(contest, organiser).model_dump(mode="json")


def _named(contests: Sequence[Contest], slug: str) -> Contest:
    for contest in contests:
        if contest.slug == slug:
            return contest
    known = ", ".join(contest.slug for contest in contests) or "none"
    raise ContestFileError(f"there is no contest {slug!r}; there are: {known}")


async def apply(settings: Settings, document: Document, *, actor: str, dry_run: bool = False) -> Plan:
    """Apply a document to its contest in one transaction; `dry_run`: only list what would change.

    Raises ContestFileError for what must not be, and then nothing has changed.
    """
    async with _container(settings) as container, container.engine.begin() as connection:
        await lock_contests(connection)
        contests = await read_contests(connection)
        owner = document.organiser
        found = await organiser_named(connection, owner.slug)
        organiser_id = found[0] if found else uuid5(_SPACE, owner.slug)
        try:
            made = planned(document, organiser_id, contests, spoken=languages())
            if made.changes and not dry_run:
                if found is None:
                    await add_organiser(connection, organiser_id, owner.slug, owner.name)
                await write_plan(connection, made, actor)
        except ChangeRefused as refused:
            raise ContestFileError(str(refused)) from None
        return made


async def lint_contests(
    settings: Settings, slug: str | None, *, in_language: str | None, sms_price: str | None, now: datetime
) -> list[Report]:
    """The lint of one contest, or of all. `sms_price`: decimal text, of one part, in the contest's
    currency. Raises ContestFileError."""
    if in_language is not None and in_language not in languages():
        raise ContestFileError(f"no phrases in {in_language}; there are {', '.join(languages())}")
    async with _container(settings) as container:
        async with container.engine.connect() as connection:
            contests = await read_contests(connection)
        chosen = contests if slug is None else (_named(contests, slug),)
        rails = rails_of(container.accounts)
    return [
        lint(
            contest,
            others=[c for c in contests if c.id != contest.id and c.closes_at > now],
            rails=rails,
            now=now,
            public_url=settings.base_url,
            in_languages=() if in_language is None else (in_language,),
            sms_price=None if sms_price is None else _price(sms_price, contest.currency),
        )
        for contest in chosen
    ]


def _price(typed: str, currency: str) -> Money:
    price = parse_amount(typed, currency)
    if price is None or price.amount_minor < 0:
        raise ContestFileError(f"--sms-price {typed}: not an amount of {currency}")
    return price
