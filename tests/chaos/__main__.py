"""`python -m tests.chaos [--votes 500] [--seed N] [--kills 12]`: prints operations, faults, violations."""

import argparse
import asyncio
import random
import sys

from tests.chaos.storm import Storm
from tests.country import Country
from tests.engines import temporary_home


def main() -> int:
    parser = argparse.ArgumentParser(description="Kill the product at random while it counts votes.")
    parser.add_argument("--votes", type=int, default=500, help="orders to place (500)")
    parser.add_argument(
        "--seed", type=int, default=None, help="of the schedule; printed, so that a run can be repeated"
    )
    parser.add_argument("--kills", type=int, default=12, help="processes to kill (12)")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10**6)
    print(f"seed {seed}: {options.votes} votes, {options.kills} kills")
    with temporary_home("spotlight-chaos-") as home:
        country = Country(home / "data", SPOTLIGHT_PROMPT_DELAY_SECONDS="1", MTN_MOMO_STATUS_PER_SECOND="200").start()
        try:
            storm = Storm(country, votes=options.votes, seed=seed, kills=options.kills)
            report = asyncio.run(storm.run())
        finally:
            country.stop()
        print(report.text())
        if report.violations:
            print(country.log()[-20_000:], file=sys.stderr)
        return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
