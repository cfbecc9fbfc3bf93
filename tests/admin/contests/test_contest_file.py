"""A contest as a file by page: nothing is saved before its changes were shown and the button was pressed."""

import json
import re
from collections.abc import AsyncIterator
from html import unescape
from typing import Any

import pytest
from aiohttp import ClientSession, FormData

from admin.access.rules import Role
from admin.contests.file import read_document
from gateway.contests.document import Document
from gateway.runtime.process import pages_of_staff
from tests.admin.back_office import Office, open_office

AWA, SITA, READER = (f"{name}@house.test" for name in ("awa", "sita", "reader"))
CONTEST = "/admin/contests/star"
FILE = f"{CONTEST}/file"
PAGES = pages_of_staff()


@pytest.fixture
async def office(database: Any) -> AsyncIterator[Office]:
    async with open_office(database.app_url) as opened:
        await opened.hire(AWA, Role.MANAGER, organiser="demo")
        yield opened


async def on_page(client: ClientSession) -> tuple[dict[str, Any], str]:
    """The document in the page's field, and the version that it was read at."""
    async with client.get(FILE) as answer:
        shown = await answer.text()
    (text,) = re.findall(r"<textarea[^>]*>([^<]*)</textarea>", shown)
    (version,) = re.findall(r'name="version" value="(\d+)"', shown)
    return json.loads(unescape(text)), version


async def post(office: Office, client: ClientSession, document: object, version: str, act: str) -> tuple[int, str]:
    text = document if isinstance(document, str) else json.dumps(document)
    return await office.form(client, f"{FILE}?lang=en", FILE, document=text, version=version, act=act)


async def send(client: ClientSession, data: bytes) -> tuple[int, str]:
    async with client.get(f"{FILE}?lang=en") as answer:
        (word,) = set(re.findall(r'name="form" value="(\w+)"', await answer.text()))
    form = FormData({"form": word})
    form.add_field("file", data, filename="star.json", content_type="application/json")
    async with client.post(f"{FILE}/upload", data=form) as answer:
        return answer.status, await answer.text()


async def contact(office: Office) -> str:
    return str(await office.rig.one("select contact from contests where slug = 'star'"))


async def test_the_downloaded_file_is_the_document_of_the_api_and_changes_nothing_when_sent_back(
    office: Office,
) -> None:
    client = await office.signed_in(AWA)
    async with client.get(f"{FILE}.json") as answer:
        assert answer.headers["Content-Disposition"] == 'attachment; filename="star.json"'
        downloaded = await answer.read()
    async with client.get("/api/admin/contests/star") as answer:
        assert json.loads(downloaded) == await answer.json()
    status, shown = await send(client, b"\xef\xbb\xbf" + downloaded)
    assert (status, "Nothing changes." in shown) == (200, True)


async def test_a_file_carries_the_colours_that_people_can_read(office: Office) -> None:
    client = await office.signed_in(AWA)
    document, version = await on_page(client)
    assert document["contest"]["colours"] == {"accent": "", "accent_dark": ""}
    document["contest"]["colours"]["accent"] = "#ffff00"
    status, shown = await send(client, json.dumps(document).encode())
    assert (status, "can be read" in shown) == (422, True)
    document["contest"]["colours"]["accent"] = "#7C1FA2"
    status, shown = await send(client, json.dumps(document).encode())
    assert (status, ">colours</th>" in shown, "#7c1fa2" in shown) == (200, True, True)
    assert (await post(office, client, document, version, "save"))[0] == 200
    document, version = await on_page(client)
    assert document["contest"]["colours"]["accent"] == "#7c1fa2"
    # Left out, they stay; and a copy has them.
    del document["contest"]["colours"]
    document["contest"]["contact"] = "0707070707"
    assert (await post(office, client, document, version, "save"))[0] == 200
    await office.form(client, "/admin/contests/new", name="Star 2", begin="copy", like="star")
    rows = await office.rig.rows("select accent from brands where contest_id is not null")
    assert [row.accent for row in rows] == ["#7c1fa2"] * 2


async def test_changes_are_shown_first_and_saved_on_request(office: Office) -> None:
    client = await office.signed_in(AWA)
    document, version = await on_page(client)
    document["contest"]["contact"] = "0707070707"
    document["candidates"] = [{"name": "Fatou <b>Sy</b>"}]
    before = await contact(office)
    status, shown = await send(client, json.dumps(document).encode())
    assert status == 200
    for expected in (">contact</th>", "0707070707", "candidate 13", "Fatou &lt;b&gt;Sy", "stays as it is: 01, 02"):
        assert expected in shown
    assert await contact(office) == before
    status, _ = await post(office, client, document, version, "save")
    assert (status, await contact(office)) == (200, "0707070707")
    assert await office.rig.one("select count(*) from candidates where name = 'Fatou <b>Sy</b>'") == 1


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("{", "This is not a JSON file."),
        ({"price": {"amount_minor": 0, "currency": "XOF"}}, "contest › price › amount_minor"),
        ({"closes": "2036-01-01T00:00:00Z"}, "<code>contest › closes</code> is not known"),
        ({"slug": "other"}, "The address of a contest cannot change"),
        ({"country": "CM"}, "The country of a contest cannot change"),
    ],
)
async def test_a_fault_is_told_by_its_place_and_nothing_is_saved(
    office: Office, change: str | dict[str, Any], told: str
) -> None:
    client = await office.signed_in(AWA)
    document, version = await on_page(client)
    wanted: object = change
    if isinstance(change, dict):
        document["contest"] |= {"contact": "0101010101", **change}
        wanted = document
    for act in ("check", "save"):
        status, shown = await post(office, client, wanted, version, act)
        assert status in (409, 422)
        assert told in shown
    assert await contact(office) != "0101010101"


