"""`spotlight admin`, and the demo's administrator."""

import json
import re

import pytest
from typer.testing import CliRunner

from admin.access.keep_staff import KeepStaff
from admin.access.passwords import Passwords
from gateway.cli.demo_environment import ADMIN_EMAIL, DRAWN, PASSWORD
from gateway.cli.main import app
from gateway.runtime.operations import with_staff
from gateway.runtime.settings import load_settings
from tests.engines import SECRET_KEY, Database, run_apart

AWA = "awa@house.test"


@pytest.fixture
def run(database: Database, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    values = {
        "DATABASE_URL": database.app_url,
        "REDIS_URL": redis_url,
        "SPOTLIGHT_SECRET_KEY": SECRET_KEY,
        "SPOTLIGHT_ENV": "demo",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    for name in (PASSWORD, DRAWN):
        monkeypatch.delenv(name, raising=False)
    return CliRunner()


def opens(email: str, password: str) -> bool:
    async def check(staff: KeepStaff) -> bool:
        found = await staff.accounts.credentials(email)
        return found is not None and await Passwords().fits(password, found.password_hash)

    return run_apart(with_staff(load_settings(), check))


@pytest.mark.parametrize("command", ["create", "list", "reset-totp", "disable", "enable"])
def test_every_help_has_an_example(run: CliRunner, command: str) -> None:
    shown = run.invoke(app, ["admin", command, "--help"])
    assert shown.exit_code == 0
    assert f"spotlight admin {command}" in shown.output
    assert "--password" not in shown.output


def test_an_account_is_made_with_a_drawn_password_that_is_shown_once(run: CliRunner) -> None:
    made = run.invoke(app, ["admin", "create", "--email", "Awa@House.test", "--role", "finance"])
    assert made.exit_code == 0, made.output
    password = re.search(r"shown only now: (\S+)", made.output)
    assert password is not None
    assert opens(AWA, password[1])
    listed = run.invoke(app, ["admin", "list", "--json"])
    (row,) = json.loads(listed.output)
    assert (row["email"], row["role"], row["active"], row["secondFactor"]) == (AWA, "finance", True, False)
    assert password[1] not in run.invoke(app, ["admin", "list"]).output


@pytest.mark.parametrize(
    ("words", "output"),
    [
        (["create", "--email", "awa"], "is no e-mail address"),
        (["create", "--email", AWA, "--organiser", "unknown"], "there is no organiser 'unknown'"),
        (["disable", "--email", "unknown@house.test"], "no account has the address"),
        (["reset-totp", "--email", "unknown@house.test"], "no account has the address"),
    ],
)
def test_what_cannot_be_is_one_sentence(run: CliRunner, words: list[str], output: str) -> None:
    done = run.invoke(app, ["admin", *words])
    assert done.exit_code == 2
    assert output in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_account_is_made_once_and_can_be_shut(run: CliRunner) -> None:
    assert run.invoke(app, ["admin", "create", "--email", AWA]).exit_code == 0
    again = run.invoke(app, ["admin", "create", "--email", AWA.upper()])
    assert (again.exit_code, "has an account already" in again.stderr) == (2, True)
    assert run.invoke(app, ["admin", "disable", "--email", AWA]).exit_code == 0
    assert "disabled" in run.invoke(app, ["admin", "list"]).output
    assert run.invoke(app, ["admin", "enable", "--email", AWA]).exit_code == 0
    assert run.invoke(app, ["admin", "reset-totp", "--email", AWA]).exit_code == 0


def test_the_demo_draws_a_password_and_tells_it_once(run: CliRunner) -> None:
    first = run.invoke(app, ["demo"])
    assert first.exit_code == 0, first.output
    password = re.search(r"shown only now: (\S+)", first.output)
    assert password is not None
    assert opens(ADMIN_EMAIL, password[1])
    second = run.invoke(app, ["demo"])
    assert "password" not in second.output
    assert opens(ADMIN_EMAIL, password[1])


def test_the_demo_takes_the_password_that_is_set(run: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    run.invoke(app, ["demo"])
    for password in ("chosen-by-its-operator", "and chosen again"):
        monkeypatch.setenv(PASSWORD, password)
        done = run.invoke(app, ["demo"])
        assert done.exit_code == 0
        assert password not in done.output
        assert opens(ADMIN_EMAIL, password)


def test_what_up_drew_is_not_printed_here(run: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DRAWN, "drawn-by-up-itself")
    done = run.invoke(app, ["demo"])
    assert f"made the demo's administrator {ADMIN_EMAIL}" in done.output
    assert "drawn-by-up-itself" not in done.output
    assert opens(ADMIN_EMAIL, "drawn-by-up-itself")


def test_production_has_no_account_of_a_demo(run: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPOTLIGHT_ENV", "production")
    monkeypatch.setenv("SPOTLIGHT_PUBLIC_URL", "https://vote.example")
    monkeypatch.setenv("SPOTLIGHT_TRUSTED_PROXIES", "none")
    for code in ("AFRICASTALKING", "KANNEL"):
        monkeypatch.setenv(f"{code}_SHARED_SECRET", "a word of the right length, for tests")
    run.invoke(app, ["demo"])
    listed = run.invoke(app, ["admin", "list"])
    assert listed.exit_code == 0, listed.output
    assert ADMIN_EMAIL not in listed.output
