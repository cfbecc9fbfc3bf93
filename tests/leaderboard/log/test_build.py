"""From counted votes to a log that others verify: leaves, tiles, checkpoints and files, on a real database."""

import asyncio
import json
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from tlog_scales.backend import LocalBackend
from tlog_scales.reader import TilesReader
from tlog_scales.signing import Vkey, VkeySet

from gateway.http.pages import Pages
from gateway.runtime.connections import utc_now
from leaderboard.log import build, routes
from leaderboard.log.audit import audit_logs
from leaderboard.log.build import LogBuilder
from leaderboard.log.keys import LogKeys
from leaderboard.log.leaf import (
    AdjustmentLeaf,
    RulesLeaf,
    VoteLeaf,
    read_leaf,
    receipt_hash,
    voter_hash,
)
from leaderboard.log.notes import Checkpoint, Note, VerifierKey
from leaderboard.log.rebuild import rebuild_logs
from leaderboard.log.store import PublicLogs
from leaderboard.log.tiles import read_bundle, tiles_of
from leaderboard.log.words import words_of
from leaderboard.routes import PUBLISHED
from payments.requests import Act
from tests.rigs.money_rig import Killed, MoneyRig, opened
from tests.rigs.rig import PUBLIC_URL

SECRETS = ("an older secret of the logs, 32 letters", "the newest secret of the logs, 32 letters")
VOTER = "+2250501020304"
Client = TestClient[web.Request, web.Application]


@pytest.fixture
async def rig(database: Any) -> AsyncIterator[MoneyRig]:
    made = await opened(database.app_url)
    await made.change("update contests set state = 'draft' where slug <> 'star'")
    yield made
    await made.close()


def builder_of(rig: MoneyRig, *secrets: str) -> LogBuilder:
    return LogBuilder(rig.engine, rig.vault, LogKeys.of(PUBLIC_URL, secrets or SECRETS[:1]))


RELEASED = """
with key as (
  update log_seals set released_at = now(), asked_by = 'a', agreed_by = 'b' returning contest_id, released_at)
insert into audit_log (at, actor, act, subject, detail, contest_id)
select released_at, 'a', 'contest.announce', 'star', '{"approved_by": "b"}', contest_id from key
"""
"""As two persons release the key of a sealed log."""


async def state(rig: MoneyRig) -> tuple[int, ...]:
    """How many rows each table of the log has."""
    names = ("leaves", "salts", "tiles", "rules", "checkpoints", "cosignatures", "keys", "heads")
    sums = ", ".join(f"(select count(*) from log_{name})" for name in names)
    return tuple((await rig.rows(f"select {sums}"))[0])


async def tampered(database: Any, statement: str) -> None:
    """What the owner of the machine can do."""
    connection = await asyncpg.connect(database.superuser_url)
    try:
        await connection.execute("set session_replication_role = replica")
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture
async def site(rig: MoneyRig) -> AsyncIterator[Client]:
    app = web.Application()
    pages = Pages()
    pages.mount(app)
    pages.add("leaderboard")
    app[PUBLISHED] = SimpleNamespace(contest=rig.directory.by_slug, now=utc_now)
    routes.setup(app, PublicLogs(rig.engine))
    async with TestClient(TestServer(app)) as client:
        yield client


async def fetched(site: Client, path: str) -> bytes:
    async with site.get(f"/c/star/log/{path}") as answer:
        assert answer.status == 200, path
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        return await answer.read()


async def mirrored(site: Client, folder: Path) -> Checkpoint:
    """The log as files, fetched address by address; what its newest checkpoint states."""
    note = (await fetched(site, "checkpoint")).decode()
    checkpoint = Checkpoint.read(Note.read(note).text)
    files = {"checkpoint": note.encode()}
    for tile in tiles_of(checkpoint.size):
        files[tile.path] = await fetched(site, tile.path)
    for path, given in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(given)
    return checkpoint


