"""From a ranking to what clients and pages read. Plain functions: no clock, no I/O."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, NotRequired
from urllib.parse import quote

# pydantic reads the document's schemas from these, and wants this kind before Python 3.12.
from typing_extensions import TypedDict

from gateway.contests.contest import Contest, Phase
from gateway.contests.rounds import Round
from gateway.contests.rules import Formula, formula_of
from gateway.contests.sharing import dial_link, star_code
from leaderboard.ranking import Evicted, Ranked, Ranking, Score, ranking_from


class Entry(TypedDict):
    """One candidate's place."""

    rank: int
    code: str
    name: str
    votes: int


class EvictedEntry(TypedDict):
    """A candidate who left the ranking at a moment (UTC); these votes stay counted in `totalVotes`."""

    code: str
    name: str
    votes: int
    evictedAt: str


class RoundOf(TypedDict):
    """The round that a board shows."""

    number: int
    name: str


class HiddenBody(TypedDict):
    """Since when (UTC) the figures are hidden, until the result is announced; `announcement`: when that is planned;
    `sealed` (true): every vote is meanwhile an encrypted entry of the public log, which the announcement opens."""

    since: str
    announcement: NotRequired[str]
    sealed: NotRequired[bool]


class RankingBody(TypedDict):
    """The whole board. `version` is the number of tally entries of the contest; `evicted` is there once somebody is,
    `round` where the contest has rounds, `delayed` (true) while the board may be up to five seconds old, `confirming`
    (votes) while an operator that calls them paid is behind with its answers to our questions, before which nothing
    counts, `hidden` while no figures are shown: then there are no entries, and `totalVotes` is 0; `formula` where a
    jury has a part in the result: places here are by votes alone, and the jury's points come with the result."""

    contest: str
    version: int
    totalVotes: int
    entries: list[Entry]
    evicted: NotRequired[list[EvictedEntry]]
    round: NotRequired[RoundOf]
    delayed: NotRequired[bool]
    confirming: NotRequired[int]
    hidden: NotRequired[HiddenBody]
    formula: NotRequired[Formula]


class Update(TypedDict):
    """What changed since the last frame: absolute votes by candidate code, so that a frame which
    arrives twice does no harm. Best places first: where who had so many first stands first, each of these stands behind
    those who had as many before, and before those of these that follow."""

    version: int
    totalVotes: int
    changed: list[tuple[str, int]]


class Delayed(TypedDict):
    """Whether the board may be up to five seconds old from now on."""

    delayed: bool


class Confirming(TypedDict):
    """How many votes are being confirmed from now on; 0: none."""

    confirming: int


class Successes(TypedDict):
    """Votes counted a moment ago, summed by candidate code: for an animation, not for the ranking."""

    version: int
    votes: list[tuple[str, int]]


def ranking(ranking: Ranking, limit: int, *, delayed: bool = False, confirming: int = 0) -> RankingBody:
    """The first `limit` places."""
    hidden = ranking.hidden
    body: RankingBody = {
        "contest": ranking.contest,
        "version": ranking.version,
        "totalVotes": ranking.total_votes,
        "entries": [
            {"rank": e.rank, "code": e.code, "name": e.name, "votes": e.votes}
            for e in (() if hidden else ranking.entries[:limit])
        ],
    }
    if hidden:
        body["hidden"] = {"since": hidden.begins_at.isoformat()}
        if hidden.announcement_at:
            body["hidden"]["announcement"] = hidden.announcement_at.isoformat()
        if hidden.sealed:
            body["hidden"]["sealed"] = True
    elif ranking.evicted:
        body["evicted"] = [
            {"code": e.code, "name": e.name, "votes": e.votes, "evictedAt": e.evicted_at.isoformat()}
            for e in ranking.evicted
        ]
    if ranking.round:
        body["round"] = {"number": ranking.round, "name": ranking.round_name}
    if delayed:
        body["delayed"] = True
    if confirming:
        body["confirming"] = confirming
    if formula := formula_of(ranking.jury_percent):
        body["formula"] = formula
    return body


