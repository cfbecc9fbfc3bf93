"""Photos of candidates by API and by page: kept, served, replaced, refused; and nothing left behind."""

import io
import os
import re
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import ClientSession, FormData

from admin.access.rules import Role
from admin.contests.photos import PHOTOS
from gateway.contests.pictures.resizing import BYTES_MAX
from gateway.storage.pictures import FolderPictures, PicturesUnavailable
from tests.admin.back_office import Office, open_office, other_organiser
from tests.rigs.photos import halves, saved

PHOTO = "/api/admin/contests/star/candidates/07/photo"
PAGE = "/admin/contests/star/candidates/07/photo"
MANY = "/admin/contests/star/photos"
AWA, ELSE = "awa@house.test", "else@other.test"


@pytest.fixture
async def office(database: Any) -> AsyncIterator[Office]:
    async with open_office(database.app_url) as opened:
        await opened.hire(AWA)
        yield opened


async def program(office: Office, email: str = AWA) -> ClientSession:
    return await office.browser(Authorization=f"Bearer {await office.token(email)}")


def files(office: Office) -> list[str]:
    return sorted(path.name for path in office.pictures.rglob("*") if path.is_file())


async def row(office: Office, code: str = "07") -> Any:
    (found,) = await office.rig.rows(
        "select k.photo, photo_sides, photo_blur from candidates k join contests c on c.id = contest_id"
        " where c.slug = 'star' and code = :code",
        code=code,
    )
    return found


async def put(client: ClientSession, data: bytes, address: str = PHOTO) -> tuple[int, dict[str, Any]]:
    async with client.put(address, data=io.BytesIO(data)) as answer:
        return answer.status, await answer.json()


async def test_a_photo_is_kept_and_served_for_ever(office: Office) -> None:
    client = await program(office)
    status, body = await put(client, saved(halves()))
    assert status == 200, body
    assert [square["side"] for square in body["squares"]] == [96, 320, 800]
    assert len(files(office)) == 3
    held = await row(office)
    assert (held.photo_sides, len(held.photo_blur) < 1024) == ([96, 320, 800], True)
    stranger = await office.browser()
    for square in body["squares"]:
        async with stranger.get(square["address"]) as answer:
            assert answer.status == 200
            assert answer.headers["Content-Type"] == "image/webp"
            assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Content-Disposition"].startswith('inline; filename="')
            assert (await answer.read())[8:12] == b"WEBP"
            tag = answer.headers["ETag"]
        async with stranger.get(square["address"], headers={"If-None-Match": tag}) as answer:
            assert (answer.status, await answer.read()) == (304, b"")
    for address in (f"{held.photo}-97.webp", "/media/x", f"{held.photo}/../../secret_key", f"{held.photo}-96.png"):
        async with stranger.get(address) as answer:
            assert answer.status == 404
    (line,) = await office.audit("candidate.photo")
    change = {"what": "candidate 07 photo", "before": "none", "after": held.photo}
    assert (line.actor, line.subject, line.detail) == (AWA, "star", {"changes": [change]})


