"""What is sent around: links, pictures and QR codes."""

import io
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from PIL import Image

from channels.web.card import CardLook, CardText, draw_card
from gateway.values.drawable import drawable
from tests.channels.web.service import PUBLIC, application
from tests.demo import demo_contest
from tests.rigs.voting_service import FakeVotingService

Client = TestClient[web.Request, web.Application]


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with TestClient(TestServer(application(FakeVotingService()))) as client:
        yield client


async def page(client: Client, path: str = "/c/star/07", language: str = "fr") -> str:
    return await (await client.get(path, headers={"Accept-Language": language})).text()


async def test_a_candidate_is_shared_in_every_way(client: Client) -> None:
    text = await page(client)
    assert 'href="tel:*789*07%23"' in text
    assert f'data-copy="{PUBLIC}/c/star/07"' in text
    link = re.search(r'href="(https://wa\.me/[^"]+)"', text)
    assert link
    (shared,) = parse_qs(urlsplit(link[1]).query)["text"]
    assert "Awa Ouattara" in shared
    assert f"{PUBLIC}/c/star/07" in shared
    assert shared.endswith("*789*07#")


async def test_messengers_find_a_title_a_text_and_a_picture(client: Client) -> None:
    for language, title in (("fr", "Votez Awa Ouattara"), ("en", "Vote for Awa Ouattara")):
        text = await page(client, language=language)
        found = dict(re.findall(r'<meta property="og:(\w+)" content="([^"]*)">', text))
        assert found["title"].startswith(title)
        assert found["url"] == f"{PUBLIC}/c/star/07"
        picture = found["image"].replace("&amp;", "&")
        assert picture.startswith(f"{PUBLIC}/c/star/07/card.png?lang={language}")
        answer = await client.get(picture.removeprefix(PUBLIC))
        assert (answer.status, answer.content_type) == (200, "image/png")
        image = Image.open(io.BytesIO(await answer.read()))
        assert (image.format, image.size) == ("PNG", (1200, 630))


async def test_a_picture_is_drawn_once_and_kept(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[CardText] = []

    def draw(text: CardText, look: CardLook) -> bytes:
        drawn.append(text)
        return draw_card(text, look)

    monkeypatch.setattr("channels.web.share.draw_card", draw)
    first = await client.get("/c/star/card.png")
    again = await client.get("/c/star/card.png", headers={"If-None-Match": first.headers["ETag"]})
    assert (first.status, again.status, await again.read()) == (200, 304, b"")
    assert "max-age" in first.headers["Cache-Control"]
    await client.get("/c/star/card.png?lang=en")
    assert [text.action for text in drawn] == ["Composez *789#", "Dial *789#"]


async def test_a_new_version_has_a_new_address() -> None:
    service = FakeVotingService(replace(demo_contest(), version=7, _by_code={}))
    async with TestClient(TestServer(application(service))) as client:
        assert "card.png?lang=fr&amp;v=7" in await page(client)


@pytest.mark.parametrize("path", ["/c/star/qr.svg", "/c/star/07/qr.svg"])
async def test_a_qr_code_is_a_picture_of_its_own(client: Client, path: str) -> None:
    answer = await client.get(path)
    assert (answer.status, answer.content_type) == (200, "image/svg+xml")
    assert b"<script" not in await answer.read()
    assert (await client.get(path, headers={"If-None-Match": answer.headers["ETag"]})).status == 304


async def test_the_qr_code_stands_in_the_page(client: Client) -> None:
    text = await page(client)
    assert re.search(r'<svg viewBox="0 0 \d+ \d+" class="qr"><path', text)
    assert "style=" not in text


@pytest.mark.parametrize(
    "path", ["/c/nowhere/card.png", "/c/star/99/card.png", "/c/nowhere/qr.svg", "/c/star/99/qr.svg"]
)
async def test_pictures_of_unknown_candidates_are_not_found(client: Client, path: str) -> None:
    assert (await client.get(path)).status == 404


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("Adjɔa Kɛ", "Adjoa Ke"),
        ("N’Guessan Œuvre", "N’Guessan Œuvre"),
        ("Ẹbùn", "Ebùn"),
        ("Awa 🎤\u202e", "Awa"),
        ("", ""),
    ],
)
def test_names_are_written_with_letters_that_the_font_holds(name: str, written: str) -> None:
    assert drawable(name) == written


def test_no_name_breaks_a_card() -> None:
    for name in ("", "A", "W" * 200, "Marie-Ange " * 30, "🎤"):
        card = CardText("Votez pour", name, "Star d'Abidjan", "123456", "Composez *789*123456#", "vote.example")
        assert draw_card(card).startswith(b"\x89PNG")
