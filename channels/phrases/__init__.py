"""Every sentence that a voter reads on a phone, one TOML file a language.

A phrase is found by `section.key`. All languages must have the same keys with the same
placeholders; loading fails otherwise, so a hole is found at start-up and not on a voter's screen.
"""

from functools import cache

from gateway.http.phrases import DEFAULT_LANGUAGE, Catalogue, PhraseError, load

__all__ = ["DEFAULT_LANGUAGE", "PhraseError", "catalogue", "languages", "say"]


@cache
def catalogue() -> Catalogue:
    """Language → phrase key → text. Raises PhraseError when the languages do not agree."""
    return load(__name__)


def languages() -> tuple[str, ...]:
    """Codes of the languages we speak, the default one first."""
    return tuple(sorted(catalogue(), key=lambda code: (code != DEFAULT_LANGUAGE, code)))


def say(language: str, key: str, **values: object) -> str:
    """The phrase in this language (the default one where we do not speak it), filled in."""
    phrases = catalogue().get(language) or catalogue()[DEFAULT_LANGUAGE]
    return phrases[key].format(**values) if values else phrases[key]
