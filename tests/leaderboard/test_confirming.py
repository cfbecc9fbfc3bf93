"""Votes whose operator calls them paid and has not been asked yet: how many there are, and who is shown it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any
from uuid import UUID

import orjson
import pytest
from redis import asyncio as redis_asyncio

from gateway.orders.receipt import order_code
from gateway.orders.rules import PlacedOrder
from gateway.storage.redis_link import connect
from leaderboard.confirming import Claimed, Confirming, worth_showing
from tests.payments.collection.test_counting_on_callbacks import ClaimingProvider
from tests.rigs.rig import Rig
from tests.rigs.scripted_provider import paid

STAR, MBOA = UUID(int=1), UUID(int=2)
# So slow that one payment is a backlog.
SLOW = {"mtn_momo": 0.05}


@pytest.mark.parametrize(
    ("waiting", "shown"),
    [
        ([], {}),
        ([Claimed("mtn_momo", STAR, 100, 700)], {}),  # ten seconds' worth
        ([Claimed("mtn_momo", STAR, 101, 700)], {STAR: 700}),
        ([Claimed("mtn_momo", STAR, 60, 70), Claimed("mtn_momo", MBOA, 60, 80)], {STAR: 70, MBOA: 80}),
        ([Claimed("mtn_momo", STAR, 60, 70), Claimed("mtn_momo@2", STAR, 60, 80)], {}),  # each has a rate of its own
        ([Claimed("mtn_momo", STAR, 300, 900), Claimed("mtn_momo@2", STAR, 400, 800)], {STAR: 1700}),
        ([Claimed("mtn_momo", STAR, 300, 900), Claimed("orange_money", STAR, 4, 4)], {STAR: 900}),
        ([Claimed("removed", STAR, 11, 11)], {STAR: 11}),  # an account that is not configured any more
    ],
)
def test_only_accounts_that_are_behind_are_shown(waiting: list[Claimed], shown: Mapping[UUID, int]) -> None:
    assert worth_showing(waiting, {"mtn_momo": 10, "mtn_momo@2": 10, "orange_money": 10}) == shown


class CalledBack(Rig):
    """A service whose operator calls back at each payment's own address."""

    async def asked(self, number: str, quantity: int) -> PlacedOrder:
        order = await self.placed(number=number, quantity=quantity)
        await self.collect()
        return order

    async def call_back(self, order: PlacedOrder, *, named: bool = True, **changed: Any) -> None:
        body = {
            "externalId": order_code(order.payment_reference),
            "amount": str(order.amount.amount_minor),
            "currency": order.amount.currency,
            "status": "SUCCESSFUL",
        }
        content = orjson.dumps(body | changed)
        await self.callback(order if named else None, content, None if named else "of no payment")
        await self.judge()


@pytest.fixture
async def rig(database: Any) -> AsyncIterator[CalledBack]:
    made = CalledBack(database.app_url, ClaimingProvider())
    await made.open()
    yield made
    await made.close()


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator["redis_asyncio.Redis"]:
    client = connect(redis_url)
    yield client
    await client.aclose()


async def test_what_was_paid_is_confirming_until_its_question_is_answered(
    rig: CalledBack, redis: "redis_asyncio.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leaderboard.confirming.EVERY_SECONDS", 0.01)
    monkeypatch.setattr("leaderboard.confirming.REST", 0.0)
    confirming = Confirming(rig.engine, redis, SLOW)
    seven, three = await rig.asked("+2250501020304", 7), await rig.asked("+2250501020305", 3)
    assert await confirming.votes() == {}
    for order in (seven, three):
        await rig.call_back(order)
    await asyncio.sleep(0.02)
    assert await confirming.votes() == {rig.contest.id: 10}
    assert [await rig.status(order) for order in (seven, three)] == ["pending", "pending"], "nothing counts"
    rig.provider.query_script = [paid(700), paid(300)]
    await rig.verify()
    await asyncio.sleep(0.02)
    assert await confirming.votes() == {}


@pytest.mark.parametrize(
    "changed",
    [{"named": False}, {"status": "FAILED"}, {"amount": "1"}, {"currency": "XAF"}, {"amount": None}],
)
async def test_a_callback_that_proves_or_claims_too_little_is_not_shown(
    rig: CalledBack, redis: "redis_asyncio.Redis", changed: dict[str, Any]
) -> None:
    order = await rig.asked("+2250501020304", 7)
    await rig.call_back(order, **changed)
    assert await rig.one("select hinted_at is not null from payments") is True, "it is asked about all the same"
    assert await Confirming(rig.engine, redis, SLOW).votes() == {}


async def test_a_copy_or_an_unnamed_call_takes_no_claim_back(rig: CalledBack, redis: "redis_asyncio.Redis") -> None:
    order = await rig.asked("+2250501020304", 7)
    for named in (True, True, False):
        await rig.call_back(order, named=named)
    assert await Confirming(rig.engine, redis, SLOW).votes() == {rig.contest.id: 7}


async def test_one_process_reads_for_all_and_each_for_itself_without_redis(
    rig: CalledBack, redis: "redis_asyncio.Redis"
) -> None:
    order = await rig.asked("+2250501020304", 7)
    await rig.call_back(order)
    assert await Confirming(rig.engine, redis, SLOW).votes() == {rig.contest.id: 7}
    await rig.change("update payments set claimed_votes = 9 where claimed_votes is not null")
    assert await Confirming(rig.engine, redis, SLOW).votes() == {rig.contest.id: 7}, "as Redis has it"
    await redis.flushdb()
    assert await Confirming(rig.engine, redis, SLOW).votes() == {rig.contest.id: 9}
    away = connect("redis://127.0.0.1:1/0")
    assert await Confirming(rig.engine, away, SLOW).votes() == {rig.contest.id: 9}
    await away.aclose()


async def test_what_cannot_be_read_is_shown_no_longer(
    rig: CalledBack, redis: "redis_asyncio.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leaderboard.confirming.EVERY_SECONDS", 0.01)
    answers: list[dict[UUID, int] | Exception] = [{STAR: 7}, OSError("away"), {STAR: 8}]
    confirming, shown = Confirming(rig.engine, redis, SLOW), list[Mapping[UUID, int]]()

    async def votes() -> dict[UUID, int]:
        if not answers:
            raise asyncio.CancelledError
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(confirming, "votes", votes)
    with suppress(asyncio.CancelledError):
        await confirming.keep_showing(shown.append)
    assert shown == [{STAR: 7}, {}, {STAR: 8}]
