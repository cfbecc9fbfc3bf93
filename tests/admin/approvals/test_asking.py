"""What a form asks for, as the parameters of an act."""

import pytest

from admin.approvals.asking import read_params, with_amount
from payments.requests import Act, ActRefused


@pytest.mark.parametrize(
    ("typed", "currency", "minor"),
    [
        ("500", "XOF", 500),
        ("12 500", "XOF", 12_500),
        ("12,50", "GHS", 1_250),
        ("12.5", "GHS", 1_250),
        ("7", "GHS", 700),
    ],
)
def test_an_amount_is_typed_as_people_write_it(typed: str, currency: str, minor: int) -> None:
    params = read_params(Act.PAYOUT, with_amount({"step": "send", "amount": typed, "currency": currency}))
    assert params == {"step": "send", "amount_minor": minor}


def test_without_an_amount_none_is_asked_for() -> None:
    assert read_params(Act.PAYOUT, with_amount({"step": "send", "amount": " "})) == {"step": "send"}


@pytest.mark.parametrize(
    ("typed", "currency"), [("1.5", "XOF"), ("0", "XOF"), ("-5", "XOF"), ("cent", "XOF"), ("5", ""), ("1.505", "GHS")]
)
def test_what_is_no_amount_is_refused(typed: str, currency: str) -> None:
    with pytest.raises(ActRefused, match="no amount"):
        with_amount({"amount": typed, "currency": currency})
