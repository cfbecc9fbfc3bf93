"""A ranking is hidden and its result announced, by page and by API; the back office goes on."""

import re
from datetime import timedelta
from zoneinfo import ZoneInfo

from leaderboard.routes import PUBLISHED
from leaderboard.scores import ContestScores
from tests.admin.acting import AWA
from tests.admin.acting import office as office
from tests.admin.back_office import Office

PAGE = "/admin/contests/star/announcement"
API = "/api/admin/contests/star/blackout"


def sell(office: Office, version: int, votes: int) -> None:
    """So many votes are counted for candidate 07, as this process knows it."""
    scores = ContestScores(office.rig.contest.id, "star", version, {"07": votes})
    office.app[PUBLISHED].rankings.take(scores)  # type: ignore[attr-defined] # of the process, not of the interface


async def test_a_ranking_is_hidden_until_its_result_is_announced(office: Office) -> None:
    awa, service = await office.signed_in(AWA), office.app[PUBLISHED]
    zone, now = ZoneInfo(office.rig.contest.time_zone), await office.rig.now()
    later, planned = (f"{(now + timedelta(hours=n)).astimezone(zone):%Y-%m-%dT%H:%M}" for n in (1, 3))
    sell(office, 1, 5)
    for fields, status, expected in (
        ({"begins": "soon"}, 422, "Write each time as day and hour"),
        ({"begins": "2026-01-01T20:00"}, 409, "a time that is over"),
        ({"announcement": "2026-01-01T20:00"}, 409, "has to be in the future"),
        ({"step": "announce"}, 409, "is not hidden"),
        ({"begins": later, "announcement": planned}, 200, "will be hidden from"),
    ):
        answered, text = await office.form(awa, f"{PAGE}?lang=en", PAGE, **fields)
        assert (answered, expected in text) == (status, True), fields
    assert service.ranking("star").total_votes == 5
    status, text = await office.form(awa, f"{PAGE}?lang=en", PAGE, step="announce")
    assert (status, "The ranking stays visible" in text) == (200, True)
    status, text = await office.form(awa, f"{PAGE}?lang=en", PAGE, announcement=planned)
    assert "The ranking is hidden since" in text
    sell(office, 2, 9)
    assert (service.ranking("star").hidden is not None, service.ranking("star").total_votes) == (True, 0)
    # What is saved otherwise leaves it alone, and staff see all figures.
    async with awa.get("/admin/contests/star?lang=en") as answer:
        assert answer.status == 200
    assert service.counted("star").total_votes == 9  # type: ignore[attr-defined] # of the process, not of the interface
    async with awa.get(API) as answer:
        state = await answer.json()
    assert (state["hidden"], state["announcedAt"]) == (True, None)
    async with awa.put(API, json={"beginsAt": (now + timedelta(hours=2)).isoformat()}) as answer:
        assert answer.status == 409
    async with awa.put(API, json={}) as answer:
        changed = await answer.json()
    assert (changed["beginsAt"], changed["announcementAt"]) == (state["beginsAt"], None)
    async with awa.delete(API) as answer:
        assert (answer.status, (await answer.json())["hidden"]) == (200, False)
    async with awa.delete(API) as answer:
        assert answer.status == 409
    sell(office, 3, 9)
    assert (service.ranking("star").hidden, service.ranking("star").total_votes) == (None, 9)
    async with awa.get("/admin/contests/star/log?lang=en") as answer:
        log = await answer.text()
    for expected in ("Ranking hidden until the announcement", "Ranking no longer to be hidden", "Result announced"):
        assert expected in log
    assert re.search(r"ranking hidden from: – → \d+ \w+ \d{4}\W+\d\d:\d\d", log)
    # A draft has no ranking.
    await office.form(awa, "/admin/contests/new", begin="talent", name="Later", country="CI", organiser="demo")
    async with awa.put("/api/admin/contests/later/blackout", json={}) as answer:
        assert answer.status == 409
    async with awa.get("/admin/contests/later/announcement?lang=en") as answer:
        assert "Publish the contest first" in await answer.text()
