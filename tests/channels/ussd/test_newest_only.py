"""Dialogues of aggregators that send the newest input only, name the code once, or name no session."""

from dataclasses import replace
from uuid import uuid4

from channels.ussd.aggregator import Phase, UssdTurn
from channels.ussd.dialogue import Dialogue
from channels.ussd.history import Shown
from tests.channels.ussd.service import MTN, MemorySessions, demo_service
from tests.demo import demo_contest


class Phone:
    """Requests of one number. `session` None: the aggregator names none."""

    def __init__(self, session: str | None = "1588") -> None:
        other = replace(demo_contest(), id=uuid4(), slug="voix", name="Voix d'Or", service_code="*790#")
        self.service, self.sessions = demo_service(demo_contest(), other), MemorySessions()
        self.session = session

    async def dials(self, code: str, after: float = 3) -> Shown:
        return await self._sends(Phase.START, code, "", after)

    async def types(self, newest: str, after: float = 3) -> Shown:
        return await self._sends(Phase.INPUT, "", newest, after)

    async def _sends(self, phase: Phase, code: str, newest: str, after: float) -> Shown:
        self.service.pass_time(after)
        dialogue = Dialogue(self.service, self.sessions, "nalo", 4)
        turn = UssdTurn(self.session or MTN, MTN, code, None, phase, newest=newest)
        return await dialogue.answer(replace(turn, session_named=self.session is not None))


async def test_the_code_of_the_first_request_holds_for_the_later_ones() -> None:
    for code, slug in (("*789#", "star"), ("*790#", "voix")):
        phone = Phone()
        await phone.dials(code)
        for typed in ("07", "5", "1"):
            shown = await phone.types(typed)
        assert not shown.more
        assert [vote_request.contest.slug for vote_request in phone.service.vote_requests] == [slug]


async def test_an_input_of_which_nothing_is_known_is_of_no_contest() -> None:
    phone = Phone()
    await phone.dials("*789#")
    phone.sessions.lose()
    shown = await phone.types("07")
    assert (shown.more, phone.service.vote_requests) == (False, [])


async def test_a_used_session_dials_another_contest() -> None:
    for session in ("1588", None):
        phone = Phone(session)
        assert "Star d'Abidjan" in (await phone.dials("*789#")).text
        assert "Voix d'Or" in (await phone.dials("*790#", after=0.1)).text
        await phone.types("07")
        await phone.types("5")
        await phone.types("1")
        assert [vote_request.contest.slug for vote_request in phone.service.vote_requests] == ["voix"]


async def test_without_a_session_each_dial_is_a_dialogue_and_each_vote_an_order() -> None:
    phone = Phone(None)
    for _ in range(2):
        assert (await phone.dials("*789#")).more
        for typed in ("07", "5", "1"):
            shown = await phone.types(typed)
        assert (await phone.types("1")) == shown
    assert phone.service.sold() == [("07", 5, MTN)] * 2


async def test_without_a_session_copies_at_the_same_time_are_one_order() -> None:
    phone = Phone(None)
    await phone.dials("*789*07*5*1#")
    held = dict(phone.sessions.held)
    phone.sessions.lose()
    await phone.dials("*789*07*5*1#", after=0)
    assert phone.service.sold() == [("07", 5, MTN)]
    phone.sessions.held = held
    await phone.dials("*789*07*5*1#", after=1)
    assert phone.service.sold() == [("07", 5, MTN)]
    await phone.dials("*789*07*5*1#", after=9)
    assert phone.service.sold() == [("07", 5, MTN)] * 2
