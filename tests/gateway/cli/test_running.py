"""Commands find the installation that runs here."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.cli.running import NothingRuns, announce, apply_running_environment, withdraw, write_pids

SETTINGS = {"DATABASE_URL": "postgresql://app@/spotlight?host=/run", "PORT": "8123", "SPOTLIGHT_SECRET_KEY": "k" * 64}


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with an empty data directory, and an environment that names nothing."""
    for name in (*SETTINGS, "REDIS_URL", "SPOTLIGHT_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    (tmp_path / ".spotlight").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_announced_environment_is_taken_over(checkout: Path) -> None:
    announce(checkout / ".spotlight", SETTINGS)
    assert apply_running_environment() == checkout / ".spotlight"
    assert {name: os.environ[name] for name in SETTINGS} == SETTINGS


def test_it_is_found_from_a_folder_inside(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    announce(checkout / ".spotlight", SETTINGS)
    (checkout / "docs").mkdir()
    monkeypatch.chdir(checkout / "docs")
    assert apply_running_environment() == checkout / ".spotlight"


def test_what_is_set_here_wins(checkout: Path) -> None:
    announce(checkout / ".spotlight", SETTINGS)
    os.environ["PORT"] = "9999"
    apply_running_environment()
    assert os.environ["PORT"] == "9999"


def test_a_database_named_here_needs_no_installation(checkout: Path) -> None:
    os.environ["DATABASE_URL"] = "postgresql://elsewhere/db"
    assert apply_running_environment() is None
    assert os.environ["DATABASE_URL"] == "postgresql://elsewhere/db"


def test_a_database_named_in_the_dotenv_file_counts_too(checkout: Path) -> None:
    announce(checkout / ".spotlight", SETTINGS)
    (checkout / ".env").write_text("DATABASE_URL=postgresql://elsewhere/db\n")
    assert apply_running_environment() is None


def test_nothing_runs(checkout: Path) -> None:
    with pytest.raises(NothingRuns, match="make run"):
        apply_running_environment()
    assert apply_running_environment(required=False) is None


def test_an_announcement_whose_author_died_is_none(checkout: Path) -> None:
    done = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    announce(checkout / ".spotlight", SETTINGS)
    path = checkout / ".spotlight" / "up.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "pid": int(done.stdout)}))
    with pytest.raises(NothingRuns):
        apply_running_environment()


def test_a_damaged_announcement_is_one_sentence(checkout: Path) -> None:
    (checkout / ".spotlight" / "up.json").write_text("{")
    with pytest.raises(NothingRuns, match="damaged"):
        apply_running_environment()


def test_an_announcement_of_another_user_is_not_trusted(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    announce(checkout / ".spotlight", SETTINGS)
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000)
    with pytest.raises(NothingRuns, match="belongs to"):
        apply_running_environment()


def test_withdrawn_is_gone(checkout: Path) -> None:
    announce(checkout / ".spotlight", SETTINGS)
    write_pids(checkout / ".spotlight", {"up": 1})
    withdraw(checkout / ".spotlight")
    withdraw(checkout / ".spotlight")
    assert list((checkout / ".spotlight").iterdir()) == []
