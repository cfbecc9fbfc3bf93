"""The sentences of a voter's money and the names of places, in the language of the reader."""

from collections.abc import Iterable
from functools import cache

from gateway.http.phrases import Catalogue, load
from payments.ledger.money_story import Sentence

PACKAGE = "payments.ledger.sentences"


@cache
def _phrases() -> Catalogue:
    return load(PACKAGE)


def languages() -> tuple[str, ...]:
    """Languages that the story is written in."""
    return tuple(_phrases())


def sentence_text(sentence: Sentence, language: str) -> str:
    """A sentence. KeyError for a language that is not there."""
    return _phrases()[language][f"story.{sentence.key}"].format_map(dict(sentence.params))


def story_lines(sentences: Iterable[Sentence], language: str) -> list[str]:
    """A story, a line a sentence, each with its instant (UTC) where it has one."""
    return [
        f"{sentence.at:%Y-%m-%d %H:%M:%S}  {sentence_text(sentence, language)}"
        if sentence.at
        else sentence_text(sentence, language)
        for sentence in sentences
    ]


def nothing_known(language: str) -> str:
    """The sentence where there is no attempt."""
    return _phrases()[language]["story.nothing"]


def place_name(place: str, provider: str, language: str) -> str:
    """What a place of money is called."""
    return _phrases()[language][f"place.{place}"].format(provider=provider)
