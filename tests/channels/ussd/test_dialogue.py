"""Requests as an aggregator sends them: once, twice, late, lost, in one dial."""

from dataclasses import replace
from datetime import timedelta

import pytest

from channels import gsm
from channels.ussd.aggregator import Phase, UssdTurn
from channels.ussd.dialogue import SESSION_SECONDS, Dialogue
from channels.ussd.history import Shown
from channels.ussd.playing import INPUTS_MAX, typed
from gateway.orders.rules import Channel
from gateway.values.money import Money
from payments.lifecycle import PublicStatus
from tests.channels.ussd.service import MTN, NEW, ORANGE, MemorySessions, demo_service, line
from tests.demo import demo_contest
from tests.rigs.voting_service import NOON


class Phone:
    """Africa's Talking's requests for one dialogue."""

    def __init__(self, number: str = MTN, session: str = "ATUid_1") -> None:
        self.service, self.sessions = demo_service(), MemorySessions()
        self.number, self.session = number, session
        self.service_code = "*789#"
        self.network: str | None = None

    async def sends(self, text: str) -> Shown:
        dialogue = Dialogue(self.service, self.sessions, "africastalking", 4)
        phase = Phase.INPUT if text else Phase.START
        shown = await dialogue.answer(
            UssdTurn(self.session, self.number, self.service_code, self.network, phase, transcript=text)
        )
        assert gsm.fits(shown.text, 160), shown.text
        return shown

    async def types(self, *inputs: str) -> Shown:
        """Dial, then one request for each input."""
        shown = await self.sends("")
        for count in range(1, len(inputs) + 1):
            assert shown.more, shown.text
            shown = await self.sends("*".join(inputs[:count]))
        return shown


async def test_a_vote_screen_after_screen() -> None:
    phone = Phone()
    shown = await phone.types("07", "5", "1")
    assert not shown.more
    assert "code secret MTN MoMo" in shown.text
    [vote_request] = phone.service.vote_requests
    assert (vote_request.channel, vote_request.candidate_code, vote_request.quantity) == (Channel.USSD, "07", 5)
    assert vote_request.key.startswith("africastalking:")
    assert MTN[4:] not in vote_request.key
    assert vote_request.voter is not None
    assert vote_request.voter.e164 == MTN
    assert (vote_request.language, vote_request.prompt_delay_seconds) == ("fr", 4)


async def test_the_session_lives_for_five_minutes_under_provider_number_and_session() -> None:
    phone = Phone()
    await phone.types("07")
    assert phone.sessions.seconds[f"ussd:africastalking:{MTN}:ATUid_1"] == SESSION_SECONDS == 300


async def test_the_same_session_id_of_another_number_is_another_dialogue() -> None:
    phone = Phone()
    await phone.types("07", "5")
    phone.number = ORANGE
    assert "Star d'Abidjan" in (await phone.sends("")).text


@pytest.mark.parametrize(
    ("service_code", "text", "orders"),
    [
        ("*789#", "07*5*1", [("07", 5, MTN)]),
        ("*789*07*5*1#", "", [("07", 5, MTN)]),
        ("*789*07*5*1#", "07*5*1", [("07", 5, MTN)]),
        ("789*07*5*1", "", [("07", 5, MTN)]),
        ("*789*07#", "5*1", [("07", 5, MTN)]),
        ("*789#", "07*5*1#", [("07", 5, MTN)]),
        ("*789#", "٠٧*٥*١", [("07", 5, MTN)]),
        ("*789#", "４*07*5*1", [("07", 5, MTN)]),
        ("*789#", "07*5*2*0701020304*1", [("07", 5, ORANGE)]),
        ("*789#", "07*5", []),
        ("*789#", "", []),
        ("", "07*5*1", [("07", 5, MTN)]),
        ("*789#", "99*5*1", []),
        ("*789#", "07*0*1", []),
        ("*789#", "07*-1*1", []),
        ("*789#", "07*1000000000*1", []),
    ],
)
async def test_one_dial(service_code: str, text: str, orders: list[tuple[str, int, str]]) -> None:
    phone = Phone()
    phone.service_code = service_code
    shown = await phone.sends(text)
    assert phone.service.sold() == orders
    assert shown.more is not bool(orders)


