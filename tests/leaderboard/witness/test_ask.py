"""Our own logs, built of counted votes, before witnesses over HTTP."""

import sqlite3
from collections.abc import AsyncIterator, Iterable, MutableMapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import BaseTestServer, TestClient, TestServer
from structlog.testing import capture_logs
from tlog_scales.signing import Vkey, VkeySet
from tlog_scales.tlog import Checkpoint as Theirs

from gateway.http.pages import Pages
from leaderboard.log import routes
from leaderboard.log.build import LogBuilder
from leaderboard.log.keys import LogKeys
from leaderboard.log.notes import Note
from leaderboard.log.store import PublicLogs
from leaderboard.routes import PUBLISHED
from leaderboard.witness.ask import Cosigning, Pauses
from leaderboard.witness.folder import Folder
from leaderboard.witness.rules import WitnessAddress
from leaderboard.witness.server import create_app
from leaderboard.witness.store import Seen
from tests.leaderboard.log.test_build import builder_of, tampered
from tests.rigs.money_rig import MoneyRig, opened
from tests.rigs.rig import PUBLIC_URL

SECRET = "an older secret of the logs, 32 letters"
NAMES = ("news.example/witness", "radio.example/witness")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def rig(database: Any) -> AsyncIterator[MoneyRig]:
    made = await opened(database.app_url)
    await made.change("update contests set state = 'draft' where slug <> 'star'")
    yield made
    await made.close()


@asynccontextmanager
async def witness(folder: Path, name: str, log_key: str) -> AsyncIterator[tuple[WitnessAddress, BaseTestServer]]:
    held = Folder(folder, name, [log_key])
    seen = Seen(held.checkpoints)
    async with TestServer(create_app(held, seen)) as server:
        yield WitnessAddress(held.signer.key, str(server.make_url("")).rstrip("/")), server
    seen.close()


async def published(rig: MoneyRig) -> Note:
    """The newest checkpoint as anybody reads it."""
    app = web.Application()
    Pages().mount(app)
    app[PUBLISHED] = SimpleNamespace(contest=rig.directory.by_slug)
    routes.setup(app, PublicLogs(rig.engine))
    async with TestClient(TestServer(app)) as client, client.get("/c/star/log/checkpoint") as answer:
        return Note.read(await answer.text())


def events(logs: Iterable[MutableMapping[str, Any]]) -> list[str]:
    return [line["event"] for line in logs if line["event"].startswith("witness_")]


async def built(rig: MoneyRig, *votes: str) -> None:
    for vote in votes:
        await rig.counted(key=vote)
    await rig.change("update log_heads set signed_at = signed_at - interval '6 s'")
    builder: LogBuilder = builder_of(rig)
    await builder.build()


async def test_witnesses_cosign_what_goes_on(rig: MoneyRig, tmp_path: Path, database: Any) -> None:
    keys = LogKeys.of(PUBLIC_URL, (SECRET,))
    log_key = keys.signers(rig.contest.id, "star")[0].key
    clock = Clock()
    async with (
        AsyncExitStack() as stack,
        witness(tmp_path / "news", NAMES[0], log_key.text) as (news, _),
        witness(tmp_path / "radio", NAMES[1], log_key.text) as (radio, at_radio),
    ):
        cosigning = await stack.enter_async_context(aclosing(Cosigning(rig.engine, (news, radio), Pauses(clock))))
        assert await cosigning.ask() == 0  # no log yet
        await built(rig)
        assert await cosigning.ask() == 2
        assert await cosigning.ask() == 0
        await built(rig, "one", "two", "three")
        assert await cosigning.ask() == 2
        note = await published(rig)
        judge = VkeySet(*(Vkey.from_string(key.text) for key in (log_key, news.key, radio.key)))
        theirs = Theirs.from_text(note.written)
        assert theirs.size == 4
        assert len(judge.verify(theirs.signatures, theirs)) == 3
        assert len(note.verified((log_key, news.key, radio.key))) == 3

        # A witness that lost what it saw is given it again, and the loss is logged.
        lost = sqlite3.connect(tmp_path / "radio" / "checkpoints.db")
        with lost:
            lost.execute("delete from logs")
        lost.close()
        await built(rig, "once more")
        with capture_logs() as logs:
            assert await cosigning.ask() == 2
        assert events(logs) == ["witness_lost_checkpoints"]

        # A worker without memory of what witnesses have; one of them is away, which delays neither.
        await at_radio.close()
        again = await stack.enter_async_context(aclosing(Cosigning(rig.engine, (news, radio), Pauses(clock))))
        await built(rig, "four")
        with capture_logs() as logs:
            assert await again.ask() == 1
            assert await again.ask() == 0
        assert events(logs) == ["witness_unreachable"]
        clock.now += 1
        with capture_logs() as logs:
            await again.ask()
        assert events(logs) == ["witness_unreachable"]
        assert len((await published(rig)).verified((log_key, news.key, radio.key))) == 2

        # An older state of the database, restored: the witness has more than was ever signed there.
        restored = await stack.enter_async_context(aclosing(Cosigning(rig.engine, (news,), Pauses(clock))))
        for table in ("cosignatures", "checkpoints"):
            await tampered(database, f"delete from log_{table} where size > 4")
        await tampered(database, f"delete from log_cosignatures where name = '{NAMES[0]}'")
        await tampered(database, "update log_heads set signed_size = 4")
        with capture_logs() as logs:
            assert await restored.ask() == 0
        assert events(logs) == ["witness_has_more"]

        # A log that was made anew of a changed tally is not cosigned.
        for table in ("cosignatures", "checkpoints", "tiles", "salts", "leaves", "rules", "heads"):
            await tampered(database, f"delete from log_{table}")
        await tampered(database, "update tally_entries set counted_at = counted_at - interval '1 s' where seq = 1")
        await built(rig, "five", "six")
        clock.now += 1
        with capture_logs() as logs:
            assert await restored.ask() == 0
        refused = [line for line in logs if line["event"] == "witness_refused"]
        assert [(line["status"], line["log_level"]) for line in refused] == [(422, "error")]
        alerted = await rig.rows("select subject, detail from audit_log where act = 'log.refused' order by at")
        assert [(row.subject, row.detail["size"]) for row in alerted] == [("star", 4)]
        with pytest.raises(ValueError, match="no signature"):
            (await published(rig)).verified((news.key,))


def test_what_fails_is_left_alone_longer_each_time() -> None:
    clock = Clock()
    pauses = Pauses(clock)
    waits = []
    for _ in range(11):
        assert pauses.over("news")
        pauses.failed("news")
        began = clock.now
        while not pauses.over("news"):
            clock.now += 1
        waits.append(clock.now - began)
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 256, 256]
    assert pauses.over("radio")
    pauses.failed("news")
    pauses.worked("news")
    assert pauses.over("news")
