"""The ranking's part of the API document, made of the types that the rankings are made of."""

from typing import Final

from pydantic import Field, RootModel

from gateway.http.endpoint import InputModel
from leaderboard.feed import ENTRIES_MAX
from leaderboard.view_model import RankingBody, Successes, Update

LIMIT_DEFAULT: Final = 100


class BoardPath(InputModel):
    """The contest that is asked about."""

    slug: str = Field(description="The contest's slug, as in its address.")


class BoardQuery(InputModel):
    """How much of the board."""

    limit: int = Field(LIMIT_DEFAULT, ge=1, le=ENTRIES_MAX, description="How many places.")


class BoardStreamQuery(InputModel):
    """How much of the board at first."""

    limit: int = Field(ENTRIES_MAX, ge=1, le=ENTRIES_MAX, description="How many places the first event holds.")


class RankingDocument(RootModel[RankingBody]):
    """The ranking as it is now."""


class BoardEvent(RootModel[RankingBody | Update | Successes]):
    """The data of an event: a ranking at first, an Update for each change, Successes beside it."""
