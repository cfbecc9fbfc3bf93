"""Every language is whole, and every kind of hole is found."""

from dataclasses import replace

import pytest

from channels.lint import Level
from channels.lint.texts import check_phrases
from channels.phrases import catalogue, files, language_name, languages, languages_for, neighbours, say
from gateway.http.phrases import PhraseFile
from tests.demo import demo_contest

URL = "https://vote.example.ci"


def found(phrases: dict[str, str | None], neighbour: str | None = "en") -> list[tuple[Level, str]]:
    """What is found in French with these phrases changed (None: left out), as a language of its own."""
    held = dict(files()["fr"].phrases)
    for key, text in phrases.items():
        if text is None:
            del held[key]
        else:
            held[key] = text
    file = PhraseFile("xx", held, neighbour=neighbour)
    return [(f.level, f.text) for f in check_phrases(file, files()["fr"], demo_contest(), URL)]


@pytest.mark.parametrize("language", languages())
def test_every_language_is_whole(language: str) -> None:
    assert list(check_phrases(files()[language], files()["fr"], demo_contest(), URL)) == []


def test_the_languages() -> None:
    assert languages()[0] == "fr"
    assert {"fr", "en", "wes"} <= set(languages())
    assert (language_name("fr"), language_name("wes")) == ("Français", "Pidgin")
    assert neighbours()["wes"] == "en"
    assert files()["wes"].review
    assert languages_for(demo_contest()) == ("fr", "en")
    assert languages_for(replace(demo_contest(), language="wes", _by_code={})) == ("wes", "fr", "en")
    assert languages_for(replace(demo_contest(), language="bci", _by_code={})) == ("fr", "en")


def test_pidgin_is_spoken() -> None:
    assert say("wes", "ussd.which_wallet") != say("en", "ussd.which_wallet")
    assert catalogue()["wes"].keys() == catalogue()["fr"].keys()


@pytest.mark.parametrize(
    ("phrases", "fault"),
    [
        ({"ussd.back": None}, "ussd.back is missing"),
        ({"ussd.tomorrow": "x"}, "ussd.tomorrow does not exist in fr.toml"),
        ({"ussd.quantity": "{code} {nom} {price}"}, "ussd.quantity has an unknown placeholder {nom}"),
        ({"ussd.quantity": "{code} {name}"}, "ussd.quantity lacks the placeholder {price}"),
        ({"ussd.back": "0 {Retour"}, "ussd.back has a brace without its partner"),
    ],
)
def test_a_hole_is_a_warning_where_a_neighbour_stands_in(phrases: dict[str, str | None], fault: str) -> None:
    assert (Level.WARNING, f"xx.toml: {fault}") in found(phrases)
    assert (Level.ERROR, f"xx.toml: {fault}") in found(phrases, neighbour=None)


@pytest.mark.parametrize(
    ("phrases", "fault"),
    [
        ({"ussd.back": "0 返回"}, "ussd.back has '返', which phones cannot show"),
        ({"ussd.no_votes": "x" * 161}, "ussd.no_votes is 161 septets long when filled in, 160 at most"),
        ({"ussd.confirm": "{votes} {code} {name} {amount}" + "x" * 140}, "ussd.confirm is"),
        ({"wallet.CARD": "une carte de paiement"}, "wallet.CARD is 21 septets long when filled in, 20 at most"),
        ({"sms.started": "{contest}" + "y" * 300}, "sms.started is 314 septets long when filled in, 306 at most"),
        ({"sms.started": "{contest:d}"}, "sms.started cannot be filled in"),
    ],
)
def test_what_a_screen_cannot_hold_is_an_error(phrases: dict[str, str | None], fault: str) -> None:
    (only,) = [text for level, text in found(phrases) if level is Level.ERROR and fault in text]
    assert only.startswith("xx.toml: ")


def test_letters_with_a_declared_stand_in_are_fine() -> None:
    assert found({"ussd.back": "0 Reçu, être, œuf"}) == []


def test_sections_for_smartphones_have_no_budget() -> None:
    assert found({"telegram.hello": "🌟" * 400}) == [
        (Level.WARNING, "xx.toml: telegram.hello does not exist in fr.toml")
    ]
