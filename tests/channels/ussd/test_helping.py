"""What a voter may ask beside voting: receipts, rules, languages, the ranking, a missing vote."""

from dataclasses import replace

import pytest

from channels import gsm
from channels.buying import why_taken_back
from channels.receipts import CheckedReceipt
from channels.ussd.menu.helping import ranking_shown, receipt_shown, rescue_shown, ticket_shown
from channels.ussd.menu.session import MenuView, Session, Wants
from gateway.contests.contest import Candidate
from gateway.orders.receipt import make_receipt
from gateway.values.check_digit import with_check_digit
from gateway.values.money import Money
from payments.collection.order_views import ReceiptView, TakenBack
from payments.lifecycle import PublicStatus, State
from payments.rescue.rules import Attempt, Outcome, Rescue
from tests.channels.ussd.service import line, view
from tests.channels.ussd.test_menu import Call
from tests.demo import candidate_id, demo_contest
from tests.rigs.voting_service import NOON

RECEIPT = make_receipt(2**40 + 77)
PROOF = ReceiptView(RECEIPT, "star", "Star d'Abidjan", "07", "Awa Ouattara", 5, Money(500, "XOF"), 1234, NOON)
ATTEMPT = Attempt(State.PENDING, "07", "Awa Ouattara", 5, Money(500, "XOF"), RECEIPT)


def in_view(**changes: object) -> MenuView:
    return view(contest=replace(demo_contest(), **changes, _by_code={}))  # type: ignore[arg-type] # fields of it


def test_a_receipt_is_typed_as_people_type() -> None:
    typed = f"{RECEIPT[:5].lower()}-{RECEIPT[5:].lower()}"
    call = Call().type("6", "1").shows("10 caractères").type(typed)
    assert call.turn.wants is Wants.RECEIPT
    assert call.turn.session is not None
    assert call.turn.session.typed == RECEIPT
    shown = receipt_shown(call.turn.session, call.view, CheckedReceipt(PROOF, False, "Africa/Abidjan"))
    assert f"Recu {RECEIPT}: 5 votes pour 07 Awa Ouattara, 500 FCFA, le 01/06/2026 12:00 GMT, n. 1234" in shown.screen
    assert "pas encore au registre public." in shown.screen
    assert "Recu inconnu" not in shown.screen
    for status, words in ((PublicStatus.HELD, "en vérification"), (PublicStatus.REFUNDED, "remboursé")):
        assert f"{RECEIPT}: vote non compté ({words})" in receipt_shown(call.turn.session, call.view, status).screen
    assert "Recu inconnu" in receipt_shown(call.turn.session, call.view, None).screen


@pytest.mark.parametrize("language", ["fr", "en", "wes"])
def test_a_vote_that_was_taken_back_is_shown_with_the_reason(language: str) -> None:
    for why, quantity in (("voided window", 5), ("une raison longue " * 20, 1000)):
        proof = replace(PROOF, quantity=quantity, tally_number=9_999_999, taken_back=TakenBack(9_999_999, NOON, why))
        screen = receipt_shown(
            Session(language=language), in_view(), CheckedReceipt(proof, True, "Africa/Douala")
        ).screen
        assert gsm.fits(screen, 160)
        assert screen.count("9999999") == 2
        assert why_taken_back(language, why)[:12] in screen
        assert "Awa" not in screen


def test_a_mistyped_receipt_is_answered_without_asking_the_service() -> None:
    wrong = RECEIPT[:-1] + ("0" if RECEIPT[-1] != "0" else "1")
    call = Call().type("6", "1", wrong).shows("Mal tapé: vérifiez chaque caractère.", "Tapez les 10 caractères")
    assert call.turn.wants is None
    # Two neighbours swapped, one character too few, and one too many with the hyphens that people read out.
    Call().type("6", "1", RECEIPT[1] + RECEIPT[0] + RECEIPT[2:]).shows("Mal tapé")
    Call().type("6", "1", RECEIPT[:-1]).shows("9 caractères: un recu en a 10.")
    Call().type("6", "1", f"{RECEIPT[:5]}-{RECEIPT[5:]}X").shows("11 caractères")
    unknown = Call().type("6", "1", make_receipt(7))
    assert unknown.turn.wants is Wants.RECEIPT
    assert unknown.turn.session is not None
    assert "Recu inconnu." in receipt_shown(unknown.turn.session, unknown.view, None).screen


def test_rules_and_price_are_the_contests_own() -> None:
    rules = {"fr": "Un vote par personne suffit.", "en": "One vote is enough."}
    call = (
        Call(in_view(rules=rules, contact="0701020304")).type("6", "2").shows("1 vote = 100 FCFA", "31/12/2027 23:59")
    )
    call.type("9").shows("Un vote par personne suffit. Contact: 0701020304").type("9").shows("Choix inconnu.")
    call.type("0").shows("31/12/2027").type("0").shows("1 Vérifier un recu")
    english = Call(in_view(rules=rules), "en").type("6", "2", "9")
    english.shows("One vote is enough.")


def test_of_two_languages_the_other_one_is_named() -> None:
    Call().shows("4 English").type("4").shows("4 Francais", "Ranking")


