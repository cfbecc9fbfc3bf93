"""Ten thousand acts in every order that Hypothesis thinks of: no franc is lost, doubled or invented.

The same acts each time; `make chaos` plays a million new ones.
"""

import pytest

from tests.engines import Engines
from tests.gateway.money_machine import play

ACTS: int = 10_000
RUNS: int = 45


@pytest.mark.timeout(600)
def test_any_order_of_acts_keeps_every_franc(engines: Engines) -> None:
    progress = play(engines, RUNS, fresh=False)
    assert progress.acts >= ACTS, progress
    # Enough of each, or nothing was proven.
    assert progress.orders >= ACTS // 10, progress
    assert progress.crashes >= ACTS // 100, progress
    assert progress.counted > ACTS // 10, progress
    assert progress.given_back > 0, progress
