"""Telegram's limits: who goes first, who waits, and what a 429 does."""

import asyncio
import time
from typing import Any

import pytest
from aiogram.exceptions import TelegramRetryAfter
from aiogram.methods import GetMe, SendMessage

from channels.telegram import sending
from channels.telegram.sending import (
    BOT_PER_SECOND,
    CHAT_BURST,
    QueueMiddleware,
    Scope,
    SendBudget,
    SendQueue,
    SendTimeout,
    SharedSendBudget,
    Urgency,
    Wait,
    urgency,
)
from gateway.storage.redis_link import connect


class Gate(SendBudget):
    """A budget that opens when a test says so. `busy`: chats that have to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.open = True
        self.busy: set[int] = set()
        self.stopped: list[float] = []

    async def take(self, chat_id: int) -> Wait | None:
        if not self.open:
            return Wait(0.01, Scope.BOT)
        return Wait(0.01, Scope.CHAT) if chat_id in self.busy else None

    async def stop(self, seconds: float) -> None:
        self.stopped.append(seconds)


async def test_receipts_before_answers_before_states_before_boards() -> None:
    gate = Gate()
    gate.open = False
    queue, order = SendQueue(gate), []

    async def wait(kind: Urgency, chat_id: int) -> None:
        await queue.turn(chat_id, kind)
        order.append(kind)

    waiting = [asyncio.create_task(wait(kind, n)) for n, kind in enumerate(sorted(Urgency, reverse=True))]
    await asyncio.sleep(0)
    assert len(queue) == 4
    gate.open = True
    await asyncio.gather(*waiting)
    assert order == sorted(Urgency)
    await queue.aclose()


async def test_a_chat_that_has_to_wait_holds_up_no_other_chat() -> None:
    gate = Gate()
    gate.busy = {1}
    queue, order = SendQueue(gate), []

    async def wait(chat_id: int) -> None:
        await queue.turn(chat_id, Urgency.RECEIPT)
        order.append(chat_id)

    slow, fast = asyncio.create_task(wait(1)), asyncio.create_task(wait(2))
    await fast
    assert order == [2]
    gate.busy.clear()
    await slow
    assert order == [2, 1]
    await queue.aclose()


async def test_a_caller_that_waits_too_long_is_refused_and_leaves_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sending.TIMEOUT_SECONDS, Urgency.RANKING, 0.02)
    gate = Gate()
    gate.open = False
    queue = SendQueue(gate)
    with pytest.raises(SendTimeout):
        await queue.turn(1, Urgency.RANKING)
    assert len(queue) == 0
    gate.open = True
    await queue.turn(1, Urgency.ANSWER)
    await queue.aclose()


async def test_a_full_queue_takes_no_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "WAITING_MAX", 0)
    with pytest.raises(SendTimeout):
        await SendQueue(Gate()).turn(1, Urgency.RECEIPT)


def too_many(seconds: int) -> TelegramRetryAfter:
    return TelegramRetryAfter(method=SendMessage(chat_id=1, text=""), message="Too Many Requests", retry_after=seconds)


async def test_after_a_429_all_are_silent_and_an_answer_is_sent_again() -> None:
    gate = Gate()
    queue = SendQueue(gate)
    faults: list[Exception] = [too_many(3)]

    async def request(bot: Any, method: Any) -> str:
        if faults:
            raise faults.pop()
        return "sent"

    assert await QueueMiddleware(queue)(request, None, SendMessage(chat_id=1, text="x")) == "sent"
    assert gate.stopped == [3]
    await queue.aclose()


@pytest.mark.parametrize(("kind", "seconds"), [(Urgency.RECEIPT, 1), (Urgency.ANSWER, 200)])
async def test_a_429_that_is_not_waited_out_is_handed_on(kind: Urgency, seconds: int) -> None:
    gate = Gate()
    queue, tries = SendQueue(gate), []

    async def request(bot: Any, method: Any) -> str:
        tries.append(method)
        raise too_many(seconds)

    with urgency(kind), pytest.raises(TelegramRetryAfter):
        await QueueMiddleware(queue)(request, None, SendMessage(chat_id=1, text="x"))
    assert (len(tries), gate.stopped) == (1, [seconds])
    await queue.aclose()


async def test_what_writes_to_no_chat_does_not_wait() -> None:
    gate = Gate()
    gate.open = False

    async def request(bot: Any, method: Any) -> str:
        return "me"

    assert await QueueMiddleware(SendQueue(gate))(request, None, GetMe()) == "me"


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_a_chat_gets_a_short_burst_then_one_a_second() -> None:
    clock = Clock()
    budget = SendBudget(clock=clock)
    for _ in range(CHAT_BURST):
        assert await budget.take(1) is None
        clock.now += 0.01
    wait = await budget.take(1)
    assert wait is not None
    assert wait.scope is Scope.CHAT
    assert 0.9 < wait.seconds <= 1
    assert await budget.take(2) is None
    clock.now += wait.seconds
    assert await budget.take(1) is None


async def test_a_group_costs_three_seconds() -> None:
    clock = Clock()
    budget = SendBudget(clock=clock)
    sent = 0
    for _ in range(600):
        sent += await budget.take(-1) is None
        clock.now += 0.1
    assert sent <= 20 + CHAT_BURST


async def test_the_bot_stays_below_its_rate() -> None:
    clock = Clock()
    budget = SendBudget(clock=clock)
    sent = 0
    for tick in range(4_000):
        sent += await budget.take(tick) is None
        clock.now += 0.0025
    assert BOT_PER_SECOND * 9.5 < sent <= BOT_PER_SECOND * 10 + 5


async def test_a_stop_is_for_everybody() -> None:
    clock = Clock()
    budget = SendBudget(clock=clock)
    await budget.stop(30)
    assert await budget.take(1) == Wait(30, Scope.BOT)
    clock.now += 30
    assert await budget.take(1) is None


async def test_processes_share_a_budget_in_redis(redis: Any) -> None:
    one, other = SharedSendBudget(redis, 1), SharedSendBudget(redis, 1)
    granted = [await budget.take(7) is None for budget in (one, other) * 3]
    assert granted.count(True) == CHAT_BURST
    wait = await other.take(7)
    assert wait is not None
    assert wait.scope is Scope.CHAT
    sent, until = 0, time.monotonic() + 1
    while time.monotonic() < until:
        sent += await one.take(sent + 1_000) is None
        sent += await other.take(sent + 1_000) is None
    assert sent <= BOT_PER_SECOND * 1.3 + 5
    await one.stop(60)
    stopped = await other.take(8)
    assert stopped is not None
    assert stopped.scope is Scope.BOT
    assert stopped.seconds > 50
    assert await SharedSendBudget(redis, 2).take(8) is None


async def test_without_redis_a_process_keeps_half_the_rate() -> None:
    nowhere = connect("redis://127.0.0.1:1/0", timeout_seconds=0.2)
    budget = SharedSendBudget(nowhere, 1)
    assert await budget.take(1) is None
    await budget.stop(10)
    wait = await budget.take(1)
    assert wait is not None
    assert wait.scope is Scope.BOT
    await nowhere.aclose()
