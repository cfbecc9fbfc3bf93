"""`spotlight login`, `logout`, `whoami`, and the session that commands of staff act by, over real HTTP."""

import json
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pyotp
import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from admin.access.rules import FREE_TRIES
from admin.access.store import StaffAccounts
from admin.mail.store import Mails
from gateway.cli.failures import ApiRefused
from gateway.cli.main import app
from gateway.cli.running import announce
from gateway.cli.staff.api import CODE, PASSWORD, StaffApi, gateway_url, session_path, sign_in
from tests.engines import Database
from tests.free_port import free_port
from tests.gateway.cli.staff import PASSWORD as RIGHT
from tests.gateway.cli.staff import Shell, shell
from tests.gateway.cli.test_refunds import WHY, in_rig, request_in
from tests.rigs.money_rig import ASKER, CHECKER, MoneyRig

WRONG = "a wrong guess"


@pytest.fixture
def run(tmp_path: Path, database: Database, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    with shell(tmp_path, database, redis_url, monkeypatch, ASKER, CHECKER) as opened:
        yield opened


def execute(database: Database, statement: str) -> None:
    async def run(rig: MoneyRig) -> None:
        async with rig.engine.begin() as connection:
            await connection.execute(text(statement))

    in_rig(database, run)


def enrolled(database: Database) -> str:
    """ASKER sets up a second factor; its secret."""
    secret = pyotp.random_base32(32)

    async def enrol(rig: MoneyRig) -> None:
        accounts = StaffAccounts(rig.engine, rig.vault, Mails(rig.engine, rig.vault, on=False))
        found = await accounts.credentials(ASKER)
        assert found is not None
        assert await accounts.begin_factor(found.member.id, secret)
        assert await accounts.confirm_factor(found.member.id, 1)

    in_rig(database, enrol)
    return secret


def kept(run: Shell, who: str = ASKER) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run.config(who).read_text())
    return found


@pytest.mark.parametrize("command", ["login", "logout", "whoami"])
def test_every_help_has_an_example(command: str) -> None:
    shown = CliRunner().invoke(app, [command, "--help"])
    assert (shown.exit_code, f"Example:\n    spotlight {command}" in shown.output) == (0, True)


def test_signed_in_and_out(run: Shell) -> None:
    assert run.ran(ASKER, "whoami") == (2, "", "error: you are not signed in: run `spotlight login`\n")
    assert run.ran(ASKER, "refund", "list")[0] == 2
    assert run.login(ASKER) == (0, f"signed in as {ASKER}, finance, at {run.url}\n", "")
    file = run.config(ASKER)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert run("whoami") == (0, f"{ASKER}, finance, at {run.url}\n", "")
    output = json.loads(run("whoami --json")[1])
    assert (output["email"], output["url"], "decide" in output["rights"]) == (ASKER, run.url, True)
    token = kept(run)["access_token"]
    assert RIGHT not in file.read_text()
    assert run("logout") == (0, "signed out\n", "")
    assert not file.exists()
    assert run.ran(ASKER, "logout")[0] == 2
    answer = httpx.get(f"{run.url}/api/admin/me", headers={"Authorization": f"Bearer {token}"}, trust_env=False)
    assert answer.status_code == 401, "the session is over at the gateway too"


def test_a_wrong_password_opens_nothing(run: Shell) -> None:
    wrong = "error: The e-mail address or the password is wrong.\n"
    for who in (ASKER, "unknown@house.test"):
        assert run.login(who, WRONG) == (2, "", wrong)
    for _ in range(FREE_TRIES - 1):
        assert run.login(ASKER, WRONG) == (2, "", wrong)
    status, _, errors = run.login(ASKER)
    assert (status, "too many failed tries: come back in" in errors) == (2, True)
    assert not run.config(ASKER).exists()


def test_a_second_factor_is_asked_for_where_there_is_one(run: Shell, database: Database) -> None:
    secret = enrolled(database)
    assert run.login(ASKER)[0] == 2, "the password alone"
    code = pyotp.TOTP(secret).now()
    assert run.login(ASKER, RIGHT, code)[0] == 0
    assert run.login(ASKER, RIGHT, code)[0] == 2, "a code is used once"
    assert run("whoami")[0] == 0, "the session that there was stays"


def test_all_may_be_piped_in(run: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(run.home / ASKER))
    line = ["login", "--url", run.url]
    assert CliRunner().invoke(app, line, input=f"{ASKER}\n{WRONG}\n\n").exit_code == 2
    done = CliRunner().invoke(app, line, input=f"{ASKER}\n{RIGHT}\n")
    assert (done.exit_code, done.stdout) == (0, f"signed in as {ASKER}, finance, at {run.url}\n")


def test_money_asks_for_proof_again_after_five_minutes(run: Shell, database: Database) -> None:
    order = in_rig(database, lambda rig: rig.counted())
    secret = enrolled(database)
    assert run.login(ASKER, RIGHT, pyotp.TOTP(secret).now())[0] == 0
    execute(database, "update staff_sessions set factor_at = now() - interval '6 minutes'")
    words = ("refund", "ask", str(order.payment_reference), *WHY)
    assert run.ran(ASKER, *words) == (2, "", "error: show again who you are: run `spotlight login`\n")
    status, _, errors = run.ran(ASKER, *words, **{CODE: "000000"})
    assert (status, "This code is wrong" in errors) == (2, True)
    execute(database, "update staff set totp_last_step = 1")
    status, output, _ = run.ran(ASKER, *words, **{CODE: pyotp.TOTP(secret).now()})
    assert (status, "amount: 500 XOF" in output) == (0, True)
    asked = request_in(output)
    assert run.login(CHECKER)[0] == 0
    execute(database, "update staff_sessions set factor_at = now() - interval '6 minutes'")
    status, _, _ = run.ran(CHECKER, "refund", "approve", asked, **{PASSWORD: RIGHT})
    assert status == 0, "the password where no factor is set up"


