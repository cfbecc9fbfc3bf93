"""A witness over HTTP, on a folder of its own."""

import asyncio
import stat
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from leaderboard.log.notes import Note, Signature, VerifierKey
from leaderboard.log.words import words_of
from leaderboard.witness import sites
from leaderboard.witness.folder import Folder, FolderWrong
from leaderboard.witness.rules import Refused, Submission
from leaderboard.witness.server import LARGEST_REQUEST, create_app
from leaderboard.witness.store import Seen
from tests.leaderboard.witness.logs import ORIGIN, Log, key_of

LOG = Log()
FORKED = Log(differs=10)
NAME = "news.example/witness"
Client = TestClient[web.Request, web.Application]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "witness", NAME, [LOG.keys[0].key.text])


@pytest.fixture
async def site(folder: Folder) -> AsyncIterator[Client]:
    seen = Seen(folder.checkpoints)
    async with TestClient(TestServer(create_app(folder, seen))) as client:
        yield client
    seen.close()


async def sent(site: Client, asked: Submission | bytes) -> tuple[int, str, str]:
    body = asked if isinstance(asked, bytes) else asked.body.encode()
    async with site.post("/add-checkpoint", data=body) as answer:
        return answer.status, answer.content_type, await answer.text()


async def read(site: Client, path: str, language: str = "en") -> tuple[int, str]:
    async with site.get(path, headers={"Accept-Language": language}) as answer:
        return answer.status, await answer.text()


async def test_what_goes_on_is_cosigned_and_kept(site: Client, folder: Folder) -> None:
    assert "No log has come yet" in (await read(site, "/"))[1]
    assert "Aucun registre" in (await read(site, "/", "fr"))[1]
    assert (await read(site, f"/{ORIGIN}/checkpoint"))[0] == 404

    key = VerifierKey.read(folder.signer.key.text)
    for old, size in ((0, 5), (5, 12), (12, 12)):
        status, kind, text = await sent(site, LOG.asks(old, size))
        assert (status, kind) == (200, "text/plain")
        line = Signature.read(text.removesuffix("\n"))
        assert (line.name, line.key_id) == (NAME, key.key_id)
        assert key.verify(LOG.note(size).text, line.made)
    async with site.get(f"/{ORIGIN}/checkpoint") as answer:
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        note = Note.read(await answer.text())
    assert len(note.verified((LOG.keys[0].key, key))) == 2
    assert note.text == LOG.note(12).text

    hashed = sha256(ORIGIN.encode()).hexdigest()
    assert Note.read((await read(site, f"/{hashed}/checkpoint"))[1]) == note
    assert (await read(site, f"/{hashed.upper()}/checkpoint"))[0] == 404

    # What is refused changes nothing.
    for asked, answered in (
        (b"nonsense", (400, "text/plain")),
        (b"x" * (LARGEST_REQUEST + 1), (400, "text/plain")),
        (LOG.asks(21, 20), (400, "text/plain")),
        (Log(keys=()).asks(12, 20).body.encode() + b"\n", (400, "text/plain")),
        (Log(origin="vote.example/c/other/log").asks(0, 1), (404, "text/plain")),
        (LOG.asks(5, 20), (409, "text/x.tlog.size")),
        (FORKED.asks(12, 20), (422, "text/plain")),
    ):
        status, kind, text = await sent(site, asked)
        assert (status, kind) == answered
        assert text == "12\n" if status == 409 else len(text) > 10
    assert Note.read((await read(site, f"/{ORIGIN}/checkpoint"))[1]) == note
    for language, label in (("en", "Lines of the log"), ("fr", "Lignes du registre")):
        _, page = await read(site, "/", language)
        assert label in page
        assert all(word in page for word in words_of(LOG.checkpoint(12).root))
        assert key.text.replace("+", "&#43;") in page or key.text in page
        assert "Attention" not in page
    for path in ("/%00/checkpoint", "/%FF/checkpoint", "/%ED%A0%80/checkpoint", "/nowhere"):
        assert (await read(site, path))[0] == 404

    # A log that signed two trees of one size is shown for it, for as long as the witness lives.
    assert (await sent(site, FORKED.asks(5, 12)))[0] == 409
    assert (await sent(site, LOG.asks(12, 30)))[0] == 200
    assert (
        "Attention: the log vote.example/c/miss/log signed two different lists of 12 lines"
        in (await read(site, "/"))[1]
    )


async def test_logs_are_added_while_it_works(site: Client, folder: Folder) -> None:
    origin = "vote.example/c/other/log"
    other = Log(origin=origin, keys=(key_of(5, name=origin),))
    listed = folder.checkpoints.parent / "logs.txt"
    assert (await sent(site, other.asks(0, 3)))[0] == 404
    listed.write_text(f"# another contest\n{other.keys[0].key.text}\n")
    assert (await sent(site, replace(other, keys=LOG.keys).asks(0, 3)))[0] == 403
    assert (await sent(site, other.asks(0, 3)))[0] == 200
    listed.write_text("a list that cannot be read takes no log away\n")
    assert (await sent(site, other.asks(3, 4)))[0] == 200
    assert (await sent(site, LOG.asks(0, 3)))[0] == 200
    assert len(folder.logs) == 2