async def test_votes_become_a_log_that_others_verify(
    rig: MoneyRig, site: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "BATCH", 3)
    async with site.get("/c/star/log/checkpoint") as answer:
        assert (answer.status, answer.content_type) == (404, "application/problem+json")
    async with site.get("/c/star/log", headers={"Accept-Language": "fr"}) as answer:
        assert "La liste commence dans un instant." in await answer.text()
    assert await builder_of(rig).build() == 1  # the rules, before any vote
    assert await builder_of(rig).build() == 0
    first = (await fetched(site, "checkpoint")).decode()

    orders = [await rig.counted(quantity=n, key=f"vote {n}") for n in range(1, 6)]
    typed = await rig.counted(typed=True)
    await rig.agreed(Act.REFUND_PAYMENT, orders[2].payment_reference)
    await rig.settle_all()
    # Two at once: each entry is in one place.
    done = await asyncio.gather(*(builder_of(rig, *SECRETS[::-1]).build() for _ in range(2)))
    assert sum(done) == 7
    await rig.change("update log_heads set signed_at = signed_at - interval '6 s'")
    await builder_of(rig, *SECRETS[::-1]).build()
    size = 1 + 7

    checkpoint = await mirrored(site, tmp_path)
    assert (checkpoint.size, checkpoint.origin) == (size, "vote.test/c/star/log")
    keys = (await fetched(site, "vkey")).decode().splitlines()
    assert len(keys) == 4  # two logs' and two clocks'
    reader = TilesReader(LocalBackend(tmp_path))
    theirs = reader.get_checkpoint()
    assert theirs.root_hash == reader.calculate_root_hash() == checkpoint.root
    verified = VkeySet(*map(Vkey.from_string, keys)).verify(theirs.signatures, theirs)
    assert len(verified) == 3  # two of the log, one with the time
    old = Note.read(first)
    assert len(old.verified([VerifierKey.read(key) for key in keys])) == 2

    leaves = [reader.get_entry(index) for index in range(size)]
    read = [read_leaf(leaf) for leaf in leaves]
    rules = read[0]
    assert isinstance(rules, RulesLeaf)
    document = await fetched(site, "rules/1.json")
    assert sha256(document).hexdigest() == rules.sha256
    listed = [(one["code"], one["name"], one["status"]) for one in json.loads(document)["candidates"]]
    assert listed == [(one.code, one.name, "approved") for one in rig.contest.candidates]
    votes = [leaf for leaf in read if isinstance(leaf, VoteLeaf)]
    assert [leaf.votes for leaf in votes] == [1, 2, 3, 4, 5, 5]
    assert [leaf.seq for leaf in read[1:] if isinstance(leaf, VoteLeaf | AdjustmentLeaf)] == [*range(1, 8)]
    rows = await rig.rows("select receipt from tally_entries where kind = 'vote' order by seq")
    salts = [bytes(row.salt) for row in await rig.rows("select salt from log_salts order by index")]
    assert len(set(salts)) == len(votes)
    for leaf, row, salt in zip(votes, rows, salts, strict=True):
        assert leaf.receipt == receipt_hash(salt, row.receipt)
        assert leaf.voter == (None if leaf is votes[-1] else voter_hash(salt, VOTER))
    assert isinstance(read[-1], AdjustmentLeaf)
    assert (read[-1].adjusts, read[-1].votes, read[-1].rules) == (3, -3, 1)
    assert await rig.status(typed) == "settled"

    async with site.get("/c/star/log", headers={"Accept-Language": "en"}) as answer:
        page = await answer.text()
    assert answer.status == 200
    for shown in (
        "8 lines",
        "/c/star/log/kit.zip?size=8",
        " · ".join(words_of(checkpoint.root)),
        "taken back: 7.",
        "vote.test/time",
    ):
        assert shown in page

    # Rules that change are a leaf of their own, before the votes that follow.
    await rig.new_rules(quantity_max=50, version=rig.contest.version + 1)
    await rig.counted()
    assert await builder_of(rig).build() == 2
    (row,) = await rig.rows("select leaf from log_leaves where seq = 8")
    assert json.loads(row.leaf)["rules"] == 2
    assert json.loads(await fetched(site, "rules/2.json"))["quantity_max"] == 50


