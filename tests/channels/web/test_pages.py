import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from aiohttp.test_utils import TestClient, TestServer
from playwright.async_api import Browser, expect

from gateway.contests.blackout import Blackout
from gateway.contests.contest import CandidateStatus, Picture
from gateway.http.limits import RateLimits
from gateway.http.pages import CONTENT_SECURITY_POLICY
from gateway.orders.routing import Rail, Rails
from gateway.orders.rules import Channel
from gateway.orders.wallet import PaymentMethod
from payments.lifecycle import PublicStatus
from tests.channels.web.browsing import FORM, PAGE, Here
from tests.channels.web.browsing import here as here
from tests.channels.web.service import NOWHERE, application
from tests.demo import demo_contest
from tests.rails import PAGE as REDIRECT
from tests.rails import XOF
from tests.rigs.voting_service import RECEIPT, FakeVotingService

FORM_TYPE = "application/x-www-form-urlencoded"


async def test_the_page_of_a_candidate(here: Here) -> None:
    here.service.scores["07"] = 1234
    text = await here.read(PAGE)
    assert "Awa Ouattara" in text
    assert "1,234 votes · rank 1" in text
    assert "100\u00a0FCFA a vote" in text
    assert 'name="method" value="ORANGE_MONEY"' in text
    assert "Numéro Mobile Money à débiter" in await here.read(PAGE, "fr")
    here.service.shown[0] = replace(here.service.shown[0], blackout=Blackout(here.service.instant), _by_code={})
    dark = await here.read(PAGE)
    assert ("ranking hidden until the announcement" in dark, "1,234" in dark, "Pay" in dark) == (True, False, True)


async def test_the_page_of_a_candidate_of_a_contest_without_a_code_to_dial(here: Here) -> None:
    here.service.shown = [replace(here.service.shown[0], service_code="", _by_code={})]
    text = await here.read(PAGE)
    assert "*07" not in text
    assert "Dial" not in text
    assert "dial" not in text


async def test_a_candidate_presents_themselves(here: Here) -> None:
    (contest,) = here.service.shown
    people = tuple(replace(c, category="Chant", text="I <sing>.\nTwo records.") for c in contest.candidates)
    here.service.shown = [replace(contest, candidates=people, _by_code={})]
    text = await here.read(PAGE)
    assert '<p class="category">Chant</p>' in text
    assert "I &lt;sing&gt;.\nTwo records." in text


async def test_a_reader_of_a_language_of_phones_gets_the_language_beside_it(here: Here) -> None:
    assert '<html lang="en">' in await here.read(PAGE, "wes")


async def test_the_photo_of_a_candidate(here: Here) -> None:
    assert "portrait" not in await here.read(PAGE)
    (contest,) = here.service.shown
    people = tuple(replace(c, photo_url=f"https://img.example/{c.code}.jpg") for c in contest.candidates)
    here.service.shown = [replace(contest, candidates=people, _by_code={})]
    answer = await here.client.get(PAGE, headers={"Accept-Language": "en"})
    text = await answer.text()
    assert '<p class="portrait"><img src="https://img.example/07.jpg" width="144" height="144"' in text
    assert 'alt="Photo of Awa Ouattara"' in text
    policy = answer.headers["Content-Security-Policy"]
    assert "img-src 'self' data: https://res.cloudinary.com https://img.example;" in policy
    assert policy.count("img.example") == 1
    # What is sent around is drawn here: strangers' addresses are not fetched from the server.
    assert 'property="og:image" content="https://vote.example/c/star/07/card.png' in text


async def test_an_uploaded_photo_of_a_candidate(here: Here) -> None:
    (contest,) = here.service.shown
    photo = Picture("/media/0a/awa", (96, 320, 960), b"blurred")
    people = tuple(replace(c, photo_url="https://img.example/a.jpg", photo=photo) for c in contest.candidates)
    here.service.shown = [replace(contest, candidates=people, _by_code={})]
    answer = await here.client.get(PAGE, headers={"Accept-Language": "en"})
    text = await answer.text()
    assert '<p class="portrait"><img src="data:image/webp;base64,Ymx1cnJlZA==" width="144" height="144" alt="">' in text
    assert (
        'src="/media/0a/awa-320.webp" srcset="/media/0a/awa-96.webp 96w, /media/0a/awa-320.webp 320w,'
        ' /media/0a/awa-960.webp 960w" sizes="144px" width="144" height="144" alt="Photo of Awa Ouattara"'
    ) in text
    assert answer.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert "img.example" not in text


