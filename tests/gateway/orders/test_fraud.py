"""The fraud rules, each with its table."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.orders.fraud import FRAUD_OFF, Around, FraudLimits, Window, deviations, holds, judge, read_limits

LIMITS = FraudLimits()
VOTE = Around(votes=5)
BURST = Window(orders=60, of_contest=100, before=100, of_contest_before=1_000)


@pytest.mark.parametrize(
    ("seen", "rule", "held"),
    [
        ({}, None, False),
        # More than ten votes on the web in a minute by one address, or device where the address is shared.
        ({"web_votes": 10}, None, False),
        ({"web_votes": 11}, "web_votes", True),
        # Two votes of a wallet or device within five seconds.
        ({"gap_seconds": 0.0}, "too_fast", True),
        ({"gap_seconds": 4.99}, "too_fast", True),
        ({"gap_seconds": 5.0}, None, False),
        ({"gap_seconds": 3_000.0}, None, False),
        # One device or address for many candidates.
        ({"candidates": 2}, None, False),
        ({"candidates": 3}, "many_candidates", True),
        # A bought block of numbers.
        ({"block_payers": 9}, None, False),
        ({"block_payers": 10}, "number_block", True),
        # One number pays for many.
        ({"payer_others": 20}, None, False),
        ({"payer_others": 21}, "one_payer", False),
        ({"payer_others": 100}, "one_payer", False),
        ({"payer_others": 101}, "one_payer", True),
        # One card, or payers of one name, for many numbers or devices.
        ({"card_others": 20, "holder_others": 20}, None, False),
        ({"card_others": 21}, "one_card", False),
        ({"card_others": 101}, "one_card", True),
        ({"holder_others": 100}, "one_holder", False),
        ({"holder_others": 101}, "one_holder", True),
        # Orders again and again in a candidate's burst, which nothing else is.
        ({"of_source": 9}, None, False),
        ({"window": BURST, "of_source": 1}, None, False),
        ({"window": BURST, "of_source": 2}, "burst", False),
        ({"window": BURST, "of_source": 4}, "burst", True),
        ({"window": replace(BURST, orders=39, of_contest=39), "of_source": 9}, None, False),
        ({"window": replace(BURST, orders=28), "of_source": 9}, None, False),
        ({"window": replace(BURST, before=600), "of_source": 9}, None, False),
        ({"window": replace(BURST, before=0, of_contest_before=59), "of_source": 9}, None, False),
        # A number that was never seen, and many votes for one candidate.
        ({"new": True, "votes": 199}, None, False),
        ({"new": True, "votes": 200}, "new_number", False),
        ({"new": False, "votes": 200}, None, False),
        # The organiser's or a candidate's own number.
        ({"owner": "candidate"}, "own_number", False),
        ({"owner": "organiser"}, "own_number", False),
    ],
)
def test_a_rule_speaks_above_its_limit_and_is_silent_without_its_signal(
    seen: dict[str, Any], rule: str | None, held: bool
) -> None:
    found = judge(replace(VOTE, **seen), LIMITS)
    assert [one.rule.value for one in found] == ([rule] if rule else [])
    assert holds(found) is held
    assert judge(replace(VOTE, **seen), FRAUD_OFF) == ()


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        (BURST, 16.6),
        # As usual, fewer than usual, and nothing to compare with.
        (Window(10, 100, 100, 1_000), 0.0),
        (Window(0, 100, 100, 1_000), -3.4),
        (Window(60, 100, 0, 59), 0.0),
        (Window(0, 0, 0, 1_000), 0.0),
        # One for whom nobody voted, and the only one.
        (Window(40, 40, 0, 60), 49.0),
        (Window(100, 100, 1_000, 1_000), 0.3),
    ],
)
def test_a_burst_is_measured_by_deviations_from_the_usual_share(window: Window, expected: float) -> None:
    assert deviations(window) == pytest.approx(expected, abs=0.4)


def test_what_weighs_most_is_the_reason_and_several_flags_hold_together() -> None:
    found = judge(replace(VOTE, votes=500, new=True, owner="candidate", payer_others=30, gap_seconds=1.0), LIMITS)
    assert [one.rule.value for one in found] == ["too_fast", "one_payer", "new_number", "own_number"]
    flags = judge(replace(VOTE, votes=500, new=True, owner="candidate", payer_others=30), LIMITS)
    assert {one.verdict.value for one in flags} == {"flag"}
    assert holds(flags)
    assert not holds(judge(replace(VOTE, votes=500, new=True, owner="candidate"), LIMITS))


def test_a_contest_has_its_own_limits_where_it_has_any() -> None:
    own = read_limits({"gap_seconds": 0, "version": 3, "of another release": 1}, LIMITS)
    assert own == replace(LIMITS, gap_seconds=0, version=3)
    assert judge(replace(VOTE, gap_seconds=0.0), own) == ()
    assert read_limits({}, FRAUD_OFF) == FRAUD_OFF
