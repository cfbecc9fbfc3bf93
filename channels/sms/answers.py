"""What we answer to texts: pure functions from what was asked to lines, in one part where they can be.

The facts come in: `channels.sms.inbound` asks the service for them.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Final

from channels import gsm
from channels.buying import (
    asked_first,
    phone_wallets,
    refusal_words,
    rule_terms,
    votes_in_words,
    ways_to_pay,
    why_no_wallet,
    why_taken_back,
)
from channels.grammar import REFUSED_AS, Ask, Check, Doubt, Vote
from channels.phrases import say
from channels.receipts import CheckedReceipt
from channels.sms.texts import NAME_SEPTETS, TEXT_SEPTETS
from gateway.contests.contest import Candidate, Contest
from gateway.orders.receipt import RECEIPT_LENGTH
from gateway.orders.rules import Refusal
from gateway.orders.wallet import PaymentMethod
from gateway.values.msisdn import Msisdn
from gateway.values.time_zones import digits
from leaderboard.ranking import Ranking
from payments.collection.order_views import VoteLine
from payments.lifecycle import PublicStatus
from payments.rescue.rules import DISPUTABLE, Rescue

PART: Final = gsm.SINGLE_SEPTETS
EXAMPLE_CODE: Final = "07"
TOP_LINES: Final = 5
TYPED_MAX: Final = 12
KEYWORDS_SEPTETS: Final = 60
RULES_SEPTETS_MIN: Final = 40
# How much of each name is shown, until the text fits.
_NAME_LIMITS: Final = (NAME_SEPTETS, 30, 20, 14, 8)


def fitted(write: Callable[[Callable[[str], str]], str]) -> str:
    """The text with names as long as fit in one part. `write` gets the function that shortens a name."""
    text = ""
    for limit in _NAME_LIMITS:
        text = gsm.fold(write(partial(_cut, limit=limit)))
        if gsm.fits(text, PART):
            break
    return text


def _cut(name: str, *, limit: int) -> str:
    return gsm.cut_on_word(gsm.fold(name), limit)


def joined(must: Iterable[str], may: Iterable[str], limit: int = PART) -> str:
    """Sentences in a row: all of `must`, and of `may` those that still fit."""
    text = gsm.fold(" ".join(must))
    for sentence in map(gsm.fold, may):
        if sentence and gsm.fits(f"{text} {sentence}", limit):
            text = f"{text} {sentence}"
    return text


def example_code(contest: Contest) -> str:
    """A code that exists, for examples."""
    ranking = contest.eligible
    codes = {candidate.code for candidate in ranking}
    return EXAMPLE_CODE if EXAMPLE_CODE in codes or not ranking else ranking[0].code


def first_word(contest: Contest, sharing: Sequence[Contest]) -> str:
    """What a vote begins with: the keyword, where several contests share the short code."""
    return contest.keyword if len(sharing) > 1 and contest.keyword else "VOTE"


def _facts(contest: Contest, sharing: Sequence[Contest]) -> dict[str, str]:
    """How a vote is texted, and what it costs."""
    return {
        "word": first_word(contest, sharing),
        "code": example_code(contest),
        "price": contest.price.spoken(),
    }


def _contact(contest: Contest, language: str) -> list[str]:
    return [say(language, "sms.contact", contact=contest.contact)] if contest.contact else []


def asked(ask: Ask, sharing: Sequence[Contest]) -> str:
    """The question that a doubtful text gets, with a code that exists."""
    contest = ask.contest or sharing[0]
    language, word = contest.language, first_word(contest, sharing)
    if ask.doubt is Doubt.SEVERAL:
        orders = ", ".join(f"{word} {vote.code} {vote.quantity}" for vote in ask.readings)
        return say(language, "sms.ask_several", orders=orders)
    if ask.readings:
        return _readings(ask, language, word)
    if ask.offer is not None:
        return offered(ask.offer, word, pin=ask.doubt is Doubt.PIN)
    code = ask.code[:TYPED_MAX]
    facts = _facts(contest, sharing)
    if ask.doubt in REFUSED_AS:
        return refusal_words(language, REFUSED_AS[ask.doubt], contest, code)
    match ask.doubt:
        case Doubt.WHICH_CONTEST:
            keywords = gsm.cut_on_word(gsm.fold(", ".join(c.keyword for c in sharing)), KEYWORDS_SEPTETS)
            return say(language, "sms.ask_contest", **facts, keywords=keywords.rstrip(","))
        case Doubt.WHICH_CANDIDATE if ask.options:
            return _which(ask.options, language, {**facts, "code": ask.options[0].code})
        case Doubt.QUANTITY if code:
            return say(language, "sms.ask_quantity", **{**facts, "code": code}, maximum=contest.quantity_max)
        case Doubt.PIN:
            return say(language, "sms.never_pin")
        case Doubt.PRICE:
            return say(language, "sms.ask_price", **{**facts, "code": code or facts["code"]})
        case _:
            return fitted(lambda cut: say(language, "sms.ask_what", **facts, contest=cut(contest.name)))


def _which(options: Sequence[Candidate], language: str, facts: dict[str, str]) -> str:
    return fitted(
        lambda cut: say(
            language, "sms.ask_candidate", **facts, options=", ".join(f"{c.code} {cut(c.name)}" for c in options)
        )
    )


def offered(vote: Vote, word: str, *, pin: bool = False) -> str:
    """Asks whether this order is meant, with its price; of a large one the price comes first. `pin`: the text
    held one."""
    large = asked_first(vote.contest, vote.quantity)
    phrase = "sms.ask_offer_pin" if pin else "sms.ask_large" if large else "sms.ask_offer"
    return fitted(lambda cut: _of_order(phrase, vote, word, cut))


def _readings(ask: Ask, language: str, word: str) -> str:
    """Each order that may be meant, with the words that place it."""

    def write(cut: Callable[[str], str]) -> str:
        lines = [_of_order("sms.ask_reading_yes", ask.offer, word, cut)] if ask.offer else []
        lines += [_of_order("sms.ask_reading", vote, word, cut) for vote in ask.readings]
        return "\n".join((say(language, "sms.ask_readings"), *lines))

    return fitted(write)


def _of_order(phrase: str, vote: Vote, word: str, cut: Callable[[str], str]) -> str:
    contest, candidate = vote.contest, vote.contest.candidate(vote.code)
    return say(
        contest.language,
        phrase,
        votes=votes_in_words(contest.language, vote.quantity),
        count=vote.quantity,
        code=vote.code,
        name=cut(candidate.name if candidate else ""),
        amount=contest.price.times(vote.quantity).spoken(),
        price=contest.price.spoken(),
        word=word,
    )


def again(vote: Vote, word: str) -> str:
    """To a repeated YES: how to place this order once more, with words of its own."""
    contest = vote.contest
    amount = contest.price.times(vote.quantity).spoken()
    return say(contest.language, "sms.ask_again", word=word, code=vote.code, count=vote.quantity, amount=amount)


def not_asked(contest: Contest, sharing: Sequence[Contest], language: str) -> str:
    """To a YES while no question is open."""
    return say(language, "sms.not_asked", **_facts(contest, sharing))


def help_text(contest: Contest, sharing: Sequence[Contest], language: str) -> str:
    """What this is, what it costs, how it is done and whom to ask."""
    facts, contact = _facts(contest, sharing), _contact(contest, language)

    def write(cut: Callable[[str], str]) -> str:
        main = say(language, "sms.help", **facts, contest=cut(contest.name))
        return joined((main, *contact), (_dial(contest, language, "sms.help_dial"), say(language, "sms.help_words")))

    return fitted(write)


def _dial(contest: Contest, language: str, phrase: str) -> str:
    return say(language, phrase, service_code=contest.dial_code) if contest.dial_code else ""


def info(contest: Contest, sharing: Sequence[Contest], language: str) -> str:
    """Price, dates, where the codes are, whom to ask, and the rules: two parts at most."""
    main = say(
        language,
        "sms.info",
        contest=gsm.cut_on_word(gsm.fold(contest.name), NAME_SEPTETS),
        price=contest.price.spoken(),
        opens=digits(contest.opens_at, contest.time_zone),
        closes=digits(contest.closes_at, contest.time_zone),
    )
    codes = _dial(contest, language, "sms.info_codes") or say(
        language, "sms.info_codes_by_name", word=first_word(contest, sharing)
    )
    rules = say(language, "sms.info_rules", minutes=contest.late_seconds // 60)
    terms = [say(language, f"ussd.rules_{word}", **facts) for word, facts in rule_terms(contest)]
    text = joined((main, codes), (*_contact(contest, language), rules, *terms), TEXT_SEPTETS)
    own = gsm.fold(contest.rules_in(language) or next(iter(contest.rules.values()), ""))
    limit = TEXT_SEPTETS - gsm.septets(text) - 1
    if gsm.fits(own, limit):
        return joined((text,), (own,), TEXT_SEPTETS)
    return f"{text} {gsm.cut_on_word(own, limit - 3)}..." if limit >= RULES_SEPTETS_MIN else text


def opted(contests: Sequence[Contest], language: str, *, stop: bool) -> str:
    """Confirms STOP or START."""
    names = ", ".join(c.name for c in contests)
    return fitted(lambda cut: say(language, "sms.stopped" if stop else "sms.started", contest=cut(names)))


def status(lines: Sequence[VoteLine], contest: Contest, sharing: Sequence[Contest], language: str) -> tuple[str, ...]:
    """A number's latest votes, newest first, each with its state and receipt: as many as one part holds. With
    what to text where one is not counted, if that fits."""
    if not lines:
        none = say(language, "sms.status_none", **_facts(contest, sharing))
        return (joined((none,), (_dial(contest, language, "sms.help_dial"),)),)
    written = [
        say(
            language,
            "sms.status_line",
            code=line.candidate_code,
            votes=line.quantity,
            status=" ".join(filter(None, (say(language, f"ussd.status_{line.status.value}"), line.receipt))),
        )
        for line in lines
    ]
    kept = written[:1]
    for line in written[1:]:
        if not gsm.fits(gsm.fold("\n".join((*kept, line))), PART):
            break
        kept.append(line)
    hint = gsm.fold(say(language, "sms.debited_hint"))
    # Money may be missing for one that is neither.
    is_open = any(line.status not in (PublicStatus.COMPLETED, PublicStatus.REFUNDED) for line in lines[: len(kept)])
    if is_open and gsm.fits(gsm.fold("\n".join((*kept, hint))), PART):
        kept.append(hint)
    return tuple(kept)


def debited(found: Rescue, language: str) -> str:
    """What became of a number's payments; where that may be disputed, with the word that opens a ticket."""
    attempt = found.attempt
    if attempt is None:
        main = say(language, "sms.debited_nothing")
    else:
        main = say(
            language,
            f"ussd.rescue_{found.outcome.value}",
            votes=votes_in_words(language, attempt.quantity),
            code=attempt.candidate_code,
            amount=attempt.amount.spoken(),
            receipt=attempt.receipt,
            ticket=found.ticket or "",
        )
    more = [say(language, "sms.dispute")] if found.outcome in DISPUTABLE else []
    return joined((main, *more), ())


