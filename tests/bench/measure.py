"""Interleaved rounds, medians of same-round ratios, and what to print."""

import json
import statistics
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

Arm = Callable[[], Awaitable[float]]
ROUNDS_MIN = 3
NOISY = 1.4


class Inexact(AssertionError):
    """A throughput that lost or doubled something is no throughput."""


@dataclass
class Result:
    """One line of the table. `higher` is better unless `lower` is set; `ratio` may be a plain figure."""

    goal: str
    what: str
    ratio: float
    must: float
    good: float
    lower: bool = False
    unit: str = "×"
    detail: Mapping[str, object] = field(default_factory=dict)

    @property
    def met(self) -> bool:
        return self.ratio <= self.must if self.lower else self.ratio >= self.must

    def line(self) -> str:
        word = "ok" if self.met else "LOW"
        excellent = self.ratio <= self.good if self.lower else self.ratio >= self.good
        sign = "≤" if self.lower else "≥"
        return (
            f"{self.goal:<4} {self.what:<58} {self.ratio:>8.2f}{self.unit:<3} "
            f"must {sign} {self.must:<6g} good {sign} {self.good:<6g} {'good' if excellent else word}"
        )

    def json(self) -> str:
        return json.dumps(
            {
                "goal": self.goal,
                "what": self.what,
                "ratio": round(self.ratio, 3),
                "must": self.must,
                "good": self.good,
                "ok": self.met,
                **self.detail,
            }
        )


def say(text: str) -> None:
    """Progress, on a terminal only."""
    if sys.stderr.isatty():
        print(f"  {text}", file=sys.stderr, flush=True)


async def interleave(arms: Mapping[str, Arm], floor: str, rounds: int = ROUNDS_MIN) -> dict[str, list[float]]:
    """Run the arms in turn; two more rounds when the floor itself was unsteady."""
    rates: dict[str, list[float]] = {name: [] for name in arms}

    async def round_once(number: int) -> None:
        for name, arm in arms.items():
            rates[name].append(await arm())
            say(f"round {number}: {name} {rates[name][-1]:,.0f}/s")

    for number in range(1, rounds + 1):
        await round_once(number)
    if max(rates[floor]) > NOISY * min(rates[floor]):
        print("noisy: the floor moved by more than 1.4, two more rounds")
        for number in (rounds + 1, rounds + 2):
            await round_once(number)
    return rates


def ratio(rates: Mapping[str, Sequence[float]], arm: str, floor: str) -> float:
    """The median of the ratios of each round."""
    return statistics.median(a / f for a, f in zip(rates[arm], rates[floor], strict=True))


def medians(rates: Mapping[str, Sequence[float]]) -> dict[str, object]:
    """For the record: each arm's median rate a second."""
    return {f"{name}_per_second": round(statistics.median(values)) for name, values in rates.items()}
