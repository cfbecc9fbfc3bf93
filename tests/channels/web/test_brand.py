"""The brand of a contest on the voters' pages and on the pictures that are shared."""

import io
from dataclasses import replace
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from PIL import Image

from channels.web import share
from channels.web.card import CardLook, CardText, draw_card
from gateway.contests.brand import Brand, BrandPicture
from gateway.storage.pictures import PicturesUnavailable
from tests.channels.web.browsing import Here
from tests.channels.web.browsing import here as here
from tests.channels.web.service import application
from tests.demo import demo_contest
from tests.rigs.photos import halves, saved
from tests.rigs.voting_service import RECEIPT, FakeVotingService, counted_receipt

LOGO = BrandPicture("/media/logo", (320, 640), 320)
BRAND = Brand("#0a6b43", "#6fe3ac", LOGO, BrandPicture("/media/banner", (480,), 160))
GREEN = (0x6F, 0xE3, 0xAC)


async def test_every_page_of_a_contest_has_its_look(here: Here) -> None:
    here.service.shown[0] = replace(here.service.shown[0], brand=BRAND, contact="0102030405", _by_code={})
    here.service.receipts[RECEIPT] = counted_receipt()
    order = await here.ordered()
    for path in ("/c/star/07", order, f"/verify/{RECEIPT}", "/c/star/debited"):
        text = await here.read(path)
        assert f'href="/c/star/brand.css?v={BRAND.tag}"' in text, path
        assert 'class="logo" src="/media/logo-320.webp"' in text, path
        assert 'class="banner"' not in text, path
    assert 'href="tel:0102030405"' in await here.read(f"/verify/{RECEIPT}")


async def test_a_message_about_no_contest_has_none(here: Here) -> None:
    async with here.client.get("/c/nobody/07") as answer:
        assert (answer.status, "brand.css" in await answer.text()) == (404, False)


class Logos:
    """Where logos are; fails while `away`."""

    def __init__(self) -> None:
        self.read = 0
        self.away = False

    async def file(self, picture: BrandPicture, width: int) -> bytes | None:
        self.read += 1
        if self.away:
            raise PicturesUnavailable("away")
        return saved(halves(640, 320), "WEBP") if picture == LOGO else None


async def test_a_shared_picture_has_colour_and_logo(monkeypatch: pytest.MonkeyPatch) -> None:
    logos: Any = Logos()
    setup = share.setup
    monkeypatch.setattr(share, "setup", lambda app, _: setup(app, logos))
    service = FakeVotingService(replace(demo_contest(), brand=BRAND, _by_code={}))
    async with TestClient(TestServer(application(service))) as client:

        async def card() -> tuple[int, bytes]:
            async with client.get("/c/star/07/card.png") as answer:
                return answer.status, await answer.read()

        logos.away = True
        assert (await card())[0] == 503
        logos.away = False
        status, body = await card()
        assert (status, await card()) == (200, (200, body))
        assert logos.read == 2
        with Image.open(io.BytesIO(body)) as image:
            assert image.convert("RGB").getpixel((90, 500)) == GREEN
            red, green = (image.convert("RGB").getpixel((x, 82)) for x in (920, 1110))
        assert isinstance(red, tuple)
        assert isinstance(green, tuple)
        assert red[0] > 150 > green[0]
        service.shown[0] = replace(service.shown[0], brand=replace(BRAND, logo=replace(LOGO, address="/media/gone")))
        assert (await card())[0] == 200


def test_a_dark_logo_lies_on_white() -> None:
    text = CardText("a", "b", "c", "", "", "")
    logo = Image.new("RGBA", (600, 300), (0, 0, 0, 0))
    logo.paste((10, 10, 40, 255), (250, 100, 350, 200))
    for needs_white in (True, False):
        drawn = draw_card(text, CardLook(logo=saved(logo, "WEBP", lossless=True), needs_white=needs_white))
        with Image.open(io.BytesIO(drawn)) as image:
            assert (image.getpixel((1100, 82)) == (255, 255, 255)) is needs_white