def ticket(number: str, contest: Contest, language: str) -> str:
    """The ticket that was opened, and whom to call, where the contest says so."""
    return joined((say(language, "ussd.ticket", ticket=number),), _contact(contest, language), TEXT_SEPTETS)


def top(ranking: Ranking, language: str) -> tuple[str, ...]:
    """The first five, in one part; while they are hidden, that they are."""
    if ranking.hidden:
        return (gsm.fold(say(language, "sms.hidden")),)
    entries = ranking.entries[:TOP_LINES]
    text = fitted(
        lambda cut: "\n".join(
            say(language, "sms.top_line", rank=e.rank, code=e.code, name=cut(e.name), votes=e.votes) for e in entries
        )
    )
    return tuple(text.splitlines())


def checked(check: Check, found: CheckedReceipt | PublicStatus | None, language: str) -> str:
    """Whether a receipt is genuine and its vote still counts. A mistyped one is not answered as an unknown one."""
    if isinstance(found, PublicStatus):
        became = say(language, f"ussd.status_{found.value}")
        return say(language, "receipt.uncounted", receipt=check.receipt, status=became)
    if found is not None:
        vote = found.vote
        facts: dict[str, object] = {
            "receipt": vote.receipt,
            "votes": votes_in_words(language, vote.quantity),
            "code": vote.candidate_code,
            "number": vote.tally_number,
        }
        if back := vote.taken_back:
            why, facts["back"] = why_taken_back(language, back.reason), back.number
            return fitted(lambda cut: say(language, "sms.check_taken_back", **facts, why=cut(why)))
        facts |= {"amount": vote.amount.spoken(), "at": found.at, "log": found.log(language)}
        return fitted(lambda cut: say(language, "sms.check_good", **facts, name=cut(vote.candidate_name)))
    typed = check.typed[:TYPED_MAX]
    if check.receipt:
        return say(language, "sms.check_bad", receipt=check.receipt)
    if not typed:
        return say(language, "sms.check_what")
    if len(check.typed) != RECEIPT_LENGTH:
        return say(language, "sms.check_length", typed=typed, count=len(check.typed))
    return say(language, "sms.check_typo", typed=typed)


def no_wallet(contest: Contest, payer: Msisdn, network: str | None, methods: Sequence[PaymentMethod]) -> str:
    """The number has no wallet that can be asked by itself: why, and how it may pay. `methods`: those by which
    it may."""
    language = contest.language
    why = why_no_wallet(language, payer, network)
    ways = ways_to_pay(language, phone_wallets(tuple(methods)))
    if not contest.service_code:
        return f"{why} {ways}"
    return say(language, "sms.no_wallet", why=why, ways=ways, service_code=contest.dial_code)


def refused(refusal: Refusal, contest: Contest, code: str) -> str:
    """Why nothing was sold."""
    return fitted(lambda cut: refusal_words(contest.language, refusal, contest, code, shorten=cut))
