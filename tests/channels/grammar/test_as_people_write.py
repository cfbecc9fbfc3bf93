"""Texts as people write them, each with what it means. A meaning is written as `meaning` does it.

`07 x5` an order · `ask price` a question · `ask price: 07 x5` a question that YES answers · `… | 10 x7` what
else may be meant · `say top en` a word, with its language · `check` a receipt · `noise` nothing to answer.
"""

from dataclasses import replace
from typing import Final
from uuid import UUID

import pytest

from channels import gsm
from channels.grammar import Ask, Check, Command, Noise, Say, Vote, affirms, read
from channels.sms import answers
from gateway.contests.contest import Contest
from gateway.orders.receipt import make_receipt
from gateway.values.check_digit import with_check_digit
from tests.demo import demo_contest

STAR = demo_contest()
MISS = replace(STAR, id=UUID(int=2), slug="miss", name="Miss Abobo", keyword="MISS26", _by_code={})
# 013, 021, 037 ... 128: the codes of the demo with their check digits.
CHECKED = replace(
    STAR,
    check_digits=True,
    candidates=tuple(replace(c, code=with_check_digit(c.code)) for c in STAR.candidates),
    _by_code={},
)
RECEIPT = make_receipt(123_456_789_012)
TYPO = f"{RECEIPT[:4]}{RECEIPT[5]}{RECEIPT[4]}{RECEIPT[6:]}"

