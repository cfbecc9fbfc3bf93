"""Circuits of accounts that fail open for every process, are probed without moving money, and close with care."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from gateway.orders.routing import NoRail, Rails
from gateway.orders.wallet import PaymentMethod
from gateway.storage.engine import make_engine
from gateway.values.money import Money
from payments.accounts.breaker import CallOutcome, outcome_of
from payments.accounts.calls import CallKind
from payments.accounts.health import AccountHealth
from payments.accounts.watch import AccountWatch
from payments.provider import Accepted, Failed, NotSent, PayerReason, Rejected, StillOpen, Unavailable, Unknown
from tests.engines import BUSY_SECONDS
from tests.rails import RAILS
from tests.rigs.scripted_provider import ScriptedProvider

MTN = "mtn_momo"


@dataclass
class ProbedProvider(ScriptedProvider):
    """Tells whether it is alive as scripted; the last word holds for ever."""

    lives: list[bool] = field(default_factory=lambda: [True])
    probes: int = 0
    out_probes: int = 0

    async def alive_out(self) -> bool:
        self.out_probes += 1
        return True

    async def alive(self) -> bool:
        self.probes += 1
        return self.lives.pop(0) if len(self.lives) > 1 else self.lives[0]


@dataclass
class Clock:
    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def engine(database: Any) -> AsyncIterator[AsyncEngine]:
    made = make_engine(database.app_url, pool_size=8, wait_seconds=BUSY_SECONDS)
    yield made
    await made.dispose()


def watch(
    engine: AsyncEngine,
    provider: ScriptedProvider | None = None,
    clock: Clock | None = None,
    slow: Callable[[str], None] = lambda _: None,
) -> AccountWatch:
    return AccountWatch(
        AccountHealth(engine),
        {MTN: provider or ProbedProvider()},
        RAILS,
        slow=slow,
        clock=clock or Clock(),
    )


def fail(one: AccountWatch, times: int = 20, result: object = Unknown("503"), seconds: float = 0.1) -> None:
    for _ in range(times):
        one.note(MTN, CallKind.COLLECTION, result, seconds)


async def settled(one: AccountWatch) -> None:
    """What it began is done."""
    while busy := [task for task in one._busy.values() if not task.done()]:
        await asyncio.gather(*busy)


async def time_is_over(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("update account_health set closed_until = now() where closed_until is not null"))


def choice(rails: Rails) -> object:
    return rails.choose("CI", PaymentMethod.MTN, Money(500, "XOF"), 0)


@pytest.mark.parametrize("result", [Unknown("ReadTimeout"), NotSent("429"), Unavailable("503")])
async def test_what_fails_is_closed_here_and_everywhere(engine: AsyncEngine, result: object) -> None:
    here, there = watch(engine), watch(engine)
    with capture_logs() as lines:
        fail(here, 19, result)
        await settled(here)
        assert here.rails.circuit_open == frozenset()
        fail(here, 5, result)
        await settled(here)
    assert choice(here.rails) is NoRail.CIRCUIT_OPEN
    assert here.at_once(MTN, 256) == 0
    await there.refresh()
    assert choice(there.rails) is NoRail.CIRCUIT_OPEN
    (line,) = [line for line in lines if line["event"] == "account_closed"]
    assert (line["log_level"], line["account"], line["seconds"]) == ("error", MTN, 15)
    assert result.error in line["reason"]  # type: ignore[attr-defined] # each of them has one


@pytest.mark.parametrize(
    "result",
    [
        Accepted(),
        StillOpen("PENDING"),
        Rejected("NO_FUNDS", PayerReason.NO_FUNDS),
        Failed("APPROVAL_REJECTED", PayerReason.DECLINED, "{}"),
    ],
)
async def test_refusals_by_payers_are_no_failures_but_slow_answers_are(engine: AsyncEngine, result: object) -> None:
    one = watch(engine)
    fail(one, 100, result)
    await settled(one)
    assert one.rails.circuit_open == frozenset()
    fail(one, 100, result, seconds=5.1)
    await settled(one)
    assert one.rails.circuit_open == {MTN}


@pytest.mark.parametrize(
    ("result", "went"),
    [
        (NotSent("ConnectError"), CallOutcome.FAILED),
        (NotSent("401", alarm=True), CallOutcome.FAILED),
        (NotSent("429", throttled=True), CallOutcome.THROTTLED),
        (Unknown("500"), CallOutcome.FAILED),
        (Unavailable("503"), CallOutcome.FAILED),
        (Unavailable("429", throttled=True), CallOutcome.THROTTLED),
        (Rejected("FIREWALL", PayerReason.SERVICE_DOWN, alarm=True), CallOutcome.FAILED),
        # A person must fill it up; calling less does not.
        (Rejected("NOT_ENOUGH_FUNDS", PayerReason.NO_FUNDS, alarm=True), CallOutcome.ANSWERED),
        (Rejected("PAYER_NOT_FOUND", PayerReason.UNKNOWN_NUMBER), CallOutcome.ANSWERED),
        (Failed("EXPIRED", PayerReason.NOT_ANSWERED, "{}"), CallOutcome.ANSWERED),
    ],
)
def test_how_a_call_went(result: object, went: CallOutcome) -> None:
    assert outcome_of(result, 0.1) is went
    assert outcome_of(result, 5.1) is (CallOutcome.SLOW if went is CallOutcome.ANSWERED else went)


async def test_an_account_with_few_calls_is_closed_too(engine: AsyncEngine) -> None:
    clock = Clock()
    one = watch(engine, clock=clock)
    for _ in range(4):
        fail(one, 1)
        clock.now += 40
    await settled(one)
    assert one.rails.circuit_open == frozenset()
    fail(one, 1)
    await settled(one)
    assert one.rails.circuit_open == {MTN}


async def test_refunds_that_fail_close_nothing_but_refunds(engine: AsyncEngine) -> None:
    provider, out = ProbedProvider(), "mtn_momo:out"
    one = watch(engine, provider)
    for _ in range(20):
        one.note(out, CallKind.DISBURSEMENT, Unknown("500"), 0.1)
    await settled(one)
    assert one.rails.circuit_open == {out}
    assert (one.at_once(out, 64), one.at_once(MTN, 64)) == (0, 64)
    assert choice(one.rails) is not NoRail.CIRCUIT_OPEN
    # The product that pays out is probed, and not the one that collects.
    await time_is_over(engine)
    await one.refresh()
    await settled(one)
    assert one.rails.circuit_open == frozenset()
    assert (provider.probes, provider.out_probes) == (0, 3)
    assert one.at_once(out, 64) == 4
    # And the reverse.
    fail(one)
    await settled(one)
    assert one.rails.circuit_open == {MTN}
    assert one.at_once(out, 64) == 4


async def test_a_call_to_slow_down_is_reported_also_while_the_circuit_is_open(engine: AsyncEngine) -> None:
    slowed: list[str] = []
    one = watch(engine, slow=slowed.append)
    one.note(MTN, CallKind.STATUS, Unavailable("429", throttled=True), 0.1)
    one.note("mtn_momo:out", CallKind.DISBURSEMENT, NotSent("429", throttled=True), 0.1)
    fail(one)
    await settled(one)
    one.note(MTN, CallKind.STATUS, Unavailable("429", throttled=True), 0.1)
    assert slowed == [MTN] * 3


async def test_a_tenth_may_be_tried_again_of_each_purse(engine: AsyncEngine) -> None:
    clock = Clock()
    one = watch(engine, clock=clock)
    assert [one.may_ask(MTN, again=True) for _ in range(11)] == [True] * 10 + [False]
    assert one.may_ask("mtn_momo:out", again=True)
    assert all([one.may_ask(MTN, again=False) for _ in range(110)])
    assert [one.may_ask(MTN, again=True) for _ in range(2)] == [True, False]
    clock.now += 60
    assert one.may_ask(MTN, again=True)


async def test_it_opens_after_three_probes_and_fills_up_slowly(engine: AsyncEngine) -> None:
    provider, clock = ProbedProvider(), Clock()
    one = watch(engine, provider, clock)
    fail(one)
    await settled(one)
    await one.refresh()
    await settled(one)
    assert provider.probes == 0
    await time_is_over(engine)
    with capture_logs() as lines:
        await one.refresh()
        await settled(one)
    assert provider.probes == 3
    assert provider.created == {}
    assert one.rails.circuit_open == frozenset()
    assert [line["log_level"] for line in lines if line["event"] == "account_open"] == ["warning"]
    assert one.at_once(MTN, 256) == 4
    clock.now += 9
    assert one.at_once(MTN, 256) == 32
    clock.now += 60
    assert one.at_once(MTN, 256) == 256


async def test_calls_of_before_say_nothing_of_an_account_that_opened(engine: AsyncEngine) -> None:
    clock = Clock()
    one = watch(engine, clock=clock)
    fail(one)
    await settled(one)
    fail(one, 10)
    clock.now += 15
    await time_is_over(engine)
    await one.refresh()
    await settled(one)
    clock.now += 1
    # Time-outs of calls that began before it was closed.
    fail(one, 50, seconds=16.0)
    fail(one, 19)
    await settled(one)
    assert one.rails.circuit_open == frozenset()
    fail(one, 1)
    await settled(one)
    assert one.rails.circuit_open == {MTN}


async def test_a_probe_that_fails_keeps_it_closed_for_longer(engine: AsyncEngine) -> None:
    provider = ProbedProvider(lives=[True, True, False, True])
    one = watch(engine, provider)
    fail(one)
    await settled(one)
    await time_is_over(engine)
    await one.refresh()
    await settled(one)
    assert provider.probes == 3
    assert one.rails.circuit_open == {MTN}
    read = await AccountHealth(engine).read()
    assert read.health[MTN].open_seconds == 30
    await time_is_over(engine)
    await one.refresh()
    await settled(one)
    assert one.rails.circuit_open == frozenset()


async def test_many_processes_probe_once(engine: AsyncEngine) -> None:
    provider = ProbedProvider()
    several = [watch(engine, provider) for _ in range(4)]
    fail(several[0])
    await settled(several[0])
    await time_is_over(engine)
    await asyncio.gather(*(one.refresh() for one in several))
    await asyncio.gather(*(settled(one) for one in several))
    assert provider.probes == 3


async def test_an_account_that_cannot_be_probed_is_tried_by_its_next_payers(engine: AsyncEngine) -> None:
    one = watch(engine, ScriptedProvider())
    fail(one)
    await settled(one)
    await time_is_over(engine)
    await one.refresh()
    await settled(one)
    assert one.rails.circuit_open == frozenset()


async def test_without_the_database_nothing_breaks_and_the_last_reading_stays() -> None:
    asked_twice = asyncio.Event()

    class Away:
        reads = 0

        async def read(self) -> object:
            self.reads += 1
            if self.reads == 2:
                asked_twice.set()
            raise OSError("no connection")

        async def open(self, account: str, reason: str) -> int | None:
            raise OSError("no connection")

    one = AccountWatch(cast(AccountHealth, Away()), {MTN: ProbedProvider()}, RAILS, clock=Clock())
    with capture_logs() as lines:
        fail(one, 30)
        await settled(one)
        watching = asyncio.create_task(one.keep_watching())
        await asked_twice.wait()
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    assert one.rails.circuit_open == frozenset()
    assert [line["event"] for line in lines].count("account_health_stale") == 1
    assert "account_health_not_kept" in {line["event"] for line in lines}
