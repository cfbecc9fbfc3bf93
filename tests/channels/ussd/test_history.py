"""Where a request stands in its dialogue, as a table of the transcript."""

import pytest

from channels.ussd.aggregator import Phase, UssdTurn
from channels.ussd.history import REPEAT_MILLISECONDS, Place, Remembered, Step, place
from channels.ussd.menu.session import Session
from tests.channels.ussd.service import MTN

NOW = 1_780_000_000_000


def held(transcript: str, *, tail: str = "", over: bool = False, **more: str | int) -> Remembered:
    fields: dict[str, object] = {"answered_ms": NOW, **more}
    newest, number, answered_ms = (fields.get(name) for name in ("newest", "number", "answered_ms"))
    assert isinstance(answered_ms, int)
    return Remembered(
        tail,
        transcript,
        None if over else Session(),
        "screen",
        not over,
        str(newest or ""),
        number if isinstance(number, int) else None,
        answered_ms,
    )


def typed_so_far(transcript: str) -> UssdTurn:
    return UssdTurn("s1", MTN, "*789#", None, Phase.INPUT, transcript)


def typed_now(newest: str, number: int | None = None, phase: Phase = Phase.INPUT) -> UssdTurn:
    return UssdTurn("s1", MTN, "*789#", None, phase, None, newest, number)


@pytest.mark.parametrize(
    ("before", "incoming", "step", "inputs"),
    [
        ("07*5", "07*5", Step.REPEAT, ()),
        ("07*5", "07*5*1", Step.NEXT, ("1",)),
        ("07*5", "07*5*1*2", Step.NEXT, ("1", "2")),
        ("07*5", "07*5*", Step.NEXT, ("",)),
        ("07*5", "07", Step.LATE, ("07",)),
        ("07*5", "", Step.LATE, ()),
        ("07*5", "08", Step.ANEW, ("08",)),
        ("07*5", "07*55", Step.ANEW, ("07", "55")),
        ("07", "07*07", Step.NEXT, ("07",)),
        ("", "07", Step.NEXT, ("07",)),
        ("", "", Step.REPEAT, ()),
        ("07*", "07**5", Step.NEXT, ("5",)),
    ],
)
def test_cumulative(before: str, incoming: str, step: Step, inputs: tuple[str, ...]) -> None:
    found = place(typed_so_far(incoming), "", held(before), NOW)
    assert (found.step, found.inputs) == (step, inputs)
    if step is not Step.REPEAT:
        assert found.transcript == incoming


@pytest.mark.parametrize(
    ("tail", "text", "inputs"),
    [
        ("", "", ()),
        ("", "07*5*1", ("07", "5", "1")),
        ("07*5*1", "", ("07", "5", "1")),
        ("07*5*1", "07*5*1", ("07", "5", "1")),
        ("07", "5", ("07", "5")),
    ],
)
def test_first_request_in_any_shape(tail: str, text: str, inputs: tuple[str, ...]) -> None:
    found = place(typed_so_far(text), tail, None, NOW)
    assert (found.step, found.inputs) == (Step.ANEW, inputs)


@pytest.mark.parametrize("tail_again", ["07", ""])
def test_the_tail_counts_once_whether_it_is_sent_again_or_not(tail_again: str) -> None:
    found = place(typed_so_far("5"), tail_again, held("07", tail="07"), NOW)
    assert found == Place(Step.NEXT, "07", "07*5", ("5",), together=1)


def test_after_the_last_screen_only_another_history_is_news() -> None:
    over = held("07*5*1", over=True)
    assert place(typed_so_far("07*5*1*9"), "", over, NOW).step is Step.REPEAT
    assert place(typed_so_far("07*5*1"), "", over, NOW).step is Step.REPEAT
    assert place(typed_so_far("07*5"), "", over, NOW).step is Step.LATE
    assert place(typed_so_far("08"), "", over, NOW) == Place(Step.ANEW, "", "08", ("08",))


@pytest.mark.parametrize(
    ("before", "incoming", "late_ms", "step"),
    [
        (held("07", newest="07"), typed_now("5"), 0, Step.NEXT),
        (held("07", newest="07"), typed_now("07"), REPEAT_MILLISECONDS, Step.REPEAT),
        (held("07", newest="07"), typed_now("07"), REPEAT_MILLISECONDS + 1, Step.NEXT),
        (held("1", newest="1", number=2), typed_now("1", number=2), 60_000, Step.REPEAT),
        (held("1", newest="1", number=2), typed_now("1", number=3), 0, Step.NEXT),
        (held("07*5*1", over=True), typed_now("9"), 60_000, Step.REPEAT),
        (held("07"), typed_now("", phase=Phase.START), 60_000, Step.LATE),
        (held(""), typed_now("", phase=Phase.START), 60_000, Step.REPEAT),
        (held("08*5", tail="08"), typed_now("", phase=Phase.START), 0, Step.ANEW),
    ],
)
def test_newest_only(before: Remembered, incoming: UssdTurn, late_ms: int, step: Step) -> None:
    assert place(incoming, "", before, NOW + late_ms).step is step


def test_newest_only_builds_the_transcript() -> None:
    found = place(typed_now("5*1"), "", held("07"), NOW)
    assert (found.transcript, found.inputs) == ("07*5*1", ("5", "1"))
    assert place(typed_now("", phase=Phase.START), "07*5*1", None, NOW).inputs == ("07", "5", "1")


def test_an_input_of_a_lost_dialogue_is_not_taken_for_another_screens() -> None:
    assert place(typed_now("1"), "", None, NOW) == Place(Step.ANEW)


def test_what_is_remembered_survives_its_storage() -> None:
    for remembered in (held("07*5", tail="07", newest="5", number=3), held("07*5*1", over=True)):
        assert Remembered.unpacked(remembered.packed()) == remembered


@pytest.mark.parametrize("stored", [None, b"", b"{", b"[]", b"[1]", b'[1,"","",null,"x",true,"",null,0]', b'"text"'])
def test_what_cannot_be_read_is_forgotten(stored: bytes | None) -> None:
    assert Remembered.unpacked(stored) is None
