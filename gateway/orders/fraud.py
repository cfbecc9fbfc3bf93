"""What makes a vote suspicious: each rule looks at what happened around it, and gives a verdict, a weight and what it
saw. Pure.

A rule that cannot see its signal stays silent: a USSD vote has no device, a card no number. An address that stands for
many (a carrier's, an aggregator's) is never judged; the devices behind it are.
"""

from collections.abc import Iterator
from dataclasses import asdict, fields
from enum import StrEnum
from math import sqrt
from typing import Any, Final

from gateway.values.record import record


class FraudRule(StrEnum):
    """The rules, by the words under which findings are kept."""

    WEB_VOTES = "web_votes"
    TOO_FAST = "too_fast"
    MANY_CANDIDATES = "many_candidates"
    LISTED = "listed"
    WALLET_ORDERS = "wallet_orders"
    NUMBER_BLOCK = "number_block"
    ONE_PAYER = "one_payer"
    ONE_CARD = "one_card"
    ONE_HOLDER = "one_holder"
    BURST = "burst"
    NEW_NUMBER = "new_number"
    OWN_NUMBER = "own_number"


class FraudVerdict(StrEnum):
    """What a finding does: the vote is kept out of the count until a person decides, or is only shown."""

    HOLD = "hold"
    FLAG = "flag"


@record
class FraudLimits:
    """Up to where nothing is suspicious; 0: the rule is off.

    `web_votes`: of one address, or device behind a shared one, in a minute. `gap_seconds`: at least between two votes
    of a wallet or device. `candidates`: so many of one address or device on the web in a minute are too many.
    `wallet_orders`: of one number in an hour, more than a person makes by hand. `block_payers`: so many payers out of a
    hundred consecutive numbers for one candidate in ten minutes are too many. `payer_others`, `payer_others_hold`:
    people for whom one number, card or name pays in an hour, until it is shown and until it is held. `burst_orders`: of
    a candidate in two minutes, by so many `burst_deviations` above its share of the hour before, are a burst; in one,
    `burst_each` orders within a minute of one device or of a hundred consecutive numbers are too many. `large_votes`:
    from then on an order of a number that was never seen is shown. `decide_hours`: how long a person has to decide
    about a vote that is held. `version`: of the contest's own limits; 0: it has those of every contest.
    """

    web_votes: int = 10
    gap_seconds: int = 5
    candidates: int = 3
    wallet_orders: int = 200
    block_payers: int = 10
    payer_others: int = 20
    payer_others_hold: int = 100
    burst_orders: int = 40
    burst_deviations: int = 6
    burst_each: int = 4
    large_votes: int = 200
    decide_hours: int = 24
    version: int = 0

    def document(self) -> dict[str, int]:
        """As it is kept."""
        return asdict(self)


LIMITS: Final = tuple(field.name for field in fields(FraudLimits) if field.name != "version")
"""The names of what a person may set."""

FRAUD_OFF: Final = FraudLimits(**{field.name: 0 for field in fields(FraudLimits)})
"""No rule speaks: for load tests."""


def read_limits(kept: dict[str, Any], defaults: FraudLimits) -> FraudLimits:
    """The limits of a contest: what it has of its own, else the defaults. What no release of ours wrote is ignored."""
    named = {field.name for field in fields(FraudLimits)}
    return FraudLimits(**{**asdict(defaults), **{name: value for name, value in kept.items() if name in named}})


# Findings of so much weight together hold a vote, though each of them alone only shows it.
WEIGHT_OF_HOLD: Final = 100
MINUTE_SECONDS: Final = 60
HOUR_SECONDS: Final = 3_600
BLOCK_SECONDS: Final = 600
NEW_SECONDS: Final = 600
# Of fewer orders of a contest in an hour no candidate's usual share is known.
BURST_HISTORY: Final = 60


@record
class Window:
    """Orders of a candidate and of its contest: in the minute of an order and the one before, and in the hour before
    those."""

    orders: int
    of_contest: int
    before: int
    of_contest_before: int


def deviations(window: Window) -> float:
    """By how many standard deviations the candidate's share of the orders is above that of the hour before; 0 where
    that is not known. Orders are compared, not votes: many votes in one order are one person's decision."""
    if window.of_contest_before < BURST_HISTORY or not window.of_contest:
        return 0.0
    share = (window.before + 1) / (window.of_contest_before + 2)
    return (window.orders / window.of_contest - share) / sqrt(share * (1 - share) / window.of_contest)