async def test_each_form_has_its_own_nonce(here: Here) -> None:
    nonces = [re.search(r'name="nonce" value="([\w-]{24})"', await here.read(PAGE)) for _ in range(2)]
    assert nonces[0] is not None
    assert nonces[1] is not None
    assert nonces[0][1] != nonces[1][1]


async def test_a_form_becomes_an_order(here: Here) -> None:
    answer = await here.send()
    assert answer.status == 303
    assert re.fullmatch(r"/votes/[0-9a-f-]{36}", answer.headers["Location"])
    (vote_request,) = here.service.vote_requests
    assert (vote_request.channel, vote_request.key, vote_request.quantity, vote_request.voter) == (
        Channel.WEB,
        FORM["nonce"],
        5,
        None,
    )
    assert vote_request.payer is not None
    assert (vote_request.payer.e164, vote_request.method) == ("+2250501020304", PaymentMethod.MTN)


async def test_a_form_without_a_nonce_is_shown_once_more(here: Here) -> None:
    answer = await here.send({"Accept-Language": "en"}, nonce="")
    text = await answer.text()
    assert (answer.status, here.service.vote_requests) == (200, [])
    assert "Nothing has been ordered yet" in text
    nonce = re.search(r'name="nonce" value="([\w-]{24})"', text)
    assert nonce
    assert (await here.send(nonce=nonce[1])).status == 303


@pytest.mark.parametrize(
    ("code", "status", "words"),
    [("07", 303, ""), ("", 422, "choose a candidate"), ("99", 422, "choose a candidate"), ("0" * 99, 422, "choose")],
)
async def test_the_form_of_the_contests_page_names_its_candidate(
    here: Here, code: str, status: int, words: str
) -> None:
    headers = {"Accept-Language": "en"}
    answer = await here.client.post("/c/star", data=FORM | {"code": code}, headers=headers, allow_redirects=False)
    assert answer.status == status
    assert words in await answer.text()
    assert len(here.service.vote_requests) == (1 if status == 303 else 0)


async def test_the_form_of_an_unknown_contest_is_not_found(here: Here) -> None:
    assert (await here.client.post("/c/nowhere", data=FORM | {"code": "07"})).status == 404


@pytest.mark.parametrize(
    ("pack", "typed", "status", "quantity"),
    [("20", "", 303, 20), ("20", "20", 303, 20), ("", "7", 303, 7), ("20", "7", 422, 0), ("x", "", 422, 0)],
)
async def test_a_pack_or_a_typed_number(pack: str, typed: str, status: int, quantity: int) -> None:
    service = FakeVotingService(replace(demo_contest(), packs=(5, 20), _by_code={}))
    async with TestClient(TestServer(application(service))) as client:
        here = Here(service, client)
        assert 'name="pack" value="5" checked' in await here.read(PAGE)
        assert 'name="pack" value="20" checked' in await here.read(f"{PAGE}?votes=20")
        assert (await here.send(pack=pack, quantity=typed)).status == status
    assert [vote_request.quantity for vote_request in service.vote_requests] == ([quantity] if quantity else [])


async def test_only_accepted_ways_to_pay_are_offered(here: Here) -> None:
    assert 'value="CARD"' not in await here.read(PAGE)
    rails = here.service.rails.every
    here.service.rails = Rails(tuple(rail for rail in rails if rail.method is PaymentMethod.ORANGE))
    text = await here.read(PAGE)
    assert 'value="ORANGE_MONEY"' in text
    assert 'value="MTN_MOBILE_MONEY"' not in text


async def test_a_double_click_is_one_order(here: Here) -> None:
    first, second = await here.send(), await here.send()
    assert first.headers["Location"] == second.headers["Location"]
    assert len(here.service.vote_requests) == 1


async def test_a_form_sent_again_with_something_else_asks_first(here: Here) -> None:
    earlier = (await here.send()).headers["Location"]
    answer = await here.send(quantity="6")
    text = await answer.text()
    assert answer.status == 409
    assert f'href="{earlier}"' in text
    assert FORM["nonce"] not in text
    assert len(here.service.vote_requests) == 1


