"""What an overlay shows at a moment: cases."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.contests.contest import Candidate, Contest
from gateway.contests.rounds import Round
from leaderboard.overlay.rules import (
    PLACES_MAX,
    Change,
    Figures,
    Frozen,
    Overlay,
    Past,
    Table,
    View,
    changed,
    earlier_round,
    figures_of,
    on_air,
    picture_of,
    remembered,
    steps_between,
)
from leaderboard.ranking import Score, ranking_from
from tests.demo import demo_contest

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def figures(version: int, number: int = 0, **tables: Table) -> Figures:
    return Figures(version, number, "", {"": Table(version), **tables})


PAST: Past = tuple((after(second), figures(second)) for second in (0, 10, 20, 30))
FROZEN = Frozen(after(12), figures(11))


@pytest.mark.parametrize(
    ("overlay", "at", "shown"),
    [
        (Overlay(), 30, 30),
        (Overlay(), 29, 20),
        (Overlay(delay_seconds=10), 30, 20),
        (Overlay(delay_seconds=10), 39.9, 20),
        (Overlay(delay_seconds=60), 30, 0),  # nothing so old is known
        (Overlay(frozen=FROZEN), 30, 11),
        (Overlay(frozen=FROZEN, delay_seconds=10), 90, 11),
    ],
)
def test_figures_are_those_of_so_many_seconds_ago_and_stand_still_when_frozen(
    overlay: Overlay, at: float, shown: int
) -> None:
    assert on_air(overlay, PAST, after(at)).version == shown


def test_the_last_minute_is_remembered() -> None:
    past: Past = ()
    for second in range(200):
        past = remembered(past, figures(second // 2), after(second))
    assert [seen.version for _, seen in past][:2] == [69, 70]
    assert past[0][0] <= after(199 - 60) < past[1][0]
    assert remembered(past, figures(99), after(500)) == past


@pytest.mark.parametrize(("chosen", "shown", "earlier"), [(0, 2, None), (1, 2, 1), (2, 2, None), (1, 0, None)])
def test_a_round_that_is_over_is_read_by_itself(chosen: int, shown: int, earlier: int | None) -> None:
    assert earlier_round(Overlay(round=chosen), figures(1, shown)) == earlier


DARK = Overlay(blackout_since=NOON)
STILL = Overlay(view=View.BOARD, frozen=FROZEN)


@pytest.mark.parametrize(
    ("held", "change", "new", "steps"),
    [
        (Overlay(), Change(), Overlay(), []),
        (Overlay(), Change(view=View.BOARD), Overlay(view=View.BOARD), ["board"]),
        (Overlay(), Change(freeze=True), Overlay(frozen=Frozen(after(50), figures(7))), ["frozen"]),
        (STILL, Change(freeze=True), STILL, []),  # as it was frozen first
        (STILL, Change(freeze=False), Overlay(view=View.BOARD), ["unfrozen"]),
        (Overlay(), Change(blackout=True), Overlay(blackout_since=after(50)), ["blackout"]),
        (DARK, Change(blackout=True), DARK, []),
        (DARK, Change(blackout=False), Overlay(), ["lit"]),
        (Overlay(), Change(renew=True), Overlay(link_number=1), ["link"]),
        (Overlay(category="Chant", round=2), Change(category="", round=0), Overlay(), ["settings"]),
        (STILL, Change(places=3, delay_seconds=9), replace(STILL, places=3, delay_seconds=9), ["settings"]),
    ],
)
def test_a_change_is_what_was_asked_for_and_no_more(
    held: Overlay, change: Change, new: Overlay, steps: list[str]
) -> None:
    found = changed(held, change, figures(7), after(50))
    assert (found, steps_between(held, found)) == (new, steps)


def contest_of(*categories: str, **more: Any) -> Contest:
    """Twenty candidates in turn in these categories; the last one in none."""
    people = [
        Candidate(one.id, f"{number:02d}", f"Name {number}", category=(*categories, "")[number % (len(categories) + 1)])
        for number, one in zip(range(1, 21), [*demo_contest().candidates] * 2, strict=False)
    ]
    return replace(demo_contest(), categories=categories, candidates=tuple(people), _by_code={}, **more)


def test_categories_have_places_and_totals_of_their_own() -> None:
    contest = contest_of("Chant", "Danse")
    scores = [Score(one.code, one.name, 10 * (number // 4)) for number, one in enumerate(contest.candidates)]
    found = figures_of(ranking_from("star", 9, scores), contest)
    assert {name: table.total for name, table in found.tables.items()} == {"": 400, "Chant": 120, "Danse": 130}
    assert len(found.tables[""].entries) == PLACES_MAX
    assert [(entry.rank, entry.code, entry.votes) for entry in found.tables["Chant"].entries[:4]] == [
        (1, "18", 40),
        (2, "15", 30),
        (3, "09", 20),
        (3, "12", 20),
    ]
    assert [*figures_of(ranking_from("star", 9, scores), contest_of()).tables] == [""]


def said(key: str, **values: object) -> str:
    return " ".join((key.removeprefix("overlay."), *map(str, values.values())))


def drawn(overlay: Overlay, contest: Contest | None = None, at: datetime = NOON) -> dict[str, Any]:
    held = contest or contest_of("Chant", opens_at=NOON - timedelta(days=1), closes_at=NOON + timedelta(seconds=90))
    scores = [Score(one.code, one.name, 100 - number) for number, one in enumerate(held.candidates)]
    live = figures_of(ranking_from("star", 9, scores), held)
    return dict(picture_of(overlay, on_air(overlay, ((NOON, live),), at), held, at, said, {"01": "/a.webp"}))


@pytest.mark.parametrize(
    ("overlay", "codes", "total", "note"),
    [
        (Overlay(), [], None, ""),
        (Overlay(view=View.COUNTDOWN), [], None, ""),
        (Overlay(view=View.BOARD, places=3), ["01", "02", "03"], 1810, ""),
        (Overlay(view=View.LOWER_THIRD, places=9), ["01", "02", "03", "04"], 1810, ""),
        (Overlay(view=View.BOARD, places=2, category="Chant"), ["02", "04"], 900, ""),
        (Overlay(view=View.BOARD, places=2, category="Gone"), ["01", "02"], 1810, ""),
        (Overlay(view=View.BOARD, blackout_since=NOON), [], None, "soon"),
        (Overlay(view=View.COUNTDOWN, blackout_since=NOON), [], None, ""),
        (Overlay(view=View.BOARD, frozen=FROZEN), [], 11, "frozen 12:00"),
        (Overlay(view=View.BOARD, frozen=FROZEN, blackout_since=NOON), [], None, "soon"),
        (Overlay(view=View.COUNTDOWN, frozen=FROZEN), [], None, ""),
    ],
)
def test_a_picture_has_the_figures_that_may_be_seen(
    overlay: Overlay, codes: list[str], total: int | None, note: str
) -> None:
    found = drawn(overlay)
    assert ([row["code"] for row in found["rows"]], found["total"], found["note"]) == (codes, total, note)


def test_beside_figures_the_note_says_what_the_jury_decides() -> None:
    judged = contest_of("Chant", jury_percent=30)
    cases = [
        (Overlay(view=View.BOARD), "jury 70 30"),
        (Overlay(view=View.BOARD, frozen=FROZEN), "frozen 12:00 · jury 70 30"),
        (Overlay(view=View.BOARD, blackout_since=NOON), "soon"),
        (Overlay(view=View.COUNTDOWN), ""),
    ]
    assert [drawn(overlay, judged)["note"] for overlay, _ in cases] == [note for _, note in cases]


def test_a_row_has_its_bar_and_its_photo() -> None:
    rows = drawn(Overlay(view=View.BOARD, places=2))["rows"]
    assert [(row["rank"], row["width"], row["photo"]) for row in rows] == [(1, 1, "/a.webp"), (2, 0.99, "")]


@pytest.mark.parametrize(
    ("more", "label", "until"),
    [
        ({}, "closes", 90),
        ({"opens_at": after(60)}, "opens", 60),
        ({"closes_at": NOON}, "closed", None),
        ({"suspended": True}, "suspended", None),
        ({"suspended": True, "closes_at": NOON}, "closed", None),
        ({"rounds": (Round(1, "One", after(-60), after(30)), Round(2, "Two", after(50), after(70)))}, "closes", 30),
        ({"rounds": (Round(1, "One", after(-60), after(-30)), Round(2, "Two", after(50), after(70)))}, "opens", 50),
    ],
)
def test_a_countdown_runs_to_the_next_opening_or_close(more: dict[str, Any], label: str, until: int | None) -> None:
    times = {"opens_at": NOON - timedelta(days=1), "closes_at": after(90), **more}
    found = drawn(Overlay(view=View.COUNTDOWN), contest_of(**times))
    expected = 0 if until is None else round(after(until).timestamp() * 1000)
    assert (found["label"], found["until"], found["now"]) == (label, expected, round(NOON.timestamp() * 1000))
