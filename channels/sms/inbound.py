"""What a stored text leads to: an order, an answer, or nothing. Run twice, it does the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from channels import gsm
from channels.phrases import DEFAULT_LANGUAGE, say
from channels.sms.grammar import Ask, Check, Command, Doubt, Noise, Say, Vote, Word, read
from channels.sms.texts import one_dial
from channels.sms.texts import votes as votes_in_words
from gateway.domain.contest import Contest
from gateway.domain.msisdn import Msisdn, NumberFault, read_msisdn
from gateway.domain.order import Channel, PlacedOrder, Refusal, Wish
from gateway.domain.payment import PublicStatus
from gateway.domain.wallet import guess_method
from gateway.ports.house import House, IncomingText

EXAMPLE_CODE: Final = "07"
STATUS_LINES: Final = 4
TOP_LINES: Final = 5
NAME_SEPTETS: Final = 40
CODE_LENGTH_MAX: Final = 8
_OPT_OUT: Final = frozenset({Word.STOP, Word.START})
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a text came to. `lines` empty: nothing goes back. `opt_out`: True to stop texts that
    were not asked for, False to allow them again."""

    outcome: str
    language: str
    lines: tuple[str, ...] = ()
    opt_out: bool | None = None


async def answer(text: IncomingText, house: House, *, first_id: str) -> Reply:
    """Judge a text. `first_id`: the carrier's id of the first equal text of this sender within three
    minutes, so that a text sent twice is one order. Raises HouseUnavailable."""
    contests = house.contests_by_short_code(text.recipient) or _only(house)
    sender = _sender(text.sender, contests or house.contests())
    if sender is None:
        # A word or a short code: two machines must not answer each other.
        return Reply("not a person", DEFAULT_LANGUAGE)
    repeated = first_id != text.carrier_id
    if not contests:
        lines = () if repeated else (say(DEFAULT_LANGUAGE, "refusal.unknown_contest"),)
        return Reply("unknown short code", DEFAULT_LANGUAGE, lines)
    command = read(text.text, contests)
    if isinstance(command, Say) and command.word in _OPT_OUT:
        # Also when repeated: STOP, START, STOP within a minute ends as STOP.
        return _opt(command, contests)
    if isinstance(command, Vote):
        return await _vote(command, text, house, first_id)
    if repeated:
        return Reply("repeated", contests[0].language)
    if isinstance(sender, NumberFault):
        language = contests[0].language
        return Reply("foreign number", language, (say(language, "refusal.foreign_number"),))
    return await _words(command, sender, contests, house)


def _only(house: House) -> tuple[Contest, ...]:
    """Where a carrier leaves the short code out and there is one contest, it is meant."""
    every = house.contests()
    return every if len(every) == 1 else ()


def _sender(raw: str, contests: Sequence[Contest]) -> Msisdn | NumberFault | None:
    """Who texts, by the first of these contests in whose country the number is one; FOREIGN for a
    person of another country, None for whatever is no person."""
    found = [read_msisdn(raw, contest.country, vouched=True) for contest in contests]
    at_home = next((number for number in found if isinstance(number, Msisdn)), None)
    return at_home or (NumberFault.FOREIGN if NumberFault.FOREIGN in found else None)


async def _vote(vote: Vote, text: IncomingText, house: House, first_id: str) -> Reply:
    contest, repeated = vote.contest, first_id != text.carrier_id
    language = contest.language
    sender = read_msisdn(text.sender, contest.country, vouched=True)
    if not isinstance(sender, Msisdn):
        lines = () if repeated else (say(language, "refusal.foreign_number"),)
        return Reply("foreign number", language, lines)
    wish = Wish(
        channel=Channel.SMS,
        key=f"{text.carrier}:{first_id}",
        contest=contest,
        candidate_code=vote.code,
        quantity=vote.quantity,
        method=guess_method(sender, text.network),
        payer=sender,
        voter=sender,
        language=language,
    )
    placed = await house.place_order(wish)
    if isinstance(placed, Refusal):
        # Who was told to try again has every right to send the same words; the rest was said once.
        told = repeated and placed is not Refusal.TRY_AGAIN
        return Reply(f"refused: {placed.value}", language, () if told else (_refusal(placed, contest, vote.code),))
    _log.info("order_placed", vote=str(placed.vote_id), channel="sms", repeated=placed.repeated)
    if repeated and placed.repeated:
        return Reply("repeated", language, await _known_order(vote, placed, house))
    return Reply("order", language)


async def _known_order(vote: Vote, placed: PlacedOrder, house: House) -> tuple[str, ...]:
    """To who sends a vote once more within three minutes: nothing while the first waits for its PIN
    (a phone or an operator repeated it), else what became of it and how to vote again."""
    order = await house.order(placed.vote_id)
    if order is None or order.status is PublicStatus.PENDING:
        return ()
    contest, language = vote.contest, vote.contest.language
    facts = {
        "votes": votes_in_words(language, vote.quantity),
        "code": vote.code,
        "status": say(language, f"ussd.status_{order.status.value}"),
    }
    if not contest.service_code:
        return (say(language, "sms.repeated_text", **facts),)
    how = say(language, "sms.how_dial", dial=one_dial(contest.service_code, vote.code, vote.quantity))
    return (say(language, "sms.repeated", how=how, **facts),)