async def test_what_is_replaced_or_removed_is_deleted(office: Office) -> None:
    client = await program(office)
    await put(client, saved(halves()))
    first = files(office)
    assert (await put(client, saved(halves(), "PNG")))[0] == 200
    second = files(office)
    assert len(second) == 3
    assert not {*first} & {*second}
    for _ in range(2):
        async with client.delete(PHOTO) as answer:
            assert (answer.status, await answer.json()) == (200, {"code": "07"})
    assert files(office) == []
    assert (await row(office)).photo is None
    assert [line.detail["changes"][0]["after"] == "none" for line in await office.audit("candidate.photo")] == [
        False,
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("data", "status", "fault"),
    [
        (b"MZ" + bytes(4000), 422, "no_photo"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', 422, "no_photo"),
        (saved(halves())[:-2000], 422, "broken"),
        (b"", 422, "no_photo"),
        (saved(halves()).ljust(BYTES_MAX + 1, b"\0"), 413, "too_large"),
    ],
    ids=["executable", "SVG", "cut off", "nothing", "too long"],
)
async def test_what_is_refused_leaves_nothing_behind(office: Office, data: bytes, status: int, fault: str) -> None:
    answered, body = await put(await program(office), data)
    assert (answered, body["type"]) == (status, f"/problems/photo_{fault}")
    assert files(office) == []
    assert (await row(office)).photo is None
    assert await office.audit("candidate.photo") == []


async def test_only_those_who_moderate_this_contest(office: Office) -> None:
    await other_organiser(office.rig)
    await office.hire(ELSE, Role.OWNER, "other")
    await office.hire("aud@house.test", Role.AUDITOR, "demo")
    await office.hire("mod@house.test", Role.MODERATOR, "demo")
    photo = saved(halves())
    foreign = await program(office, ELSE)
    status, body = await put(foreign, photo)
    assert (status, body["type"]) == (404, "/problems/unknown_candidate")
    assert body == (await put(foreign, photo, PHOTO.replace("star", "none")))[1]
    async with foreign.delete(PHOTO) as answer:
        assert answer.status == 404
    assert (await put(await program(office, "aud@house.test"), photo))[0] == 403
    async with (await office.browser()).put(PHOTO, data=photo) as answer:
        assert answer.status == 401
    for page in (PAGE, MANY):
        async with (await office.signed_in(ELSE)).get(page) as answer:
            assert answer.status == 404
    assert files(office) == []
    assert (await put(await program(office, "mod@house.test"), photo))[0] == 200
    assert (await put(await program(office, "mod@house.test"), photo, PHOTO.replace("07", "99")))[0] == 404


class Failing(FolderPictures):
    """A store that takes two squares and fails at each third."""

    count = 0

    async def put(self, key: str, body: bytes) -> None:
        self.count += 1
        if self.count % 3 == 0:
            raise PicturesUnavailable("full")
        await super().put(key, body)


async def test_a_store_that_fails_changes_nothing_and_is_swept(office: Office) -> None:
    client, photo = await program(office), saved(halves())
    await put(client, photo)
    before, photos = await row(office), office.app[PHOTOS]
    photos._pictures = Failing(office.pictures)
    status, body = await put(client, photo)
    assert (status, body["title"]) == (503, "Service busy")
    browser = await office.signed_in(AWA)
    browser.headers["Accept-Language"] = "en"
    status, text, _ = await send(browser, PAGE, ("07.jpg", photo))
    assert status == 422
    assert "could not be kept" in text
    assert await row(office) == before
    assert len(files(office)) == 3 + 2 + 2
    assert await photos.sweep() == 0  # a photo that is being written looks the same
    for path in office.pictures.rglob("*"):
        os.utime(path, (time.time() - 7200,) * 2)
    assert await photos.sweep() == 4
    assert len(files(office)) == 3
    async with client.get(f"{before.photo}-96.webp") as answer:
        assert answer.status == 200


async def word(client: ClientSession, address: str) -> str:
    async with client.get(address) as answer:
        text = await answer.text()
        assert answer.status == 200, text
    found = re.search(r'name="form" value="(\w+)"', text)
    assert found is not None
    return found[1]


async def send(client: ClientSession, address: str, *sent: tuple[str, bytes]) -> tuple[int, str, str]:
    """Send files by the form at `address`: status, text, and where it led."""
    data = FormData({"form": await word(client, address)}, quote_fields=False)
    for name, body in sent:
        data.add_field("files", io.BytesIO(body), filename=name, content_type="image/jpeg")
    async with client.post(address, data=data) as answer:
        return answer.status, await answer.text(), answer.url.path


async def test_a_photo_by_the_page(office: Office) -> None:
    client = await office.signed_in(AWA)
    client.headers["Accept-Language"] = "en"
    status, text, led = await send(client, PAGE, ("IMG_2041.jpg", saved(halves())))
    assert (status, led) == (200, PAGE)
    assert f'src="{(await row(office)).photo}-800.webp"' in text
    assert 'href="/admin/contests/star/candidates/08/photo"' in text, "the next one without a photo"
    # What a script fetched, nobody has seen: the page that is opened next says it, once.
    client.headers["Sec-Fetch-Mode"] = "cors"
    assert "The photo of" in (await send(client, PAGE, ("IMG_2041.jpg", saved(halves()))))[1]
    client.headers["Sec-Fetch-Mode"] = "navigate"
    for said in (True, False):
        async with client.get(PAGE) as answer:
            assert ("The photo of" in await answer.text()) is said
    for body, words in ((b"GIF89a", "neither a JPEG nor a PNG"), (b"", "Choose a photo"), (bytes(12_000_000), "5 MB")):
        status, text, _ = await send(client, PAGE, ("07.jpg", body))
        assert status == 422
        assert words in text
    assert (await send(client, PAGE, ("", b"")))[0] == 422  # as browsers send a form in which no file was chosen
    assert len(files(office)) == 3
    status, _ = await office.form(client, PAGE, f"{PAGE}/remove")
    assert status == 200
    assert files(office) == []


async def test_many_photos_at_once_by_their_codes(office: Office) -> None:
    client = await office.signed_in(AWA)
    client.headers["Accept-Language"] = "en"
    photo = saved(halves(300, 300))
    status, text, _ = await send(
        client,
        MANY,
        ("07.jpg", photo),
        ("08 Yao.PNG", photo),
        ("09-2.jpg", b"MZ"),
        ("99.jpg", photo),
        ("awa.jpg", photo),
        ("1234567.jpg", photo),
        ("10.jpg", bytes(BYTES_MAX + 5)),
        ("11.jpg", photo),
    )
    assert status == 200
    lines = text.split("<b>")[1:]
    assert [line.split("<")[0] for line in lines[:8]] == [
        "07.jpg", "08 Yao.PNG", "09-2.jpg", "99.jpg", "awa.jpg", "1234567.jpg", "10.jpg", "11.jpg",
    ]  # fmt: skip
    words = ["Photo saved", "Photo saved", "neither", "No candidate", "does not begin", "does not begin", "5 MB"]
    for line, expected in zip(lines, [*words, "Photo saved"], strict=False):
        assert expected in line
    assert "3 of 12 candidates have a photo" in text
    assert len(files(office)) == 6
    assert (await send(client, MANY, ("x.jpg", photo)))[0] == 422


async def test_a_form_from_elsewhere_or_an_old_one_is_refused_before_a_file_is_read(office: Office) -> None:
    client = await office.signed_in(AWA)
    data = FormData({"form": "0" * 32})
    data.add_field("files", io.BytesIO(saved(halves())), filename="07.jpg")
    async with client.post(MANY, data=data) as answer:
        assert answer.status == 403
    data = FormData({"form": await word(client, MANY)})
    data.add_field("files", io.BytesIO(saved(halves())), filename="07.jpg")
    async with client.post(MANY, data=data, headers={"Sec-Fetch-Site": "cross-site"}) as answer:
        assert answer.status == 403
    late = FormData()
    late.add_field("files", io.BytesIO(saved(halves())), filename="07.jpg")
    late.add_field("form", await word(client, MANY))
    async with client.post(MANY, data=late) as answer:
        assert answer.status == 403
    for kind, body in (
        ("multipart/form-data; boundary=x", b"nothing"),
        ("multipart/form-data", b""),
        ("text/plain", b""),
    ):
        async with client.post(MANY, data=body, headers={"Content-Type": kind}) as answer:
            assert answer.status in (400, 403, 415)
    assert files(office) == []


async def test_readers_see_it_within_a_second(office: Office) -> None:
    await put(await program(office), saved(halves()))
    await office.rig.directory.refresh()
    contest = office.rig.directory.by_slug("star")
    assert contest is not None
    candidate = contest.candidate("07")
    assert candidate is not None
    held = await row(office)
    assert candidate.photo is not None
    assert (candidate.photo.address, candidate.photo.sides) == (held.photo, (96, 320, 800))
    assert replace(candidate, photo=None) != candidate