async def test_files_are_answered_as_readers_want_them(rig: MoneyRig, site: Client) -> None:
    await rig.counted()
    await builder_of(rig).build()
    async with site.get("/c/star/log/tile/entries/000.p/2", headers={"Accept-Encoding": "gzip"}) as answer:
        assert (answer.headers["Content-Encoding"], answer.headers["Vary"]) == ("gzip", "Accept-Encoding")
        assert len(read_bundle(await answer.read())) == 2
    async with site.get("/c/star/log/tile/entries/000.p/2", headers={"Accept-Encoding": "identity"}) as answer:
        assert "Content-Encoding" not in answer.headers
        assert "immutable" in answer.headers["Cache-Control"]
    async with site.get("/c/star/log/checkpoint") as answer:
        assert (answer.content_type, answer.headers["Cache-Control"]) == ("text/plain", "public, max-age=5")
    # While figures are hidden, nobody counts votes from entries; what was signed can be checked all the same.
    blackout = "update contests set hidden_from = now() - interval '1 s', announced_at = {} where slug = 'star'"
    for announced, statuses in (("null", (404, 200, 200)), ("now()", (200, 200, 200))):
        await rig.change(blackout.format(announced))
        await rig.directory.refresh()
        seen = [
            await site.get(f"/c/star/log/{path}") for path in ("tile/entries/000.p/2", "tile/0/000.p/2", "checkpoint")
        ]
        assert tuple(one.status for one in seen) == statuses
        page = await (await site.get("/c/star/log")).text()
        assert ("lignes elles-mêmes sont cachées" in page) is (announced == "null")
    for path in (
        *("tile/0/000.p/3", "tile/0/000", "tile/1/000.p/1", "tile/0/0", "tile/0/000.p/0", "tile/64/000", "tile/x"),
        "tile/63/x999/x999/x999/x999/x999/999",
        *("rules/2.json", "rules/999999999.json", "tile/entries/000.p/256", "tile/0/000.p/1/", "tile/%00"),
    ):
        async with site.get(f"/c/star/log/{path}") as answer:
            assert (answer.status, answer.content_type) == (404, "application/problem+json"), path
    async with site.get("/c/nowhere/log") as answer:
        assert answer.status == 404
    for path in ("checkpoint", "vkey", "tile/0/000.p/1", "rules/1.json"):
        async with site.get(f"/c/nowhere/log/{path}") as answer:
            assert answer.status == 404
    # What is appended and not signed yet is not there.
    await rig.counted(key="another")
    await builder_of(rig).build()
    async with site.get("/c/star/log/tile/0/000.p/3") as answer:
        assert answer.status == 404


