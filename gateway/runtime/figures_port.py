"""Business figures: what those who run the service watch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ContestFigures:
    """A contest so far. `collected_minor`: money behind the counted votes, in minor units."""

    slug: str
    currency: str
    votes: int
    collected_minor: int


@dataclass(frozen=True, slots=True)
class TextFigures:
    """Texts of the last 24 hours. `outcomes`: by (carrier, word), the words being `delivered`,
    `undelivered`, `on_its_way` (accepted, no final report), `refused` and `unknown` (perhaps sent).
    `refusals`: texts that a carrier did not take because of our account there, by (carrier, its reason).
    `parts`: what was charged for, by carrier."""

    outcomes: Mapping[tuple[str, str], int] = field(default_factory=dict)
    refusals: Mapping[tuple[str, str], int] = field(default_factory=dict)
    parts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AccountFigures:
    """Accounts at operators, by key. `closed`: whether it is set aside, where that ever happened.
    `backlog_seconds`: how long the questions that are due take at the rate that the operator allows.
    `provisional`: payments that are counted on a callback and still to be asked about."""

    closed: Mapping[str, bool] = field(default_factory=dict)
    backlog_seconds: Mapping[str, float] = field(default_factory=dict)
    provisional: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StorageFigures:
    """What PostgreSQL holds. `bytes` with indexes and `rows`, which are estimates, by table; `months_ahead`: coming
    months that have a partition, by table, -1 where the present one has none; `upkeep_seconds`: since the purge and
    the making of partitions came to their end last, by task."""

    bytes: Mapping[str, int] = field(default_factory=dict)
    rows: Mapping[str, int] = field(default_factory=dict)
    months_ahead: Mapping[str, int] = field(default_factory=dict)
    upkeep_seconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Figures:
    """One reading. `payments`: how many are in each unfinished state, by (provider, state).
    `owed_seconds`: kinds of work that are due, with the age of their oldest piece. `texts`: how many
    wait, by state; `sent_texts`: what became of those that were tried. `being_counted`: by contest's slug,
    payments that are paid, or said to be decided, and not counted yet. `callbacks`: how many ever came, by
    (provider's code, what they came to), the words being `hint`, `proof`, `provisional` (counted on, to be asked
    about), `copy` (the same bytes again), `unknown reference` and `nothing` (forged, or no callback at all).
    `set_aside`: what fails by itself and waits, by kind. `workers`: how many say that they work."""

    contests: tuple[ContestFigures, ...]
    payments: Mapping[tuple[str, str], int]
    owed_seconds: Mapping[str, float]
    texts: Mapping[str, int]
    sent_texts: TextFigures = TextFigures()
    accounts: AccountFigures = AccountFigures()
    being_counted: Mapping[str, int] = field(default_factory=dict)
    callbacks: Mapping[tuple[str, str], int] = field(default_factory=dict)
    set_aside: Mapping[str, int] = field(default_factory=dict)
    storage: StorageFigures = StorageFigures()
    workers: int = 0


class FigureStore(Protocol):
    """Reads the figures."""

    async def figures(self) -> Figures:
        """Everything in one snapshot."""
        ...
