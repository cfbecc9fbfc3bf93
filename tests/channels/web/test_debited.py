"""I was debited, and who comes back: by the order's address, by the cookie, by the same form."""

import re
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from aiohttp.test_utils import TestClient, TestServer

from channels.web import own_orders
from gateway.http.limits import RateLimits
from gateway.values.check_digit import with_check_digit
from gateway.values.money import Money
from payments.lifecycle import PublicStatus, State
from payments.rescue.rules import DISPUTABLE, Attempt, OfOrder, Outcome, Rescue
from tests.channels.web.browsing import FORM, PAGE, Here
from tests.channels.web.browsing import here as here
from tests.channels.web.service import NOWHERE, application
from tests.rails import RAILS_WITH_WAVE
from tests.rigs.voting_service import RECEIPT, FakeVotingService

ATTEMPT = Attempt(State.FAILED, "07", "Awa Ouattara", 5, Money(500, "XOF"), RECEIPT)


async def posted(here: Here, path: str) -> str:
    answer = await here.client.post(path, headers={"Accept-Language": "en"})
    assert answer.status == 200
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    return await answer.text()


@pytest.mark.parametrize("outcome", Outcome)
async def test_the_holder_of_an_order_asks_about_it_and_nothing_else(here: Here, outcome: Outcome) -> None:
    path = await here.ordered(status=PublicStatus.FAILED, reason="declined")
    assert f'action="{path}/debited"' in await here.read(path)
    here.service.found = Rescue(outcome, ATTEMPT, "26" if outcome is Outcome.UNCLEAR else None)
    text = await posted(here, f"{path}/debited")
    assert here.service.claims == [OfOrder(UUID(path.rpartition("/")[2]))]
    assert 'role="alert"' in text
    assert ("Ticket 26" in text) is (outcome is Outcome.UNCLEAR)
    assert (f'action="{path}/ticket"' in text) is (outcome in DISPUTABLE)
    # A voter who was just answered is not asked in large letters whether money is missing, and may ask again.
    assert "I was debited" not in text
    assert f'action="{path}/debited"' in text


@pytest.mark.parametrize(("number", "expected"), [("15", "Ticket 15 opened"), (None, "we check this payment")])
async def test_a_person_looks(here: Here, number: str | None, expected: str) -> None:
    path = await here.ordered(status=PublicStatus.EXPIRED)
    here.service.ticket = number
    assert expected in await posted(here, f"{path}/ticket")


async def test_what_is_done_offers_no_search(here: Here) -> None:
    path = await here.ordered(status=PublicStatus.COMPLETED, receipt=RECEIPT)
    assert "/debited" not in await here.read(path)


async def test_reading_the_address_asks_no_operator(here: Here) -> None:
    path = await here.ordered(status=PublicStatus.FAILED)
    for word in ("debited", "ticket"):
        answer = await here.client.get(f"{path}/{word}?lang=en", allow_redirects=False)
        assert (answer.status, answer.headers["Location"]) == (303, f"{path}?lang=en")
    assert here.service.claims == []


@pytest.mark.parametrize("vote", ["nothing", "5c1d0b7e-6a0f-4c0e-9a55-0f3c1a2b7d10"])
@pytest.mark.parametrize("word", ["debited", "ticket"])
async def test_no_operator_is_asked_about_an_unknown_order(here: Here, vote: str, word: str) -> None:
    assert (await here.client.post(f"/votes/{vote}/{word}")).status == 404
    assert here.service.claims == []


async def test_one_address_asks_so_often() -> None:
    limits = RateLimits(NOWHERE, writes=2)
    async with TestClient(TestServer(application(FakeVotingService(), limits))) as client:
        answers = [await client.post(f"/votes/{uuid4()}/debited") for _ in range(3)]
    assert [answer.status for answer in answers] == [404, 404, 429]


async def test_a_service_that_is_away_is_reported(here: Here) -> None:
    path = await here.ordered()
    here.service.away = True
    assert (await here.client.post(f"{path}/debited")).status == 503
    assert (await here.client.get(PAGE)).status == 200


