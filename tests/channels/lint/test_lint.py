"""A fault that is planted in a contest is found, and a sound contest has none."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest

from channels import gsm
from channels.lint import LanguageSeen, Level, Report, lint, screens
from channels.lint.contests import words
from channels.phrases import languages_for
from gateway.contests.contest import Candidate, CandidateStatus, Contest
from gateway.contests.rounds import Round
from gateway.orders.routing import Rail, Rails
from gateway.orders.wallet import PaymentMethod
from gateway.values.check_digit import with_check_digit
from gateway.values.money import Money
from tests.demo import NAMES, candidate_id, demo_contest
from tests.rails import PUSH

NOW = datetime(2026, 6, 1, tzinfo=UTC)
LONG_AGO, TOMORROW, CLOSES = datetime(2026, 1, 2, tzinfo=UTC), NOW + timedelta(days=1), demo_contest().closes_at
RULES = {"fr": "Un vote payé est compté une fois.", "en": "A paid vote counts once."}
MTN, ORANGE, MOOV = (
    Rail(account, "CI", method, PUSH, frozenset())
    for account, method in (
        ("mtn_momo", PaymentMethod.MTN),
        ("orange_money", PaymentMethod.ORANGE),
        ("hub2", PaymentMethod.MOOV),
    )
)
RAILS = Rails((MTN, ORANGE, MOOV))


def sound(**changes: Any) -> Contest:
    """Nothing to complain about, but for what is changed here."""
    people = tuple(Candidate(candidate_id(n), with_check_digit(f"{n:02d}"), name) for n, name in enumerate(NAMES, 1))
    values = {"check_digits": True, "candidates": people, "rules": RULES, "contact": "0701020304", **changes}
    return replace(demo_contest(), **values, _by_code={})


def look(contest: Contest, **changes: Any) -> Report:
    values: dict[str, Any] = {"others": (), "rails": RAILS, "now": NOW, "public_url": "https://vote.example.ci"}
    return lint(contest, **{**values, **changes})


@cache
def report_of_sound() -> Report:
    """The sound contest in all languages: every screen is walked, which takes more than a second."""
    return look(sound(), in_languages=("fr", "en", "wes"))


def seen_of_sound(language: str) -> LanguageSeen:
    """What the sound contest shows in one language."""
    return next(seen for seen in report_of_sound().languages if seen.language == language)


@pytest.fixture
def first_screens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the first screens are walked: what the test looks at is not a screen's."""
    monkeypatch.setattr(screens, "STEPS_MIN", 5)
    monkeypatch.setattr(screens, "STEPS_EACH", 0)


def faults(contest: Contest, level: Level = Level.ERROR, **changes: Any) -> list[str]:
    found = look(contest, in_languages=("fr",), **changes).findings
    return [f"{finding.about}: {finding.text}" for finding in found if finding.level is level]


def named(*names: str, codes: tuple[str, ...] = ()) -> tuple[Candidate, ...]:
    given = codes or tuple(with_check_digit(f"{n:02d}") for n in range(1, len(names) + 1))
    return tuple(
        Candidate(candidate_id(n), code, name) for n, (code, name) in enumerate(zip(given, names, strict=True), 1)
    )


def left(standing: int) -> tuple[Candidate, ...]:
    """Two of whom so many still stand."""
    return tuple(
        person if place < standing else replace(person, status=CandidateStatus.EVICTED)
        for place, person in enumerate(named("A", "B"))
    )


REVIEW = "the phrases in wes are for review by a speaker"


def test_a_sound_contest_has_no_faults() -> None:
    assert report_of_sound().findings == ()


@pytest.mark.usefixtures("first_screens")
def test_the_languages_of_voters_are_looked_at() -> None:
    report = look(sound())
    assert report.findings == ()
    assert [seen.language for seen in report.languages] == ["fr", "en"]


def test_a_language_of_the_contest_is_sound_too() -> None:
    contest = sound(language="wes", rules={**RULES, "wes": "One vote di count one time."})
    assert [f.text for f in look(contest, in_languages=("wes",)).findings] == [REVIEW]


def test_rules_that_a_contest_wrote_itself_name_its_jury() -> None:
    own_rules = {"fr": "Le jury décide 30 %.", "en": "Most votes win."}
    found = words(sound(jury_percent=30, rules=own_rules))
    assert [f.text for f in found] == ["the rules in en do not say that a jury decides 30 % of the result"]


