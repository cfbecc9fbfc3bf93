"""Colours, logo and banner of a contest and of its organiser, by API and by page."""

import io
import os
import re
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession, FormData
from PIL import Image, ImageDraw

from admin.access.rules import Role
from admin.contests.photos import PHOTOS
from gateway.contests.contest import Contest
from gateway.contests.pictures.resizing import BYTES_MAX
from tests.admin.back_office import Office, open_office, other_organiser
from tests.rigs.photos import halves, saved

STAR = "/api/admin/contests/star/brand"
DEMO = "/api/admin/organisers/demo/brand"
PAGE, OURS = "/admin/contests/star/brand", "/admin/brand/demo"
AWA, ELSE, READER = "awa@house.test", "else@other.test", "reader@house.test"


@pytest.fixture
async def office(database: Any) -> AsyncIterator[Office]:
    async with open_office(database.app_url) as opened:
        await opened.hire(AWA, Role.MANAGER, "demo")
        yield opened


async def program(office: Office, email: str = AWA) -> ClientSession:
    return await office.browser(Authorization=f"Bearer {await office.token(email)}")


async def call(
    client: ClientSession, method: str, address: str, body: object = None, data: bytes | None = None
) -> tuple[int, Any]:
    sent: dict[str, Any] = {"json": body} if body is not None else {"data": None if data is None else io.BytesIO(data)}
    async with client.request(method, address, **sent) as answer:
        return answer.status, await answer.json()


def files(office: Office) -> list[str]:
    return sorted(path.name for path in office.pictures.rglob("*") if path.is_file())


def logo(colour: tuple[int, int, int] = (20, 20, 60)) -> bytes:
    image = Image.new("RGBA", (900, 300), (0, 0, 0, 0))
    ImageDraw.Draw(image).ellipse((10, 10, 290, 290), fill=(*colour, 255))
    return saved(image, "PNG")


async def star(office: Office) -> Contest:
    await office.rig.directory.refresh()
    found = office.rig.directory.by_slug("star")
    assert found is not None
    return found


async def test_a_contest_has_its_own_look_and_else_its_organisers(office: Office) -> None:
    client = await program(office)
    nothing = {"accent": "", "accentDark": "", "logo": [], "banner": []}
    assert await call(client, "GET", STAR) == (200, {"own": nothing, "shown": nothing})
    ours, ours_shown = {"accent": "#5b21b6", "accentDark": "#c4b0ff"}, {"accent": "#5b21b6", "accentDark": "#c4b0ff"}
    status, body = await call(client, "PUT", DEMO, ours)
    assert (status, body["own"]) == (200, {**nothing, **ours_shown})
    status, body = await call(client, "PUT", f"{DEMO}/banner", data=saved(halves(2000, 900)))
    assert [one["width"] for one in body["own"]["banner"]] == [480, 960, 1440]
    status, body = await call(client, "GET", STAR)
    assert (body["own"], body["shown"]["accent"]) == (nothing, "#5b21b6")
    assert len(body["shown"]["banner"]) == 3
    status, body = await call(client, "PUT", STAR, {"accent": "0A6B43"})
    assert (body["shown"]["accent"], body["shown"]["accentDark"]) == ("#0a6b43", "")
    status, body = await call(client, "PUT", f"{STAR}/logo", data=logo())
    assert [one["width"] for one in body["own"]["logo"]] == [320, 640]
    brand = (await star(office)).brand
    assert (brand.accent, brand.accent_dark) == ("#0a6b43", "")
    assert brand.logo is not None
    assert brand.banner is not None
    assert (brand.logo.height, brand.logo.needs_white, brand.banner.height) == (213, True, 480)
    stranger = await office.browser()
    for one in (*body["shown"]["logo"], *body["shown"]["banner"]):
        async with stranger.get(one["address"]) as answer:
            assert (answer.status, answer.headers["Content-Type"]) == (200, "image/webp")
            with Image.open(io.BytesIO(await answer.read())) as image:
                assert image.width == one["width"]
    assert await call(client, "PUT", STAR, {}) == await call(client, "GET", STAR)
    assert (await star(office)).brand.accent == "#5b21b6"


