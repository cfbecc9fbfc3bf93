"""What a certified result says, as one canonical text whose SHA-256 is published beside it. Pure."""

from collections.abc import Collection, Mapping, Sequence
from hashlib import sha256
from types import MappingProxyType
from typing import ClassVar, Final, Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict

from gateway.contests.contest import Contest
from gateway.contests.rules import canonical
from leaderboard.ranking import Evicted, Ranked, Ranking, Score, ranking_from, ranking_of

FORMAT: Final = "spotlight result 1"
T = TypeVar("T", Ranked, Evicted)


class _Part(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True)


class Place(_Part):
    """Who stands where. `reinstated`: was evicted, and stands again."""

    rank: int
    code: str
    name: str
    votes: int
    reinstated: bool = False


class Left(_Part):
    """Who was evicted, with the votes that stay counted."""

    code: str
    name: str
    votes: int
    evicted_at: AwareDatetime


class Board(_Part):
    """The ranking of a round and category. `round`: its number, 0 where the contest has none; `category`: empty for
    those without one; None: all candidates together."""

    round: int = 0
    round_name: str = ""
    category: str | None = None
    places: tuple[Place, ...]
    evicted: tuple[Left, ...] = ()


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


def boards_of(
    contest: Contest,
    votes: Mapping[str, int],
    reached: Mapping[str, int] = MappingProxyType({}),
    reinstated: Collection[str] = (),
) -> tuple[Board, ...]:
    """The rankings of a contest: of each round that has begun, the last one first, all together and then by category.
    `votes`, `reached`: by `leaderboard.ranking.key_of`; `reinstated`: codes."""
    shown = contest.round_shown
    rounds = [None] if shown is None else [*range(shown.number, 0, -1)]
    used = {one.category for one in contest.candidates if one.public}
    categories = [one for one in (*contest.categories, "") if one in used] if used - {""} else []
    return tuple(
        _board(ranking_of(contest, 0, votes, reached, number), contest, category, reinstated)
        for number in rounds
        for category in (None, *categories)
    )


def _board(ranking: Ranking, contest: Contest, category: str | None, reinstated: Collection[str]) -> Board:
    scores = [Score(one.code, one.name, one.votes, one.reached) for one in _within(contest, ranking.entries, category)]
    return Board(
        round=ranking.round,
        round_name=ranking.round_name,
        category=category,
        places=tuple(
            Place(rank=one.rank, code=one.code, name=one.name, votes=one.votes, reinstated=one.code in reinstated)
            for one in ranking_from(contest.slug, 0, scores).entries
        ),
        evicted=tuple(
            Left(code=one.code, name=one.name, votes=one.votes, evicted_at=one.evicted_at)
            for one in _within(contest, ranking.evicted, category)
        ),
    )


def digest_of_boards(boards: Sequence[Board]) -> str:
    """By which two persons know that they agreed to the same rankings."""
    return digest_of("\n".join(_text(board) for board in boards))


def _within(contest: Contest, people: Sequence[T], category: str | None) -> list[T]:
    """Those of a category, in their order; all of them for None."""
    if category is None:
        return list(people)
    return [
        one for one in people if (person := contest.candidate(one.code)) is not None and person.category == category
    ]


def _text(part: BaseModel) -> str:
    """What it says but for what is left out, being empty."""
    return canonical(part.model_dump(mode="json", exclude_defaults=True)).decode()
