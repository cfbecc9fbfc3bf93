"""Phrase files: every sentence that a person reads stands in a TOML file, one file a language.

A phrase is found by `section.key`. French and every other complete language of a package have the
same keys with the same placeholders; loading fails otherwise, so a hole is found at start-up and
not by a voter. A further language names, above its sections, the `neighbour` whose phrases stand in
for what it lacks: it never keeps the service from starting, and `faults` tells what to mend.
"""

import string
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from importlib import resources
from typing import Any, Final

from gateway.values.time_zones import FALLBACK, local, offset

DEFAULT_LANGUAGE: Final = "fr"

Catalogue = dict[str, dict[str, str]]
"""Language → phrase key → text."""


class PhraseError(Exception):
    """A phrase file lacks a phrase, has one too many, or names another placeholder."""


@dataclass(frozen=True, slots=True)
class PhraseFile:
    """One language as its file has it. `name`: what its speakers call it. `neighbour`: the language
    that stands in for what this one lacks, None of a complete one. `review`: who still has to read it."""

    language: str
    phrases: Mapping[str, str]
    name: str = ""
    neighbour: str | None = None
    review: str = ""


@dataclass(frozen=True, slots=True)
class PhraseFault:
    """What is wrong with one phrase, after "the phrase"."""

    language: str
    key: str
    what: str


def placeholders(phrase: str) -> frozenset[str]:
    """Names that a phrase wants filled in. ValueError for a lone brace."""
    return frozenset(name for _, name, _, _ in string.Formatter().parse(phrase) if name is not None)


def faults(model: Mapping[str, str], file: PhraseFile) -> Iterator[PhraseFault]:
    """Where a language differs from the model: phrases missing or unknown, placeholders likewise."""
    for key in sorted(model.keys() - file.phrases.keys()):
        yield PhraseFault(file.language, key, "is missing")
    for key in sorted(file.phrases.keys() - model.keys()):
        yield PhraseFault(file.language, key, f"does not exist in {DEFAULT_LANGUAGE}.toml")
    for key, text in file.phrases.items():
        if key not in model:
            continue
        try:
            found = placeholders(text)
        except ValueError:
            yield PhraseFault(file.language, key, "has a brace without its partner")
            continue
        wanted = placeholders(model[key])
        for name in sorted(found - wanted):
            yield PhraseFault(file.language, key, f"has an unknown placeholder {{{name}}}")
        for name in sorted(wanted - found):
            yield PhraseFault(file.language, key, f"lacks the placeholder {{{name}}}")


def parse(language: str, text: str) -> PhraseFile:
    """A language's file from its TOML. PhraseError for broken TOML or a head that it must not have."""
    try:
        table: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PhraseError(f"{language}.toml: {error}") from None
    head = {key: value for key, value in table.items() if isinstance(value, str)}
    if odd := set(head) - {"name", "neighbour", "review"}:
        raise PhraseError(f"{language}.toml: unknown words above its sections: {sorted(odd)}")
    flat: dict[str, str] = {}
    for section, phrases in table.items():
        if section in head:
            continue
        if not isinstance(phrases, dict) or not all(isinstance(text, str) for text in phrases.values()):
            raise PhraseError(f"{language}.toml: {section} is no section of phrases")
        flat |= {f"{section}.{key}": text for key, text in phrases.items()}
    return PhraseFile(language, flat, head.get("name", language), head.get("neighbour"), head.get("review", ""))


def read(package: str) -> dict[str, PhraseFile]:
    """Every `<language>.toml` in a package, as it stands. PhraseError when one cannot be read or the
    default one is missing."""
    entries = (e for e in resources.files(package).iterdir() if e.name.endswith(".toml"))
    parsed = (parse(e.name.removesuffix(".toml"), e.read_text("utf-8")) for e in entries)
    found = {file.language: file for file in parsed}
    if DEFAULT_LANGUAGE not in found:
        raise PhraseError(f"{package} has no {DEFAULT_LANGUAGE}.toml")
    return found


def complete(found: Mapping[str, PhraseFile]) -> Catalogue:
    """The languages of these files, each with every phrase. PhraseError when complete ones do not
    agree or a neighbour is not a complete language."""
    model = found[DEFAULT_LANGUAGE].phrases
    whole = {language: dict(file.phrases) for language, file in found.items() if file.neighbour is None}
    for language in whole:
        if fault := next(faults(model, found[language]), None):
            raise PhraseError(f"{language}.toml: the phrase {fault.key} {fault.what}")
    for language, file in found.items():
        if file.neighbour is None:
            continue
        if file.neighbour not in found or found[file.neighbour].neighbour is not None:
            raise PhraseError(f"{language}.toml: {file.neighbour!r} is no complete language")
        wrong = {fault.key for fault in faults(model, file)}
        good = {key: text for key, text in file.phrases.items() if key not in wrong}
        whole[language] = {**found[file.neighbour].phrases, **good}
    return whole


def load(package: str) -> Catalogue:
    """The phrases of a package such as `leaderboard.phrases`, by language. Raises PhraseError."""
    return complete(read(package))


def merge(ours: Catalogue, more: Catalogue) -> Catalogue:
    """Both catalogues as one. PhraseError when a key is in both or a language in only one."""
    if not ours:
        return more
    if odd := set(ours) ^ set(more):
        raise PhraseError(f"only some packages have {sorted(odd)}")
    if twice := set(ours[DEFAULT_LANGUAGE]) & set(more[DEFAULT_LANGUAGE]):
        raise PhraseError(f"two packages have {sorted(twice)}")
    return {language: phrases | more[language] for language, phrases in ours.items()}


def day_of(phrases: Mapping[str, str], day: date, *, year: bool = True) -> str:
    """A date in words, with its year or without. `phrases`: those of pages, in one language."""
    first = phrases["page.first_of_month"] if day.day == 1 else day.day
    month = phrases[f"month.{day.month}"]
    return phrases["page.day"].format(day=first, month=month, year=day.year) if year else f"{first} {month}"


def moment_of(phrases: Mapping[str, str], instant: datetime, zone: str = FALLBACK) -> str:
    """A date and a minute in words, as the clocks of a zone show them, with their distance from Greenwich."""
    at = local(instant, zone)
    day, away = day_of(phrases, at), offset(instant, zone)
    return phrases["page.moment"].format(day=day, time=f"{at:%H:%M}", zone=away)
