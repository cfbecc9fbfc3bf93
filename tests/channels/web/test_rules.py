"""The rules of a contest, for everybody who votes."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from hashlib import sha256

import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request

from gateway.values.money import Money
from tests.channels.web.browsing import PAGE, Here
from tests.channels.web.browsing import here as here
from tests.rigs.public_web import application
from tests.rigs.voting_service import FakeVotingService

Client = TestClient[Request, Application]


@pytest.fixture
async def web() -> AsyncIterator[Client]:
    async with TestClient(TestServer(application(FakeVotingService()))) as client:
        yield client


async def test_versions_in_words(web: Client) -> None:
    async with web.get("/c/star/rules", headers={"Accept-Language": "en"}) as answer:
        text = await answer.text()
    assert answer.status == 200
    assert text.index("Version 2") < text.index("Version 1")
    assert "<b>100\u00a0FCFA</b>" in text
    assert "(before: 50\u00a0FCFA)" in text
    assert "Candidates share the place" in text
    assert "Being checked now: 1,250." in text
    async with web.get("/c/nowhere/rules") as answer:
        assert answer.status == 404


async def test_a_version_is_a_document_whose_hash_is_its_mark(web: Client) -> None:
    async with web.get("/c/star/rules/2.json") as answer:
        body = await answer.read()
    assert answer.status == 200
    assert answer.headers["ETag"] == f'"{sha256(body).hexdigest()}"'
    assert json.loads(body)["price_minor"] == 100
    for address in ("/c/star/rules/3.json", "/c/nowhere/rules/1.json"):
        async with web.get(address) as answer:
            assert (answer.status, answer.content_type) == (404, "application/problem+json")
    async with web.get("/c/star/rules/0.json") as answer:
        assert answer.status == 404


async def test_who_read_another_price_looks_at_the_new_one_first(here: Here) -> None:
    (contest,) = here.service.shown
    assert 'name="price" value="100"' in await here.read(PAGE)
    here.service.shown = [replace(contest, price=Money(150, "XOF"), _by_code={})]
    answer = await here.send({"Accept-Language": "en"}, price="100")
    text = await answer.text()
    assert (answer.status, "The price has changed." in text, "150\u00a0FCFA" in text) == (200, True, True)
    assert here.service.vote_requests == []
    assert (await here.send(price="150")).status == 303
    assert here.service.vote_requests[0].contest.price.amount_minor == 150
