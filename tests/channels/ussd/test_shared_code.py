"""Several contests behind one service code: a menu decides, and a long dial names its contest."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from channels.ussd.aggregator import Phase, UssdTurn
from channels.ussd.dialogue import Dialogue
from channels.ussd.history import Shown
from gateway.contests.contest import Contest
from payments.rescue.rules import OfNumber
from tests.channels.ussd.service import MTN, MemorySessions, demo_service
from tests.demo import demo_contest
from tests.rigs.voting_service import NOON


def contest(slug: str, name: str, days: int, *, over: bool = False) -> Contest:
    """One that opened so many days after the demo; `over`: closed by now."""
    base = demo_contest()
    closes = NOON - timedelta(days=1) if over else base.closes_at
    opens = base.opens_at + timedelta(days=days)
    return replace(base, id=uuid4(), slug=slug, name=name, opens_at=opens, closes_at=closes, _by_code={})


STAR, DUO, MISS = contest("star", "Star", 0), contest("duo", "Duo d'Or", 1), contest("miss", "Miss", 2)


class Phone:
    def __init__(self, *contests: Contest) -> None:
        # Not in the order of their numbers.
        self.service, self.sessions = demo_service(*reversed(contests)), MemorySessions()
        self.session = "s1"
        self.service_code = "*789#"

    async def sends(self, text: str) -> Shown:
        dialogue = Dialogue(self.service, self.sessions, "africastalking", 4)
        return await dialogue.answer(UssdTurn(self.session, MTN, self.service_code, None, Phase.INPUT, transcript=text))

    def sold(self) -> list[tuple[str, str, int]]:
        return [(w.contest.slug, w.candidate_code, w.quantity) for w in self.service.vote_requests]


async def test_a_menu_decides() -> None:
    phone = Phone(STAR, DUO, MISS)
    assert (await phone.sends("")).text == "Choisissez le vote:\n1 Star\n2 Duo d'Or\n3 Miss"
    shown = await phone.sends("2")
    assert shown.text.startswith("Duo d'Or\n1 vote")
    assert shown.text.endswith("0 Retour")
    for text in ("2*07", "2*07*5", "2*07*5*1"):
        shown = await phone.sends(text)
    assert (shown.more, phone.sold()) == (False, [("duo", "07", 5)])


async def test_where_the_aggregator_names_no_code_a_contest_without_one_is_not_offered() -> None:
    phone = Phone(STAR, replace(DUO, service_code="", short_code="", _by_code={}))
    phone.service_code = ""
    assert (await phone.sends("")).text.startswith("Star\n1 vote")


async def test_back_leads_to_the_menu_and_home_to_the_contest() -> None:
    phone = Phone(STAR, DUO)
    await phone.sends("")
    await phone.sends("2")
    assert (await phone.sends("2*0")).text.startswith("Choisissez")
    assert (await phone.sends("2*0*1")).text.startswith("Star\n")
    assert (await phone.sends("2*0*1*07")).text.startswith("07 ")
    assert (await phone.sends("2*0*1*07*00")).text.startswith("Star\n")


@pytest.mark.parametrize(
    ("service_code", "text"),
    [("*789#", "2*07*5*1"), ("*789*2*07*5*1#", ""), ("*789*2#", "07*5*1")],
)
async def test_the_first_piece_of_a_long_dial_chooses(service_code: str, text: str) -> None:
    phone = Phone(STAR, DUO)
    phone.service_code = service_code
    assert not (await phone.sends(text)).more
    assert phone.sold() == [("duo", "07", 5)]


@pytest.mark.parametrize("text", ["07*5*1", "3*07*5*1", "07*2*1", "9*07*5*1", "07*12*3*1"])
async def test_a_long_dial_without_its_contest_sells_nothing(text: str) -> None:
    phone = Phone(STAR, DUO)
    shown = (await phone.sends(text)).text
    dial = f"*789*NUMERO*{text if text.startswith('07') else text[2:]}#"
    assert shown == f"Tapez d'abord le numéro d'un vote. Composez {dial}\nChoisissez le vote:\n1 Star\n2 Duo d'Or"
    assert phone.sold() == []
    # What is typed on it counts.
    assert (await phone.sends(f"{text}*2")).text.startswith("Duo d'Or\n")


async def test_with_one_open_contest_there_is_no_menu_and_both_long_dials_work() -> None:
    for text in ("07*5*1", "2*07*5*1"):
        phone = Phone(contest("old", "Star 2025", 0, over=True), DUO)
        phone.session = text
        assert (await phone.sends(text)).more is False
        assert phone.sold() == [("duo", "07", 5)]
    phone = Phone(contest("old", "Star 2025", 0, over=True), DUO)
    shown = await phone.sends("")
    assert shown.text.startswith("Duo d'Or\n")
    assert "0 Retour" not in shown.text


async def test_a_code_of_a_closed_contest_never_votes_in_another_one() -> None:
    phone = Phone(contest("old", "Star 2025", 0, over=True), DUO)
    shown = await phone.sends("1*07*5*1")
    assert (shown.more, phone.sold()) == (False, [])
    assert "Star 2025 est clos" in shown.text


async def test_a_contest_keeps_its_number_when_another_one_closes() -> None:
    phone = Phone(contest("old", "Star 2025", 0, over=True), DUO, MISS)
    assert (await phone.sends("")).text == "Choisissez le vote:\n2 Duo d'Or\n3 Miss"
    over = (await phone.sends("1")).text
    assert over.startswith("Star 2025: vote clos.\n")
    assert over.endswith("0 Retour")
    assert (await phone.sends("1*0*3")).text.startswith("Miss\n")


async def test_without_an_open_contest_the_next_one_is_shown() -> None:
    phone = Phone(contest("old", "Star 2025", 0, over=True), replace(DUO, opens_at=NOON + timedelta(1), _by_code={}))
    shown = await phone.sends("")
    assert shown.text.startswith("Le vote Duo d'Or n'est pas encore ouvert.\nStar 2025: vote clos.")
    await phone.sends("5")
    (claim,) = phone.service.claims
    assert isinstance(claim, OfNumber)
    assert len(claim.contest_ids) == 2
    alone = Phone(replace(DUO, opens_at=NOON + timedelta(1), _by_code={}))
    assert (await alone.sends("")).more is False


async def test_a_contest_that_closes_on_the_way_sells_nothing_in_the_other() -> None:
    phone = Phone(replace(STAR, closes_at=NOON + timedelta(minutes=1), _by_code={}), DUO)
    await phone.sends("")
    await phone.sends("1")
    await phone.sends("1*07")
    phone.service.pass_time(120)
    shown = await phone.sends("1*07*5")
    assert "Star est clos" in shown.text
    phone.sessions.lose()
    assert "Star est clos" in (await phone.sends("1*07*5*1")).text
    assert phone.sold() == []


async def test_eleven_contests_have_pages_and_nine_is_no_number() -> None:
    many = [contest(f"c{n:02d}", f"Concours {n}", n) for n in range(1, 12)]
    phone = Phone(*many)
    assert "5 Concours 5\n9 Suite" in (await phone.sends("")).text
    assert "8 Concours 8\n10 Concours 9\n11 Concours 10" in (await phone.sends("9")).text
    assert "12 Concours 11" in (await phone.sends("9*9")).text
    assert (await phone.sends("9*9*10")).text.startswith("Concours 9\n")
