"""I was debited, in a chat: whose payments are looked into, and every answer in words."""

from dataclasses import replace

import pytest

from channels.telegram import order_views, views
from channels.telegram.reading import Offer
from gateway.values.check_digit import with_check_digit
from gateway.values.money import Money
from gateway.values.msisdn import Msisdn
from payments.lifecycle import State
from payments.rescue.rules import DISPUTABLE, Attempt, OfChat, Outcome, Rescue
from tests.channels.telegram.conftest import World
from tests.demo import demo_contest
from tests.rigs.voting_service import RECEIPT

CONTEST = demo_contest()
ATTEMPT = Attempt(State.FAILED, "07", "Awa <Ouattara>", 5, Money(500, "XOF"), RECEIPT)
MINE = Msisdn("+2250501020304", "CI")


@pytest.mark.parametrize("language", ["fr", "en", "wes"])
@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_has_words_and_a_person_where_it_may_be_disputed(language: str, outcome: Outcome) -> None:
    attempt = None if outcome is Outcome.NOTHING else ATTEMPT
    ticket = "15" if outcome is Outcome.UNCLEAR else None
    view = views.debited(language, Rescue(outcome, attempt, ticket), MINE, "https://vote.example")
    assert "{" not in view.text
    assert "<Ouattara>" not in view.text
    assert ("15" in view.text) is (ticket is not None)
    assert bool(view.rows) is (outcome in DISPUTABLE)
    assert (f"https://vote.example/verify/{RECEIPT}" in view.text) is (outcome is Outcome.COUNTED)


async def test_the_chat_and_its_verified_number_are_asked_about(world: World) -> None:
    assert "Partager mon numéro" in await world.write("/debite")
    assert world.service.claims == [OfChat(55, None, CONTEST.id)]
    await world.share("2250501020304", 55)
    world.service.found = Rescue(Outcome.NOT_PAID, ATTEMPT)
    assert "rien n'a été débité" in await world.write("/debited")
    assert world.service.claims[-1] == OfChat(55, MINE, CONTEST.id)
    assert "Dossier <b>15</b>" in await world.tap("Signaler un problème")
    assert world.service.claims[-1] == OfChat(55, MINE, CONTEST.id)


async def test_a_button_of_a_failed_order_asks_too(world: World) -> None:
    await world.write("/start")
    assert "Aucune commande d'ici" in await world.tap("J'ai été débité")


async def test_without_a_number_there_is_no_ticket(world: World) -> None:
    world.service.found, world.service.ticket = Rescue(Outcome.WAITING, ATTEMPT), None
    await world.write("/debite")
    assert "rien à vérifier" in await world.tap("Signaler un problème")


async def test_who_left_at_the_number_that_pays_is_offered_to_go_on_once(world: World) -> None:
    await world.write("07 5")
    offered = await world.write("/start")
    assert "vous aviez choisi <b>07 Awa Ouattara</b>, 5 votes" in offered
    assert "Choisissez un candidat" in await world.write("/start")
    assert "Quel numéro paie" in await world.tap("Continuer")
    await world.write("0501020304")
    await world.tap("Payer 500")
    assert len(world.service.vote_requests) == 1
    assert "Choisissez un candidat" in await world.write("/start")


async def test_who_left_the_confirmation_or_the_count_is_offered_to_go_on(world: World) -> None:
    await world.write("/start")
    await world.share("2250501020304", 55)
    await world.write("07 5")
    assert "5 votes" in await world.write("/start")
    assert "Total" in await world.tap("Continuer")
    await world.tap("Annuler")
    assert "Choisissez un candidat" in await world.write("/start")
    await world.write("/start c_08")
    await world.tap("Autre nombre")
    offered = await world.write("/start")
    assert "08 Ibrahim Coulibaly" in offered
    assert "votes" not in offered.removeprefix("Star d'Abidjan : vous aviez")
    assert "Écrivez un nombre" in await world.tap("Continuer")
    assert "Total" in await world.write("3")
    await world.write("/start")
    assert "Choisissez un candidat" in await world.tap("Recommencer")


async def test_nothing_is_offered_that_cannot_be_bought_any_more(world: World) -> None:
    await world.write("07 5")
    world.service.instant = CONTEST.closes_at
    assert "clos" in await world.write("/start")


def test_the_offer_fits_its_buttons() -> None:
    candidate = CONTEST.candidates[6]
    offered = Offer(CONTEST, candidate, 9_999_999, CONTEST.price.times(9_999_999))
    for counted in (True, False):
        view = order_views.resume("fr", offered, counted)
        assert all(len((button.data or "").encode()) <= 64 for row in view.rows for button in row)


async def test_a_mistyped_code_is_distinguished_from_an_unknown_one(world: World) -> None:
    codes = [with_check_digit(f"{n:02d}") for n in range(1, 13)]
    people = tuple(replace(c, code=code) for c, code in zip(CONTEST.candidates, codes, strict=True))
    world.service.shown = [replace(CONTEST, check_digits=True, candidates=people, _by_code={})]
    wrong = codes[0][:-1] + str((int(codes[0][-1]) + 1) % 10)
    assert "mal tapé" in await world.write(wrong)
    assert "inconnu" in await world.write(with_check_digit("77"))
