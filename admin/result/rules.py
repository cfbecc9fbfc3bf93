"""What must be none before a result is certified. Plain functions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from gateway.contests.contest import Contest, Phase
from gateway.contests.jury import Sheet, SheetStatus, in_force, judged


class Open(StrEnum):
    """What still stands against certifying a result. Each has a phrase for staff and a page where it is decided."""

    DRAFT = "draft"
    VOTING = "voting"  # votes are sold, or will be
    LATE = "late"  # payments that were ordered in time still count
    PENDING = "pending"  # their operators have not answered for good
    HELD = "held"  # a person decides whether they count
    PROVISIONAL = "provisional"  # counted on a callback that the operator has not confirmed
    REQUESTS = "requests"  # refunds and decisions that wait for a second person, or are being done
    DISPUTES = "disputes"
    DIFFERENCES = "differences"
    JURY = "jury"  # its points for the last round are not all confirmed
    LOG = "log"  # the public log has not signed all that is counted


@dataclass(frozen=True, slots=True)
class Standing:
    """What the database has of a contest, in one snapshot. `entries`, `logged`: lines of the tally, and those of them
    in the public log; `size`, `signed`: leaves of the log, and those that its newest checkpoint has; `unlogged`: sheets
    of a jury and certified results that it does not have; `rules_logged`: whether its last rules are those of now; the
    others: how many there are of what `Open` names."""

    entries: int
    logged: int
    size: int
    signed: int
    unlogged: int
    pending: int
    held: int
    provisional: int
    requests: int
    disputes: int
    differences: int
    jury: int
    rules_logged: bool = True


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the list of what must be none. `many`: how many there are; 0 and `done`: nothing stands against it.
    `until`: when it is over by itself, where that is known."""

    what: Open
    done: bool
    many: int = 0
    until: datetime | None = None


def lines_of(contest: Contest, standing: Standing, now: datetime) -> list[Line]:
    """The whole list, in the order in which it is done."""
    return list(_lines(contest, standing, now))


def _lines(contest: Contest, standing: Standing, now: datetime) -> Iterator[Line]:
    phase, closed = contest.phase_at(now), contest.window_at(now)[1]
    if phase is Phase.DRAFT:
        yield Line(Open.DRAFT, done=False)
        return
    over = phase in (Phase.CLOSED, Phase.ARCHIVED) and now >= closed
    last = closed + timedelta(seconds=contest.late_seconds)
    yield Line(Open.VOTING, over, until=None if over else contest.closes_at)
    yield Line(Open.LATE, over and now > last, until=last if over and now <= last else None)
    for what, many in (
        (Open.PENDING, standing.pending),
        (Open.HELD, standing.held),
        (Open.PROVISIONAL, standing.provisional),
        (Open.REQUESTS, standing.requests),
        (Open.DISPUTES, standing.disputes),
        (Open.DIFFERENCES, standing.differences),
    ):
        yield Line(what, many == 0, many)
    if contest.jury_percent is not None:
        yield Line(Open.JURY, standing.jury == 0, standing.jury)
    behind = standing.entries - standing.logged + standing.unlogged
    whole = standing.rules_logged and standing.signed == standing.size > 0
    yield Line(Open.LOG, whole and behind == 0, behind)


def undecided_points(contest: Contest, sheets: Sequence[Sheet]) -> int:
    """How many of a jury's sheets wait to be confirmed, and how many categories of the last round have none that is. A
    juror may be absent."""
    if contest.jury_percent is None:
        return 0
    last = contest.round_shown.number if contest.round_shown else 0
    given = {one.category for one in in_force(sheets) if one.round == last}
    waiting = sum(one.status is SheetStatus.WAITING for one in sheets)
    return waiting + sum(
        category not in given and bool(judged(contest, last, category)) for category in (*contest.categories, "")
    )