async def test_the_contests_page_leads_to_the_orders_of_this_browser(here: Here) -> None:
    empty = await here.read("/c/star/debited")
    assert "*789#" in empty
    assert "DEBITED to 7890" in empty
    assert "No order of the last 24 hours" in empty
    path = await here.ordered(status=PublicStatus.EXPIRED)
    assert f'href="{path}"' in await here.read("/c/star/debited")
    assert 'href="/c/star/debited"' in await here.read(PAGE)
    assert (await here.client.get("/c/nowhere/debited")).status == 404


async def test_who_comes_back_sees_the_order_and_does_not_order_twice(here: Here) -> None:
    sent = await here.send()
    path = sent.headers["Location"]
    cookie = sent.cookies[own_orders.COOKIE]
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")
    # By the same form with another nonce, as from a page that was kept by the browser.
    assert (await here.send(nonce="b" * 20)).headers["Location"] == path
    assert len(here.service.vote_requests) == 1
    # On a page that says so, a second order is meant.
    page = await here.read(PAGE)
    assert f'href="{path}"' in page
    assert 'name="again" value="1"' in page
    assert (await here.send(nonce="c" * 20, again="1")).headers["Location"] != path
    assert len(here.service.vote_requests) == 2


@pytest.mark.parametrize(("field", "value"), [("quantity", "6"), ("phone", "05 01 02 03 05"), ("method", "WAVE")])
async def test_another_vote_request_is_another_order(here: Here, field: str, value: str) -> None:
    here.service.rails = RAILS_WITH_WAVE
    first = (await here.send()).headers["Location"]
    changed = {"nonce": "b" * 20, field: value}
    assert (await here.send(None, **changed)).headers["Location"] != first


async def test_an_order_that_is_over_hinders_no_new_one(here: Here) -> None:
    first = await here.ordered(status=PublicStatus.FAILED, reason="declined")
    assert "again" not in re.findall(r'name="(\w+)"', await here.read(PAGE))
    assert (await here.send(nonce="b" * 20)).headers["Location"] != first


@pytest.mark.parametrize("cookie", ["", "x", "." * 500, ".".join(["5c1d0b7e-6a0f-4c0e-9a55-0f3c1a2b7d10"] * 4), "é"])
async def test_any_cookie_is_read(here: Here, cookie: str) -> None:
    assert len(own_orders.ids_in(cookie)) <= 3
    answer = await here.client.get(PAGE, headers={"Cookie": f"orders={cookie}"})
    assert answer.status == 200


async def test_an_unanswered_prompt_shows_that_the_time_is_over(here: Here) -> None:
    path = await here.ordered(status=PublicStatus.FAILED, reason="not_answered")
    text = await here.read(path)
    assert "<h1>Time ran out</h1>" in text
    assert "/debited" in text


async def test_a_mistyped_code_is_distinguished_from_an_unknown_one() -> None:
    service = FakeVotingService()
    (contest,) = service.shown
    codes = [with_check_digit(f"{n:02d}") for n in range(1, 13)]
    people = tuple(replace(c, code=code) for c, code in zip(contest.candidates, codes, strict=True))
    service.shown = [replace(contest, check_digits=True, candidates=people, _by_code={})]
    wrong, unknown = codes[6][:-1] + str((int(codes[6][-1]) + 1) % 10), with_check_digit("77")
    async with TestClient(TestServer(application(service))) as client:
        for code, expected in ((wrong, "Mistyped code"), (unknown, "No such candidate")):
            answer = await client.get(f"/c/star/{code}", headers={"Accept-Language": "en"})
            assert answer.status == 404
            assert expected in await answer.text()
        body = {"contest": "star", "quantity": 1, "voterPhone": "0501020304"}
        for code, expected in ((wrong, "mistyped"), (unknown, "Unknown code")):
            order = await client.post(
                "/api/votes/initiate", json={**body, "candidateCode": code}, headers={"Accept-Language": "en"}
            )
            assert order.status == 422
            assert expected in (await order.json())["detail"]
        form = await client.post("/c/star", data=FORM | {"code": wrong}, headers={"Accept-Language": "en"})
        assert (form.status, "Mistyped code" in await form.text()) == (422, True)
