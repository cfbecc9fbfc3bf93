import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer

from gateway.contests.contest import CandidateStatus
from gateway.http.callers import COOKIE
from gateway.http.limits import RateLimits
from gateway.orders.routing import Rail, Rails
from gateway.orders.rules import Channel
from gateway.orders.wallet import PaymentMethod
from gateway.values.msisdn import Msisdn
from payments.lifecycle import PublicStatus
from tests.channels.web.service import KNOWN_DEVICES, NOWHERE, application
from tests.demo import candidate_id, demo_contest
from tests.rails import PAGE, RAILS, XOF
from tests.rigs.voting_service import RECEIPT, FakeVotingService

GOOD: dict[str, Any] = {
    "contest": "star",
    "candidateCode": "07",
    "quantity": 5,
    "paymentMethod": "MTN_MOBILE_MONEY",
    "voterPhone": "+2250501020304",
}
BY_ORANGE: dict[str, Any] = {"paymentMethod": "ORANGE_MONEY", "voterPhone": "+2250701020304"}
INITIATE = "/api/votes/initiate"
JSON = {"Content-Type": "application/json"}


@dataclass
class Here:
    service: FakeVotingService
    client: TestClient[web.Request, web.Application]

    async def order(self, body: object = None, /, key: str | None = None, **changes: object) -> ClientResponse:
        sent = {**GOOD, **changes} if body is None else body
        headers = {} if key is None else {"Idempotency-Key": key}
        return await self.client.post(INITIATE, json=sent, headers=headers)

    async def raw(self, body: bytes, **headers: str) -> ClientResponse:
        return await self.client.post(INITIATE, data=body, headers={**JSON, **headers})


@pytest.fixture
async def here() -> AsyncIterator[Here]:
    service = FakeVotingService()
    async with TestClient(TestServer(application(service))) as client:
        yield Here(service, client)


async def json_of(answer: ClientResponse) -> dict[str, Any]:
    body: dict[str, Any] = await answer.json(content_type=None)
    return body


async def problem_of(answer: ClientResponse) -> dict[str, Any]:
    assert answer.content_type == "application/problem+json"
    body = await json_of(answer)
    assert body["status"] == answer.status
    assert {"type", "title"} <= body.keys()
    return body


async def test_an_order_is_placed_as_asked(here: Here) -> None:
    answer = await here.order()
    body = await json_of(answer)
    assert answer.status == 201
    assert set(body) == {"voteId", "transactionId", "status", "amount", "currency", "paymentUrl"}
    assert (body["status"], body["amount"], body["currency"], body["paymentUrl"]) == ("PENDING", 500, "XOF", None)
    assert answer.headers["Location"] == f"/api/votes/{body['voteId']}"
    (vote_request,) = here.service.vote_requests
    assert (vote_request.channel, vote_request.candidate_code, vote_request.quantity) == (Channel.API, "07", 5)
    assert (vote_request.method, vote_request.payer) == (PaymentMethod.MTN, Msisdn("+2250501020304", "CI"))
    assert vote_request.voter is None
    assert len(vote_request.request_hash) == 32
    _, placed = here.service.placed["api", vote_request.key]
    assert (body["voteId"], body["transactionId"]) == (str(placed.vote_id), str(placed.payment_reference))


async def placed_soon(service: FakeVotingService, count: int = 1) -> list[UUID]:
    for _ in range(500):
        if len(service.placed) == count:
            break
        await asyncio.sleep(0.01)
    return [order.vote_id for _, order in service.placed.values()]


async def test_the_operators_page_is_in_the_answer_when_it_is_there_in_time() -> None:
    service = FakeVotingService()
    async with TestClient(TestServer(application(service, wait=5))) as client:
        here = Here(service, client)
        asked = [asyncio.create_task(here.order(**BY_ORANGE, key=f"k-{n}")) for n in range(20)]
        for vote_id in await placed_soon(service, len(asked)):
            service.links[vote_id] = f"https://pay.example/{vote_id}"
        body = [await json_of(await answer) for answer in asked]
        assert all(one["paymentUrl"] == f"https://pay.example/{one['voteId']}" for one in body)
        assert 20 in service.link_questions  # one question for all who wait
        vote_id = UUID(body[0]["voteId"])
        service.change(vote_id, status=PublicStatus.COMPLETED, receipt=RECEIPT)
        assert await json_of(await here.order(**BY_ORANGE, key="k-0")) == body[0]


