"""What the public reads of a result at an instant. Plain functions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gateway.contests.contest import Contest, Phase
from leaderboard.final import FinalRanking
from leaderboard.ranking import is_hidden


class State(StrEnum):
    """Where a result stands."""

    OPEN = "open"  # votes are sold, or will be
    HIDDEN = "hidden"  # until the announcement
    CHECKING = "checking"  # voting is over, and nothing certified yet
    CERTIFIED = "certified"


@dataclass(frozen=True, slots=True)
class Version:
    """One of the certified results of a contest. `sha256`: of its document, in hexadecimal; `reason`: why it replaced
    the one before; empty for the first one; `leaf`: where the public log names it, from 0; None until it does."""

    number: int
    sha256: str
    made_at: datetime
    reason: str
    leaf: int | None = None


def shown_versions(contest: Contest, versions: Sequence[Version], now: datetime) -> list[Version]:
    """Those that the public may read, the newest first: while figures are hidden, what was certified before."""
    hidden = contest.blackout if contest.hidden_at(now) else None
    return [one for one in versions if hidden is None or one.made_at < hidden.begins_at]


def state_of(contest: Contest, shown: Sequence[Version], now: datetime) -> State:
    """Where the result of a contest stands, of which these versions may be read."""
    if shown:
        return State.CERTIFIED
    if contest.hidden_at(now):
        return State.HIDDEN
    over = contest.phase_at(now) in (Phase.CLOSED, Phase.ARCHIVED) and now >= contest.window_at(now)[1]
    return State.CHECKING if over else State.OPEN


def over_by(contest: Contest, rankings: Sequence[FinalRanking], now: datetime) -> list[FinalRanking]:
    """Of final rankings, those of rounds that are over and whose figures may be read; of a contest without rounds, once
    voting is over."""
    ends = {one.number: one.closes_at for one in contest.rounds} or {0: contest.window_at(now)[1]}
    return [
        one
        for one in rankings
        if one.round in ends and ends[one.round] <= now and not is_hidden(contest, one.round or None, now)
    ]
