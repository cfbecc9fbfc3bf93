"""The recount kit as it is downloaded: whole, of any checkpoint, and what it shows of a database that was changed."""

import io
import json
import zipfile
from collections.abc import AsyncIterator
from datetime import UTC
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from admin.contests.juries import Juries
from gateway.contests.directory import read_contest
from gateway.http.pages import Pages
from gateway.runtime.connections import utc_now
from leaderboard.final_places import final_places
from leaderboard.log import build
from leaderboard.log.audit import audit_logs
from leaderboard.log.kit import pack, recount, routes
from leaderboard.log.kit.pack import Kits
from leaderboard.log.rebuild import rebuild_logs
from leaderboard.log.store import PublicLogs
from leaderboard.log.words import words_of
from leaderboard.routes import PUBLISHED
from payments.requests import Act
from tests.leaderboard.log.test_audit import MOVED
from tests.leaderboard.log.test_build import RELEASED, SECRETS, builder_of, tampered
from tests.rigs.money_rig import MoneyRig, opened

NAMES = ("leaves", "salts", "tiles", "rules", "checkpoints", "cosignatures", "keys", "heads")
TABLES = [f"log_{name}" for name in NAMES]
Client = TestClient[web.Request, web.Application]


@pytest.fixture
async def rig(database: Any) -> AsyncIterator[MoneyRig]:
    made = await opened(database.app_url)
    await made.change("update contests set state = 'draft' where slug <> 'star'")
    yield made
    await made.close()


@pytest.fixture
async def site(rig: MoneyRig) -> AsyncIterator[Client]:
    app = web.Application()
    Pages().mount(app)
    app[PUBLISHED] = SimpleNamespace(contest=rig.directory.by_slug, now=utc_now)
    routes.setup(app, Kits(rig.engine))
    async with TestClient(TestServer(app)) as client:
        yield client


async def unpacked(site: Client, folder: Path, asked: str = "") -> Path:
    async with site.get(f"/c/star/log/kit.zip{asked}") as answer:
        assert (answer.status, answer.content_type) == (200, "application/zip")
        given = await answer.read()
    with zipfile.ZipFile(io.BytesIO(given)) as archive:
        assert archive.testzip() is None
        archive.extractall(folder)
    return folder


def problems(folder: Path, **asked: Any) -> list[tuple[str, int | None, str]]:
    return [(one.file, one.line, one.key) for one in recount.recount(folder, **asked).report.faults]


async def votes(rig: MoneyRig, first: int, last: int) -> None:
    for n in range(first, last + 1):
        await rig.counted(quantity=n, key=f"vote {n}")


