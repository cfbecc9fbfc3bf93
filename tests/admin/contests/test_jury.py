"""A jury's points: entered by one person, confirmed by another, and the ranking that they give with the votes."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from admin.access.rules import Role
from gateway.contests.contest import Candidate, CandidateStatus, Contest
from gateway.contests.jury import Juror, SheetFault, SheetRefused, check_sheet, judged, parts_of
from gateway.contests.rounds import Round
from tests.admin.acting import AWA, SITA
from tests.admin.acting import office as office
from tests.admin.back_office import Office
from tests.demo import demo_contest

PAGE = "/admin/contests/star/jury"
API = "/api/admin/contests/star/jury"
STAR = demo_contest()
NOW = STAR.opens_at + timedelta(hours=30)
EVERY = {one.code: 5 for one in STAR.candidates}


def with_values(**values: Any) -> Contest:
    return replace(STAR, **{"jury_percent": 30, **values}, _by_code={})


def changed(code: str, **values: Any) -> tuple[Candidate, ...]:
    return tuple(replace(one, **values) if one.code == code else one for one in STAR.candidates)


def parts(*hours: int) -> tuple[Round, ...]:
    """Rounds of a day that begin so many hours after the opening."""
    begins = [STAR.opens_at + timedelta(hours=one) for one in hours]
    return tuple(Round(n, f"R{n}", at, at + timedelta(hours=20)) for n, at in enumerate(begins, start=1))


LEFT = {code: points for code, points in EVERY.items() if code != "07"}
OUT = {"status": CandidateStatus.EVICTED, "evicted_at": STAR.opens_at + timedelta(hours=1)}


@pytest.mark.parametrize(
    ("values", "place", "points", "fault"),
    [
        ({}, (0, "", 1), EVERY, None),
        ({"jury_percent": None}, (0, "", 1), EVERY, SheetFault.NO_JURY),
        ({"opens_at": NOW + timedelta(seconds=1)}, (0, "", 1), EVERY, SheetFault.NOT_PUBLISHED),
        ({}, (0, "", 2), EVERY, SheetFault.JUROR),
        ({}, (1, "", 1), EVERY, SheetFault.ROUND),
        ({}, (0, "Danse", 1), {}, SheetFault.CATEGORY),
        ({}, (0, "", 1), LEFT, SheetFault.CANDIDATES),
        ({}, (0, "", 1), {**EVERY, "99": 1}, SheetFault.CANDIDATES),
        ({}, (0, "", 1), {**EVERY, "07": 101}, SheetFault.POINTS),
        ({}, (0, "", 1), {**EVERY, "07": -1}, SheetFault.POINTS),
        # A round that has not begun; who was evicted before a round began is not judged in it.
        ({"rounds": parts(0, 31)}, (2, "", 1), EVERY, SheetFault.ROUND),
        ({"rounds": parts(0, 24)}, (0, "", 1), EVERY, SheetFault.ROUND),
        ({"rounds": parts(0, 24), "candidates": changed("07", **OUT)}, (1, "", 1), EVERY, None),
        ({"rounds": parts(0, 24), "candidates": changed("07", **OUT)}, (2, "", 1), LEFT, None),
        ({"candidates": changed("07", status=CandidateStatus.WITHDRAWN)}, (0, "", 1), LEFT, None),
        ({"candidates": changed("07", category="Danse"), "categories": ("Danse",)}, (0, "Danse", 1), {"07": 9}, None),
        ({"candidates": changed("07", category="Danse"), "categories": ("Danse",)}, (0, "", 1), LEFT, None),
    ],
)
def test_which_sheets_can_be_entered(
    values: dict[str, Any], place: tuple[int, str, int], points: dict[str, int], fault: SheetFault | None
) -> None:
    found = None
    try:
        check_sheet(with_values(**values), place[0], place[1], points, NOW, [Juror(1, "Awa")], place[2])
    except SheetRefused as refused:
        found = refused.fault
    assert found is fault


def test_sheets_are_for_rounds_that_have_begun_and_categories_with_candidates() -> None:
    contest = with_values(
        rounds=parts(0, 24, 48), categories=("Danse", "Chant"), candidates=changed("07", category="Danse")
    )
    assert parts_of(contest, NOW) == [(2, "Danse"), (2, ""), (1, "Danse"), (1, "")]
    assert [one.code for one in judged(contest, 2, "Danse")] == ["07"]


async def test_points_count_once_another_person_confirmed_them(office: Office) -> None:
    await office.hire(SITA, Role.MANAGER, "demo")
    awa, sita = await office.signed_in(AWA), await office.signed_in(SITA)
    status, shown = await office.form(awa, f"{PAGE}?lang=en", PAGE, step="juror", name="Mariam")
    assert (status, "Votes alone decide this contest" in shown) == (409, True)
    async with awa.get("/api/admin/contests/star") as answer:
        document = await answer.json()
    document["contest"]["jury_percent"] = 40
    async with awa.put("/api/admin/contests/star", json=document) as answer:
        assert answer.status == 200, await answer.text()
    await office.rig.counted(quantity=3)
    for juror, name, expected in (
        (0, " ", 422),
        (1, "Mariam  Koné", 200),
        (0, "mariam koné", 409),
        (2, "Ibrahim", 200),
    ):
        status, shown = await office.form(awa, f"{PAGE}?lang=en", PAGE, step="juror", name=name)
        assert (status, f"{juror}. {' '.join(name.split())}" in shown) == (expected, bool(juror)), shown
    # A name is corrected, and who has no points goes; the number is not given again.
    for step, number, name, expected, says in (
        ("juror", "", "Ibrahima", 200, "3. Ibrahima"),
        ("rename", "1", "ibrahim", 409, "A juror of this name"),
        ("rename", "1", "\u200b", 422, "Give a name"),
        ("rename", "1", "Mariam Konaté", 200, "1. Mariam Konaté"),
        ("rename", "3", "Ibrahima", 200, "3. Ibrahima"),
        ("remove", "3", "", 200, "The juror is removed"),
        ("remove", "3", "", 404, ""),
        ("rename", "x", "Fatou", 404, ""),
        ("juror", "", "Ibrahima", 200, "4. Ibrahima"),
    ):
        status, shown = await office.form(awa, f"{PAGE}?lang=en", PAGE, step=step, juror=number, name=name)
        assert (status, says in shown) == (expected, True), (step, number, shown)
    async with awa.patch(f"{API}/jurors/1", json={"name": "Mariam Koné"}) as answer:
        assert (answer.status, await answer.json()) == (200, {"number": 1, "name": "Mariam Koné"})
    for expected in (200, 404):
        async with awa.delete(f"{API}/jurors/4") as answer:
            assert answer.status == expected
    kept = await office.rig.rows("select juror, number, name from juror_names order by juror, number")
    assert [tuple(row) for row in kept] == [(1, 1, "Mariam Konaté"), (1, 2, "Mariam Koné"), (3, 1, ""), (4, 1, "")]
    # One enters by page, with a fault first; the other one of the two by the API.
    codes = [one.code for one in office.rig.contest.eligible]
    typed = {f"points_{code}": "10" for code in codes}
    async with awa.get(f"{PAGE}?lang=en&juror=1&part=0+") as answer:
        assert 'name="points_07"' in await answer.text()
    status, shown = await office.form(
        awa, f"{PAGE}?lang=en", PAGE, part="0 ", juror="1", **{**typed, "points_07": "many"}
    )
    assert (status, 'value="many"' in shown, "a whole number from 0 to 100" in shown) == (422, True, True)
    status, shown = await office.form(awa, f"{PAGE}?lang=en", PAGE, part="0 ", juror="1", **typed)
    assert (status, "You entered these points" in shown) == (200, True)
    sent = {"juror": 2, "points": {code: 90 if code == "03" else 0 for code in codes}}
    async with awa.post(f"{API}/sheets", json=sent | {"points": {"03": 1}}) as answer:
        assert answer.status == 409
    for _ in range(2):  # the second one replaces the first
        async with awa.post(f"{API}/sheets", json=sent) as answer:
            assert answer.status == 201, await answer.text()
            entered = await answer.json()
    async with awa.get(API) as answer:
        jury = await answer.json()
    assert [one["status"] for one in jury["sheets"]] == ["waiting", "replaced", "waiting"]
    assert {one["points"] for one in jury["rankings"][0]["places"]} == {0}
    first = jury["sheets"][2]["id"]
    status, shown = await office.form(awa, f"{PAGE}?lang=en", f"{PAGE}/{first}", step="confirm")
    assert (status, "Another person than the one who entered" in shown) == (409, True)
    async with awa.post(f"{API}/sheets/{entered['id']}/decision", json={"approve": True}) as answer:
        assert answer.status == 409
    status, shown = await office.form(sita, f"{PAGE}?lang=en", f"{PAGE}/{first}", step="confirm")
    assert (status, "The points are confirmed" in shown) == (200, True), shown
    async with sita.post(f"{API}/sheets/{entered['id']}/decision", json={"approve": True}) as answer:
        assert (answer.status, (await answer.json())["number"]) == (200, 2)
    async with sita.post(f"{API}/sheets/{entered['id']}/decision", json={"approve": False}) as answer:
        assert answer.status == 409
    async with awa.get(API) as answer:
        [ranking] = (await answer.json())["rankings"]
    by_code = {one["code"]: one for one in ranking["places"]}
    of_all = 10 * len(codes) + 90
    assert (by_code["03"]["points"], by_code["03"]["rank"]) == (100, 2)
    assert by_code["07"] == by_code["07"] | {"votes": 3, "points": 10, "rank": 1, "voteShare": 10_000}
    assert by_code["07"]["score"] == round(10_000 * (0.6 + 0.4 * 10 / of_all))
    async with awa.delete(f"{API}/jurors/1") as answer:
        assert (answer.status, "they stay" in await answer.text()) == (409, True)
    # What was decided about stays.
    for change in ("status = 'refused', number = null", "number = 9"):
        with pytest.raises(DBAPIError, match="never changed"):
            async with office.rig.engine.begin() as connection:
                await connection.execute(text(f"update jury_sheets set {change} where number = 1"))
    async with awa.get("/admin/contests/star/log?lang=en") as answer:
        log = await answer.text()
    assert all(
        words in log
        for words in ("Juror added", "Juror removed", "Name of a juror corrected", "Points entered", "Points confirmed")
    )
    # Nobody has won while points wait.
    await office.rig.change("update contests set closes_at = now() - interval '1 hour' where slug = 'star'")
    certificate = "/api/admin/contests/star/exports/certificate.pdf"
    async with awa.get(certificate) as answer:
        assert (answer.status, answer.content_type) == (200, "application/pdf")
    async with awa.post(f"{API}/sheets", json=sent) as answer:
        assert answer.status == 201
    async with awa.get(certificate) as answer:
        assert (answer.status, "not confirmed yet" in await answer.text()) == (409, True)
