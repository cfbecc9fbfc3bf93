"""PINs that people write to us: found before anything is kept, and never read.

A number of four to six digits is taken for one where it can be nothing else: it begins with a zero and is no
code, stands beside a word such as PIN, follows a whole order, or follows a yes.
"""

import re
from collections.abc import Sequence
from typing import Final

from channels.grammar.commands import Vote
from channels.grammar.tokens import by_code, parted
from channels.grammar.votes import addressed, read_vote
from channels.grammar.words import AGREED, POLITE, has_digit, normal, tokens_of
from gateway.contests.contest import Contest

# As many stars as the PIN had digits, so that all behind it keeps its place.
HIDDEN: Final = re.compile(r"\*{4,6}")
_LIKE_A_PIN: Final = re.compile(r"(?<![\d*])\d{4,6}(?!\d)")
_WORD: Final = r"(?:pin|code\s+secret|secret|mot\s+de\s+passe|passe|mdp|password|passcode)"
_WORD_BEFORE: Final = re.compile(rf"\b{_WORD}\W{{0,3}}(?:\s*(?:est|is|c'est|=|:|code)\W{{0,3}})?$", re.IGNORECASE)
_WORD_AFTER: Final = re.compile(rf"^\W{{0,3}}{_WORD}\b", re.IGNORECASE)
_CODE_BEFORE: Final = re.compile(r"\bcode\W{0,3}(?:est|is|c'est)?\W{0,3}$", re.IGNORECASE)
_AMOUNT_AFTER: Final = re.compile(r"^\s*(?:f|fr|frs|francs?|fcfa|cfa|xof|xaf)\b", re.IGNORECASE)
_ORDER_NUMBERS: Final = 2


def without_pin(text: str, contests: Sequence[Contest]) -> str:
    """The text with each PIN as stars. `contests`: those that the text may be about."""
    if not contests:
        return text
    return _LIKE_A_PIN.sub(lambda found: "*" * len(found[0]) if _is_one(found, contests) else found[0], text)


def _is_one(found: re.Match[str], contests: Sequence[Contest]) -> bool:
    digits, before, after = found[0], found.string[: found.start()], found.string[found.end() :]
    if any(contest.candidate(digits) for contest in contests) or _AMOUNT_AFTER.match(after):
        return False
    if _WORD_BEFORE.search(before) or _WORD_AFTER.match(after):
        return True
    if digits.startswith("0") or _CODE_BEFORE.search(before):
        return not any(_may_be_a_code(digits, contest) for contest in contests)
    return _follows_an_order(digits, before, after, contests)


def _may_be_a_code(digits: str, contest: Contest) -> bool:
    """Whether a number that begins with a zero may name a candidate, with the number of votes behind it or not."""
    widths = {len(candidate.code) for candidate in contest.candidates}
    return len(digits) in widths or by_code(digits, contest)[0] is not None or parted(digits, contest) is not None


def _follows_an_order(digits: str, before: str, after: str, contests: Sequence[Contest]) -> bool:
    """`VOTE 07 5 4821`, `OUI 4821`; not `OUI 1000` nor `VOTE 07 10 1000`, where it may be a number of votes or the
    amount."""
    _, later, line = before.rpartition("\n")
    if any(map(has_digit, tokens_of(normal(after)))) or (later and f"{line}{after}".strip()):
        # More numbers follow, or it is in a signature.
        return False
    left = [token for token in tokens_of(normal(before)) if token not in POLITE]
    if left and AGREED.issuperset(left):
        return not digits.endswith("00")
    if sum(map(has_digit, left)) != _ORDER_NUMBERS:
        return False
    while not has_digit(left[-1]):
        left.pop()
    orders = (read_vote(addressed(left, [contest], [contest])) for contest in contests)
    return any(
        isinstance(order, Vote) and order.contest.price.times(order.quantity).plain() != digits for order in orders
    )