ALONE: Final = {
    "07 x5": [
        *("VOTE 07 5", "vote 07 5", "Vote 07 5.", "vote07 5", "VOTE07x5", "vote 07x5", "Vote 07 X 5", "VOTE 07*5"),
        *("V 07 5", "v07 5", "V 7 x5", "V.7.5", "v7x5", "VOTER 07 5", "votez 07 5", "Voter pour 07 5", "vot 07 5"),
        *("STAR 07 5", "star 07*5", "Star07 5", "STAR VOTE 07 5", "vote star 07 5", "VOTE 07 5 STAR", "07 5 star"),
        *("07 5", "07-5", "07x5", "07/5", "07,5", "07.5", "07:5", "07;5", "07_5", "7 5", "#07 5", "07 = 5"),
        *("VOTE 07 5 fois", "VOTE 07 5 votes", "vote 07 5 voix", "vote 07 5 voix merci", "07 5 times", "07 fois 5"),
        *("Vote n°07, 5 votes", "vote no 07 5", "vote num 07 5", "Vote numéro 07: 5 voix", "VOTE CODE 07 5"),
        *("vote for 07 5", "vote for number 07 5 please", "I want to vote 07 5", "Je vote 07 5", "je veux voter 07 5"),
        *("Bonjour, vote 07 5 svp", "Bonsoir je vote pour la candidate 07 5 fois", "hello vote 07 5", "ok vote 07 5"),
        *("VOTE+07+5", "VOTE%2007%205", '"VOTE 07 5"', "«VOTE 07 5»", "(vote 07 5)", "VOTE/07/5", "VOTE-07-5"),
        *("vote 07 5 🔥", "🔥🔥 VOTE 07 5 ❤️", "VOTE 07 x 5️⃣", "0️⃣7️⃣ x 5️⃣", "VOTE\u00a007\u00a05", "VOTE\u202f07\u202f5"),
        *("\u200eVOTE 07 5\u200f", "ＶＯＴＥ　０７　５", "VOTE ٠٧ ٥", "V0TE 07 5", "VÔTE 07 5", "  vote   07    5  "),
        *("VOTE O7 5", "vote o7 5", "VOTEO7 5", "VOTE 007 5", "VOTE 07 05 votes", "VOTE 07 × 5", "VOTE 07 - 5"),
        *("VOTE0705", "vote075", "0705", "VOTE 07\n5", "VOTE 07 5\nAwa de Yopougon", "VOTE 07 5\n\n-- \nMTN CI"),
        *("VOTE 07 5\nEnvoyé de mon iPhone 12", "VOTE 07 5\nAwa 0501020304", "\n\nvote 07 5", "VOTE 07 5\nmerci bcp"),
        *("VOTE 07 cinq", "star 07 cinq", "07 cinq", "vote 07 x cinq", "Vote 07 five", "VOTE 07 Cinq votes"),
        *("5 votes pour 07", "5 voix pour le 07", "five votes for 07 please", "cinq votes pour le candidat 07"),
        *("VOTE Awa Ouattara 5", "vote awa ouattara x5", "VOTE AWA OUATTARA CINQ", "Voter pour Awa Ouattara 5 fois"),
        *("VOTE 07 Awa Ouattara 5", "VOTE Awa Ouattara 07 5"),
    ],
    "07 x1": [
        *("VOTE 07", "07", "v7", "V 07", "star 07", "07 svp", "VOTE 07 merci", "vote pour 07", "Je vote 07"),
        *("vote awa ouattara", "VOTE 07 un", "vote 07 une fois", "1 vote pour 07", "un vote pour 07", "VOTE 07 x1"),
    ],
    "10 x10": ["VOTE 10 10", "v10x10", "VOTE 10 dix", "vote 1O 10", "10 votes pour 10"],
    "12 x2": ["VOTE 12 2", "vote l2 2", "VOTE I2 2", "vote 12 deux", "12 two"],
    "01 x3": ["VOTE 01 3", "vote 1 3", "VOTE AYA KONE 3", "vote Aya Koné 3 fois"],
    "02 x2": ["VOTE Kouadio N'Guessan 2", "vote kouadio n’guessan 2", "VOTE KOUADIO N GUESSAN 2"],
    "07 x10": ["VOTE 07 10", "07 10", "10 votes pour 07", "O7 10", "7 10 votes", "v7x10"],
    "07 x20": ["07 20", "20 votes pour 07"],
    "12 x10": ["VOTE 12 10", "star 12 10", "12x10", "12 10 votes"],
    "10 x7": ["VOTE 10 7", "10 7", "07 votes pour 10"],
    "ask large: 07 x2026": ["VOTE 07 x2026", "VOTE 07 2026 votes", "2026 votes pour 07"],
    "ask large: 07 x10000": ["VOTE 07 10000"],
    "ask large: 07 x1000": ["07 1000", "VOTE 07 1000\nAwa", "1000 votes pour 07", "VOTE Awa Ouattara 1000"],
    "ask large: 07 x21": ["07 21"],
    "ask reading: 07 x10 | 10 x7": ["10 07", "VOTE 10 07", "10 x 07", "10 07 votes", "star 10 07"],
    "ask reading: 07 x5 | 05 x7": ["07 05", "VOTE 07 05", "07x05"],
    "ask reading: 07 x3 | 03 x7": ["07x03"],
    "ask reading: 12 x10 | 10 x12": ["12 10", "12 10 svp"],
    "ask reading: 10 x5 | 05 x10": ["5 10", "VOTE 5 10", "5x10"],
    "ask reading: 12 x7 | 07 x12": ["7 12"],
    "ask reading | 07 x1 | 05 x7": ["VOTE 07 Fatou", "fatou 07"],
    "ask several | 07 x5 | 03 x2": ["VOTE 07 5, 03 2", "07 5 03 2", "VOTE 07 5\nVOTE 03 2", "VOTE 07 5\n03 2"],
    "ask several | 07 x5 | 08 x3": ["07 5 et 08 3", "vote 07 5 and 08 3", "VOTE 07 5 puis 08 3 svp"],
    "ask several | 07 x1 | 03 x1": ["07 et 03", "07 and 03"],
    "ask pin: 07 x5": [
        *("VOTE 07 5 0000", "vote 07 5 4821", "07 5 12345", "VOTE 07 5 ****", "07 5 pin 1234", "07 5\n0000"),
        *("VOTE 07 5 code secret: 1234", "5x07 0000"),
    ],
    "ask pin: 07 x1": ["VOTE 07 0000", "07 0000"],
    "ask pin": ["0000", "OUI 0000", "ok 4821", "mon pin est 1234", "PIN 12345", "1234 pin", "mot de passe 123456"],
    "ask what": [
        *("VOTE", "vote", "star", "VOTE 500", "vote 1000", "VOTE 2026", "VOTE 2027", "1", "2", "7", "v", "VOTE ?"),
        *("VOTE 0501020304", "0501020304", "VOTE 07 0501020304", "VOTE 07 5 0501020304", "07 5 +2250501020304"),
        *("VOTE 07 5 3", "VOTE 07 1 000", "VOTE 07 1.5", "vote 07 03 08", "07 5 500", "5 votes", "OUI 1000"),
        *("VOTE 07 5\n12", "1 vote", "07 10 1000", "5 votes pour 07 et 3 pour 08"),
        *("non stop 07", "je ne vote pas 07 5", "vote 07 5 NON", "rdv le 12"),
        *("VOTE Awa Ouattara 03 5", "07 un million", "07 5 et 07 3"),
    ],
    "ask what: 07 x5": [
        *("5x07", "5 x 07", "5 fois 07", "VOTE 5 07", "VOTE cinq 07", "stra 07 5", "VOTE 07 5 bonne chance"),
        *("vote 07 5 de la part de Moussa", "VOTE 5 Awa Ouattara", "5 votes pour Awa Ouattara"),
        *("oui 07 5", "5 pour 07", "5 votes 07", "5 a la candidate 07", "combien pour 5 votes pour 07"),
        *("07 5 how much", "VOTE 07 5 " + "a" * 200, "07 5 " + "bonne chance " * 14),
    ],
    "ask what: 07 x1": ["VOTE 07 Awa", "OUI 07"],
    "ask what: 10 x1": ["OUI 10", "yes 10", "oui pour 10"],
    "ask what: 11 x1": ["ok 11"],
    "ask what: 07 x10": ["10 pour 07", "10 votes 07"],
    "ask what: 05 x10": ["fatou 10", "10 fatou"],
    "ask what: 07 x20": ["07 vingt", "vingt pour 07"],
    "ask what: 07 x97": ["07 quatre-vingt-dix-sept"],
    "ask what: 07 x200": ["VOTE 07 deux cents"],
    "ask what: 07 x500": ["vote 07 five hundred"],
    "ask what: 07 x99": ["99 07"],
    "ask what: 10 x5": ["VOTE 105", "VOTE105"],
    "ask what: 12 x30": ["12:30", "RDV 12 30"],
    "ask price: 07 x5": [
        *("VOTE 07 500F", "vote 07 500 f", "VOTE 07 500 FCFA", "VOTE 07 500 francs cfa", "vote 500F 07"),
        *("5 votes 500 francs pour la 07", "vote 07, 5 votes = 500F", "500 F pour la candidate 07"),
    ],
    "ask price": [
        *("VOTE 500F", "VOTE 07 550F", "VOTE 07 F", "5 votes 300 francs pour la 07", "VOTE 99 500F", "star 500 f"),
    ],
    "ask quantity": [
        *("VOTE 07 0", "VOTE 07 -5", "VOTE 07 \u22125", "VOTE 07 x", "VOTE 07 x-5", "VOTE 07 beaucoup", "VOTE 07 2026"),
        *("VOTE 07 пять", "VOTE 07 五", "VOTE 07 pour ma soeur"),
    ],
    "ask quantity: 07 x20": ["VOTE 07 vingt"],
    "ask quantity: 07 x5": ["VOTE 7 cinq", "vote 7 five"],
    "ask too_many": ["VOTE 07 10001", "VOTE 07 99999", "VOTE 07 1000000000"],
    "ask unknown_code": ["VOTE 99", "VOTE 99 5", "99 5", "VOTE 13", "VOTE 00 5", "star 99", "VOTE -07 5"],
    "ask which_candidate": ["VOTE Awa beaucoup"],
    "ask which_candidate: 07 x50": ["vote Awa Awa cinquante"],
    "ask which_candidate: 07 x1": ["VOTE Awa", "Awa Ouattara", "vote ouattara", "vote ouatara", "VOTE OUATTARA AWA"],
    "ask which_candidate: 05 x3": ["je veux 3 fatou", "3 fatou", "Fatou 3", "fatou x3"],
    "ask which_candidate: 05 x5": ["VOTE 5 Fatou", "fatou 5", "vote fatou cinq", "cinq pour fatou"],
    "ask which_candidate: 05 x500": ["fatou cinq cents"],
    "ask which_candidate: 07 x2": ["je donne 2 a Awa Ouattara", "2 pour awa svp"],
    "ask which_candidate: 07 x5": ["VOTE Awa 5", "vote ouattara 5", "voter pour Awa cinq fois", "vote awa 500f"],
    "say help fr": ["AIDE", "aide", "Aide svp", "star aide", "aidez moi"],
    "say help en": ["HELP", "help!", "Help me"],
    "say info": ["INFO", "infos", "info star"],
    "say info fr": ["prix", "tarif ?", "Règlement", "combien ça coûte?", "C'est combien le vote", "quel est le prix"],
    "say info en": ["how much does it cost?", "what is the price"],
    "say debited fr": [
        *("rembourser", "Remboursez moi", "on a pris mon argent", "arnaque", "annuler", "annuler 07 5", "pas recu"),
        *("pas encore reçu mon vote", "je n'ai rien reçu", "voleurs!!", "vous avez pris mes sous", "VOTE 07 5 annulé"),
        *("j'ai payé mais pas de vote", "mon vote n'est pas compté", "Arnaque " + "je veux parler a quelqu'un " * 8),
    ],
    "say debited en": [
        *("refund", "scam", "my money!", "cancel", "I did not receive it", "vote not counted"),
        "I paid and got nothing",
    ],
    "say stop": ["STOP", "stop.", "Stop !", "STOP VOTE", "stop vote 07 5", "STAR STOP", "STOP STAR", "stop merci"],
    "say stop fr": ["Arrêt", "ARRETER", "arrêtez svp", "désabonner"],
    "say stop en": ["unsubscribe", "STOPALL"],
    "say start": ["START", "start star"],
    "say start fr": ["reprendre", "REPRENDRE SVP"],
    "say status fr": ["SOLDE", "Solde star", "statut"],
    "say status": ["STATUS", "status?"],
    "say top": ["TOP", "top 5", "Top star", "star top"],
    "say top fr": ["classement", "Classement svp", "résultats"],
    "say top en": ["ranking", "results"],
    "say yes fr": ["OUI", "oui svp", "Oui."],
    "say yes en": ["yes", "YES please"],
    "say no fr": ["non", "NON merci"],
    "say no en": ["no"],
    f"check {RECEIPT}": [
        *(f"CHECK {RECEIPT}", f"check {RECEIPT.lower()}", f"STAR CHECK {RECEIPT}", f"verifier recu {RECEIPT}"),
        *(f"VERIF {RECEIPT}", f"verif. {RECEIPT}", f"PREUVE {RECEIPT}"),
        *(f"CHECK {RECEIPT[:5]}-{RECEIPT[5:]}", f"Vérifier {RECEIPT[:5]} {RECEIPT[5:]}", RECEIPT, f"reçu {RECEIPT}"),
        *(f"check {RECEIPT.replace('0', 'O')}", f"CHECK {RECEIPT} svp", f"check {RECEIPT} star", f"check:{RECEIPT}"),
    ],
    "check?": ["CHECK", "check svp", f"CHECK {RECEIPT[:9]}", f"CHECK {TYPO}", TYPO, "vérifier mon reçu", "CHECK 07 5"],
    "noise": [
        *("", "   ", "?", "!!!", "🔥🔥", "merci", "ok", "ok merci", "bonjour", "RDV 14h30", "C'est qui ?", "lol"),
        *("bonne chance fatou", "fatou", "fatou est une reine"),
    ],
}  # fmt: skip


