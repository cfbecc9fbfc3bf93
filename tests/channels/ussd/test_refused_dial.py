"""A long dial with an input that is refused: the rest of it is dropped, and the screen says what to dial."""

from dataclasses import replace

import pytest

from channels import gsm
from channels.phrases import languages
from channels.ussd.aggregator import Phase, UssdTurn
from channels.ussd.dialogue import Dialogue
from channels.ussd.history import Shown
from gateway.contests.contest import Candidate
from gateway.values.check_digit import with_check_digit
from tests.channels.ussd.service import MTN, MemorySessions, demo_service
from tests.demo import candidate_id, demo_contest

CHECKED = replace(
    demo_contest(),
    service_code="*791#",
    check_digits=True,
    candidates=tuple(Candidate(candidate_id(n), with_check_digit(f"{n:02d}"), f"Awa {n}") for n in range(1, 13)),
    _by_code={},
)
# How the tail of a long dial arrives, and how what is typed later does.
WAYS = ("first text", "service code", "both", "newest only")


class Phone:
    """One dialogue. `way`: one of WAYS."""

    def __init__(self, way: str, *, language: str = "fr") -> None:
        self.service = demo_service(replace(demo_contest(), language=language, _by_code={}), CHECKED)
        self.sessions, self.way = MemorySessions(), way
        self.service_code, self.typed = "", list[str]()

    async def dial(self, dialled: str) -> Shown:
        """Dial a code with a tail: `*789*99*5*1#`."""
        code, *tail = dialled.strip("*#").split("*")
        self.service_code = dialled if self.way != "first text" else f"*{code}#"
        self.typed = tail if self.way in ("first text", "both") else []
        return await self._send(Phase.START, "")

    async def type(self, *inputs: str) -> Shown:
        """Type these, one screen after the other."""
        for text in inputs:
            self.typed.append(text)
            self.service.pass_time(3)
            shown = await self._send(Phase.INPUT, text)
        return shown

    async def _send(self, phase: Phase, newest: str) -> Shown:
        dialogue = Dialogue(self.service, self.sessions, "a", 4)
        transcript = None if self.way == "newest only" else "*".join(self.typed)
        if self.way == "both" and phase is Phase.INPUT:
            # Of what is sent twice, the transcript behind the tail alone.
            transcript = "*".join(self.typed[self.service_code.strip("*#").count("*") :])
        turn = UssdTurn("s", MTN, self.service_code, None, phase, transcript, newest)
        shown = await dialogue.answer(turn)
        assert gsm.fits(shown.text, 160)
        return shown


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("dialled", "expected", "screen"),
    [
        ("*789*99*5*1#", "Code 99 inconnu. Composez *789*CODE*5*1#", "1 Candidats"),
        ("*789*99*5#", "Code 99 inconnu. Composez *789*CODE*5#", "1 Candidats"),
        ("*789*99#", "Code 99 inconnu.\n", "1 Candidats"),
        ("*789*99*5*2*0701020304*1#", "Code 99 inconnu.", "1 Candidats"),
        ("*789*99*5*4*123456#", "Code 99 inconnu.\n", "1 Candidats"),
        ("*791*071*5*1#", "Code 071 mal tapé. Composez *791*CODE*5*1#", "1 Candidats"),
        ("*789*8*5*1#", "Choix inconnu. Composez *789*08*5*1#", "1 Candidats"),
        ("*789*07*10001*1#", "Au plus 10000 votes à la fois. Composez *789*07*VOTES*1#", "Combien de votes?"),
        ("*789*07*10001*2*0701020304*1#", "Au plus 10000 votes", "Combien de votes?"),
        ("*789*07*5*9*1#", "Choix inconnu.", "5 votes pour 07"),
        ("*789*07*5*2*0099*1#", "Numéro incorrect.", "Tapez le numéro Mobile Money à débiter"),
    ],
)
async def test_the_rest_is_dropped(way: str, dialled: str, expected: str, screen: str) -> None:
    phone = Phone(way)
    shown = await phone.dial(dialled)
    assert shown.text.startswith(expected), shown.text
    assert screen in shown.text
    assert (shown.more, phone.service.vote_requests) == (True, [])


@pytest.mark.parametrize("store", ["there", "lost", "away"])
@pytest.mark.parametrize("way", WAYS[:2])
@pytest.mark.parametrize("dialled", ["*789*99*5*1#", "*789*99*5#", "*789*99#", "*789*99*5*2*0701020304*1#"])
async def test_what_is_typed_on_the_refusal_counts(way: str, dialled: str, store: str) -> None:
    phone = Phone(way)
    phone.sessions.away = store == "away"
    await phone.dial(dialled)
    if store == "lost":
        phone.sessions.lose()
    assert "07 Awa Ouattara\n" in (await phone.type("07")).text
    shown = await phone.type("3")
    assert "3 votes pour 07" in shown.text
    shown = await phone.type("1")
    if store == "away":
        # What came at once is not known for certain, so the order is shown once more (decision 19).
        assert "3 votes pour 07 Awa Ouattara\nTotal 300 FCFA\nVérifiez" in shown.text
        await phone.type(shown.text.split("tapez ")[1][:2], "1")
    assert phone.service.sold() == [("07", 3, MTN)]


async def test_newest_only_goes_on_from_the_refusal() -> None:
    phone = Phone("newest only")
    await phone.dial("*789*99*5*1#")
    await phone.type("07", "3", "1")
    assert phone.service.sold() == [("07", 3, MTN)]


async def test_several_inputs_in_one_hop_end_at_the_refused_one() -> None:
    for way in ("first text", "newest only"):
        phone = Phone(way)
        await phone.dial("*789#")
        shown = await phone.type("99*5*1")
        assert shown.text.startswith("Code 99 inconnu.")
        assert "07 Awa" in (await phone.type("07")).text


async def test_screen_after_screen_without_a_store_a_mistake_costs_one_input_at_most() -> None:
    phone = Phone("first text")
    phone.sessions.away = True
    await phone.dial("*789#")
    await phone.type("99")
    # 12 may be the votes of *789*99*12#; typed again it is a code.
    assert (await phone.type("12")).text.startswith("Code 99 inconnu.")
    assert "12 Franck Zadi" in (await phone.type("12")).text
    assert "Total 300" in (await phone.type("3")).text
    asked = await phone.type("1")
    key = asked.text.split("tapez ")[1][:2]
    await phone.type(key, "1")
    assert phone.service.sold() == [("12", 3, MTN)]


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("dialled", ["*789*99*5*1#", "*789*07*10001*1#"])
async def test_what_to_dial_is_shown_in_every_language(dialled: str, language: str) -> None:
    shown = await Phone("first text", language=language).dial(dialled)
    assert dialled.replace("99", "CODE").replace("10001", "VOTES") in shown.text.split("\n")[0]
