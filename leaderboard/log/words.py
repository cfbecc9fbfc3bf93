"""Four words that stand for a root, to be read on air.

Their list is in `words.txt`: 2,048 words of three to eight letters that speakers of French and of English can say,
different in their first five letters and in more than one letter, with no two that sound the same in either language.
They compare roots for the ear, by 44 of their 256 bits; they prove nothing.
"""

from importlib.resources import files
from typing import Final

from leaderboard.log.merkle import HASH_BYTES

WORDS: Final = tuple(files(__package__).joinpath("words.txt").read_text("utf-8").split())
_COUNT: Final = 4
_BITS: Final = 11


def words_of(root: bytes) -> tuple[str, ...]:
    """The words of a root's first 44 bits, 11 bits a word, the highest first."""
    bits = int.from_bytes(root) >> HASH_BYTES * 8 - _COUNT * _BITS
    return tuple(WORDS[bits >> _BITS * n & (1 << _BITS) - 1] for n in reversed(range(_COUNT)))
