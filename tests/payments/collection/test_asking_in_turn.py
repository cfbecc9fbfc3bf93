"""Questions keep an operator's allowance busy, and never take more than it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from payments.collection.collect import Collector
from payments.collection.verify import Verifier
from payments.provider import Collection, PayerReason, Rejected, StatusReport
from tests.rigs.collecting import MTN, GatedProvider, drained, ordered
from tests.rigs.rig import Rig, asked_all


@dataclass
class Turns:
    """Turns that a test gives, and everything that happens in its order."""

    free: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    line: asyncio.Queue[None] = field(default_factory=asyncio.Queue)
    happened: list[str] = field(default_factory=list)

    async def wait_turn(self, account: str, per_second: int) -> Callable[[], None]:
        self.line.put_nowait(None)
        await self.free.acquire()
        self.happened.append("turn")
        return lambda: self.happened.append("answered")


@dataclass
class SlowProvider(GatedProvider):
    """Answers questions once its gate is open, and needs a token for them."""

    turns: Turns = field(default_factory=Turns)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.can = replace(self.can, status_per_second=10)

    async def ready(self, collection: Collection) -> None:
        self.turns.happened.append("ready")

    async def query(self, collection: Collection) -> StatusReport:
        self.turns.happened.append("query")
        await self.gate.wait()
        return await super().query(collection)


@pytest.fixture
async def rig(database: Any) -> AsyncIterator[Rig]:
    made = await Rig(database.app_url, SlowProvider()).open()
    yield made
    await made.close()


async def test_slow_answers_do_not_leave_the_line_empty(rig: Rig) -> None:
    slow = SlowProvider()
    slow.gate.clear()
    await ordered(rig, 30)
    await rig.collect()
    await rig.make_due()
    verifier = Verifier(rig.payments, {MTN: slow}, slow.turns)
    asking = asyncio.create_task(asked_all(verifier))
    async with asyncio.timeout(10):
        # As many as may be asked in a second wait for their turns, and more are fetched while they are answered.
        for _ in range(10):
            await slow.turns.line.get()
        assert slow.turns.line.empty()
        for _ in range(8):
            slow.turns.free.release()
        for _ in range(8):
            await slow.turns.line.get()
    assert slow.turns.happened.count("query") == 8
    assert "answered" not in slow.turns.happened
    slow.gate.set()
    for _ in range(30):
        slow.turns.free.release()
    assert await asking == 30
    assert slow.turns.happened.count("answered") == 30


async def test_a_token_is_fetched_before_the_turn_and_not_during_it(rig: Rig) -> None:
    turns = Turns()
    turns.free.release()
    await ordered(rig, 1)
    await rig.collect()
    await rig.make_due()
    assert await asked_all(Verifier(rig.payments, {MTN: SlowProvider(turns=turns)}, turns)) == 1
    assert turns.happened == ["ready", "turn", "query", "answered"]


async def test_a_question_about_a_refusal_waits_for_its_turn(rig: Rig) -> None:
    turns = Turns()
    turns.free.release()
    provider = SlowProvider(turns=turns, create_script=[Rejected("NOT_ALLOWED", PayerReason.OTHER, ask_first=True)])
    await ordered(rig, 1)
    await drained(Collector(rig.payments, {MTN: provider}, questions=turns))
    assert turns.happened == ["ready", "turn", "query", "answered"]


async def test_an_answer_that_cannot_be_recorded_is_reported(rig: Rig, monkeypatch: Any) -> None:
    async def broken(_: object) -> None:
        raise OSError("connection lost")

    await ordered(rig, 1)
    await rig.collect()
    await rig.make_due()
    monkeypatch.setattr(rig.payments, "observe", broken)
    with pytest.raises(OSError, match="connection lost"):
        await rig.verify()


async def test_hinted_ones_are_asked_about_first_and_others_with_what_is_left(rig: Rig) -> None:
    placed = [await rig.placed(number=f"+22505{number:08d}") for number in range(6)]
    await rig.collect()
    for order in placed[3:]:
        await rig.callback(order, b'{"status": "SUCCESSFUL"}')
        await rig.judge()
    await rig.make_due()
    claims = [{one.vote_id for one in await rig.payments.claim_to_verify({MTN: limit})} for limit in (2, 2, 9)]
    hinted = {one.vote_id for one in placed[3:]}
    assert [len(claim) for claim in claims] == [2, 2, 2]
    assert [len(claim & hinted) for claim in claims] == [2, 1, 0]
