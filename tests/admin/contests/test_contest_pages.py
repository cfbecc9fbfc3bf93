"""A contest by page: from a template to published, with what is typed kept when something is wrong."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession

from admin.access.rules import Role
from tests.admin.back_office import Office, open_office, other_organiser

AWA, SITA, READER = (f"{name}@house.test" for name in ("awa", "sita", "reader"))
NEW = "/admin/contests/new"


@pytest.fixture
async def office(database: Any) -> AsyncIterator[Office]:
    async with open_office(database.app_url) as opened:
        await opened.hire(AWA, Role.MANAGER, organiser="demo")
        yield opened


async def drafted(office: Office, client: ClientSession, name: str = "Voix d'Or d'Abidjan", **fields: str) -> str:
    """A draft by the talent show's template; its address in the back office."""
    given = {"name": name, "begin": "talent", "country": "CI", **fields}
    status, shown = await office.form(client, NEW, **given)
    assert status == 200, shown
    assert 'class="notice good" role="status"' in shown
    assert 'class="steps"' in shown
    (contest,) = await office.rig.rows(
        "select slug from contests where state = 'draft' order by created_at desc limit 1"
    )
    return f"/admin/contests/{contest.slug}"


async def fields_on(client: ClientSession, address: str) -> dict[str, str]:
    """What stands in the fields of a form."""
    async with client.get(address) as answer:
        shown = await answer.text()
    found = dict(re.findall(r'<input id="(\w+)"[^>]* value="([^"]*)"', shown))
    found |= dict(re.findall(r'<textarea id="(\w+)"[^>]*>([^<]*)<', shown))
    found["version"] = re.findall(r'name="version" value="(\d+)"', shown)[0]
    found["time_zone"] = re.findall(r'<option value="([\w/]+)" selected>\1', shown)[0]
    return found


async def test_a_template_becomes_a_draft_with_all_that_a_contest_needs_but_people(office: Office) -> None:
    awa = await office.signed_in(AWA)
    address = await drafted(office, awa)
    assert address.endswith("/voix-d-or-d-abidjan")
    fields = await fields_on(awa, f"{address}/edit")
    assert (fields["price"], fields["packs"]) == ("100", "1, 5, 10, 50")
    # Or the voters of the contest that has 7890 would have to write a keyword.
    assert (fields["short_code"], fields["keyword"]) == ("", "")
    assert fields["opens_at"].endswith("T08:00")
    assert fields["rules_fr"]
    assert fields["rules_en"]
    for tab, said in (
        ("candidates", "no candidate"),
        ("tally", "no candidate"),
        ("log", "contest: Voix d&#39;Or d&#39;Abidjan"),
    ):
        async with awa.get(f"{address}/{tab}?lang=en") as answer:
            assert (answer.status, said in await answer.text()) == (200, True), tab
    async with awa.get("/admin/contests?lang=en") as answer:
        listed = await answer.text()
    assert "Draft" in listed
    assert "Still missing: candidates" in listed
    assert "Still missing: where voters find help" in listed
    # The same name again has another address.
    assert (await drafted(office, awa)).endswith("/voix-d-or-d-abidjan-2")


async def test_a_copy_has_everything_but_people_numbers_and_times(office: Office) -> None:
    awa = await office.signed_in(AWA)
    address = await drafted(office, awa, "Star 2", begin="copy", like="star")
    fields = await fields_on(awa, f"{address}/edit")
    assert fields["service_code"] == ""
    assert fields["contact"] == "aide@demo.local"
    assert (
        await office.rig.one(
            "select count(*) from candidates d join contests c on c.id = d.contest_id where slug = 'star-2'"
        )
        == 0
    )


@pytest.mark.parametrize(
    ("typed", "name", "sentence"),
    [
        ({"name": " "}, "name", "Give a name"),
        ({"price": "free"}, "price", "Write an amount"),
        ({"price": "0"}, "price", "Write an amount"),
        ({"packs": "1, many"}, "packs", "whole numbers"),
        ({"packs": "5000"}, "packs", "more votes than one order"),
        ({"quantity_max": "-1"}, "quantity_max", "whole number from 1"),
        ({"confirm_above": "x"}, "confirm_above", "whole number from 1"),
        ({"late_minutes": "9999"}, "late_minutes", "whole number from 0"),
        ({"opens_at": "tomorrow"}, "opens_at", "a date and a time"),
        ({"closes_at": "2020-01-01T10:00"}, "closes_at", "close after it opens"),
        ({"time_zone": "Mars"}, "time_zone", "from the list"),
        ({"language": "xx"}, "language", "from the list"),
        ({"service_code": "789"}, "service_code", "looks like *789#"),
        ({"short_code": "78 9x"}, "short_code", "digits only"),
        ({"keyword": "ÉTÉ"}, "keyword", "Letters A to Z"),
        ({"short_code": "7890", "keyword": "stop"}, "keyword", "already means something else"),
        ({"short_code": "7890", "keyword": ""}, "keyword", "a word is needed too"),
        ({"short_code": "7890", "keyword": "star"}, "keyword", "is free"),
        ({"rules_en": "x" * 1_001}, "rules_en", "At most 1000"),
        ({"contact": "x" * 61}, "contact", "At most 60"),
    ],
)
async def test_what_is_wrong_is_said_beside_its_field_and_nothing_is_lost(
    office: Office, typed: dict[str, str], name: str, sentence: str
) -> None:
    awa = await office.signed_in(AWA)
    address = await drafted(office, awa)
    fields = {**await fields_on(awa, f"{address}/edit"), "contact": "0701020304", **typed}
    status, shown = await office.form(awa, f"{address}/edit?lang=en", f"{address}/edit", **fields)
    assert status in (409, 422)
    (error,) = re.findall(rf'id="{name}-error">([^<]*)<', shown)
    assert sentence in error.replace("&#39;", "'")
    # What was typed into another field is still there, and nothing is saved.
    if name != "contact":
        assert 'value="0701020304"' in shown
    assert await office.rig.one("select contact from contests where state = 'draft'") == ""


