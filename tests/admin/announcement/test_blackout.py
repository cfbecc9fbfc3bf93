"""A ranking is hidden and its result announced, by page and by API; the back office goes on."""

import io
import re
import zipfile
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from leaderboard.log.build import LogBuilder
from leaderboard.log.keys import LogKeys
from leaderboard.log.kit import recount
from leaderboard.log.kit.pack import Kits
from leaderboard.routes import PUBLISHED
from leaderboard.scores import ContestScores
from payments.requests import Act
from tests.admin.acting import AWA, OTHER, REASON, YAO, asked_last
from tests.admin.acting import office as office
from tests.admin.back_office import Office
from tests.rigs.rig import PUBLIC_URL

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


async def test_a_sealed_log_is_opened_by_two_persons_and_all_can_recount(office: Office, tmp_path: Path) -> None:
    rig, awa = office.rig, await office.signed_in(AWA)
    await rig.change("update contests set state = 'draft' where slug <> 'star'")
    builder = LogBuilder(rig.engine, rig.vault, LogKeys.of(PUBLIC_URL, ("a secret of the logs, 32 letters long",)))

    async def recounted() -> recount.Found:
        kits = Kits(rig.engine)
        kit = await kits.find(rig.contest.id)
        assert kit is not None
        made = b"".join([piece async for piece in kits.packed(kit)])
        folder = tmp_path / str(kit.size)
        zipfile.ZipFile(io.BytesIO(made)).extractall(folder)
        return recount.recount(folder)

    await rig.counted(quantity=2)
    await builder.build()
    later = f"{(await rig.now() + timedelta(hours=1)).astimezone(ZoneInfo(rig.contest.time_zone)):%Y-%m-%dT%H:%M}"
    _, text = await office.form(awa, f"{PAGE}?lang=en", PAGE, begins=later, sealed="1")
    assert "The public log will be sealed" in text
    assert re.search(r'name="sealed" value="1"[^>]* checked', text)
    _, text = await office.form(awa, f"{PAGE}?lang=en", PAGE, sealed="1")
    assert "The key is being made" in text
    order = await rig.counted(quantity=7, key="dark")
    await rig.agreed(Act.REFUND_PAYMENT, order.payment_reference)
    await rig.settle_all()
    await rig.change("update log_heads set signed_at = signed_at - interval '6 s'")
    await builder.build()
    found = await recounted()
    assert (found.report.faults, found.count.closed, found.count.orders) == ([], 2, 1)
    async with awa.get(API) as answer:
        state = await answer.json()
    (seal,) = state["seals"]
    assert (state["sealed"], seal["entries"], seal["releasedAt"]) == (True, 2, None)
    assert found.count.sealing is not None
    assert found.count.sealing[1] == seal["sha256"]

    # One person announces nothing, and not every other one may agree.
    async with awa.delete(API) as answer:
        assert (answer.status, "two persons" in (await answer.json())["detail"]) == (409, True)
    assert (await office.form(awa, PAGE, PAGE, step="announce"))[0] == 409
    async with awa.put(API, json={"sealed": False}) as answer:
        assert answer.status == 409
    wanted = {"act": "announce", "subject": "star", "reason": REASON}
    status, text = await office.form(awa, f"{PAGE}?lang=en", "/admin/acts", **wanted)
    assert (status, seal["sha256"] in text) == (200, True)
    request = f"/admin/requests/{await asked_last(office)}"
    async with awa.get(f"{PAGE}?lang=en") as answer:
        text = await answer.text()
    assert f"{AWA} asked to announce" in text
    assert seal["sha256"] in text
    await office.hire(OTHER)
    for person, status in ((AWA, 403), (YAO, 403), (OTHER, 200)):
        assert await rig.one("select released_at from log_seals") is None
        assert await builder.build() == 0
        assert (await office.form(await office.signed_in(person), request, request, decision="approve"))[0] == status
    assert await builder.build() == 1
    found = await recounted()
    assert (found.report.faults, found.count.closed, found.count.orders) == ([], 0, 2)
    assert "ALL IS WELL" in "\n".join(recount.Shown(recount.EN, ",").report(found))
    async with awa.get(f"{PAGE}?lang=en") as answer:
        text = await answer.text()
    assert f"Asked by {AWA}, agreed to by {OTHER}" in text
    assert "The result was announced" in text
    async with awa.post("/api/admin/requests", json=wanted) as answer:
        assert answer.status == 409
    (noted,) = await office.audit("contest.announce")
    assert (noted.actor, noted.detail["approved_by"]) == (AWA, OTHER)
