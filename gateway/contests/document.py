"""A contest as a document: what `contest export` prints, `contest apply` reads and the API takes and gives."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, replace
from typing import Annotated, Any, Final, Literal
from uuid import UUID, uuid5

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from gateway.contests.brand import NO_COLOURS, Colours, ColoursRefused, read_colours
from gateway.contests.candidate_rules import CATEGORIES_MAX, LENGTH_MAX, Column, field_fault
from gateway.contests.changes import ChangeRefused, Entry, Plan, plan
from gateway.contests.contest import CandidateStatus, Contest, ContestState, TieBreak
from gateway.contests.rounds import NAME_LENGTH_MAX, ROUNDS_MAX, Round, order_faults, sentence_of
from gateway.values.money import EXPONENTS, Money
from gateway.values.names import is_readable
from gateway.values.time_zones import known_zone, zone_of

FORMAT: Final = "spotlight contest 1"
# Addresses beside those of contests.
RESERVED_SLUGS: Final = frozenset({"new"})


def _stored(text: str) -> str:
    if "\0" in text:
        raise ValueError("no text may hold the character NUL")
    return text


def _category(text: str) -> str:
    return _without_fault(Column.CATEGORY, text)


def _presentation(text: str) -> str:
    return _without_fault(Column.TEXT, text)


def _name(text: str) -> str:
    if not is_readable(text):
        raise ValueError("a name has a letter or a digit")
    return text


def _without_fault(column: Column, text: str) -> str:
    fault = field_fault(column, text)
    if fault is not None:
        raise PydanticCustomError(fault.value, fault.value.replace("_", " "), {"max_length": LENGTH_MAX[column]})
    return text


Text = Annotated[str, AfterValidator(_stored)]
Word = Annotated[Text, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(_name)]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class OrganiserPart(_Part):
    """Whose contest it is."""

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


class RoundPart(_Part):
    """A round; its number is its place in the list. `fresh`: its ranking begins at zero, else with the votes of the
    round before."""

    name: Annotated[Word, Field(max_length=NAME_LENGTH_MAX)]
    opens_at: AwareDatetime
    closes_at: AwareDatetime
    fresh: bool = True


class ColoursPart(_Part):
    """Colours of a contest's pages, like `#7c1fa2`, that people can read with. Empty: the organiser's, or ours."""

    accent: Annotated[Text, Field(max_length=20)] = ""
    accent_dark: Annotated[Text, Field(max_length=20)] = ""

    @model_validator(mode="after")
    def _readable(self) -> "ColoursPart":
        try:
            self.accent, self.accent_dark = read_colours(self.accent, self.accent_dark)
        except ColoursRefused as refused:
            near = [f"{name}: {fault.nearest} can be read" for name, fault in refused.faults.items() if fault]
            raise ValueError("; ".join(near) or f"{refused} is no colour like #7c1fa2") from None
        return self


class ContestPart(_Part):
    """A contest's own values, named as in `gateway.contests.contest`. `time_zone`: the country's where it is empty.
    `colours` left out: as they are. Logo and banner are files, and not in here."""

    slug: Slug
    name: Word
    country: str = Field(pattern=r"^[A-Z]{2}$")
    price: PricePart
    opens_at: AwareDatetime
    closes_at: AwareDatetime
    time_zone: str = Field("", max_length=60)
    service_code: str = Field("", pattern=r"^(\*\d{1,6}(\*\d{1,6})*#)?$")
    short_code: str = Field("", pattern=r"^\d{0,10}$")
    keyword: str = Field("", pattern=r"^[A-Za-z0-9]{0,20}$")
    language: str = "fr"
    late_seconds: int = Field(600, ge=0, le=86_400)
    quantity_max: int = Field(10_000, ge=1, le=1_000_000)
    check_digits: bool = False
    packs: list[Annotated[int, Field(gt=0, le=1_000_000)]] = Field(default_factory=list, max_length=9)
    rules: dict[str, Text] = Field(default_factory=dict)
    contact: Text = ""
    confirm_above: int | None = Field(None, ge=1, le=1_000_000)
    categories: list[Annotated[str, AfterValidator(_category)]] = Field(default_factory=list, max_length=CATEGORIES_MAX)
    nominations: bool = False
    nominations_close_at: AwareDatetime | None = None
    rounds: list[RoundPart] = Field(default_factory=list, max_length=ROUNDS_MAX)
    tie_break: TieBreak = TieBreak.SHARED
    refund_days: int | None = Field(None, ge=0, le=3_650)
    jury_percent: int | None = Field(None, ge=1, le=99)
    colours: ColoursPart | None = None

    @model_validator(mode="after")
    def _sound(self) -> "ContestPart":
        if self.opens_at >= self.closes_at:
            raise ValueError("it opens after it closes")
        for fault, number in order_faults(rounds_of(self), self.opens_at, self.closes_at):
            raise ValueError(sentence_of(fault, number))
        if self.slug in RESERVED_SLUGS:
            raise ValueError(f"{self.slug!r} is an address of ours")
        if self.time_zone and not known_zone(self.time_zone):
            raise ValueError(f"no time zone {self.time_zone!r}: one is called like Africa/Abidjan")
        return self


class CandidatePart(_Part):
    """A candidate. `id`: as exported, needed to correct a name. `code` left out: the next one. `category`, `text` and
    `reason` left out: as they are."""

    code: str | None = None
    name: Word
    id: UUID | None = None
    status: CandidateStatus = CandidateStatus.APPROVED
    photo_url: str | None = Field(None, pattern=r"^https://\S+$")
    category: Annotated[str, AfterValidator(_category)] | None = None
    text: Annotated[str, AfterValidator(_presentation)] | None = None
    reason: Text | None = None


def rounds_of(part: ContestPart) -> tuple[Round, ...]:
    """The rounds that a document describes."""
    return tuple(
        Round(number, one.name, one.opens_at, one.closes_at, one.fresh)
        for number, one in enumerate(part.rounds, start=1)
    )


class Document(_Part):
    """One contest with its candidates."""

    format: Literal["spotlight contest 1"]
    organiser: OrganiserPart
    contest: ContestPart
    candidates: list[CandidatePart] = Field(default_factory=list, max_length=10_000)


def document_of(contest: Contest, organiser: tuple[str, str]) -> Document:
    """A contest as a document. `organiser`: slug and name."""
    values: dict[str, Any] = {name: getattr(contest, name) for name in ContestPart.model_fields if name != "price"}
    price = PricePart(amount_minor=contest.price.amount_minor, currency=contest.currency)
    # What is in the database is exported as it is, also where a newer check would refuse it.
    part = ContestPart.model_construct(
        **{
            **values,
            "price": price,
            "packs": list(contest.packs),
            "rules": dict(contest.rules),
            "colours": ColoursPart.model_construct(**asdict(contest.colours)),
            "categories": list(contest.categories),
            "rounds": [
                RoundPart.model_construct(**{name: getattr(one, name) for name in RoundPart.model_fields})
                for one in contest.rounds
            ],
        }
    )
    people = [
        CandidatePart.model_construct(**{name: getattr(c, name) for name in CandidatePart.model_fields})
        for c in contest.candidates
    ]
    owner = OrganiserPart.model_construct(slug=organiser[0], name=organiser[1])
    return Document.model_construct(format=FORMAT, organiser=owner, contest=part, candidates=people)


def contest_of(part: ContestPart, organiser_id: UUID, state: ContestState) -> Contest:
    """The contest that a document describes, without candidates; its id is that of a new one."""
    values = part.model_dump(exclude={"price", "packs", "categories", "time_zone", "rounds", "colours"})
    return Contest(
        id=uuid5(organiser_id, part.slug),
        organiser_id=organiser_id,
        price=Money(part.price.amount_minor, part.price.currency),
        packs=tuple(part.packs),
        categories=tuple(part.categories),
        rounds=rounds_of(part),
        colours=NO_COLOURS if part.colours is None else Colours(**part.colours.model_dump()),
        time_zone=part.time_zone or zone_of(part.country),
        state=state,
        **values,
    )


def planned(
    document: Document,
    organiser_id: UUID,
    contests: Sequence[Contest],
    *,
    spoken: Collection[str],
    new_state: ContestState = ContestState.PUBLISHED,
) -> Plan:
    """What a document changes. `contests`: all that there are; `spoken`: the languages that have phrases;
    `new_state`: of a contest that is not there yet. Raises ChangeRefused."""
    part = document.contest
    if odd := sorted({part.language, *part.rules}.difference(spoken)):
        raise ChangeRefused(f"no phrases in {', '.join(odd)}; there are {', '.join(spoken)}")
    held = next((c for c in contests if c.slug == part.slug), None)
    for other in contests:
        if other.slug != part.slug and part.short_code and other.texted_as == (part.short_code, part.keyword.upper()):
            raise ChangeRefused(f"{part.short_code} {part.keyword} is the contest {other.slug}'s already")
    entries = [Entry(**c.model_dump()) for c in document.candidates]
    wanted = contest_of(part, organiser_id, new_state)
    if part.colours is None and held is not None:
        wanted = replace(wanted, colours=held.colours, _by_code={})
    return plan(held, wanted, entries)