async def test_a_sealed_log_is_open_to_all_after_the_announcement(
    rig: MoneyRig, site: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "SIGN_SECONDS", 0)
    plain = await rig.counted(quantity=2)
    await builder_of(rig).build()
    await rig.change("update contests set hidden_from = now(), blackout_sealed = true where slug = 'star'")
    await rig.directory.refresh()
    assert await builder_of(rig).build() == 1, "the key is fixed before a vote comes"
    assert await builder_of(rig).build() == 0
    await rig.counted(quantity=3, key="dark")
    await rig.agreed(Act.REFUND_PAYMENT, plain.payment_reference)
    await rig.settle_all()
    assert await builder_of(rig).build() == 2

    async def kinds(folder: Path) -> list[str]:
        size = (await mirrored(site, folder)).size
        reader = TilesReader(LocalBackend(folder))
        assert reader.get_checkpoint().root_hash == reader.calculate_root_hash()
        return [read_leaf(reader.get_entry(index)).kind for index in range(size)]

    async with site.get("/c/star/log", headers={"Accept-Language": "en"}) as answer:
        page = await answer.text()
    (seal,) = await rig.rows("select encode(sha256, 'hex') as sha256 from log_seals")
    for shown in ("Sealed lines since ", ": 2. Everybody", seal.sha256, "/c/star/log/kit.zip?size=5"):
        assert shown in page
    sealed = ["rules", "vote", "sealing", "sealed", "sealed"]
    assert await kinds(tmp_path / "dark") == sealed
    stand = await PublicLogs(rig.engine).stand(rig.contest.id)
    assert stand is not None
    assert stand.sealing is not None
    assert (stand.size, stand.entries, stand.versions, stand.sealing.entries) == (5, 3, 1, 2)
    assert await audit_logs(rig.engine, rig.vault) == {"star": []}
    assert await rebuild_logs(rig.engine, lambda *_: None) == {"star": 5}
    assert await builder_of(rig).build() == 0

    # Released, a key is published once; what was served before it stays as it was.
    await rig.change("update contests set announced_at = now() where slug = 'star'")
    await rig.change(RELEASED)
    await rig.counted(key="late")
    assert await builder_of(rig).build() == 2
    assert await builder_of(rig).build() == 0
    assert await kinds(tmp_path / "open") == [*sealed, "opening", "vote"]
    assert await audit_logs(rig.engine, rig.vault) == {"star": []}
    stand = await PublicLogs(rig.engine).stand(rig.contest.id)
    assert stand is not None
    assert (stand.size, stand.entries, stand.versions, stand.sealing) == (7, 4, 1, None)

    # What is counted during a turn waits for the next one, so that a result certified before it stands before it. No
    # key is made for an announcement that was faster.
    read = build._new_results

    async def meanwhile(*given: Any) -> Any:
        await rig.counted(key="meanwhile")
        await rig.change("update contests set announced_at = now() where slug = 'star'")
        return await read(*given)

    await rig.counted(key="last")
    await rig.change("update contests set hidden_from = now(), announced_at = null where slug = 'star'")
    with monkeypatch.context() as patched:
        patched.setattr(build, "_new_results", meanwhile)
        assert await builder_of(rig).build() == 1
    assert await builder_of(rig).build() == 1
    assert await kinds(tmp_path / "after") == [*sealed, "opening", "vote", "vote", "vote"]


async def test_a_builder_may_die_at_every_statement(rig: MoneyRig, site: Client, tmp_path: Path) -> None:
    await rig.counted()
    before = await state(rig)
    for statement in range(1, 60):
        try:
            with rig.dying_at(statement, Killed):
                await builder_of(rig).build()
            break
        except Killed:
            assert await state(rig) == before
    else:
        pytest.fail("it never came to its end")
    assert (await mirrored(site, tmp_path)).size == 2
    reader = TilesReader(LocalBackend(tmp_path))
    assert reader.get_checkpoint().root_hash == reader.calculate_root_hash()


async def test_nothing_is_signed_that_does_not_begin_with_what_was(rig: MoneyRig, database: Any) -> None:
    await rig.counted()
    await builder_of(rig).build()
    signed = await rig.rows("select * from log_checkpoints")
    await tampered(database, "update log_tiles set hashes = sha256(hashes) || substr(hashes, 33) where level = 0")
    await rig.counted(key="another")
    builder = builder_of(rig)
    await builder.build()
    await builder.build()
    assert await rig.rows("select * from log_checkpoints") == signed
    # A tally with a gap is logged up to it.
    await rig.counted(key="a third")
    await tampered(database, "delete from tally_entries where seq = 3")
    await rig.counted(key="a fourth")
    assert await builder.build() == 0


async def test_what_is_in_the_log_stays(rig: MoneyRig) -> None:
    await rig.counted()
    await builder_of(rig).build()
    for table in ("leaves", "rules", "checkpoints", "cosignatures", "keys", "salts"):
        for act in (f"delete from log_{table}", f"update log_{table} set contest_id = contest_id"):
            with pytest.raises(Exception, match=r"append-only|permission denied"):
                await rig.change(act)