async def test_times_are_typed_and_shown_by_the_clocks_of_the_contest(office: Office) -> None:
    awa = await office.signed_in(AWA)
    address = await drafted(office, awa, "Miss Douala", country="CM")
    fields = await fields_on(awa, f"{address}/edit")
    assert fields["time_zone"] == "Africa/Douala"
    given = fields | {"opens_at": "2027-01-05T20:00", "closes_at": "2027-02-05T22:30"}
    status, shown = await office.form(awa, f"{address}/edit?lang=en", f"{address}/edit", **given)
    assert status == 200
    (row,) = await office.rig.rows("select opens_at, closes_at from contests where slug = 'miss-douala'")
    assert (row.opens_at.isoformat(), row.closes_at.isoformat()) == (
        "2027-01-05T19:00:00+00:00",
        "2027-02-05T21:30:00+00:00",
    )
    assert "5 January 2027, 20:00" in shown
    assert "GMT+1" in shown
    # What is not touched stays to its second.
    fields = await fields_on(awa, f"{address}/edit")
    await office.form(awa, f"{address}/edit", **fields)
    assert await office.rig.one("select version from contests where slug = 'miss-douala'") == 2


async def test_two_editors_do_not_overwrite_each_other_without_being_told(office: Office) -> None:
    await office.hire(SITA, Role.MANAGER, organiser="demo")
    awa, sita = await office.signed_in(AWA), await office.signed_in(SITA)
    address = await drafted(office, awa)
    old = await fields_on(awa, f"{address}/edit")
    await office.form(sita, f"{address}/edit", **{**old, "contact": "0505050505"})
    status, shown = await office.form(
        awa, f"{address}/edit?lang=en", f"{address}/edit", **{**old, "contact": "0701020304"}
    )
    assert status == 409
    assert "Somebody else saved this contest" in shown
    assert "Saved now: 0505050505" in shown
    assert 'value="0701020304"' in shown
    again = await fields_on(awa, f"{address}/edit")
    assert again["contact"] == "0505050505"
    status, _ = await office.form(awa, f"{address}/edit", **{**again, "contact": "0701020304"})
    assert status == 200
    assert await office.rig.one("select contact from contests where state = 'draft'") == "0701020304"


async def test_the_check_names_what_is_wrong_and_the_publish_button_comes_when_nothing_is(office: Office) -> None:
    awa = await office.signed_in(AWA)
    address = await drafted(office, awa)
    async with awa.get(f"{address}/lint?lang=en") as answer:
        shown = await answer.text()
    assert "There is no candidate that can be voted for." in shown
    assert f'href="{address}/candidates"' in shown
    assert f"{address}/publish" not in shown
    # Also for a page that is old.
    status, shown = await office.form(awa, f"{address}/lint?lang=en", f"{address}/publish")
    assert status == 409
    assert "The contest is not published" in shown
    await add_candidates(office)
    async with awa.get(f"{address}/lint?lang=en") as answer:
        assert f'action="{address}/publish"' in await answer.text()
    status, shown = await office.form(awa, f"{address}/lint?lang=en", f"{address}/publish")
    assert status == 200
    assert "Published, not open yet" in shown
    assert office.rig.directory.by_slug("voix-d-or-d-abidjan") is not None


async def add_candidates(office: Office) -> None:
    """Two people in every draft."""
    token = await office.token(AWA)
    client = await office.browser()
    bearer = {"Authorization": f"Bearer {token}"}
    for row in await office.rig.rows("select slug from contests where state = 'draft'"):
        async with client.get(f"/api/admin/contests/{row.slug}", headers=bearer) as answer:
            document = await answer.json()
        document["candidates"] = [{"name": "Awa Koné"}, {"name": "Fatou Bamba"}]
        async with client.put(f"/api/admin/contests/{row.slug}", headers=bearer, json=document) as answer:
            assert answer.status == 200


