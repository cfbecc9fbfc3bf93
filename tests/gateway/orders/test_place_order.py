"""Ids are drawn once, also where a process has children."""

import os
from uuid import RFC_4122, UUID

import orjson

from gateway.orders.place_order import DRAWS_AT_ONCE, Draws


def test_nothing_is_drawn_twice() -> None:
    draws = Draws()
    drawn = [draws.draw() for _ in range(3 * DRAWS_AT_ONCE + 1)]
    ids = [each for pair in drawn for each in pair[:2]]
    assert len(set(ids)) == len(ids)
    assert len({bits for _, _, bits in drawn}) == len(drawn)
    assert all(0 <= bits < 1 << 48 for _, _, bits in drawn)


def test_ids_are_like_any_other() -> None:
    for drawn in Draws().draw()[:2]:
        same = UUID(str(drawn))
        assert (drawn.version, drawn.variant) == (4, RFC_4122)
        assert (drawn, hash(drawn), drawn.bytes) == (same, hash(same), same.bytes)
        assert isinstance(drawn, UUID)


def test_a_child_draws_from_a_stock_of_its_own() -> None:
    draws = Draws()
    draws.draw()
    inlet, outlet = os.pipe()
    if (child := os.fork()) == 0:
        os.write(outlet, orjson.dumps([str(draws.draw()[0]) for _ in range(10)]))
        os._exit(0)
    os.waitpid(child, 0)
    os.close(outlet)
    with os.fdopen(inlet, "rb") as pipe:
        theirs = set(orjson.loads(pipe.read()))
    ours = {str(draws.draw()[0]) for _ in range(DRAWS_AT_ONCE)}
    assert len(theirs) == 10
    assert not ours & theirs
