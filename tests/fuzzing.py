"""How much random input the tests marked `fuzz` feed, from which seed, and the proof that they did.

The ordinary suite feeds each of them 5,000 inputs, the same ones each time. `SPOTLIGHT_FUZZ_INPUTS` asks
for another number, from a fresh seed; what fails is kept in `.hypothesis` and comes first in the next run.
Hypothesis would also draw words that it finds in whichever modules are loaded by then, so that a test alone
were fed other inputs than in the suite: here it does not.
"""

import os
from typing import Final

from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers

providers.is_local_module_file = lambda path: False  # type: ignore[assignment,attr-defined] # a private switch
_ASKED_FOR: Final = os.environ.get("SPOTLIGHT_FUZZ_INPUTS")
INPUTS: Final = int(_ASKED_FOR or "5000")
# Making an example costs as much as some twenty inputs: with so many in each that does not count.
BATCH: Final = 100


def fuzzed(per_example: int = BATCH) -> settings:
    """As many examples as hold `INPUTS` inputs, of so many each."""
    examples = -(-INPUTS // per_example)
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
    if _ASKED_FOR:
        return settings(max_examples=examples, derandomize=False, deadline=None, suppress_health_check=slow)
    return settings(max_examples=examples, derandomize=True, database=None, deadline=None, suppress_health_check=slow)


class Fed:
    """Counts what a test was fed, and what came of it."""

    def __init__(self) -> None:
        self.inputs = 0
        self.orders = 0

    def check(self, orders_per_thousand: int) -> None:
        """Fail where less than `INPUTS` was fed, or so little was sold that nothing was proven."""
        assert self.inputs >= INPUTS, self.inputs
        assert self.orders * 1000 >= self.inputs * orders_per_thousand, (self.orders, self.inputs)
