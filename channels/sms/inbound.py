"""Texts that came in, answered once each: by an order, an answer, or nothing. Run twice, it does the same."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import uuid4

import structlog

from channels.buying import one_dial, own_number, votes_in_words
from channels.grammar import (
    Ask,
    Check,
    Command,
    Doubt,
    Noise,
    Say,
    Vote,
    Word,
    affirms,
    may_reply,
    read,
    replied,
    without_pin,
)
from channels.messages.carrier import IncomingText
from channels.messages.inbox import InboundText, Inbox, Question, Talk, written
from channels.phrases import DEFAULT_LANGUAGE, languages_for, say
from channels.sms import answers
from channels.voting_service import VotingService, checked_receipt
from gateway.contests.contest import Contest
from gateway.orders.rules import Channel, PlacedOrder, Refusal, VoteRequest
from gateway.storage.engine import DatabaseUnavailable
from gateway.storage.set_aside import passes
from gateway.values.msisdn import Msisdn, NumberFault, read_msisdn
from payments.lifecycle import PublicStatus
from payments.rescue.rules import OfNumber

TEXTS_BATCH: Final = 100
SENDERS_AT_ONCE: Final = 8
STATUS_LINES: Final = 4
# Ends a talk between two machines; no person asks that often.
REPLIES_PER_HOUR: Final = 20
_OPT_OUT: Final = frozenset({Word.STOP, Word.START})
# Asked about these, people answer with a number alone.
_HOW_MANY: Final = frozenset({Doubt.QUANTITY, Doubt.PRICE, Doubt.TOO_MANY})
# Their answers may be others a minute later, so who asks again is answered again.
_CHANGING: Final = frozenset({Word.DEBITED, Word.STATUS, Word.TOP})
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a text came to. `lines` empty: nothing goes back. `opt_out`: True to stop texts that
    were not asked for, False to allow them again. `question`: the order that `lines` ask about."""

    outcome: str
    language: str
    lines: tuple[str, ...] = ()
    opt_out: bool | None = None
    question: Question | None = None


@dataclass(frozen=True, slots=True)
class _Case:
    """One text to judge. `contests`: of its short code; `selling`: those that are meant where no keyword
    says which; `sender`: a number of one of their countries, or FOREIGN; `repeated`: an equal text of
    this sender came within three minutes before it."""

    text: IncomingText
    contests: tuple[Contest, ...]
    selling: tuple[Contest, ...]
    sender: Msisdn | NumberFault
    first_id: str
    service: VotingService

    @property
    def repeated(self) -> bool:
        return self.first_id != self.text.carrier_id

    @property
    def language(self) -> str:
        return self.selling[0].language if self.selling else DEFAULT_LANGUAGE


def to_keep(text: IncomingText, service: VotingService) -> IncomingText:
    """The text as it may be stored: without a PIN."""
    return replace(text, text=without_pin(text.text, _contests_of(text, service) or service.contests()))


def _contests_of(text: IncomingText, service: VotingService) -> tuple[Contest, ...]:
    """Those of the text's short code; the only contest where a carrier leaves it out."""
    texted = tuple(contest for contest in service.contests() if contest.short_code)
    return service.contests_by_short_code(text.recipient) or (texted if len(texted) == 1 else ())


def _spoken_in(contest: Contest, language: str | None) -> Contest:
    """The contest in the language that a sender chose; None: in its own."""
    if language is None or language == contest.language or language not in languages_for(contest):
        return contest
    return replace(contest, language=language)


