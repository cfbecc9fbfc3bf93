"""Numbers of tickets: what one person tells another by phone."""

import pytest

from payments.rescue.ticket import read_ticket, ticket_number


@pytest.mark.parametrize("ticket", [1, 9, 10, 572, 10**12])
def test_a_number_leads_back_to_its_ticket(ticket: int) -> None:
    told = ticket_number(ticket)
    assert told.startswith(str(ticket))
    assert len(told) == len(str(ticket)) + 1
    assert read_ticket(f" {told} ") == ticket


def test_a_slip_is_no_other_ticket() -> None:
    told = ticket_number(572)
    slips = {told[:at] + digit + told[at + 1 :] for at in range(len(told)) for digit in "0123456789"} - {told}
    assert {read_ticket(slip) for slip in slips} == {None}


@pytest.mark.parametrize("word", ["", " ", "x", "5", "00", "0", "-13", "13.0", "१३", "1" * 40, "\x00"])
def test_what_is_no_number(word: str) -> None:
    assert read_ticket(word) is None
