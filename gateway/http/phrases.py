"""Phrase files: every sentence that a person reads stands in a TOML file, one file a language.

A phrase is found by `section.key`. All languages of a package must have the same keys with the
same placeholders; loading fails otherwise, so a hole is found at start-up and not by a voter.
"""

import string
import tomllib
from importlib import resources
from typing import Final

DEFAULT_LANGUAGE: Final = "fr"

Catalogue = dict[str, dict[str, str]]
"""Language → phrase key → text."""


class PhraseError(Exception):
    """A phrase file lacks a phrase, has one too many, or names another placeholder."""


def _placeholders(phrase: str) -> frozenset[str]:
    return frozenset(name for _, name, _, _ in string.Formatter().parse(phrase) if name)


def _flat(table: dict[str, dict[str, str]]) -> dict[str, str]:
    return {f"{section}.{key}": text for section, phrases in table.items() for key, text in phrases.items()}


def _agree(found: Catalogue) -> None:
    model = found[DEFAULT_LANGUAGE]
    for language, phrases in found.items():
        if odd := set(model) ^ set(phrases):
            raise PhraseError(f"{language}.toml and {DEFAULT_LANGUAGE}.toml differ in {sorted(odd)}")
        for key, text in phrases.items():
            if _placeholders(text) != _placeholders(model[key]):
                raise PhraseError(f"{language}.toml: other placeholders in {key}")


def load(package: str) -> Catalogue:
    """The phrases of every `<language>.toml` in a package, such as `leaderboard.phrases`.

    Raises PhraseError when the languages do not agree or the default one is missing.
    """
    files = (f for f in resources.files(package).iterdir() if f.name.endswith(".toml"))
    found = {f.name.removesuffix(".toml"): _flat(tomllib.loads(f.read_text("utf-8"))) for f in files}
    if DEFAULT_LANGUAGE not in found:
        raise PhraseError(f"{package} has no {DEFAULT_LANGUAGE}.toml")
    _agree(found)
    return found


def merge(ours: Catalogue, more: Catalogue) -> Catalogue:
    """Both catalogues as one. PhraseError when a key is in both or a language in only one."""
    if not ours:
        return more
    if odd := set(ours) ^ set(more):
        raise PhraseError(f"only some rooms speak {sorted(odd)}")
    if twice := set(ours[DEFAULT_LANGUAGE]) & set(more[DEFAULT_LANGUAGE]):
        raise PhraseError(f"two rooms say {sorted(twice)}")
    return {language: phrases | more[language] for language, phrases in ours.items()}