@record
class Around:
    """What is known around a paid vote, from its contest alone; None: the signal is not there.

    `web_votes`: the most orders of any minute around it, by its address, or by its device where
    the address is shared; refused ones too. `gap_seconds`: since the vote before of the same wallet or device.
    `candidates`: chosen from its address or device in the minute up to it. `block_payers`: numbers of its block that
    voted for the same candidate in ten minutes. `payer_others`: devices, phones and chats that made its payer pay in
    an hour. `card_others`, `holder_others`: numbers, else devices, whose votes its card or a payer of the same name
    paid in an hour. `of_source`: orders for its candidate in the minute up to it, by its device or by the hundred
    consecutive numbers that its payer is one of; `window`: of its candidate, where `of_source` is more than 1. `new`:
    its payer voted for nobody else and was first seen within ten minutes. `owner`: whose number it is, where it is the
    organiser's, a candidate's or of somebody who works for the contest.
    """

    votes: int
    web_votes: int | None = None
    gap_seconds: float | None = None
    candidates: int | None = None
    block_payers: int | None = None
    payer_others: int | None = None
    card_others: int | None = None
    holder_others: int | None = None
    of_source: int | None = None
    window: Window | None = None
    new: bool | None = None
    owner: str | None = None


@record
class Finding:
    """What a rule says about a vote. `seen`: the figure that made it speak; `limit`: up to where it would not."""

    rule: FraudRule
    verdict: FraudVerdict
    weight: int
    seen: int | str
    limit: int | None = None


def is_burst(window: Window, limits: FraudLimits) -> bool:
    """Whether a candidate's orders rose far above its own share."""
    on = limits.burst_orders and limits.burst_deviations
    return bool(on) and window.orders >= limits.burst_orders and deviations(window) >= limits.burst_deviations


def judge(around: Around, limits: FraudLimits) -> tuple[Finding, ...]:
    """What the rules say about a paid vote, what weighs most first."""
    return tuple(sorted(_findings(around, limits), key=lambda found: -found.weight))


def holds(findings: tuple[Finding, ...]) -> bool:
    """Whether a vote with these findings waits for a person."""
    by_one = any(found.verdict is FraudVerdict.HOLD for found in findings)
    return by_one or sum(found.weight for found in findings) >= WEIGHT_OF_HOLD


def _hold(rule: FraudRule, seen: int, limit: int) -> Finding:
    return Finding(rule, FraudVerdict.HOLD, WEIGHT_OF_HOLD, seen, limit)


def _findings(around: Around, limits: FraudLimits) -> Iterator[Finding]:
    if limits.web_votes and around.web_votes is not None and around.web_votes > limits.web_votes:
        yield _hold(FraudRule.WEB_VOTES, around.web_votes, limits.web_votes)
    if limits.gap_seconds and around.gap_seconds is not None and around.gap_seconds < limits.gap_seconds:
        yield _hold(FraudRule.TOO_FAST, int(around.gap_seconds), limits.gap_seconds)
    if limits.candidates and around.candidates is not None and around.candidates >= limits.candidates:
        yield _hold(FraudRule.MANY_CANDIDATES, around.candidates, limits.candidates)
    if limits.block_payers and around.block_payers is not None and around.block_payers >= limits.block_payers:
        yield _hold(FraudRule.NUMBER_BLOCK, around.block_payers, limits.block_payers)
    for rule, others in (
        (FraudRule.ONE_PAYER, around.payer_others),
        (FraudRule.ONE_CARD, around.card_others),
        (FraudRule.ONE_HOLDER, around.holder_others),
    ):
        if others is not None and limits.payer_others_hold and others > limits.payer_others_hold:
            yield _hold(rule, others, limits.payer_others_hold)
        elif others is not None and limits.payer_others and others > limits.payer_others:
            # A card shows its holder's name too: together they say no more than either.
            yield Finding(
                rule, FraudVerdict.FLAG, 25 if rule is FraudRule.ONE_HOLDER else 50, others, limits.payer_others
            )
    yield from _in_a_burst(around, limits)
    if limits.large_votes and around.new and around.votes >= limits.large_votes:
        yield Finding(FraudRule.NEW_NUMBER, FraudVerdict.FLAG, 40, around.votes, limits.large_votes)
    if around.owner is not None and limits.decide_hours:
        yield Finding(FraudRule.OWN_NUMBER, FraudVerdict.FLAG, 40, around.owner)


def _in_a_burst(around: Around, limits: FraudLimits) -> Iterator[Finding]:
    """A call on television lifts a candidate as a program does, by orders of many people: only who orders again and
    again in a burst is suspicious."""
    if not limits.burst_each or around.of_source is None or around.of_source < 2:
        return
    if around.window is None or not is_burst(around.window, limits):
        return
    if around.of_source >= limits.burst_each:
        yield _hold(FraudRule.BURST, around.of_source, limits.burst_each)
    else:
        yield Finding(FraudRule.BURST, FraudVerdict.FLAG, 30, around.of_source, limits.burst_each)
