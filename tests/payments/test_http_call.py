"""Calling out, against a server that misbehaves in every way that matters."""

import asyncio
import gzip
import time
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from payments.http_call import (
    ANSWER_BYTES_MAX,
    CONNECTIONS_MAX,
    USER_AGENT,
    Answer,
    HttpCaller,
    Timeouts,
)
from payments.provider import NotSent, Unknown
from tests.free_port import free_port

TIMEOUTS = Timeouts(pool=2, connect=1, read=0.3, total=2)


class Server:
    """Answers after its path's fashion; `seen` keeps what arrived."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, str], bytes]] = []
        self.open = self.most = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.seen.append((request.method, dict(request.headers), body))
        match request.path:
            case "/silent":
                await asyncio.sleep(1)
            case "/cut":
                assert request.transport is not None
                request.transport.abort()
            case "/long":
                return web.Response(body=b"x" * (ANSWER_BYTES_MAX + 1))
            case "/full":
                return web.Response(body=b"x" * ANSWER_BYTES_MAX)
            case "/moved":
                return web.Response(status=302, headers={"Location": "/plain"})
            case "/cookie":
                return web.Response(headers={"Set-Cookie": "a=b"})
            case "/zipped":
                bomb = gzip.compress(b"x" * 10_000_000)
                return web.Response(body=bomb, headers={"Content-Encoding": "gzip"})
            case "/drip":
                return await self._drip(request)
            case "/half":
                return await self._half(request)
            case "/crowd":
                self.open += 1
                self.most = max(self.most, self.open)
                await asyncio.sleep(0.05)
                self.open -= 1
        return web.json_response({"ok": True}, headers={"X-Request-Id": "abc-1"})

    async def _drip(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(40):
            await response.write(b".")
            await asyncio.sleep(0.1)
        return response

    async def _half(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=202, headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport is not None
        request.transport.abort()
        return response


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
async def address(server: Server) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield f"http://127.0.0.1:{port}"
    await runner.cleanup()


@pytest.fixture
async def caller() -> AsyncIterator[HttpCaller]:
    made = HttpCaller("someone")
    yield made
    await made.aclose()


async def test_an_answer(caller: HttpCaller, address: str) -> None:
    answer = await caller.call("GET", f"{address}/plain?q=a%2Fb", what="status", timeouts=TIMEOUTS)
    assert answer == Answer(200, b'{"ok": true}', "application/json")
    assert "ok" not in repr(answer)


async def test_what_is_sent(caller: HttpCaller, address: str, server: Server) -> None:
    await caller.call("POST", f"{address}/plain", what="ask", timeouts=TIMEOUTS, json={"a": "é"})
    await caller.call("POST", f"{address}/plain", what="token", timeouts=TIMEOUTS)
    await caller.call("POST", f"{address}/plain", what="token", timeouts=TIMEOUTS, data={"a": "b c"})
    (_, json_headers, json_body), (_, bare, nothing), (_, _, form) = server.seen
    assert json_headers["User-Agent"] == USER_AGENT
    assert json_headers["Content-Type"] == "application/json"
    assert json_headers["Accept-Encoding"] == "identity"
    assert json_body == '{"a":"é"}'.encode()
    assert bare["Content-Length"] == "0"
    assert "Content-Type" not in bare
    assert nothing == b""
    assert form == b"a=b+c"


@pytest.mark.parametrize("path", ["/silent", "/cut", "/half", "/long"])
async def test_an_answer_that_does_not_come_whole_is_lost(caller: HttpCaller, address: str, path: str) -> None:
    assert isinstance(await caller.call("POST", f"{address}{path}", what="ask", timeouts=TIMEOUTS), Unknown)


async def test_the_longest_answer(caller: HttpCaller, address: str) -> None:
    answer = await caller.call("GET", f"{address}/full", what="ask", timeouts=TIMEOUTS)
    assert isinstance(answer, Answer)
    assert len(answer.body) == ANSWER_BYTES_MAX


async def test_an_answer_that_drips_ends_with_the_timeout(caller: HttpCaller, address: str) -> None:
    started = time.monotonic()
    timeouts = Timeouts(pool=2, connect=1, read=0.5, total=0.6)
    assert isinstance(await caller.call("GET", f"{address}/drip", what="ask", timeouts=timeouts), Unknown)
    assert time.monotonic() - started < 2


async def test_what_comes_compressed_is_not_unpacked(caller: HttpCaller, address: str) -> None:
    answer = await caller.call("GET", f"{address}/zipped", what="ask", timeouts=TIMEOUTS)
    assert isinstance(answer, Answer)
    assert len(answer.body) < ANSWER_BYTES_MAX


async def test_redirects_and_cookies_are_not_followed(caller: HttpCaller, address: str, server: Server) -> None:
    moved = await caller.call("POST", f"{address}/moved", what="ask", timeouts=TIMEOUTS)
    assert isinstance(moved, Answer)
    assert moved.status == 302
    await caller.call("GET", f"{address}/cookie", what="ask", timeouts=TIMEOUTS)
    await caller.call("GET", f"{address}/plain", what="ask", timeouts=TIMEOUTS)
    assert len(server.seen) == 3
    assert "Cookie" not in server.seen[-1][1]


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}/", "http://unknown.invalid/", "http://[::", "ftp://x/", "/x"])
async def test_a_request_that_cannot_connect_never_left(caller: HttpCaller, url: str) -> None:
    outcome = await caller.call("POST", url.format(port=free_port()), what="ask", timeouts=TIMEOUTS, json={})
    assert isinstance(outcome, NotSent)


async def test_many_at_once_share_one_pool(caller: HttpCaller, address: str, server: Server) -> None:
    timeouts = Timeouts(pool=10, connect=5, read=10, total=20)
    outcomes = await asyncio.gather(
        *(caller.call("POST", f"{address}/crowd", what="ask", timeouts=timeouts, json={}) for _ in range(400))
    )
    assert all(isinstance(outcome, Answer) for outcome in outcomes)
    assert server.most <= CONNECTIONS_MAX


async def test_one_line_a_call_without_address_header_or_body(caller: HttpCaller, address: str) -> None:
    with capture_logs() as lines:
        await caller.call(
            "POST",
            f"{address}/plain?key=secret-1",
            what="requesttopay",
            timeouts=TIMEOUTS,
            reference="r-1",
            headers={"Authorization": "Bearer secret-2"},
            json={"payer": "2250501020304"},
        )
        await caller.call("POST", f"{address}/cut?key=secret-1", what="status", timeouts=TIMEOUTS, reference="r-2")
    answered, lost = lines
    assert (answered["reference"], answered["status"], answered["operator_id"]) == ("r-1", 200, "abc-1")
    assert (lost["reference"], lost["status"], lost["outcome"]) == ("r-2", None, "Unknown")
    assert not any(word in repr(lines) for word in ("secret", "2250501020304", address))
