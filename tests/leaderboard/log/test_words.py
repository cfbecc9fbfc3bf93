"""The list of words, and the four of a root."""

from hashlib import sha256

import pytest

from leaderboard.log.merkle import EMPTY_ROOT
from leaderboard.log.words import WORDS, words_of


def test_the_list_never_changes() -> None:
    """A change would give roots that were read on air other words."""
    listed = sha256("\n".join(WORDS).encode()).hexdigest()
    assert listed == "b74563048d239cdbccaac5f20653cc01f9b24996e8dd0b02f98fa7db72fd430e"


def test_words_are_told_apart() -> None:
    assert len(WORDS) == 2_048
    assert list(WORDS) == sorted(WORDS)
    assert all(3 <= len(word) <= 8 and word.isascii() and word.isalpha() and word.islower() for word in WORDS)
    assert len({word[:5] for word in WORDS}) == len(WORDS)
    replaced = [f"{word[:n]}_{word[n + 1 :]}" for word in WORDS for n in range(len(word))]
    assert len(set(replaced)) == len(replaced)
    dropped = {word[:n] + word[n + 1 :] for word in WORDS for n in range(len(word))}
    assert not dropped & set(WORDS)


@pytest.mark.parametrize(
    ("bits", "numbers"),
    [
        ("0" * 44, (0, 0, 0, 0)),
        ("1" * 44, (2047, 2047, 2047, 2047)),
        (f"{1:011b}{2:011b}{1024:011b}{2046:011b}", (1, 2, 1024, 2046)),
    ],
)
@pytest.mark.parametrize("rest", ["0" * 212, "1" * 212])
def test_the_words_of_a_root(bits: str, numbers: tuple[int, ...], rest: str) -> None:
    assert words_of(int(bits + rest, 2).to_bytes(32)) == tuple(WORDS[number] for number in numbers)


def test_the_words_of_the_empty_log() -> None:
    assert words_of(EMPTY_ROOT) == ("tabac", "loggia", "auto", "chef")
