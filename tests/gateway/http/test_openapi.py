"""The API's document and its page, over everything that is public."""

import re
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway.http.endpoint import spec_of
from leaderboard.routes import Leaderboard, RankingDocument
from tests.gateway.http.test_endpoint import check_document
from tests.rigs.public_web import application
from tests.rigs.voting_service import FakeVotingService

Client = TestClient[web.Request, web.Application]


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with TestClient(TestServer(application(FakeVotingService()))) as client:
        yield client


async def test_every_address_for_programs_is_described(client: Client) -> None:
    answer = await client.get("/openapi.json")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    body = await answer.json()
    check_document(body)
    served = {
        (route.resource.canonical, route.method.lower())
        for route in client.app.router.routes()
        if route.resource is not None and route.resource.canonical.startswith("/api/") and route.method != "HEAD"
    }
    described = {(path, method) for path, methods in body["paths"].items() for method in methods}
    assert served <= described
    assert ("/verify/{receipt}", "get") in described
    streams = {path for path, methods in body["paths"].items() if "events" in path}
    for path in streams:
        assert list(body["paths"][path]["get"]["responses"]["200"]["content"]) == ["text/event-stream"]
    assert len(streams) == 2


async def test_the_ranking_is_as_described(client: Client) -> None:
    body = await (await client.get("/api/contests/star/leaderboard?limit=3")).read()
    ranking = RankingDocument.model_validate_json(body, strict=True).root
    assert [entry["code"] for entry in ranking["entries"]] == ["01", "02", "03"]
    assert RankingDocument.model_validate_json(body).model_dump_json().encode() == body


def test_a_described_handler_is_called_as_it_is() -> None:
    spec = spec_of(Leaderboard.events)
    assert spec is not None
    assert (spec.media, spec.problems, spec.summary) == ("text/event-stream", (404, 422, 503), "Follow the ranking")


@pytest.mark.parametrize(("language", "words"), [("fr", "Sommaire"), ("en", "Contents")])
async def test_the_page_tells_the_same_without_script(client: Client, language: str, words: str) -> None:
    text = await (await client.get("/docs", headers={"Accept-Language": language})).text()
    assert words in text
    for part in ("POST /api/votes/initiate", "GET /api/contests/{slug}/leaderboard/events", 'href="#VoteState"'):
        assert part in text
    assert 'id="VoteState"' in text
    assert "PENDING" in text
    assert "<script" not in text
    assert re.findall(r'(?:src|href)="(?:https?:)?//', text) == []
