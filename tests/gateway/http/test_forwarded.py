"""Behind a proxy of ours a caller's address is what the proxy says; past it, what the connection says."""

from ipaddress import ip_network

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from aiohttp_remotes import setup

from gateway.http.callers import ForwardedByProxies

THEIRS = "212.88.125.100"


async def remote(proxies: list[str], forwarded: str | None) -> str:
    async def tell(request: web.Request) -> web.Response:
        return web.Response(text=request.remote or "")

    app = web.Application()
    app.router.add_get("/", tell)
    await setup(app, ForwardedByProxies([ip_network(proxy) for proxy in proxies]))
    async with TestClient(TestServer(app)) as client:
        answer = await client.get("/", headers={"X-Forwarded-For": forwarded} if forwarded else {})
        return await answer.text()


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (["127.0.0.0/8"], THEIRS, THEIRS),
        (["127.0.0.0/8"], f"{THEIRS}, 203.0.113.9", "203.0.113.9"),
        (["127.0.0.0/8", "10.0.0.0/8"], f"{THEIRS}, 203.0.113.9, 10.1.2.3", "203.0.113.9"),
        (["127.0.0.0/8"], None, "127.0.0.1"),
        # Called past the proxies: the header is the caller's own invention.
        (["10.0.0.0/8"], THEIRS, "127.0.0.1"),
        (["10.0.0.0/8"], f"{THEIRS}, 10.1.2.3", "127.0.0.1"),
    ],
)
async def test_who_called(proxies: list[str], forwarded: str | None, address: str) -> None:
    assert await remote(proxies, forwarded) == address
