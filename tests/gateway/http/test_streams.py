"""Streams: how many one address may hold, and how many connections a process may."""

import asyncio
import resource
import subprocess
import sys
from ipaddress import ip_network

from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer
from aiohttp_remotes import setup

from gateway.http.callers import ForwardedByProxies
from gateway.http.limits import SHARED_STREAMS_FACTOR, StreamCap
from leaderboard.feed import viewers_by_default
from tests.rigs.public_web import application
from tests.rigs.voting_service import FakeVotingService

BOARD = "/api/contests/star/leaderboard/events"
THEIRS, OTHER = "212.88.125.100", "212.88.125.101"
RAISE = """
import resource
from gateway.http.limits import raise_file_limit
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 512))
assert raise_file_limit() == 512
assert resource.getrlimit(resource.RLIMIT_NOFILE) == (512, 512)
assert raise_file_limit() == 512
"""


async def test_streams_of_all_kinds_share_the_places_of_an_address() -> None:
    app = application(FakeVotingService(), StreamCap(2))
    await setup(app, ForwardedByProxies([ip_network("127.0.0.0/8")]))
    async with TestClient(TestServer(app)) as client:

        async def follow(path: str, address: str) -> ClientResponse:
            return await client.get(path, headers={"X-Forwarded-For": address, "Accept-Language": "en"})

        order = {"contest": "star", "candidateCode": "07", "quantity": 5, "voterPhone": "+2250501020304"}
        placed = await (await client.post("/api/votes/initiate", json=order)).json()
        events = f"/api/votes/{placed['voteId']}/events"
        held = [await follow(BOARD, THEIRS), await follow(events, THEIRS)]
        assert [stream.status for stream in held] == [200, 200]
        for path in (BOARD, events):
            refused = await follow(path, THEIRS)
            assert (refused.status, refused.content_type) == (503, "application/problem+json")
            assert int(refused.headers["Retry-After"]) > 0
            assert (await refused.json(content_type=None))["type"] == "/problems/too_many_streams"
        assert refused.headers.get("Access-Control-Allow-Origin") is None
        assert (await follow(BOARD, THEIRS)).headers["Access-Control-Allow-Origin"] == "*"
        assert (await follow(BOARD, OTHER)).status == 200
        held[0].close()
        for _ in range(250):  # until the server has noticed that one is closed
            again = await follow(BOARD, THEIRS)
            if again.status == 200:
                break
            await asyncio.sleep(0.02)
        assert again.status == 200


async def test_an_address_that_is_many_peoples_has_more_places() -> None:
    app = application(FakeVotingService(), StreamCap(1, [ip_network(f"{THEIRS}/32")]))
    await setup(app, ForwardedByProxies([ip_network("127.0.0.0/8")]))
    async with TestClient(TestServer(app)) as client:
        for address, places in ((THEIRS, SHARED_STREAMS_FACTOR), (OTHER, 1)):
            found = [await client.get(BOARD, headers={"X-Forwarded-For": address}) for _ in range(places + 1)]
            assert [stream.status for stream in found] == [200] * places + [503]


def test_the_limit_of_open_files_is_raised_to_the_hard_one() -> None:
    subprocess.run([sys.executable, "-c", RAISE], check=True)


def test_viewers_are_limited_by_memory_where_files_are_not() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert viewers_by_default() == min(before[0] * 8 // 10, 100_000)
