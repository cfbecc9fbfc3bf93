"""Candidates by pages: what is typed is kept or explained, and a file is shown before it is written."""

import re
from io import BytesIO
from typing import Any

import pytest
from aiohttp import ClientSession, FormData

from admin.access.rules import Role
from admin.contests.photos import PHOTOS
from gateway.contests.nominations import Nominee
from tests.admin.back_office import Office, other_organiser
from tests.admin.candidates.test_api import AWA, MODERATOR, OTHER, READER, program
from tests.admin.candidates.test_api import office as office
from tests.rigs.nominations import PUBLIC_URL, nominations_of, texts
from tests.rigs.photos import halves, saved

PATH = "/admin/contests/star/candidates"
QUEUE = "/admin/contests/star/moderation"


@pytest.fixture
async def awa(office: Office) -> ClientSession:
    client = await office.signed_in(AWA)
    client.headers["Accept-Language"] = "en"
    return client


async def text_of(client: ClientSession, address: str, status: int = 200) -> str:
    async with client.get(address) as answer:
        assert answer.status == status, await answer.text()
        return await answer.text()


async def upload(client: ClientSession, content: bytes, **fields: str) -> tuple[int, str]:
    word = (await text_of(client, f"{PATH}/import")).split('name="form" value="')[1].split('"')[0]
    body = FormData({"form": word, **fields})
    body.add_field("file", BytesIO(content), filename="candidates.csv", content_type="text/csv")
    async with client.post(f"{PATH}/import", data=body) as answer:
        return answer.status, await answer.text()


async def states(office: Office) -> dict[str, str]:
    star = "select code, k.status from candidates k join contests c on c.id = k.contest_id where c.slug = 'star'"
    return {row.code: row.status for row in await office.rig.rows(star)}


async def test_a_candidate_is_added_and_corrected(office: Office, awa: ClientSession) -> None:
    fields = {"name": "Léa <Bony>", "code": "", "category": "Chant", "text": "One\r\ntwo", "photo": ""}
    status, page = await office.form(awa, f"{PATH}/new", **fields)
    assert (status, "13 Léa &lt;Bony&gt;" in page, "One\ntwo</textarea>" in page) == (200, True, True)
    status, page = await office.form(awa, f"{PATH}/13", **{**fields, "name": "", "text": "three"})
    assert (status, "The name is missing." in page, "three</textarea>" in page) == (422, True, True)
    status, page = await office.form(awa, f"{PATH}/13", **{**fields, "name": "Léa Bony"})
    assert (status, "say why the name changes" in page, 'value="Léa Bony"' in page) == (422, True, True)
    status, page = await office.form(awa, f"{PATH}/13", **{**fields, "name": "Léa Bony", "why": "A  slip"})
    assert (status, "Léa &lt;Bony&gt; → Léa Bony. A slip" in page, "Saved." in page) == (200, True, True)
    why = "select reason from candidate_changes where former_name = 'Léa <Bony>'"
    assert await office.rig.one(why) == "A slip"
    status, page = await office.form(awa, f"{PATH}/new", **{**fields, "code": "7", "name": "Zita"})
    assert (status, "has one digit" in page, 'value="Zita"' in page) == (422, True, True)


async def test_a_decision_is_explained(office: Office, awa: ClientSession) -> None:
    await office.rig.counted()
    decide = f"{PATH}/08/decide"
    status, page = await office.form(awa, f"{PATH}/08", decide, act="reject", reason="")
    assert (status, "To reject, evict or reinstate a candidate, say why." in page) == (422, True)
    status, page = await office.form(awa, f"{PATH}/08", decide, act="reject", reason="Not of age")
    assert (status, page.count("Not of age")) == (200, 2)
    status, page = await office.form(awa, f"{PATH}/07", f"{PATH}/07/decide", act="reject", reason="Not of age")
    assert (status, "withdraw instead" in page) == (422, True)
    assert (await office.form(awa, f"{PATH}/07", f"{PATH}/07/decide", act="gone"))[0] == 422
    assert (await states(office))["07"] == "approved"


