"""Operators' callbacks: how many are stored and answered, and how many votes share a job."""

import asyncio
import itertools
import statistics
import time
from collections.abc import Iterator

from redis import Redis
from rq import Queue, Worker
from rq.serializers import JSONSerializer
from sqlalchemy import text

from gateway.storage.doorbell import RqDoorbell
from payments.collection.callbacks import IncomingCallback
from tests.bench.load import closed_loop, request
from tests.bench.measure import Arm, Inexact, Result, interleave, medians, ratio
from tests.bench.world import World

SECONDS = 3.0
CALLERS = 128
VOTES_A_SECOND = 500
VOTES = 5_000
_PROOF = b'{"proof": true, "amount": 500, "status": "paid"}'
_numbers = itertools.count(1)


def _calls() -> Iterator[bytes]:
    """As MTN sends them: the status of a payment, each about another one."""
    for number in _numbers:
        body = (
            b'{"financialTransactionId":"%d","externalId":"%014d","amount":"500","currency":"XOF",'
            b'"payer":{"partyIdType":"MSISDN","partyId":"22505%08d"},"status":"SUCCESSFUL"}'
            % (number, number, number % 100_000_000)
        )
        yield request("PUT", "/api/webhooks/mtn_momo", body, Content_Type="application/json")


def _inserts() -> Iterator[bytes]:
    """The floor's own: a row of four columns."""
    for number in _numbers:
        body = b'{"candidateCode":"07","quantity":5,"voterPhone":"+22505%08d"}' % (number % 100_000_000)
        yield request("POST", "/insert", body, Content_Type="application/json")


async def p4(world: World) -> list[Result]:
    """A callback stored and answered."""
    answered = 0

    def arm(port: int, requests: Iterator[bytes], status: int, *, product: bool) -> Arm:
        async def run() -> float:
            nonlocal answered
            load = await closed_loop("127.0.0.1", port, requests, seconds=SECONDS, connections=CALLERS)
            if set(load.statuses) != {status}:
                raise Inexact(f"answers {load.statuses}")
            if product:
                answered += load.answers
                # No worker judges them; left lying, the gateway's own sweeper would begin to.
                await world.forget_callbacks()
            return load.rate

        return run

    before = await world.count("callbacks")
    arms = {
        "product": arm(world.gateway_port, _calls(), 200, product=True),
        "insert": arm(world.floors_port, _inserts(), 201, product=False),
    }
    rates = await interleave(arms, "insert")
    stored = await world.count("callbacks") - before
    deadline = time.monotonic() + 10
    while stored < answered and time.monotonic() < deadline:
        # What PostgreSQL did not take at once lies in the spool, and is drained every second.
        await asyncio.sleep(0.1)
        stored = await world.count("callbacks") - before
    if stored != answered:
        raise Inexact(f"{answered} callbacks answered, {stored} stored")
    what = "callback stored and answered, to one raw insert each"
    return [Result("P4", what, ratio(rates, "product", "insert"), 1, 2, detail=medians(rates))]


async def p8(world: World) -> list[Result]:
    """Votes that share one RQ job, when callbacks come at 500 a second and each one rings."""
    found = [await _votes_per_job(world, f"bench-votes-{number}") for number in range(3)]
    what = "votes per RQ job, at 500 votes a second"
    detail = {"jobs": [round(VOTES / ratio) for ratio in found], "votes": VOTES}
    return [Result("P8", what, statistics.median(found), 20, 50, unit="", detail=detail)]


async def _votes_per_job(world: World, queue: str) -> float:
    async with world.fresh(100) as backlog:
        rig = backlog.rig
        references = await backlog.place_orders(VOTES)
        async with rig.engine.begin() as connection:
            await connection.execute(text("update payments set status = 'pending'"))
        calls = [
            IncomingCallback(rig.provider.code, rig.vault.callback_token(reference), "POST", {}, _PROOF, "127.0.0.1")
            for reference in references
        ]
        async with backlog.worker(SPOTLIGHT_QUEUE=queue):
            doorbell = RqDoorbell(world.redis_url, queue)
            started = time.perf_counter()

            async def arrive(number: int, call: IncomingCallback) -> None:
                await asyncio.sleep(started + number / VOTES_A_SECOND - time.perf_counter())
                await rig.callbacks.store(call)
                doorbell.ring("callbacks")

            await asyncio.gather(*(arrive(number, call) for number, call in enumerate(calls)))
            counted = 0
            while counted < VOTES and time.perf_counter() - started < 60:
                await asyncio.sleep(0.1)
                counted = await rig.one("select count(*) from tally_entries")
            if counted != VOTES:
                raise Inexact(f"{VOTES} paid, {counted} counted")
            return VOTES / _jobs_done(world.redis_url, queue)


def _jobs_done(redis_url: str, queue: str) -> int:
    """Jobs that the queue's workers report, of any kind of work, and the one in progress."""
    with Redis.from_url(redis_url) as redis:
        workers = Worker.all(queue=Queue(queue, connection=redis, serializer=JSONSerializer))
        for worker in workers:
            worker.refresh()  # type: ignore[no-untyped-call] # RQ leaves it untyped
        return 1 + sum(worker.successful_job_count + worker.failed_job_count for worker in workers)
