"""A contest and its candidates, as one frozen snapshot that rules and screens read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Final
from uuid import UUID

from gateway.contests.blackout import Blackout
from gateway.contests.brand import NO_BRAND, NO_COLOURS, Brand, Colours
from gateway.contests.rounds import Round, last_begun, next_round, open_round
from gateway.contests.videos import Video
from gateway.values.money import Money

# Where a contest does not set above how many votes a text is asked about.
CONFIRM_ABOVE: Final = 20
CONFIRM_ABOVE_PACKS: Final = 10
# `00` leads home on every screen, so no code begins with it: numbers of people who propose themselves do.
RESERVED_START: Final = "00"


class ContestState(StrEnum):
    """A draft is seen by staff alone. A published contest is open between its times. An archived one is over and
    off the lists."""

    DRAFT = "draft"
    PUBLISHED = "published"
    ARCHIVED = "archived"


class Phase(StrEnum):
    """Where a contest stands: its state, and its times while it is published."""

    DRAFT = "draft"
    COMING = "coming"
    OPEN = "open"
    CLOSED = "closed"
    ARCHIVED = "archived"


def phase_of(
    state: ContestState, opens_at: datetime, closes_at: datetime, now: datetime, rounds: Sequence[Round] = ()
) -> Phase:
    """Where a contest of this state and these times stands. Between two rounds it is to come."""
    if state is not ContestState.PUBLISHED:
        return Phase(state.value)
    if now < opens_at:
        return Phase.COMING
    if now >= closes_at:
        return Phase.CLOSED
    if not rounds or open_round(rounds, now) is not None:
        return Phase.OPEN
    return Phase.CLOSED if next_round(rounds, now) is None else Phase.COMING


class CandidateStatus(StrEnum):
    """Only an approved candidate can be voted for. Who is withdrawn left, and votes that wait are given back; who is
    evicted keeps every vote that was placed before."""

    SUBMITTED = "submitted"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    EVICTED = "evicted"


class TieBreak(StrEnum):
    """Who stands first of candidates with equal votes: all of them share the place, or who had so many earliest."""

    SHARED = "shared"
    EARLIEST = "earliest"


@dataclass(frozen=True, slots=True)
class Picture:
    """A photo that was uploaded: squares of ours. `address`: of all of them, but for `-<side>.webp`; `sides`: in
    pixels, ascending; `blur`: a tiny WebP that stands in for them."""

    address: str
    sides: tuple[int, ...]
    blur: bytes


def is_code(code: str) -> bool:
    """Whether it is a candidate's code, not the number of a nomination."""
    return not code.startswith(RESERVED_START)


def called(code: str, name: str) -> str:
    """How staff read of a candidate: the code, where they have one, and the name."""
    return f"{code} {name}" if is_code(code) else name


