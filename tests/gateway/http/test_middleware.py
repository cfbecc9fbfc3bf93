import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import structlog
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from structlog.testing import capture_logs

from gateway.http import middleware
from gateway.http.callers import PUBLIC_URL
from gateway.http.health import REGISTRY
from gateway.http.middleware import surface_of
from gateway.http.pages import Pages
from gateway.http.problems import Problem
from gateway.http.timeouts import RequestTimeouts
from gateway.storage.engine import DatabaseUnavailable

Client = TestClient[web.Request, web.Application]
HTML = {"Accept": "text/html,application/xhtml+xml"}
PROTECTED = (
    "Content-Security-Policy",
    "X-Content-Type-Options",
    "Referrer-Policy",
    "Cross-Origin-Opener-Policy",
    "Permissions-Policy",
)


async def fine(request: web.Request) -> web.Response:
    structlog.get_logger("test").info("inside")
    return web.Response(text="END ok")


async def broken(request: web.Request) -> web.Response:
    raise RuntimeError("secret of the house")


async def refused(request: web.Request) -> web.Response:
    raise Problem(409, "Conflict", kind="/problems/there")


async def away(request: web.Request) -> web.Response:
    raise DatabaseUnavailable("TimeoutError")


async def crowded(request: web.Request) -> web.Response:
    raise PoolTimeoutError("QueuePool limit")


async def cut_off(request: web.Request) -> web.Response:
    raise OperationalError("select 1", {}, ConnectionResetError("closed"), connection_invalidated=True)


async def hanging(request: web.Request) -> web.Response:
    await asyncio.Event().wait()
    return web.Response()


async def elsewhere(request: web.Request) -> web.Response:
    raise web.HTTPSeeOther("/fine")


async def reading(request: web.Request) -> web.Response:
    return web.Response(text=str(len(await request.read())))


async def half_sent(request: web.Request) -> web.StreamResponse:
    stream = web.StreamResponse()
    await stream.prepare(request)
    await stream.write(b"half")
    raise RuntimeError("in the middle")


@pytest.mark.parametrize(
    ("public_url", "path", "strict"),
    [
        ("https://vote.example", "/fine", True),
        ("https://vote.example", "/api/fine", True),
        ("https://vote.example", "/nowhere", True),
        ("http://127.0.0.1:8080", "/fine", False),
    ],
)
async def test_a_browser_stays_with_https_behind_a_proxy_too(public_url: str, path: str, strict: bool) -> None:
    app = application(pages=True)
    app[PUBLIC_URL] = public_url
    async with TestClient(TestServer(app)) as client:
        answer = await client.get(path)
    assert ("Strict-Transport-Security" in answer.headers) is strict


def application(*, pages: bool = False) -> web.Application:
    app = web.Application(middlewares=[middleware.around_request], client_max_size=1000)
    if pages:
        Pages().mount(app)
    for prefix in ("", "/api", "/ussd"):
        app.router.add_get(f"{prefix}/fine", fine)
        app.router.add_get(f"{prefix}/broken", broken)
        app.router.add_get(f"{prefix}/refused", refused)
        app.router.add_get(f"{prefix}/away", away)
        app.router.add_get(f"{prefix}/crowded", crowded)
        app.router.add_get(f"{prefix}/cut_off", cut_off)
        app.router.add_get(f"{prefix}/hanging", hanging)
        app.router.add_get(f"{prefix}/elsewhere", elsewhere)
        app.router.add_post(f"{prefix}/reading", reading)
        app.router.add_get(f"{prefix}/half", half_sent)
    return app


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with TestClient(TestServer(application())) as client:
        yield client


def count_of(surface: str, status: int) -> float:
    labels = {"surface": surface, "status": str(status)}
    return REGISTRY.get_sample_value("spotlight_http_requests_total", labels) or 0.0


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("GET", "/api/nothing", 404, "about:blank"),
        ("DELETE", "/api/fine", 405, "about:blank"),
        ("GET", "/api/refused", 409, "/problems/there"),
        ("GET", "/api/away", 503, "/problems/busy"),
        ("GET", "/api/crowded", 503, "/problems/busy"),
        ("GET", "/api/cut_off", 503, "/problems/busy"),
        ("GET", "/api/broken", 500, "about:blank"),
        ("GET", "/ussd/nothing", 404, "about:blank"),
        ("GET", "/ussd/broken", 500, "about:blank"),
    ],
)
async def test_errors_are_problems(client: Client, method: str, path: str, status: int, kind: str) -> None:
    answer = await client.request(method, path, headers=HTML)
    body: dict[str, Any] = await answer.json(content_type="application/problem+json")
    assert (answer.status, body["status"], body["type"]) == (status, status, kind)
    assert "secret of the house" not in str(body)
    for name in PROTECTED:
        assert name in answer.headers


