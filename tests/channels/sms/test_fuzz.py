"""Any text at all: nothing raises, answers are short, and no order that the text does not spell out.

How many, and from which seed: `tests/fuzzing.py`.
"""

import asyncio
import re
import unicodedata
from dataclasses import replace
from typing import Final, cast
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels import gsm
from channels.grammar import Ask, Command, Vote, affirms, read
from channels.messages.carrier import IncomingText
from channels.messages.inbox import Talk
from channels.sms import answers
from channels.sms.inbound import answer
from channels.sms.texts import render
from channels.voting_service import VotingService
from gateway.contests.contest import Contest
from tests.channels.grammar.test_as_people_write import CASES, CHECKED, MISS, STAR
from tests.channels.sms.service import texted_service
from tests.fuzzing import BATCH, Fed, fuzzed
from tests.rigs.voting_service import RECEIPT, FakeVotingService

pytestmark = [pytest.mark.fuzz, pytest.mark.timeout(3600, method="thread")]
ENGLISH = replace(STAR, id=UUID(int=3), slug="en", language="en", contact="+225 27 20 00 00 00", _by_code={})
LONG = "Grâce Aïcha N'Guessan Épouse Diabaté de la Côte d'Ivoire et de ses environs"
LONG_NAMES = replace(
    STAR,
    name=LONG,
    contact=LONG,
    rules={"fr": LONG * 5},
    candidates=tuple(replace(c, name=f"{LONG} {c.code}") for c in STAR.candidates),
    _by_code={},
)

WORDS: Final = (
    *("VOTE", "V", "STAR", "MISS 26", "MISS26", "07", "7", "12", "013", "00", "5", "-5", "0", "1", "500", "2026"),
    *("105", "10000000000", "x", "×", "fois", "votes", "pour", "F", "FCFA", "O7", "l2", "1O", "\n", " ", "-", "+", ":"),
    *("Awa", "Ouattara", "ouatara", "Koné", "cinq", "ten", "cents", "пять", "٠٧", "፩", "½", "🔥", "7️⃣", "%20", "\u00a0"),
    *("STOP", "TOP", "AIDE", "INFO", "SOLDE", "CHECK", RECEIPT, RECEIPT[:9], "OUI", "non", "OK", "0501020304", "svp"),
)  # fmt: skip
FRAGMENTS = st.sampled_from(WORDS)
TEXTS = st.one_of(
    st.text(max_size=200),
    st.lists(FRAGMENTS, max_size=9).map(" ".join),
    st.lists(st.one_of(FRAGMENTS, st.text(max_size=3)), max_size=12).map("".join),
    # A text of a person with something lost, doubled or put in.
    st.tuples(st.sampled_from([text for text, _ in CASES]), st.integers(0, 40), FRAGMENTS, st.integers(0, 2)).map(
        lambda parts: parts[0][: parts[1]] + parts[2] + parts[0][parts[1] + parts[3] :]
    ),
)
CONTESTS = st.sampled_from([(STAR,), (STAR, MISS), (CHECKED,), (ENGLISH,), (LONG_NAMES,)])
NUMBER_WORDS: Final = {
    **{word: n for n, word in enumerate(("UN", "DEUX", "TROIS", "QUATRE", "CINQ", "SIX", "SEPT", "HUIT", "NEUF"), 1)},
    **{word: n for n, word in enumerate(("ONE", "TWO", "THREE", "FOUR", "FIVE", "SIX", "SEVEN", "EIGHT", "NINE"), 1)},
    **{"UNE": 1, "DIX": 10, "TEN": 10},
}


def folded(text: str) -> str:
    """Upper case without marks, with plain digits."""
    plain = unicodedata.normalize("NFKD", text.replace("%20", " "))
    digits = (str(unicodedata.decimal(c)) if unicodedata.category(c) == "Nd" else c for c in plain)
    return "".join(c for c in digits if unicodedata.category(c) not in ("Mn", "Me", "Mc", "Cf")).upper()


def numbers(text: str) -> list[str]:
    """Every run of digits, and of digits with letters that look like some."""
    plain = folded(text)
    alike = re.findall(r"[OIL]*[0-9][0-9OIL]*", plain)
    return re.findall(r"[0-9]+", plain) + [run.translate(str.maketrans("OIL", "011")) for run in alike]