@dataclass(frozen=True, slots=True)
class Renamed:
    """A name that a candidate had until a moment, while votes were sold or after; `reason`: why it changed."""

    former: str
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A person or thing to vote for. `code` has two or more digits, unique in the contest for ever, never
    `00…`: that is a number by which staff know one who proposed themselves, until they are approved and get a code.
    `photo_url`: an https address elsewhere, or None; `photo` goes before it. `category`: one of the contest's,
    or empty. `text`: a plain presentation. `reason`: why they were rejected, withdrawn or evicted. `video`: the
    approved one. `evicted_at`: since when they are evicted; None for others. `renamed`: names that they
    had since votes were first sold, the latest first."""

    id: UUID
    code: str
    name: str
    status: CandidateStatus = CandidateStatus.APPROVED
    photo_url: str | None = None
    category: str = ""
    text: str = ""
    reason: str = ""
    photo: Picture | None = None
    video: Video | None = None
    evicted_at: datetime | None = None
    renamed: tuple[Renamed, ...] = ()

    @property
    def eligible(self) -> bool:
        """Whether votes for this candidate may be sold."""
        return self.status is CandidateStatus.APPROVED

    @property
    def has_code(self) -> bool:
        """Whether they ever were approved, or staff gave them their code."""
        return is_code(self.code)

    @property
    def called(self) -> str:
        """How staff read of them."""
        return called(self.code, self.name)

    @property
    def public(self) -> bool:
        """Whether voters may read of this candidate: one who is only submitted is not examined yet."""
        known = (CandidateStatus.APPROVED, CandidateStatus.WITHDRAWN, CandidateStatus.EVICTED)
        return self.has_code and self.status in known


@dataclass(frozen=True)
class Contest:
    """What is sold and to whom.

    `late_seconds`: how long after the close a payment that was ordered before it still counts,
    published with the rules. `check_digits`: codes end in a check digit. `packs`: numbers of votes to
    offer where they can be chosen. `rules`: a sentence or two by language. `contact`: where a voter
    finds help. Several contests may share a service code or a short code; `menu_number`: how this one
    is chosen behind its service code, None while nothing has to be chosen. `confirm_above`: an order by text
    of more votes is asked about; None: see `asks_above`. `time_zone`: by its IANA name, in which its times
    are read. `categories`: in which candidates stand, empty where they all stand together. `nominations`: people may
    propose themselves, until `nominations_close_at` or the contest's own close. `rules_version`: of what
    `gateway.contests.rules` says. `refund_days`: for how many days after a vote its refund may be asked for; None: for
    ever. `jury_percent`: how much of the result a jury decides, 1 to 99; None: votes alone do. `colours`: its own;
    `brand`: how its pages look, by itself and its organiser. `suspended`: its organiser is frozen, and no votes are
    sold.
    `rounds`: in which alone votes are sold, by their numbers; empty where the contest is one. `reopens_at`: when the
    next of them begins, as of this snapshot; None where none is to come. `blackout`: the last one that was asked for.
    """

    id: UUID
    organiser_id: UUID
    slug: str
    name: str
    country: str
    price: Money
    opens_at: datetime
    closes_at: datetime
    service_code: str
    short_code: str
    keyword: str
    language: str = "fr"
    late_seconds: int = 600
    quantity_max: int = 10_000
    version: int = 0
    check_digits: bool = False
    packs: tuple[int, ...] = ()
    rules: Mapping[str, str] = field(default_factory=dict, hash=False)
    contact: str = ""
    menu_number: int | None = None
    confirm_above: int | None = None
    state: ContestState = ContestState.PUBLISHED
    time_zone: str = "Africa/Abidjan"
    categories: tuple[str, ...] = ()
    nominations: bool = False
    rules_version: int = 1
    tie_break: TieBreak = TieBreak.SHARED
    refund_days: int | None = None
    jury_percent: int | None = None
    nominations_close_at: datetime | None = None
    colours: Colours = NO_COLOURS
    brand: Brand = NO_BRAND
    suspended: bool = False
    candidates: tuple[Candidate, ...] = ()
    rounds: tuple[Round, ...] = ()
    reopens_at: datetime | None = None
    blackout: Blackout | None = None
    _by_code: dict[str, Candidate] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._by_code.update({c.code: c for c in self.candidates})

    @property
    def currency(self) -> str:
        """Currency of every amount in this contest."""
        return self.price.currency

    @property
    def dial_code(self) -> str:
        """What to dial for this contest and no other: `*789#`, or `*789*2#` where several share a code."""
        if self.menu_number is None or not self.service_code:
            return self.service_code
        return f"{self.service_code.removesuffix('#')}*{self.menu_number}#"

    @property
    def texted_as(self) -> tuple[str, str]:
        """Short code and keyword, as they are compared: no two contests with a short code have the same."""
        return self.short_code, self.keyword.upper()

    @property
    def asks_above(self) -> int:
        """Votes above which an order by text is asked about: as the contest sets it, else ten times its largest
        pack, else 20."""
        return self.confirm_above or CONFIRM_ABOVE_PACKS * max(self.packs, default=0) or CONFIRM_ABOVE

    def rules_in(self, language: str) -> str:
        """Its rules as the organiser wrote them, in this language or its own; empty where it has none."""
        return self.rules.get(language) or self.rules.get(self.language) or ""

    def candidate(self, code: str) -> Candidate | None:
        """The candidate with this code, eligible or not; None when there never was one."""
        return self._by_code.get(code)

    @cached_property
    def eligible(self) -> tuple[Candidate, ...]:
        """Candidates that can be voted for, in order of their codes."""
        return tuple(c for c in self.candidates if c.eligible)

    def open_at(self, now: datetime) -> bool:
        """Whether votes are sold at this instant."""
        return self.phase_at(now) is Phase.OPEN and not self.suspended

    @property
    def public(self) -> bool:
        """Whether voters may know of it."""
        return self.state is not ContestState.DRAFT

    def has_opened(self, now: datetime) -> bool:
        """Whether votes may have been sold by this instant."""
        return self.public and self.opens_at <= now

    def phase_at(self, now: datetime) -> Phase:
        """Where it stands at this instant."""
        return phase_of(self.state, self.opens_at, self.closes_at, now, self.rounds)

    def window_at(self, now: datetime) -> tuple[datetime, datetime]:
        """From when to when votes are sold: around this instant, else next, else last."""
        one = open_round(self.rounds, now) or next_round(self.rounds, now) or last_begun(self.rounds, now)
        return (self.opens_at, self.closes_at) if one is None else (one.opens_at, one.closes_at)

    @property
    def round_shown(self) -> Round | None:
        """The round whose ranking is shown, as of this snapshot: the last one that has begun."""
        begun = (one for one in self.rounds if self.reopens_at is None or one.opens_at < self.reopens_at)
        return max(begun, key=lambda one: one.number, default=None)

    def hidden_at(self, now: datetime) -> bool:
        """Whether its figures are hidden from the public at this instant."""
        return self.blackout is not None and self.blackout.hides_at(now)

    def sealed_at(self, now: datetime) -> bool:
        """Whether entries of the public log are encrypted at this instant."""
        return self.blackout is not None and self.blackout.sealed and self.blackout.hides_at(now)

    def withheld_at(self, now: datetime) -> bool:
        """Whether entries of the public log are not served at this instant: votes could be counted from them."""
        return self.hidden_at(now) and not self.sealed_at(now)

    def nominated_at(self, now: datetime) -> bool:
        """Whether people may propose themselves at this instant."""
        over = self.suspended or (self.nominations_close_at is not None and now >= self.nominations_close_at)
        return self.nominations and not over and self.phase_at(now) in (Phase.COMING, Phase.OPEN)

    @property
    def listed(self) -> bool:
        """Whether it stands in lists of contests."""
        return self.state is ContestState.PUBLISHED
