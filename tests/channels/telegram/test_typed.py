"""What people type: read as a text is, answered with buttons, and nothing is ordered by words."""

from dataclasses import replace

import pytest

from channels.telegram.buttons import OpenContest, tag
from tests.channels.telegram.conftest import OTHER_CONTEST_ID, World, verified
from tests.demo import demo_contest
from tests.rigs.voting_service import RECEIPT

CONTEST = demo_contest()


@pytest.mark.parametrize(
    ("words", "reply", "buttons"),
    [
        ("fatou 5", "<b>5 votes</b> pour <b>05 Fatou Bamba</b>", ["Payer 500 FCFA"]),
        ("VOTE 5 Fatou", "<b>5 votes</b> pour <b>05 Fatou Bamba</b>", ["Payer 500 FCFA"]),
        ("07 cinq", "<b>5 votes</b> pour <b>07 Awa Ouattara</b>", ["Payer 500 FCFA"]),
        ("07 vingt", "<b>20 votes</b> pour <b>07 Awa Ouattara</b>", ["Payer 2 000 FCFA"]),
        ("10 pour 07", "<b>10 votes</b> pour <b>07 Awa Ouattara</b>", ["Payer 1 000 FCFA"]),
        ("5 votes 500 francs pour la 07", "<b>5 votes</b> pour <b>07 Awa Ouattara</b>", ["Payer 500 FCFA"]),
        ("07 500F", "<b>5 votes</b> pour <b>07 Awa Ouattara</b>", ["Payer 500 FCFA"]),
        ("OUI 10", "Combien de votes", ["1 vote"]),
        ("10 07", "Que voulez-vous dire", ["10 votes · 07 Awa", "7 votes · 10 Moussa"]),
        ("07 5 et 08 3", "Un candidat à la fois", ["5 votes · 07 Awa", "3 votes · 08 "]),
        ("07 1000", "<b>100 000 FCFA</b> : c'est le prix de 1 000 votes", ["Payer 100 000 FCFA"]),
        ("VOTE 07", "Combien de votes", ["5 votes"]),
        ("VOTE 07 beaucoup", "Combien de votes", ["5 votes"]),
        ("VOTE 07 10001", "Au plus 10000 votes", ["Candidats"]),
        ("VOTE 99 5", "Code 99 inconnu", ["Candidats"]),
        ("VOTE Awa", "Combien de votes", ["5 votes"]),
        ("STOP", "rien n'est commandé", []),
        ("stop", "bloquez ce bot", []),
        ("START", "1 vote = 100 FCFA", ["Candidats"]),
        ("j'ai été débité", "Aucune commande d'ici", []),
        ("arnaque!!", "Aucune commande d'ici", []),
        ("rembourser", "Aucune commande d'ici", []),
        ("dossier", "Dossier <b>15</b> ouvert", []),
        ("TOP", "🏆", ["Actualiser"]),
        ("solde", "Aucun vote", []),
        ("AIDE", "/mesvotes", []),
        ("combien ça coûte ?", "1 vote = 100 FCFA", ["Retour"]),
        (RECEIPT.lower(), RECEIPT, []),
        (f"check {RECEIPT}", RECEIPT, []),
        ("CHECK", "suivi du code", []),
        ("NON", "Rien n'a été débité", []),
        ("OUI", "1 vote = 100 FCFA", ["Candidats"]),
        ("0000", "jamais votre code secret", []),
    ],
)
async def test_a_chat_understands_what_a_text_does(world: World, words: str, reply: str, buttons: list[str]) -> None:
    await verified(world)
    assert reply in await world.write(words)
    for label in buttons:
        assert world.wire.button(55, label)[0] == world.wire.last(55)
    assert world.service.vote_requests == []


async def test_a_yes_shows_the_order_that_was_left(world: World) -> None:
    await verified(world)
    await world.write("07 5")
    assert "vous aviez choisi <b>07 Awa Ouattara</b>, 5 votes" in await world.write("OUI")
    await world.tap("Continuer")
    await world.tap("Payer 500")
    assert len(world.service.vote_requests) == 1


