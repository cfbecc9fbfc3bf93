"""`spotlight ledger`, `fees`, `reconcile`: what an operator of the service types, on a real database."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engines import Database
from tests.gateway.cli.staff import Shell, shell
from tests.gateway.cli.test_contest import MTN
from tests.payments.reconciliation.reconciling import statement

AWA, YAO = "awa@house.test", "yao@house.test"
OUT = {
    "MTN_MOMO_DISBURSEMENT_SUBSCRIPTION_KEY": "key",
    "MTN_MOMO_DISBURSEMENT_API_USER": "6f3e5f7e-3f0c-4a57-9d0a-5a2f3b1c7d21",
    "MTN_MOMO_DISBURSEMENT_API_KEY": "key",
}


@pytest.fixture
def run(tmp_path: Path, database: Database, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """A command line in an empty directory, with servers that answer, the demo contest and an account at MTN."""
    with shell(tmp_path, database, redis_url, monkeypatch, AWA, YAO, environment={**MTN, **OUT}) as opened:
        yield opened


def done(run: Shell, *words: str, status: int = 0, who: str = AWA) -> str:
    ended, output, wrong = run("", *words, who=who)
    assert ended == status, (output, wrong)
    return output + wrong


def test_fees_are_set_and_shown(run: Shell, database: Database) -> None:
    assert "everything is the organiser's" in done(run, "fees", "show", "demo")
    ask = ("fees", "set", "demo", "XOF", "--reason", "contract")
    request = done(run, *ask, "--percent", "7.5", "--minimum", "5").split()[1]
    assert "another person" in done(run, "fees", "approve", request, status=2)
    done(run, "fees", "approve", request, who=YAO)
    (plan,) = json.loads(done(run, "fees", "show", "demo", "--json"))
    assert (plan["percent_bp"], plan["fixed_minor"], plan["minimum_minor"]) == (750, 0, 5)
    assert "7.50 %" in done(run, "fees", "show", "demo")
    assert "more than 100" in done(run, *ask, "--percent", "101", status=2)
    assert "is no amount" in done(run, *ask, "--percent", "7.555", status=2)
    assert "past" in done(run, *ask, "--from", "2026-01-01", status=2)
    assert "no organiser" in done(run, "fees", "show", "unknown", status=2)


def test_an_unnamed_payment_is_imported_decided_and_booked(run: Shell, tmp_path: Path) -> None:
    file = tmp_path / "day.csv"
    file.write_bytes(statement({"our_reference": "x"}))
    assert "1 missing here" in done(run, "reconcile", str(file), "--provider", "mtn_momo", status=1)
    assert "imported before" in done(run, "reconcile", str(file), "--provider", "mtn_momo", status=2)
    (found,) = json.loads(done(run, "reconcile", "differences", "--json", status=1))
    words = ("--reason", "it is unknown")
    (group,) = json.loads(done(run, "reconcile", "groups", "--json"))
    assert (group["many"], group["amount_minor"]) == (1, 500)
    assert group["key"] in done(run, "reconcile", "groups")
    assert f"{found['id']}  " in done(run, "reconcile", "differences", "--group", group["key"], status=1)
    output = done(run, "reconcile", "resolve", group["key"], "--action", "unexplained", *words)
    assert "books: operator_clearing +500, unexplained -500" in output
    request = output.split()[1]
    assert request in done(run, "reconcile", "requests")
    assert f"asked about in request {request}" in done(run, "reconcile", "differences", status=1)
    assert "another person" in done(run, "reconcile", "approve", request, status=2)
    assert "1 of 1 differences decided" in done(run, "reconcile", "approve", request, who=YAO)
    assert "nothing differs" in done(run, "reconcile", "differences")
    assert "nothing differs" in done(run, "reconcile", "groups")
    assert "unexplained by awa@house.test, yao@house.test" in done(run, "reconcile", "differences", "--all")
    balances = json.loads(done(run, "ledger", "balances", "--json"))
    assert {b["account"]: b["amount_minor"] for b in balances} == {"operator_clearing": 500, "unexplained": -500}
    assert "XOF: balances" in done(run, "ledger", "trial")
    assert done(run, "ledger", "balances", "--at", "2026-01-01").splitlines()[1:] == []
    rows: list[dict[str, Any]] = list(csv.DictReader(io.StringIO(done(run, "ledger", "journal"))))
    assert [int(row["amount_minor"]) for row in rows] == [500, -500]
    assert "holds" in done(run, "audit", "money")


def test_an_import_is_taken_back_by_two(run: Shell, tmp_path: Path) -> None:
    file = tmp_path / "day.csv"
    file.write_bytes(statement({"our_reference": "x"}))
    done(run, "reconcile", str(file), "--provider", "mtn_momo", status=1)
    (imported,) = json.loads(done(run, "reconcile", "files", "--json"))
    assert (imported["name"], imported["lines"], imported["open"]) == ("day.csv", 1, 1)
    output = done(run, "reconcile", "undo", imported["id"], "--reason", "of another account")
    assert "nothing is done yet" in output
    request = output.split()[1]
    assert "turned down" in done(run, "reconcile", "reject", request, who=YAO)
    request = done(run, "reconcile", "undo", imported["id"], "--reason", "of another account").split()[1]
    assert "day.csv is undone" in done(run, "reconcile", "approve", request, who=YAO)
    assert "nothing differs" in done(run, "reconcile", "differences")
    assert "undone" in done(run, "reconcile", "files")
    assert "1 missing here" in done(run, "reconcile", str(file), "--provider", "mtn_momo", status=1)


def test_a_refusal_is_one_sentence(run: Shell, tmp_path: Path) -> None:
    assert "no account 'wave'" in done(run, "reconcile", __file__, "--provider", "wave", status=2)
    assert "no instant" in done(run, "ledger", "trial", "--at", "soon", status=2)
    assert "no contest 'x'" in done(run, "ledger", "balances", "--contest", "x", status=2)
    words = ("--reason", "none there")
    assert "no difference 99" in done(run, "reconcile", "resolve", "99", "--action", "accept", *words, status=2)
    assert "is no import" in done(run, "reconcile", "undo", "x", *words, status=2)
    assert "is no group" in done(run, "reconcile", "differences", "--group", "x", status=2)
    none = str(tmp_path / "none.csv")
    assert "No such file" in done(run, "reconcile", none, "--provider", "mtn_momo", status=1)


def test_an_operator_that_does_not_answer(run: Shell) -> None:
    assert "no answer" in done(run, "reconcile", "balances") or "no operator" in done(run, "reconcile", "balances")


def test_a_beneficiary_is_registered_and_confirmed_and_the_organiser_frozen(
    run: Shell,
) -> None:
    words = ("demo", "0505060708", "--name", "Awa", "--operator", "mtn_momo", "--reason", "contract of May")
    output = done(run, "payout", "beneficiary", "add", *words)
    request = output.split()[1]
    assert "+225 05 •• •• 07 08" in output
    assert request in done(run, "payout", "list", "--contest", "star")
    assert "another person" in done(run, "payout", "approve", request, status=2)
    assert "can be paid from" in done(run, "payout", "beneficiary", "confirm", request, who=YAO)
    (line,) = json.loads(done(run, "payout", "beneficiary", "list", "demo", "--json"))
    assert (line["confirmed_by"], line["number"]) == (YAO, "+225 05 •• •• 07 08")
    ask = ("payout", "ask", "star", "all", "--to", line["id"], "--reason", "their share")
    assert "can be paid from" in done(run, *ask, status=2)
    assert "frozen" in done(run, "organiser", "freeze", "demo", "--reason", "looked into")
    assert "is frozen" in done(run, *ask, status=2)
    assert "(frozen)" in done(run, "payout", "list", "--contest", "star")
    assert "limited" in done(run, "organiser", "limit", "demo", "--reason", "papers are missing", who=YAO)
    assert "active" in done(run, "organiser", "unfreeze", "demo", "--reason", "cleared", who=YAO)
    assert "retired" in done(run, "payout", "beneficiary", "retire", line["id"], "--reason", "moved")
    assert "no payout" in done(run, "payout", "statement", line["id"], status=2)


def test_where_is_my_money(run: Shell) -> None:
    assert "place" in done(run, "money", "contest", "star", "--language", "fr")
    output = done(run, "money", "number", "+2250501020304")
    assert output.splitlines() == ["+225 05 •• •• 03 04", "No payment is known for this number."]
    assert "+2250501020304" in done(run, "money", "number", "+2250501020304", "--full")
    assert json.loads(done(run, "money", "number", "+2250501020304", "--json")) == []
    assert "is no number" in done(run, "money", "number", "0501020304", status=2)
    assert "no words in" in done(run, "money", "contest", "star", "--language", "wes", status=2)
    assert "no contest" in done(run, "money", "contest", "x", status=2)