async def test_a_lost_tail_shows_the_first_screen() -> None:
    shown = await Phone().sends("")
    assert shown.more
    assert "1 Candidats" in shown.text


async def test_the_longest_registered_code_wins() -> None:
    other = replace(demo_contest(), slug="duo", name="Duo", service_code="*789*07#", _by_code={})
    phone = Phone()
    phone.service = demo_service(demo_contest(), other)
    phone.service_code = "*789*07*12*3*1#"
    await phone.sends("")
    [vote_request] = phone.service.vote_requests
    assert (vote_request.contest.slug, vote_request.candidate_code, vote_request.quantity) == ("duo", "12", 3)


async def test_a_tail_that_is_sent_with_every_hop_counts_once() -> None:
    phone = Phone()
    phone.service_code = "*789*07#"
    assert "07 Awa Ouattara" in (await phone.sends("")).text
    assert "500 FCFA" in (await phone.sends("5")).text
    assert not (await phone.sends("5*1")).more
    assert phone.service.sold() == [("07", 5, MTN)]


@pytest.mark.parametrize("inputs", [(), ("07",), ("1", "9"), ("07", "x"), ("07", "5"), ("07", "5", "1"), ("3",)])
async def test_a_repeat_gets_the_same_screen_and_changes_nothing(inputs: tuple[str, ...]) -> None:
    phone = Phone()
    first = await phone.types(*inputs)
    stored = dict(phone.sessions.held)
    asked = phone.service.asked
    for _ in range(3):
        assert await phone.sends("*".join(inputs)) == first
    assert phone.sessions.held == stored
    assert phone.service.asked == asked


async def test_confirmed_twice_is_one_order() -> None:
    phone = Phone()
    last = await phone.types("07", "5", "1")
    assert await phone.sends("07*5*1") == last
    assert await phone.sends("07*5*1*1") == last
    assert await phone.sends("07*5*1*1*1") == last
    assert phone.service.sold() == [("07", 5, MTN)]


async def test_confirmed_twice_with_the_store_lost_between_is_one_order() -> None:
    phone = Phone()
    last = await phone.types("07", "5", "1")
    phone.sessions.lose()
    assert await phone.sends("07*5*1") == last
    phone.sessions.away = True
    assert await phone.sends("07*5*1") == last
    assert phone.service.sold() == [("07", 5, MTN)]
    assert phone.service.asked == 3


async def test_inputs_behind_the_confirmation_do_not_make_another_order() -> None:
    phone = Phone()
    for text in ("07*5*1", "07*5*1*1", "07*5*1*08*2*1", "07*5*1#", "07*5*1"):
        phone.sessions.lose()
        assert not (await phone.sends(text)).more
    assert phone.service.sold() == [("07", 5, MTN)]


async def test_the_order_is_the_same_when_the_network_is_no_longer_named() -> None:
    phone = Phone()
    phone.network = "61203"
    await phone.sends("07*5*1")
    phone.sessions.lose()
    phone.network = None
    await phone.sends("07*5*1")
    assert [w.method for w in phone.service.vote_requests] == ["ORANGE_MONEY"]


async def test_without_a_store_the_transcript_is_the_state() -> None:
    phone = Phone()
    phone.sessions.away = True
    # The 1 might have answered an offer to go on, so what is bought is shown before it is confirmed.
    asked = await phone.types("4", "1", "9", "07", "5", "3", "1")
    assert "5 votes for 07 Awa Ouattara\nTotal 500 FCFA\nCheck this" in asked.text
    key = asked.text.split("type ")[1][:2]
    inputs = ("4", "1", "9", "07", "5", "3", "1")
    assert await phone.sends("*".join((*inputs, "1"))) == asked
    confirm = await phone.sends("*".join((*inputs, "1", key)))
    assert "1 Pay" in confirm.text
    assert phone.service.sold() == []
    assert not (await phone.sends("*".join((*inputs, "1", key, "1")))).more
    [vote_request] = phone.service.vote_requests
    assert (vote_request.language, vote_request.method) == ("en", "WAVE")


