"""Faults of a contest that no screen shows: codes, prices, times, shared numbers, missing words."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Final

from channels.buying import one_dial
from channels.grammar import Ask, Doubt, Vote, read
from channels.lint.findings import Finding, error, warning
from channels.phrases import files, languages, languages_for
from gateway.contests.codes import form_fault, one_slip_apart
from gateway.contests.contest import Contest
from gateway.contests.rounds import next_round, open_round, order_faults, sentence_of
from gateway.orders.routing import Rail, Rails
from gateway.orders.wallet import PaymentMethod, network_wallets
from gateway.values.money import Money
from gateway.values.time_zones import digits

_SERVICE_CODE: Final = re.compile(r"\*\d{2,6}(\*\d{1,6})*#")
_EXAMPLE_VOTES: Final = 5
_PAIRS_SHOWN: Final = 3


def codes(contest: Contest) -> Iterator[Finding]:
    """Codes that cannot be typed, or that one slip turns into another candidate's."""
    for candidate in contest.candidates:
        if fault := form_fault(candidate.code, check_digits=contest.check_digits):
            yield error(
                "codes",
                f"{candidate.code} ({candidate.name}) {fault.value}",
                "bad_code",
                code=candidate.code,
                name=candidate.name,
            )
    for code, count in Counter(c.code for c in contest.candidates).items():
        if count > 1:
            yield error("codes", f"{code} is the code of {count} candidates", "code_twice", code=code, count=count)
    given = {c.code for c in contest.candidates}
    widths = sorted({len(code) for code in given})
    if len(widths) > 1:
        shown = " and ".join(str(width) for width in widths)
        yield warning(
            "codes",
            f"codes have {shown} digits: with one width a glued text (VOTE0705) can be read",
            "code_widths",
            widths=", ".join(map(str, widths)),
        )
    if not contest.check_digits and (pairs := one_slip_apart({c.code for c in contest.eligible})):
        shown = ", ".join(f"{one}-{other}" for one, other in pairs[:_PAIRS_SHOWN])
        yield warning(
            "codes",
            f"one slip votes for another candidate: {shown}{' …' if len(pairs) > _PAIRS_SHOWN else ''}"
            f" ({len(pairs)} pairs); check digits would refuse it",
            "one_slip",
            pairs=shown,
            count=len(pairs),
        )
    if not contest.eligible:
        yield error("candidates", "no candidate can be voted for", "no_candidate")
    for name, count in Counter(" ".join(c.name.split()).casefold() for c in contest.eligible).items():
        if count > 1:
            yield warning("candidates", f"{count} candidates are called {name!r}", "same_name", count=count, name=name)


def rounds(contest: Contest, now: datetime) -> Iterator[Finding]:
    """Rounds with impossible times, and those to come for which nobody is left, or one alone of several who stood."""
    for fault, number in order_faults(contest.rounds, contest.opens_at, contest.closes_at):
        name = contest.rounds[number - 1].name
        yield error("times", sentence_of(fault, number), "round_misplaced", name=name)
    left = contest.eligible
    if len(left) > 1 or len(left) == len(contest.candidates):
        return
    for one in contest.rounds:
        if now >= one.closes_at:
            continue
        if left:
            text = f"{left[0].name} alone is left in round {one.number} {one.name}"
            yield warning("candidates", text, "round_of_one", round=one.name, name=left[0].name)
        else:
            yield error("candidates", f"nobody is left in round {one.number} {one.name}", "round_empty", name=one.name)


def texts(contest: Contest, others: Sequence[Contest]) -> Iterator[Finding]:
    """Votes by SMS that would not be read as such. `others`: contests beside this one."""
    if not contest.short_code:
        return
    sharing = (contest, *(c for c in others if c.short_code == contest.short_code))
    for other in sharing[1:]:
        if other.keyword.casefold() == contest.keyword.casefold():
            yield error(
                "sms",
                f"{contest.short_code} {contest.keyword} is also the contest {other.slug}",
                "keyword_taken",
                keyword=contest.keyword,
                number=contest.short_code,
            )
    for word in (contest.keyword, *(("VOTE",) if len(sharing) == 1 else ())):
        unread = [
            c.code for c in contest.eligible if not _is_read(f"{word} {c.code} {_EXAMPLE_VOTES}", sharing, c.code)
        ]
        if unread:
            few = ", ".join(unread[:_PAIRS_SHOWN])
            yield error(
                "sms",
                f"the text {word} <code> {_EXAMPLE_VOTES} is not read as a vote for {few}",
                "text_unread",
                word=word,
                codes=few,
            )


def _is_read(text: str, sharing: Sequence[Contest], code: str) -> bool:
    found = read(text, sharing)
    if isinstance(found, Ask) and found.doubt is Doubt.LARGE:
        found = found.offer or found
    return isinstance(found, Vote) and (found.contest, found.code) == (sharing[0], code)


def dialling(contest: Contest, others: Sequence[Contest]) -> Iterator[Finding]:
    """Service codes that are none, are shared, or swallow another contest's one-dial votes."""
    if not contest.service_code and not contest.short_code:
        yield warning(
            "numbers", "there is neither a service code nor a short code: votes come by web only", "no_numbers"
        )
    if not contest.service_code:
        return
    if not _SERVICE_CODE.fullmatch(contest.service_code):
        yield error(
            "ussd",
            f"{contest.service_code} cannot be dialled: a service code looks like *789# or *789*12#",
            "bad_service_code",
            code=contest.service_code,
        )
    sharing = [c.slug for c in others if c.service_code == contest.service_code]
    if sharing:
        yield warning(
            "ussd",
            f"{contest.service_code} is shared with {', '.join(sharing)}: voters choose from a list",
            "service_code_shared",
            code=contest.service_code,
            contests=", ".join(sharing),
        )
    for mine, theirs in ((contest, other) for other in others):
        for outer, inner in ((mine, theirs), (theirs, mine)):
            for candidate in outer.eligible:
                if inner.service_code and _swallows(inner.service_code, outer.service_code, candidate.code):
                    yield error(
                        "ussd",
                        f"{one_dial(outer.service_code, candidate.code, _EXAMPLE_VOTES)} would dial {inner.slug}"
                        f" ({inner.service_code}), not {outer.slug}",
                        "service_code_swallows",
                        dialled=one_dial(outer.service_code, candidate.code, _EXAMPLE_VOTES),
                        code=inner.service_code,
                    )


