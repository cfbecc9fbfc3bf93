import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client.parser import text_string_to_metric_families

from gateway.http import health, middleware
from gateway.http.health import HEALTH, Check, Concern, Figure, Refresher

Client = TestClient[web.Request, web.Application]


async def well() -> None:
    return


async def ill() -> None:
    raise OSError("connection refused to 10.0.0.7")


async def hanging() -> None:
    await asyncio.sleep(60)


@asynccontextmanager
async def serving(
    checks: Mapping[str, Check], figures: Refresher | None = None, token: str | None = None
) -> AsyncIterator[Client]:
    app = web.Application(middlewares=[middleware.around_request])
    health.setup(app, checks, figures, metrics_token=token)
    async with TestClient(TestServer(app)) as client:
        yield client


async def test_liveness_asks_no_other_service() -> None:
    async with serving({"postgresql": ill}) as client:
        answer = await client.get("/healthz")
        assert (answer.status, await answer.json()) == (200, {"status": "ok"})


async def test_ready_when_everybody_answers() -> None:
    async with serving({"postgresql": well, "redis": well}) as client:
        answer = await client.get("/readyz")
        assert answer.status == 200
        assert await answer.json() == {"status": "ok", "checks": {"postgresql": "ok", "redis": "ok"}}


async def concerned() -> None:
    raise Concern("too few months ahead: votes")


async def test_what_will_fail_later_is_shown_and_moves_no_traffic() -> None:
    async with serving({"postgresql": well, "partitions": concerned}) as client:
        answer = await client.get("/readyz")
        assert answer.status == 200
        assert (await answer.json())["checks"]["partitions"] == "too few months ahead: votes"


async def test_not_ready_says_because_of_whom(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "CHECK_SECONDS", 0.02)
    async with serving({"postgresql": ill, "redis": hanging, "other": well}) as client:
        answer = await client.get("/readyz")
        body = await answer.json()
    assert answer.status == 503
    assert body["checks"] == {"postgresql": "OSError", "redis": "no answer in time", "other": "ok"}
    assert "10.0.0.7" not in str(body)


async def test_a_stopping_process_is_not_ready() -> None:
    async with serving({"postgresql": well}) as client:
        assert client.app is not None
        stopping = asyncio.Event()
        health.stop_on_signals(client.app, stopping, drain_seconds=0.2)
        os.kill(os.getpid(), signal.SIGTERM)
        for _ in range(3):  # the signal reaches the loop by its own socket
            await asyncio.sleep(0.005)
        assert client.app[HEALTH].draining
        assert not stopping.is_set()
        assert (await client.get("/readyz")).status == 503
        assert (await client.get("/healthz")).status == 200
        await asyncio.wait_for(stopping.wait(), 1)


async def test_a_person_at_the_terminal_does_not_wait() -> None:
    async with serving({}) as client:
        assert client.app is not None
        stopping = asyncio.Event()
        health.stop_on_signals(client.app, stopping, drain_seconds=60)
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.wait_for(stopping.wait(), 1)


async def values_of(client: Client) -> dict[tuple[str, str], float]:
    answer = await client.get("/metrics")
    assert answer.status == 200
    families = text_string_to_metric_families(await answer.text())
    return {(s.name, s.labels.get("contest", "")): s.value for f in families for s in f.samples}


async def test_metrics_tell_what_was_counted_and_the_figures() -> None:
    reads = 0

    async def figures() -> Sequence[Figure]:
        nonlocal reads
        reads += 1
        return [
            Figure("spotlight_votes_counted", "Votes counted.", 5, {"contest": "star"}, "counter"),
            Figure("spotlight_votes_counted", "Votes counted.", 7, {"contest": "other"}, "counter"),
            Figure("spotlight_payments_pending", "Payments that wait.", 2),
        ]

    async with serving({}, figures) as client:
        await values_of(client)
        values = await values_of(client)
    assert values["spotlight_votes_counted_total", "star"] == 5
    assert values["spotlight_votes_counted_total", "other"] == 7
    assert values["spotlight_payments_pending", ""] == 2
    assert values["spotlight_http_requests_total", ""] >= 1
    assert ("spotlight_ussd_hop_seconds_count", "") in values
    assert reads == 1  # the second question came before they were old


async def test_figures_that_cannot_be_read_do_not_hide_the_counts() -> None:
    async def figures() -> Sequence[Figure]:
        raise OSError("away")

    async with serving({}, figures) as client:
        assert ("spotlight_http_requests_total", "") in await values_of(client)


@pytest.mark.parametrize(
    ("given", "status"), [("Bearer right", 200), ("Bearer wrong", 401), ("", 401), ("Bearer r\u00e9", 401)]
)
async def test_metrics_may_want_a_token(given: str, status: int) -> None:
    async with serving({}, token="right") as client:
        assert (await client.get("/metrics", headers={"Authorization": given})).status == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"x-forwarded-for": "41.66.1.2"}, 403),
        ({"Forwarded": "for=41.66.1.2"}, 403),
        ({"Via": "1.1 p"}, 403),
    ],
)
async def test_metrics_without_a_token_are_for_this_machine(headers: dict[str, str], status: int) -> None:
    async with serving({}) as client:
        answer = await client.get("/metrics", headers=headers)
        shown = await answer.text()
    assert (answer.status, "spotlight_" in shown) == (status, status == 200)


async def test_metrics_without_a_token_are_local_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "LOOPBACK", ())
    async with serving({}) as client:
        assert (await client.get("/metrics")).status == 403