async def test_a_candidate_gets_a_private_link(office: Office, awa: ClientSession) -> None:
    status, page = await office.form(awa, f"{PATH}/07", f"{PATH}/07/link")
    found = re.search(r"/nominations/([\w-]{43})<", page)
    assert (status, found is not None) == (200, True)
    assert found is not None
    assert found[1] not in await text_of(awa, f"{PATH}/07")
    nominations = nominations_of(office.rig)
    first = await nominations.find(found[1])
    assert first is not None
    assert (first.candidate.code, first.contest.slug) == ("07", "star")
    await office.form(awa, f"{PATH}/07", f"{PATH}/07/link")
    assert await nominations.find(found[1]) is None
    assert len(await office.audit("candidate.link")) == 2


async def test_who_proposed_themselves_can_be_reached(office: Office, awa: ClientSession) -> None:
    await office.form(awa, PATH, f"{PATH}/settings", categories="", nominations="1")
    nominations = nominations_of(office.rig)
    await nominations.nominate("star", Nominee("Léa Bony", "0501020304", consent=True), "n" * 24, "fr")
    assert "+2250501020304" in await text_of(awa, f"{PATH}/000001")
    await office.hire(READER, Role.SUPPORT, organiser="demo")
    assert "0501020304" not in await text_of(await office.signed_in(READER), f"{PATH}/000001")
    assert "1 nomination waits." in await text_of(awa, QUEUE)


async def test_the_list_is_searched(office: Office, awa: ClientSession) -> None:
    await office.form(awa, f"{PATH}/07", name="Fatou Coulibaly", category="Chant", text="", photo="")
    for query, found in (
        ("", 12),
        ("?q=fatou", 1),
        ("?q=07", 1),
        ("?q=%00", 12),
        ("?q=nobody", 0),
        ("?status=submitted", 0),
        ("?status=odd", 12),
        ("?category=Chant", 1),
        ("?page=9", 12),
        ("?page=x", 12),
    ):
        page = await text_of(awa, PATH + query)
        assert page.count('name="code" value="') == found, query


async def test_no_two_fields_of_a_page_have_one_name(awa: ClientSession) -> None:
    for address in (PATH, f"{PATH}/new", f"{PATH}/07", f"{PATH}/import", QUEUE):
        ids = re.findall(r'\bid="([^"]+)"', await text_of(awa, address))
        assert len(ids) == len(set(ids)), address


async def test_several_are_changed_after_a_look(office: Office, awa: ClientSession) -> None:
    async with awa.get(PATH) as shown:
        word = (await shown.text()).split('name="form" value="')[1].split('"')[0]

    async def sent(*codes: str, **fields: str) -> tuple[int, str]:
        body = [("form", word), *(("code", code) for code in codes), *fields.items()]
        async with awa.post(f"{PATH}/change", data=FormData(body)) as answer:
            return answer.status, await answer.text()

    wanted = {"act": "withdraw", "reason": "A round is over"}
    status, page = await sent("01", "02", **wanted)
    assert (status, "Nothing has changed yet" in page, page.count('name="code"')) == (200, True, 2)
    assert set((await states(office)).values()) == {"approved"}
    assert (await sent("01", "02", sure="1", **wanted))[0] == 200
    assert {code for code, state in (await states(office)).items() if state == "withdrawn"} == {"01", "02"}
    assert (await sent("03", act="category", category="Danse", sure="1"))[0] == 200
    for status, codes, fields in (
        (422, (), wanted),
        (422, ("03",), {}),
        (422, ("03",), {"act": "reject"}),
        (404, ("03", "99"), wanted),
    ):
        assert (await sent(*codes, **fields))[0] == status
    assert (await states(office))["03"] == "approved"


