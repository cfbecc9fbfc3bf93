"""Every screen that a voter can reach: the menu itself, walked from its first screen.

The walk knows no screen by name: it types a fixed set of inputs everywhere, so a screen that is added
later is found without a change here.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from heapq import heappop, heappush
from itertools import count
from typing import Final

import phonenumbers

from channels import gsm
from channels.lint.findings import Finding, ScreenSeen, error, warning
from channels.lint.texts import OTHERWISE, RECEIPT
from channels.receipts import CheckedReceipt
from channels.ussd.menu.helping import ranking_shown, receipt_shown, rescue_shown, ticket_shown, votes_shown
from channels.ussd.menu.machine import advance, offered, start
from channels.ussd.menu.ordering import check
from channels.ussd.menu.session import SEPTETS_MAX, MenuView, Node, Session, Turn, Wants
from gateway.contests.contest import Contest
from gateway.orders.routing import Kind, Rail, Rails
from gateway.orders.wallet import PAYMENT_CODES, PaymentMethod, network_wallets, prefixes_in
from gateway.values.msisdn import Msisdn
from leaderboard.ranking import Score, ranking_from
from payments.collection.order_views import ReceiptView, TakenBack, VoteLine
from payments.lifecycle import PublicStatus, State
from payments.rescue.rules import Attempt, Outcome, Rescue, ticket_number

# Sessions from which the walk goes on: so many, and more for a long list.
STEPS_MIN: Final = 150
STEPS_EACH: Final = 4
VOTES_SHOWN: Final = 9_999_999
TICKET: Final = ticket_number(9_999_999)
LOST_KEY: Final = "99"
# The rest of a long dial, by where its first inputs were refused.
DIALLED_BEHIND: Final = {Node.HOME: ("5", "1"), Node.QUANTITY: ("1",)}
# Words by which networks name themselves; None: found by the prefix, of an example number by which it has no
# wallet that is taken, so that the voter chooses one.
NETWORKS: Final = ("mtn", "orange", None)
# Wallets of a country that belong to no network.
LINK_WALLETS: Final = {"CI": (PaymentMethod.WAVE,)}


def walk(contest: Contest, language: str) -> tuple[ScreenSeen, ...]:
    """Each distinct screen of a contest in one language, at its longest. Screens that differ only in
    numbers and names are one."""
    shape = _Shape(contest)
    found: dict[str, ScreenSeen] = {}
    measured: set[str] = set()
    for view in _views(contest):
        for path, screen in _reached(view, language, shape):
            if screen in measured:
                continue
            measured.add(screen)
            seen = ScreenSeen(_dialled(contest, path), screen, gsm.septets(screen))
            held = found.setdefault(shape.of(screen), seen)
            if seen.septets > held.septets:
                found[shape.of(screen)] = seen
    return tuple(found.values())


def findings(contest: Contest, language: str, seen: Sequence[ScreenSeen]) -> Iterator[Finding]:
    """Screens that are too long or empty, and a name that had to be cut."""
    for screen in seen:
        if screen.septets > SEPTETS_MAX:
            length = f"{screen.septets} septets, {SEPTETS_MAX} at most"
            yield error("screens", f"{language} {screen.path} has {length}", "screen")
        if not screen.text.strip():
            yield error("screens", f"{language} {screen.path} is empty", "screen")
        if odd := sorted(gsm.replaced(screen.text)):
            yield error(
                "screens", f"{language} {screen.path} has {' '.join(odd)}, which is not in the alphabet", "screen"
            )
    name = gsm.fold(contest.name)
    if not any(name in screen.text for screen in seen):
        yield warning(
            "names", f"{language}: no screen has room for the contest's name, {contest.name!r}", "name_too_long"
        )


class _Shape:
    """What is left of a screen without its numbers and names."""

    def __init__(self, contest: Contest) -> None:
        names = sorted((gsm.fold(c.name) for c in contest.candidates), key=len, reverse=True)
        # A name is cut behind a word, so any of its beginnings may stand on a screen.
        patterns = (" (?:".join(re.escape(word) for word in name.split()) for name in names if name.split())
        self._known: dict[str, str] = {}
        self._names = re.compile("|".join(f"{p}{')?' * p.count(' (?:')}" for p in patterns) or "(?!)")

    def of(self, screen: str) -> str:
        """The shape of a screen."""
        if screen not in self._known:
            self._known[screen] = self._made(screen)
        return self._known[screen]

    def _made(self, screen: str) -> str:
        lines = (self._names.sub("~", line) for line in screen.split("\n"))
        # Lines of a list are alike, however many there are.
        return "\n".join(dict.fromkeys(re.sub(r"\d+(?: \d{3})*", "#", line) for line in lines))


def _views(contest: Contest) -> Iterator[MenuView]:
    example = phonenumbers.example_number_for_type(contest.country, phonenumbers.PhoneNumberType.MOBILE)
    if example is None:
        return
    dialler = Msisdn(phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164), contest.country)
    ranking = ranking_from(
        contest.slug,
        1,
        [Score(c.code, c.name, VOTES_SHOWN - place) for place, c in enumerate(contest.eligible)],
    )
    # A window that sells nothing is a finding of its own; its screens are seen all the same.
    opened = replace(
        contest, closes_at=max(contest.closes_at, contest.opens_at + timedelta(hours=1)), rounds=(), _by_code={}
    )
    rails = _rails(contest, Kind.PUSH)
    yield MenuView(opened, ranking, dialler, NETWORKS[0], opened.opens_at, _rails(contest, Kind.REDIRECT))
    for network in NETWORKS:
        yield MenuView(opened, ranking, dialler, network, opened.opens_at, rails)
    # An operator that does not answer, and all of them.
    for closed, network in ((rails.every[:1], NETWORKS[0]), (rails.every, NETWORKS[0]), (rails.every, NETWORKS[2])):
        some = rails.with_circuits_open(rail.account for rail in closed)
        yield MenuView(opened, ranking, dialler, network, opened.opens_at, some)
    for now in (opened.opens_at - timedelta(seconds=1), opened.closes_at):
        yield MenuView(opened, ranking, dialler, None, now, rails)


def _rails(contest: Contest, kind: Kind) -> Rails:
    """Every wallet of the country's phones, connected or not: what voters may come to see. `kind`: how
    their operators ask."""
    kinds, currencies = frozenset({kind}), frozenset({contest.currency})
    methods = network_wallets(contest.country)
    by_code = frozenset({Kind.OTP_FIRST})
    return Rails(
        (
            *(Rail(m.value, contest.country, m, kinds, currencies) for m in methods),
            *(
                Rail(m.value, contest.country, m, frozenset({Kind.REDIRECT}), currencies)
                for m in LINK_WALLETS.get(contest.country, ())
            ),
            *(Rail(f"{m.value} by code", contest.country, m, by_code, currencies) for m in methods),
        )
    )


def _reached(view: MenuView, language: str, shape: "_Shape") -> Iterator[tuple[tuple[str, ...], str]]:
    """Every screen within reach, with the inputs that lead there. From the shapes that were seen least the
    walk goes on first, so a hundred numbers of votes do not keep it from the last page of a list."""
    order, times = count(), Counter[str]()
    waiting: list[tuple[int, int, tuple[str, ...], Session]] = []
    known: set[Session] = set()
    fetched: set[tuple[Wants, Session | None]] = set()
    typed = inputs(view)
    dialled = {node: replace(view, behind=behind) for node, behind in DIALLED_BEHIND.items()}

    def taken(turn: Turn, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
        if turn.wants is not None:
            if (turn.wants, turn.session) in fetched:
                return
            fetched.add((turn.wants, turn.session))
        for made in turns(turn, view):
            if made.session is not None and made.session.language != language:
                continue  # another language's walk
            yield path, made.screen
            if made.session is not None and made.session not in known:
                known.add(made.session)
                times[shape.of(made.screen)] += 1
                heappush(waiting, (times[shape.of(made.screen)], next(order), path, made.session))
                for kept in _kept(made.session, view):
                    yield path, kept.screen

    yield from taken(start(view, language), ())
    for _ in range(STEPS_MIN + STEPS_EACH * len(view.contest.eligible)):
        if not waiting:
            return
        *_, path, session = heappop(waiting)
        for text in typed:
            turn = advance(session, text, view)
            yield from taken(turn, (*path, text))
            if turn.refused and session.node in dialled:
                behind = dialled[session.node]
                yield (*path, text, *behind.behind), advance(session, text, behind).screen


def _kept(session: Session, view: MenuView) -> Iterator[Turn]:
    """What is shown from here when the dialogue was cut off and dialled again, or its store was lost."""
    if session.node in (Node.QUANTITY, Node.CONFIRM):
        offer = offered(session._replace(node=Node.RESUME), view)
        if offer is not None:
            yield offer
    if session.node is Node.CONFIRM:
        yield check(session, view, LOST_KEY)


def inputs(view: MenuView) -> tuple[str, ...]:
    """What is typed on every screen: each key, codes of each kind, numbers of votes, phone numbers."""
    contest = view.contest
    national = phonenumbers.national_significant_number(phonenumbers.parse(view.dialler.e164))
    longest = max(contest.eligible, key=lambda c: gsm.septets(gsm.fold(c.name)), default=None)
    gone = next((c for c in contest.candidates if not c.eligible), None)
    people = [c.code for c in (longest, gone) if c is not None]
    # Another phone: the dialler's number with another last digit.
    another = f"{national[:-1]}{(int(national[-1]) + 1) % 10}"
    # One whose payer fetches a code.
    by_code = [
        f"{prefix}{national[len(prefix) :]}"
        for prefix, method in prefixes_in(contest.country)[1].items()
        if (contest.country, method) in PAYMENT_CODES
    ][:1]
    foreign = "+2250501020304" if view.dialler.country != "CI" else "+237671234567"
    numbers = (str(contest.quantity_max), str(contest.quantity_max + 1), *map(str, contest.packs))
    # The first letters of a candidate's name, and letters that no name has.
    letters = gsm.fold(longest.name)[:2] if longest is not None else ""
    keys = (*"123456789", "0", "00", "", "x", "zzzzzzzzzzzzz", letters)
    return tuple(
        dict.fromkeys((*keys, *people, "99", "999999", *numbers, another, *by_code, foreign, "0" * 9, RECEIPT))
    )


def _dialled(contest: Contest, path: tuple[str, ...]) -> str:
    code = contest.service_code.rstrip("#") or "*"
    return f"{'*'.join((code, *(text or '-' for text in path)))}#"


def turns(turn: Turn, view: MenuView) -> Iterator[Turn]:
    """The turn with every screen that it may get from the service; itself where it wants nothing."""
    if turn.wants is None or turn.session is None:
        yield turn
        return
    yield from _filled(turn.wants, turn.session, view)


def _filled(wants: Wants, session: Session, view: MenuView) -> Iterator[Turn]:
    contest = view.contest
    person = max(contest.eligible, key=lambda c: gsm.septets(gsm.fold(c.name)), default=None)
    code, name = (person.code, person.name) if person else ("07", "Awa")
    longest = max(PublicStatus, key=lambda status: len(status.value))
    line = VoteLine(code, name, contest.quantity_max, longest, None, view.now)
    amount = contest.price.times(contest.quantity_max)
    match wants:
        case Wants.VOTES:
            yield votes_shown(session, view, [])
            yield votes_shown(session, view, [line, replace(line, receipt=RECEIPT)] * 4)
        case Wants.FAVOURITE:
            last = view.ranking.entries[-1].code if view.ranking.entries else code
            yield ranking_shown(session, view, [])
            counted = replace(line, candidate_code=last, status=PublicStatus.COMPLETED)
            yield ranking_shown(session, view, [counted])
        case Wants.RESCUE:
            attempt = Attempt(State.PENDING, code, name, contest.quantity_max, amount, RECEIPT)
            for outcome in Outcome:
                yield rescue_shown(session, view, Rescue(outcome, attempt, TICKET))
        case Wants.TICKET:
            yield ticket_shown(session, view, TICKET)
        case Wants.RECEIPT:
            proof = ReceiptView(
                RECEIPT, contest.slug, contest.name, code, name, contest.quantity_max, amount, 9_999_999, view.now
            )
            yield receipt_shown(session, view, None)
            back = TakenBack(9_999_999, view.now, OTHERWISE)
            for vote in (proof, replace(proof, taken_back=back)):
                for logged in (True, False):
                    yield receipt_shown(session, view, CheckedReceipt(vote, logged, contest.time_zone))
            for status in PublicStatus:
                yield receipt_shown(session._replace(typed=RECEIPT), view, status)