async def test_an_open_contest_is_closed_by_its_name_then_archived(office: Office) -> None:
    awa = await office.signed_in(AWA)
    star = "/admin/contests/star"
    status, shown = await office.form(awa, f"{star}?lang=en", f"{star}/close", name="Star")
    assert (status, "type its name exactly" in shown) == (422, True)
    status, shown = await office.form(awa, f"{star}?lang=en", f"{star}/close", name="star d'abidjan")
    assert (status, "The contest is over." in shown) == (200, True)
    fields = await fields_on(awa, f"{star}/edit")
    status, shown = await office.form(awa, f"{star}/edit", **{**fields, "closes_at": "2036-01-01T00:00"})
    assert status == 409
    status, _ = await office.form(awa, f"{star}/edit", **{**fields, "contact": "0701020304"})
    assert status == 200
    status, shown = await office.form(awa, f"{star}?lang=en", f"{star}/archive")
    assert (status, "Archived" in shown) == (200, True)


async def test_the_preview_plays_the_real_menu_in_each_language_and_writes_nothing(office: Office) -> None:
    awa = await office.signed_in(AWA)
    address = await drafted(office, awa)
    before = await office.rig.one("select count(*) from audit_log")
    async with awa.get(f"{address}/preview?lang=en") as answer:
        shown = await answer.text()
    screens = re.findall(r'<pre lang="fr">([^<]*)</pre>', shown)
    assert len(screens) == 5
    assert "Voix d&#39;Or" in screens[0]
    assert "Awa Kone" in screens[1] or "Awa Koné" in screens[1]
    assert "500 FCFA" in screens[2]
    assert [int(n) <= 160 for n in re.findall(r"(\d+) of 160 characters", shown)] == [True] * 4
    async with awa.get(f"{address}/preview?lang=fr&speech=en&typed=6&further=1") as answer:
        shown = await answer.text()
    assert len(re.findall(r'<pre lang="en">', shown)) == 4
    for odd in ("typed=" + "9*" * 500, "further=%00%F0%9F%98%80", "speech=xx", "typed=***"):
        async with awa.get(f"{address}/preview?{odd}") as answer:
            assert answer.status == 200, odd
    assert await office.rig.one("select count(*) from audit_log") == before


async def test_the_preview_shows_what_is_typed_and_not_saved(office: Office) -> None:
    awa = await office.signed_in(AWA)
    address = await drafted(office, awa)
    fields = await fields_on(awa, f"{address}/edit")
    given = {**fields, "price": "250", "name": "Autre nom"}
    status, shown = await office.form(awa, f"{address}/edit", f"{address}/preview", **given)
    assert status == 200
    assert "Autre nom" in shown
    assert "1 250 FCFA" in shown
    assert await office.rig.one("select price_minor from contests where state = 'draft'") == 100
    status, shown = await office.form(awa, f"{address}/edit", f"{address}/preview", **{**given, "price": "x"})
    assert (status, "price-error" in shown) == (422, True)


async def test_what_a_new_contest_needs_is_asked_again(office: Office) -> None:
    awa = await office.signed_in(AWA)
    for wrong in ({"name": ""}, {"begin": "circus"}, {"country": "XX"}, {"organiser": "other"}, {"name": "x" * 81}):
        given = {"name": "Voix", "begin": "talent", "country": "CI", **wrong}
        assert (await office.form(awa, NEW, **given))[0] == 422, wrong
    status, _ = await office.form(awa, NEW, name="Copie", begin="copy", like="nowhere")
    assert status == 404
    assert await office.rig.one("select count(*) from contests") == 2


async def test_others_contests_are_unknown_and_readers_change_nothing(office: Office) -> None:
    await other_organiser(office.rig)
    await office.hire(SITA, Role.MANAGER, organiser="other")
    await office.hire(READER, Role.SUPPORT, organiser="demo")
    sita, reader = await office.signed_in(SITA), await office.signed_in(READER)
    for path in ("", "/edit", "/lint", "/preview"):
        async with sita.get(f"/admin/contests/star{path}") as answer:
            assert answer.status == 404, path
    for path, status in (("", 200), ("/lint", 200), ("/preview", 200), ("/edit", 403)):
        async with reader.get(f"/admin/contests/star{path}") as answer:
            assert answer.status == status, path
    async with reader.get("/admin/contests/new") as answer:
        assert answer.status == 403


async def test_the_way_to_a_first_contest_is_on_every_page(office: Office) -> None:
    await other_organiser(office.rig)
    await office.hire("new@other.test", Role.OWNER, "other")
    client = await office.signed_in("new@other.test")
    async with client.get("/admin") as shown:
        assert 'href="/admin/contests/new"' in await shown.text()
    address = await drafted(office, client)
    async with client.get(address) as shown:
        assert f"{address}/candidates/import" in await shown.text()
    # Who has a contest that is published begins with what waits.
    async with (await office.signed_in(AWA)).get("/admin") as shown:
        assert 'href="/admin/contests/new"' not in await shown.text()
