"""`spotlight refund`, `held`, `void` and `callbacks` on a real database."""

import json
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from admin.access.rules import Role
from gateway.cli.main import app
from tests.engines import Database, run_apart
from tests.gateway.cli.staff import Shell, hire, shell
from tests.rigs.money_rig import ASKER, CHECKER, MoneyRig, opened

COMMANDS = [
    *(f"refund {word}" for word in ("ask", "list", "approve", "reject", "done", "retry")),
    *(f"held {word}" for word in ("list", "release", "refuse", "approve", "reject")),
    *(f"void {word}" for word in ("preview", "ask", "list", "approve", "reject", "progress")),
    "callbacks replay",
]
WHY = ["--reason", "the voter called"]
UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def run(tmp_path: Path, database: Database, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """Runs a command line of ASKER, or of the person named; exit status, output, errors."""
    with shell(tmp_path, database, redis_url, monkeypatch, ASKER, CHECKER) as opened:
        yield opened


def in_rig(database: Database, act: Callable[[MoneyRig], Awaitable[Any]]) -> Any:
    async def inside() -> Any:
        rig = await opened(database.app_url)
        try:
            done = await act(rig)
            assert await rig.broken() == {}
            return done
        finally:
            await rig.close()

    return run_apart(inside())


def request_in(output: str) -> str:
    found = re.search(r"request ([0-9a-f-]{36})", output)
    assert found is not None, output
    return found[1]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_has_an_example(command: str) -> None:
    shown = CliRunner().invoke(app, [*command.split(), "--help"])
    assert shown.exit_code == 0
    assert "Example:\n" in shown.output
    assert f"spotlight {command}" in shown.output


def test_a_refund_from_the_claim_to_the_operators_turn(run: Shell, database: Database) -> None:
    order = in_rig(database, lambda rig: rig.counted())
    status, output, _ = run(f"refund ask {order.payment_reference}", *WHY)
    assert status == 0
    assert "amount: 500 XOF" in output
    assert "votes: 5" in output
    asked = request_in(output)
    assert f"spotlight refund approve {asked}" in output
    status, output, _ = run("refund list")
    assert status == 0
    assert asked in output
    assert "the voter called" in output
    status, _, wrong = run(f"refund approve {asked}")
    assert status == 2
    assert wrong == (
        "error: you asked for it yourself: another person must decide; they sign in with `spotlight login`\n"
    )
    status, output, _ = run(f"refund approve {asked}", who=CHECKER)
    assert (status, output) == (0, "done: 500 XOF to be refunded, 5 votes removed\n")
    status, output, _ = run("refund list --json")
    found = json.loads(output)
    assert found["requests"] == []
    assert [(line["status"], line["amountMinor"], line["reason"]) for line in found["refunds"]] == [
        ("due", 500, "claim")
    ]
    status, _, wrong = run(f"refund approve {asked}", who=CHECKER)
    assert status == 2
    assert "decided already: done; ask again if it is still wanted" in wrong


@pytest.mark.parametrize("known_by", ["vote", "receipt", "order code"])
def test_a_payment_is_known_by_what_a_voter_can_tell(run: Shell, database: Database, known_by: str) -> None:
    order = in_rig(database, lambda rig: rig.counted())

    async def codes(rig: MoneyRig) -> Any:
        return (await rig.rows("select receipt, order_code from order_keys"))[0]

    row = in_rig(database, codes)
    word = {"vote": str(order.vote_id), "receipt": row.receipt.lower(), "order code": row.order_code}[known_by]
    status, output, _ = run(f"refund ask {word}", *WHY)
    assert status == 0
    status, output, _ = run("refund list --json")
    assert [request["subject"] for request in json.loads(output)["requests"]] == [str(order.payment_reference)]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (f"refund ask {UNKNOWN} --reason because", "no payment has the reference"),
        ("refund ask 123 --reason because", "no payment has the reference"),
        (f"refund approve {UNKNOWN}", "`spotlight refund list` shows them"),
        (f"refund done {UNKNOWN} --operator-reference x --reason because", "there is no refund"),
        ("void preview nowhere --from 2026-01-01 --to 2026-01-02", "there is no contest 'nowhere'"),
        ("void preview star --from 2026-01-02 --to 2026-01-01", "ends before it begins"),
        (f"void progress {UNKNOWN}", "`spotlight void list` shows them"),
        ("callbacks replay 99 --reason because", "there is no callback 99"),
        ("callbacks replay 99 --reason x", "say why with --reason"),
    ],
)
def test_what_cannot_be_is_one_sentence(run: Shell, line: str, sentence: str) -> None:
    status, output, wrong = run(line)
    assert (status, output) == (2, "")
    assert sentence in wrong
    assert wrong.startswith("error: ")
    assert wrong.count("\n") == 1


@pytest.mark.parametrize("line", ["refund approve x", "void preview star --from noon --to 2026-01-01"])
def test_what_cannot_be_read_is_reported(run: Shell, line: str) -> None:
    status, _, wrong = run(line)
    assert status == 2
    assert "Invalid value" in wrong


