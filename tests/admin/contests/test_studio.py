"""The studio of a contest by page and by API, and the overlay that it steers."""

import re
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import ClientSession

from leaderboard.overlay.live import STATE_SECONDS, OnAir
from leaderboard.overlay.routes import ON_AIR
from leaderboard.overlay.store import Overlays
from leaderboard.routes import PUBLISHED
from leaderboard.scores import ContestScores
from tests.admin.acting import AWA
from tests.admin.acting import office as office
from tests.admin.back_office import Office

PAGE = "/admin/contests/star/studio"
API = "/api/admin/contests/star/overlay"


def sell(office: Office, version: int, **votes: int) -> None:
    """So many votes are counted for each candidate, as this process knows it."""
    sold = {code[1:]: count for code, count in votes.items()}
    office.app[PUBLISHED].rankings.take(ContestScores(office.rig.contest.id, "star", version, sold))  # type: ignore[attr-defined] # of the process, not of the interface


async def link_of(client: ClientSession) -> str:
    async with client.get(PAGE) as answer:
        assert answer.status == 200
        assert "frame-src 'self'" in answer.headers["Content-Security-Policy"]
        found = re.search(r'<iframe class="on-air" src="([^"]+)"', await answer.text())
    assert found is not None
    return found[1]


async def drawn(client: ClientSession, link: str) -> Any:
    async with client.get(link.replace("?", "/picture?")) as answer:
        return await answer.json() if answer.status == 200 else answer.status


def codes(picture: Any) -> list[tuple[str, int]]:
    return [(row["code"], row["votes"]) for row in picture["rows"]]


async def test_the_studio_says_what_is_on_air(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    awa, public, published = await office.signed_in(AWA), await office.browser(), office.app[PUBLISHED]
    link = await link_of(awa)
    sell(office, 9, c01=3, c07=5)
    assert (await drawn(public, link))["view"] == "hidden"
    assert (await office.form(awa, PAGE, view="board"))[0] == 200
    await office.form(awa, PAGE, places="2", delay_seconds="0", category="", round="0")
    assert codes(await drawn(public, link)) == [("07", 5), ("01", 3)]
    async with public.get(link) as answer:
        page = await answer.text()
        assert "frame-ancestors 'self'" in answer.headers["Content-Security-Policy"]
        assert (answer.headers["Referrer-Policy"], answer.headers["Cache-Control"]) == ("no-referrer", "no-store")
        assert '<html lang="fr">' in page, "the contest's language, whatever the browser's"
        assert "Star d&#39;Abidjan" in page
    # Frozen figures stay, in every process and after each reload.
    await office.form(awa, PAGE, freeze="1")
    sell(office, 20, c01=30, c07=5)
    other = OnAir(Overlays(office.rig.engine), published, office.rig.vault.subkey("overlay links"))
    contest = published.contest("star")
    assert contest is not None
    for picture in (await drawn(public, link), await other.picture(contest, lambda key, **_: key)):
        assert codes(picture) == [("07", 5), ("01", 3)]
        assert picture["note"]
    await office.form(awa, PAGE, blackout="1")
    assert codes(await drawn(public, link)) == []
    await office.form(awa, PAGE, freeze="0")
    await office.form(awa, PAGE, blackout="0", delay_seconds="10")
    assert codes(await drawn(public, link)) == [("01", 30), ("07", 5)]
    sell(office, 30, c01=31, c07=5)
    assert codes(await drawn(public, link))[0] == ("01", 30), "held back to match the picture"
    now = published.now()
    monkeypatch.setattr(published, "now", lambda: now + timedelta(seconds=11))
    assert codes(await drawn(public, link))[0] == ("01", 31)
    # What was asked of the other process reaches this one by PostgreSQL.
    monkeypatch.setattr("leaderboard.overlay.live.STATE_SECONDS", STATE_SECONDS - 1)
    async with awa.patch(API, json={"view": "lower_third"}) as answer:
        assert (await answer.json())["view"] == "lower_third"
    assert (await other.picture(contest, lambda key, **_: key))["view"] == "lower_third"
    rows = await office.rig.rows("select act from audit_log where act like 'overlay.%' order by id")
    steps = ["board", "settings", "frozen", "blackout", "unfrozen", "lit", "settings", "lower_third"]
    assert [row.act.partition(".")[2] for row in rows] == steps
    async with awa.get("/admin/contests/star/log?lang=en") as answer:
        log = await answer.text()
    assert "Votes on air frozen" in log
    assert "candidates on air: 5 → 2" in log


async def test_an_overlay_is_opened_by_the_newest_link_alone(office: Office) -> None:
    awa, public = await office.signed_in(AWA), await office.browser()
    link = await link_of(awa)
    bare = link.partition("?")[0]
    number, _, word = link.partition("=")[2].partition("-")
    wrong = [
        "",
        "?key=",
        f"?key={word}",
        f"?key={number}-{word}x",
        f"?key=1-{word}",
        f"?key=²-{word}",
        f"?key={number}-é",
    ]
    for key in wrong:
        async with public.get(bare + key) as page, public.get(f"{bare}/picture{key}") as picture:
            assert (page.status, picture.status) == (404, 404), key
    assert (await drawn(public, link))["view"] == "hidden"
    await office.form(awa, PAGE, renew="1")
    assert await drawn(public, link) == 404
    newer = await link_of(awa)
    assert (await drawn(public, newer))["view"] == "hidden"
    async with awa.get(API) as answer:
        assert (await answer.json())["link"].endswith(newer)


async def test_what_the_contest_does_not_have_is_refused(office: Office) -> None:
    awa = await office.signed_in(AWA)
    numbers = [{"places": "0"}, {"places": "13"}, {"delaySeconds": "61"}, {"delaySeconds": "-1"}, {"round": "1"}]
    for fields in ({"view": "all"}, {"category": "None such"}, *numbers):
        typed = {name.replace("S", "_s"): value for name, value in fields.items()}
        status, text = await office.form(awa, f"{PAGE}?lang=en", PAGE, **typed)
        assert (status, "Nothing was changed" in text) == (422, True), fields
        async with awa.patch(API, json=fields) as answer:
            assert (answer.status, (await answer.json())["errors"][0]["loc"]) == (422, ["body", *fields])
    assert await office.rig.rows("select 1 from overlays") == []
    # A draft has none.
    await office.form(awa, "/admin/contests/new", begin="talent", name="Later", country="CI", organiser="demo")
    async with awa.get("/admin/contests/later/studio?lang=en") as answer:
        assert (answer.status, "A draft has no overlay" in await answer.text()) == (200, True)
    async with awa.get("/api/admin/contests/later/overlay") as answer:
        assert answer.status == 409
    assert (await office.form(awa, PAGE, "/admin/contests/later/studio", view="board"))[0] == 409


async def test_while_postgresql_is_away_the_last_state_stays(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    awa, public, on_air = await office.signed_in(AWA), await office.browser(), office.app[ON_AIR]
    link = await link_of(awa)
    await office.form(awa, PAGE, view="countdown")

    async def away(*_: object) -> None:
        raise OSError("away")

    monkeypatch.setattr(on_air, "_overlays", type("Away", (), {"read": away}))
    monkeypatch.setattr("leaderboard.overlay.live.STATE_SECONDS", 0.0)
    assert (await drawn(public, link))["view"] == "countdown"
    on_air._held.clear()
    assert await drawn(public, link) == 503