@pytest.mark.usefixtures("first_screens")
def test_a_language_of_the_contest_is_looked_at_too() -> None:
    contest = sound(language="wes", rules={**RULES, "wes": "One vote di count one time."})
    assert languages_for(contest) == ("wes", "fr", "en")
    report = look(contest)
    assert [seen.language for seen in report.languages] == ["wes", "fr", "en"]
    assert [f.text for f in report.findings] == [REVIEW]


@pytest.mark.parametrize("language", ["fr", "en", "wes"])
def test_every_screen_of_a_vote_is_seen_once_within_its_budget(language: str) -> None:
    seen = seen_of_sound(language)
    assert len({screen.text for screen in seen.screens}) == len(seen.screens)
    assert all(0 < screen.septets == gsm.septets(screen.text) <= 160 for screen in seen.screens)
    together = "\n\n".join(screen.text for screen in seen.screens)
    for part in ("100 FCFA", "MTN MoMo", "#144*82#", "*133#", "ZZZZZZZZZX", "1 000 000 FCFA"):
        assert part in together, part
    assert seen.screens[0].path == "*789#"
    dialled = {screen.path.strip("*#").split("*")[1:2][0] for screen in seen.screens if "*" in screen.path.strip("*#")}
    assert len(dialled) > 3


def test_the_last_page_of_a_long_list_is_seen() -> None:
    names = tuple(f"Personne {chr(65 + n % 26)}{chr(97 + n // 26)}" for n in range(47))
    (seen,) = look(sound(candidates=named(*names)), in_languages=("fr",)).languages
    assert max(screen.path.count("*9") for screen in seen.screens) >= 9


@pytest.mark.parametrize(
    ("language", "offer", "check"), [("fr", "1 Continuer", "tapez 99"), ("en", "1 Continue", "type 99")]
)
def test_what_only_a_cut_or_lost_dialogue_shows_is_seen(language: str, offer: str, check: str) -> None:
    seen = seen_of_sound(language)
    for part in (offer, check):
        assert any(part in screen.text for screen in seen.screens), part


@pytest.mark.usefixtures("first_screens")
def test_texts_have_parts_and_a_price() -> None:
    (seen,) = look(sound(), in_languages=("fr",), sms_price=Money(12, "XOF")).languages
    by_kind = {text.kind: text for text in seen.texts}
    assert by_kind["receipt"].parts == 1
    assert by_kind["payment_link"].parts == 2
    assert by_kind["payment_link"].cost == Money(24, "XOF")
    assert {"payment_failed: declined", "refund_pending: late", "reply: sms.help"} <= by_kind.keys()
    assert all("{" not in text.text and text.parts <= 2 for text in seen.texts)
    assert look(sound(), in_languages=("fr",)).languages[0].texts[0].cost is None