def test_a_request_of_another_kind_has_its_own_command(run: Shell, database: Database) -> None:
    order = in_rig(database, lambda rig: rig.held())
    _, output, _ = run(f"held release {order.payment_reference}", *WHY)
    asked = request_in(output)
    status, _, wrong = run(f"refund approve {asked}", who=CHECKER)
    assert status == 2
    assert "is a release_held, not for `spotlight refund`" in wrong
    status, output, _ = run("held list")
    assert asked in output
    assert str(order.payment_reference) in output
    status, output, _ = run(f"held approve {asked}", who=CHECKER)
    assert (status, output) == (0, "done: 5 votes counted\n")


def test_what_can_no_longer_be_done_exits_with_one(run: Shell, database: Database) -> None:
    order = in_rig(database, lambda rig: rig.held())
    asked = [request_in(run(f"held {word} {order.payment_reference}", *WHY)[1]) for word in ("refuse", "release")]
    assert run(f"held approve {asked[0]}", who=CHECKER)[0] == 0
    status, output, _ = run(f"held approve {asked[1]}", who=CHECKER)
    assert (status, output) == (1, "failed: the payment is refund_due by now\n")


def test_a_refund_done_by_hand(run: Shell, database: Database) -> None:
    async def manual(rig: MoneyRig) -> Any:
        order = await rig.late()
        rig.provider.can = replace(rig.provider.can, can_refund=False)
        await rig.refund()
        return (await rig.refunds_of(order))[0].reference

    refund = in_rig(database, manual)
    status, output, _ = run("refund list --manual")
    assert status == 0
    assert str(refund) in output
    assert "no_refunds" in output
    _, output, _ = run(f"refund done {refund} --operator-reference OM.77", *WHY)
    status, output, _ = run(f"refund approve {request_in(output)}", who=CHECKER)
    assert (status, output) == (0, "done: 500 XOF refunded by hand, OM.77\n")
    status, output, _ = run("refund list")
    assert output == "no request waits for a second person\n\nno refund is on its way\n"


def test_a_voided_window(run: Shell, database: Database) -> None:
    async def two(rig: MoneyRig) -> None:
        await rig.counted()
        await rig.counted(number="+2250501020399")

    in_rig(database, two)
    window = "--from 2020-01-01 --to 2100-01-01 --operator mtn_momo"
    status, output, _ = run(f"void preview star {window}")
    assert status == 0
    assert "payments: 2" in output
    assert "    07: 2 payments, 10 votes, 1000 XOF" in output
    status, output, _ = run(f"void preview star {window} --json")
    assert json.loads(output)["votes"] == 10
    _, output, _ = run(f"void ask star {window}", *WHY, "--public", "the round was stopped")
    asked = request_in(output)
    status, output, _ = run("void list")
    assert "2 payments, 10 votes" in output
    status, output, _ = run(f"void approve {asked}", who=CHECKER)
    assert (status, output) == (0, "done: 2 of 2 payments, 10 votes, 1000 XOF\n")
    status, output, _ = run(f"void progress {asked}")
    assert output.splitlines() == [
        "status: done",
        "payments looked at: 2 of 2, 0 had left the count before",
        "taken back: 10 of 10 votes, 1000 XOF of 1000 XOF",
        "payers who have their money: 0; refunds that wait for a person: 0",
    ]
    status, output, _ = run(f"void progress {asked} --json")
    assert json.loads(output)["lines"][0]["votesDone"] == 10

    async def reason(rig: MoneyRig) -> Any:
        return await rig.one("select distinct reason from tally_entries where kind = 'adjustment'")

    assert in_rig(database, reason) == "the round was stopped"


def test_turned_down(run: Shell, database: Database) -> None:
    order = in_rig(database, lambda rig: rig.counted())
    asked = request_in(run(f"refund ask {order.payment_reference}", *WHY)[1])
    status, output, _ = run(f"refund reject {asked}", who=CHECKER)
    assert (status, output) == (0, "rejected: turned down; nothing was changed\n")


def test_a_callback_is_replayed_by_one_person(run: Shell, database: Database) -> None:
    async def judged(rig: MoneyRig) -> Any:
        await rig.callback(await rig.placed(), b'{"status": "SUCCESSFUL"}')
        await rig.judge()
        return await rig.one("select id from callbacks")

    number = in_rig(database, judged)
    status, output, _ = run(f"callbacks replay {number}", *WHY)
    assert status == 0
    assert output.endswith("done: will be judged again\n")


def test_a_command_has_the_rights_of_the_role(run: Shell, database: Database) -> None:
    """Support asks and does not decide; an auditor does neither; in production no one does without a factor."""
    order = in_rig(database, lambda rig: rig.counted())
    run_apart(hire(database.superuser_url, CHECKER, role=Role.AUDITOR))
    line = f"refund ask {order.payment_reference}"
    status, _, wrong = run(line, *WHY, who=CHECKER)
    assert (status, wrong) == (2, f"error: the role auditor of {CHECKER} lacks refund\n")
    asked = request_in(run(line, *WHY)[1])
    for role in (Role.AUDITOR, Role.SUPPORT):
        run_apart(hire(database.superuser_url, CHECKER, role=role))
        status, _, wrong = run(f"refund approve {asked}", who=CHECKER)
        assert (status, wrong) == (2, "error: Your role lacks the right decide.\n")
    assert in_rig(database, lambda rig: rig.status(order)) == "settled"