def test_no_person_acts_as_another(run: Shell, database: Database) -> None:
    order = in_rig(database, lambda rig: rig.counted())
    asked = request_in(run(f"refund ask {order.payment_reference}", *WHY)[1])
    status, _, errors = run(f"refund approve {asked}")
    assert (status, "another person must decide" in errors) == (2, True)
    assert in_rig(database, lambda rig: rig.status(order)) == "settled"
    assert run(f"refund approve {asked}", who=CHECKER)[0] == 0
    assert in_rig(database, lambda rig: rig.status(order)) == "refund_due"


def test_tokens_are_renewed_by_themselves(run: Shell) -> None:
    run.login(ASKER)
    first = kept(run)
    run.office.ahead = timedelta(minutes=16)
    assert run("whoami")[0] == 0, "the gateway says that the token is over"
    second = kept(run)
    assert second["refresh_token"] != first["refresh_token"]
    assert stat.S_IMODE(run.config(ASKER).stat().st_mode) == 0o600
    run.config(ASKER).write_text(json.dumps({**second, "expires_at": time.time() + 5}))
    assert run("whoami")[0] == 0
    assert kept(run)["refresh_token"] != second["refresh_token"], "renewed before it is over"


def test_commands_side_by_side_renew_once(run: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    run.login(ASKER)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(run.home / ASKER))
    run.config(ASKER).write_text(json.dumps({**kept(run), "expires_at": 0.0}))
    apis, found = [StaffApi() for _ in range(4)], []
    threads = [threading.Thread(target=lambda api=api: found.append(api.get("me")["email"])) for api in apis]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert found == [ASKER] * 4
    assert len({api.session.refresh_token for api in apis}) == 1


OVER = "error: your session is over: run `spotlight login`\n"


@pytest.mark.parametrize(
    "end",
    [
        "update staff_sessions set revoked_at = now()",
        "update staff set active = false",
        "update staff_sessions set used_at = now() - interval '1 minute'",
    ],
    ids=["signed out elsewhere", "shut", "token used by another"],
)
def test_a_session_that_was_ended(run: Shell, database: Database, end: str) -> None:
    run.login(ASKER)
    execute(database, end)
    assert run("refund list") == (2, "", OVER)
    assert not run.config(ASKER).exists()


def test_without_a_factor_nothing_is_open_where_one_is_wanted(run: Shell) -> None:
    run.office.access.sign_in.factor_wanted = True
    status, output, _ = run.login(ASKER)
    assert (status, output.splitlines()[1]) == (0, f"set up the second factor first: {run.url}/admin/factor")
    assert run("refund list") == (2, "", "error: Set it up at /admin/factor.\n")


def test_a_damaged_session_is_no_traceback(run: Shell) -> None:
    run.login(ASKER)
    for broken in ("{", "{}", "[]"):
        run.config(ASKER).write_text(broken)
        status, _, errors = run("whoami")
        assert (status, errors.endswith("is damaged: run `spotlight login`\n")) == (2, True)


def test_the_installation_of_the_checkout_is_found(run: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """The session then stands in its data directory."""
    data = run.home / "data"
    data.mkdir()
    announce(data, {"SPOTLIGHT_GATEWAY_URL": run.url})
    monkeypatch.setenv("SPOTLIGHT_DATA_DIR", str(data))
    assert session_path() == data / "session.json"
    done = run.ran("elsewhere", "login", "--email", ASKER, **{PASSWORD: RIGHT, CODE: ""})
    assert done == (0, f"signed in as {ASKER}, finance, at {run.url}\n", "")
    assert stat.S_IMODE(os.stat(data / "session.json").st_mode) == 0o600
    assert run.ran("elsewhere", "whoami")[0] == 0


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        (None, "nothing runs here: name the gateway with --url"),
        ("vote.example.org", "is no address of a gateway"),
        ("ftp://vote.example.org", "is no address of a gateway"),
        ("http://vote.example.org", "a password is not sent to vote.example.org without https"),
    ],
)
def test_no_password_goes_just_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str | None, sentence: str
) -> None:
    monkeypatch.setenv("SPOTLIGHT_DATA_DIR", str(tmp_path))
    with pytest.raises(ApiRefused, match=sentence):
        gateway_url(url)


@pytest.mark.parametrize(
    "url", ["https://vote.example.org/", "http://127.0.0.1:8080", "http://[::1]:1", "http://localhost"]
)
def test_addresses_of_gateways(url: str) -> None:
    assert gateway_url(url) == url.rstrip("/")


def test_a_gateway_that_is_away_is_one_sentence(run: Shell) -> None:
    run.login(ASKER)
    run.config(ASKER).write_text(json.dumps({**kept(run), "url": f"http://127.0.0.1:{free_port()}"}))
    status, _, errors = run("refund list")
    assert (status, errors.startswith("error: the gateway cannot be reached: ")) == (1, True)
    assert errors.count("\n") == 1


def test_what_is_no_gateway_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def answers(body: bytes) -> Callable[..., httpx.Response]:
        request = httpx.Request("POST", "https://shop.example.org/api/auth/login")
        return lambda *_, **__: httpx.Response(200, content=body, request=request)

    for body in (b"<html>", b"[]"):
        monkeypatch.setattr(httpx.Client, "post", answers(body))
        with pytest.raises(ApiRefused, match=r"shop\.example\.org is no gateway: it answered 200"):
            sign_in("https://shop.example.org", ASKER, RIGHT, "")
