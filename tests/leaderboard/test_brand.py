"""Colours, logo and banner of a contest on its public page, and the stylesheet of its pages."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway.contests.brand import Brand, BrandPicture
from leaderboard.feed import Boards
from tests.demo import demo_contest
from tests.leaderboard.service import application
from tests.rigs.voting_service import FakeVotingService

LOGO = BrandPicture("/media/logo", (320, 640), 213, needs_white=True)
BANNER = BrandPicture("/media/banner", (480, 960, 1440), 480)
BRAND = Brand("#0a6b43", "#6fe3ac", LOGO, BANNER)
Client = TestClient[web.Request, web.Application]


@pytest.fixture
def service() -> FakeVotingService:
    return FakeVotingService(replace(demo_contest(), categories=("Chant",), brand=BRAND, _by_code={}))


@pytest.fixture
async def client(service: FakeVotingService) -> AsyncIterator[Client]:
    async with TestClient(TestServer(application(service, Boards()))) as client:
        yield client


def be(service: FakeVotingService, brand: Brand) -> None:
    service.shown[0] = replace(service.shown[0], brand=brand, _by_code={})


async def text(client: Client, path: str = "/c/star") -> str:
    async with client.get(path, headers={"Accept-Language": "en"}) as answer:
        assert answer.status == 200
        return await answer.text()


async def test_the_style_is_kept_for_ever_under_its_tag(client: Client, service: FakeVotingService) -> None:
    page = await text(client)
    (address,) = re.findall(r'<link rel="stylesheet" href="(/c/star/brand\.css\?v=\w+)">', page)
    assert page.rindex('rel="stylesheet"') < page.index(address)  # the last one wins
    async with client.get(address) as answer:
        assert (answer.status, answer.content_type) == (200, "text/css")
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert "--link:#0a6b43" in await answer.text()
    be(service, Brand("#5b21b6"))
    assert address not in await text(client)
    async with client.get(address) as answer:
        assert answer.headers["Cache-Control"] == "no-cache"
        assert "--link:#5b21b6" in await answer.text()


async def test_pictures_take_their_place_before_they_are_there(client: Client) -> None:
    page = await text(client)
    (banner,) = re.findall(r'<img class="banner"[^>]*>', page)
    assert 'width="1440" height="480" alt=""' in banner
    assert 'srcset="/media/banner-480.webp 480w, /media/banner-960.webp 960w, /media/banner-1440.webp 1440w"' in banner
    (logo,) = re.findall(r'<img class="logo[^>]*>', page)
    assert 'class="logo on-white" src="/media/logo-320.webp" width="160" height="53" alt="Logo of Star' in logo
    assert "banner" in await text(client, "/c/star/categories")


async def test_a_contest_without_a_brand_is_as_it_was(client: Client, service: FakeVotingService) -> None:
    be(service, Brand())
    page = await text(client)
    assert "brand.css" not in page
    assert "<img" not in page.split("<main")[0]
    for path in ("/c/star/brand.css", "/c/nobody/brand.css"):
        async with client.get(path) as answer:
            assert answer.status == 404
    assert "brand.css" not in await text(client, "/")


async def test_parts_stand_alone(client: Client, service: FakeVotingService) -> None:
    for brand, has in ((Brand("#5b21b6"), ""), (Brand(logo=LOGO), "logo"), (Brand(banner=BANNER), "banner")):
        be(service, brand)
        page = await text(client)
        assert "brand.css" in page
        assert re.findall(r'<img class="(\w+)', page.split("<main")[0]) == [has] * bool(has)