def update(before: Ranking, after: Ranking) -> Update | None:
    """What a reader of `before` needs to know `after`; None when the whole board is needed:
    a candidate joined, left or changed names, votes of somebody who was evicted changed, another round began, the
    jury's part changed, or figures are hidden."""
    known = {e.code: e for e in before.entries}
    same = (before.evicted, before.round, before.round_name) == (after.evicted, after.round, after.round_name)
    same = same and before.jury_percent == after.jury_percent and not before.hidden and not after.hidden
    if len(known) != len(after.entries) or not same:
        return None
    changed: list[tuple[str, int]] = []
    for entry in after.entries:
        old = known.get(entry.code)
        if old is None or old.name != entry.name:
            return None
        if (old.votes, old.reached) != (entry.votes, entry.reached):
            changed.append((entry.code, entry.votes))
    return {"version": after.version, "totalVotes": after.total_votes, "changed": changed}


def successes(version: int, sales: Mapping[str, int]) -> Successes:
    """The sales of one tick, largest first."""
    return {"version": version, "votes": sorted(sales.items(), key=lambda sold: (-sold[1], sold[0]))}


@dataclass(frozen=True, slots=True)
class Row:
    """A candidate's line on the page. `width`: length of the bar, 1 for the leader, 0 for nothing;
    `share`: part of all votes, 0 to 1; `votable`: whether votes are sold for this candidate now."""

    rank: int
    code: str
    name: str
    votes: int
    width: float
    share: float
    votable: bool


# More candidates than this are shown in pages of so many lines.
MANY: Final = 100
PAGE_ROWS: Final = 50


def rows(
    ranking: Ranking, contest: Contest, phase: Phase, limit: int, found: Sequence[Ranked] | None = None
) -> list[Row]:
    """The first `limit` lines of the page: of the whole board, or of those that were found."""
    if not ranking.entries:
        return []
    most, total = max(ranking.entries[0].votes, 1), max(ranking.total_votes, 1)
    return [
        Row(
            e.rank,
            e.code,
            e.name,
            e.votes,
            round(e.votes / most, 4),
            e.votes / total,
            phase is Phase.OPEN and _eligible(e, contest),
        )
        for e in (ranking.entries if found is None else found)[:limit]
    ]


@dataclass(frozen=True, slots=True)
class Part:
    """What a page shows of a board. `many`: it is shown in pages and can be searched; `query`: what was
    searched for; `found`: how many lines there are for that; `evicted`: who is shown below, on the first page."""

    rows: list[Row]
    many: bool
    query: str
    found: int
    page: int
    pages: int
    evicted: Sequence[Evicted] = ()

    @property
    def first(self) -> int:
        """Number of the first line on this page, from 1."""
        return (self.page - 1) * PAGE_ROWS + 1

    @property
    def last(self) -> int:
        """Number of the last line on this page."""
        return self.first + len(self.rows) - 1

    @property
    def live(self) -> bool:
        """Whether it shows the head of the whole board."""
        return self.page == 1 and not self.query


def is_many(ranking: Ranking) -> bool:
    """Whether a board is shown in pages."""
    return len(ranking.entries) > MANY