async def test_acts_are_noted(office: Office) -> None:
    client = await program(office)
    await call(client, "PUT", STAR, {"accent": "#0a6b43"})
    await call(client, "PUT", STAR, {"accent": "#0a6b43"})
    await call(client, "PUT", f"{DEMO}/logo", data=logo())
    await call(client, "DELETE", f"{DEMO}/logo")
    await call(client, "DELETE", f"{DEMO}/logo")
    (line,) = await office.audit("contest.brand")
    change = {"what": "accent", "before": "none", "after": "#0a6b43"}
    assert (line.actor, line.subject, line.detail) == (AWA, "star", {"changes": [change]})
    kept, removed = await office.audit("organiser.brand")
    assert (kept.subject, kept.detail["changes"][0]["what"]) == ("demo", "logo")
    assert removed.detail["changes"][0]["before"] == kept.detail["changes"][0]["after"]


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"accent": "#ffc83d"}, {"accent": True}),
        ({"accent": "#0a6b43", "accentDark": "#0a6b43"}, {"accentDark": True}),
        ({"accent": "#ffff00", "accentDark": "#222222"}, {"accent": True, "accentDark": True}),
        ({"accent": "red"}, {"accent": False}),
        ({"accent": "#0a6b43;}"}, {"accent": False}),
        ({"accentDark": "#c4b0ff"}, {"accent": False}),
    ],
)
async def test_a_colour_that_is_hard_to_read_is_refused_with_one_that_is_not(
    office: Office, body: dict[str, str], wrong: dict[str, bool]
) -> None:
    client = await program(office)
    status, answer = await call(client, "PUT", STAR, body)
    assert (status, answer["type"]) == (422, "/problems/invalid_request")
    assert {error["loc"][1]: "nearest" in error for error in answer["errors"]} == wrong
    for error in answer["errors"]:
        if "nearest" in error:
            assert error["ratio"] < error["wanted"] == 4.5
            body[error["loc"][1]] = error["nearest"]
    assert (await star(office)).brand.accent == ""
    assert await office.audit("contest.brand") == []
    if all(wrong.values()):
        assert (await call(client, "PUT", STAR, body))[0] == 200


async def test_what_is_replaced_or_removed_is_deleted_and_what_is_shown_is_not_swept(office: Office) -> None:
    client = await program(office)
    for part in ("logo", "banner"):
        await call(client, "PUT", f"{STAR}/{part}", data=saved(halves(960, 400)))
    first = files(office)
    assert len(first) == 2 + 2
    await call(client, "PUT", f"{STAR}/logo", data=logo())
    second = files(office)
    assert len(second) == 4
    assert len({*first} & {*second}) == 2
    for path in office.pictures.rglob("*"):
        os.utime(path, (time.time() - 7200,) * 2)
    assert await office.app[PHOTOS].sweep() == 0
    for part in ("logo", "banner", "banner"):
        assert (await call(client, "DELETE", f"{STAR}/{part}"))[0] == 200
    assert files(office) == []


async def test_a_copy_of_a_contest_looks_the_same_and_keeps_its_pictures(office: Office) -> None:
    client, browser = await program(office), await office.signed_in(AWA)
    await call(client, "PUT", STAR, {"accent": "#0a6b43"})
    await call(client, "PUT", f"{STAR}/logo", data=logo())
    status, _ = await office.form(browser, "/admin/contests/new", name="Star 2", begin="copy", like="star")
    assert status == 200
    _, copied = await call(client, "GET", "/api/admin/contests/star-2/brand")
    _, source = await call(client, "GET", STAR)
    assert copied == source
    await call(client, "DELETE", f"{STAR}/logo")
    assert len(files(office)) == 2
    assert await call(client, "GET", "/api/admin/contests/star-2/brand") == (200, copied)
    await call(client, "PUT", "/api/admin/contests/star-2/brand/logo", data=logo((250, 220, 60)))
    assert len(files(office)) == 2