def words(text: str) -> str:
    """Only letters and digits, one space between."""
    return " ".join(re.findall(r"[^\W_]+", folded(text)))


def spells_out(text: str, vote: Vote) -> bool:
    """Whether the candidate's code or name, and the number, stand in the text."""
    candidate = vote.contest.candidate(vote.code)
    assert candidate is not None
    runs = numbers(text)
    code = vote.code.lstrip("0")
    # The contest's own word may stand anywhere, glued to the name or within it.
    apart = words(text.upper().replace(vote.contest.keyword, " "))
    named = words(candidate.name) in words(text) or words(candidate.name) in apart
    coded = any(run.lstrip("0") == code or run.startswith(vote.code) for run in runs)
    spelled = any(NUMBER_WORDS.get(word) == vote.quantity for word in re.findall(r"[A-Z]+", folded(text)))
    counted = vote.quantity == 1 or spelled or any(run.endswith(str(vote.quantity)) for run in runs)
    return (named or coded) and counted


def test_no_order_that_the_text_does_not_spell_out() -> None:
    fed = Fed()

    @fuzzed()
    @given(texts=st.lists(TEXTS, min_size=BATCH, max_size=BATCH), contests=CONTESTS)
    def batch(texts: list[str], contests: tuple[Contest, ...]) -> None:
        for text in texts:
            command = read(text, contests)
            understood(command, text, contests)
            fed.inputs += 1
            fed.orders += isinstance(command, Vote)

    batch()
    fed.check(orders_per_thousand=5)


def understood(command: Command, text: str, contests: tuple[Contest, ...]) -> None:
    """Fail where more was read out of a text than stands in it."""
    sold = command if isinstance(command, Vote) else command.offer if isinstance(command, Ask) else None
    if sold is not None:
        candidate = sold.contest.candidate(sold.code)
        assert candidate is not None
        assert candidate.eligible
        assert 1 <= sold.quantity <= sold.contest.quantity_max
    if isinstance(command, Vote):
        assert spells_out(text, command), (command.code, command.quantity)
    if isinstance(command, Ask):
        question = answers.asked(command, contests)
        assert gsm.parts(question) == 1, question


ANSWERS: Final = st.sampled_from(["OUI", "1", "ok", "VOTE Awa 5", "5x07", "OUI 10", "10", "OK 5", "OUI 0000"])


def test_a_dialogue_sells_only_what_was_typed_or_agreed_to() -> None:
    """Everything between a text and its answer. What was asked is forgotten now and then, as after an hour."""
    fed = Fed()

    @fuzzed()
    @given(texts=st.lists(st.one_of(TEXTS, TEXTS, ANSWERS), min_size=BATCH, max_size=BATCH), several=st.booleans())
    def batch(texts: list[str], several: bool) -> None:
        service = texted_service(*((STAR, MISS) if several else (STAR,)))
        runner.run(talk(service, texts))
        fed.inputs += len(texts)
        fed.orders += len(service.vote_requests)

    with asyncio.Runner() as runner:
        batch()
    fed.check(orders_per_thousand=20)


_YES: Final = re.compile(r"(?<![^\W\d_])(OUI|YES|OK|OKAY)(?![^\W\d_])")


async def talk(service: FakeVotingService, texts: list[str]) -> None:
    """One person's texts, each answered before the next one comes."""
    for number, text in enumerate(texts):
        incoming = IncomingText("africastalking", f"m{number}", "+2250501020304", "7890", text, None)
        asked, before = service.talks.question, len(service.vote_requests)
        reply = await answer(incoming, cast(VotingService, service), first_id=incoming.carrier_id)
        written = render("reply", reply.language, {"lines": list(reply.lines)})
        assert gsm.parts(written) <= (2 if reply.outcome == "info" else 1), written
        assert "{" not in written
        assert len(service.vote_requests) <= before + 1
        for vote_request in service.vote_requests[before:]:
            # A number alone answers nothing while a question is open, but `1`.
            assert asked is None or affirms(text) or not text.strip().isdigit()
            agreed = asked is not None and (affirms(text) or bool(_YES.search(folded(text))))
            assert agreed or spells_out(
                text, Vote(vote_request.contest, vote_request.candidate_code, vote_request.quantity)
            )
            if agreed and asked is not None:
                assert (vote_request.candidate_code, vote_request.quantity) == (asked.candidate_code, asked.quantity)
        service.talks = Talk(question=reply.question)
