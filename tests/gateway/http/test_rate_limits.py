from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from structlog.testing import capture_logs

from gateway.http.limits import SHARED_REQUESTS_FACTOR, RateLimits
from gateway.http.problems import Problem
from gateway.values.network import read_networks, subject_of

NOWHERE = "redis://127.0.0.1:1/0"


def request_from(address: str) -> web.Request:
    return make_mocked_request("POST", "/api/votes/initiate").clone(remote=address)


@asynccontextmanager
async def limits_of(
    url: str, *, enabled: bool = True, exempt_loopback: bool = False, shared: str = ""
) -> AsyncIterator[RateLimits]:
    crowds = read_networks(shared)
    limits = RateLimits(url, enabled=enabled, exempt_loopback=exempt_loopback, web_votes=3, writes=5, shared=crowds)
    yield limits
    await limits.close()
    await limits.close()


async def refused_of(limits: RateLimits, address: str, times: int) -> int:
    refusals: list[Problem] = []
    for _ in range(times):
        try:
            await limits.web_vote(request_from(address))
        except Problem as fault:
            refusals.append(fault)
    for refusal in refusals:
        assert refusal.status == 429
        assert 1 <= int((refusal.headers or {})["Retry-After"]) <= 60
    return len(refusals)


async def test_an_address_has_its_number_a_minute(redis_url: str) -> None:
    async with limits_of(redis_url) as limits:
        assert await refused_of(limits, "192.0.2.1", 5) == 2
        assert await refused_of(limits, "192.0.2.2", 3) == 0


@pytest.mark.parametrize("address", ["203.0.113.7", "::ffff:203.0.113.7", "2001:db8:5::1"])
async def test_an_address_that_is_many_peoples_asks_as_often_as_they_do(redis_url: str, address: str) -> None:
    async with limits_of(redis_url, shared="203.0.113.0/24, 2001:db8:5::/48") as limits:
        assert await refused_of(limits, address, 3 * SHARED_REQUESTS_FACTOR) == 0
        assert await refused_of(limits, address, 1) == 1
        assert await refused_of(limits, "192.0.2.1", 4) == 1


async def test_forms_and_writes_are_counted_apart(redis_url: str) -> None:
    async with limits_of(redis_url) as limits:
        await refused_of(limits, "192.0.2.1", 4)
        for _ in range(5):
            await limits.write(request_from("192.0.2.1"))
        with pytest.raises(Problem):
            await limits.write(request_from("192.0.2.1"))


async def test_processes_count_together(redis_url: str) -> None:
    async with limits_of(redis_url) as one, limits_of(redis_url) as other:
        assert await refused_of(one, "192.0.2.1", 2) == 0
        assert await refused_of(other, "192.0.2.1", 2) == 1


async def test_without_redis_a_process_counts_alone_and_says_so_once() -> None:
    async with limits_of(NOWHERE) as limits:
        with capture_logs() as lines:
            assert await refused_of(limits, "192.0.2.1", 5) == 2
    assert [line["event"] for line in lines] == ["rate_limits_without_redis"]


async def test_switched_off_nothing_is_counted() -> None:
    async with limits_of(NOWHERE, enabled=False) as limits:
        assert await refused_of(limits, "192.0.2.1", 20) == 0


@pytest.mark.parametrize(("address", "refused"), [("127.0.0.1", 0), ("::1", 0), ("192.0.2.1", 2)])
async def test_the_machine_itself_may_be_let_through(address: str, refused: int) -> None:
    async with limits_of(NOWHERE, exempt_loopback=True) as limits:
        assert await refused_of(limits, address, 5) == refused


@pytest.mark.parametrize(
    ("address", "subject"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::1", "::/64"),
        ("", ""),
        ("no address", "no address"),
    ],
)
def test_addresses_count_for_their_holders(address: str, subject: str) -> None:
    assert subject_of(address) == subject