def test_of_three_languages_one_is_chosen() -> None:
    call = (
        Call(in_view(language="wes"), "wes").shows("4 Language").type("4").shows("1 Pidgin", "2 Francais", "3 English")
    )
    call.type("7").shows("1 Pidgin").type("2").shows("Classement", "4 Langue").type("4", "0").shows("Classement")
    call.type("4", "3").shows("Ranking").type("07").shows("How many votes?")


def test_the_favourite_is_the_one_with_most_counted_votes() -> None:
    call = Call().type("2")
    assert (call.turn.wants, call.turn.session is None) == (Wants.FAVOURITE, False)
    call.shows("1. Franck Zadi 12 000")
    counted = [
        replace(line("02", PublicStatus.COMPLETED), quantity=1),
        replace(line("01", PublicStatus.COMPLETED), quantity=30),
        replace(line("03"), quantity=500),
    ]
    assert call.turn.session is not None
    screen = ranking_shown(call.turn.session, call.view, counted).screen
    assert "Votre favori: 12. Aya Koné 1 000" in screen
    assert (
        "Votre favori" not in ranking_shown(call.turn.session, call.view, [line("12", PublicStatus.COMPLETED)]).screen
    )
    assert "Votre favori" not in ranking_shown(call.turn.session, call.view, []).screen


def test_a_code_typed_in_the_ranking_votes() -> None:
    Call().type("2", "07").shows("07 Awa Ouattara", "Combien de votes?").type("0").shows("01 Aya")


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Outcome.NOTHING, "Aucune commande de ce numéro en 24 h"),
        (Outcome.COUNTED, f"Compté: 5 votes pour 07. Recu {RECEIPT}."),
        (Outcome.PAID, "Paiement recu: 5 votes pour 07"),
        (Outcome.REFUNDING, "500 FCFA vous seront remboursés: 5 votes pour 07"),
        (Outcome.REFUNDED, "500 FCFA vous ont été remboursés"),
        (Outcome.WAITING, "500 FCFA pour 07 attend votre code secret"),
        (Outcome.NOT_PAID, "non payé. Rien n'a été débité pour 5 votes, code 07"),
        (Outcome.UNCLEAR, "dossier 424"),
    ],
)
def test_a_debited_voter_is_answered_with_the_outcome(outcome: Outcome, expected: str) -> None:
    call = Call().type("5")
    assert call.turn.wants is Wants.RESCUE
    assert call.turn.session is not None
    attempt = None if outcome is Outcome.NOTHING else ATTEMPT
    shown = rescue_shown(call.turn.session, call.view, Rescue(outcome, attempt, "424"))
    assert expected in shown.screen
    assert shown.screen.endswith("0 Retour")
    assert ("1 Signaler" in shown.screen) is (shown.session is not None and shown.session.page == 1)
    assert ("1 Signaler" in shown.screen) is (outcome in {"nothing", "not_paid", "waiting", "given_back"})


def test_a_problem_can_be_reported_only_where_that_is_offered() -> None:
    call = Call().type("5")
    assert call.turn.session is not None
    call.turn = rescue_shown(call.turn.session, call.view, Rescue(Outcome.COUNTED, ATTEMPT))
    assert call.type("1").turn.wants is Wants.RESCUE
    assert call.turn.session is not None
    call.turn = rescue_shown(call.turn.session, call.view, Rescue(Outcome.NOT_PAID, ATTEMPT))
    assert call.type("1").turn.wants is Wants.TICKET
    assert call.turn.session is not None
    shown = ticket_shown(call.turn.session, in_view(contact="0701020304"), "424")
    assert "Dossier 424 ouvert" in shown.screen
    assert "Contact: 0701020304" in shown.screen
    call.type("0").shows("1 Candidats")


def test_a_mistyped_code_is_distinguished_from_an_unknown_one_and_places_no_vote() -> None:
    people = tuple(Candidate(candidate_id(n), with_check_digit(f"{n:02d}"), f"Nom {n}") for n in range(1, 60))
    seen = in_view(check_digits=True, candidates=people)
    for person in people:
        for place in range(len(person.code)):
            for digit in "0123456789":
                wrong = person.code[:place] + digit + person.code[place + 1 :]
                if wrong != person.code and not wrong.startswith("00"):
                    call = Call(seen).type(wrong)
                    call.shows(f"Code {wrong} mal tapé.", "1 Candidats")
        swapped = person.code[1] + person.code[0] + person.code[2:]
        if swapped != person.code and not swapped.startswith("00"):
            Call(seen).type(swapped).shows("mal tapé")
    Call(seen).type(with_check_digit("77")).shows("inconnu")
    Call(seen).type(people[0].code).shows("Combien de votes?")


def test_packs_are_offered_and_the_number_is_typed_as_ever() -> None:
    call = Call(in_view(packs=(10, 25))).type("07").shows("Ex. 10 = 1 000 FCFA, 25 = 2 500 FCFA", "Combien de votes?")
    call.type("25").shows("25 votes pour 07", "Total 2 500 FCFA")
