import re
from pathlib import Path

import pytest
from aiohttp.test_utils import make_mocked_request

from gateway.http.pages import Pages, unbroken
from gateway.http.phrases import PhraseError, load, merge, parse, read


def package(folder: Path, monkeypatch: pytest.MonkeyPatch, **files: str) -> str:
    """A package of phrase files that can be imported; its name."""
    name = f"phrases_{folder.name}".replace("-", "_")
    (folder / name).mkdir()
    for language, text in files.items():
        (folder / name / f"{language}.toml").write_text(text, "utf-8")
    monkeypatch.syspath_prepend(folder)
    return name


def test_phrases_are_found_by_section_and_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = package(tmp_path, monkeypatch, fr='[a]\nb = "été {n}"', en='[a]\nb = "summer {n}"')
    assert load(name) == {"fr": {"a.b": "été {n}"}, "en": {"a.b": "summer {n}"}}


@pytest.mark.parametrize(
    "english", ['[a]\nc = "x"', '[a]\nb = "x"', '[a]\nb = "{m}"', '[a]\nb = "{n}"\nc = "x"'], ids=lambda text: text[4:]
)
def test_languages_must_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, english: str) -> None:
    name = package(tmp_path, monkeypatch, fr='[a]\nb = "{n}"', en=english)
    with pytest.raises(PhraseError):
        load(name)


def test_a_neighbour_stands_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is wrong with a further language, each phrase of it can be shown."""
    files = {
        "fr": '[a]\nb = "été {n}"\nc = "bien"\nd = "hiver"',
        "en": '[a]\nb = "summer {n}"\nc = "well"\nd = "winter"',
        "xx": 'neighbour = "en"\nname = "Xx"\n[a]\nb = "{m}"\nc = "xoxo"\ne = "{"',
    }
    name = package(tmp_path, monkeypatch, **files)
    assert load(name)["xx"] == {"a.b": "summer {n}", "a.c": "xoxo", "a.d": "winter"}
    assert (read(name)["xx"].name, read(name)["xx"].neighbour, read(name)["en"].name) == ("Xx", "en", "en")


@pytest.mark.parametrize("neighbour", ["yy", "xx"])
def test_a_neighbour_is_a_complete_language(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, neighbour: str) -> None:
    files = {"fr": '[a]\nb = "x"', "xx": f'neighbour = "{neighbour}"\n[a]\nb = "x"'}
    with pytest.raises(PhraseError, match="no complete language"):
        load(package(tmp_path, monkeypatch, **files))


@pytest.mark.parametrize("text", ["[a", 'nabour = "en"', "a = 1", "[a]\nb = 1", "[a.b]\nc = 'x'"])
def test_a_file_that_is_no_phrase_file(text: str) -> None:
    with pytest.raises(PhraseError, match=r"xx\.toml"):
        parse("xx", text)


@pytest.mark.parametrize(
    ("path", "accepted", "default", "spoken"),
    [
        ("/?lang=wes", "fr", "fr", "en"),
        ("/?lang=xx", "wes", "fr", "en"),
        ("/", "wes, fr;q=0.5", "fr", "en"),
        ("/", "", "wes", "en"),
        ("/", "", "xx", "fr"),
        ("/?lang=fr", "wes", "wes", "fr"),
    ],
)
def test_a_page_speaks_the_neighbours_language(path: str, accepted: str, default: str, spoken: str) -> None:
    pages = Pages()
    pages.add_neighbours({"wes": "en", "yy": "zz"})
    request = make_mocked_request("GET", path, headers={"Accept-Language": accepted})
    assert pages.language_of(request, default) == spoken


def test_the_default_language_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PhraseError, match=r"fr\.toml"):
        load(package(tmp_path, monkeypatch, en='[a]\nb = "x"'))


def test_rooms_are_merged_and_may_not_contradict() -> None:
    one, two = {"fr": {"a.b": "x"}, "en": {"a.b": "y"}}, {"fr": {"c.d": "z"}, "en": {"c.d": "w"}}
    assert merge({}, one) is one
    assert merge(one, two) == {"fr": {"a.b": "x", "c.d": "z"}, "en": {"a.b": "y", "c.d": "w"}}
    with pytest.raises(PhraseError, match=r"a\.b"):
        merge(one, one)
    with pytest.raises(PhraseError, match="en"):
        merge(one, {"fr": {"c.d": "z"}})


def test_a_static_name_belongs_to_one_room() -> None:
    with pytest.raises(ValueError, match=r"site\.css"):
        Pages().add("gateway.http", "page_phrases")


@pytest.mark.parametrize(
    ("package", "phrases"),
    [
        ("gateway.http", "page_phrases"),
        ("admin", "phrases"),
        ("channels.web", "phrases"),
        ("leaderboard", "phrases"),
        ("leaderboard.witness", "phrases"),
    ],
)
def test_french_pages_set_signs_apart_without_a_place_to_break(package: str, phrases: str) -> None:
    pages = Pages()
    if package != "gateway.http":
        pages.add(package, phrases)
    keys = load(f"{package}.{phrases}")["fr"]
    # A sign behind a plain space, or directly behind its word. Addresses and times have a colon inside.
    odd = re.compile(r" [:;?!»%]|« |(?<=\w)[;?!»%]|(?<=\w):(?=\s|$)|«\w")
    assert {key: text for key in keys if odd.search(text := pages.say("fr", key))} == {}


def test_no_line_breaks_within_a_number() -> None:
    text = unbroken("Awa K., +225 05 •• •• 03 04, a dit 5 000")
    assert text.replace("\u00a0", "_") == "Awa K., +225_05_••_••_03_04, a dit 5 000"
    assert unbroken("+225 05 ici") == "+225\u00a005 ici"
