"""What may be paid, to whom, and every step of a payout."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from payments.disbursement.payouts.rules import (
    PAYOUT_TABLE,
    Beneficiary,
    PayoutSeen,
    PayoutState,
    Position,
    payouts_before,
    refusals,
)

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)
GOOD = Beneficiary(same_organiser=True, usable_from=NOW, retired=False)


@pytest.mark.parametrize(
    ("amount", "position", "beneficiary", "frozen", "said"),
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
        (5, Position(1000), Beneficiary(False, NOW, False), False, ["no such beneficiary"]),
        (5, Position(1000), Beneficiary(True, NOW, True), False, ["retired"]),
        (5, Position(1000), Beneficiary(True, None, False), False, ["confirmed"]),
        (5, Position(1000), Beneficiary(True, NOW + timedelta(seconds=1), False), False, ["from 2026-11-21 08:00"]),
        (0, Position(0, differences=1), None, True, ["frozen", "no such", "1 differences", "nothing to pay"]),
    ],
)
def test_refusals(
    amount: int, position: Position, beneficiary: Beneficiary | None, frozen: bool, said: list[str]
) -> None:
    found = refusals(amount, position, beneficiary, frozen=frozen, now=NOW)
    assert len(found) == len(said), found
    for text, wanted in zip(found, said, strict=True):
        assert wanted in text


def test_an_observation_leads_to_one_state() -> None:
    for seen in PayoutSeen:
        assert len(set(payouts_before(seen).values())) <= 1


def test_what_is_final_stays() -> None:
    for state, seen in product((PayoutState.DONE, PayoutState.FAILED), PayoutSeen):
        assert (state, seen) not in PAYOUT_TABLE
