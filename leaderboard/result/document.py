"""What a certified result says, as one canonical text whose SHA-256 is published beside it. Pure."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import ClassVar, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from gateway.contests.contest import Contest
from gateway.contests.rules import canonical
from leaderboard.final import FinalRanking
from leaderboard.jury import shown_share

FORMAT: Final = "spotlight result 1"


class _Part(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True)


class Place(_Part):
    """Who stands where. `points`, `score`: of a contest with a jury; the latter in hundredths of a percent, rounded;
    `reinstated`: was evicted, and stands again."""

    rank: int
    code: str
    name: str
    votes: int
    points: int | None = None
    score: int | None = None
    reinstated: bool = False


class Left(_Part):
    """Who was evicted, with the votes that stay counted."""

    code: str
    name: str
    votes: int
    evicted_at: AwareDatetime | None


class Board(_Part):
    """The ranking of a round and category. `round`: its number, 0 where the contest has none; `category`: empty for
    those without one; None: all candidates together; `jury_percent`: 0 where votes alone decide."""

    round: int = 0
    round_name: str = ""
    category: str | None = None
    jury_percent: int = 0
    places: tuple[Place, ...]
    evicted: tuple[Left, ...] = ()

    @property
    def votes(self) -> int:
        """All votes that it shows."""
        return sum(one.votes for one in self.places) + sum(one.votes for one in self.evicted)


class Signature(_Part):
    """A person who stands for the result. `organisation`: whom they work for; None: the platform."""

    name: str
    organisation: str | None
    at: AwareDatetime


class SignedState(_Part):
    """The state of the public log that the result is counted from. `root`: SHA-256 in hexadecimal."""

    origin: str
    size: int
    root: str
    words: tuple[str, ...]


class RulesNamed(_Part):
    """The version of the published rules in force, and the SHA-256 of its document in hexadecimal."""

    version: int
    sha256: str


class Replaced(_Part):
    """The certified result that this one replaces, and why."""

    number: int
    sha256: str
    reason: str


class ResultDocument(_Part):
    """The whole. `number`: from 1 within the contest; `entries`: lines of the tally that it counts; `votes`, `amounts`:
    all that is counted, the latter in minor units by currency."""

    format: Literal["spotlight result 1"]
    contest: str
    name: str
    organiser: str
    number: int
    made_at: AwareDatetime
    entries: int
    votes: int
    amounts: Mapping[str, int]
    tie_break: str
    rules: RulesNamed
    log: SignedState
    boards: tuple[Board, ...]
    signed_by: tuple[Signature, Signature]
    replaces: Replaced | None = None

    @property
    def text(self) -> str:
        """The document as it is published."""
        return _text(self)


def digest_of(text: str) -> str:
    """The SHA-256 of a document, in hexadecimal."""
    return sha256(text.encode()).hexdigest()


def board_of(contest: Contest, ranking: FinalRanking) -> Board:
    """A final ranking as the document has it."""
    judged = ranking.jury_percent > 0
    return Board(
        round=ranking.round,
        round_name=ranking.round_name,
        category=ranking.category,
        jury_percent=ranking.jury_percent,
        places=tuple(
            Place(
                rank=one.rank,
                code=one.code,
                name=one.name,
                votes=one.votes,
                points=one.points if judged else None,
                score=shown_share(one.score) if judged else None,
                reinstated=one.reinstated,
            )
            for one in ranking.places
            if one.rank is not None
        ),
        evicted=tuple(
            Left(
                code=one.code,
                name=one.name,
                votes=one.votes,
                evicted_at=person.evicted_at if (person := contest.candidate(one.code)) else None,
            )
            for one in ranking.places
            if one.rank is None
        ),
    )


def digest_of_boards(boards: Sequence[Board]) -> str:
    """By which two persons know that they agreed to the same rankings."""
    return digest_of("\n".join(_text(board) for board in boards))


def _text(part: BaseModel) -> str:
    """What it says but for what is left out, being empty."""
    return canonical(part.model_dump(mode="json", exclude_defaults=True)).decode()
