"""Replies to an open question, and PINs that must not be kept: tables of cases."""

from dataclasses import replace
from typing import Final

import pytest

from channels.grammar import Ask, Vote, may_reply, read, replied, without_pin
from tests.channels.grammar.test_as_people_write import MISS, RECEIPT, STAR, meaning

ASKED: Final = Vote(STAR, "07", 5)

REPLIES: Final = {
    "yes": [
        *("OUI", "oui svp", "yes", "OK", "ok merci", "1", "oui!", "OUI 5", "oui 07", "Oui 5 votes", "OK 07 5"),
        *("yes 5 07", "oui cinq", "oui vote 07 5", "ok 5x07", "oui pour 07", "YES for 07 please"),
    ],
    "ask reading: 07 x5 | 07 x10 | 10 x1": ["OUI 10", "yes 10", "ok 10 svp", "10", "10.", "non 10", "OUI, 10 merci"],
    "ask reading: 07 x5 | 07 x11 | 11 x1": ["ok 11", "11", "Oui 11"],
    "ask reading: 07 x5 | 07 x3 | 03 x1": ["OUI 3", "3"],
    "ask reading: 07 x5 | 03 x1": ["OUI 03", "03", "oui 003"],
    "ask reading: 07 x5 | 07 x10": ["10 votes", "oui 10 votes", "oui dix", "dix", "OUI 10 voix svp"],
    "ask reading: 07 x5 | 10 x1": ["pour 10", "oui pour la 10", "candidat 10", "Oui le numero 10"],
    "ask reading: 07 x5 | 07 x7 | 07 x1": ["OUI 7", "7"],
    "ask reading: 07 x5 | 05 x1": ["5"],
    "ask reading: 07 x5 | 07 x1": ["07", "1 vote", "un"],
    "ask reading: 07 x5 | 07 x50": ["OUI 50", "50"],
    "ask reading: 07 x5 | 08 x5": ["ok vote 08 5", "OUI 08 5", "yes 5 votes for 08"],
    "ask reading: 07 x5 | 07 x10000": ["OUI 10000"],
    "ask reading: 07 x5": ["OUI 99999999", "oui 07 Fatou 5 et 3", "ok fatou"],
    "ask pin: 07 x5": ["OUI 0000", "OUI 4821", "OUI ****", "0000"],
    "nothing but a question of its own": ["VOTE 08 3 ****"],
    "nothing": [
        *("07 5", "VOTE 10", "V 10", "VOTE 08 5", "08 5", "10 12 3", "STOP", "NON", "merci", "Awa 5", "INFO", "AIDE"),
        *("j'ai 1 question", "annuler", "DEBITE", RECEIPT, "ok je regarde", "SOLDE", "", "0501020304 c'est moi"),
    ],
}


@pytest.mark.parametrize(("text", "expected"), [(text, meant) for meant, texts in REPLIES.items() for text in texts])
def test_a_reply_to_five_votes_for_07(text: str, expected: str) -> None:
    meant = replied(text, read(text, [STAR]), ASKED)
    if expected.startswith("nothing"):
        assert meant is None
        return
    assert may_reply(text)
    assert meant == ASKED if expected == "yes" else isinstance(meant, Ask) and meaning(meant) == expected, meant


HOW_MANY: Final = {
    "ask reading: 07 x10 | 10 x1": ["10", "oui 10", "10 svp"],
    "ask what: 07 x5": ["cinq", "5 votes"],
    "ask what: 07 x1": ["un", "1 vote"],
    "ask reading: 07 x1 | 01 x1": ["1"],
    "ask reading: 07 x5 | 05 x1": ["5"],
    "ask what: 07 x30": ["30"],
    "ask what: 10 x1": ["pour 10"],
    "ask what: 03 x1": ["03"],
    "ask what": ["99999999"],
    "ask quantity": ["OUI", "ok"],
    "nothing": ["VOTE 07 5", "07 5", "merci", "AIDE"],
}


@pytest.mark.parametrize(("text", "expected"), [(text, meant) for meant, texts in HOW_MANY.items() for text in texts])
def test_a_reply_to_how_many_votes_for_07(text: str, expected: str) -> None:
    meant = replied(text, read(text, [STAR]), Vote(STAR, "07", 0))
    assert (meaning(meant) if meant is not None else "nothing") == expected


@pytest.mark.parametrize("text", ["VOTE 07", "VOTE 10", "07 5", "VOTE 07 5", "merci", "AIDE", "STOP", "", "v 10"])
def test_a_plain_order_asks_nothing_of_the_database(text: str) -> None:
    assert not may_reply(text)


KEPT: Final = [
    ("VOTE 07 5 0000", "VOTE 07 5 ****"),
    ("VOTE 07 5 48213 svp", "VOTE 07 5 ***** svp"),
    ("07 5, 0000.", "07 5, ****."),
    ("OUI 0000", "OUI ****"),
    ("oui 4821 merci", "oui **** merci"),
    ("0000", "****"),
    ("Mon code PIN est 1234", "Mon code PIN est ****"),
    ("1234 pin", "**** pin"),
    ("VOTE 07 pin: 123456", "VOTE 07 pin: ******"),
    ("07 5\n4821", "07 5\n****"),
    ("07 5 mon code 4455", "07 5 mon code ****"),
    ("07 5 voix svp 4455", "07 5 voix svp ****"),
    ("mon code est 4455", "mon code est ****"),
    ("code 1234", "code 1234"),
    *[
        (text, text)
        for text in (
            *("VOTE 07 5", "0705", "VOTE 07 1000", "VOTE 07 5 500", "VOTE 07 10 1000", "07 5 5000F", "VOTE 07 2026"),
            *("VOTE 07 5 0501020304", "VOTE 07 5\nAwa 0501020304", "VOTE 07 5\nNokia 3310", "OUI 1000", "1234", ""),
            *("VOTE 0007 5", "00007", f"CHECK {RECEIPT}", "VOTE 07 1 000", "VOTE 07 x2026", "10000000", "star 07 5 3"),
        )
    ],
]


@pytest.mark.parametrize(("text", "kept"), KEPT)
def test_what_is_kept_of_a_text(text: str, kept: str) -> None:
    assert without_pin(text, [STAR, MISS]) == kept
    assert meaning(read(kept, [STAR])) == meaning(read(text, [STAR]))


def test_a_code_of_the_contest_is_no_pin() -> None:
    wide = replace(STAR, candidates=tuple(replace(c, code=f"12{c.code}") for c in STAR.candidates), _by_code={})
    assert without_pin("1207 5 1207", [wide]) == "1207 5 1207"
    assert without_pin("1207 5 1299", [wide]) == "1207 5 ****"
    assert without_pin("VOTE 0207 5", [wide]) == "VOTE 0207 5"
    assert without_pin("VOTE 07 5 0000", []) == "VOTE 07 5 0000"
