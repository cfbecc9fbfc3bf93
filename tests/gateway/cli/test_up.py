"""`spotlight up` as a program of its own, over real engines and dummy programs."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from gateway.cli.up import UpError, check_port, read_place, up
from gateway.runtime.embedded.engine import EngineError
from gateway.runtime.settings import SettingsError
from leaderboard.log.notes import KeyKind
from tests.engines import temporary_home
from tests.free_port import free_port
from tests.gateway.cli.processes import gone
from tests.leaderboard.witness.logs import key_of

VOTING_SERVICE = Path(__file__).with_name("dummy_processes.py")
OTHER_WITNESS = key_of(9, KeyKind.COSIGNATURE, "news.example/witness").key.text


class Terminal:
    """The foreground program and what it printed."""

    def __init__(self, home: Path, **environment: str) -> None:
        self.home, self.output = home, home.parent / f"{home.name}.out"
        self.port, self.sandbox_port = free_port(), free_port()
        self.environment = {
            "PATH": os.environ["PATH"],
            "SPOTLIGHT_DATA_DIR": str(home),
            "PORT": str(self.port),
            "SPOTLIGHT_SANDBOX_PORT": str(self.sandbox_port),
            **environment,
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, **more: str) -> "Terminal":
        with self.output.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, str(VOTING_SERVICE)],
                env={**self.environment, **more},
                stdout=out,
                stderr=out,
                cwd=self.home.parent,
            )
        return self

    def once(self, **more: str) -> tuple[int, str]:
        """Run until it ends by itself; exit status and output."""
        done = subprocess.run(
            [sys.executable, str(VOTING_SERVICE)],
            env={**self.environment, **more},
            capture_output=True,
            text=True,
            timeout=60,
            cwd=self.home.parent,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    @property
    def text(self) -> str:
        return self.output.read_text()

    def until(self, true: Callable[[], bool], seconds: float = 30) -> None:
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, self.text
            time.sleep(0.05)

    def until_ready(self) -> "Terminal":
        self.until(lambda: f"ready http://127.0.0.1:{self.port}\n" in self.text)
        return self

    def pids(self) -> dict[str, int]:
        try:
            return dict(json.loads((self.home / "pids.json").read_text()))
        except FileNotFoundError:
            return {}

    def signal(self, sig: signal.Signals) -> int:
        """Send it and wait for the end; exit status."""
        assert self.process
        self.process.send_signal(sig)
        return self.process.wait(timeout=60)

    def belongings(self) -> list[psutil.Process]:
        """Everything alive that was started for this data directory."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("SPOTLIGHT_DATA_DIR") == str(self.home) or str(self.home) in process.cwd():
                    found.append(process)
            except (psutil.Error, OSError):
                continue
        return found


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    with temporary_home() as parent:
        made = Terminal(parent / "data")
        yield made
        if made.process and made.process.poll() is None:
            made.process.terminate()
            made.process.wait(60)


def test_it_comes_up_says_so_once_and_leaves_nothing_behind(terminal: Terminal) -> None:
    terminal.start(AFRICASTALKING_SENDER="4321").until_ready()
    # Programs may log at any time.
    own = [line for line in terminal.text.splitlines() if " | " not in line]
    assert own[-1] == f"ready http://127.0.0.1:{terminal.port}"
    assert f"http://127.0.0.1:{terminal.port}/c/star" in terminal.text
    pids = terminal.pids()
    assert set(pids) == {"up", "postgres", "valkey", "sandbox", "serve", "worker", "witness"}
    assert all(psutil.pid_exists(pid) for pid in pids.values())
    for private in ("up.json", "pids.json", "secret_key"):
        assert (terminal.home / private).stat().st_mode & 0o777 == 0o600
    assert len((terminal.home / "secret_key").read_text().strip()) == 64
    assert (terminal.home / "witness" / "key").stat().st_mode & 0o777 == 0o600
    the_environment_reaches_the_programs(terminal)
    a_second_one_is_refused_and_shown_who_holds_the_place(terminal)
    assert terminal.signal(signal.SIGINT) == 0
    assert terminal.belongings() == []
    assert all(gone(pid) for pid in pids.values())
    assert not (terminal.home / "up.json").exists()
    assert not (terminal.home / "pids.json").exists()
    assert "Traceback" not in terminal.text


