"""`spotlight contest` on a real database."""

import json
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from typer.testing import CliRunner

from channels.lint import screens
from gateway.cli.main import app
from tests.engines import SECRET_KEY, Database, run_apart

MTN = {
    "MTN_MOMO_BASE_URL": "http://127.0.0.1:1/mtn_momo",
    "MTN_MOMO_SUBSCRIPTION_KEY": "key",
    "MTN_MOMO_API_USER": "6f3e5f7e-3f0c-4a57-9d0a-5a2f3b1c7d21",
    "MTN_MOMO_API_KEY": "key",
    "MTN_MOMO_TARGET_ENVIRONMENT": "mtnivorycoast",
}


@pytest.fixture
def run(tmp_path: Path, database: Database, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """A command line in an empty directory, with servers that answer and the demo contest."""
    values = {
        "DATABASE_URL": database.app_url,
        "REDIS_URL": redis_url,
        "SPOTLIGHT_SECRET_KEY": SECRET_KEY,
        "SPOTLIGHT_ENV": "demo",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return CliRunner()


@pytest.fixture
def first_screens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the first screens are walked: what the test looks at is not a screen's."""
    monkeypatch.setattr(screens, "STEPS_MIN", 5)
    monkeypatch.setattr(screens, "STEPS_EACH", 0)


def exported(run: CliRunner, slug: str = "star") -> dict[str, Any]:
    done = run.invoke(app, ["contest", "export", slug])
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def applied(run: CliRunner, document: dict[str, Any], *options: str) -> tuple[int, str]:
    Path("document.json").write_text(json.dumps(document), "utf-8")
    done = run.invoke(app, ["contest", "apply", "document.json", *options])
    return done.exit_code, done.output


def fetched(database: Database, query: str) -> list[Any]:
    async def ask() -> list[Any]:
        connection = await asyncpg.connect(database.superuser_url)
        try:
            return [dict(row) for row in await connection.fetch(query)]
        finally:
            await connection.close()

    return run_apart(ask())


@pytest.mark.parametrize("command", ["lint", "export", "apply"])
def test_every_help_has_an_example(run: CliRunner, command: str) -> None:
    shown = run.invoke(app, ["contest", command, "--help"])
    assert shown.exit_code == 0
    assert "Example:\n" in shown.output
    assert f"  spotlight contest {command} star" in shown.output


def test_what_is_exported_is_applied_without_a_change(run: CliRunner, database: Database) -> None:
    document = exported(run)
    assert document["format"] == "spotlight contest 1"
    assert [c["code"] for c in document["candidates"]] == [f"{n:02d}" for n in range(1, 13)]
    assert applied(run, document) == (0, "star: nothing changes\n")
    assert fetched(database, "select version from contests where slug = 'star'") == [{"version": 1}]
    assert fetched(database, "select 1 from audit_log") == []


def test_changes_are_printed_written_and_noted(run: CliRunner, database: Database) -> None:
    document = exported(run)
    document["contest"] |= {"contact": "0701020304", "packs": [5, 10], "confirm_above": 50}
    document["candidates"][0]["name"] = "Awa Koné Traoré"
    document["candidates"].append({"name": "Zoé Brou"})
    code, dry = applied(run, document, "--dry-run")
    assert (code, "star: would be version 2; nothing was changed" in dry) == (0, True)
    assert "star: contact: aide@demo.local → 0701020304\n" in dry
    assert exported(run)["contest"]["contact"] == "aide@demo.local"
    code, output = applied(run, document)
    assert code == 0
    for line in (
        "star: packs: none → 5, 10",
        "star: confirm_above: none → 50",
        "star: candidate 01 name: Awa Koné → Awa Koné Traoré",
        "star: candidate 13: Zoé Brou (approved)",
        "star: version 2",
    ):
        assert f"{line}\n" in output, output
    assert exported(run)["candidates"][-1]["code"] == "13"
    assert exported(run)["contest"]["confirm_above"] == 50
    (row,) = fetched(database, "select actor, act, subject, detail from audit_log")
    assert (row["act"], row["subject"]) == ("contest.apply", "star")
    assert row["actor"].startswith("cli:")
    detail = json.loads(row["detail"])
    assert detail["version"] == 2
    assert {"what": "packs", "before": "none", "after": "5, 10"} in detail["changes"]
    assert len(fetched(database, "select 1 from candidate_totals")) == 21
    assert applied(run, document) == (0, "star: nothing changes\n")


@pytest.mark.usefixtures("first_screens")
def test_a_new_contest_of_a_new_organiser(run: CliRunner, database: Database) -> None:
    document = exported(run)
    document["organiser"] = {"slug": "miss-cm", "name": "Miss Cameroun"}
    document["contest"] |= {"slug": "miss", "keyword": "MISS", "service_code": "*790#", "check_digits": True}
    document["candidates"] = [{"name": "Awa"}, {"name": "Yao"}]
    code, output = applied(run, document)
    assert code == 0, output
    assert "miss: candidate 013: Awa (approved)" in output
    assert fetched(
        database, "select o.slug from organisers o join contests c on c.organiser_id = o.id where c.slug = 'miss'"
    ) == [{"slug": "miss-cm"}]
    assert len(fetched(database, "select 1 from contest_heads")) == 3
    assert run.invoke(app, ["contest", "lint", "miss"]).exit_code == 0


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda d: d["candidates"][6].update(code="77"), "for ever, not 77"),
        (lambda d: d["candidates"][6].update(id=None, name="Zoé"), "code 07 is"),
        (lambda d: d["contest"].update(country="CM"), "the country of a contest cannot change"),
        (lambda d: d["contest"].update(closes_at="2020-01-01T00:00:00Z"), "it opens after it closes"),
        (lambda d: d["contest"].update(opens_at="2026-01-01T00:00:00"), "contest.opens_at"),
        (lambda d: d["contest"].update(language="bci"), "no phrases in bci"),
        (lambda d: d["contest"].update(prize=1), "contest.prize"),
        (lambda d: d["contest"].update(slug="other"), "7890 STAR is the contest star's already"),
        (lambda d: d["contest"]["price"].update(currency="ABC"), "unknown currency 'ABC'"),
        (lambda d: d.update(format="2"), "format"),
    ],
)
def test_what_must_not_be_is_one_sentence_and_changes_nothing(run: CliRunner, change: Any, fault: str) -> None:
    before = exported(run)
    document = exported(run)
    change(document)
    code, output = applied(run, document)
    assert code == 2
    assert output.startswith("error: ")
    assert fault in output
    assert output.count("\n") == 1
    assert exported(run) == before