async def answer(text: IncomingText, service: VotingService, *, first_id: str, language: str | None = None) -> Reply:
    """Judge a text. `first_id`: the carrier's id of the first equal text of this sender within three
    minutes, so that a text sent twice is one order. `language`: the one that the sender chose by USSD. Raises
    DatabaseUnavailable."""
    every = service.contests()
    contests = tuple(_spoken_in(contest, language) for contest in _contests_of(text, service))
    sender = _sender(text.sender, contests or every)
    if sender is None or _is_ours(text.sender, every):
        # A word, a short code or ourselves: two machines must not answer each other.
        return Reply("not a person", DEFAULT_LANGUAGE)
    # A contest that is over does not make the open ones ambiguous.
    open_now = tuple(contest for contest in contests if contest.open_at(service.now()))
    case = _Case(text, contests, open_now or contests, sender, first_id, service)
    command = read(text.text, contests or every, selling=case.selling)
    talk = await service.talk(text) if may_reply(text.text) else None
    reply = None
    if talk is not None and talk.question is not None and contests:
        reply = await _replied(command, talk.question, talk, case)
    if reply is None:
        reply = await _judge(command, case)
    if not reply.lines:
        return reply
    return _unless_too_many(reply, talk or await service.talk(text))


def _unless_too_many(reply: Reply, talk: Talk) -> Reply:
    """The same without its text, where that would be one too many."""
    if reply.opt_out and talk.opted_out:
        return replace(reply, lines=())
    if talk.replies >= REPLIES_PER_HOUR:
        _log.warning("reply_withheld", outcome=reply.outcome, replies=talk.replies)
        return replace(reply, outcome=f"unanswered: {reply.outcome}", lines=(), question=None)
    return reply


def _sender(raw: str, contests: Sequence[Contest]) -> Msisdn | NumberFault | None:
    """Who texts, by the first of these contests in whose country the number is one; FOREIGN for a
    person of another country, None for whatever is no person."""
    found = [read_msisdn(raw, contest.country, vouched=True) for contest in contests]
    at_home = next((number for number in found if isinstance(number, Msisdn)), None)
    return at_home or (NumberFault.FOREIGN if NumberFault.FOREIGN in found else None)


def _is_ours(raw: str, contests: Sequence[Contest]) -> bool:
    """Whether a text comes from a number that voters text to: some contests use a whole phone number."""
    return any(contest.short_code and contest.short_code.lstrip("+") == raw.lstrip("+") for contest in contests)


async def _judge(command: Command, case: _Case) -> Reply:
    if isinstance(command, Say) and command.word in _OPT_OUT:
        # Also when repeated: STOP, START, STOP within a minute ends as STOP.
        return _opt(command, case)
    if not case.contests:
        lines = () if case.repeated else (say(DEFAULT_LANGUAGE, "refusal.unknown_contest"),)
        return Reply("unknown short code", DEFAULT_LANGUAGE, lines)
    if isinstance(command, Vote):
        return await _sell(command, f"{case.text.carrier}:{case.first_id}", case)
    if case.repeated and not _may_change(command):
        return Reply("repeated", case.language)
    if isinstance(case.sender, NumberFault):
        return Reply("foreign number", case.language, (say(case.language, "refusal.foreign_number"),))
    return await _words(command, case.sender, case)


def _may_change(command: Command) -> bool:
    """Whether the same question may have another answer now: money may have been found, a vote counted."""
    return isinstance(command, Check) or (isinstance(command, Say) and command.word in _CHANGING)


async def _replied(command: Command, question: Question, talk: Talk, case: _Case) -> Reply | None:
    """What a text is to the question that is open; None where it is about something else."""
    contest = next((c for c in case.contests if c.slug == question.contest_slug), None)
    if contest is None:
        return _another_price(None, case) if affirms(case.text.text) else None
    asked = Vote(contest, question.candidate_code, question.quantity)
    meant = replied(case.text.text, command, asked)
    if isinstance(meant, Vote):
        return await _yes(asked, question, talk, case)
    if meant is None:
        return None
    if case.repeated:
        return Reply("repeated", case.language)
    again = _ask(meant, case)
    # An order that is asked about again keeps its key: one YES is one order however often it is asked.
    return replace(again, question=question) if question.quantity else again


