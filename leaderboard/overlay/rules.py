"""What an overlay shows at a moment: by its state and the figures of the last minute. Plain functions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypedDict

from gateway.contests.contest import Contest, Phase
from gateway.values.time_zones import local
from leaderboard.ranking import Ranked, Ranking

PLACES_MAX: Final = 12
# Candidates that a lower third shows at most.
LOWER_PLACES_MAX: Final = 4
DELAY_MAX: Final = 60
SETTINGS: Final = ("places", "category", "round", "delay_seconds")
# The side of a face on air, in pixels of a page with two dots each.
FACE: Final = 44


class View(StrEnum):
    """What is on air."""

    HIDDEN = "hidden"
    LOWER_THIRD = "lower_third"
    BOARD = "board"
    COUNTDOWN = "countdown"


@dataclass(frozen=True, slots=True)
class Table:
    """The first places of a board, and the votes of all of it."""

    total: int
    entries: tuple[Ranked, ...] = ()


@dataclass(frozen=True, slots=True)
class Figures:
    """What overlays may show of a ranking. `tables`: by category, of all together by the empty text; `version`,
    `round`: see `Ranking`; `hidden`: the public does not see them."""

    version: int
    round: int
    round_name: str
    tables: Mapping[str, Table]
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Frozen:
    """Figures that stay as they were on air at a moment."""

    at: datetime
    figures: Figures


@dataclass(frozen=True, slots=True)
class Overlay:
    """What the studio chose. `category`: empty for all; `round`: 0 for the one that a board shows; `delay_seconds`: how
    old figures are when they are shown; `blackout_since`: none are shown; `link_number`: of the link that is good."""

    view: View = View.HIDDEN
    places: int = 5
    category: str = ""
    round: int = 0
    delay_seconds: int = 0
    frozen: Frozen | None = None
    blackout_since: datetime | None = None
    link_number: int = 0


@dataclass(frozen=True, slots=True)
class Change:
    """What the studio asks for; None: as it is. `freeze`, `blackout`: begin or end it; `renew`: another link."""

    view: View | None = None
    places: int | None = None
    category: str | None = None
    round: int | None = None
    delay_seconds: int | None = None
    freeze: bool | None = None
    blackout: bool | None = None
    renew: bool = False


def changed(held: Overlay, change: Change, figures: Figures, now: datetime) -> Overlay:
    """The state after a change. `figures`: those on air. What is frozen or dark already stays so since then."""
    frozen, blackout = held.frozen, held.blackout_since
    if change.freeze is not None:
        frozen = (held.frozen or Frozen(now, figures)) if change.freeze else None
    if change.blackout is not None:
        blackout = (held.blackout_since or now) if change.blackout else None
    chosen = {name: value for name in ("view", *SETTINGS) if (value := getattr(change, name)) is not None}
    number = held.link_number + change.renew
    return replace(held, **chosen, frozen=frozen, blackout_since=blackout, link_number=number)


def steps_between(held: Overlay, new: Overlay) -> list[str]:
    """What was done, in words of the log."""
    steps = [] if held.view is new.view else [new.view.value]
    if (held.frozen is None) != (new.frozen is None):
        steps.append("unfrozen" if new.frozen is None else "frozen")
    if (held.blackout_since is None) != (new.blackout_since is None):
        steps.append("lit" if new.blackout_since is None else "blackout")
    if held.link_number != new.link_number:
        steps.append("link")
    if any(getattr(held, name) != getattr(new, name) for name in SETTINGS):
        steps.append("settings")
    return steps


def figures_of(ranking: Ranking, contest: Contest) -> Figures:
    """The first places of a ranking, and of each of its categories."""
    tables = {"": Table(ranking.total_votes, ranking.entries[:PLACES_MAX])}
    if contest.categories:
        totals = dict.fromkeys(contest.categories, 0)
        first: dict[str, list[Ranked]] = {category: [] for category in contest.categories}
        for entry in ranking.entries:
            person = contest.candidate(entry.code)
            if person is None or person.category not in first:
                continue
            totals[person.category] += entry.votes
            above = first[person.category]
            if len(above) < PLACES_MAX:
                above.append(replace(entry, rank=_place(entry, above)))
        tables |= {category: Table(totals[category], tuple(first[category])) for category in contest.categories}
    return Figures(ranking.version, ranking.round, ranking.round_name, tables, ranking.hidden is not None)


def _place(entry: Ranked, above: Sequence[Ranked]) -> int:
    """The place within a category: equals share it."""
    tied = above and (above[-1].votes, above[-1].reached) == (entry.votes, entry.reached)
    return above[-1].rank if tied else len(above) + 1


Past = tuple[tuple[datetime, Figures], ...]
"""Figures with the moments from which they were so, the oldest first."""


def remembered(past: Past, figures: Figures, now: datetime) -> Past:
    """The past with what is so now, without what no delay reaches."""
    if past and past[-1][1] == figures:
        return past
    oldest = now - timedelta(seconds=DELAY_MAX)
    last_before = max((place for place, (since, _) in enumerate(past) if since <= oldest), default=0)
    return (*past[last_before:], (now, figures))


def figures_at(past: Past, moment: datetime) -> Figures:
    """What was so at a moment; before all that is known, the oldest of it."""
    found = past[0][1]
    for since, figures in past:
        if since > moment:
            break
        found = figures
    return found


def on_air(overlay: Overlay, past: Past, now: datetime) -> Figures:
    """The figures that viewers see: frozen ones, else those of `delay_seconds` ago."""
    if overlay.frozen is not None:
        return overlay.frozen.figures
    return figures_at(past, now - timedelta(seconds=overlay.delay_seconds))


def earlier_round(overlay: Overlay, figures: Figures) -> int | None:
    """The round before that of these figures which is chosen. It is over, so that nothing holds its figures back."""
    return overlay.round if 0 < overlay.round < figures.round else None


class Row(TypedDict):
    """A candidate on air. `width`: of the bar, 1 for the leader; `photo`: its address, or empty."""

    code: str
    rank: int
    name: str
    votes: int
    width: float
    photo: str


class Picture(TypedDict):
    """What an overlay draws. `of`: pictures with the same show the same kind of figures, whose `version` only grows;
    `until`, `now`: milliseconds since 1970, `until` 0 where nothing is awaited; `label`: of the countdown."""

    view: str
    of: str
    version: int
    title: str
    about: str
    note: str
    label: str
    until: int
    now: int
    total: int | None
    rows: list[Row]


Say = Callable[..., str]


def picture_of(
    overlay: Overlay,
    figures: Figures,
    contest: Contest,
    now: datetime,
    say: Say,
    photos: Mapping[str, str] = MappingProxyType({}),
) -> Picture:
    """What is drawn. `say`: phrases of the contest's language; `photos`: addresses by code. Where figures are not on
    air none are in it."""
    dark = overlay.blackout_since is not None or figures.hidden or contest.hidden_at(now)
    of_figures = overlay.view in (View.LOWER_THIRD, View.BOARD)
    with_figures = of_figures and not dark
    category = overlay.category if overlay.category in figures.tables else ""
    table = figures.tables[category]
    places = min(overlay.places, LOWER_PLACES_MAX) if overlay.view is View.LOWER_THIRD else overlay.places
    most = max((entry.votes for entry in table.entries), default=0) or 1
    label, until = _awaited(contest, now, say)
    notes = []
    if of_figures and dark:
        notes.append(say("overlay.sealed" if contest.sealed_at(now) else "overlay.soon"))
    elif with_figures and overlay.frozen is not None and not earlier_round(overlay, overlay.frozen.figures):
        notes.append(say("overlay.frozen", time=f"{local(overlay.frozen.at, contest.time_zone):%H:%M}"))
    if with_figures and contest.jury_percent:
        notes.append(say("overlay.jury", votes=100 - contest.jury_percent, jury=contest.jury_percent))
    frozen_at = "" if overlay.frozen is None else overlay.frozen.at.isoformat()
    return {
        "view": overlay.view.value,
        "of": f"{figures.round} {category} {frozen_at}",
        "version": figures.version if with_figures else 0,
        "title": contest.name,
        "about": " · ".join(filter(None, (figures.round_name, category))),
        "note": " · ".join(notes),
        "label": label,
        "until": until,
        "now": _milliseconds(now),
        "total": table.total if with_figures else None,
        "rows": [
            {
                "code": entry.code,
                "rank": entry.rank,
                "name": entry.name,
                "votes": entry.votes,
                "width": round(entry.votes / most, 4),
                "photo": photos.get(entry.code, ""),
            }
            for entry in (table.entries[:places] if with_figures else ())
        ],
    }


def _awaited(contest: Contest, now: datetime, say: Say) -> tuple[str, int]:
    """What a countdown runs to, in words and in milliseconds."""
    phase, (opens_at, closes_at) = contest.phase_at(now), contest.window_at(now)
    if contest.suspended and phase is not Phase.CLOSED:
        return say("overlay.suspended"), 0
    if phase is Phase.COMING:
        return say("overlay.opens"), _milliseconds(opens_at)
    if phase is Phase.OPEN:
        return say("overlay.closes"), _milliseconds(closes_at)
    return say("overlay.closed"), 0


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