FILE = "name,code\nLéa Bony,13\nZoé,1\n,14\nZita,07\nAma Tano,\n"


async def test_every_fault_of_a_file_is_shown_before_anything_is_written(office: Office, awa: ClientSession) -> None:
    status, page = await upload(awa, FILE.encode())
    assert (status, "3 lines to correct" in page) == (200, True)
    for line, words in ((3, "has one digit"), (4, "The name is missing."), (5, "another&#39;s for ever")):
        assert f'<th scope="row" class="figure">{line}</th>' in page
        assert words in page
    assert "New: 2, changed: 0" in page
    assert len(await states(office)) == 12
    word = page.split('name="word" value="')[1].split('"')[0]
    status, page = await office.form(awa, f"{PATH}/import", f"{PATH}/import/apply", word=word)
    assert (status, "Candidates added: 2" in page) == (200, True)
    assert len(await states(office)) == 14
    # Once.
    assert (await office.form(awa, f"{PATH}/import", f"{PATH}/import/apply", word=word))[0] == 409


async def test_what_is_written_is_what_was_shown(office: Office, awa: ClientSession) -> None:
    _, page = await upload(awa, b"name\nZoe Bony\n")
    word = page.split('name="word" value="')[1].split('"')[0]
    await office.form(awa, f"{PATH}/new", name="Ama Tano", code="13")
    for stale in (word, "x", "", f"{word.partition('.')[0]}.00"):
        status, page = await office.form(awa, f"{PATH}/import", f"{PATH}/import/apply", word=stale)
        assert (status, "Nothing is written" in page) == (409, True)
    assert len(await states(office)) == 13
    _, page = await upload(awa, b"name\nZoe Bony\n")
    word = page.split('name="word" value="')[1].split('"')[0]
    other = await office.signed_in(MODERATOR)
    assert (await office.form(other, f"{PATH}/import", f"{PATH}/import/apply", word=word))[0] == 409


@pytest.mark.parametrize("content", [b"", b"\x00", b"PK\x03\x04x", "nom\nKoné".encode("cp1252")])
async def test_a_file_that_is_none_is_explained(office: Office, awa: ClientSession, content: bytes) -> None:
    status, page = await upload(awa, content)
    assert (status, "1 line to correct" in page, 'name="word"' in page) == (422, True, False)
    assert (await upload(awa, "nom\nKoné\n".encode("cp1252"), encoding="cp1252"))[0] == 200


async def test_the_model_file_can_be_sent_back(office: Office, awa: ClientSession) -> None:
    model = await text_of(awa, f"{PATH}/model.csv")
    status, page = await upload(awa, model.encode())
    assert (status, "New: 1, changed: 0" in page) == (200, True)


async def test_the_queue_is_worked_off(office: Office, awa: ClientSession) -> None:
    await upload_and_apply(office, awa, "name\nCoulibaly Fatou\nKoné Awa\n")
    page = await text_of(awa, QUEUE)
    assert ("2 nominations wait." in page, "07 Fatou Coulibaly" in page) == (True, True)
    status, page = await office.form(awa, QUEUE, f"{PATH}/13/decide", act="approve", back="queue")
    assert (status, "1 nomination waits." in page) == (200, True)
    status, page = await office.form(awa, QUEUE, f"{PATH}/14/decide", act="reject", back="queue", reason="Twice")
    assert (status, "Nobody waits." in page) == (200, True)
    assert [(await states(office))[code] for code in ("13", "14")] == ["approved", "rejected"]


async def test_whoever_decides_sees_the_photo(office: Office, awa: ClientSession) -> None:
    await upload_and_apply(office, awa, "name\nKoné Awa\n")
    assert "/media/" not in await text_of(awa, QUEUE)
    kept = await office.app[PHOTOS].keep(None, "star", "13", saved(halves()), AWA)
    for address in (QUEUE, f"{PATH}/13"):
        page = await text_of(awa, address)
        assert (f'src="{kept.address}-800.webp"' in page, 'alt="Photo of Koné Awa"' in page) == (True, True)
    assert "uploaded" in page.split("History")[1]