async def test_a_store_that_is_lost_on_the_way_costs_nothing() -> None:
    phone = Phone()
    before = await phone.types("07", "5")
    phone.sessions.lose()
    assert await phone.sends("07*5") == before
    phone.sessions.lose()
    assert not (await phone.sends("07*5*1")).more
    assert phone.service.sold() == [("07", 5, MTN)]


async def test_a_late_copy_gets_its_own_answer_and_the_dialogue_goes_on() -> None:
    phone = Phone()
    first = await phone.sends("")
    second = await phone.sends("07")
    third = await phone.sends("07*5")
    assert await phone.sends("07") == second
    assert await phone.sends("") == first
    assert await phone.sends("07*5") == third
    last = await phone.sends("07*5*1")
    assert not last.more
    assert await phone.sends("07*5") == third
    assert await phone.sends("07*5*1") == last
    assert phone.service.sold() == [("07", 5, MTN)]


async def test_a_lost_hop_is_made_up_for() -> None:
    phone = Phone()
    await phone.sends("")
    assert not (await phone.sends("07*5*1")).more
    assert phone.service.sold() == [("07", 5, MTN)]


async def test_a_used_session_id_begins_another_dialogue() -> None:
    phone = Phone()
    await phone.types("07", "5", "1")
    assert "08" in (await phone.sends("08")).text
    assert not (await phone.sends("08*2*1")).more
    assert phone.service.sold() == [("07", 5, MTN), ("08", 2, MTN)]
    phone.sessions.lose()
    assert not (await phone.sends("08*2*1")).more
    assert not (await phone.sends("08*2*1#")).more
    assert len(phone.service.vote_requests) == 2


async def test_a_voter_who_dials_again_buys_again() -> None:
    phone = Phone()
    await phone.sends("07*5*1")
    phone.session = "ATUid_2"
    await phone.sends("07*5*1")
    assert phone.service.sold() == [("07", 5, MTN)] * 2


async def test_newest_only_aggregators_have_the_same_dialogue() -> None:
    service, sessions = demo_service(), MemorySessions()
    dialogue = Dialogue(service, sessions, "hubtel", 4)
    dialled = UssdTurn("h1", MTN, "*789*07#", None, Phase.START)
    assert "Combien de votes?" in (await dialogue.answer(dialled)).text
    service.pass_time(3)
    five = UssdTurn("h1", MTN, "*789#", None, Phase.INPUT, newest="5")
    confirm = await dialogue.answer(five)
    assert "500 FCFA" in confirm.text
    service.pass_time(1)
    assert await dialogue.answer(five) == confirm
    service.pass_time(5)
    one = UssdTurn("h1", MTN, "*789#", None, Phase.INPUT, newest="1")
    last = await dialogue.answer(one)
    service.pass_time(60)
    assert await dialogue.answer(one) == last
    assert service.sold() == [("07", 5, MTN)]


async def test_a_service_that_is_away_ends_with_a_sentence() -> None:
    phone = Phone()
    await phone.types("07", "5")
    phone.service.away = True
    shown = await phone.sends("07*5*1")
    assert (shown.more, shown.text) == (
        False,
        "Service occupé. Rien n'a été débité. Réessayez dans un instant.",
    )
    assert phone.service.vote_requests == []


async def test_my_votes_of_a_service_that_is_away_end_with_a_sentence() -> None:
    phone = Phone()
    phone.service.away = True
    assert not (await phone.types("3")).more


async def test_a_refusal_of_the_service_ends_with_its_sentence() -> None:
    phone = Phone()
    await phone.types("07", "5")
    phone.service.instant = demo_contest().closes_at - timedelta(seconds=1)
    place_order = phone.service.place_order

    async def too_late(vote_request: object) -> object:
        phone.service.instant = demo_contest().closes_at
        return await place_order(vote_request)  # type: ignore[arg-type] # passed on as it came

    phone.service.place_order = too_late  # type: ignore[assignment, method-assign] # this phone alone
    shown = await phone.sends("07*5*1")
    assert not shown.more
    assert "clos" in shown.text
    assert phone.service.vote_requests == []


