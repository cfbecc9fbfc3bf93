"""How often a number may be asked for money: nobody's phone is flooded with prompts through us.

What a payer approved does not count: whoever pays wants to be asked again. Unwanted approval prompts
are a known fraud on mobile money: the victim is worn down, then called.
"""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class PromptLimits:
    """Unpaid orders a number may have: `own_*` where the phone itself ordered, `typed_*` where somebody
    typed its number; `typed_apart`: between two of those. `numbers_an_hour`: different numbers that one
    orderer may type. `refused_in_a_row`: of a typed number's orders; then none for `silence`, until that
    phone itself orders or texts, or pays."""

    own_lately: int = 5
    own_a_day: int = 40
    typed_lately: int = 2
    typed_a_day: int = 5
    typed_apart: timedelta = timedelta(seconds=60)
    numbers_an_hour: int = 3
    refused_in_a_row: int = 2
    lately: timedelta = timedelta(minutes=10)
    silence: timedelta = timedelta(hours=24)


DEMO_LIMITS = PromptLimits(
    own_lately=20,
    own_a_day=400,
    typed_lately=10,
    typed_a_day=100,
    typed_apart=timedelta(0),
    numbers_an_hour=10_000,
    refused_in_a_row=8,
)
"""For the simulated country, where all voters order from one machine and try again at once."""

NO_LIMITS = PromptLimits(
    own_lately=1_000_000,
    own_a_day=1_000_000,
    typed_lately=1_000_000,
    typed_a_day=1_000_000,
    typed_apart=timedelta(0),
    numbers_an_hour=1_000_000,
    refused_in_a_row=1_000_000,
)
"""For load tests: everybody is asked as often as they like."""