async def test_a_kit_is_recounted_by_its_own_program(
    rig: MoneyRig, site: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, few in (("_LEAVES", 3), ("_TILES", 1), ("_NOTES", 1)):
        monkeypatch.setattr(pack, name, few)
    monkeypatch.setattr(build, "SIGN_SECONDS", 0)
    async with site.get("/c/star/log/kit.zip") as answer:
        assert (answer.status, answer.content_type) == (404, "application/problem+json")
    await votes(rig, 1, 3)
    await builder_of(rig).build()
    await rig.new_rules(quantity_max=50, version=rig.contest.version + 1)
    order = await rig.counted(code="03", key="another")
    await rig.agreed(Act.REFUND_PAYMENT, order.payment_reference)
    await builder_of(rig, *SECRETS[::-1]).build()  # by an older key and a newer one

    newest = await unpacked(site, tmp_path / "newest")
    found = recount.recount(newest)
    assert found.report.faults == []
    assert (found.newest.size, found.checkpoints) == (7, 2)
    assert found.words == list(words_of(found.newest.root))
    assert found.time is not None
    assert found.time.tzinfo is UTC
    standing = {row.code: (row.votes, row.money) for row in recount.ranking(found.count, 0, last=True)}
    totals = await rig.rows(
        "select k.code, t.votes, t.amount_minor from candidate_totals t join candidates k on k.id = t.candidate_id"
    )
    assert {code: standing[code] for code, *_ in totals} == {code: tuple(sums) for code, *sums in totals}

    earlier = await unpacked(site, tmp_path / "earlier", "?size=4")
    assert problems(earlier) == []
    assert problems(newest, kept=earlier / "checkpoints.txt") == []
    assert not (earlier / "rules/2.json").exists()
    for wrong in (
        "?size=5",
        "?size=0",
        "?size=",
        "?size=x",
        "?size=04",
        f"?size={9**18}",
        "?size=%00",
        "?size=" + "9" * 30,
    ):
        async with site.get(f"/c/star/log/kit.zip{wrong}") as answer:
            assert (answer.status, answer.content_type) == (404, "application/problem+json"), wrong
    async with site.get("/c/nowhere/log/kit.zip") as answer:
        assert answer.status == 404
    async with site.head("/c/star/log/kit.zip") as answer:
        assert answer.headers["Content-Disposition"] == 'attachment; filename="star-7.zip"'
    # While figures are hidden a kit would show them, unless what it holds is sealed.
    await rig.change("update contests set hidden_from = now() - interval '1 s' where slug = 'star'")
    for sealed, status in (("false", 404), ("true", 200)):
        await rig.change(f"update contests set blackout_sealed = {sealed} where slug = 'star'")
        await rig.directory.refresh()
        async with site.get("/c/star/log/kit.zip") as answer:
            assert answer.status == status


async def test_a_stranger_who_kept_a_checkpoint_finds_a_database_that_was_changed(
    rig: MoneyRig, site: Client, database: Any, tmp_path: Path
) -> None:
    """A vote moved consistently in votes, entries and totals, the log thrown away and made again, and signed."""
    await votes(rig, 1, 4)
    await rig.counted(code="03", key="another")
    await builder_of(rig).build()
    before = await unpacked(site, tmp_path / "before")
    await tampered(database, MOVED + f"truncate {', '.join(TABLES)}")
    await builder_of(rig).build()
    after = await unpacked(site, tmp_path / "after")
    assert problems(after) == []
    assert problems(after, kept=before / "checkpoints.txt") == [("checkpoints.txt", 3, "kept")]
    # With the checkpoints left as they were, and the leaf rewritten, the kit shows it by itself, with the line.
    await tampered(database, """update log_leaves set leaf = replace(leaf, '"votes":2', '"votes":9') where seq = 2""")
    changed = await unpacked(site, tmp_path / "changed")
    assert ("leaves.ndjson", 3, "changed") in problems(changed)


async def test_points_of_a_jury_are_recounted_by_everybody(
    rig: MoneyRig, site: Client, database: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "SIGN_SECONDS", 0)
    juries, codes = Juries(rig.engine), [one.code for one in rig.contest.eligible]
    await rig.new_rules(jury_percent=40, version=rig.contest.version + 1)
    await juries.add_juror("star", "Mariam", None, "awa@house.test")

    async def judge(**given: int) -> None:
        points = {code: given.get(f"c{code}", 0) for code in codes}
        sheet = await juries.enter("star", (0, "", 1), points, None, "awa@house.test")
        await builder_of(rig).build()  # nothing of what waits is logged
        await juries.decide("star", sheet.id, None, "yao@house.test", agree=True)

    async def places() -> list[tuple[int | None, str, int, int, Fraction]]:
        async with rig.engine.connect() as connection:
            contest = await read_contest(connection, "star", None)
            assert contest is not None
            [ranking] = await final_places(connection, contest)
        return [(one.rank, one.code, one.votes, one.points, one.score) for one in ranking.places]

    async def recounted(name: str) -> list[tuple[int | None, str, int, int, Fraction]]:
        found = recount.recount(await unpacked(site, tmp_path / name))
        assert found.report.faults == []
        rows = recount.ranking(found.count, 0, last=True)
        return [(one.place, one.code, one.votes, one.points, one.score) for one in rows]

    await judge(c03=90, c07=10)
    await rig.counted(quantity=3)
    await builder_of(rig).build()
    assert [one[:4] for one in await places()][:2] == [(1, "07", 3, 10), (2, "03", 0, 90)]
    assert await recounted("first") == await places()
    # A correction takes the place of what was given before; in a sealed hour it is sealed as votes are.
    await rig.change("update contests set hidden_from = now(), blackout_sealed = true where slug = 'star'")
    await judge(c03=100)
    await builder_of(rig).build()
    kinds = "select coalesce(cast(leaf as jsonb)->>'kind', '') as kind from log_leaves order by index"
    assert [one.kind for one in await rig.rows(kinds)] == ["rules", "jury", "vote", "sealing", "sealed"]
    assert await rig.rows("select number, leaf from jury_sheets order by number") == [(1, 1), (2, 4)]
    stand = await PublicLogs(rig.engine).stand(rig.contest.id)
    assert stand is not None
    assert (stand.size, stand.entries, stand.versions) == (5, 1, 1)
    assert await audit_logs(rig.engine, rig.vault) == {"star": []}
    assert await rebuild_logs(rig.engine, lambda *_: None) == {"star": 5}
    await rig.change("update contests set announced_at = now() where slug = 'star'")
    await rig.change(RELEASED)
    await builder_of(rig).build()
    assert await recounted("second") == await places()
    # What is changed in the tables is found, and what nobody entered.
    for change, where in (
        ("points = jsonb_set(points, '{07}', '100')", "number = 1"),
        ("juror = 2", "number = 2"),
        ("number = 3", "number = 2"),
    ):
        kept = await rig.rows("select points, juror, number from jury_sheets order by leaf")
        await tampered(database, f"update jury_sheets set {change} where {where}")
        assert (await audit_logs(rig.engine, rig.vault))["star"], change
        for leaf, (points, juror, number) in zip((1, 4), kept, strict=True):
            values = f"points = '{json.dumps(points)}', juror = {juror}, number = {number}"
            await tampered(database, f"update jury_sheets set {values} where leaf = {leaf}")
    assert await audit_logs(rig.engine, rig.vault) == {"star": []}
    forged = "insert into jury_sheets select gen_random_uuid(), contest_id, round, category, juror, points, status,"
    forged += " entered_by, entered_at, decided_by, decided_at, 3, null from jury_sheets where number = 1"
    await tampered(database, forged)
    assert (await audit_logs(rig.engine, rig.vault))["star"] == [
        "sheet 3 of the jury: no two persons entered and confirmed it so"
    ]