async def test_a_wallet_that_the_number_cannot_have_is_no_choice_without_script_either(here: Here) -> None:
    text = await (await here.send({"Accept-Language": "en"}, phone="0101020304", method="ORANGE_MONEY")).text()
    shown = re.findall(r'<label class="choice"( hidden)?><input type="radio" name="method" value="(\w*)"( \w+)?>', text)
    assert shown == [
        ("", "", " checked"),
        (" hidden", "MTN_MOBILE_MONEY", " disabled"),
        (" hidden", "ORANGE_MONEY", " disabled"),
    ]
    assert "does not have that wallet. Another number can pay." in text


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"quantity": "0"}, 422, "a number from 1 to 10000"),
        ({"quantity": "-1"}, 422, "a number from 1 to 10000"),
        ({"quantity": "five"}, 422, "a number from 1 to 10000"),
        ({"quantity": ""}, 422, "a number from 1 to 10000"),
        ({"quantity": "٣"}, 422, "a number from 1 to 10000"),
        ({"quantity": "1e3"}, 422, "a number from 1 to 10000"),
        ({"quantity": "1000000000"}, 422, "At most 10000"),
        ({"quantity": "9" * 10_000}, 422, "At most 10000"),
        ({"phone": ""}, 422, "Wrong number"),
        ({"phone": "0501"}, 422, "Wrong number"),
        ({"phone": "+33612345678"}, 422, "numbers of its own country"),
        ({"phone": "0101020304"}, 422, "Moov Money is not accepted yet. Another number can pay."),
        ({"phone": "0101020304", "method": "ORANGE_MONEY"}, 422, "does not have that wallet. Another number can pay."),
        ({"method": "ORANGE_MONEY"}, 422, "does not have that wallet. This number can pay by: MTN MoMo."),
        ({"method": "CARD"}, 422, "not available"),
        ({"method": "CASH"}, 422, "not available"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_a_bad_form_comes_back_with_what_is_wrong(
    here: Here, change: dict[str, str], status: int, words: str
) -> None:
    answer = await here.send({"Accept-Language": "en"}, **change)
    text = await answer.text()
    assert answer.status == status
    assert words in text
    assert FORM["nonce"] in text  # nothing was placed: the form may be sent again as it is
    assert here.service.vote_requests == []


async def test_too_few_votes_for_a_card_come_back_with_how_many_it_takes(here: Here) -> None:
    card = Rail("stripe", "CI", PaymentMethod.CARD, REDIRECT, XOF, phone_needed=False, minimum_minor=330)
    here.service.rails = Rails((card,))
    text = await (await here.send({"Accept-Language": "fr"}, method="CARD", quantity="2", phone="")).text()
    assert "Ce moyen de paiement demande au moins 4 votes." in text


async def test_the_form_of_a_card_asks_no_number(here: Here) -> None:
    assert "A card needs no phone" not in await here.read(PAGE)
    card = Rail("stripe", "CI", PaymentMethod.CARD, REDIRECT, XOF, phone_needed=False)
    here.service.rails = Rails((card,))
    assert "A card needs no phone" in await here.read(PAGE)
    # Typed before the card was chosen, and no longer to be seen.
    assert (await here.send(method="CARD", phone="0501")).status == 303
    assert here.service.vote_requests[0].payer is None


async def test_what_was_typed_is_data(here: Here) -> None:
    text = await (await here.send(phone='"><script>alert(1)</script>')).text()
    assert "<script>alert" not in text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "https://elsewhere.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 303),
        ({"Sec-Fetch-Site": "none"}, 303),
        ({}, 303),
    ],
    ids=str,
)
async def test_another_sites_form_is_refused(here: Here, headers: dict[str, str], status: int) -> None:
    assert (await here.send(headers)).status == status
    assert len(here.service.vote_requests) == (1 if status == 303 else 0)


