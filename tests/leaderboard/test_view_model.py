from dataclasses import replace
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from gateway.contests.contest import Candidate, CandidateStatus, Contest, Phase
from gateway.contests.rules import rules_document
from leaderboard import view_model
from leaderboard.ranking import Ranking, Score, ranking_from, ranking_of
from tests.demo import demo_contest


def made(version: int, **votes: int) -> Ranking:
    return ranking_from("star", version, [Score(code[1:], f"Name {code[1:]}", count) for code, count in votes.items()])


def test_ranking_is_the_contracts_json() -> None:
    text = orjson.dumps(view_model.ranking(made(9, c01=3, c02=5, c03=3), 100))
    assert orjson.loads(text) == {
        "contest": "star",
        "version": 9,
        "totalVotes": 11,
        "entries": [
            {"rank": 1, "code": "02", "name": "Name 02", "votes": 5},
            {"rank": 2, "code": "01", "name": "Name 01", "votes": 3},
            {"rank": 2, "code": "03", "name": "Name 03", "votes": 3},
        ],
    }
    judged = replace(made(1, c01=3), jury_percent=30)
    formula = {"votes_percent": 70, "jury_percent": 30, "points_max": 100}
    assert view_model.ranking(judged, 1).get("formula") == formula
    assert rules_document(replace(demo_contest(), jury_percent=30))["formula"] == formula
    assert ranking_of(replace(demo_contest(), jury_percent=30), 1, {}).jury_percent == 30


def test_limit_shortens_the_list_but_not_the_total() -> None:
    short = view_model.ranking(made(9, c01=3, c02=5, c03=3), 1)
    assert [e["code"] for e in short["entries"]] == ["02"]
    assert short["totalVotes"] == 11


def test_update_holds_absolute_votes_of_changed_candidates_only() -> None:
    change = view_model.update(made(1, c01=3, c02=5), made(4, c01=9, c02=5))
    assert change == {"version": 4, "totalVotes": 14, "changed": [("01", 9)]}
    assert orjson.dumps(change) == b'{"version":4,"totalVotes":14,"changed":[["01",9]]}'


@pytest.mark.parametrize(
    "after",
    [
        made(2, c01=3, c02=5, c03=0),
        made(2, c01=3),
        made(2, c01=3, c03=5),
        ranking_from("star", 2, [Score("01", "Name 01", 3), Score("02", "Another name", 5)]),
        replace(made(2, c01=3, c02=6), jury_percent=30),
    ],
    ids=["joined", "left", "replaced", "renamed", "jury"],
)
def test_update_cannot_tell_who_stands(after: Ranking) -> None:
    assert view_model.update(made(1, c01=3, c02=5), after) is None


def test_successes_come_largest_first() -> None:
    assert view_model.successes(7, {"03": 1, "01": 5, "02": 5}) == {
        "version": 7,
        "votes": [("01", 5), ("02", 5), ("03", 1)],
    }


def test_bars_are_measured_against_the_leader_and_shares_against_all() -> None:
    rows = view_model.rows(made(1, c01=10, c02=30), demo_contest(), Phase.OPEN, 100)
    assert [(r.code, r.width, r.share) for r in rows] == [("02", 1.0, 0.75), ("01", 0.3333, 0.25)]


def test_no_votes_draw_no_bars() -> None:
    rows = view_model.rows(made(0, c01=0, c02=0), demo_contest(), Phase.OPEN, 100)
    assert [(r.rank, r.width, r.share) for r in rows] == [(1, 0.0, 0.0), (1, 0.0, 0.0)]


def test_no_eligible_candidate() -> None:
    assert view_model.rows(made(0), demo_contest(), Phase.OPEN, 100) == []


def test_only_an_eligible_candidate_of_an_open_contest_can_be_chosen() -> None:
    contest = with_candidates(
        Candidate(demo_contest().candidates[0].id, "01", "A"),
        Candidate(demo_contest().candidates[1].id, "02", "B", CandidateStatus.WITHDRAWN),
    )
    board = made(1, c01=1, c02=1, c77=1)
    assert [r.votable for r in view_model.rows(board, contest, Phase.OPEN, 100)] == [True, False, False]
    assert not any(r.votable for r in view_model.rows(board, contest, Phase.CLOSED, 100))


def test_each_category_has_a_board_of_its_own() -> None:
    people = tuple(
        replace(person, category={"01": "Chant", "02": "Danse", "03": "Chant", "04": ""}[person.code])
        for person in demo_contest().candidates[:4]
    )
    contest = replace(with_candidates(*people), categories=("Danse", "Opéra", "Chant"), _by_code={})
    boards = view_model.by_category(made(9, c03=4, c01=4, c02=2, c04=0), contest, Phase.OPEN)
    assert [(name, [(row.rank, row.code, row.votes) for row in rows]) for name, rows in boards] == [
        ("Danse", [(1, "02", 2)]),
        ("Chant", [(1, "01", 4), (1, "03", 4)]),
        ("", [(1, "04", 0)]),
    ]
    assert [row.share for row in boards[1][1]] == [0.5, 0.5]


def with_candidates(*candidates: Candidate) -> Contest:
    demo = demo_contest()
    return Contest(
        demo.id,
        demo.organiser_id,
        demo.slug,
        demo.name,
        demo.country,
        demo.price,
        demo.opens_at,
        demo.closes_at,
        demo.service_code,
        demo.short_code,
        demo.keyword,
        candidates=candidates,
    )


def test_how_to_vote_is_the_contracts_example() -> None:
    how = view_model.how_to_vote(demo_contest(), "VOTE")
    assert how is not None
    assert (how.menu_code, how.menu_link) == ("*789#", "tel:*789%23")
    assert (how.example_code, how.example_link) == ("*789*07*5*1#", "tel:*789*07*5*1%23")
    assert (how.text, how.short_code, how.text_link) == ("VOTE 07 5", "7890", "sms:7890?body=VOTE%2007%205")


def test_how_to_vote_is_unknown_without_an_eligible_candidate() -> None:
    assert view_model.how_to_vote(with_candidates(), "VOTE") is None


def test_a_percentage_is_written_as_the_language_does() -> None:
    assert view_model.percent(0.1234, "en") == "12.3%"
    assert view_model.percent(0.1234, "fr") == "12,3\u202f%"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, ""),
        (0, ""),
        (1, "1 min"),
        (60, "1 min"),
        (119, "1 min"),
        (3_540, "59 min"),
        (3_599, "59 min"),
        (3_600, "1 h 0 min"),
        (8_159, "2 h 15 min"),
        (86_400, "1 d 0 h"),
        (86_400 + 7_200 + 59, "1 d 2 h"),
        (30 * 86_400, "30 d 0 h"),
        (30 * 86_400 + 1, ""),
    ],
)
def test_the_time_that_is_left(seconds: int, text: str) -> None:
    end = datetime(2026, 6, 1, 12, tzinfo=UTC)
    left = view_model.time_left(end, end - timedelta(seconds=seconds), "d h min s")
    assert left.replace("\u00a0", " ") == text
