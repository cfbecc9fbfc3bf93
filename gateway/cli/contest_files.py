"""Contests as documents, and their lint: what `spotlight contest` does with the database."""

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from uuid import UUID, uuid5

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from channels.lint import Report, lint
from channels.phrases import languages
from gateway.contests.changes import ChangeRefused, Entry, Plan, plan
from gateway.contests.contest import CandidateStatus, Contest
from gateway.contests.directory import read_contests
from gateway.contests.store import add_organiser, lock_contests, organiser_named, organiser_of, write_plan
from gateway.runtime.accounts import rails_of
from gateway.runtime.container import Container
from gateway.runtime.settings import Settings
from gateway.values.money import EXPONENTS, Money, parse_amount

FORMAT: Final = "spotlight contest 1"
_SPACE: Final = UUID("5907119e-0000-4000-8000-0000c047e575")

Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]


class ContestFileError(Exception):
    """A document, a slug or an option that cannot be used; a sentence a line."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class OrganiserPart(_Part):
    """Whose contest it is; made where there is none of this slug."""

    slug: Slug
    name: Word


class PricePart(_Part):
    """What one vote costs, in minor units."""

    amount_minor: int = Field(gt=0, le=10**9)
    currency: str

    @model_validator(mode="after")
    def _known(self) -> "PricePart":
        if self.currency not in EXPONENTS:
            raise ValueError(f"unknown currency {self.currency!r}")
        return self


class ContestPart(_Part):
    """A contest's own values, named as in `gateway.contests.contest`."""

    slug: Slug
    name: Word
    country: str = Field(pattern=r"^[A-Z]{2}$")
    price: PricePart
    opens_at: AwareDatetime
    closes_at: AwareDatetime
    service_code: str = Field("", pattern=r"^(\*\d{1,6}(\*\d{1,6})*#)?$")
    short_code: str = Field("", pattern=r"^\d{0,10}$")
    keyword: str = Field("", pattern=r"^[A-Za-z0-9]{0,20}$")
    language: str = "fr"
    late_seconds: int = Field(600, ge=0, le=86_400)
    quantity_max: int = Field(10_000, ge=1, le=1_000_000)
    check_digits: bool = False
    packs: list[Annotated[int, Field(gt=0, le=1_000_000)]] = Field(default_factory=list, max_length=9)
    rules: dict[str, str] = Field(default_factory=dict)
    contact: str = ""
    confirm_above: int | None = Field(None, ge=1, le=1_000_000)

    @model_validator(mode="after")
    def _sound(self) -> "ContestPart":
        if self.opens_at >= self.closes_at:
            raise ValueError("it opens after it closes")
        if odd := sorted({self.language, *self.rules} - set(languages())):
            raise ValueError(f"no phrases in {', '.join(odd)}; there are {', '.join(languages())}")
        return self


class CandidatePart(_Part):
    """A candidate. `id`: as exported, needed to correct a name. `code` left out: the next one."""

    code: str | None = None
    name: Word
    id: UUID | None = None
    status: CandidateStatus = CandidateStatus.APPROVED
    photo_url: str | None = Field(None, pattern=r"^https://\S+$")


class Document(_Part):
    """One contest with its candidates."""

    format: Literal["spotlight contest 1"]
    organiser: OrganiserPart
    contest: ContestPart
    candidates: list[CandidatePart] = Field(default_factory=list, max_length=10_000)


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
    return _document(contest, organiser).model_dump(mode="json")


def _named(contests: Sequence[Contest], slug: str) -> Contest:
    for contest in contests:
        if contest.slug == slug:
            return contest
    known = ", ".join(contest.slug for contest in contests) or "none"
    raise ContestFileError(f"there is no contest {slug!r}; there are: {known}")


def _document(contest: Contest, organiser: tuple[str, str]) -> Document:
    values: dict[str, Any] = {name: getattr(contest, name) for name in ContestPart.model_fields if name != "price"}
    price = PricePart(amount_minor=contest.price.amount_minor, currency=contest.currency)
    # What is in the database is exported as it is, also where a newer check would refuse it.
    part = ContestPart.model_construct(
        **{**values, "price": price, "packs": list(contest.packs), "rules": dict(contest.rules)}
    )
    people = [
        CandidatePart.model_construct(id=c.id, code=c.code, name=c.name, status=c.status, photo_url=c.photo_url)
        for c in contest.candidates
    ]
    owner = OrganiserPart.model_construct(slug=organiser[0], name=organiser[1])
    return Document.model_construct(format=FORMAT, organiser=owner, contest=part, candidates=people)


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
        made = _planned(document, organiser_id, contests)
        if made.changes and not dry_run:
            if found is None:
                await add_organiser(connection, organiser_id, owner.slug, owner.name)
            await write_plan(connection, made, actor)
        return made


def _planned(document: Document, organiser_id: UUID, contests: Sequence[Contest]) -> Plan:
    part = document.contest
    held = next((c for c in contests if c.slug == part.slug), None)
    for other in contests:
        if other.slug != part.slug and (other.short_code, other.keyword) == (part.short_code, part.keyword):
            raise ContestFileError(f"{part.short_code} {part.keyword} is the contest {other.slug}'s already")
    values = part.model_dump(exclude={"price", "packs"})
    wanted = Contest(
        id=uuid5(organiser_id, part.slug),
        organiser_id=organiser_id,
        price=Money(part.price.amount_minor, part.price.currency),
        packs=tuple(part.packs),
        **values,
    )
    entries = [Entry(c.name, c.status, c.id, c.code, c.photo_url) for c in document.candidates]
    try:
        return plan(held, wanted, entries)
    except ChangeRefused as refused:
        raise ContestFileError(str(refused)) from None


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