@pytest.mark.usefixtures("first_screens")
def test_names_as_phones_show_them() -> None:
    contest = sound(candidates=named("Grâce Aka", "Marie Antoinette Josephine Kouassi Adjoua Brou", "Zoé 🌟"))
    names = look(contest, in_languages=("fr",)).names
    assert names[0].code == ""
    assert (names[1].shown, names[1].replaced) == ("Grace Aka", {"â": "a"})
    assert names[2].shown == "Marie Antoinette Josephine Kouassi"
    assert names[2].listed == "Marie Antoinette"
    assert names[3].replaced == {"🌟": ""}


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"closes_at": NOW - timedelta(minutes=1)}, "times: it closed on 31/05/2026 23:59 GMT"),
        ({"closes_at": datetime(2025, 1, 1, tzinfo=UTC)}, "times: it opens"),
        ({"rounds": (Round(1, "Finale", LONG_AGO, NOW),)}, "times: all rounds are over"),
        ({"rounds": (Round(1, "Finale", NOW, CLOSES + timedelta(days=1)),)}, "times: round 1 is not between"),
        (
            {"rounds": (Round(1, "Finale", TOMORROW, CLOSES),), "candidates": left(0)},
            "candidates: nobody is left in round 1 Finale",
        ),
        ({"candidates": ()}, "candidates: no candidate can be voted for"),
        ({"candidates": named("A", "B", codes=("001", "013"))}, "codes: 001 (A) begins with 00"),
        ({"candidates": named("A", "B", codes=("7", "013"))}, "codes: 7 (A) has one digit"),
        ({"candidates": named("A", "B", codes=("014", "021"))}, "codes: 014 (A) does not end in its check digit"),
        ({"candidates": named("A", "B", codes=("013", "013"))}, "codes: 013 is the code of 2 candidates"),
        ({"candidates": named("李小龍", "B")}, "names: 013 '李小龍' cannot be read on a phone: '???'"),
        ({"service_code": "789"}, "ussd: 789 cannot be dialled"),
        ({"keyword": "STOP"}, "sms: the text STOP <code> 5 is not read as a vote"),
        ({"packs": (5, 20_000)}, "prices: a pack of 20000 votes is more than one order may have (10000)"),
        ({"country": "KE"}, "prices: no account collects money in KE"),
        ({"language": "bci"}, "language: there are no phrases in 'bci'"),
    ],
)
@pytest.mark.usefixtures("first_screens")
def test_a_planted_error_is_found(changes: dict[str, Any], fault: str) -> None:
    assert any(found.startswith(fault) for found in faults(sound(**changes)))


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"check_digits": False, "candidates": named("A", "B", codes=("12", "13"))}, "codes: one slip votes for"),
        ({"check_digits": False, "candidates": named("A", "B", codes=("12", "21"))}, "codes: one slip votes for"),
        ({"candidates": named("A", "B", codes=("013", "5724"))}, "codes: codes have 3 and 4 digits"),
        ({"candidates": named("Awa  Koné", "awa koné")}, "candidates: 2 candidates are called 'awa koné'"),
        ({"candidates": named("Aïcha Koné", "Aicha Koné")}, "names: in a list 013 and 021 look alike"),
        ({"name": "Le très grand concours de beauté et de talent de la sous-région"}, "names: the contest's name"),
        ({"rounds": (Round(1, "Finale", NOW, CLOSES),)}, "times: no round sells votes from 01/01/2026"),
        ({"rounds": (Round(1, "Finale", NOW, TOMORROW),)}, "times: no round sells votes from 02/06/2026 00:00 GMT"),
        (
            {"rounds": (Round(1, "Finale", TOMORROW, CLOSES),), "candidates": left(1)},
            "candidates: A alone is left in round 1 Finale",
        ),
        ({"opens_at": NOW + timedelta(days=1)}, "times: it opens on 02/06/2026 00:00 GMT only"),
        ({"rules": {"en": "x"}}, "rules: there are no rules in fr"),
        ({"contact": " "}, "contact: a voter in trouble finds no one"),
        ({"service_code": "", "short_code": ""}, "numbers: there is neither"),
    ],
)
@pytest.mark.usefixtures("first_screens")
def test_a_planted_warning_is_found(changes: dict[str, Any], fault: str) -> None:
    assert any(found.startswith(fault) for found in faults(sound(**changes), Level.WARNING))


@pytest.mark.usefixtures("first_screens")
def test_withdrawn_candidates_keep_their_code_but_cannot_be_confused() -> None:
    people = named("A", "B", codes=("12", "13"))
    gone = (people[0], replace(people[1], status=CandidateStatus.WITHDRAWN))
    assert faults(sound(check_digits=False, candidates=gone), Level.WARNING) == []


@pytest.mark.usefixtures("first_screens")
def test_prices_under_an_operators_minimum() -> None:
    rails = Rails((replace(MTN, minimum_minor=500), ORANGE, MOOV))
    contest = sound(packs=(2, 5))
    assert faults(contest, rails=rails) == [
        "prices: the pack of 2 votes = 200 FCFA is under the least amount of MTN_MOBILE_MONEY, 500 FCFA (5 votes)"
    ]
    assert faults(contest, Level.WARNING, rails=rails) == [
        "prices: 1 vote = 100 FCFA is under the least amount of MTN_MOBILE_MONEY, 500 FCFA (5 votes)"
    ]


@pytest.mark.usefixtures("first_screens")
def test_wallets_that_cannot_be_used() -> None:
    strangers = Rails((replace(MTN, currencies=frozenset({"XAF"})), MOOV))
    assert faults(sound(), rails=strangers) == ["prices: MTN_MOBILE_MONEY: mtn_momo does not take XOF"]
    assert faults(sound(), Level.WARNING, rails=strangers) == [
        "prices: ORANGE_MONEY: no account that collects it is set up here"
    ]


@pytest.mark.usefixtures("first_screens")
def test_numbers_shared_with_another_contest() -> None:
    other = sound(id=candidate_id(99), slug="miss", keyword="MISS")
    assert faults(sound(), Level.WARNING, others=[other]) == [
        "ussd: *789# is shared with miss: voters choose from a list"
    ]
    same = replace(other, keyword="Star", service_code="*790#", _by_code={})
    assert "sms: 7890 STAR is also the contest miss" in faults(sound(), others=[same])
    inside = replace(other, service_code="*789*013#", _by_code={})
    assert faults(sound(), others=[inside]) == ["ussd: *789*013*5*1# would dial miss (*789*013#), not star"]
    assert faults(inside, others=[sound()]) == ["ussd: *789*013*5*1# would dial miss (*789*013#), not star"]