async def test_our_own_origin_is_let_in(here: Here) -> None:
    origin = str(here.client.make_url("/")).rstrip("/")
    assert (await here.send({"Origin": origin})).status == 303


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"quantity=5", "application/json", 415),
        (b"quantity=5", "text/plain", 415),
        (b"x=1&" * 100, FORM_TYPE, 400),
        (b"phone=" + b"0" * 70_000, FORM_TYPE, 413),
        (b"phone=%ff%fe&quantity=%00", FORM_TYPE, 422),
        (b"", FORM_TYPE, 422),
        (b"phone=0501020304", FORM_TYPE + "; charset=nonsense", 422),
    ],
    ids=lambda value: repr(value)[:40],
)
async def test_an_unreadable_form_places_nothing(here: Here, body: bytes, kind: str, status: int) -> None:
    answer = await here.client.post(PAGE, data=body, headers={"Content-Type": kind})
    assert (answer.status, answer.content_type) == (status, "text/html")
    assert here.service.vote_requests == []


async def test_one_address_votes_so_often() -> None:
    service = FakeVotingService()
    async with TestClient(TestServer(application(service, RateLimits(NOWHERE, web_votes=2)))) as client:
        answers = [await Here(service, client).send({"Accept-Language": "en"}) for _ in range(3)]
        assert [a.status for a in answers] == [303, 303, 429]
        assert "Retry-After" in answers[2].headers
        assert "vote by phone or SMS" in await answers[2].text()


@pytest.mark.parametrize(
    "path", ["/c/star/99", "/c/nowhere/07", "/c/star/7", "/c/star/007777777", "/votes/7", "/nothing"]
)
async def test_what_is_not_there_has_a_page(here: Here, path: str) -> None:
    answer = await here.client.get(path)
    assert (answer.status, answer.content_type) == (404, "text/html")


async def test_a_closed_contest_shows_no_form(here: Here) -> None:
    here.service.instant = datetime(2029, 1, 1, tzinfo=UTC)
    text = await here.read(PAGE)
    assert "is closed" in text
    assert "<form" not in text
    assert (await here.send()).status == 409


async def test_who_has_withdrawn_has_no_form() -> None:
    contest = demo_contest()
    gone = replace(contest.candidates[6], status=CandidateStatus.WITHDRAWN)
    service = FakeVotingService(replace(contest, candidates=(gone,), _by_code={}))
    async with TestClient(TestServer(application(service))) as client:
        text = await Here(service, client).read(PAGE)
    assert "no longer in the contest" in text
    assert "<form" not in text


async def test_the_page_of_who_was_evicted_says_when() -> None:
    contest, at = demo_contest(), datetime(2026, 6, 1, 20, 0, tzinfo=UTC)
    gone = replace(contest.candidates[6], status=CandidateStatus.EVICTED, evicted_at=at)
    service = FakeVotingService(replace(contest, candidates=(gone,), _by_code={}))
    service.count("07", 12)
    async with TestClient(TestServer(application(service))) as client:
        text = await Here(service, client).read(PAGE)
    assert "was evicted from the contest on 1 June 2026, 20:00" in text
    assert "stay counted: 12" in text
    assert "<form" not in text


async def test_a_service_that_is_away_has_a_page(here: Here) -> None:
    here.service.away = True
    answer = await here.send()
    assert (answer.status, answer.content_type, answer.headers["Retry-After"]) == (503, "text/html", "5")


@pytest.mark.browser
@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
async def test_a_vote_in_a_browser(here: Here, browser: Browser, script: bool) -> None:
    complaints: list[str] = []
    context = await browser.new_context(viewport={"width": 360, "height": 740}, locale="fr", java_script_enabled=script)
    page = await context.new_page()
    page.on("console", lambda message: complaints.append(message.text))
    await page.goto(str(here.client.make_url(PAGE)))
    await page.fill("#quantity", "15")
    if script:
        await expect(page.locator("#to-pay")).to_have_text("1 500 FCFA")
        for number, hidden in (("0101020304", True), ("0501020304", False), ("0701020304", True)):
            await page.fill("#phone", number)
            await expect(page.locator("input[value=MTN_MOBILE_MONEY]")).to_be_visible(visible=not hidden)
    await page.fill("#phone", "0501020304")
    await page.click("button[type=submit]")
    await expect(page.locator("h1")).to_have_text("En attente de votre paiement")
    (vote_id,) = here.service.orders
    here.service.change(vote_id, status=PublicStatus.COMPLETED, receipt=RECEIPT)
    await expect(page.locator("h1")).to_have_text("Vote compté", timeout=10_000)
    if script:
        assert await page.evaluate("document.documentElement.scrollWidth") == 360
    await context.close()
    assert complaints == []
