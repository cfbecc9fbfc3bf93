"""What the rules of a contest are, and which changes make a new version of them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from gateway.contests.contest import CandidateStatus, Contest, ContestState, TieBreak
from gateway.contests.rules import canonical, digest, rules_document
from gateway.values.money import Money
from tests.demo import demo_contest

STAR = demo_contest()


def with_values(**values: Any) -> Contest:
    return replace(STAR, **values, _by_code={})


@pytest.mark.parametrize(
    "values",
    [
        {"price": Money(150, "XOF")},
        {"price": Money(100, "XAF")},
        {"packs": (1, 5, 20)},
        {"quantity_max": 500},
        {"confirm_above": 50},
        {"opens_at": STAR.opens_at + timedelta(seconds=1)},
        {"closes_at": STAR.closes_at - timedelta(microseconds=1)},
        {"late_seconds": 599},
        {"tie_break": TieBreak.EARLIEST},
        {"refund_days": 0},
        {"jury_percent": 30},
    ],
    ids=str,
)
def test_a_change_of_a_rule_is_another_document(values: dict[str, Any]) -> None:
    assert digest(rules_document(with_values(**values))) != digest(rules_document(STAR))


@pytest.mark.parametrize(
    "values",
    [
        {"name": "Star"},
        {"contact": "aide@demo.local"},
        {"rules": {"fr": "Une autre phrase."}},
        {"service_code": "*790#"},
        {"version": 9},
        {"state": ContestState.ARCHIVED},
        {"candidates": tuple(replace(c, status=CandidateStatus.WITHDRAWN) for c in STAR.candidates)},
        # The same instant.
        {"closes_at": STAR.closes_at.astimezone(timezone(timedelta(hours=1)))},
    ],
    ids=lambda values: next(iter(values)),
)
def test_what_is_no_rule_changes_no_document(values: dict[str, Any]) -> None:
    assert canonical(rules_document(with_values(**values))) == canonical(rules_document(STAR))


def test_the_canonical_text_is_one() -> None:
    contest = with_values(
        opens_at=datetime(2026, 1, 1, tzinfo=UTC),
        closes_at=datetime(2026, 12, 5, 22, 0, 0, 5, tzinfo=UTC),
        packs=(1, 5),
    )
    assert canonical(rules_document(contest)).decode() == (
        '{"closes_at":"2026-12-05T22:00:00.000005Z","contest":"star","currency":"XOF","format":"spotlight rules 1",'
        '"late_seconds":600,"opens_at":"2026-01-01T00:00:00Z","packs":[1,5],"price_minor":100,"quantity_max":10000,'
        '"tie_break":"shared"}'
    )