def the_environment_reaches_the_programs(terminal: Terminal) -> None:
    environment: dict[str, Any] = psutil.Process(terminal.pids()["serve"]).environ()
    assert environment["AFRICASTALKING_SENDER"] == "4321"
    assert environment["MTN_MOMO_BASE_URL"] == f"http://127.0.0.1:{terminal.sandbox_port}/mtn_momo"
    key = psutil.Process(terminal.pids()["worker"]).environ()["SPOTLIGHT_WITNESSES"]
    assert key.startswith("witness.demo.local+")
    assert key.endswith(f" http://127.0.0.1:{environment['SPOTLIGHT_WITNESS_PORT']}")
    assert environment["DATABASE_URL"].startswith("postgresql://spotlight_app@/spotlight?host=")
    assert environment["SPOTLIGHT_OWNER_DATABASE_URL"].startswith("postgresql://spotlight_owner@/spotlight?host=")


def a_second_one_is_refused_and_shown_who_holds_the_place(terminal: Terminal) -> None:
    status, output = terminal.once()
    assert status == 1
    assert f"is already in use by spotlight up (process {terminal.pids()['up']})" in output
    assert "Traceback" not in output


def test_everything_that_is_killed_comes_back_and_the_second_start_finds_its_key(terminal: Terminal) -> None:
    terminal.start().until_ready()
    key = (terminal.home / "secret_key").read_text()
    first = terminal.pids()
    noted = terminal.home / "worker.grandchild"
    # Ready says nothing of the worker.
    terminal.until(lambda: noted.exists() and noted.read_text() != "")
    grandchild = int(noted.read_text())
    for name in ("worker", "valkey", "postgres"):
        os.kill(first[name], signal.SIGKILL)
    terminal.until(lambda: set(terminal.pids()) == set(first) and "postgres is back" in terminal.text)
    terminal.until(lambda: terminal.text.count("worker speaks") == 2)
    now = terminal.pids()
    assert {name for name in first if first[name] != now[name]} == {"worker", "valkey", "postgres"}
    assert gone(grandchild)
    assert "worker died (by SIGKILL); starting it again" in terminal.text
    assert terminal.signal(signal.SIGTERM) == 0
    terminal.start().until_ready()
    assert (terminal.home / "secret_key").read_text() == key
    assert terminal.signal(signal.SIGTERM) == 0


def test_what_a_killed_one_left_behind_is_ended_by_the_next(terminal: Terminal) -> None:
    terminal.start(DUMMY_STUBBORN="serve").until_ready()
    left = terminal.pids()
    assert terminal.signal(signal.SIGKILL) == -signal.SIGKILL
    terminal.start().until_ready()
    assert all(gone(pid) for pid in left.values())
    assert "had left behind" in terminal.text
    assert terminal.signal(signal.SIGTERM) == 0
    assert terminal.belongings() == []


def test_a_second_interrupt_ends_all_at_once(terminal: Terminal) -> None:
    terminal.start(DUMMY_STUBBORN="worker").until_ready()
    assert terminal.process
    terminal.process.send_signal(signal.SIGINT)
    terminal.until(lambda: "stopping" in terminal.text)
    begun = time.monotonic()
    assert terminal.signal(signal.SIGINT) == 130
    assert time.monotonic() - begun < 5
    terminal.until(lambda: terminal.belongings() == [])


def test_an_interrupt_while_starting_leaves_nothing_behind(terminal: Terminal) -> None:
    terminal.start()
    terminal.until(lambda: "starting postgres" in terminal.text)
    assert terminal.signal(signal.SIGINT) == 0
    assert terminal.belongings() == []