async def test_a_site_s_logs_are_trusted_by_the_key_that_they_have_first(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys: list[str] = []
    asked: list[str] = []

    async def published(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(text="".join(f"{key}\n" for key in keys), status=200 if keys else 404)

    app = web.Application()
    app.router.add_get("/{path:.*}", published)
    seen = Seen(folder.checkpoints)
    async with TestServer(app) as server:
        url = str(server.make_url("")).rstrip("/")
        origin = f"{url.partition('://')[2]}/c/miss/log"
        first, other = (Log(origin=origin, keys=(key_of(number, name=origin),)) for number in (5, 6))
        async with TestClient(TestServer(create_app(folder, seen, [url]))) as site:
            assert (await sent(site, first.asks(0, 1)))[0] == 404
            keys.append(first.keys[0].key.text)
            assert (await sent(site, first.asks(0, 1)))[0] == 404  # asked a moment ago
            assert len(asked) == 1
        monkeypatch.setattr(sites, "BETWEEN_SECONDS", 0)
        async with TestClient(TestServer(create_app(folder, seen, [f"{url}/"]))) as site:
            assert (await sent(site, first.asks(0, 1)))[0] == 200
            keys[:] = [other.keys[0].key.text]
            assert (await sent(site, other.asks(1, 2)))[0] == 403
            assert (await sent(site, first.asks(1, 2)))[0] == 200
            for path in ("/c/../x", "/c//x", ".evil.example/x", "@evil.example/x", "/c/%2e/x", "/c?x", "", "/"):
                stranger = f"{url.partition('://')[2]}{path}"
                log = Log(origin=stranger, keys=(key_of(5, name=stranger or "x"),))
                assert (await sent(site, log.asks(0, 1)))[0] == 404
            assert asked == ["/c/miss/log/vkey"] * 2
        assert [*Folder(folder.checkpoints.parent).logs] == [origin]
    gone = "127.0.0.1:1/c/miss/log"
    async with TestClient(TestServer(create_app(folder, seen, ["http://127.0.0.1:1"]))) as site:
        assert (await sent(site, Log(origin=gone, keys=(key_of(5, name=gone),)).asks(0, 1)))[0] == 404
    seen.close()
    for wrong in ("vote.example", "https://", "ftp://vote.example"):
        with pytest.raises(FolderWrong, match="--site"):
            create_app(folder, seen, [wrong])


async def test_a_disk_that_fails_is_no_answer(folder: Folder) -> None:
    seen = Seen(folder.checkpoints)
    async with TestClient(TestServer(create_app(folder, seen))) as client:
        seen.close()
        assert (await sent(client, LOG.asks(0, 3)))[0] == 503


async def test_of_two_at_once_one_wins(site: Client) -> None:
    assert (await sent(site, LOG.asks(0, 4)))[0] == 200
    answers = await asyncio.gather(*(sent(site, LOG.asks(4, size)) for size in range(5, 13)))
    won = [size for size, answer in enumerate(answers, start=5) if answer[0] == 200]
    assert len(won) == 1
    assert {answer[0] for answer in answers} == {200, 409}
    assert {answer[2] for answer in answers if answer[0] == 409} == {f"{won[0]}\n"}


def test_no_cosignature_is_older_than_the_one_before(folder: Folder) -> None:
    seen = Seen(folder.checkpoints)
    seen.cosign(LOG.asks(0, 3), folder.signer.sign, 1_790_000_000)
    with pytest.raises(Refused, match="clock") as refused:
        seen.cosign(LOG.asks(3, 4), folder.signer.sign, 1_789_999_999)
    assert refused.value.status == 503
    seen.cosign(LOG.asks(3, 4), folder.signer.sign, 1_790_000_000)
    seen.close()


def test_of_two_processes_on_one_folder_one_wins(folder: Folder) -> None:
    stores = [Seen(folder.checkpoints) for _ in range(2)]

    def ask(store: Seen, old: int, size: int) -> int:
        try:
            store.cosign(LOG.asks(old, size), folder.signer.sign, 1_790_000_000)
        except Refused as refused:
            return refused.size or 0
        return size

    with ThreadPoolExecutor(2) as threads:
        has = 0
        for _ in range(25):
            first, second = threads.map(ask, stores, (has, has), (has + 1, has + 2))
            assert first == second > has  # the loser is answered what the winner kept
            has = first
    for store in stores:
        assert [one.checkpoint for one in store.all()] == [LOG.checkpoint(has)]
        store.close()


def test_a_folder_keeps_its_key(tmp_path: Path, folder: Folder) -> None:
    path = tmp_path / "witness"
    assert stat.S_IMODE((path / "key").stat().st_mode) == 0o600
    assert Folder(path).signer.key == Folder(path, NAME).signer.key == folder.signer.key
    with pytest.raises(FolderWrong, match="this witness is"):
        Folder(path, "another.example")
    with pytest.raises(FolderWrong, match="wants a name"):
        Folder(tmp_path / "new")
    with pytest.raises(FolderWrong, match="space or a plus"):
        Folder(tmp_path / "new", "a b")
    for wrong in ("nonsense", folder.signer.key.text):
        with pytest.raises(FolderWrong, match="--log"):
            Folder(path, logs=[wrong])
    folder.checkpoints.rename(path / "elsewhere")
    with pytest.raises(FolderWrong, match="lost what it saw"):
        Folder(path)
    (path / "elsewhere").rename(folder.checkpoints)
    (path / "logs.txt").write_text("nonsense\n")
    with pytest.raises(FolderWrong, match="not a verifier key"):
        _ = Folder(path).logs
    written = (path / "key").read_text()
    for damaged in ("", written[:-9], written.replace("news", "fake"), written.replace("PRIVATE", "PUBLIC")):
        (path / "key").write_text(damaged)
        with pytest.raises(FolderWrong, match=r"damaged|not the key"):
            Folder(path)
