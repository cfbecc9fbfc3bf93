"""The command line: helps, exit statuses, and commands on a real database."""

import json
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest
from typer.testing import CliRunner

from gateway.cli import configuration, doctor
from gateway.cli.main import app
from tests.engines import SECRET_KEY, Database, Engines, run_apart
from tests.free_port import free_port

COMMANDS = [
    "up",
    "serve",
    "worker",
    "sandbox",
    "migrate",
    "demo",
    "demo crowd",
    "partitions",
    "purge",
    "audit money",
    "audit log",
    "audit tally",
    "tally rebuild",
    "config",
    "doctor",
]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """A command line in an empty directory, with nothing of ours in the environment."""
    for name in ("DATABASE_URL", "REDIS_URL", "SPOTLIGHT_OWNER_DATABASE_URL", "SPOTLIGHT_SECRET_KEY", "SPOTLIGHT_ENV"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("SPOTLIGHT_DATA_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    return CliRunner()


@pytest.fixture
def installed(run: CliRunner, database: Database, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """The same with servers that answer."""
    values = {
        "DATABASE_URL": database.app_url,
        "SPOTLIGHT_OWNER_DATABASE_URL": database.owner_url,
        "REDIS_URL": redis_url,
        "SPOTLIGHT_SECRET_KEY": SECRET_KEY,
        "SPOTLIGHT_ENV": "demo",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return run


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_has_an_example(run: CliRunner, command: str) -> None:
    shown = run.invoke(app, [*command.split(), "--help"])
    assert shown.exit_code == 0
    assert "Example:\n" in shown.output
    assert f"spotlight {command}" in shown.output


@pytest.mark.parametrize(
    "command", ["serve", "worker", "migrate", "demo", "partitions", "audit money", "tally rebuild"]
)
def test_where_nothing_runs_one_sentence_says_so(run: CliRunner, command: str) -> None:
    done = run.invoke(app, command.split())
    assert done.exit_code == 2
    assert done.stderr.startswith("error: nothing runs here")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["up", "sandbox"])
def test_where_the_simulated_country_is_not_installed_one_sentence_says_so(
    run: CliRunner, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setitem(sys.modules, "sandbox", None)
    done = run.invoke(app, [command])
    assert done.exit_code == 1
    assert done.stderr.startswith("error: the simulated country is not installed")
    assert done.stderr.count("\n") == 1


def test_wrong_settings_get_a_sentence_each(run: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://x")
    monkeypatch.setenv("REDIS_URL", "redis://x")
    monkeypatch.setenv("SPOTLIGHT_SECRET_KEY", "short")
    done = run.invoke(app, ["migrate"])
    assert done.exit_code == 2
    assert "error: DATABASE_URL: must begin with postgresql://" in done.stderr
    assert "error: SPOTLIGHT_SECRET_KEY: use at least 32" in done.stderr


def test_an_unreachable_database_is_one_sentence(installed: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPOTLIGHT_OWNER_DATABASE_URL", "postgresql://unknown@127.0.0.1:1/nothing")
    done = installed.invoke(app, ["migrate"])
    assert done.exit_code == 1
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


def test_a_refusing_database_is_one_sentence(installed: CliRunner, engines: Engines) -> None:
    done = installed.invoke(app, ["demo"], env={"DATABASE_URL": engines.postgres.dsn("no_such_database")})
    assert done.exit_code == 1
    assert "no_such_database" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["migrate", "serve", "worker"])
def test_a_database_from_before_the_first_release_is_refused(
    installed: CliRunner, database: Database, command: str
) -> None:
    run_apart(_pretend_revision(database, "0016"))
    # On their own processes, as `serve` and `worker` take the signals of theirs.
    done = subprocess.run(
        [sys.executable, "-m", "gateway.cli.main", command], capture_output=True, text=True, timeout=60
    )
    assert done.returncode in (1, 2)
    [line] = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "export its contests" in line
    assert "start with a new SPOTLIGHT_DATA_DIR" in line


async def _pretend_revision(database: Database, revision: str) -> None:
    owner = await asyncpg.connect(database.owner_url)
    await owner.execute(f"update alembic_version set version_num = '{revision}'")
    await owner.close()


def test_an_unknown_command_is_misuse(run: CliRunner) -> None:
    assert run.invoke(app, ["nonsense"]).exit_code == 2


def test_the_commands_of_an_operator(installed: CliRunner) -> None:
    for command, says in (
        ("migrate", "the database is up to date"),
        ("demo", "/c/star"),
        ("tally rebuild", "star: 0 votes"),
        ("audit log", "star: all is as it was counted"),
        ("audit tally", "star: all is as it was counted"),
        ("demo --orders 5", "5 orders are written"),
        ("audit money", "holds"),
    ):
        done = installed.invoke(app, command.split())
        assert (done.exit_code, says in done.output) == (0, True), done.output
    assert json.loads(installed.invoke(app, ["audit", "money", "--json"]).output)


def test_where_the_simulated_country_is_silent_one_sentence_says_so(installed: CliRunner) -> None:
    done = installed.invoke(app, ["demo", "crowd"], env={"SPOTLIGHT_SANDBOX_PORT": str(free_port())})
    assert done.exit_code == 1
    assert done.stderr.startswith("error: the simulated country does not answer at http://127.0.0.1:")
    assert done.stderr.count("\n") == 1


def test_partitions_are_made_once(installed: CliRunner) -> None:
    assert "made " in installed.invoke(app, ["partitions", "--months", "8"]).output
    assert "are there already" in installed.invoke(app, ["partitions", "--months", "8"]).output


def test_config_masks_secrets_and_says_where_values_come_from(installed: CliRunner) -> None:
    wave = {"BASE_URL": "http://127.0.0.1/", "API_KEY": "hush", "WEBHOOK_SECRET": "hush", "STATUS_PER_SECOND": "7"}
    Path(".env").write_text("".join(f"WAVE_{name}={value}\n" for name, value in wave.items()))
    done = installed.invoke(app, ["config"], env={"REDIS_URL": "redis://:hush@cache:6379/0"})
    assert done.exit_code == 0
    assert SECRET_KEY not in done.output
    assert "hush" not in done.output
    lines = {line.split()[0]: line for line in done.output.splitlines()}
    assert lines["SPOTLIGHT_SECRET_KEY"].endswith("****  (environment)")
    assert lines["WAVE_STATUS_PER_SECOND"].endswith("7  (.env)")
    assert lines["PORT"].endswith("8080  (default)")
    assert "redis://:****@cache:6379/0" in lines["REDIS_URL"]


def test_config_tells_what_would_stop_the_start(installed: CliRunner) -> None:
    Path(".env").write_text("STRIPE_SECRET_KEY=sk_live_1\nSTRIPE_WEBHOOK_SECRET=whsec_1\n")
    done = installed.invoke(app, ["config"])
    assert done.exit_code == 2
    assert "a demo reaches no real operator" in done.stderr


def test_config_lists_and_complains_where_nothing_is_set(run: CliRunner) -> None:
    done = run.invoke(app, ["config"])
    assert done.exit_code == 2
    assert "HOST" in done.stdout
    assert "nothing runs here" in done.stderr
    assert json.loads(run.invoke(app, ["config", "--json"]).stdout)["faults"]


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("STRIPE_API_KEY", "sk_live_1", "****"),
        ("SPOTLIGHT_DEMO_ADMIN_PASSWORD", "x", "****"),
        ("DATABASE_URL", "postgresql://app:p@db/x", "postgresql://app:****@db/x"),
        ("HOST", "127.0.0.1", "127.0.0.1"),
        ("STRIPE_API_KEY", "", ""),
    ],
)
def test_masking(name: str, value: str, shown: str) -> None:
    assert configuration.masked(name, value) == shown


def test_another_secret_key_is_refused(installed: CliRunner) -> None:
    assert installed.invoke(app, ["admin", "list"]).exit_code == 0
    done = installed.invoke(app, ["admin", "list"], env={"SPOTLIGHT_SECRET_KEY": "7b1e0f49c885b7d20a1c94e4f7f8a63d"})
    assert done.exit_code == 2
    assert "SPOTLIGHT_SECRET_KEY: is not the key that this database was written with" in done.stderr


def test_the_vault_rotates_to_the_first_key(installed: CliRunner, database: Database) -> None:
    keys = {"SPOTLIGHT_OWNER_DATABASE_URL": database.owner_url, "SPOTLIGHT_VAULT_KEYS": f"2:{'7b1e0f49c88' * 3}x,1"}
    assert installed.invoke(app, ["admin", "list"]).exit_code == 0
    done = installed.invoke(app, ["vault", "rotate"], env=keys)
    assert done.exit_code == 0, done.output
    assert "sealed again: 0 values" in done.output
    assert installed.invoke(app, ["admin", "list"]).exit_code == 2


def test_doctor_finds_answering_servers(installed: CliRunner) -> None:
    done = installed.invoke(app, ["doctor"])
    assert done.exit_code == 0, done.output
    assert "PostgreSQL: 18" in done.output
    assert "Redis: 7" in done.output


def test_doctor_names_what_is_wrong(installed: CliRunner, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", database.superuser_url)
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setattr(doctor, "_ROOM_MB", 10**12)
    done = installed.invoke(app, ["doctor"])
    assert done.exit_code == 1
    wrong = [line.split(":")[0].split(maxsplit=1)[1] for line in done.output.splitlines() if line.startswith("WRONG")]
    assert wrong == ["disk", "PostgreSQL", "Redis"]


def test_doctor_shows_what_is_set_aside(installed: CliRunner, database: Database) -> None:
    assert "set aside" not in installed.invoke(app, ["doctor"]).output

    async def plant() -> None:
        owner = await asyncpg.connect(database.owner_url)
        await owner.execute("insert into set_aside values ('contest', 'c1', 'SettlementBroken', now(), now())")
        await owner.close()

    run_apart(plant())
    assert "set aside: contest" in installed.invoke(app, ["doctor"]).output


def test_doctor_tells_of_upkeep_that_fails(installed: CliRunner, database: Database) -> None:
    async def plant() -> None:
        owner = await asyncpg.connect(database.owner_url)
        names = await owner.fetch(
            "select inhrelid::regclass::text from pg_inherits where inhparent = 'votes'::regclass"
        )
        for name in sorted(row[0] for row in names)[-2:]:
            await owner.execute(f"drop table {name}")
        await owner.execute("insert into upkeep values ('partitions', now(), now(), 'ProgrammingError')")
        await owner.execute("insert into upkeep values ('purge', now() - interval '5 days')")
        await owner.close()

    fine = installed.invoke(app, ["doctor"]).output
    assert "months of votes" in fine
    assert "run `spotlight partitions`" not in fine
    run_apart(plant())
    shown = installed.invoke(app, ["doctor"]).output
    for expected in ("run `spotlight partitions`", "failed with ProgrammingError", "run `spotlight purge`"):
        assert expected in shown
    assert "made votes_" in installed.invoke(app, ["partitions"]).output
    assert installed.invoke(app, ["purge"]).output == "nothing is old enough\n"
    assert "run `spotlight" not in installed.invoke(app, ["doctor"]).output


def test_doctor_asks_telegram_about_the_bot(installed: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Telegram" not in installed.invoke(app, ["doctor"]).output
    monkeypatch.setenv("TELEGRAM_TOKEN", "123456:a-token-of-no-bot")
    monkeypatch.setenv("TELEGRAM_BASE_URL", "http://127.0.0.1:1")
    done = installed.invoke(app, ["doctor"])
    assert done.exit_code == 1
    assert "WRONG Telegram: does not answer" in done.output
    assert "a-token-of-no-bot" not in done.output
    monkeypatch.setenv("TELEGRAM_MODE", "carrier pigeon")
    assert (
        "WRONG Telegram: is not asked before this is right: TELEGRAM_MODE" in installed.invoke(app, ["doctor"]).output
    )


def test_doctor_where_nothing_runs_looks_at_the_ports(run: CliRunner) -> None:
    done = run.invoke(app, ["doctor", "--json"])
    assert {finding["what"] for finding in json.loads(done.output)} >= {"Python", "PORT", "SPOTLIGHT_SANDBOX_PORT"}


def test_help_and_the_sentence_of_a_failure_are_quick_because_nothing_heavy_is_imported() -> None:
    script = (
        "import sys, gateway.cli.main; print(sorted({'sqlalchemy', 'aiohttp', 'aiogram', 'redis'} & set(sys.modules)));"
        "gateway.cli.failures._sentence(ValueError()); print('gateway.runtime.container' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\nFalse\n"
