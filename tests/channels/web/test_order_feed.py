"""An order as a stream: which events it sends, when it ends, and what a thousand waiting voters cost."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer

from channels.web.order_feed import FeedSettings
from payments.lifecycle import PublicStatus
from tests.channels.web.service import application
from tests.channels.web.test_api import GOOD, INITIATE
from tests.rigs.voting_service import RECEIPT, FakeVotingService

QUICK = FeedSettings(tick=0.02, streams_max=50)


@dataclass
class Here:
    service: FakeVotingService
    client: TestClient[web.Request, web.Application]

    async def order(self) -> UUID:
        answer = await self.client.post(INITIATE, json=GOOD)
        return UUID((await answer.json())["voteId"])

    async def follow(self, vote_id: UUID, seen: str | None = None) -> ClientResponse:
        headers = {} if seen is None else {"Last-Event-ID": seen}
        return await self.client.get(f"/api/votes/{vote_id}/events", headers=headers)


async def serving(settings: FeedSettings) -> AsyncIterator[Here]:
    service = FakeVotingService()
    async with TestClient(TestServer(application(service, feed=settings))) as client:
        yield Here(service, client)


@pytest.fixture
async def here() -> AsyncIterator[Here]:
    async for made in serving(QUICK):
        yield made


async def next_event(stream: ClientResponse) -> dict[str, Any]:
    """The fields of the next event; what has no data is passed over."""
    while True:
        block = (await asyncio.wait_for(stream.content.readuntil(b"\n\n"), 5)).decode()
        fields = dict(line.split(": ", 1) for line in block.strip().splitlines() if ": " in line)
        if "data" in fields:
            return {**fields, "data": json.loads(fields["data"])}


async def test_a_stream_tells_each_change_and_ends_with_the_last(here: Here) -> None:
    vote_id = await here.order()
    stream = await here.follow(vote_id)
    assert (stream.status, stream.content_type) == (200, "text/event-stream")
    first = await next_event(stream)
    assert (first["event"], first["data"]["status"]) == ("vote:state", "PENDING")
    assert "0501020304" not in json.dumps(first)
    here.service.change(vote_id, payment_url="https://pay.example/x")
    assert (await next_event(stream))["data"]["paymentUrl"] == "https://pay.example/x"
    here.service.change(vote_id, status=PublicStatus.COMPLETED, receipt=RECEIPT)
    last = await next_event(stream)
    assert (last["data"]["status"], last["data"]["receipt"]) == ("COMPLETED", RECEIPT)
    assert await asyncio.wait_for(stream.content.read(), 5) == b""
    assert last["data"] == await (await here.client.get(f"/api/votes/{vote_id}")).json()
    assert (await here.follow(vote_id, last["id"])).status == 204


async def test_who_comes_back_hears_only_what_is_new(here: Here) -> None:
    vote_id = await here.order()
    first = await next_event(await here.follow(vote_id))
    again = await here.follow(vote_id, first["id"])
    here.service.change(vote_id, status=PublicStatus.FAILED, reason="declined")
    assert (await next_event(again))["data"]["reason"] == "declined"


async def test_many_waiting_voters_are_one_question_a_round(here: Here) -> None:
    votes = [await here.order() for _ in range(40)]
    streams = [await here.follow(vote) for vote in votes]
    for stream in streams:
        await next_event(stream)
    before = len(here.service.questions)
    for vote in votes:
        here.service.change(vote, status=PublicStatus.EXPIRED)
    statuses = [(await next_event(stream))["data"]["status"] for stream in streams]
    assert set(statuses) == {"EXPIRED"}
    assert len(here.service.questions) - before <= 10


async def test_without_waiting_voters_no_question_is_asked(here: Here) -> None:
    vote_id = await here.order()
    stream = await here.follow(vote_id)
    await next_event(stream)
    here.service.change(vote_id, status=PublicStatus.EXPIRED)
    await next_event(stream)
    await stream.content.read()
    before = len(here.service.questions)
    await asyncio.sleep(5 * QUICK.tick)
    assert len(here.service.questions) - before <= 1


async def test_a_service_that_is_away_ends_no_stream(here: Here) -> None:
    vote_id = await here.order()
    stream = await here.follow(vote_id)
    await next_event(stream)
    here.service.away = True
    here.service.questioned.clear()
    async with asyncio.timeout(5):
        await here.service.questioned.wait()
    here.service.away = False
    here.service.change(vote_id, status=PublicStatus.COMPLETED, receipt=RECEIPT)
    assert (await next_event(stream))["data"]["status"] == "COMPLETED"


async def test_silence_is_broken_by_signs_of_life() -> None:
    async for here in serving(FeedSettings(tick=0.02, heartbeat=0.05)):
        stream = await here.follow(await here.order())
        await next_event(stream)
        assert await asyncio.wait_for(stream.content.readline(), 5) == b": ping\r\n"


async def test_too_many_streams_are_answered_to_poll_instead() -> None:
    async for here in serving(FeedSettings(tick=0.02, streams_max=1)):
        vote_id = await here.order()
        await next_event(await here.follow(vote_id))
        refused = await here.follow(vote_id)
        assert (refused.status, refused.content_type) == (503, "application/problem+json")
        assert refused.headers["Retry-After"] == "5"


@pytest.mark.parametrize("vote_id", [str(uuid4()), "0" * 36], ids=["unknown", "no id"])
async def test_an_unknown_order_has_no_stream(here: Here, vote_id: str) -> None:
    answer = await here.client.get(f"/api/votes/{vote_id}/events")
    assert (answer.status, answer.content_type) == (404, "application/problem+json")


async def test_streams_end_with_the_application() -> None:
    service = FakeVotingService()
    app = application(service, feed=QUICK)
    client = TestClient(TestServer(app))
    await client.start_server()
    here = Here(service, client)
    stream = await here.follow(await here.order())
    await next_event(stream)
    await app.shutdown()
    assert await asyncio.wait_for(stream.content.read(), 5) == b""
    await client.close()
