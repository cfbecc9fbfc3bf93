"""The recount kit as it is downloaded: whole, of any checkpoint, and what it shows of a database that was changed."""

import io
import zipfile
from collections.abc import AsyncIterator
from datetime import UTC
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway.http.pages import Pages
from gateway.runtime.connections import utc_now
from leaderboard.log import build
from leaderboard.log.kit import pack, recount, routes
from leaderboard.log.kit.pack import Kits
from leaderboard.log.words import words_of
from leaderboard.routes import PUBLISHED
from payments.requests import Act
from tests.leaderboard.log.test_audit import MOVED
from tests.leaderboard.log.test_build import SECRETS, builder_of, tampered
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
