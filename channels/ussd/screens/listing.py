"""Screens of many lines: contests, candidates, the ranking."""

from collections.abc import Sequence
from typing import Final

from channels import gsm
from channels.phrases import say
from channels.ussd.screens.fitting import LIST_NAME_SEPTETS, SEPTETS_MAX, foot, squeezed
from gateway.contests.contest import Candidate, Contest
from leaderboard.ranking import Ranked, Ranking

LIST_SIZE: Final = 5


def pages_of(count: int) -> int:
    """How many pages so many lines have."""
    return max(1, -(-count // LIST_SIZE))


def contest_pages(choices: Sequence[tuple[int, Contest]]) -> int:
    """How many pages the choice of a contest has."""
    return pages_of(len(choices))


def contests(
    choices: Sequence[tuple[int, Contest]], page: int, language: str, notice: str = "", room: int = SEPTETS_MAX
) -> str:
    """A page of contests behind one service code, counted from 0, each with its number."""
    shown = choices[page * LIST_SIZE : (page + 1) * LIST_SIZE]
    more = page + 1 < contest_pages(choices)
    last = [foot(language, more=more)] if more or page else []

    def make(septets: int) -> str:
        lines = (f"{number} {gsm.cut_on_word(gsm.fold(contest.name), septets)}" for number, contest in shown)
        return "\n".join([say(language, "ussd.contests"), *lines, *last])

    return squeezed(make, LIST_NAME_SEPTETS + 6, notice, room)


def candidate_pages(contest: Contest) -> int:
    """How many pages the list of candidates has."""
    return pages_of(len(contest.eligible))


def candidates(contest: Contest, page: int, language: str, notice: str = "", room: int = SEPTETS_MAX) -> str:
    """A page of candidates, counted from 0; a code or the letters of a name may be typed on any page."""
    return people(contest.eligible, page, language, notice or say(language, "ussd.list"), room)


def people(found: Sequence[Candidate], page: int, language: str, head: str = "", room: int = SEPTETS_MAX) -> str:
    """A page of these candidates, counted from 0, below a sentence."""
    shown = found[page * LIST_SIZE : (page + 1) * LIST_SIZE]
    last = foot(language, more=page + 1 < pages_of(len(found)))

    def make(septets: int) -> str:
        return "\n".join([*(f"{c.code} {gsm.cut_on_word(gsm.fold(c.name), septets)}" for c in shown), last])

    return squeezed(make, LIST_NAME_SEPTETS, head, room)


def ranking_pages(ranking: Ranking) -> int:
    """How many pages the ranking has."""
    return pages_of(len(ranking.entries))


def ranking(
    ranking: Ranking,
    page: int,
    language: str,
    notice: str = "",
    favourite: Ranked | None = None,
    room: int = SEPTETS_MAX,
) -> str:
    """A page of the ranking, counted from 0. `favourite`: whom this number voted for most, in a
    line below unless the page shows them anyway."""
    shown = ranking.entries[page * LIST_SIZE : (page + 1) * LIST_SIZE]
    last = foot(language, more=page + 1 < ranking_pages(ranking))

    def make(septets: int) -> str:
        lines = [_ranked(entry, septets) for entry in shown]
        if favourite is not None and favourite not in shown:
            lines.append(say(language, "ussd.favourite", line=_ranked(favourite, septets)))
        return "\n".join([*lines, last])

    return squeezed(make, LIST_NAME_SEPTETS, notice, room)


def _ranked(entry: Ranked, septets: int) -> str:
    votes = f"{entry.votes:,}".replace(",", " ")
    return f"{entry.rank}. {gsm.cut_on_word(gsm.fold(entry.name), septets)} {votes}"