def meaning(command: Command) -> str:
    """In few words."""
    match command:
        case Vote():
            return f"{command.code} x{command.quantity}"
        case Ask():
            first = f"ask {command.doubt.value}" + (f": {meaning(command.offer)}" if command.offer else "")
            return " | ".join((first, *map(meaning, command.readings)))
        case Check():
            return f"check {command.receipt}" if command.receipt else "check?"
        case Say():
            return " ".join(filter(None, ("say", command.word.value, command.language)))
        case Noise():
            return "noise"


CASES = [(text, expected) for expected, texts in ALONE.items() for text in texts]


def test_there_are_enough() -> None:
    assert len({text for text, _ in CASES}) == len(CASES) >= 250


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_a_text_means(text: str, expected: str) -> None:
    command = read(text, [STAR])
    assert meaning(command) == expected
    if isinstance(command, Ask):
        assert_asks_well(command, [STAR])


def assert_asks_well(command: Ask, sharing: list[Contest]) -> None:
    """One part, and an example that would be read as the vote that it shows."""
    question = answers.asked(command, sharing)
    assert gsm.fold(question) == question
    assert gsm.parts(question) == 1, question
    assert "{" not in question


SHARED: Final = {
    "star 07 x5": ["STAR 07 5", "star07x5", "07 5 star", "Vote STAR 07 5", "STAR 5 votes pour 07", "star 07 cinq"],
    "miss 07 x5": ["MISS26 07 5", "miss 26 07 5", "VOTE 07 5 miss26", "Miss26 Awa Ouattara 5"],
    "ask which_contest": ["VOTE 07 5", "07 5", "VOTE", "07", "vote Awa Ouattara", "STAR MISS26 07 5", "5x07"],
    "miss ask what: 07 x5": ["MISS26 5x07"],
    "star ask unknown_code": ["STAR 99 5"],
    "say top": ["TOP"],
    "star say top": ["TOP STAR"],
    "check?": ["MISS26CHECK", "star check"],
    f"check {RECEIPT}": [f"MISS26 CHECK {RECEIPT}", f"MISS26CHECK {RECEIPT}"],
    "say stop": ["STOP"],
    "noise": ["merci", "ok", "Awa Ouattara"],
}


