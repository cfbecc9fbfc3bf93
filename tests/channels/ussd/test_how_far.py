"""How far a dialogue came, by its place."""

import pytest

from channels.ussd.how_far import how_far
from channels.ussd.menu.session import Node, Session


@pytest.mark.parametrize(
    ("session", "bought", "steps"),
    [
        (None, False, 0),
        (Session(Node.CONTESTS), False, 0),
        (Session(Node.HOME), False, 1),
        (Session(Node.RANKING), False, 1),
        (Session(Node.RESUME, code="07", votes=5), False, 1),
        (Session(Node.QUANTITY, code="07"), False, 2),
        (Session(Node.CONFIRM, code="07", votes=5), False, 3),
        (Session(Node.OTHER_NUMBER, code="07", votes=5), False, 3),
        # A dial that holds all of it.
        (None, True, 3),
    ],
)
def test_steps_on_the_way_to_an_order(session: Session | None, bought: bool, steps: int) -> None:
    assert how_far(session, bought=bought) == steps