def forms(schema: object) -> set[str]:
    """Names of fields that have a pattern, in a JSON schema."""
    if isinstance(schema, list):
        return set().union(*map(forms, schema))
    if not isinstance(schema, dict):
        return set()
    own = {name for name, field in schema.get("properties", {}).items() if '"pattern"' in json.dumps(field)}
    return own.union(*map(forms, schema.values()))


WRONG = {"name": "x", "id": "x", "photo_url": "http://", "status": "gone", "category": "\u200b", "text": "x" * 9999}
FAULTS = [
    ({"country": "ci", "service_code": "7", "short_code": "x", "keyword": "é", "slug": "É"}, 5 * ["form"]),
    (
        {"late_seconds": -1, "quantity_max": 10**7, "packs": [0], "confirm_above": "x"},
        ["above", "least", "most", "whole"],
    ),
    ({"packs": [1] * 10, "categories": 1, "rules": [], "price": 3}, ["list", "many", "object", "object"]),
    ({"late_seconds": 1.5, "refund_days": 10**400, "nominations": "x"}, ["most", "whole", "yes_or_no"]),
    ({"name": "", "contact": 3, "language": None}, ["short", "text", "text"]),
    ({"name": "x" * 201, "time_zone": "x" * 61, "tie_break": "x"}, ["choice", "long", "long"]),
    ({"opens_at": "soon", "closes_at": "2036-01-01T00:00:00", "nominations_close_at": True}, 3 * ["instant"]),
    (None, ["choice", "form", "id", "long", "strange_sign"]),
]


@pytest.mark.parametrize(("change", "kinds"), FAULTS)
def test_what_pydantic_finds_has_a_phrase(change: dict[str, Any] | None, kinds: list[str]) -> None:
    contest = {"slug": "a", "name": "A", "country": "CI", "price": {"amount_minor": 1, "currency": "XOF"}}
    contest |= {"opens_at": "2036-01-01T00:00:00Z", "closes_at": "2036-01-02T00:00:00Z"}
    document: dict[str, Any] = {"format": "spotlight contest 1", "organiser": {"slug": "a", "name": "A"}}
    document |= {"contest": contest | (change or {}), "candidates": [WRONG] if change is None else []}
    faults = read_document(json.dumps(document))
    assert isinstance(faults, list)
    assert sorted(fault.kind.partition("_")[0] if "form" in fault.kind else fault.kind for fault in faults) == kinds
    for fault in faults:
        assert PAGES.say("fr", f"admin_contest_file_fault.{fault.kind}", **fault.facts)
        assert (bool(fault.place), fault.detail) == (True, "")


def test_each_form_has_a_phrase() -> None:
    phrased = {key.removeprefix("form_") for key in PAGES.keys("admin_contest_file_fault") if key.startswith("form_")}
    assert forms(Document.model_json_schema()) == phrased


async def test_a_file_that_is_no_text_is_refused(office: Office) -> None:
    status, shown = await send(await office.signed_in(AWA), b"\x89PNG\r\n\x1a\n\xff\xd8")
    assert (status, "This is not a JSON file." in shown) == (422, True)


async def test_what_a_colleague_saved_meanwhile_is_not_overwritten(office: Office) -> None:
    await office.hire(SITA, Role.MANAGER, organiser="demo")
    awa, sita = await office.signed_in(AWA), await office.signed_in(SITA)
    document, version = await on_page(awa)
    document["contest"]["contact"] = "0101010101"
    await post(office, sita, document | {"contest": document["contest"] | {"contact": "0202020202"}}, version, "save")
    status, shown = await post(office, awa, document, version, "save")
    assert (status, "Somebody saved this contest meanwhile" in shown) == (409, True)
    assert await contact(office) == "0202020202"


async def test_who_only_reads_downloads_and_saves_nothing(office: Office) -> None:
    await office.hire(READER, Role.MODERATOR, organiser="demo")
    reader = await office.signed_in(READER)
    async with reader.get(f"{FILE}.json") as answer:
        assert answer.status == 200
    async with reader.get(FILE) as answer:
        assert answer.status == 403