REFUSED = [
    ("logo", b"MZ" + bytes(4000), 422, "no_photo"),
    ("logo", b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', 422, "no_photo"),
    ("logo", saved(halves(400, 20)), 422, "too_small"),
    ("banner", saved(halves(479, 400)), 422, "too_small"),
    ("banner", saved(halves(2000, 150)), 422, "too_small"),
    ("banner", saved(halves(2000, 800))[:-3000], 422, "broken"),
    ("banner", saved(halves(2000, 800)).ljust(BYTES_MAX + 1, b"\0"), 413, "too_large"),
]


@pytest.mark.parametrize(("part", "data", "status", "fault"), REFUSED)
async def test_what_is_refused_leaves_nothing_behind(
    office: Office, part: str, data: bytes, status: int, fault: str
) -> None:
    answered, body = await call(await program(office), "PUT", f"{STAR}/{part}", data=data)
    assert (answered, body["type"]) == (status, f"/problems/photo_{fault}")
    assert files(office) == []
    assert await office.audit("contest.brand") == []
    page = await office.signed_in(AWA)
    answered, text = await send(page, f"{PAGE}/{part}", data)
    assert answered == 422
    assert 'role="alert"' in text
    assert files(office) == []


async def send(client: ClientSession, address: str, body: bytes, name: str = "x.png") -> tuple[int, str]:
    async with client.get(address) as shown:
        word = re.search(r'name="form" value="(\w+)"', await shown.text())
    assert word is not None
    data = FormData({"form": word[1]}, quote_fields=False)
    data.add_field("file", io.BytesIO(body), filename=name, content_type="image/png")
    async with client.post(address, data=data) as answer:
        return answer.status, await answer.text()


async def test_only_those_who_edit_this_contest(office: Office) -> None:
    await other_organiser(office.rig)
    await office.hire(ELSE, Role.OWNER, "other")
    await office.hire(READER, Role.AUDITOR, "demo")
    await call(await program(office), "PUT", STAR, {"accent": "#0a6b43"})
    foreign, reader = await program(office, ELSE), await program(office, READER)
    for address in (STAR, DEMO):
        assert (await call(foreign, "GET", address))[0] == 404
        assert (await call(foreign, "PUT", address, {"accent": "#0a6b43"}))[0] == 404
        assert (await call(foreign, "PUT", address, {"accent": "yellow"}))[0] == 404
        assert (await call(foreign, "PUT", f"{address}/logo", data=logo()))[0] == 404
        assert (await call(foreign, "DELETE", f"{address}/logo"))[0] == 404
        assert (await call(reader, "GET", address))[0] == 200
        assert (await call(reader, "PUT", address, {"accent": "#5b21b6"}))[0] == 403
        assert (await call(reader, "PUT", f"{address}/logo", data=logo()))[0] == 403
    assert files(office) == []
    assert (await star(office)).brand.accent == "#0a6b43"
    browser = await office.signed_in(ELSE)
    for page in (PAGE, OURS):
        async with browser.get(page) as answer:
            assert answer.status == 404
    async with browser.get("/admin/brand") as answer:
        assert (answer.status, answer.url.path) == (200, "/admin/brand/other")


@pytest.mark.parametrize("page", [PAGE, OURS])
async def test_by_the_page(office: Office, page: str) -> None:
    client = await office.signed_in(AWA)
    client.headers["Accept-Language"] = "en"
    status, text = await office.form(client, page, accent="#FFC83D", accent_dark="")
    assert status == 422
    assert "contrast with the page is 1." in text
    assert 'value="#FFC83D"' in text
    offered = re.search(r'name="use_accent" value="(#\w+)"', text)
    assert offered is not None
    async with client.get(page, params={"accent": "#ffc83d", "accent_dark": ""}) as tried:
        assert tried.status == 200
        assert offered[0] in await tried.text()
    assert (await star(office)).brand.accent == ""
    status, text = await office.form(client, page, accent="#FFC83D", accent_dark="", use_accent=offered[1])
    assert status == 200
    brand = (await star(office)).brand
    assert (brand.accent, brand.accent_dark) == (offered[1], "#ffc83d")
    assert f'fill="{offered[1]}"' in text
    status, text = await send(client, f"{page}/banner", saved(halves(2000, 800)))
    assert (status, 'class="on-stage"' in text) == (200, True)
    assert len(files(office)) == 3
    assert (await send(client, f"{page}/logo", b""))[0] == 422
    assert (await send(client, f"{page}/logo", b"", ""))[0] == 422
    status, _ = await office.form(client, page, f"{page}/banner/remove")
    assert (status, files(office)) == (200, [])
    async with client.get(f"{page}/banner/remove") as answer:
        assert answer.status == 200
    status, text = await office.form(client, page, accent="x", accent_dark="")
    assert (status, "Write a colour as #" in text) == (422, True)
    await office.form(client, page, accent="", accent_dark="")
    assert (await star(office)).brand.accent == ""


async def test_the_platform_finds_every_organisers_look(office: Office) -> None:
    await office.hire("boss@house.test")
    client = await office.signed_in("boss@house.test")
    async with client.get("/admin/brand") as answer:
        assert (answer.status, answer.url.path) == (200, "/admin/organisers")
        assert "/admin/brand/demo" in await answer.text()
    async with client.get("/admin/brand/nobody") as answer:
        assert answer.status == 404