@pytest.mark.parametrize(("text", "expected"), [(text, m) for m, texts in SHARED.items() for text in texts])
def test_two_contests_on_one_short_code(text: str, expected: str) -> None:
    command = read(text, [STAR, MISS])
    contest = None if isinstance(command, Check | Noise) else command.contest
    assert " ".join(filter(None, (contest.slug if contest else "", meaning(command)))) == expected
    if isinstance(command, Ask):
        assert_asks_well(command, [STAR, MISS])


@pytest.mark.parametrize("text", ["VOTE 07 5", "07", "5 votes pour 07", "TOP", "VOTE Awa 5"])
def test_a_contest_that_is_over_asks_for_no_keyword(text: str) -> None:
    command = read(text, [STAR, MISS], selling=[MISS])
    assert not isinstance(command, Check | Noise)
    assert command.contest is MISS
    named = read(f"STAR {text}", [STAR, MISS], selling=[MISS])
    assert not isinstance(named, Check | Noise)
    assert named.contest is STAR


AWA = CHECKED.candidates[6].code
WRONG = f"{AWA[:-1]}{(int(AWA[-1]) + 1) % 10}"
WITH_CHECK_DIGITS: Final = {
    f"{AWA} x5": [f"VOTE {AWA} 5", f"vote{AWA}x5", f"VOTE {AWA}5", f"O{AWA[1:]} 5", f"VOTE {AWA} cinq"],
    f"{AWA} x1": [AWA, f"VOTE {AWA}", f"vote {AWA.lstrip('0')}"],
    "ask unknown_code": [f"VOTE {WRONG} 5", f"VOTE O{WRONG[1:]} 5", WRONG, "VOTE 07 5", "VOTE 7 5"],
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), [(text, m) for m, texts in WITH_CHECK_DIGITS.items() for text in texts])
def test_codes_with_check_digits(text: str, expected: str) -> None:
    assert meaning(read(text, [CHECKED])) == expected


def test_a_mistyped_check_digit_is_distinguished_from_an_unknown_code() -> None:
    mistyped = read(f"VOTE {WRONG} 5", [CHECKED])
    unknown = read(f"VOTE {with_check_digit('77')} 5", [CHECKED])
    assert isinstance(mistyped, Ask)
    assert isinstance(unknown, Ask)
    assert "mal tapé" in answers.asked(mistyped, [CHECKED])
    assert "inconnu" in answers.asked(unknown, [CHECKED])


@pytest.mark.parametrize(
    "text", ["OUI", "oui", "Oui svp", "yes", "YES PLEASE", "ok", "OK merci", "1", " 1 ", "oui!", "1."]
)
def test_what_says_yes(text: str) -> None:
    assert affirms(text)


@pytest.mark.parametrize(
    "text", ["", "non", "no", "ok 07", "oui 07 5", "1 2", "11", "01", "merci", "pas ok", "one", "👍"]
)
def test_what_does_not(text: str) -> None:
    assert not affirms(text)
