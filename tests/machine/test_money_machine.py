"""Thousands of acts in every order that Hypothesis thinks of: no franc is lost, doubled or invented.

The same acts each time; `make chaos` plays a million new ones.
"""

import gc
from typing import Final

import pytest

from tests.engines import Engines
from tests.machine.machine import SEED, play
from tests.machine.world import Progress

ACTS: Final = 1_800
# Runs of one seed resemble each other.
SEEDS: Final = 3
RUNS: Final = 2


# A process that dies while it fetches a connection leaves that to the garbage collector, which warns.
@pytest.mark.filterwarnings("ignore:The garbage collector is trying to clean up:sqlalchemy.exc.SAWarning")
@pytest.mark.timeout(600, method="thread")
def test_any_order_of_acts_keeps_every_franc(engines: Engines) -> None:
    progress = Progress()
    for seed in range(SEED, SEED + SEEDS):
        play(engines, RUNS, progress, seed=seed)
    gc.collect()
    assert progress.acts >= ACTS, progress.text()
    # Enough of each, or nothing was proven.
    assert progress.orders >= ACTS // 20, progress.text()
    assert progress.crashes >= ACTS // 100, progress.text()
    assert progress.counted > ACTS // 10, progress.text()
    assert min(progress.refunded, progress.lost) > 0, progress.text()
    assert min(progress.disputes, progress.counted_on) > ACTS // 500, progress.text()
