"""Mails in words: the phrases of the back office, read when the first mail is written."""

from functools import cache

from admin.mail import rules
from gateway.http.phrases import DEFAULT_LANGUAGE, Catalogue, load


@cache
def _phrases() -> Catalogue:
    return load("admin.phrases")


def write(kind: str, language: str, facts: dict[str, str]) -> rules.Written:
    """The mail in this language, or in the default one where we do not speak it. Raises KeyError."""
    known = _phrases()
    return rules.write(known.get(language, known[DEFAULT_LANGUAGE]), kind, facts)
