"""`python -m tests.chaos [--only storm|machine|evening] [--votes 500] [--seed N] [--kills 12] [--acts 1000000]
[--voters 2000]`.

The storm kills real processes while they count votes; the machine plays any order of acts and faults on
the use cases. Both print what they did, and how many violations they found. The evening is the journey of that name
with more voters than the suite has.
"""

import argparse
import asyncio
import logging
import os
import random
import subprocess
import sys
import time
import traceback
from functools import partial

import pytest
import structlog

from tests.chaos.storm import Storm
from tests.cheaper import gather_nothing
from tests.country import Country
from tests.engines import running_engines, temporary_home
from tests.machine.machine import play
from tests.machine.world import Progress

_RUNS_AT_ONCE = 10
_ACTS_A_RUN = 300


def _storm(options: argparse.Namespace, seed: int) -> int:
    print(f"storm, seed {seed}: {options.votes} votes, {options.kills} kills")
    with temporary_home("spotlight-chaos-") as home:
        country = Country(
            home / "data",
            SPOTLIGHT_PROMPT_DELAY_SECONDS="1",
            MTN_MOMO_STATUS_PER_SECOND="200",
            SPOTLIGHT_RATE_LIMITS="false",
        ).start()
        try:
            storm = Storm(country, votes=options.votes, seed=seed, kills=options.kills)
            report = asyncio.run(storm.run())
        finally:
            country.stop()
        print(report.text())
        if report.violations:
            print(country.log()[-20_000:], file=sys.stderr)
        return len(report.violations)


def _machine(options: argparse.Namespace, seed: int) -> int:
    """Runs by the ten, each ten from a seed of its own, so that they can be repeated."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    print(f"machine, seed {seed}: {options.acts:,} acts")
    started, total, violations = time.monotonic(), Progress(), 0
    with running_engines() as engines, pytest.MonkeyPatch.context() as patch:
        gather_nothing(patch)
        while total.acts < options.acts:
            part = Progress()
            runs = min(_RUNS_AT_ONCE, (options.acts - total.acts) // _ACTS_A_RUN + 1)
            try:
                play(engines, runs, part, tell=partial(_tell, total), seed=seed)
            except Exception:
                violations += 1
                print(f"\nviolation among the {runs} runs of seed {seed}:\n{traceback.format_exc()}", file=sys.stderr)
            total = total.plus(part)
            seed += 1
    seconds = time.monotonic() - started
    print(f"\n{total.text()}, {violations} violations, {seconds:.0f} s")
    return violations


def _tell(before: Progress, part: Progress) -> None:
    progress = before.plus(part)
    if sys.stderr.isatty() or progress.runs % 20 == 0:
        print(f"\r  {progress.text()}", end="", file=sys.stderr, flush=True)


def _evening(options: argparse.Namespace) -> int:
    print(f"evening: {options.voters} voters", flush=True)
    journey = [sys.executable, "-m", "pytest", "-q", "-n", "0", "tests/journeys/staff/test_evening.py"]
    done = subprocess.run(journey, env={**os.environ, "SPOTLIGHT_EVENING_VOTERS": str(options.voters)}, check=False)
    return int(done.returncode != 0)


def main() -> int:
    parser = argparse.ArgumentParser(description="Kill the product at random while it counts votes.")
    parser.add_argument("--only", choices=("storm", "machine", "evening"), help="one of the three")
    parser.add_argument("--votes", type=int, default=500, help="the storm's orders (500)")
    parser.add_argument(
        "--seed", type=int, default=None, help="of the schedule; printed, so that a run can be repeated"
    )
    parser.add_argument("--kills", type=int, default=12, help="processes that the storm kills (12)")
    parser.add_argument("--acts", type=int, default=1_000_000, help="the machine's acts (1,000,000)")
    parser.add_argument("--voters", type=int, default=2_000, help="the evening's voters (2,000)")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10**6)
    violations = 0
    if options.only in (None, "storm"):
        violations += _storm(options, seed)
    if options.only in (None, "machine"):
        violations += _machine(options, seed)
    if options.only in (None, "evening"):
        violations += _evening(options)
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
