"""Rounds of a contest by page and by API: added, moved, removed; what has begun stays."""

import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from aiohttp import ClientSession
from sqlalchemy import text

from admin.access.rules import Role
from admin.contests.store import STAFF_CONTESTS
from gateway.contests.contest import Phase
from gateway.contests.rounds import Round
from tests.admin.back_office import Office, open_office

AWA = "awa@house.test"
API = "/api/admin/contests/star"
PAGE = "/admin/contests/star/rounds"


@pytest.fixture
async def office(database: Any) -> AsyncIterator[Office]:
    async with open_office(database.app_url) as opened:
        await opened.hire(AWA, Role.MANAGER, organiser="demo")
        yield opened


def typed(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M}"


async def kept(office: Office) -> list[tuple[int, str, bool]]:
    rows = await office.rig.rows("select number, name, fresh from rounds order by number")
    return [tuple(row) for row in rows]


async def version(client: ClientSession) -> str:
    async with client.get(PAGE) as answer:
        assert answer.status == 200
        return str(re.findall(r'name="version" value="(\d+)"', await answer.text())[0])


async def sent(office: Office, client: ClientSession, **fields: str) -> tuple[int, str]:
    return await office.form(client, f"{PAGE}?lang=en", PAGE, version=await version(client), **fields)


async def test_rounds_are_added_moved_and_removed(office: Office) -> None:
    awa, now = await office.signed_in(AWA), await office.rig.now()
    hours = [typed(now + timedelta(hours=n)) for n in (1, 2, 3, 4, 5)]
    later = {"name_1": "Finale", "opens_1": hours[2], "closes_1": hours[3], "fresh_1": "0"}
    assert (await sent(office, awa, **later))[0] == 200
    first = {"name_2": " Demi-finale ", "opens_2": hours[0], "closes_2": hours[1], "fresh_2": "1"}
    assert (await sent(office, awa, **first))[0] == 200
    assert await kept(office) == [(1, "Demi-finale", True), (2, "Finale", False)], "in order of time"
    await office.rig.directory.refresh()
    assert [one.name for one in office.rig.contest.rounds] == ["Demi-finale", "Finale"]
    for wrong, told in (
        ({"closes_1": hours[4]}, "This round begins before the one before it is over"),
        ({"name_1": ""}, "Give a name"),
        ({"opens_1": "soon"}, "Write a beginning and an end"),
        ({"closes_1": hours[0]}, "The end must come after the beginning"),
        ({"opens_1": typed(now - timedelta(hours=1))}, "A round cannot begin in the past"),
        ({"closes_2": typed(now + timedelta(days=4000))}, "between the opening and the close"),
    ):
        status, shown = await sent(office, awa, **wrong)
        assert (status, told in shown) == (422, True), told
    assert [one.name for one in office.rig.contest.rounds] == ["Demi-finale", "Finale"]
    assert (await sent(office, awa, remove_1="1"))[0] == 200
    assert await kept(office) == [(1, "Finale", False)]


async def test_many_rounds_are_saved(office: Office) -> None:
    awa, now = await office.signed_in(AWA), await office.rig.now()
    for n in range(1, 11):
        begins = now + timedelta(hours=n)
        added = {
            f"name_{n}": f"Tour {n}",
            f"opens_{n}": typed(begins),
            f"closes_{n}": typed(begins + timedelta(minutes=30)),
        }
        assert (await sent(office, awa, **added, **{f"fresh_{n}": "1"}))[0] == 200
    async with awa.get(PAGE) as answer:
        fields = re.findall(r'name="((?:name|opens|closes)_\d+)" [^>]*value="([^"]*)"', await answer.text())
    assert len(fields) == 33, "and those of one more"
    fresh = {f"fresh_{n}": "1" for n in range(1, 11)}
    assert (await sent(office, awa, **{**dict(fields), **fresh, "name_1": "Ouverture"}))[0] == 200
    assert [name for _, name, _ in await kept(office)][:2] == ["Ouverture", "Tour 2"]


async def test_two_who_save_the_same_rounds_do_not_overwrite_each_other(office: Office) -> None:
    awa, now = await office.signed_in(AWA), await office.rig.now()
    fields = {"name_1": "A", "opens_1": typed(now + timedelta(hours=1)), "closes_1": typed(now + timedelta(hours=2))}
    assert (await office.form(awa, PAGE, PAGE, version="0", **fields))[0] == 409
    assert await kept(office) == []


async def begun(office: Office) -> None:
    async with office.rig.engine.begin() as connection:
        await connection.execute(
            text(
                "insert into rounds (contest_id, number, name, opens_at, closes_at, fresh)"
                " select id, 1, 'Un', now() - interval '1 hour', now() + interval '1 hour', true"
                " from contests where slug = 'star'"
            )
        )
    await office.rig.directory.refresh()


async def test_a_round_that_has_begun_stays_by_page_and_by_api(office: Office) -> None:
    await begun(office)
    awa, now = await office.signed_in(AWA), await office.rig.now()
    status, shown = await sent(office, awa, opens_1=typed(now + timedelta(minutes=30)))
    assert (status, "This round has begun" in shown) == (422, True)
    async with awa.get(PAGE) as answer:
        assert "readonly" in await answer.text()
    assert (await sent(office, awa, closes_1=typed(now + timedelta(hours=3)), name_1="Premier"))[0] == 200
    assert await kept(office) == [(1, "Premier", True)]
    bearer = {"Authorization": f"Bearer {await office.token(AWA)}"}
    client = await office.browser(**bearer)
    async with client.get(API) as answer:
        document = await answer.json()
    (one,) = document["contest"]["rounds"]
    assert (one["name"], one["fresh"]) == ("Premier", True)
    for rounds, status in (
        ([], 409),
        ([{**one, "fresh": False}], 409),
        ([{**one, "closes_at": one["opens_at"]}], 422),
        ([{**one, "name": "Tour 1"}], 200),
    ):
        document["contest"]["rounds"] = rounds
        async with client.put(API, json=document) as answer:
            assert answer.status == status, await answer.text()
    assert await kept(office) == [(1, "Tour 1", True)]


async def test_the_list_tells_between_two_rounds_that_nothing_is_sold(office: Office) -> None:
    now, store = await office.rig.now(), office.app[STAFF_CONTESTS]

    async def phase() -> Phase:
        return next(line.phase for line in await store.listed(None) if line.slug == "star")

    assert await phase() is Phase.OPEN
    first = Round(1, "Un", now + timedelta(hours=1), now + timedelta(hours=2))
    await office.rig.new_rules(rounds=(first,))
    assert await phase() is Phase.COMING
    await office.rig.new_rules(rounds=())
    await begun(office)
    assert await phase() is Phase.OPEN
