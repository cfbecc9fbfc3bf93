import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from pydantic import Field

from gateway.http import endpoint as endpoints
from gateway.http import middleware, openapi
from gateway.http.endpoint import FILE, ApiModel, InputModel, Reply, endpoint
from gateway.http.pages import Pages
from gateway.http.problems import Problem
from tests.channels.web.service import application as voting
from tests.rigs.voting_service import FakeVotingService

Client = TestClient[web.Request, web.Application]


class ShelfPath(InputModel):
    """A shelf."""

    shelf_id: int = Field(ge=1)


class Page(InputModel):
    """Which part of a list."""

    limit: int = Field(10, ge=1, le=100, description="How many.")


class Book(InputModel):
    """A book to put on a shelf."""

    title: str = Field(max_length=20)
    page_count: int = 1


class Shelved(ApiModel):
    """A book on its shelf."""

    shelf_id: int
    page_count: int
    limit: int


async def guard(request: web.Request) -> None:
    if "X-Refuse" in request.headers:
        raise Problem(429, "Too many")


@endpoint(body=Book, path=ShelfPath, query=Page, returns={201: Shelved}, problems=(429,), tag="books", guard=guard)
async def put(request: web.Request, *, body: Book, path: ShelfPath, query: Page) -> Reply:
    """Put a book on a shelf.

    It stays there.
    """
    return Reply(201, Shelved(shelf_id=path.shelf_id, page_count=body.page_count, limit=query.limit), {"X-A": "b"})


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    app = web.Application(middlewares=[middleware.around_request])
    Pages().mount(app)
    app.router.add_post("/api/shelves/{shelfId}/books", put)
    openapi.setup(app)
    async with TestClient(TestServer(app)) as client:
        yield client


async def test_models_in_and_out(client: Client) -> None:
    answer = await client.post("/api/shelves/3/books?limit=5", json={"title": "x", "pageCount": 7})
    assert (answer.status, answer.headers["X-A"], answer.headers["Cache-Control"]) == (201, "b", "no-store")
    assert await answer.json() == {"shelfId": 3, "pageCount": 7, "limit": 5}


@pytest.mark.parametrize(
    ("path", "body", "loc"),
    [
        ("/api/shelves/0/books", {"title": "x"}, ["path", "shelfId"]),
        ("/api/shelves/x/books", {"title": "x"}, ["path", "shelfId"]),
        ("/api/shelves/1/books?limit=0", {"title": "x"}, ["query", "limit"]),
        ("/api/shelves/1/books?more=1", {"title": "x"}, ["query", "more"]),
        ("/api/shelves/1/books", {}, ["body", "title"]),
        ("/api/shelves/1/books", {"title": "x", "extra": 1}, ["body", "extra"]),
        ("/api/shelves/1/books", {"title": "0501020304" * 3}, ["body", "title"]),
    ],
)
async def test_what_does_not_fit_is_reported_by_field(client: Client, path: str, body: object, loc: list[str]) -> None:
    answer = await client.post(path, json=body)
    problem = await answer.json(content_type="application/problem+json")
    assert (answer.status, problem["type"]) == (422, "/problems/invalid_request")
    assert problem["errors"][0]["loc"] == loc
    assert "0501020304" not in json.dumps(problem)  # what was sent is not repeated


async def test_the_guard_is_asked_before_the_body_is_read(client: Client) -> None:
    answer = await client.post("/api/shelves/1/books", data=b"{", headers={"X-Refuse": "1"})
    assert answer.status == 429


async def test_a_body_that_does_not_arrive_is_given_up(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "BODY_SECONDS", 0.05)

    async def slowly() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(0.3)
        yield b"}"

    answer = await client.post("/api/shelves/1/books", data=slowly(), headers={"Content-Type": "application/json"})
    assert answer.status == 408


def references(node: object) -> Iterator[str]:
    """Every reference in a document."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for held in node.values():
            yield from references(held)
    elif isinstance(node, list):
        for held in node:
            yield from references(held)


def check_document(document: dict[str, Any]) -> None:
    """What OpenAPI 3.1 wants of the parts that we write."""
    assert document["openapi"].startswith("3.1.")
    assert {"title", "version"} <= document["info"].keys()
    schemas = document["components"]["schemas"]
    assert {f"#/components/schemas/{name}" for name in schemas} >= set(references(document))
    ids: list[str] = []
    for path, methods in document["paths"].items():
        assert path.startswith("/")
        for method, operation in methods.items():
            assert method in {"get", "post", "put", "patch", "delete"}
            assert operation["summary"]
            ids.append(operation["operationId"])
            named = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
            assert named == set(re.findall(r"\{(\w+)\}", path))
            for parameter in operation.get("parameters", []):
                assert {"name", "in", "required", "schema"} <= parameter.keys()
            assert operation["responses"]
            for status, response in operation["responses"].items():
                assert 200 <= int(status) < 600
                assert response["description"]
                for kind, content in response.get("content", {}).items():
                    told = path == "/readyz"  # a failure, but no fault
                    assert (kind == "application/problem+json") is (int(status) >= 400 and not told)
                    assert "$ref" in content["schema"] or content["schema"] == FILE
    assert len(ids) == len(set(ids))


async def test_the_document_describes_the_endpoint(client: Client) -> None:
    body = await (await client.get("/openapi.json")).json()
    check_document(body)
    operation = body["paths"]["/api/shelves/{shelfId}/books"]["post"]
    assert (operation["summary"], operation["description"]) == ("Put a book on a shelf", "It stays there.")
    assert set(operation["responses"]) == {"201", "400", "408", "413", "415", "422", "429"}
    assert [(p["in"], p["name"]) for p in operation["parameters"]] == [("path", "shelfId"), ("query", "limit")]
    assert body["components"]["schemas"]["Book"]["additionalProperties"] is False


async def test_the_vote_api_is_described() -> None:
    async with TestClient(TestServer(voting(FakeVotingService()))) as client:
        body = await (await client.get("/openapi.json")).json()
        page = await client.get("/docs")
        text = await page.text()
    check_document(body)
    assert set(body["paths"]) == {
        "/api/votes/initiate",
        "/api/votes/{voteId}",
        "/api/votes/{voteId}/events",
        "/verify/{receipt}",
        "/verify/{receipt}.tlog-proof",
        "/api/contests",
        "/api/contests/{slug}",
        "/api/contests/{slug}/candidates",
    }
    order = body["components"]["schemas"]["VoteOrder"]
    assert set(order["required"]) == {"quantity"}
    assert order["properties"]["quantity"]["type"] == "integer"
    assert page.content_type == "text/html"
    assert "POST /api/votes/initiate" in text
    assert "<script" not in text