def _refusal(refusal: Refusal, contest: Contest, code: str) -> str:
    if refusal is Refusal.NO_WALLET and contest.service_code:
        return say(contest.language, "sms.no_wallet", service_code=contest.service_code)
    return say(
        contest.language,
        f"refusal.{refusal.value}",
        contest=contest.name,
        maximum=contest.quantity_max,
        code=code,
    )


def _opt(command: Say, contests: Sequence[Contest]) -> Reply:
    stop = command.word is Word.STOP
    language = command.language or contests[0].language
    names = gsm.cut_on_word(gsm.fold(", ".join(c.name for c in contests)), NAME_SEPTETS)
    line = say(language, "sms.stopped" if stop else "sms.started", contest=names)
    return Reply("stopped" if stop else "started", language, (line,), opt_out=stop)


async def _words(command: Command, sender: Msisdn, contests: Sequence[Contest], house: House) -> Reply:
    language = contests[0].language
    match command:
        case Say():
            contest = command.contest
            if contest is None:
                return Reply("asked: which_contest", language, (_ask(Ask(Doubt.WHICH_CONTEST), contests),))
            return await _say(command.word, command.language or contest.language, sender, contest, house)
        case Check():
            language = command.language or language
            return Reply("check", language, (await _check(command.receipt, language, house),))
        case Ask():
            language = command.contest.language if command.contest else language
            return Reply(f"asked: {command.doubt.value}", language, (_ask(command, contests),))
        case Vote() | Noise():
            return Reply("noise", language)


async def _say(word: Word, language: str, sender: Msisdn, contest: Contest, house: House) -> Reply:
    if word is Word.STATUS:
        return Reply(word.value, language, await _status(sender, contest, language, house))
    if word is Word.TOP:
        return Reply(word.value, language, _top(contest, language, house))
    line = say(
        language,
        f"sms.{word.value}",
        contest=contest.name,
        price=contest.price.spoken(),
        code=_example(contest),
        service_code=contest.service_code,
    )
    return Reply(word.value, language, (line,))


async def _status(sender: Msisdn, contest: Contest, language: str, house: House) -> tuple[str, ...]:
    votes = await house.votes_of(sender, contest.id, STATUS_LINES)
    if not votes:
        facts = {"code": _example(contest), "service_code": contest.service_code}
        return (say(language, "sms.status_none", **facts),)
    return tuple(
        say(
            language,
            "sms.status_line",
            code=line.candidate_code,
            votes=line.quantity,
            status=line.receipt or say(language, f"ussd.status_{line.status.value}"),
        )
        for line in votes
    )


def _top(contest: Contest, language: str, house: House) -> tuple[str, ...]:
    entries = house.standing(contest.slug).entries[:TOP_LINES]
    return tuple(
        say(
            language,
            "sms.top_line",
            rank=entry.rank,
            code=entry.code,
            name=gsm.cut_on_word(gsm.fold(entry.name), 20),
            votes=entry.votes,
        )
        for entry in entries
    )


async def _check(receipt: str | None, language: str, house: House) -> str:
    found = await house.receipt(receipt) if receipt else None
    if found is None:
        return say(language, "sms.check_bad")
    return say(
        language,
        "sms.check_good",
        receipt=found.receipt,
        votes=votes_in_words(language, found.quantity),
        code=found.candidate_code,
        name=gsm.cut_on_word(gsm.fold(found.candidate_name), NAME_SEPTETS),
        amount=found.amount.spoken(),
        number=found.tally_number,
    )


def _ask(ask: Ask, contests: Sequence[Contest]) -> str:
    asked = ask.contest or contests[0]
    language, price, code = asked.language, asked.price.spoken(), ask.code[:CODE_LENGTH_MAX]
    match ask.doubt:
        case Doubt.WHICH_CONTEST:
            return say(language, "sms.ask_contest", keywords=", ".join(c.keyword for c in contests))
        case Doubt.WHICH_CANDIDATE if ask.options:
            named = ", ".join(f"{c.code} {gsm.cut_on_word(gsm.fold(c.name), NAME_SEPTETS)}" for c in ask.options)
            return say(language, "sms.ask_candidate", options=named, code=ask.options[0].code, price=price)
        case Doubt.UNKNOWN_CODE:
            return say(language, "refusal.unknown_candidate", code=code)
        case Doubt.NOT_STANDING:
            return say(language, "refusal.candidate_not_standing", code=code)
        case Doubt.TOO_MANY:
            return say(language, "refusal.too_many", maximum=asked.quantity_max)
        case Doubt.QUANTITY if code:
            return say(language, "sms.ask_quantity", code=code, maximum=asked.quantity_max, price=price)
        case Doubt.PRICE:
            return say(language, "sms.ask_price", code=code or _example(asked), price=price)
        case _:
            return say(language, "sms.ask_what", contest=asked.name, code=_example(asked), price=price)


def _example(contest: Contest) -> str:
    """A code that exists, for examples."""
    standing = contest.standing
    codes = {candidate.code for candidate in standing}
    return EXAMPLE_CODE if EXAMPLE_CODE in codes or not standing else standing[0].code
