"""Candidates by the API: import with every fault, decisions, edits and their history."""

import io
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from openpyxl import Workbook
from sqlalchemy import text

from admin.access.rules import Role
from admin.candidates.api import XLSX_TYPE
from tests.admin.back_office import Office, open_office, other_organiser

AWA, MODERATOR, OTHER, READER = (f"{name}@house.test" for name in ("awa", "moderator", "other", "reader"))
STAR = "/api/admin/contests/star/candidates"
Call = Callable[..., Awaitable[tuple[int, Any]]]


@pytest.fixture
async def office(database: Any) -> AsyncIterator[Office]:
    async with open_office(database.app_url) as opened:
        await opened.hire(AWA, Role.MANAGER, organiser="demo")
        await opened.hire(MODERATOR, Role.MODERATOR, organiser="demo")
        yield opened


async def program(office: Office, email: str = AWA, language: str = "en") -> Call:
    """Calls the API as this person; status and document."""
    client = await office.browser()
    bearer = {"Authorization": f"Bearer {await office.token(email)}", "Accept-Language": language}

    async def call(method: str, path: str = "", body: Any = None, kind: str | None = None) -> tuple[int, Any]:
        given: dict[str, Any] = {} if body is None else {"json": body} if kind is None else {"data": io.BytesIO(body)}
        headers = bearer if kind is None else {**bearer, "Content-Type": kind}
        async with client.request(method, f"{STAR}{path}", headers=headers, **given) as answer:
            return answer.status, await answer.json()

    return call


async def statuses(call: Call) -> dict[str, str]:
    _, found = await call("GET")
    return {one["code"]: one["status"] for one in found["candidates"]}


FILE = "numéro;nom;catégorie\n13;Léa Bony;Chant\n1;Zoé\n14;\n;Ama Tano;Danse\n07;Zita\n"


async def test_a_dry_run_tells_every_fault_and_writes_nothing(office: Office) -> None:
    call = await program(office)
    status, found = await call("POST", "/import?dryRun=true", FILE.encode(), "text/csv")
    assert status == 200
    assert (found["rows"], found["added"], found["changed"]) == (5, 2, 0)
    assert [(fault["line"], fault["column"]) for fault in found["faults"]] == [
        (3, "numéro"),
        (4, "nom"),
        (6, "numéro"),
    ]
    assert found["faults"][1]["problem"] == "The name is missing."
    assert "07 Fatou Coulibaly" in found["faults"][2]["problem"]
    assert len(await statuses(call)) == 12
    french = await program(office, language="fr")
    _, found = await french("POST", "/import?dryRun=true", FILE.encode(), "text/csv")
    assert found["faults"][1]["problem"] == "Le nom manque."


async def test_a_faulty_file_is_refused_as_a_whole(office: Office) -> None:
    call = await program(office)
    status, problem = await call("POST", "/import", FILE.encode(), "text/csv; charset=utf-8")
    assert (status, problem["type"], len(problem["faults"])) == (422, "/problems/faulty_file", 3)
    assert problem["errors"][0]["loc"] == ["body", 3, "numéro"]
    assert len(await statuses(call)) == 12
    assert await office.audit("candidate.import") == []


async def test_a_sound_file_is_written_once(office: Office) -> None:
    call = await program(office)
    lines = "Léa Bony,Chant,She sings.", "Fatou Coulibaly,Chant,", "Fatou Koulibali,,", "Coulibaly Fatou,,"
    body = "\n".join(("name,category,text", *lines)).encode()
    status, found = await call("POST", "/import", body, "text/csv")
    assert (status, found["added"], found["changed"], found["submitted"], found["faults"]) == (200, 3, 1, 1, [])
    _, listed = await call("GET", "?category=Chant")
    assert [(one["code"], one["name"], one["text"]) for one in listed["candidates"]] == [
        ("07", "Fatou Coulibaly", ""),
        ("13", "Léa Bony", "She sings."),
    ]
    assert listed["categories"] == ["Chant"]
    _, waiting = await call("GET", "?status=submitted")
    assert [one["name"] for one in waiting["candidates"]] == ["Coulibaly Fatou"]
    # Voters read nothing of who waits.
    public = office.rig.directory.by_slug("star")
    assert public is not None
    assert (public.candidate("14") is not None, public.candidate("15")) == (True, None)
    status, again = await call("POST", "/import", body, "text/csv")
    assert (status, again["added"], again["changed"]) == (200, 0, 0)
    assert len(await office.audit("candidate.import")) == 1