async def test_the_answer_does_not_wait_for_a_page_that_is_late_or_never_comes() -> None:
    service = FakeVotingService()
    async with TestClient(TestServer(application(service, wait=0.3))) as client:
        here = Here(service, client)
        assert (await json_of(await here.order()))["paymentUrl"] is None
        assert service.link_questions == []  # a prompt on the phone has no page
        assert (await json_of(await here.order(**BY_ORANGE)))["paymentUrl"] is None
        assert service.link_questions


async def test_an_order_is_answered_though_the_database_goes_before_its_page_comes() -> None:
    service = FakeVotingService()
    async with TestClient(TestServer(application(service, wait=0.3))) as client:
        asked = asyncio.create_task(Here(service, client).order(**BY_ORANGE))
        await placed_soon(service)
        service.away = True
        answer = await asked
        assert (answer.status, (await json_of(answer))["paymentUrl"]) == (201, None)


async def test_a_link_that_is_none_to_a_web_page_is_not_passed_on() -> None:
    service = FakeVotingService()
    async with TestClient(TestServer(application(service, wait=5))) as client:
        asked = asyncio.create_task(Here(service, client).order(**BY_ORANGE))
        (vote_id,) = await placed_soon(service)
        service.links[vote_id] = "javascript:alert(1)"
        assert (await json_of(await asked))["paymentUrl"] is None


async def test_without_a_key_each_request_is_an_order(here: Here) -> None:
    first, second = await json_of(await here.order()), await json_of(await here.order())
    assert first["voteId"] != second["voteId"]


async def test_the_same_key_gives_the_same_answer(here: Here) -> None:
    first = await here.order(key="k-1")
    again = await here.order(key="k-1", voterPhone="05 01 02 03 04")  # the same number, typed otherwise
    assert (first.status, again.status) == (201, 201)
    assert await json_of(first) == await json_of(again)
    assert len(here.service.vote_requests) == 1


@pytest.mark.parametrize(
    "change",
    [{"quantity": 6}, {"candidateCode": "08"}, {"voterPhone": "+2250501020305"}, {"paymentMethod": "ORANGE_MONEY"}],
    ids=str,
)
async def test_the_same_key_with_another_body_is_a_conflict(here: Here, change: dict[str, Any]) -> None:
    await here.order(key="k-1")
    answer = await here.order(key="k-1", **change)
    assert (answer.status, (await problem_of(answer))["type"]) == (409, "/problems/idempotency_conflict")
    assert len(here.service.vote_requests) == 1


async def test_a_key_is_its_callers_own(here: Here) -> None:
    device = KNOWN_DEVICES.fresh()
    cookie = {"Cookie": f"{COOKIE}={device}.{KNOWN_DEVICES.mark(device)}"}
    first = await json_of(await here.order(key="k-1"))
    other = await here.client.post(INITIATE, json={**GOOD, "quantity": 9}, headers={"Idempotency-Key": "k-1", **cookie})
    assert other.status == 201
    assert (await json_of(other))["voteId"] != first["voteId"]
    assert all(
        "k-1" not in vote_request.key and "127.0.0.1" not in vote_request.key
        for vote_request in here.service.vote_requests
    )


@pytest.mark.parametrize("key", ["", "x" * 201, "two words", "clé", "tab\there"], ids=repr)
async def test_a_key_is_visible_ascii(here: Here, key: str) -> None:
    body = await problem_of(await here.order(key=key))
    assert (body["status"], body["errors"][0]["loc"]) == (422, ["header", "Idempotency-Key"])
    assert here.service.vote_requests == []


async def test_a_candidate_may_be_named_by_id(here: Here) -> None:
    body = {key: GOOD[key] for key in ("quantity", "voterPhone")} | {"candidateId": str(candidate_id(7))}
    assert (await here.order(body)).status == 201
    assert here.service.vote_requests[0].candidate_code == "07"


@pytest.mark.parametrize("quantity", [1, 5.0, 10_000])
async def test_whole_numbers_are_quantities(here: Here, quantity: float) -> None:
    assert (await here.order(quantity=quantity)).status == 201
    assert here.service.vote_requests[0].quantity == quantity


