"""Every sentence that a voter reads on a phone, one TOML file a language.

A phrase is found by `section.key`. French and English have the same keys with the same
placeholders; loading fails otherwise, so a hole is found at start-up and not on a voter's screen. A
further language is one file that names its `neighbour`, whose phrases stand in for missing ones.
"""

from functools import cache
from typing import Final

from gateway.contests.contest import Contest
from gateway.http.phrases import DEFAULT_LANGUAGE, Catalogue, PhraseError, PhraseFile, complete, read

__all__ = [
    "DEFAULT_LANGUAGE",
    "PhraseError",
    "catalogue",
    "files",
    "language_name",
    "languages",
    "languages_for",
    "neighbours",
    "say",
]

# Spoken in every contest, beside its own language.
EVERYWHERE: Final = (DEFAULT_LANGUAGE, "en")


@cache
def files() -> dict[str, PhraseFile]:
    """Language → its file as it stands."""
    return read(__name__)


@cache
def catalogue() -> Catalogue:
    """Language → phrase key → text, every key in each. Raises PhraseError when French and English do
    not agree."""
    return complete(files())


def languages() -> tuple[str, ...]:
    """Codes of the languages we speak, the default one first."""
    return tuple(sorted(catalogue(), key=lambda code: (code != DEFAULT_LANGUAGE, code)))


def languages_for(contest: Contest) -> tuple[str, ...]:
    """Codes of the languages that a contest's voters may choose: its own first, then French and
    English."""
    return _beside_everywhere(contest.language)


@cache
def _beside_everywhere(language: str) -> tuple[str, ...]:
    own = (language,) if language in catalogue() else ()
    return tuple(dict.fromkeys((*own, *EVERYWHERE)))


def language_name(language: str) -> str:
    """What the speakers of a language call it: `Français`. KeyError for one that we do not speak."""
    return files()[language].name


def neighbours() -> dict[str, str]:
    """Language → the complete one that stands in where only that is spoken, such as on web pages."""
    return {language: file.neighbour for language, file in files().items() if file.neighbour}


def say(language: str, key: str, **values: object) -> str:
    """The phrase in this language (the default one where we do not speak it), filled in."""
    phrases = catalogue().get(language) or catalogue()[DEFAULT_LANGUAGE]
    return phrases[key].format(**values) if values else phrases[key]