async def test_a_sheet_is_imported_too(office: Office) -> None:
    book, file = Workbook(), io.BytesIO()
    for row in (("Nom", "Code"), ("Léa Bony", 21)):
        book.active.append(row)
    book.save(file)
    call = await program(office)
    status, found = await call("POST", "/import", file.getvalue(), XLSX_TYPE)
    assert (status, found["added"]) == (200, 1)
    assert (await statuses(call))["21"] == "approved"


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{}", "application/json", 415),
        (b"name\nAwa\n", "text/csv; charset=ebcdic", 415),
        (b"name\n" + b"x" * (2 << 20), "text/csv", 413),
        (b"PK\x03\x04" + b"x" * (10 << 20), XLSX_TYPE, 413),
        (b"PK\x03\x04x", XLSX_TYPE, 422),
        ("nom\nKoné".encode("cp1252"), "text/csv", 422),
        (b"", "text/csv", 422),
        (b"\x00", "text/csv", 422),
    ],
)
async def test_a_file_that_cannot_be_read_changes_nothing(office: Office, body: bytes, kind: str, status: int) -> None:
    call = await program(office)
    assert (await call("POST", "/import", body, kind))[0] == status
    assert len(await statuses(call)) == 12


async def test_a_declared_encoding_is_read(office: Office) -> None:
    call = await program(office)
    status, _ = await call("POST", "/import", "nom\nLéa Koné".encode("cp1252"), "text/csv; charset=windows-1252")
    assert status == 200
    _, found = await call("GET", "/13")
    assert found["name"] == "Léa Koné"


async def test_decisions_have_a_reason_and_a_history(office: Office) -> None:
    call = await program(office, MODERATOR)
    status, made = await call("POST", "", {"name": "Awa Outtara", "category": "Chant", "text": "One\r\ntwo "})
    assert (status, made["code"], made["status"], made["text"]) == (201, "13", "approved", "One\ntwo")
    status, problem = await call("PATCH", "/13", {"status": "rejected"})
    assert (status, problem["errors"][0]["msg"]) == (422, "To reject, evict or reinstate a candidate, say why.")
    status, found = await call("PATCH", "/13", {"status": "rejected", "reason": "Not of age"})
    assert (status, found["status"], found["reason"]) == (200, "rejected", "Not of age")
    status, found = await call("PATCH", "/13", {"status": "approved"})
    assert (status, found["status"], found["reason"]) == (200, "approved", "")
    status, found = await call("PATCH", "/13", {"status": "withdrawn", "reason": "Left the show"})
    assert (found["status"], found["reason"]) == ("withdrawn", "Left the show")
    _, past = await call("GET", "/13/history")
    steps = [(one["act"], one["after"]) for one in past["events"] if one["what"].endswith(("13", "status"))]
    assert steps == [
        ("candidate.withdrawn", "withdrawn"),
        ("candidate.approved", "approved"),
        ("candidate.rejected", "rejected"),
        ("candidate.add", "Awa Outtara (approved)"),
    ]
    assert {one["actor"] for one in past["events"]} == {MODERATOR}