@pytest.mark.parametrize(
    ("phone", "method"), [("0501020304", PaymentMethod.MTN), ("0701020304", PaymentMethod.ORANGE)], ids=str
)
async def test_the_wallet_is_read_from_the_number(here: Here, phone: str, method: PaymentMethod) -> None:
    body = {key: GOOD[key] for key in ("contest", "candidateCode", "quantity")} | {"voterPhone": phone}
    assert (await here.order(body)).status == 201
    assert here.service.vote_requests[0].method is method


BAD_FIELDS: list[tuple[dict[str, object], int, str, str | None]] = [
    ({"contest": "nowhere"}, 404, "unknown_contest", "contest"),
    ({"contest": "../star"}, 404, "unknown_contest", "contest"),
    ({"contest": 7}, 422, "invalid_request", "contest"),
    ({"contest": None}, 422, "invalid_request", None),
    ({"candidateCode": "99"}, 422, "unknown_candidate", "candidateCode"),
    ({"candidateCode": ""}, 422, "unknown_candidate", "candidateCode"),
    ({"candidateCode": 7}, 422, "invalid_request", "candidateCode"),
    ({"candidateCode": "7" * 200}, 422, "invalid_request", "candidateCode"),
    ({"candidateCode": "0\u0000"}, 422, "unknown_candidate", "candidateCode"),
    ({"candidateId": "no-id"}, 422, "invalid_request", "candidateId"),
    ({"candidateId": str(UUID(int=1))}, 422, "unknown_candidate", "candidateCode"),
    ({"candidateId": str(candidate_id(8))}, 422, "invalid_request", "candidateCode"),
    ({"quantity": 0}, 422, "bad_quantity", "quantity"),
    ({"quantity": -5}, 422, "bad_quantity", "quantity"),
    ({"quantity": 10_001}, 422, "too_many", "quantity"),
    ({"quantity": 10**9}, 422, "too_many", "quantity"),
    ({"quantity": 10**40}, 422, "too_many", "quantity"),
    ({"quantity": 1e300}, 422, "too_many", "quantity"),
    ({"quantity": 1.5}, 422, "invalid_request", "quantity"),
    ({"quantity": "5"}, 422, "invalid_request", "quantity"),
    ({"quantity": "five"}, 422, "invalid_request", "quantity"),
    ({"quantity": True}, 422, "invalid_request", "quantity"),
    ({"quantity": None}, 422, "invalid_request", "quantity"),
    ({"quantity": [5]}, 422, "invalid_request", "quantity"),
    ({"voterPhone": "0501"}, 422, "bad_number", "voterPhone"),
    ({"voterPhone": ""}, 422, "bad_number", "voterPhone"),
    ({"voterPhone": "call me"}, 422, "bad_number", "voterPhone"),
    ({"voterPhone": "+2252720202020"}, 422, "bad_number", "voterPhone"),
    ({"voterPhone": "+33612345678"}, 422, "foreign_number", "voterPhone"),
    ({"voterPhone": "+" * 500}, 422, "invalid_request", "voterPhone"),
    ({"voterPhone": 2250501020304}, 422, "invalid_request", "voterPhone"),
    ({"paymentMethod": "CARD"}, 422, "method_unavailable", "paymentMethod"),
    ({"paymentMethod": "CASH"}, 422, "invalid_request", "paymentMethod"),
    ({"paymentMethod": None, "voterPhone": "0101020304"}, 422, "no_wallet", "paymentMethod"),
    ({"voterPhone": "0101020304"}, 422, "not_its_wallet", "paymentMethod"),
    ({"paymentMethod": "ORANGE_MONEY"}, 422, "not_its_wallet", "paymentMethod"),
    ({"price": 1}, 422, "invalid_request", "price"),
    ({"status": "COMPLETED"}, 422, "invalid_request", "status"),
]