async def test_a_wrong_method_is_answered_with_the_right_ones(client: Client) -> None:
    assert (await client.delete("/api/fine")).headers["Allow"] == "GET,HEAD"


async def test_a_large_body_is_refused(client: Client) -> None:
    answer = await client.post("/api/reading", data=b"x" * 2000)
    assert (answer.status, answer.content_type) == (413, "application/problem+json")


async def test_an_absent_service_says_when_to_come_back(client: Client) -> None:
    assert (await client.get("/api/away")).headers["Retry-After"] == "5"


@pytest.mark.parametrize("path", ["/nothing", "/broken", "/refused", "/away"])
@pytest.mark.parametrize("pages", [True, False], ids=["pages", "no pages"])
async def test_people_get_a_page(path: str, pages: bool) -> None:
    async with TestClient(TestServer(application(pages=pages))) as client:
        for headers in (HTML, {}):
            answer = await client.get(path, headers=headers)
            assert answer.content_type == "text/html"
            assert "secret of the house" not in await answer.text()
        answer = await client.get(path, headers={"Accept": "application/json"})
        assert answer.content_type == "application/problem+json"


async def test_a_redirect_stays_one(client: Client) -> None:
    answer = await client.get("/elsewhere", allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (303, "/fine")
    assert "X-Request-Id" in answer.headers


@pytest.mark.parametrize(
    ("given", "kept"),
    [("abcdef-123.4_5", True), ("short", False), ("x" * 65, False), ("two words", False), ("a;b\u00e9cdefgh", False)],
)
async def test_a_sane_request_id_is_kept(client: Client, given: str, kept: bool) -> None:
    found = (await client.get("/fine", headers={"X-Request-Id": given})).headers["X-Request-Id"]
    assert (found == given) is kept
    assert re.fullmatch(r"[\w.-]{8,64}", found)


async def test_each_request_has_another_id(client: Client) -> None:
    ids = {(await client.get("/fine")).headers["X-Request-Id"] for _ in range(5)}
    assert len(ids) == 5


async def test_an_unexpected_error_is_logged_once_with_its_traceback(client: Client) -> None:
    with capture_logs() as lines:
        answer = await client.get("/api/broken")
    failed = [line for line in lines if line["event"] == "request_failed"]
    assert len(failed) == 1
    assert isinstance(failed[0]["exc_info"], RuntimeError)
    assert failed[0]["route"] == "/api/broken"
    assert answer.headers["X-Request-Id"] in (await answer.json(content_type=None))["detail"]


async def test_an_answer_begun_is_cut_not_continued(client: Client) -> None:
    with capture_logs() as lines:
        answer = await client.get("/api/half")
        with pytest.raises(Exception, match=r"closed|payload|disconnect"):
            await answer.read()
    assert [line["event"] for line in lines].count("request_failed") == 1


async def test_requests_are_counted(client: Client) -> None:
    before = count_of("ussd", 200), count_of("api", 404)
    hops = REGISTRY.get_sample_value("spotlight_ussd_hop_seconds_count") or 0.0
    await client.get("/ussd/fine")
    await client.get("/api/nothing")
    assert (count_of("ussd", 200), count_of("api", 404)) == (before[0] + 1, before[1] + 1)
    assert REGISTRY.get_sample_value("spotlight_ussd_hop_seconds_count") == hops + 1


@pytest.mark.parametrize(
    ("path", "surface"),
    [
        ("/", "page"),
        ("*", "page"),
        ("", "page"),
        ("/c/star/07", "page"),
        ("/ussd/africastalking", "ussd"),
        ("/sms/africastalking/delivery", "sms"),
        ("/telegram/webhook", "telegram"),
        ("/api/votes/initiate", "api"),
        ("/api/contests/star/leaderboard/events", "stream"),
        ("/api/webhooks/mtn_momo/token", "callback"),
        ("/api/auth/login", "admin"),
        ("/metrics", "operations"),
        ("/static/site.css", "static"),
    ],
)
def test_addresses_have_surfaces(path: str, surface: str) -> None:
    assert surface_of(path) == surface


async def test_no_answer_is_waited_for_without_end(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for surface in ("api", "page"):
        monkeypatch.setitem(middleware.ANSWER_SECONDS, surface, 0.05)
    monkeypatch.setattr(middleware, "_timeouts", RequestTimeouts(0.02))
    with capture_logs() as lines:
        answer = await client.get("/api/hanging")
        page = await client.get("/hanging", headers=HTML)
    assert (answer.status, answer.headers["Retry-After"], page.status) == (503, "5", 503)
    assert "before you repeat it" in (await answer.json())["detail"]
    assert [line["event"] for line in lines if line["log_level"] == "warning"] == ["answer_too_slow"] * 2
    # The connection serves the next request.
    assert (await client.get("/api/fine")).status == 200
