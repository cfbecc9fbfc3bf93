"""Ten thousand acts in every order that Hypothesis thinks of: no franc is lost, doubled or invented.

The same acts each time; `make chaos` plays a million new ones.
"""

from typing import Final

import pytest

from tests.engines import Engines
from tests.gateway.money_machine import play
from tests.gateway.money_world import Progress

ACTS: Final = 10_000
RUNS: Final = 48


@pytest.mark.timeout(600)
def test_any_order_of_acts_keeps_every_franc(engines: Engines) -> None:
    progress = Progress()
    play(engines, RUNS, progress)
    assert progress.acts >= ACTS, progress.text()
    # Enough of each, or nothing was proven.
    assert progress.orders >= ACTS // 20, progress.text()
    assert progress.crashes >= ACTS // 100, progress.text()
    assert progress.counted > ACTS // 10, progress.text()
    assert progress.given_back > 0, progress.text()
