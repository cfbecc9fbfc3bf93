"""What the form of a contest reads, proposes and says, without a server."""

import ast
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from admin.contests import starts
from admin.contests.checking import as_published, moved_numbers
from admin.contests.form import fields_of, free_keyword, free_slugs, read_fields
from channels import lint
from channels.phrases import languages
from gateway.contests.contest import ContestState
from gateway.contests.document import OrganiserPart, document_of
from gateway.http.phrases import load
from tests.demo import demo_contest

NOW = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
HOUSE = OrganiserPart(slug="house", name="The house")


@pytest.mark.parametrize("template", [*starts.starts()])
@pytest.mark.parametrize(
    ("country", "currency", "zone"), [("CI", "XOF", "Africa/Abidjan"), ("CM", "XAF", "Africa/Douala")]
)
def test_a_template_is_sound_in_each_country(template: str, country: str, currency: str, zone: str) -> None:
    made = starts.from_template(template, name="Voix", country=country, language="fr", organiser=HOUSE, now=NOW)
    part = made.contest
    assert (part.price.currency, part.time_zone) == (currency, zone)
    assert set(part.rules) == {"fr", "en"}
    assert part.packs
    assert max(part.packs) <= part.quantity_max
    assert part.opens_at > NOW
    assert (part.opens_at.hour, part.closes_at.hour) == (8, 22)
    # What the form shows is what it reads.
    read, faults = read_fields(fields_of(part, languages()), part, languages())
    assert faults == []
    assert read == part


def test_fields_that_are_not_sent_stay_as_they_are() -> None:
    part = document_of(demo_contest(), ("house", "The house")).contest
    read, faults = read_fields({"name": "Other"}, part, languages())
    assert faults == []
    assert read == part.model_copy(update={"name": "Other"})


@pytest.mark.parametrize(
    ("typed", "held", "faulty"),
    [
        ({"tie_break": "earliest", "refund_days": "7"}, ("earliest", 7), []),
        ({"refund_days": "0"}, ("shared", 0), []),
        ({"refund_days": ""}, ("shared", None), []),
        ({"tie_break": "age"}, ("shared", None), ["tie_break"]),
        ({"refund_days": "-1"}, ("shared", None), ["refund_days"]),
        ({"refund_days": "3651"}, ("shared", None), ["refund_days"]),
        ({"jury_percent": "100"}, ("shared", None), ["jury_percent"]),
        ({"jury_percent": "0"}, ("shared", None), ["jury_percent"]),
    ],
)
def test_the_tie_break_and_the_time_for_refunds_are_typed(
    typed: dict[str, str], held: tuple[str, int | None], faulty: list[str]
) -> None:
    part = document_of(demo_contest(), ("house", "The house")).contest
    read, faults = read_fields(typed, part, languages())
    assert [fault.name for fault in faults] == faulty
    assert (read.tie_break.value, read.refund_days) == held


@pytest.mark.parametrize(
    ("name", "slug"),
    [("Star d'Abidjan", "star-d-abidjan"), ("  Été & Hiver!", "ete-hiver"), ("السلام", "contest"), ("New", "new-2")],
)
def test_an_address_is_made_of_the_name(name: str, slug: str) -> None:
    assert free_slugs(name)[0] == slug


@pytest.mark.parametrize(
    ("name", "also", "word"),
    [
        ("Miss Abobo", (), "MISS"),
        ("Miss Abobo", ("MISS",), "ABOBO"),
        ("Miss Abobo", ("MISS", "ABOBO"), "MISSABOBO"),
        ("Star", (), "STAR2"),  # the demo's contest has STAR
        ("Stop", (), "CONTEST"),
        ("Voix d'Or", (), "VOIXDOR"),
        ("2027", (), "2027"),
        ("", (), "CONTEST"),
    ],
)
def test_a_free_keyword_is_made_of_the_name(name: str, also: tuple[str, ...], word: str) -> None:
    assert free_keyword(name, [demo_contest()], also) == word


def test_a_draft_takes_no_number_that_stands_on_posters() -> None:
    first = demo_contest()
    second = replace(first, slug="second", opens_at=first.opens_at.replace(month=3), _by_code={})
    draft = replace(first, slug="draft", state=ContestState.DRAFT, _by_code={})
    early = replace(draft, opens_at=first.opens_at.replace(year=2025), _by_code={})
    late = replace(draft, opens_at=first.opens_at.replace(month=4), _by_code={})
    found = list(moved_numbers(early, [first, second], NOW))
    assert [finding.values["contest"] for finding in found] == ["star", "second"]
    assert list(moved_numbers(late, [first, second], NOW)) == []
    # One alone is chosen by no number yet.
    assert list(moved_numbers(early, [first], NOW)) == []
    assert as_published(late, [first, second], NOW).dial_code == "*789*3#"
    assert as_published(replace(late, service_code="", _by_code={}), [first], NOW).dial_code == ""


def test_each_fault_that_the_lint_names_has_a_sentence() -> None:
    named = set()
    for path in (*Path(lint.__file__).parent.glob("*.py"), Path(moved_numbers.__code__.co_filename)):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("error", "warning"):
                kind = node.args[2]
                assert isinstance(kind, ast.Constant)
                named.add(kind.value)
    said = {key.partition(".")[2] for key in load("admin.phrases")["fr"] if key.startswith("admin_lint.")}
    assert named == said
