"""`python -m tests.bench [--only P1] [--gate]`."""

import argparse
import sys

import uvloop

from tests.bench.arms import GOALS
from tests.bench.measure import Result, say
from tests.bench.world import LOAD_CORE, World, keep_to
from tests.engines import running_engines, temporary_home


async def _run(only: list[str]) -> list[Result]:
    # Before the engines start: they belong to the load's side.
    keep_to(LOAD_CORE)
    with temporary_home("spotlight-bench-", durable=True) as directory, running_engines(durable=True) as engines:
        world = World(engines, directory)
        await world.open()
        results: list[Result] = []
        try:
            for goal in dict.fromkeys(GOALS[name] for name in only):
                say(goal.__doc__ or goal.__name__)
                found = await goal(world)
                for result in found:
                    print(result.json(), flush=True)
                results += found
        finally:
            await world.close()
        return results


def main() -> int:
    parser = argparse.ArgumentParser(description="Ratios to floors measured in the same run.")
    parser.add_argument("--only", action="append", choices=sorted(GOALS), help="measure this goal only")
    parser.add_argument("--gate", action="store_true", help="exit 1 when a goal is missed")
    options = parser.parse_args()
    print("servers on one core; load, PostgreSQL and Valkey share the other")
    results = uvloop.run(_run(options.only or list(GOALS)))
    print(f"\n{'goal':<4} {'what':<58} {'figure':>10}")
    for result in results:
        print(result.line())
    return 1 if options.gate and not all(result.met for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