async def upload_and_apply(office: Office, client: ClientSession, text: str) -> None:
    _, page = await upload(client, text.encode())
    word = page.split('name="word" value="')[1].split('"')[0]
    assert (await office.form(client, f"{PATH}/import", f"{PATH}/import/apply", word=word))[0] == 200


async def test_categories_are_lines(office: Office, awa: ClientSession) -> None:
    lines = "\r\n".join(("Chant", "", "Danse"))
    status, _ = await office.form(awa, PATH, f"{PATH}/settings", categories=lines, nominations="1")
    row = (await office.rig.rows("select categories, nominations from contests where slug = 'star'"))[0]
    assert (status, row.categories, row.nominations) == (200, ["Chant", "Danse"], True)
    status, page = await office.form(awa, PATH, f"{PATH}/settings", categories="x" * 61)
    assert (status, "at most 60 characters" in page, "x" * 61 in page) == (422, True, True)


async def test_only_those_who_may_see_or_change(office: Office) -> None:
    await other_organiser(office.rig)
    await office.hire(OTHER, Role.OWNER, organiser="other")
    await office.hire(READER, Role.SUPPORT, organiser="demo")
    other, reader = await office.signed_in(OTHER), await office.signed_in(READER)
    pages: dict[str, int] = {
        PATH: 200,
        f"{PATH}/07": 200,
        f"{PATH}/new": 403,
        f"{PATH}/import": 403,
        f"{PATH}/model.csv": 403,
        QUEUE: 403,
    }
    for address, status in pages.items():
        await text_of(other, address, 404)
        await text_of(reader, address, status)
    assert '<form method="post" action="/admin/contests' not in await text_of(reader, f"{PATH}/07")
    forms: dict[str, dict[str, Any]] = {
        f"{PATH}/new": {"name": "Zita"},
        f"{PATH}/07": {"name": "Zita"},
        f"{PATH}/07/decide": {"act": "withdraw"},
        f"{PATH}/07/link": {},
        f"{PATH}/change": {"act": "withdraw", "code": "07", "sure": "1"},
        f"{PATH}/settings": {"categories": ""},
        f"{PATH}/import/apply": {"word": "x"},
    }
    for address, fields in forms.items():
        assert (await office.form(other, "/admin", address, **fields))[0] == 404, address
        assert (await office.form(reader, "/admin", address, **fields))[0] == 403, address
    assert set((await states(office)).values()) == {"approved"}


async def test_a_code_is_given_with_the_approval(office: Office, awa: ClientSession) -> None:
    await office.form(
        awa, PATH, f"{PATH}/settings", categories="", nominations="1", until=f"{office.now():%Y}-12-31T23:00"
    )
    nominations = nominations_of(office.rig)
    for number, name in enumerate(("Léa Bony", "Cira Diop", "Zita Sow")):
        contact = f"050102030{number}"
        await nominations.nominate("star", Nominee(name, contact, consent=True), f"{number}" * 24, "fr")
    page = await text_of(awa, QUEUE)
    assert ("Léa Bony" in page, ">000001" in page) == (True, False)
    await office.form(awa, QUEUE, f"{PATH}/000001/decide", act="reject", reason="Too young", back="queue")
    status, page = await office.form(awa, QUEUE, f"{PATH}/000003/decide", act="approve")
    assert (status, "13 Zita Sow" in page) == (200, True)
    # What was before is the candidate's, too.
    assert ("nomination 3" in page, page.count("<li>") >= 2) == (True, True)
    await office.form(awa, QUEUE, f"{PATH}/000002/decide", act="approve")
    rows = await office.rig.rows("select code, name from candidates where code > '12' or code like '00%' order by code")
    assert [tuple(row) for row in rows] == [("000001", "Léa Bony"), ("13", "Zita Sow"), ("14", "Cira Diop")]
    told = {(kind, number): words for kind, number, words in await texts(office.rig)}
    assert told["nomination_rejected", "+2250501020300"].endswith("Motif: Too young")
    assert f"Votre code: 13. Votre page: {PUBLIC_URL}/c/star/13" in told["nomination_approved", "+2250501020302"]


