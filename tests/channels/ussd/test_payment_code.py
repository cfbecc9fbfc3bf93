"""Paying with a code that the payer fetched from the operator: no request is pushed, no page is opened."""

from dataclasses import replace

import pytest

from channels.ussd.menu import Turn, advance, start
from channels.ussd.menu.session import Node
from gateway.domain.routing import Rails
from gateway.domain.wallet import PaymentMethod
from tests.channels.ussd.house import view
from tests.rails import RAILS, RAILS_WITH_CODE

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
    assert "4 Code #144*82#" in dialled(ORANGE, "07", "5", language=language).screen
    asked = dialled(ORANGE, "07", "5", "4", language=language)
    assert asked.session is not None
    assert asked.session.node is Node.PAYMENT_CODE
    assert all(word in asked.screen for word in ("07", "500 FCFA", "#144*82#"))
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


def test_nobody_else_is_offered_it() -> None:
    assert "#144*82#" not in dialled(MTN, "07", "5").screen
    assert "#144*82#" not in dialled(ORANGE, "07", "5", rails=RAILS).screen
    assert "#144*82#" not in dialled(ORANGE, "07", "5", rails=RAILS_WITH_CODE.but_for(["pawapay"])).screen
    assert dialled(MTN, "07", "5", "4").buy is None


def test_the_code_still_pays_when_the_page_is_away() -> None:
    away = RAILS_WITH_CODE.but_for(["orange_money"])
    screen = dialled(ORANGE, "07", "5", rails=away).screen
    assert "1 " not in screen.split("\n")[-4]
    assert "#144*82#" in screen
