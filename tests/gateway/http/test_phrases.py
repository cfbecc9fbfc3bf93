from pathlib import Path

import pytest

from gateway.http.pages import Pages
from gateway.http.phrases import PhraseError, load, merge


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
        Pages().add_static("gateway.http")