async def test_the_last_day_of_nominations_is_read_by_the_clocks_of_the_contest(
    office: Office, awa: ClientSession
) -> None:
    status, page = await office.form(awa, PATH, f"{PATH}/settings", categories="", nominations="1", until="soon")
    assert (status, "Write a day and an hour." in page) == (422, True)
    await office.form(awa, PATH, f"{PATH}/settings", categories="", nominations="1", until="2026-12-31T23:00")
    assert 'value="2026-12-31T23:00"' in await text_of(awa, PATH)
    await office.form(awa, PATH, f"{PATH}/settings", categories="", nominations="1", until="")
    assert await office.rig.one("select nominations_close_at from contests where slug = 'star'") is None


async def test_changes_of_candidates_wait_in_the_queue(office: Office, awa: ClientSession) -> None:
    _, page = await office.form(awa, f"{PATH}/07", f"{PATH}/07/link")
    found = re.search(r"/nominations/([\w-]{43})<", page)
    assert found is not None
    own = await office.browser()
    link = f"/nominations/{found[1]}"
    async with own.post(f"{link}/text", data={"text": "My own words"}) as answer:
        assert answer.status == 200
    other = await office.rig.one(
        "select k.name from candidates k join contests c on c.id = contest_id where slug = 'star' and code = '05'"
    )
    async with own.post(f"{link}/name", data={"name": f"{other}.", "why": "A wrong letter"}) as answer:
        assert answer.status == 200
    body = FormData()
    body.add_field("file", BytesIO(saved(halves())), filename="me.jpg")
    async with own.post(f"{link}/photo", data=body) as answer:
        assert answer.status == 200
    page = await text_of(awa, QUEUE)
    assert ("My own words" in page, "As it would be" in page, page.count("<img")) == (True, True, 1)
    assert (f"<b>{other}.</b>" in page, "A wrong letter" in page, f">05 {other}</a>" in page) == (True, True, True)
    await office.form(awa, QUEUE, f"{PATH}/07/correction", act="reject", reason="")
    status, page = await office.form(awa, QUEUE, f"{PATH}/07/correction", act="approve")
    assert (status, "My own words" in page) == (200, False)
    assert "My own words" in await text_of(awa, f"{PATH}/07")
    status, page = await office.form(awa, QUEUE, f"{PATH}/07/correction", act="approve")
    assert (status, "Nobody waits." in page) == (200, True)


async def test_programs_decide_about_changes(office: Office) -> None:
    call = await program(office)
    _, made = await call("POST", "/07/link")
    own = await office.browser()
    async with own.post(f"{made['address']}/text", data={"text": "My own words"}) as answer:
        assert answer.status == 200
    token = await office.token(AWA)
    headers = {"Authorization": f"Bearer {token}"}
    async with own.get("/api/admin/contests/star/corrections", headers=headers) as answer:
        (waiting,) = (await answer.json())["corrections"]
    assert (waiting["code"], waiting["text"], waiting["photo"]) == ("07", "My own words", None)
    assert (await call("PATCH", "/07/correction", {"status": "rejected"}))[0] == 422
    assert (await call("PATCH", "/07/correction", {"status": "rejected", "reason": "Too long"}))[0] == 200
    assert (await call("PATCH", "/07/correction", {"status": "approved"}))[0] == 409
    assert (await call("PATCH", "/99/correction", {"status": "approved"}))[0] == 404
    async with own.get(str(made["address"])) as answer:
        assert "Too long" in await answer.text()