async def test_my_votes() -> None:
    phone = Phone()
    assert "Aucun vote" in (await phone.types("3")).text
    phone.service.lines = (line(), line("02", PublicStatus.COMPLETED, "7K2M9QXW4T"))
    phone.session = "ATUid_2"
    shown = await phone.types("3")
    assert "07 x5 en cours\n02 x5 7K2M9QXW4T" in shown.text
    assert "1 Candidats" in (await phone.sends("3*0")).text


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("+33612345678", "numéros de son pays"),
        ("unknown", "incorrect"),
        ("+", "incorrect"),
        ("7890", "incorrect"),
        ("2250501020304", "Star d'Abidjan"),
        ("+2250901020304", "Star d'Abidjan"),
    ],
)
async def test_who_dials(number: str, expected: str) -> None:
    assert expected in (await Phone(number).sends("")).text


@pytest.mark.parametrize("service_code", ["*000#", "*7890#", "*78#", "#", "nonsense", "*" * 200])
async def test_an_unknown_service_code_ends(service_code: str) -> None:
    phone = Phone()
    phone.service_code = service_code
    if not service_code.strip("*#"):
        phone.service = demo_service(demo_contest(), replace(demo_contest(), service_code="*1#", _by_code={}))
    shown = await phone.sends("07*5*1")
    assert (shown.more, shown.text) == (False, "Ce service n'existe pas. Vérifiez le code.")
    assert (phone.service.vote_requests, phone.sessions.held) == ([], {})


async def test_an_unknown_wallet_is_chosen_in_one_dial_too() -> None:
    phone = Phone(NEW)
    assert "Quel compte" in (await phone.sends("07*5*1")).text
    assert phone.service.vote_requests == []
    assert not (await phone.sends("07*5*1*4*1")).more
    assert [w.method for w in phone.service.vote_requests] == ["ORANGE_MONEY"]


async def test_a_dialogue_has_a_bound() -> None:
    phone = Phone()
    await phone.sends("*".join(["1", "0"] * (INPUTS_MAX // 2)))
    shown = await phone.sends("*".join([*["1", "0"] * (INPUTS_MAX // 2), "07"]))
    assert (shown.more, shown.text) == (False, "Session terminée. Recomposez *789#")
    assert not (await phone.sends("*".join(["07", "5", "1"] + ["x"] * INPUTS_MAX))).more
    assert phone.service.vote_requests == []


async def test_a_contest_that_is_not_open_ends() -> None:
    phone = Phone()
    phone.service.instant = NOON.replace(year=2025)
    shown = await phone.sends("07*5*1")
    assert not shown.more
    assert "pas encore ouvert" in shown.text


@pytest.mark.parametrize(
    ("text", "meant"),
    [(" 07 ", "07"), ("07#", "07"), ("٠٧", "07"), ("７#", "7"), ("#", ""), ("²", "²"), ("07 #", "07")],
)
def test_an_input_as_meant(text: str, meant: str) -> None:
    assert typed(text) == meant


async def test_who_confirms_while_the_price_changes_is_asked_again() -> None:
    phone = Phone()
    shown = await phone.types("07", "5")
    assert "500 FCFA" in shown.text
    (contest,) = phone.service.shown
    phone.service.shown = [replace(contest, price=Money(150, "XOF"), _by_code={})]
    shown = await phone.sends("07*5*1")
    assert shown.more
    assert shown.text.startswith("Le prix a changé.\n")
    assert "750 FCFA" in shown.text
    assert phone.service.vote_requests == []
    assert not (await phone.sends("07*5*1*1")).more
    (bought,) = phone.service.vote_requests
    assert (bought.quantity, bought.contest.price.amount_minor) == (5, 150)