@pytest.mark.parametrize(("change", "status", "kind", "field"), BAD_FIELDS, ids=lambda value: str(value)[:40])
async def test_bad_fields_place_nothing(
    here: Here, change: dict[str, Any], status: int, kind: str, field: str | None
) -> None:
    answer = await here.order(**change)
    body = await problem_of(answer)
    assert (answer.status, body["type"]) == (status, f"/problems/{kind}")
    assert all(error["msg"] for error in body["errors"])
    assert [e["loc"] for e in body["errors"]] == [["body", field] if field else ["body"]]
    assert here.service.vote_requests == []


BAD_BODIES: list[tuple[bytes, dict[str, str], int]] = [
    (b"", {}, 400),
    (b"{", {}, 400),
    (b"quantity=5", {}, 400),
    (b"\xff\xfe{}", {}, 400),
    (b'{"contest": "\\ud800"}', {}, 400),
    (b"[" * 30_000, {}, 400),
    (b'{"quantity": ' + b"9" * 6_000 + b"}", {}, 400),
    (b"[]", {}, 422),
    (b"null", {}, 422),
    (b"{}", {}, 422),
    (json.dumps(GOOD).replace("5,", "NaN,").encode(), {}, 422),
    (json.dumps(GOOD).replace("5,", "1e999,").encode(), {}, 422),
    (json.dumps(GOOD).encode(), {"Content-Type": "text/plain"}, 415),
    (json.dumps(GOOD).encode(), {"Content-Type": "application/x-www-form-urlencoded"}, 415),
    (json.dumps(GOOD).encode(), {"Content-Type": ";;;"}, 415),
    (json.dumps(GOOD | {"contest": "x" * 70_000}).encode(), {}, 413),
]


@pytest.mark.parametrize(("body", "headers", "status"), BAD_BODIES, ids=lambda value: repr(value)[:40])
async def test_bad_bodies_place_nothing(here: Here, body: bytes, headers: dict[str, str], status: int) -> None:
    answer = await here.raw(body, **headers)
    await problem_of(answer)
    assert answer.status == status
    assert here.service.vote_requests == []


async def test_a_body_in_chunks_is_limited_too(here: Here) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * 10_000

    answer = await here.client.post(INITIATE, data=parts(), headers=JSON)
    assert (answer.status, (await problem_of(answer))["title"]) == (413, "Content too large")


@pytest.mark.parametrize(("language", "words"), [("fr-CI,fr;q=0.9", "Au plus"), ("en", "At most"), ("de", "Au plus")])
async def test_refusals_speak_the_callers_language(here: Here, language: str, words: str) -> None:
    answer = await here.client.post(INITIATE, json=GOOD | {"quantity": 10**9}, headers={"Accept-Language": language})
    body = await problem_of(answer)
    assert body["detail"].startswith(words)
    assert body["title"] == ("Vote refused" if language == "en" else "Vote refusé")
    assert answer.headers["Content-Language"] == ("en" if language == "en" else "fr")
    assert body["errors"][0]["msg"] == body["detail"]


async def test_a_way_to_pay_says_how_many_votes_it_takes(here: Here) -> None:
    card = Rail("stripe", "CI", PaymentMethod.CARD, PAGE, XOF, phone_needed=False, minimum_minor=330)
    here.service.rails = Rails((*RAILS.every, card))
    body = await problem_of(await here.order(paymentMethod="CARD", quantity=2))
    assert (body["status"], body["type"]) == (422, "/problems/too_few")
    assert body["detail"] == "Ce moyen de paiement demande au moins 4 votes."
    assert (await here.order(paymentMethod="CARD", quantity=4)).status == 201


@pytest.mark.parametrize(("year", "kind"), [(2025, "not_open_yet"), (2029, "closed")])
async def test_outside_its_window_a_contest_sells_nothing(here: Here, year: int, kind: str) -> None:
    here.service.instant = datetime(year, 1, 1, tzinfo=UTC)
    answer = await here.order()
    assert (answer.status, (await problem_of(answer))["type"]) == (409, f"/problems/{kind}")


async def test_a_withdrawn_candidate_takes_no_votes() -> None:
    contest = demo_contest()
    gone = replace(contest.candidates[6], status=CandidateStatus.WITHDRAWN)
    service = FakeVotingService(replace(contest, candidates=(gone, *contest.candidates[:6]), _by_code={}))
    async with TestClient(TestServer(application(service))) as client:
        answer = await Here(service, client).order()
        assert (answer.status, (await problem_of(answer))["type"]) == (409, "/problems/candidate_not_standing")


