"""Any order of acts and faults, chosen by Hypothesis, on the real use cases and PostgreSQL."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar, Final

import uvloop
from hypothesis import HealthCheck, Phase, settings
from hypothesis import seed as with_seed
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.engines import Database, Engines
from tests.machine.books import check, finish
from tests.machine.later import LaterWorld
from tests.machine.world import Progress

SEED: Final = 2026
RULES_A_RUN: Final = 60
# How many rules pass between two full looks; the last look is at the end of each run.
LOOK_EVERY: Final = 20

_numbers = st.integers(0, 60)
_orders = st.tuples(st.integers(0, 19), st.integers(0, 2), st.integers(1, 20))
_works = st.sampled_from(["collect", "judge", "verify", "settle", "refund", "lost", "sum"])
_fates = st.sampled_from(
    ["taken", "not_sent", "lost_before", "taken_and_lost", "paid_and_lost", "hidden_and_lost", "rejected"]
)
_words = st.sampled_from(["true", "true", "hint", "forged", "elsewhere", "again", "garbage"])
_claims = st.sampled_from(
    ["right", "right", "right", "other_amount", "other_payer", "elsewhere", "stranger", "nameless"]
)
_crashes = st.tuples(_works, st.integers(1, 12))
_disputes = st.sampled_from(
    ["opens", "opens_part", "loses", "loses", "loses_part", "wins", "is_lost", "turns", "again"]
)


def _some(strategy: st.SearchStrategy[Any], least: int = 4, most: int = 14) -> st.SearchStrategy[list[Any]]:
    return st.lists(strategy, min_size=least, max_size=most)


class MoneyMachine(RuleBasedStateMachine):
    """The rules. All that is random in them is drawn by Hypothesis; each run has a database of its own."""

    engines: ClassVar[Engines]
    progress: ClassVar[Progress]
    tell: ClassVar[Callable[[Progress], None]]
    database: Database
    world: LaterWorld

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self.looks = 0

    def run(self, act: Coroutine[Any, Any, None]) -> None:
        self.runner.run(act)

    # Everybody begins with some that are paid, whatever rules Hypothesis then leaves out.
    @initialize(orders=_some(_orders), counting=st.sampled_from([True, True, False]), paid=_some(_numbers))
    def begin(self, orders: list[tuple[int, int, int]], counting: bool, paid: list[int]) -> None:
        self.database = self.engines.lend_database()
        self.world = LaterWorld(self.database.app_url, self.progress, counting=counting)
        self.run(self.world.open())
        self.run(self.world.order(orders))
        self.run(self.world.do(["collect"]))
        self.world.decide([(number, "pays") for number in paid])

    @rule(orders=_some(_orders))
    def order(self, orders: list[tuple[int, int, int]]) -> None:
        self.run(self.world.order(orders))

    @rule(number=_numbers)
    def order_again(self, number: int) -> None:
        self.run(self.world.order_again(number))

    @rule(fates=_some(_fates))
    def collect(self, fates: list[str]) -> None:
        self.world.operator.fates.extend(fates)
        self.run(self.world.do(["collect"]))

    @rule(decisions=_some(st.tuples(_numbers, st.sampled_from(["pays", "pays", "pays", "pays_less", "declines"]))))
    def decide(self, decisions: list[tuple[int, str]]) -> None:
        self.world.decide(decisions)

    @rule(calls=_some(st.tuples(_numbers, _words)))
    def call_back(self, calls: list[tuple[int, str]]) -> None:
        self.run(self.world.call_back(calls))

    @rule(claims=_some(st.tuples(_numbers, _claims), 2, 8), behind=st.booleans())
    def claim_paid(self, claims: list[tuple[int, str]], behind: bool) -> None:
        self.run(self.world.claim_paid(claims, behind=behind))

    @rule(words=_some(st.tuples(_numbers, _disputes), 1, 4), delivered=_some(_numbers, 0, 8))
    def dispute(self, words: list[tuple[int, str]], delivered: list[int]) -> None:
        self.run(self.world.dispute(words))
        self.run(self.world.tell(delivered))

    # Hypothesis leaves whole rules out of a run, so what is rare comes with the work as well.
    @rule(
        kinds=_some(_works, 3, 8),
        silent=st.integers(0, 2),
        claims=_some(st.tuples(_numbers, _claims), 0, 3),
        words=_some(st.tuples(_numbers, _disputes), 0, 2),
        crashes=_some(_crashes, 0, 1),
    )
    def work(
        self,
        kinds: list[str],
        silent: int,
        claims: list[tuple[int, str]],
        words: list[tuple[int, str]],
        crashes: list[tuple[str, int]],
    ) -> None:
        self.world.operator.silent = silent
        self.run(self.world.claim_paid(claims, behind=True))
        self.run(self.world.dispute(words))
        self.run(self.world.tell(list(range(len(words)))))
        self.run(self.world.do(kinds))
        for kind, at in crashes:
            self.run(self.world.crash(kind, at))

    @rule(kinds=_some(_works, 2, 5))
    def work_at_once(self, kinds: list[str]) -> None:
        self.run(self.world.do_at_once(kinds))

    @rule(orders=_some(_orders, 1, 4), end=st.sampled_from(["deadline", "closed", "withdrawn", "not_sent"]))
    def outage(self, orders: list[tuple[int, int, int]], end: str) -> None:
        self.run(self.world.order(orders))
        self.run(self.world.outage(len(orders), end))

    @rule(decisions=_some(st.tuples(_numbers, st.booleans())), fates=_some(_fates, 0, 2))
    def refund(self, decisions: list[tuple[int, bool]], fates: list[str]) -> None:
        self.world.operator.fates.extend(fates)
        self.world.pay_out(decisions)
        self.run(self.world.do(["refund"]))

    @rule(word=st.sampled_from(["questions", "questions", "deadline"]))
    def pass_time(self, word: str) -> None:
        self.run(self.world.pass_time(word))

    @rule(word=st.sampled_from(["closes", "closed", "opens", "opens", "opens", "opens", "opens", "opens"]))
    def contest(self, word: str) -> None:
        self.run(self.world.contest(word))

    @rule(number=st.integers(0, 2), dispute_status=st.sampled_from([True, True, True, False]))
    def candidate(self, number: int, dispute_status: bool) -> None:
        self.run(self.world.candidate(number, dispute_status))

    @rule(number=_numbers, own=st.booleans())
    def claim(self, number: int, own: bool) -> None:
        self.run(self.world.claim(number, own=own))

    @rule(by_hand=st.booleans())
    def help_refunds(self, by_hand: bool) -> None:
        self.run(self.world.help_refunds(by_hand=by_hand))

    @rule(crashes=_some(_crashes, 1, 4), fates=_some(_fates, 0, 2))
    def crash(self, crashes: list[tuple[str, int]], fates: list[str]) -> None:
        self.world.operator.fates.extend(fates)
        for kind, at in crashes:
            self.run(self.world.crash(kind, at))

    @invariant()
    def look(self) -> None:
        self.looks += 1
        if self.looks % LOOK_EVERY == 0:
            self.run(check(self.world))

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            self.runner.close()
            return
        try:
            self.run(finish(self.world))
        finally:
            self.run(self.world.close())
            self.runner.close()
            self.engines.return_database(self.database)
        type(self).tell(self.progress)


def play(
    engines: Engines,
    runs: int,
    progress: Progress,
    *,
    tell: Callable[[Progress], None] = lambda _: None,
    seed: int = SEED,
) -> None:
    """So many runs, the same ones for the same seed; `progress` counts what they did. Raises what a violated
    invariant raises, with the story that led there."""
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
    how = settings(
        max_examples=runs,
        stateful_step_count=RULES_A_RUN,
        database=None,
        deadline=None,
        # A story of sixty rules can be read; to play it again and again for a shorter one takes minutes.
        phases=[Phase.generate],
        suppress_health_check=slow,
    )
    bound = type(
        "MoneyMachine", (MoneyMachine,), {"engines": engines, "progress": progress, "tell": staticmethod(tell)}
    )
    seeded: Any = with_seed(seed)(bound)
    run_state_machine_as_test(seeded, settings=how)