def test_a_file_that_is_no_document(run: CliRunner) -> None:
    Path("broken.json").write_text("{", "utf-8")
    for name in ("broken.json", "absent.json"):
        done = run.invoke(app, ["contest", "apply", name])
        assert done.exit_code in (1, 2)
        assert (done.stderr.startswith("error: "), done.stderr.count("\n")) == (True, 1)


@pytest.mark.parametrize("command", [["export", "unknown"], ["lint", "unknown"]])
def test_an_unknown_contest_is_one_sentence(run: CliRunner, command: list[str]) -> None:
    done = run.invoke(app, ["contest", *command])
    assert done.exit_code == 2
    assert done.stderr == "error: there is no contest 'unknown'; there are: mboa, star\n"


def test_the_demo_has_no_errors(run: CliRunner) -> None:
    assert run.invoke(app, ["contest", "lint", "--language", "fr"]).exit_code == 0


def test_the_lint_of_the_demo_fits_a_terminal(run: CliRunner) -> None:
    done = run.invoke(app, ["contest", "lint", "star", "--sms-price", "12"], env=MTN)
    assert done.exit_code == 0, done.output
    assert max(len(line) for line in done.output.splitlines()) < 80
    for part in (
        "== star ==",
        "09      Grâce Aka: Grace Aka; â becomes a",
        "-- fr: ",
        "-- en: ",
        "/160  *789#",
        "1 part, 12 FCFA  receipt",
        "2 parts, 24 FCFA  payment_link",
        "warning  codes: one slip votes for another candidate: 01-02",
        "warning  prices: ORANGE_MONEY: no account that collects it is set up here",
        "0 errors, ",
    ):
        assert part in done.output, part


@pytest.mark.usefixtures("first_screens")
def test_the_exit_status_of_a_lint(run: CliRunner) -> None:
    assert run.invoke(app, ["contest", "lint", "star", "--language", "fr"]).exit_code == 0
    assert run.invoke(app, ["contest", "lint", "star", "--language", "fr", "--strict"]).exit_code == 1
    document = exported(run)
    document["contest"]["closes_at"] = "2026-01-02T00:00:00Z"
    assert applied(run, document)[0] == 0
    done = run.invoke(app, ["contest", "lint", "star", "--language", "fr"])
    assert done.exit_code == 2
    assert "error    times: it closed on 02/01/2026 00:00 GMT" in done.output


@pytest.mark.usefixtures("first_screens")
def test_the_lint_for_a_machine(run: CliRunner) -> None:
    done = run.invoke(app, ["contest", "lint", "star", "--language", "wes", "--json"])
    (report,) = json.loads(done.stdout)
    assert report["contest"] == "star"
    assert [seen["language"] for seen in report["languages"]] == ["wes"]
    assert report["languages"][0]["screens"][0]["septets"] <= 160
    assert {finding["level"] for finding in report["findings"]} == {"warning"}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--language", "bci"], "error: no phrases in bci; there are fr, en, wes\n"),
        (["--sms-price", "12.5"], "error: --sms-price 12.5: not an amount of XOF\n"),
        (["--sms-price", "cheap"], "error: --sms-price cheap: not an amount of XOF\n"),
    ],
)
def test_an_option_that_cannot_be_used(run: CliRunner, options: list[str], sentence: str) -> None:
    done = run.invoke(app, ["contest", "lint", "star", *options])
    assert (done.exit_code, done.stderr) == (2, sentence)


def test_contests_without_a_short_code_need_no_keyword(run: CliRunner) -> None:
    document = exported(run)
    for slug in ("first", "second"):
        document["contest"] |= {"slug": slug, "short_code": "", "keyword": ""}
        document["candidates"] = [{"name": "Awa Koné"}]
        assert applied(run, document)[0] == 0, slug


def test_a_keyword_is_the_same_in_small_letters(run: CliRunner) -> None:
    document = exported(run)
    document["contest"] |= {"slug": "small", "keyword": "star"}
    document["candidates"] = []
    code, said = applied(run, document)
    assert code != 0
    assert "7890 star is the contest star's already" in said


def test_times_are_read_in_the_country_s_own_zone_unless_another_is_named(run: CliRunner) -> None:
    document = exported(run, "mboa")
    assert document["contest"]["time_zone"] == "Africa/Douala"
    document["contest"]["time_zone"] = "Africa/Atlantis"
    assert "no time zone 'Africa/Atlantis'" in applied(run, document)[1]
