"""What a stored text leads to: an order, an answer, or nothing. Run twice, it does the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from channels import gsm
from channels.phrases import say
from channels.sms.grammar import Ask, Check, Command, Doubt, Noise, Say, Vote, Word, read
from gateway.domain.contest import Contest
from gateway.domain.msisdn import Msisdn, read_msisdn
from gateway.domain.order import Channel, Refusal, Wish
from gateway.domain.wallet import guess_method
from gateway.ports.house import House, IncomingText

EXAMPLE_CODE: Final = "07"
STATUS_LINES: Final = 4
TOP_LINES: Final = 5
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
    if not contests:
        return Reply("unknown short code", "fr")
    contest = contests[0]
    sender = read_msisdn(text.sender, contest.country, vouched=True)
    if not isinstance(sender, Msisdn):
        # A word or a short code: two machines must not answer each other.
        return Reply("not a person", contest.language)
    if first_id != text.carrier_id:
        return Reply("repeated", contest.language)
    command = read(text.text, contests)
    if isinstance(command, Vote):
        return await _vote(command, text, sender, house)
    return await _words(command, sender, contest, contests, house)


def _only(house: House) -> tuple[Contest, ...]:
    """Where a carrier leaves the short code out and there is one contest, it is meant."""
    every = house.contests()
    return every if len(every) == 1 else ()


async def _vote(vote: Vote, text: IncomingText, sender: Msisdn, house: House) -> Reply:
    contest = vote.contest
    wish = Wish(
        channel=Channel.SMS,
        key=f"{text.carrier}:{text.carrier_id}",
        contest=contest,
        candidate_code=vote.code,
        quantity=vote.quantity,
        method=guess_method(sender, text.network),
        payer=sender,
        voter=sender,
        language=contest.language,
    )
    placed = await house.place_order(wish)
    if isinstance(placed, Refusal):
        return Reply(f"refused: {placed.value}", contest.language, (_refusal(placed, contest, vote.code),))
    _log.info("order_placed", vote=str(placed.vote_id), channel="sms", repeated=placed.repeated)
    return Reply("order", contest.language)


def _refusal(refusal: Refusal, contest: Contest, code: str) -> str:
    if refusal is Refusal.NO_WALLET:
        return say(contest.language, "sms.no_wallet", service_code=contest.service_code)
    return say(
        contest.language,
        f"refusal.{refusal.value}",
        contest=contest.name,
        maximum=contest.quantity_max,
        code=code,
    )


async def _words(
    command: Command, sender: Msisdn, contest: Contest, contests: Sequence[Contest], house: House
) -> Reply:
    language = contest.language
    match command:
        case Say(word):
            return await _say(word, sender, contest, house)
        case Check(receipt):
            return Reply("check", language, (await _check(receipt, language, house),))
        case Ask():
            return Reply(f"asked: {command.doubt.value}", language, (_ask(command, contest, contests),))
        case Vote() | Noise():
            return Reply("noise", language)


async def _say(word: Word, sender: Msisdn, contest: Contest, house: House) -> Reply:
    language, price = contest.language, contest.price.spoken()
    facts = {
        "contest": contest.name,
        "price": price,
        "code": _example(contest),
        "service_code": contest.service_code,
    }
    match word:
        case Word.STOP:
            return Reply("stopped", language, (say(language, "sms.stopped", **facts),), opt_out=True)
        case Word.START:
            return Reply("started", language, (say(language, "sms.started", **facts),), opt_out=False)
        case Word.STATUS:
            return Reply("status", language, await _status(sender, contest, house))
        case Word.TOP:
            return Reply("top", language, _top(contest, house))
        case Word.HELP | Word.INFO:
            return Reply(word.value, language, (say(language, f"sms.{word.value}", **facts),))


async def _status(sender: Msisdn, contest: Contest, house: House) -> tuple[str, ...]:
    language = contest.language
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


def _top(contest: Contest, house: House) -> tuple[str, ...]:
    entries = house.standing(contest.slug).entries[:TOP_LINES]
    return tuple(
        say(
            contest.language,
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
        votes=found.quantity,
        code=found.candidate_code,
        name=found.candidate_name,
        amount=found.amount.spoken(),
        number=found.tally_number,
    )


def _ask(ask: Ask, contest: Contest, contests: Sequence[Contest]) -> str:
    asked = ask.contest or contest
    language, price = asked.language, asked.price.spoken()
    match ask.doubt:
        case Doubt.WHICH_CONTEST:
            return say(language, "sms.ask_contest", keywords=", ".join(c.keyword for c in contests))
        case Doubt.UNKNOWN_CODE:
            return say(language, "refusal.unknown_candidate", code=ask.code[:6])
        case Doubt.QUANTITY if ask.code:
            return say(language, "sms.ask_quantity", code=ask.code[:6], maximum=asked.quantity_max, price=price)
        case _:
            return say(language, "sms.ask_what", contest=asked.name, code=_example(asked), price=price)


def _example(contest: Contest) -> str:
    """A code that exists, for examples."""
    standing = contest.standing
    codes = {candidate.code for candidate in standing}
    return EXAMPLE_CODE if EXAMPLE_CODE in codes or not standing else standing[0].code
