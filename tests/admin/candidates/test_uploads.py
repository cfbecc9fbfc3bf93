"""Files of strangers, by every door that takes a photo of a candidate: refused or cleaned, and nothing left behind."""

import io
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import ClientSession, FormData
from PIL import Image
from sqlalchemy import text

from admin.candidates.store import CANDIDATES
from channels.web.nominations import NOMINATIONS
from gateway.contests.nominations import Nominee
from gateway.contests.pictures.resizing import BYTES_MAX
from tests.admin.back_office import Office, open_office
from tests.admin.candidates.test_api import AWA
from tests.gateway.contests.test_resizing import REFUSED, with_place
from tests.rigs.photos import halves, saved

Door = Callable[[bytes], Awaitable[int]]
BAD = ("renamed executable", "SVG with script", "bomb", "bomb of text", "bomb of a profile", "cut off", "moving PNG")
WHERE = {
    "by API": "select photo from candidates where code = '07'",
    "by page": "select photo from candidates where code = '07'",
    "who waits": "select photo from candidates where code = '000001'",
    "a candidate": "select photo from candidate_corrections",
}


@pytest.fixture
async def office(database: Any) -> AsyncIterator[Office]:
    async with open_office(database.app_url) as opened:
        await opened.hire(AWA)
        yield opened


async def doors(office: Office) -> dict[str, Door]:
    """All of them; each answers with its status."""
    program = await office.browser(Authorization=f"Bearer {await office.token(AWA)}")
    page, stranger = await office.signed_in(AWA), await office.browser()
    async with office.rig.engine.begin() as connection:
        await connection.execute(text("update contests set nominations = true where slug = 'star'"))
    nominee = Nominee("Léa Bony", "lea@example.org", consent=True)
    waits = await office.app[NOMINATIONS].nominate("star", nominee, "n" * 24, "fr")
    candidate = await office.app[CANDIDATES].new_link("star", "07", None, AWA)

    async def by_api(data: bytes) -> int:
        async with program.put("/api/admin/contests/star/candidates/07/photo", data=io.BytesIO(data)) as answer:
            return answer.status

    async def by_page(data: bytes) -> int:
        address = "/admin/contests/star/candidates/07/photo"
        async with page.get(address) as shown:
            word = (await shown.text()).split('name="form" value="')[1].split('"')[0]
        return await send(page, address, data, form=word)

    async def who_waits(data: bytes) -> int:
        return await send(stranger, f"/nominations/{waits}/photo", data)

    async def a_candidate(data: bytes) -> int:
        return await send(stranger, f"{candidate}/photo", data)

    return {"by API": by_api, "by page": by_page, "who waits": who_waits, "a candidate": a_candidate}


async def send(client: ClientSession, address: str, data: bytes, **fields: str) -> int:
    form = FormData(fields)
    form.add_field("file", io.BytesIO(data), filename="../../me.jpg", content_type="image/jpeg")
    async with client.post(address, data=form) as answer:
        return answer.status


@pytest.mark.parametrize("door", WHERE)
async def test_what_is_no_photo_is_refused_and_leaves_nothing(office: Office, door: str) -> None:
    enter = (await doors(office))[door]
    for name in BAD:
        assert await enter(REFUSED[name][0]()) == 422, name
    assert await enter(saved(halves()).ljust(BYTES_MAX + 1, b"\0")) in (413, 422)
    assert [path for path in office.pictures.rglob("*") if path.is_file()] == []
    assert {row.photo for row in await office.rig.rows(WHERE[door])} <= {None}
    assert await office.audit("candidate.photo") + await office.audit("candidate.correction") == []


@pytest.mark.parametrize("door", WHERE)
async def test_a_photo_loses_its_place(office: Office, door: str) -> None:
    assert await (await doors(office))[door](with_place()) == 200
    assert len([row for row in await office.rig.rows(WHERE[door]) if row.photo is not None]) == 1
    kept = [path for path in office.pictures.rglob("*") if path.is_file()]
    assert len(kept) == 3
    for path in kept:
        body = path.read_bytes()
        assert not any(mark in body for mark in (b"Tecno", b"taken at home", b"Cocody", b"EXIF"))
        with Image.open(io.BytesIO(body)) as image:
            assert (image.format, dict(image.getexif())) == ("WEBP", {})
        assert "me" not in path.stem.split("-")