def pages_of(ranking: Ranking, found: Sequence[Ranked]) -> int:
    """How many pages these lines of a board take, one at least."""
    return max(1, -(-len(found) // PAGE_ROWS)) if is_many(ranking) else 1


def part_of(ranking: Ranking, contest: Contest, phase: Phase, page: int = 1, query: str = "") -> Part:
    """A page of the board, of those that a search finds; the last one for a page beyond."""
    found = [entry for entry in ranking.entries if _matches(entry, query)] if query else ranking.entries
    pages = pages_of(ranking, found)
    page = min(page, pages)
    many = is_many(ranking)
    shown = found[(page - 1) * PAGE_ROWS :]
    lines = rows(ranking, contest, phase, PAGE_ROWS if many else MANY, shown)
    evicted = [one for one in ranking.evicted if not query or _matches(one, query)] if page == 1 else []
    return Part(lines, many, query, len(found), page, pages, evicted)


# A contest further away shows its date alone.
COUNTED_DOWN: Final = timedelta(days=30)
_MINUTES: Final = (1440, 60, 1)


def time_left(end: datetime, now: datetime, units: str) -> str:
    """How long until `end`, in its two largest units, as the script of the page counts them: `2 h 15 min`, `1 min` at
    least. Empty where it is over or more than `COUNTED_DOWN` away. `units`: how the language writes day, hour, minute
    and second, set apart by spaces."""
    left = end - now
    if not timedelta() < left <= COUNTED_DOWN:
        return ""
    minutes = max(1, left // timedelta(minutes=1))
    parts: list[str] = []
    for size, unit in zip(_MINUTES, units.split(), strict=False):
        whole, minutes = divmod(minutes, size)
        if whole or parts or size == 1:
            parts.append(f"{whole}\u00a0{unit}")
    return "\u00a0".join(parts[:2])


def rounds_of(contest: Contest) -> list[Round]:
    """The rounds that have begun, the last one first."""
    shown = contest.round_shown
    return [] if shown is None else [one for one in reversed(contest.rounds) if one.number <= shown.number]


def by_category(ranking: Ranking, contest: Contest, phase: Phase) -> list[tuple[str, list[Row]]]:
    """The board of each category, in the contest's order, and last of those without one; categories without anybody
    are left out. Places are those within the category."""
    found = []
    for category in (*contest.categories, ""):
        scores = [
            Score(entry.code, entry.name, entry.votes, entry.reached)
            for entry in ranking.entries
            if (person := contest.candidate(entry.code)) is not None and person.category == category
        ]
        own = ranking_from(ranking.contest, ranking.version, scores)
        if own.entries:
            found.append((category, rows(own, contest, phase, len(own.entries))))
    return found


def _matches(entry: Ranked | Evicted, query: str) -> bool:
    """Whether a candidate has this code, or a name with each of these words in it."""
    if query.isdecimal():
        return entry.code.startswith(query)
    name = _plain(entry.name)
    return all(word in name for word in _plain(query).split())


@lru_cache(maxsize=131_072)
def _plain(text: str) -> str:
    """Small letters without accents."""
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in apart if not unicodedata.combining(letter))


def _eligible(entry: Ranked, contest: Contest) -> bool:
    candidate = contest.candidate(entry.code)
    return candidate is not None and candidate.eligible


def percent(share: float, language: str) -> str:
    """A share as the language writes it, one decimal: `12,3 %`, `12.3%`."""
    text = f"{share * 100:.1f}"
    return text.replace(".", ",") + "\u202f%" if language == "fr" else text + "%"


@dataclass(frozen=True, slots=True)
class HowToVote:
    """What to dial and to text, with an example vote. The links are for a handset."""

    menu_code: str
    menu_link: str
    example_code: str
    example_link: str
    example_candidate: str
    example_quantity: int
    text: str
    short_code: str
    text_link: str


def how_to_vote(contest: Contest, keyword: str, quantity: int = 5) -> HowToVote | None:
    """The ways to vote by phone, shown with the candidate in the middle of the list, so that the
    example favours neither end; None when there is no eligible candidate. `keyword` begins the text message."""
    standing = contest.eligible
    if not standing:
        return None
    example = standing[len(standing) // 2]
    one_dial = f"{star_code(contest, example).removesuffix('#')}*{quantity}*1#"
    text = f"{keyword} {example.code} {quantity}"
    return HowToVote(
        menu_code=contest.dial_code,
        menu_link=dial_link(contest.dial_code),
        example_code=one_dial,
        example_link=dial_link(one_dial),
        example_candidate=example.code,
        example_quantity=quantity,
        text=text,
        short_code=contest.short_code,
        text_link=f"sms:{contest.short_code}?body={quote(text)}",
    )
