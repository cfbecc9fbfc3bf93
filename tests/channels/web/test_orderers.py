"""Who orders by web and API: a device by its cookie, else an address; what a caller calls itself decides nothing."""

from aiohttp.test_utils import TestClient, TestServer

from gateway.http.callers import COOKIE
from gateway.http.limits import RateLimits
from gateway.orders.prompting import Orderer, OrdererKind
from tests.channels.web.browsing import Here
from tests.channels.web.browsing import here as here
from tests.channels.web.service import KNOWN_DEVICES, NOWHERE, application
from tests.channels.web.test_api import GOOD, INITIATE
from tests.rigs.voting_service import FakeVotingService

HERE = "127.0.0.1"


def orderers(here: Here) -> list[Orderer | None]:
    return [vote_request.orderer for vote_request in here.service.vote_requests]


async def test_a_form_makes_a_device_that_stays_one(here: Here) -> None:
    first = await here.send()
    cookie = first.cookies[COOKIE]
    assert (cookie["httponly"], cookie["samesite"], cookie["secure"]) == (True, "Lax", True)
    for number, agent in enumerate(("one browser", "another")):
        headers = {"Cookie": f"{COOKIE}={cookie.value}", "User-Agent": agent}
        await here.send(headers, nonce=f"{number}" * 20, phone=f"05 01 02 04 0{number}")
    await here.send({"Cookie": f"{COOKIE}=forged"}, nonce="x" * 20, phone="05 01 02 05 06")
    device, again, still, other = (orderer.identity for orderer in orderers(here) if orderer)
    assert device == again == still == cookie.value.partition(".")[0]
    assert other != device
    assert {(o.kind, o.address) for o in orderers(here) if o} == {(OrdererKind.DEVICE, HERE)}


async def test_what_was_not_ordered_leaves_no_cookie(here: Here) -> None:
    assert COOKIE not in (await here.send(phone="nothing")).cookies
    assert COOKIE not in (await here.client.get("/c/star/07")).cookies


async def test_the_api_counts_by_address_unless_the_browser_sends_its_cookie(here: Here) -> None:
    cookie = (await here.send()).cookies[COOKIE].value
    for headers in ({"User-Agent": "one"}, {"User-Agent": "two"}, {"Cookie": f"{COOKIE}={cookie}"}):
        assert (await here.client.post(INITIATE, json=GOOD, headers=headers)).status == 201
    _, one, two, device = orderers(here)
    assert one == two == Orderer(OrdererKind.ADDRESS, HERE, HERE)
    assert device == Orderer(OrdererKind.DEVICE, cookie.partition(".")[0], HERE)


async def test_one_device_sends_ten_forms_a_minute_and_others_at_its_address_go_on() -> None:
    service = FakeVotingService()
    limits = RateLimits(NOWHERE, devices=KNOWN_DEVICES)
    async with TestClient(TestServer(application(service, limits))) as client:
        here = Here(service, client)
        cookie = f"{COOKIE}={(await here.send()).cookies[COOKIE].value}"
        sent = [await here.send({"Cookie": cookie}, nonce=f"{n:020d}") for n in range(12)]
        assert [answer.status for answer in sent] == [303] * 10 + [429] * 2
        assert (await here.send(nonce="y" * 20)).status == 303