async def test_a_service_that_is_away_says_when_to_come_back(here: Here) -> None:
    here.service.away = True
    answer = await here.order()
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert (await problem_of(answer))["type"] == "/problems/busy"


async def test_one_address_writes_so_often() -> None:
    service = FakeVotingService()
    limits = RateLimits(NOWHERE, writes=2)
    async with TestClient(TestServer(application(service, limits))) as client:
        answers = [await Here(service, client).order() for _ in range(3)]
    assert [a.status for a in answers] == [201, 201, 429]
    assert 1 <= int(answers[2].headers["Retry-After"]) <= 60
    assert len(service.vote_requests) == 2


async def test_the_state_of_a_vote(here: Here) -> None:
    placed = await json_of(await here.order())
    vote_id = UUID(placed["voteId"])
    here.service.change(vote_id, status=PublicStatus.COMPLETED, receipt=RECEIPT)
    answer = await here.client.get(f"/api/votes/{vote_id}")
    body = await json_of(answer)
    assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-store")
    assert (body["voteId"], body["status"], body["reason"], body["receipt"]) == (
        str(vote_id),
        "COMPLETED",
        None,
        RECEIPT,
    )
    assert (body["amount"], body["currency"], body["paymentUrl"]) == (500, "XOF", None)
    assert "0501020304" not in json.dumps(body)


UNKNOWN = "5c1d0b7e-6a0f-4c0e-9a55-0f3c1a2b7d10"


@pytest.mark.parametrize(
    "vote_id", [UNKNOWN, "7", "x" * 300, f"{{{UNKNOWN}}}", UNKNOWN.replace("-", ""), "%00"], ids=str
)
async def test_an_unknown_vote_is_not_found(here: Here, vote_id: str) -> None:
    answer = await here.client.get(f"/api/votes/{vote_id}")
    assert answer.status == 404
    await problem_of(answer)


async def test_contests_are_listed(here: Here) -> None:
    (card,) = (await json_of(await here.client.get("/api/contests")))["contests"]
    assert (card["slug"], card["name"], card["open"]) == ("star", "Star d'Abidjan", True)
    assert card["price"] == {"amount": 100, "currency": "XOF"}
    assert await json_of(await here.client.get("/api/contests/star")) == card


async def test_candidates_are_listed(here: Here) -> None:
    body = await json_of(await here.client.get("/api/contests/star/candidates"))
    assert body["contest"] == "star"
    assert [c["code"] for c in body["candidates"]] == [f"{n:02d}" for n in range(1, 13)]
    known = {"id": str(candidate_id(1)), "code": "01", "name": "Aya Koné", "category": "", "formerNames": []}
    assert body["candidates"][0] == known


@pytest.mark.parametrize("path", ["/api/contests/nowhere", "/api/contests/nowhere/candidates", "/api/nothing"])
async def test_what_is_not_there_is_a_problem(here: Here, path: str) -> None:
    answer = await here.client.get(path)
    assert answer.status == 404
    await problem_of(answer)


@pytest.mark.parametrize(
    ("path", "kind", "titles"),
    [
        ("/api/contests/nowhere", "unknown_contest", {"fr": "Concours inconnu", "en": "Unknown contest"}),
        ("/api/contests/nowhere/candidates", "unknown_contest", {"fr": "Concours inconnu", "en": "Unknown contest"}),
        (f"/api/votes/{UNKNOWN}", "unknown_vote", {"fr": "Vote inconnu", "en": "Unknown vote"}),
    ],
)
async def test_a_question_about_nothing_is_no_refused_vote(
    here: Here, path: str, kind: str, titles: dict[str, str]
) -> None:
    details = set()
    for language, title in titles.items():
        answer = await here.client.get(path, headers={"Accept-Language": language})
        body = await problem_of(answer)
        assert (body["type"], body["title"], "errors" in body) == (f"/problems/{kind}", title, False)
        assert answer.headers["Content-Language"] == language
        details.add(body["detail"])
    assert len(details) == len(titles)


async def test_another_method_is_answered_with_those_allowed(here: Here) -> None:
    answer = await here.client.delete(INITIATE)
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")
    await problem_of(answer)
