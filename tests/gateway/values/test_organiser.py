"""What an organiser may do in each state."""

import pytest

from gateway.values.organiser import Deed, OrganiserState, allows, states_without

ACTIVE, LIMITED, FROZEN = OrganiserState.ACTIVE, OrganiserState.LIMITED, OrganiserState.FROZEN


@pytest.mark.parametrize(
    ("deed", "states"),
    [
        (Deed.SELL, [ACTIVE, LIMITED]),
        (Deed.CHANGE, [ACTIVE, LIMITED]),
        (Deed.PUBLISH, [ACTIVE]),
        (Deed.INVITE, [ACTIVE]),
        (Deed.ASK_PAYOUT, [ACTIVE]),
        (Deed.BE_PAID, [ACTIVE, LIMITED]),
    ],
)
def test_every_deed_in_every_state(deed: Deed, states: list[OrganiserState]) -> None:
    assert [state for state in OrganiserState if allows(state, deed)] == states


def test_every_deed_has_a_case() -> None:
    assert {state for state in OrganiserState if all(allows(state, deed) for deed in Deed)} == {ACTIVE}
    assert {state for state in OrganiserState if not any(allows(state, deed) for deed in Deed)} == {FROZEN}


def test_states_in_statements() -> None:
    assert states_without(Deed.SELL) == "'frozen'"
    assert states_without(Deed.INVITE) == "'limited', 'frozen'"