def _another_price(contest: Contest | None, case: _Case) -> Reply:
    return Reply("asked: another price", case.language, (answers.asked(Ask(Doubt.WHAT, contest), case.selling),))


async def _yes(vote: Vote, question: Question, talk: Talk, case: _Case) -> Reply:
    """Place the order that was asked about, at the price that was named."""
    contest = vote.contest
    if contest.price.times(question.quantity) != question.amount:
        return _another_price(contest, case)
    if talk.bought:
        # Perhaps the same YES once more: an equal text within minutes never buys twice.
        word = answers.first_word(contest, case.selling)
        return Reply("asked: again", contest.language, (answers.again(vote, word),))
    return await _sell(vote, question.key, case, agreed=True)


async def _sell(vote: Vote, key: str, case: _Case, *, agreed: bool = False) -> Reply:
    """`agreed`: by YES, which repeats nothing."""
    contest, text = vote.contest, case.text
    language, repeated = contest.language, case.repeated and not agreed
    sender = own_number(text.sender, contest)
    if sender is None:
        lines = () if repeated else (say(language, "refusal.foreign_number"),)
        return Reply("foreign number", language, lines)
    vote_request = VoteRequest(
        channel=Channel.SMS,
        key=key,
        contest=contest,
        candidate_code=vote.code,
        quantity=vote.quantity,
        method=case.service.rails.guess(sender, text.network),
        payer=sender,
        voter=sender,
        language=language,
        network=text.network,
    )
    placed = await case.service.place_order(vote_request)
    if isinstance(placed, Refusal):
        # A sender who was asked to try again sends the same words; other answers are not repeated.
        answered = repeated and placed is not Refusal.TRY_AGAIN
        line = answers.refused(placed, contest, vote.code)
        if placed is Refusal.NO_WALLET:
            methods = case.service.rails.open_for(sender, text.network)
            line = answers.no_wallet(contest, sender, text.network, methods)
        lines = () if answered else (line,)
        return Reply(f"refused: {placed.value}", language, lines)
    _log.debug("order_placed", vote=str(placed.vote_id), channel="sms", repeated=placed.repeated)
    if repeated and placed.repeated:
        return Reply("repeated", language, await _known_order(vote, placed, case.service))
    return Reply("order", language)


async def _known_order(vote: Vote, placed: PlacedOrder, service: VotingService) -> tuple[str, ...]:
    """To who sends a vote once more within three minutes: nothing while the first waits for its PIN
    (a phone or an operator repeated it), else what became of it and how to vote again."""
    order = await service.order(placed.vote_id)
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
    how = say(language, "sms.how_dial", dial=one_dial(contest.dial_code, vote.code, vote.quantity))
    return (say(language, "sms.repeated", how=how, **facts),)


def _opt(command: Say, case: _Case) -> Reply:
    stop = command.word is Word.STOP
    contests = case.contests or case.service.contests()
    language = command.language or contests[0].language
    line = answers.opted(contests, language, stop=stop)
    return Reply("stopped" if stop else "started", language, (line,), opt_out=stop)


async def _words(command: Command, sender: Msisdn, case: _Case) -> Reply:
    match command:
        case Say(word=Word.NO):
            # Closes the question, without an answer.
            return Reply("no", case.language)
        case Say(word=Word.DEBITED | Word.TICKET):
            return await _debited(command, sender, case)
        case Say():
            if command.contest is None:
                return _ask(Ask(Doubt.WHICH_CONTEST), case)
            language = command.language or command.contest.language
            return await _say(command.word, command.contest, language, sender, case)
        case Check():
            language = command.language or case.language
            found = await checked_receipt(case.service, command.receipt) if command.receipt else None
            return Reply("check", language, (answers.checked(command, found, language),))
        case Ask():
            return _ask(command, case)
        case Vote() | Noise():
            return Reply("noise", case.language)