def _swallows(inner: str, outer: str, code: str) -> bool:
    """Whether a longer service code begins as a vote in one dial under a shorter one does."""
    return bool(outer) and inner != outer and inner.rstrip("#") == f"{outer.rstrip('#')}*{code}"


def times(contest: Contest, now: datetime) -> Iterator[Finding]:
    """A window in which nothing can be sold."""
    when = partial(digits, zone=contest.time_zone)
    if contest.opens_at >= contest.closes_at:
        yield error(
            "times", f"it opens ({when(contest.opens_at)}) after it closes ({when(contest.closes_at)})", "closes_first"
        )
    elif contest.closes_at <= now:
        yield error("times", f"it closed on {when(contest.closes_at)}", "closed", at=contest.closes_at)
    elif contest.rounds and not (open_round(contest.rounds, now) or next_round(contest.rounds, now)):
        yield error("times", "all rounds are over", "rounds_over")
    elif contest.opens_at > now:
        yield warning("times", f"it opens on {when(contest.opens_at)} only", "opens_later", at=contest.opens_at)
    yield from _holes(contest)


def _holes(contest: Contest) -> Iterator[Finding]:
    """Times between the opening and the first round, and between the last one and the close. Those between two rounds
    are what rounds are for."""
    if not contest.rounds:
        return
    when = partial(digits, zone=contest.time_zone)
    for opens, closes in (
        (contest.opens_at, contest.rounds[0].opens_at),
        (contest.rounds[-1].closes_at, contest.closes_at),
    ):
        if opens < closes:
            text = f"no round sells votes from {when(opens)} to {when(closes)}"
            yield warning("times", text, "rounds_hole", opens=opens, closes=closes)


def prices(contest: Contest, rails: Rails) -> Iterator[Finding]:
    """Amounts that an operator would refuse, and wallets for whose money there is no account."""
    near = [rail for rail in rails.every if rail.country == contest.country]
    missing = set(network_wallets(contest.country)).difference(rail.method for rail in near)
    if not near and not missing:
        yield error("prices", f"no account collects money in {contest.country}", "no_account")
    for pack in contest.packs:
        if pack > contest.quantity_max:
            yield error(
                "prices",
                f"a pack of {pack} votes is more than one order may have ({contest.quantity_max})",
                "pack_above",
                pack=pack,
                most=contest.quantity_max,
            )
        elif pack > contest.asks_above:
            yield warning(
                "prices",
                f"a pack of {pack} votes is asked about by text (above {contest.asks_above})",
                "pack_asked",
                pack=pack,
                above=contest.asks_above,
            )
    for rail in near:
        if rail.currencies and contest.currency not in rail.currencies:
            yield error(
                "prices",
                f"{rail.method.value}: {rail.account} does not take {contest.currency}",
                "wrong_currency",
                wallet=rail.method,
                currency=contest.currency,
            )
        else:
            yield from _under_minimum(contest, rail)
    for method in sorted(missing):
        yield warning(
            "prices",
            f"{method.value}: no account that collects it is set up here",
            "no_wallet",
            wallet=PaymentMethod(method),
        )


def _under_minimum(contest: Contest, rail: Rail) -> Iterator[Finding]:
    least = Money(rail.minimum_minor, contest.currency)
    packs = [pack for pack in sorted({1, *contest.packs}) if contest.price.times(pack) < least]
    for pack in packs:
        votes = "1 vote" if pack == 1 else f"the pack of {pack} votes"
        needed = -(-least.amount_minor // contest.price.amount_minor)
        text = (
            f"{votes} = {contest.price.times(pack).spoken()} is under the least amount of {rail.method.value},"
            f" {least.spoken()} ({needed} votes)"
        )
        # Who types a number may type a higher one; a pack is our own offer.
        facts = {"votes": pack, "wallet": rail.method, "least": least.spoken(), "needed": needed}
        yield (
            warning("prices", text, "vote_under_minimum", **facts)
            if pack == 1
            else error("prices", text, "pack_under_minimum", **facts)
        )


def words(contest: Contest) -> Iterator[Finding]:
    """Rules, contact and language: what voters may ask for."""
    if contest.language not in languages():
        yield error("language", f"there are no phrases in {contest.language!r}", "no_phrases")
    for language in languages_for(contest):
        written = contest.rules.get(language, "").strip()
        if not written:
            yield warning("rules", f"there are no rules in {language}", "no_rules", speech=language)
        elif contest.jury_percent is not None and "jury" not in written.lower():
            text = f"the rules in {language} do not say that a jury decides {contest.jury_percent} % of the result"
            yield warning("rules", text, "rules_without_jury", speech=language)
        if review := files()[language].review:
            yield warning(
                "language",
                f"the phrases in {language} are {review}",
                "phrases_to_review",
                speech=language,
            )
    if not contest.contact.strip():
        yield warning("contact", "a voter in trouble finds no one: no contact", "no_contact")
