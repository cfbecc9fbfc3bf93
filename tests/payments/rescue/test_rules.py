"""What a voter who was debited is answered."""

from dataclasses import replace

import pytest

from gateway.values.money import Money
from payments.lifecycle import State
from payments.provider import Failed, NotFound, PayerReason, StatusReport, StillOpen, Succeeded, Unavailable
from payments.rescue.rules import Attempt, Outcome, is_unclear, judge, outcome_of, read_ticket, ticket_number

PLAIN = Attempt(State.FAILED, "07", "Awa", 5, Money(500, "XOF"), "R")


def of(state: State, code: str = "07", *, unclear: bool = False) -> Attempt:
    return replace(PLAIN, state=state, candidate_code=code, unclear=unclear)


@pytest.mark.parametrize("state", State)
def test_every_state_is_shown_and_doubt_goes_first(state: State) -> None:
    assert outcome_of(of(state)) in Outcome
    assert outcome_of(of(state, unclear=True)) is Outcome.UNCLEAR


def test_nothing_is_shown_as_taken_only_when_the_operator_confirmed_it() -> None:
    assert [state for state in State if outcome_of(of(state)) is Outcome.NOT_PAID] == [State.FAILED]


@pytest.mark.parametrize(
    ("states", "outcome"),
    [
        ((), Outcome.NOTHING),
        ((State.SETTLED, State.FAILED), Outcome.NOT_PAID),
        ((State.SETTLED, State.SETTLED), Outcome.COUNTED),
        ((State.FAILED, State.PENDING), Outcome.WAITING),
        ((State.FAILED, State.EXPIRED, State.PENDING), Outcome.UNCLEAR),
        ((State.FAILED, State.SURPLUS, State.EXPIRED), Outcome.REFUNDING),
        ((State.FAILED, State.CONFIRMED, State.SURPLUS), Outcome.PAID),
        ((State.REFUNDED, State.SETTLED), Outcome.REFUNDED),
    ],
)
def test_of_several_attempts_money_on_its_way_is_shown_first(states: tuple[State, ...], outcome: Outcome) -> None:
    assert judge([of(state) for state in states]).outcome is outcome


def test_of_equals_the_newest_is_shown() -> None:
    assert judge([of(State.FAILED, "01"), of(State.FAILED, "02")]).attempt == of(State.FAILED, "01")


def test_what_was_repaired_is_shown_before_all() -> None:
    found = judge([of(State.SURPLUS)], of(State.SETTLED, "03"))
    assert (found.outcome, found.attempt) == (Outcome.COUNTED, of(State.SETTLED, "03"))


REPORTS = [
    (None, True, True),
    (Unavailable("503"), True, True),
    (StillOpen("PENDING"), False, True),
    (Succeeded(Money(500, "XOF"), None, "{}"), False, False),
    (Failed("X", PayerReason.OTHER, "{}"), False, False),
]


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize(("report", "before", "after"), REPORTS)
def test_what_an_operator_leaves_open(state: State, report: StatusReport | None, before: bool, after: bool) -> None:
    assert is_unclear(report, state, expired=False) is before
    assert is_unclear(report, state, expired=True) is after


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("expired", [False, True])
def test_what_an_operator_does_not_know_is_unclear_unless_it_was_refused(state: State, expired: bool) -> None:
    assert is_unclear(NotFound(""), state, expired=expired) is (state is not State.FAILED)


@pytest.mark.parametrize("ticket", [1, 9, 10, 572, 10**12])
def test_a_number_leads_back_to_its_ticket(ticket: int) -> None:
    number = ticket_number(ticket)
    assert number.startswith(str(ticket))
    assert len(number) == len(str(ticket)) + 1
    assert read_ticket(f" {number} ") == ticket


def test_a_slip_is_no_other_ticket() -> None:
    number = ticket_number(572)
    slips = {number[:at] + digit + number[at + 1 :] for at in range(len(number)) for digit in "0123456789"} - {number}
    assert {read_ticket(slip) for slip in slips} == {None}


@pytest.mark.parametrize("word", ["", " ", "x", "5", "00", "0", "-13", "13.0", "१३", "1" * 40, "\x00"])
def test_what_is_no_number(word: str) -> None:
    assert read_ticket(word) is None
