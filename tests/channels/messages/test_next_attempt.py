"""What follows a try to send a text, case by case."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.messages.carrier import SendAccepted, SendRefused, SendResult, SendUnknown
from channels.messages.rules import RETRY_SECONDS, UNKNOWN_SECONDS, Attempt, next_attempt

ACCEPTED = SendAccepted("id")
LOST = SendUnknown("ReadTimeout")
PASSING = SendRefused("CouldNotRoute", permanent=False)
NUMBER = SendRefused("UserInBlacklist", permanent=True)
OURS = SendRefused("InsufficientBalance", permanent=True, ours=True)
SLOW_DOWN = SendRefused("429", permanent=False, retry_after_seconds=40)
BLOCKED = SendRefused("bot was blocked", permanent=True)

CASES: list[tuple[str, SendResult, str, int, tuple[str, ...], Attempt]] = [
    ("accepted", ACCEPTED, "a", 1, ("a", "b"), Attempt("sent", "a")),
    ("lost: it is not repeated", LOST, "a", 1, ("a", "b"), Attempt("unknown", "a", UNKNOWN_SECONDS)),
    ("passing: the other one, later", PASSING, "a", 1, ("a", "b"), Attempt("due", "b", 15)),
    ("passing again: the first one, later still", PASSING, "b", 2, ("a", "b"), Attempt("due", "a", 60)),
    ("passing, no other", PASSING, "a", 3, ("a",), Attempt("due", "a", 300)),
    ("passing, the last wait", PASSING, "a", 5, ("a", "b"), Attempt("due", "b", 7_200)),
    ("passing once too often", PASSING, "a", 6, ("a", "b"), Attempt("refused", "a")),
    ("the number: final", NUMBER, "a", 1, ("a", "b"), Attempt("refused", "a")),
    ("ours: the other one at once", OURS, "a", 1, ("a", "b"), Attempt("due", "b", 0)),
    ("ours on both: then wait", OURS, "b", 2, ("a", "b"), Attempt("due", "a", 60)),
    ("ours, no other: a person may mend it", OURS, "a", 1, ("a",), Attempt("due", "a", 15)),
    ("ours for too long", OURS, "a", 6, ("a",), Attempt("refused", "a")),
    ("three carriers: each at once", OURS, "b", 2, ("a", "b", "c"), Attempt("due", "c", 0)),
    ("a wish longer than our wait", SLOW_DOWN, "a", 1, ("a",), Attempt("due", "a", 40)),
    ("a wish shorter than our wait", SLOW_DOWN, "a", 2, ("a",), Attempt("due", "a", 60)),
    ("a carrier that is no longer set up", PASSING, "gone", 1, ("a", "b"), Attempt("due", "a", 15)),
]
CHAT_CASES: list[tuple[str, SendResult, int, tuple[str, ...], Attempt]] = [
    ("busy: the chat again", SLOW_DOWN, 1, ("chat", "a"), Attempt("due", "chat", 40)),
    ("passing: the chat again", PASSING, 2, ("chat", "a"), Attempt("due", "chat", 60)),
    ("closed: a text at once", BLOCKED, 1, ("chat", "a"), Attempt("due", "a", 0)),
    ("closed after being busy: a text", BLOCKED, 2, ("chat", "a"), Attempt("due", "a", 60)),
    ("closed, no number", BLOCKED, 1, ("chat",), Attempt("refused", "chat")),
    ("our token: a text at once", OURS, 1, ("chat", "a"), Attempt("due", "a", 0)),
    ("lost: no text either", LOST, 1, ("chat", "a"), Attempt("unknown", "chat", UNKNOWN_SECONDS)),
]


@pytest.mark.parametrize(
    ("result", "carrier", "attempts", "ways", "then"), [pytest.param(*c[1:], id=c[0]) for c in CASES]
)
def test_texts(result: SendResult, carrier: str, attempts: int, ways: tuple[str, ...], then: Attempt) -> None:
    assert next_attempt(result, carrier=carrier, attempts=attempts, ways=ways) == then


@pytest.mark.parametrize(("result", "attempts", "ways", "then"), [pytest.param(*c[1:], id=c[0]) for c in CHAT_CASES])
def test_chats(result: SendResult, attempts: int, ways: tuple[str, ...], then: Attempt) -> None:
    assert next_attempt(result, carrier="chat", attempts=attempts, ways=ways, in_chat=True) == then


@given(
    results=st.lists(st.sampled_from([LOST, PASSING, NUMBER, OURS, SLOW_DOWN]), min_size=20, max_size=20),
    ways=st.sampled_from([("a",), ("a", "b"), ("a", "b", "c")]),
)
def test_it_ends_and_stops_at_the_first_doubt(results: list[SendResult], ways: tuple[str, ...]) -> None:
    carrier = ways[0]
    for attempts, result in enumerate(results, start=1):
        then = next_attempt(result, carrier=carrier, attempts=attempts, ways=ways)
        if isinstance(result, SendUnknown):
            assert then.status == "unknown"
        if then.status != "due":
            return
        assert then.carrier in ways
        carrier = then.carrier
        assert attempts <= len(RETRY_SECONDS)
    raise AssertionError("it never ended")