@pytest.mark.parametrize(
    ("step", "environment"),
    # Making a cluster is what takes longest; the other engine is there to be ended.
    [("migrate", {}), ("demo", {"DATABASE_URL": "postgresql://person@db.example/spotlight"})],
)
def test_a_failing_step_is_shown_and_ends_everything(
    terminal: Terminal, step: str, environment: dict[str, str]
) -> None:
    status, output = terminal.once(DUMMY_BROKEN=step, **environment)
    assert status == 1
    assert f"error: `spotlight {step}` failed" in output
    assert f"{step} is broken on purpose" in output
    assert terminal.belongings() == []


def in_use(port: int, variable: str) -> str:
    return f"port {port} on 127.0.0.1 is in use by another program; stop it, or set {variable} to a free port"


def test_a_port_in_use_is_one_sentence_before_anything_starts(terminal: Terminal) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, output = terminal.once(PORT=str(port))
    assert status == 1
    assert output == f"error: {in_use(port, 'PORT')}\n"
    assert not (terminal.home / "postgres").exists()


@pytest.fixture
def here(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What ends before anything starts is tried in this process: its data directory."""
    for name, value in terminal.environment.items():
        monkeypatch.setenv(name, value)
    return terminal.home


def test_the_other_port_in_use(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("SPOTLIGHT_SANDBOX_PORT", str(port))
        with pytest.raises(UpError, match=f"^{in_use(port, 'SPOTLIGHT_SANDBOX_PORT')}$"):
            up()
    assert not (here / "postgres").exists()


def test_a_broken_data_directory_is_one_sentence(terminal: Terminal) -> None:
    (terminal.home / "postgres").mkdir(parents=True)
    (terminal.home / "postgres" / "stray").touch()
    status, output = terminal.once()
    assert status == 1
    assert output.count("error:") == 1
    assert "is broken" in output
    assert "Traceback" not in output


def test_a_damaged_key_is_never_replaced(here: Path) -> None:
    here.mkdir()
    (here / "secret_key").touch()
    with pytest.raises(EngineError, match="secret_key is damaged"):
        up()
    assert (here / "secret_key").read_text() == ""


def test_servers_of_ones_own_are_used_instead(terminal: Terminal) -> None:
    terminal.start(
        DATABASE_URL="postgresql://person@db.example/spotlight",
        REDIS_URL="redis://cache.example/0",
        SPOTLIGHT_WITNESSES=f"{OTHER_WITNESS} https://witness.example",
    ).until_ready()
    assert set(terminal.pids()) == {"up", "sandbox", "serve", "worker"}
    assert not (terminal.home / "postgres").exists()
    environment = json.loads((terminal.home / "up.json").read_text())["environment"]
    assert environment["SPOTLIGHT_OWNER_DATABASE_URL"] == "postgresql://person@db.example/spotlight"
    assert environment["REDIS_URL"] == "redis://cache.example/0"
    assert terminal.signal(signal.SIGTERM) == 0


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"PORT": "0"}, "PORT: '0' is not a port number"),
        ({"PORT": "80a"}, "PORT: '80a' is not a port number"),
        ({"SPOTLIGHT_SANDBOX_PORT": "65536"}, "SPOTLIGHT_SANDBOX_PORT"),
        ({"PORT": "8081"}, "both 8081"),
        ({"SPOTLIGHT_WITNESS_PORT": "8080"}, "PORT and SPOTLIGHT_WITNESS_PORT are both 8080"),
        ({"SPOTLIGHT_SANDBOX_PORT": "8082"}, "SPOTLIGHT_SANDBOX_PORT and SPOTLIGHT_WITNESS_PORT are both 8082"),
    ],
)
def test_ports_that_are_none(environment: dict[str, str], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        read_place(environment)


@pytest.mark.parametrize("host", ["203.0.113.9", "no.such.host.invalid"])
def test_a_host_that_is_not_here(host: str) -> None:
    with pytest.raises(UpError, match="is not an address of this machine"):
        check_port(host, 8080, "PORT")
