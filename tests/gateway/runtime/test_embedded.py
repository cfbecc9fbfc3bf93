"""The embedded engines, really started, killed and started again."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest
from redis import Redis

from gateway.runtime.embedded.engine import EngineError, hold
from gateway.runtime.embedded.postgres import APP_ROLE, OWNER_ROLE, SUPERUSER, Postgres, prepare_database
from gateway.runtime.embedded.valkey import Valkey
from tests.engines import Engines, run_apart, temporary_home
from tests.gateway.cli.processes import gone


@pytest.fixture
def home() -> Iterator[Path]:
    with temporary_home() as path:
        yield path


@pytest.fixture
def postgres(home: Path) -> Iterator[Postgres]:
    engine = Postgres(home, fsync="off")
    engine.start()
    yield engine
    engine.stop()
    engine.erase()


@pytest.fixture
def valkey(home: Path) -> Iterator[Valkey]:
    engine = Valkey(home)
    engine.start()
    yield engine
    engine.stop()


def ask(url: str, statement: str) -> object:
    async def once() -> object:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return run_apart(once())


def until(true: Callable[[], bool], seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def kill(engine: Postgres | Valkey) -> None:
    assert engine.process
    os.kill(engine.process.pid, signal.SIGKILL)
    engine.process.wait()
    assert not engine.alive


def test_a_killed_postgres_comes_back_with_what_was_committed(postgres: Postgres) -> None:
    run_apart(prepare_database(postgres, "kept"))
    url = postgres.dsn("kept", OWNER_ROLE)
    ask(url, "create table words (word text)")
    ask(url, "insert into words values ('kept')")
    kill(postgres)
    postgres.start()
    assert ask(url, "select word from words") == "kept"


def test_valkey_keeps_nothing_on_the_disk_and_removes_what_was_kept_there(valkey: Valkey) -> None:
    kill(valkey)
    (valkey.data / "appendonlydir").mkdir()
    for kept in ("dump.rdb", "appendonlydir/appendonly.aof.1.incr.aof"):
        (valkey.data / kept).write_text("+2250501020304")
    valkey.start()
    with Redis.from_url(valkey.url(3)) as client:
        client.set("word", "short-lived")
        assert (client.config_get("appendonly"), client.config_get("save")) == ({"appendonly": "no"}, {"save": ""})
    valkey.stop()
    assert list(valkey.data.iterdir()) == []


def test_valkey_starts_empty_after_its_data_was_deleted(valkey: Valkey) -> None:
    kill(valkey)
    shutil.rmtree(valkey.data)
    valkey.start()
    with Redis.from_url(valkey.url()) as client:
        assert client.dbsize() == 0


def test_roles_own_nothing_and_are_no_superusers(postgres: Postgres) -> None:
    for _ in range(2):
        run_apart(prepare_database(postgres))
    for role in (APP_ROLE, OWNER_ROLE):
        strong = "select rolsuper or rolbypassrls or rolcreatedb or rolcreaterole from pg_roles where rolname = "
        assert ask(postgres.dsn("spotlight", role), f"{strong}'{role}'") is False
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        ask(postgres.dsn("spotlight", APP_ROLE), "create table mine (id int)")
    assert ask(postgres.dsn("postgres", SUPERUSER), "show max_connections") == "200"


def test_a_database_name_is_never_more_than_a_name(postgres: Postgres) -> None:
    with pytest.raises(ValueError, match="plain database name"):
        run_apart(prepare_database(postgres, "x; drop database postgres"))


def test_nothing_listens_on_the_network_and_others_cannot_enter(engines: Engines) -> None:
    for engine in (engines.postgres, engines.valkey):
        assert engine.process
        listening = [c for c in psutil.Process(engine.process.pid).net_connections("inet") if c.status == "LISTEN"]
        assert listening == []
        assert engine.run.stat().st_mode & 0o077 == 0


def test_a_second_holder_is_refused_and_shown_who_holds(home: Path) -> None:
    with hold(home, "the first one"), pytest.raises(EngineError, match=rf"the first one \(process {os.getpid()}\)"):
        hold(home)
    hold(home).close()


def test_servers_left_by_a_killed_program_are_replaced(home: Path) -> None:
    script = textwrap.dedent(
        """
        import pathlib, sys, time
        from gateway.runtime.embedded.postgres import Postgres
        from gateway.runtime.embedded.valkey import Valkey
        for engine in (Postgres(pathlib.Path(sys.argv[1])), Valkey(pathlib.Path(sys.argv[1]))):
            engine.start()
            print(engine.process.pid, flush=True)
        time.sleep(60)
        """
    )
    with subprocess.Popen([sys.executable, "-c", script, str(home)], stdout=subprocess.PIPE, text=True) as launcher:
        assert launcher.stdout
        first = [int(launcher.stdout.readline()) for _ in range(2)]
        launcher.kill()
    postgres, valkey = Postgres(home), Valkey(home)
    try:
        postgres.start()
        valkey.start()
        assert all(gone(pid) for pid in first)
        assert postgres.ready()
        assert valkey.ready()
    finally:
        valkey.stop()
        postgres.stop()
        postgres.erase()


def test_a_strangers_process_number_in_the_lock_file_is_no_obstacle(postgres: Postgres) -> None:
    kill(postgres)
    lock = postgres.data / "postmaster.pid"
    lines = lock.read_text().split("\n")
    lock.write_text("\n".join([str(os.getpid()), *lines[1:]]))
    postgres.start()
    assert postgres.ready()


def test_servers_end_with_the_program_that_started_them(home: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux tells a child that its parent died")
    script = (
        "import pathlib, sys, time; from gateway.runtime.embedded.valkey import Valkey;"
        " engine = Valkey(pathlib.Path(sys.argv[1]));"
        "engine.start(); print(engine.process.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(home)], stdout=subprocess.PIPE, text=True) as launcher:
        assert launcher.stdout
        pid = int(launcher.stdout.readline())
        launcher.kill()
    assert until(lambda: gone(pid))
    shutil.rmtree(Valkey(home).run, ignore_errors=True)


def test_a_data_directory_without_its_version_is_called_broken(home: Path) -> None:
    (home / "postgres").mkdir()
    (home / "postgres" / "stray").touch()
    engine = Postgres(home)
    with pytest.raises(EngineError, match="broken"):
        engine.start()
    engine.stop()


def test_a_damaged_data_directory_is_reported_in_the_servers_words(postgres: Postgres) -> None:
    postgres.stop()
    (postgres.data / "global" / "pg_control").unlink()
    with pytest.raises(EngineError, match=r"PostgreSQL does not run on .*pg_control"):
        postgres.start()


@pytest.mark.parametrize("engine", [Postgres, Valkey])
def test_a_full_disk_is_reported_before_anything_starts(
    home: Path, engine: type[Postgres | Valkey], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 99, 1_000_000))
    with pytest.raises(EngineError, match="is full: 1 MB free"):
        engine(home).start()


def test_a_file_in_the_place_of_the_directory_is_one_sentence(home: Path) -> None:
    (home / "data").touch()
    with pytest.raises(EngineError, match="cannot be used"):
        hold(home / "data")


def test_a_socket_directory_of_another_user_is_refused(home: Path) -> None:
    engine = Valkey(home)
    elsewhere = home / "elsewhere"
    elsewhere.mkdir()
    engine.run.symlink_to(elsewhere)
    try:
        with pytest.raises(EngineError, match="belongs to another user"):
            engine.start()
    finally:
        engine.run.unlink()


def test_root_in_a_private_tree_puts_the_server_elsewhere(home: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root has to give PostgreSQL another user")
    private = home / "private"
    private.mkdir(mode=0o700)
    engine = Postgres(private / "data", fsync="off")
    try:
        engine.start()
        assert home not in engine.data.parents
        assert private.stat().st_mode & 0o777 == 0o700
    finally:
        engine.stop()
        engine.erase()
    assert not engine.data.exists()
