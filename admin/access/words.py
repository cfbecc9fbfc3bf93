"""What staff read for a code, an account, and a sentence that a service wrote.

A service writes why it refuses, or what an act did, as a sentence in English, for programs and the record. Its phrase
stands in `admin_reason` under that sentence, with its facts named in braces; they are read back from what was written.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, cached_property
from typing import Final

from gateway.http.pages import Pages, money, number
from gateway.orders.routing import ACCOUNT_MARK
from gateway.values.money import parse_amount

REASONS: Final = "admin_reason"
# Facts that are numbers, sums as `500 XOF` or instants, each written as the language does it.
_FIGURES: Final = frozenset(
    {"age", "at", "days", "done", "least", "lines", "many", "most", "ours", "sum", "theirs", "votes"}
)
# Facts that are sentences of their own.
_SENTENCES: Final = frozenset({"first", "why"})
# Facts that are codes of ours, and what these are called.
_CODES: Final = {
    "act": "admin_act",
    "difference": "admin_difference",
    "file": "admin_prepared_state",
    "payment": "admin_payment",
    "payout": "admin_payout",
    "refund": "admin_refund",
    "repair": "admin_repair",
    "request": "admin_request",
    "role": "admin_role",
    "video": "admin_video_state",
    "wallet": "admin_wallet",
}
_FACT: Final = re.compile(r"('?)\\{(\w+)\\}('?)")

_MARK: Final = """['"]"""


def word_of(pages: Pages, language: str, section: str, code: str) -> str:
    """What a code of ours is called; the code itself where it has no name, such as an operator's own word."""
    try:
        return pages.say(language, f"{section}.{code}")
    except KeyError:
        return code


def operator_of(pages: Pages, language: str, account: str) -> str:
    """What an account at an operator is called: `MTN MoMo (CM)` for `mtn_momo@cm`."""
    code, _, own = account.partition(ACCOUNT_MARK)
    name = word_of(pages, language, "admin_operator", code)
    return f"{name} ({own.upper()})" if own else name


@dataclass(frozen=True)
class Reasons:
    """Sentences of services in a language, with instants by the clocks of a zone."""

    pages: Pages
    language: str
    zone: str

    def words(self, written: str) -> str | None:
        """The phrases of what was written, or None where a part of it has none."""
        for sentence, facts in self.matched(written):
            shown = {name: self._shown(name, fact) for name, fact in facts.items()}
            if None not in shown.values():
                return self.pages.say(self.language, f"{REASONS}.{sentence}", **shown)
        for mark in ("\n", "; "):
            if mark in written:
                parts = [self.words(part) for part in written.split(mark)]
                return None if None in parts else " ".join(filter(None, parts))
        return None

    def matched(self, written: str) -> list[tuple[str, Mapping[str, str]]]:
        """The sentences that this may be, the likeliest first, each with its facts."""
        found = ((one, pattern.fullmatch(written)) for one, pattern in self._patterns)
        return [(one, match.groupdict()) for one, match in found if match is not None]

    @cached_property
    def _patterns(self) -> Sequence[tuple[str, re.Pattern[str]]]:
        return _patterns(self.pages.keys(REASONS))

    def _shown(self, name: str, fact: str) -> str | None:
        if name in _SENTENCES:
            return self.words(fact)
        if name in _FIGURES:
            return self._figure(fact)
        if name == "operator":
            return operator_of(self.pages, self.language, fact)
        return word_of(self.pages, self.language, _CODES[name], fact) if name in _CODES else fact

    def _figure(self, fact: str) -> str:
        if fact.isdecimal():
            return number(int(fact), self.language)
        amount, _, currency = fact.partition(" ")
        if (sum_ := parse_amount(amount, currency)) is not None:
            return money(sum_, self.language)
        with suppress(ValueError):
            at = datetime.fromisoformat(fact)
            return self.pages.moment(at if at.tzinfo else at.replace(tzinfo=UTC), self.zone, language=self.language)
        return fact


@cache
def _patterns(sentences: tuple[str, ...]) -> tuple[tuple[str, re.Pattern[str]], ...]:
    """What finds each sentence, those with the most text of their own first."""
    longest = sorted(sentences, key=lambda one: -len(re.sub(r"\{\w+\}", "", one)))
    return tuple((one, re.compile(_FACT.sub(_group, re.escape(one)))) for one in longest)


def _group(fact: re.Match[str]) -> str:
    """What finds a fact: within a sentence, unless it is one; in quotation marks as Python shows a text."""
    before, name, after = fact.groups()
    within = ".+?" if name in _SENTENCES else "(?:(?!; ).)+?"
    return f"{before and _MARK}(?P<{name}>{within}){after and _MARK}"
