"""`spotlight witness` as a process that is killed while it answers."""

import signal
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from gateway.cli.main import app
from gateway.cli.up import own_command
from leaderboard.log.notes import Note, VerifierKey
from leaderboard.witness.rules import Submission
from tests.leaderboard.witness.logs import ORIGIN, Log

LOG = Log()
NAME = "news.example/witness"


@contextmanager
def running(folder: Path, *options: str) -> Iterator[tuple["subprocess.Popen[str]", list[str], httpx.Client]]:
    """A witness on a port that is free, the lines that it printed, and who calls it."""
    command = (*own_command("witness"), "--dir", str(folder), "--port", "0", *options)
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            lines = []
            for line in process.stdout:
                lines.append(line.strip())
                if line.startswith("ready"):
                    break
            else:
                pytest.fail(f"it ended: {process.communicate()}")
            with httpx.Client(base_url=lines[-1].split()[1], timeout=20) as client:
                yield process, lines, client
        finally:
            process.kill()


def post(client: httpx.Client, asked: Submission) -> httpx.Response:
    return client.post("/add-checkpoint", content=asked.body.encode())


def test_a_witness_that_is_killed_takes_nothing_back(tmp_path: Path) -> None:
    options = ("--name", NAME, "--log", LOG.keys[0].key.text)
    requests = [LOG.asks(size, size + 1) for size in range(150)]
    answered = 0
    enough = threading.Event()
    with running(tmp_path, *options) as (process, printed, client):
        key = VerifierKey.read(printed[0].split()[-1])
        assert key.name == NAME
        assert printed[1].split()[-1] == ORIGIN

        def send() -> None:
            nonlocal answered
            for asked in requests:
                try:
                    answer = post(client, asked)
                except httpx.TransportError:
                    return
                assert answer.status_code == 200
                answered = asked.checkpoint.size
                if answered == 10:
                    enough.set()

        sender = threading.Thread(target=send)
        sender.start()
        assert enough.wait(30)
        process.send_signal(signal.SIGKILL)
        sender.join()
        assert process.wait() == -signal.SIGKILL
        assert answered < len(requests)

    with running(tmp_path, *options[2:]) as (process, printed, client):
        assert VerifierKey.read(printed[0].split()[-1]) == key
        refused = post(client, LOG.asks(0, 150))
        assert (refused.status_code, refused.headers["Content-Type"]) == (409, "text/x.tlog.size")
        has = int(refused.text)
        assert has in (answered, answered + 1)  # what was answered, or kept and not answered any more
        note = Note.read(client.get(f"/{ORIGIN}/checkpoint").text)
        assert note.text == LOG.checkpoint(has).text
        assert len(note.verified((key, LOG.keys[0].key))) == 2
        assert post(client, LOG.asks(has, 150)).status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    with sqlite3.connect(tmp_path / "checkpoints.db") as kept:
        assert kept.execute("select count(*), max(size) from checkpoints").fetchone() == (has + 1, 150)


def test_what_is_wrong_is_one_sentence(tmp_path: Path) -> None:
    for options, sentence in (((), "wants a name"), (("--name", NAME, "--log", "x"), "--log: not a verifier key")):
        done = CliRunner().invoke(app, ["witness", "--dir", str(tmp_path / "witness"), *options])
        assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
        assert done.stderr.startswith("error: ")
        assert sentence in done.stderr