async def test_who_has_votes_is_withdrawn_not_rejected(office: Office) -> None:
    await office.rig.counted()
    call = await program(office)
    status, problem = await call("PATCH", "/07", {"status": "rejected", "reason": "Not of age"})
    assert (status, problem["type"]) == (409, "/problems/invalid_candidate")
    assert (await call("PATCH", "/07", {"status": "withdrawn", "reason": "Left"}))[0] == 200
    assert (await call("PATCH", "/08", {"status": "rejected", "reason": "Not of age"}))[0] == 200


async def test_eviction_and_reinstatement_each_with_its_moment_and_reason(office: Office) -> None:
    await office.rig.counted(quantity=5)
    call = await program(office)
    for body, why in (
        ({"status": "evicted"}, "To reject, evict or reinstate a candidate, say why."),
        ({"status": "evicted", "reason": " "}, "To reject, evict or reinstate a candidate, say why."),
    ):
        status, problem = await call("PATCH", "/07", body)
        assert (status, problem["errors"][0]["msg"]) == (422, why)
    status, found = await call("PATCH", "/07", {"status": "evicted", "reason": "Last of the night"})
    assert (status, found["status"], found["reason"], found["votes"]) == (200, "evicted", "Last of the night", 5)
    assert found["evictedAt"] is not None
    assert (await call("PATCH", "/07", {"name": "Fatou C."}))[0] == 200
    _, again = await call("GET", "/07")
    assert (again["evictedAt"], again["reason"]) == (found["evictedAt"], "Last of the night")
    assert (await call("PATCH", "/07", {"status": "approved"}))[0] == 422
    assert (await call("PATCH", "/07", {"status": "rejected", "reason": "x"}))[0] == 409
    status, found = await call("PATCH", "/07", {"status": "approved", "reason": "Recount"})
    assert (status, found["status"], found["reason"], found["evictedAt"]) == (200, "approved", "", None)
    _, past = await call("GET", "/07/history")
    assert [(one["before"], one["after"], one["reason"], one["by"]) for one in past["standing"]] == [
        ("evicted", "approved", "Recount", AWA),
        ("approved", "evicted", "Last of the night", AWA),
    ]
    acts = [one["act"] for one in past["events"] if one["what"].endswith("status")]
    assert acts == ["candidate.reinstated", "candidate.evicted"]
    assert (await call("PATCH", "/08", {"status": "withdrawn", "reason": "Left"}))[0] == 200
    status, problem = await call("PATCH", "/08", {"status": "evicted", "reason": "Too late"})
    assert (status, problem["errors"][0]["msg"]) == (422, "Only an approved candidate can be evicted.")


async def test_several_are_evicted_at_once_or_none(office: Office) -> None:
    call = await program(office)
    assert (await call("PATCH", "", {"codes": ["01", "02"], "status": "evicted"}))[0] == 422
    status, made = await call("PATCH", "", {"codes": ["01", "02"], "status": "evicted", "reason": "Round 1"})
    assert (status, [one["after"] for one in made["changes"] if one["what"].endswith("status")]) == (
        200,
        ["evicted"] * 2,
    )
    rows = await office.rig.rows("select from_status, to_status, reason from candidate_changes order by id")
    assert [tuple(row) for row in rows] == [("approved", "evicted", "Round 1")] * 2


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 200),
        ({"name": "Fatou  O. Coulibaly", "category": "", "photoUrl": "https://a.example/7.jpg"}, 200),
        ({"name": ""}, 422),
        ({"name": "Yao Kouadio"}, 422),
        ({"name": "Awa\u202e"}, 422),
        ({"name": "Awa\u0000"}, 422),
        ({"text": "x" * 1_001}, 422),
        ({"photoUrl": "http://a.example/7.jpg"}, 422),
        ({"status": "submitted"}, 422),
        ({"status": "gone"}, 422),
        ({"code": "99"}, 422),
    ],
)
async def test_a_candidate_is_edited_by_the_same_rules(office: Office, body: dict[str, str], status: int) -> None:
    call = await program(office)
    assert (await call("PATCH", "/07", body))[0] == status
    _, found = await call("GET", "/07")
    assert found["name"] == ("Fatou O. Coulibaly" if "category" in body else "Fatou Coulibaly")