@pytest.mark.parametrize("asked", ["Autre nombre", "5 votes"])
@pytest.mark.parametrize(
    ("words", "reply"),
    [
        ("STOP", "rien n'est commandé"),
        ("j'ai été débité", "Aucune commande d'ici"),
        ("VOTE 08 3", "<b>08 "),
        ("10 07", "Que voulez-vous dire"),
        ("0000", "jamais votre code secret"),
    ],
)
async def test_whatever_is_asked_other_words_are_understood(world: World, asked: str, words: str, reply: str) -> None:
    await world.write("/start c_07")
    await world.tap(asked)
    assert reply in await world.write(words)


@pytest.mark.parametrize(
    ("words", "reply"),
    [
        ("98 5", "Code 98 inconnu"),
        ("07 1000", "c'est le prix de 1 000 votes"),
        ("VOTE 071000", "c'est le prix de 1 000 votes"),
        ("05 0102", "n'est pas un numéro mobile"),
        ("0501 0203", "n'est pas un numéro mobile"),
        ("09", "Combien de votes"),
        ("050102", "n'est pas un numéro mobile"),
        ("05 01 02 03", "n'est pas un numéro mobile"),
        ("1234567", "n'est pas un numéro mobile"),
        ("pas un numéro", "n'est pas un numéro mobile"),
    ],
)
async def test_a_part_of_a_phone_number_is_no_vote(world: World, words: str, reply: str) -> None:
    await world.write("07 5")
    assert reply in await world.write(words)


@pytest.mark.parametrize("words", ["12 votes", "douze", "12"])
async def test_a_number_of_votes_in_words(world: World, words: str) -> None:
    await verified(world)
    await world.write("07")
    await world.tap("Autre nombre")
    assert "<b>12 votes</b> pour <b>07" in await world.write(words)


@pytest.mark.parametrize(
    "words", ["é" * 4_000, "VOTE " + "9" * 4_000, "07 " + "x " * 1_900, "/verifier " + "A" * 4_000, "9" * 4_000]
)
async def test_what_was_written_is_never_sent_back_at_length(world: World, words: str) -> None:
    for before in ("/start", "/start c_07", "07 5"):
        await world.write(before)
        assert len(await world.write(words)) < 600
    await world.write("/start c_07")
    await world.tap("Autre nombre")
    assert len(await world.write(words)) < 600


async def test_a_code_that_no_contest_has(world: World) -> None:
    world.service.shown = [CONTEST, replace(CONTEST, id=OTHER_CONTEST_ID, slug="miss", keyword="MISS", _by_code={})]
    assert "Code 98 inconnu" in await world.write("98 5")
    assert "Quel vote" in await world.write("07 5")
    assert "Quel numéro paie" in await world.write("MISS 07 5")
    assert "Quel vote" in await world.write("bonjour", 66)


@pytest.mark.parametrize(("words", "reply"), [("10 07", "Que voulez-vous dire"), ("Fatou", "Combien de votes")])
async def test_what_was_typed_before_a_contest_was_chosen_is_kept(world: World, words: str, reply: str) -> None:
    people = tuple(one for one in CONTEST.candidates if one.code != "07")
    other = replace(CONTEST, id=OTHER_CONTEST_ID, slug="miss", name="Miss", keyword="MISS", candidates=people)
    world.service.shown = [CONTEST, replace(other, _by_code={})]
    assert "Quel vote" in await world.write(words)
    assert reply in await world.tap(CONTEST.name)
    assert world.service.vote_requests == []
    shown = len(world.wire.texts(55))
    await world.tap_data(OpenContest(contest=tag(CONTEST)).pack(), world.wire.last(55))
    assert len(world.wire.texts(55)) == shown


async def test_examples_are_of_the_country_where_the_voter_votes(world: World) -> None:
    abroad = replace(CONTEST, id=OTHER_CONTEST_ID, slug="mboa", country="CM", _by_code={})
    world.service.shown = [abroad, CONTEST]
    await world.write("/start c_07_star")
    assert "0501020304" in await world.share("33612345678", 55)
    await world.write("/start c_07_mboa", 66)
    assert "67" in await world.share("33612345678", 66, 66)
