"""Mails in words: the phrases of the back office, read when the first mail is written."""

from functools import cache

from admin.mail import rules
from gateway.http.phrases import DEFAULT_LANGUAGE, Catalogue, load, merge


@cache
def _phrases() -> Catalogue:
    return merge(load("gateway.http.page_phrases"), load("admin.phrases"))


def say(language: str, section: str, key: str, **facts: str) -> str:
    """A phrase in this language, or in the default one where we do not speak it. Raises KeyError."""
    known = _phrases()
    phrases = known.get(language, known[DEFAULT_LANGUAGE])
    return phrases[f"{section}.{key}"].format(**rules.in_words(phrases, facts))


def named_in(language: str, section: str, key: str) -> str:
    """What a code is called in this language; the code itself where it has no name."""
    known = _phrases()
    return known.get(language, known[DEFAULT_LANGUAGE]).get(f"{section}.{key}", key)


def write(kind: str, language: str, facts: dict[str, str]) -> rules.Written:
    """The mail in this language, or in the default one where we do not speak it. Raises KeyError."""
    known = _phrases()
    return rules.write(known.get(language, known[DEFAULT_LANGUAGE]), kind, facts)