@pytest.mark.parametrize(
    "body",
    [{"name": "Fatou Coulibaly"}, {"name": "Zita", "code": "07"}, {"name": "Zita", "code": "7"}, {"name": " "}, {}],
)
async def test_who_is_there_is_not_added_again(office: Office, body: dict[str, str]) -> None:
    call = await program(office)
    assert (await call("POST", "", body))[0] == 422
    assert len(await statuses(call)) == 12


async def test_several_are_changed_all_or_none(office: Office) -> None:
    call = await program(office)
    await office.rig.counted()
    wanted = {"codes": ["01", "02"], "status": "withdrawn", "reason": "A round is over"}
    status, shown = await call("PATCH", "?dryRun=true", wanted)
    assert (status, len(shown["changes"])) == (200, 4)
    assert set((await statuses(call)).values()) == {"approved"}
    assert (await call("PATCH", "", wanted))[0] == 200
    assert [code for code, state in (await statuses(call)).items() if state == "withdrawn"] == ["01", "02"]
    for body, status in (
        ({"codes": ["03", "07"], "status": "rejected", "reason": "No"}, 409),
        ({"codes": ["03", "99"], "status": "withdrawn"}, 404),
        ({"codes": []}, 422),
    ):
        assert (await call("PATCH", "", body))[0] == status
    assert (await statuses(call))["03"] == "approved"
    assert (await call("PATCH", "", {"codes": ["03"], "category": "Chant"}))[0] == 200


async def test_categories_that_are_used_stay(office: Office) -> None:
    call = await program(office)
    await call("PATCH", "/07", {"category": "Chant"})
    status, found = await call("PUT", "/settings", {"categories": ["Danse", " Danse "], "nominations": True})
    assert (status, found["categories"], found["nominations"]) == (200, ["Danse", "Chant"], True)
    assert (await call("PUT", "/settings", {"categories": ["x" * 61], "nominations": True}))[0] == 422
    assert (await call("PUT", "/settings", {"categories": [str(n) for n in range(41)], "nominations": True}))[0] == 422
    moderator = await program(office, MODERATOR)
    assert (await moderator("PUT", "/settings", {"categories": [], "nominations": False}))[0] == 403


async def test_an_archived_contest_keeps_its_candidates(office: Office) -> None:
    async with office.rig.engine.begin() as connection:
        await connection.execute(text("update contests set state = 'archived' where slug = 'star'"))
    call = await program(office)
    assert (await call("PATCH", "/07", {"status": "withdrawn"}))[0] == 409
    assert (await call("POST", "/import", b"name\nZita\n", "text/csv"))[0] == 409


async def test_another_organiser_finds_nothing(office: Office) -> None:
    await other_organiser(office.rig)
    await office.hire(OTHER, Role.OWNER, organiser="other")
    await office.hire(READER, Role.SUPPORT, organiser="demo")
    other, reader = await program(office, OTHER), await program(office, READER)
    csv = (b"name\nZita\n", "text/csv")
    calls: list[tuple[Any, ...]] = [
        ("GET", ""),
        ("POST", "", {"name": "Zita"}),
        ("PATCH", "", {"codes": ["07"], "status": "withdrawn"}),
        ("PUT", "/settings", {"categories": [], "nominations": False}),
        ("POST", "/import", *csv),
        ("POST", "/import?dryRun=true", *csv),
        ("GET", "/07"),
        ("PATCH", "/07", {"status": "withdrawn"}),
        ("GET", "/07/history"),
    ]
    for given in calls:
        assert (await other(*given))[0] == 404, given
        assert (await reader(*given))[0] == (200 if given[0] == "GET" else 403), given
    assert await office.rig.rows("select 1 from audit_log where act like 'candidate.%'") == []
