"""Ids are drawn once, also where a process has children."""

import os

from gateway.usecases.draws import DRAWS_AT_ONCE, Draws


def test_nothing_is_drawn_twice() -> None:
    draws = Draws(16)
    drawn = [draws.draw() for _ in range(3 * DRAWS_AT_ONCE + 1)]
    assert {len(each) for each in drawn} == {16}
    assert len(set(drawn)) == len(drawn)


def test_a_child_draws_from_a_stock_of_its_own() -> None:
    draws = Draws(16)
    draws.draw()
    inlet, outlet = os.pipe()
    if (child := os.fork()) == 0:
        os.write(outlet, b"".join(draws.draw() for _ in range(10)))
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(inlet, 160)
    os.close(inlet)
    os.close(outlet)
    ours = {draws.draw() for _ in range(DRAWS_AT_ONCE)}
    assert len(theirs) == 160
    assert not ours & {theirs[at : at + 16] for at in range(0, 160, 16)}
