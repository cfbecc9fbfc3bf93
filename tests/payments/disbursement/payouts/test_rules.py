"""What may be paid, and to whom."""

from datetime import UTC, datetime, timedelta

import pytest

from payments.disbursement.payouts.rules import Beneficiary, Position, refusals

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