async def _debited(command: Say, sender: Msisdn, case: _Case) -> Reply:
    """What became of this number's payments in any contest of the short code: who paid need not know in
    which, and it may be over."""
    first = command.contest or case.selling[0]
    language = command.language or first.language
    others = (contest.id for contest in case.contests if contest is not first)
    claim = OfNumber(sender, (first.id, *others), Channel.SMS)
    if command.word is Word.TICKET:
        # A number always gets one.
        number = await case.service.open_ticket(claim, language) or ""
        return Reply("ticket", language, (answers.ticket(number, first, language),))
    found = await case.service.rescue(claim, language)
    return Reply(f"debited: {found.outcome.value}", language, (answers.debited(found, language),))


def _ask(ask: Ask, case: _Case) -> Reply:
    language = ask.contest.language if ask.contest else case.language
    outcome = "an offer" if ask.offer is not None else ask.doubt.value
    return Reply(f"asked: {outcome}", language, (answers.asked(ask, case.selling),), question=_question(ask, case))


def _question(ask: Ask, case: _Case) -> Question | None:
    """What stays open: an order, or how many votes for a candidate: then without quantity and amount."""
    order = ask.offer
    if order is None and ask.doubt in _HOW_MANY and ask.code and ask.contest is not None:
        order = Vote(ask.contest, ask.code, 0)
    if order is None:
        return None
    return Question(
        contest_slug=order.contest.slug,
        candidate_code=order.code,
        quantity=order.quantity,
        amount=order.contest.price.times(order.quantity),
        key=f"{case.text.carrier}:{case.text.carrier_id}",
    )


async def _say(word: Word, contest: Contest, language: str, sender: Msisdn, case: _Case) -> Reply:
    match word:
        case Word.STATUS:
            votes = await case.service.votes_of(sender, contest.id, STATUS_LINES)
            lines = answers.status(votes, contest, case.selling, language)
        case Word.TOP:
            lines = answers.top(case.service.ranking(contest.slug), language)
        case Word.YES:
            lines = (answers.not_asked(contest, case.selling, language),)
        case Word.INFO:
            lines = (answers.info(contest, case.selling, language),)
        case _:
            lines = (answers.help_text(contest, case.selling, language),)
    return Reply(word.value, language, lines)


async def answer_texts(inbox: Inbox, service: VotingService, look: Callable[[], Awaitable[None]]) -> int:
    """Answer stored texts, each once; how many. A sender's in their order; different senders do not wait for
    each other, since one answer may wait for an operator. `look`: bring the service's rankings up to date."""
    due = await inbox.due(TEXTS_BATCH)
    if due:
        # A worker shows no rankings and reads no score feed.
        await look()
    by_sender: dict[str, list[InboundText]] = {}
    for incoming in due:
        by_sender.setdefault(incoming.text.sender, []).append(incoming)
    turns = asyncio.Semaphore(SENDERS_AT_ONCE)

    async def answer_all(texts: list[InboundText]) -> None:
        async with turns:
            for incoming in texts:
                await _answer_text(incoming, inbox, service)

    await asyncio.gather(*map(answer_all, by_sender.values()))
    return len(due)


async def _answer_text(incoming: InboundText, inbox: Inbox, service: VotingService) -> None:
    try:
        reply = await answer(incoming.text, service, first_id=incoming.first_id, language=incoming.language)
        params: dict[str, object] = {"lines": list(reply.lines)}
        if reply.question is not None:
            params["question"] = written(reply.question)
        owed = (uuid4(), reply.language, params) if reply.lines else None
        await inbox.answered(incoming, reply.outcome, owed, reply.opt_out)
    except DatabaseUnavailable:
        raise
    except Exception as error:
        if passes(error):
            raise
        # A text that cannot be answered must not delay the others.
        _log.exception("text_not_answered", carrier=incoming.text.carrier, id=incoming.text.carrier_id)
        await inbox.answered(incoming, "failed", None)
