"""Business figures: what those who run the service watch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ContestFigures:
    """A contest so far. `collected_minor`: money behind the counted votes, in minor units."""

    slug: str
    currency: str
    votes: int
    collected_minor: int


@dataclass(frozen=True, slots=True)
class Figures:
    """One reading. `payments`: how many are in each unfinished state, by (provider, state).
    `owed_seconds`: kinds of work that are due, with the age of their oldest piece."""

    contests: tuple[ContestFigures, ...]
    payments: Mapping[tuple[str, str], int]
    owed_seconds: Mapping[str, float]
    texts: Mapping[str, int]


class FigureStore(Protocol):
    """Reads the figures."""

    async def figures(self) -> Figures:
        """Everything in one snapshot."""
        ...
