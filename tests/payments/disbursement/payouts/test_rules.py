"""What may be paid, and to whom."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from payments.disbursement.payouts.rules import ENDS, Beneficiary, Position, confirmation_refusal, end_refusal, refusals
from payments.disbursement.rules import PAYOUT_STEPS, OutgoingState, next_state
from payments.lifecycle import Actor

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)
GOOD = Beneficiary(same_organiser=True, usable_from=NOW, retired=False, same_currency=True)
LATER = replace(GOOD, usable_from=NOW + timedelta(seconds=1))


@pytest.mark.parametrize(
    ("amount", "position", "beneficiary", "frozen", "answered"),
    [
        (1000, Position(1000), GOOD, False, []),
        (1001, Position(1000), GOOD, False, ["more than is payable: 1000"]),
        (900, Position(1000, provisional_minor=60, at_risk_minor=40), GOOD, False, []),
        (901, Position(1000, provisional_minor=60, at_risk_minor=40), GOOD, False, ["900 of 1000"]),
        (1, Position(50, at_risk_minor=60), GOOD, False, ["payable: 0 of 50"]),
        (0, Position(1000), GOOD, False, ["nothing to pay"]),
        (-5, Position(1000), GOOD, False, ["nothing to pay"]),
        (5, Position(1000, differences=2), GOOD, False, ["2 differences"]),
        (5, Position(1000), GOOD, True, ["frozen"]),
        (5, Position(1000), None, False, ["no such beneficiary"]),
        (5, Position(1000), replace(GOOD, same_organiser=False), False, ["no such beneficiary"]),
        (5, Position(1000), replace(GOOD, retired=True), False, ["retired"]),
        (5, Position(1000), replace(GOOD, usable_from=None), False, ["confirmed"]),
        (5, Position(1000), LATER, False, ["from 2026-11-21 08:00"]),
        (5, Position(1000), replace(GOOD, same_currency=False), False, ["another currency"]),
        (0, Position(0, differences=1), None, True, ["frozen", "no such", "1 differences", "nothing to pay"]),
    ],
)
def test_refusals(
    amount: int, position: Position, beneficiary: Beneficiary | None, frozen: bool, answered: list[str]
) -> None:
    found = refusals(amount, position, beneficiary, frozen=frozen, now=NOW)
    assert len(found) == len(answered), found
    for text, wanted in zip(found, answered, strict=True):
        assert wanted in text


@pytest.mark.parametrize(
    ("end", "operator_reference", "against"),
    [
        ("done", "OM-77", None),
        ("done", "", "say the operator's reference"),
        ("failed", "", None),
        ("failed", "OM-77", None),
        ("again", "", None),
        ("void", "OM-77", "'void' is no end; choose: done, failed, again"),
        ("", "", "'' is no end"),
    ],
)
def test_ends_by_a_person(end: str, operator_reference: str, against: str | None) -> None:
    found = end_refusal(end, operator_reference)
    assert found is None if against is None else found is not None and found.startswith(against)


def test_every_end_is_a_step_of_staff_from_waiting() -> None:
    for step in ENDS.values():
        assert next_state(PAYOUT_STEPS, OutgoingState.MANUAL, step, Actor.STAFF) is not None


@pytest.mark.parametrize(
    ("confirmed", "retired", "own", "against"),
    [
        (False, False, False, None),
        (False, False, True, "you registered it yourself"),
        (True, False, False, "it is confirmed or retired already"),
        (False, True, False, "it is confirmed or retired already"),
        (True, True, True, "it is confirmed or retired already"),
    ],
)
def test_confirming_a_beneficiary(confirmed: bool, retired: bool, own: bool, against: str | None) -> None:
    assert confirmation_refusal(confirmed=confirmed, retired=retired, own=own) == against
