"""Paying with a code that the payer fetched from the operator: no request is pushed, no page is opened."""

from dataclasses import replace

import pytest

from channels.ussd.menu.machine import advance, start
from channels.ussd.menu.session import Node, Turn
from gateway.orders.routing import Rails
from gateway.orders.wallet import PaymentMethod
from tests.channels.ussd.service import view
from tests.channels.ussd.test_resume import Phone, cut_off
from tests.demo import demo_contest
from tests.rails import RAILS, RAILS_WITH_CODE

WITHOUT_PAGE = RAILS_WITH_CODE.with_circuits_open(["orange_money"])
ORANGE, MTN = "+2250701020304", "+2250501020304"


def dialled(number: str, *inputs: str, rails: Rails = RAILS_WITH_CODE, language: str = "fr") -> Turn:
    """The turn after these inputs."""
    seen = replace(view(number=number), rails=rails)
    turn = start(seen, language)
    for text in inputs:
        assert turn.session is not None, turn.screen
        turn = advance(turn.session, text, seen)
    return turn


@pytest.mark.parametrize("language", ["fr", "en", "wes"])
def test_an_orange_voter_may_pay_with_a_code(language: str) -> None:
    by_code = {"fr": "Par", "en": "By", "wes": "With"}[language]
    assert f"4 {by_code} code #144*82#" in dialled(ORANGE, "07", "5", language=language).screen
    asked = dialled(ORANGE, "07", "5", "4", language=language)
    assert asked.session is not None
    assert asked.session.node is Node.PAYMENT_CODE
    # The operator's menu ends this dialogue, so the way back stands beside it.
    assert all(word in asked.screen for word in ("07", "500 FCFA", "#144*82#", "*789*07*5*4*CODE#\n"))
    assert len(asked.screen) <= 160
    paid = dialled(ORANGE, "07", "5", "4", "123456", language=language)
    assert paid.session is None
    assert paid.buy is not None
    assert (paid.buy.code, paid.buy.votes, paid.buy.method) == ("07", 5, PaymentMethod.ORANGE)
    assert (paid.buy.payment_code, paid.buy.payer.e164) == ("123456", ORANGE)


@pytest.mark.parametrize("typed", ["1", "123", "123456789", "abcdef", "12345\u0661"])
def test_what_is_no_code_buys_nothing(typed: str) -> None:
    turn = dialled(ORANGE, "07", "5", "4", typed)
    assert turn.buy is None
    assert turn.session is not None
    assert turn.session.node is Node.PAYMENT_CODE


def test_back_leads_to_the_confirmation() -> None:
    turn = dialled(ORANGE, "07", "5", "4", "0")
    assert turn.session is not None
    assert turn.session.node is Node.CONFIRM


def test_no_other_number_is_offered_it() -> None:
    assert "#144*82#" not in dialled(MTN, "07", "5").screen
    assert "#144*82#" not in dialled(ORANGE, "07", "5", rails=RAILS).screen
    assert "#144*82#" not in dialled(ORANGE, "07", "5", rails=RAILS_WITH_CODE.with_circuits_open(["pawapay"])).screen
    assert dialled(MTN, "07", "5", "4").buy is None


def test_the_code_still_pays_when_the_page_is_away() -> None:
    away = RAILS_WITH_CODE.with_circuits_open(["orange_money"])
    screen = dialled(ORANGE, "07", "5", rails=away).screen
    assert "1 " not in screen.split("\n")[-4]
    assert "#144*82#" in screen


@pytest.mark.parametrize("language", ["fr", "en", "wes"])
@pytest.mark.parametrize(
    "rails", [RAILS_WITH_CODE, RAILS_WITH_CODE.with_circuits_open(["wave"]), WITHOUT_PAGE], ids=str
)
def test_the_code_has_the_same_key_whatever_else_takes_money(rails: Rails, language: str) -> None:
    paid = dialled(ORANGE, "07", "5", "4", "123456", rails=rails, language=language)
    assert paid.buy is not None
    asked = dialled(ORANGE, "07", "5", "4", "12", rails=rails, language=language)
    assert "*789*07*5*4*CODE#" in asked.screen


def test_of_several_contests_the_dial_names_its_own() -> None:
    contest = replace(demo_contest(), menu_number=2, _by_code={})
    seen = replace(view(number=ORANGE, contest=contest), rails=RAILS_WITH_CODE)
    turn = start(seen, "fr")
    for text in ("07", "5", "4"):
        assert turn.session is not None
        turn = advance(turn.session, text, seen)
    assert "*789*2*07*5*4*CODE#" in turn.screen


@pytest.mark.parametrize("language", ["fr", "en", "wes"])
def test_a_code_fetched_on_another_phone_leaves_this_dialogue_open(language: str) -> None:
    asked = dialled(MTN, "07", "5", "2", "0701020304", "4", language=language)
    assert "#144*82#" in asked.screen
    assert "07..0304" in asked.screen
    assert "CODE#" not in asked.screen
    assert dialled(MTN, "07", "5", "2", "0701020304", "4", "1234").buy is not None


async def test_who_dialled_for_the_code_goes_on_at_the_question_for_it() -> None:
    phone = await cut_off("07", "5", "4", number=ORANGE)
    assert "1 Continuer" in (await phone.dial(number=ORANGE)).text
    assert "*789*07*5*4*CODE#" in (await phone.type("1")).text
    assert not (await phone.type("1234")).more
    (vote_request,) = phone.service.vote_requests
    assert (vote_request.candidate_code, vote_request.quantity, vote_request.payment_code) == ("07", 5, "1234")
    # It was noted once, for the text that offers to go on.
    assert [one.quantity for one in phone.service.reached] == [None, 5]


async def test_who_went_back_from_the_question_goes_on_at_the_confirmation() -> None:
    phone = await cut_off("07", "5", "4", "0", number=ORANGE)
    await phone.dial(number=ORANGE)
    assert "1 Payer Orange Money" in (await phone.type("1")).text


async def test_one_dial_with_the_code_pays() -> None:
    phone = Phone()
    phone.service.rails = RAILS_WITH_CODE
    assert not (await phone.dial("07", "5", "4", "1234", number=ORANGE)).more
    assert phone.service.vote_requests[0].payment_code == "1234"
