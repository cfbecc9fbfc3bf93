"""Votes by Telegram through the real processes: a person, the bot, a PIN, a receipt."""

import itertools
import os
import re
import signal
from typing import Any

import pytest

from tests.country import Country, until
from tests.journeys.test_votes import receipt_in

pytestmark = pytest.mark.journey

_people = itertools.count(7_001)


class Person:
    """A person with a Telegram account and a phone."""

    def __init__(self, country: Country, number: str, language: str = "fr") -> None:
        self.id = next(_people)
        self.number = number
        self.phone = country.phone(number)
        self._language = language
        self._path = f"/telegram/people/{self.id}"
        self._sandbox = country.sandbox

    def act(self, what: str, **body: Any) -> dict[str, Any]:
        words = {"language_code": self._language, **body} if body else None
        answer: dict[str, Any] = self._sandbox.post(f"{self._path}/{what}", json=words).raise_for_status().json()
        return answer

    def send(self, text: str) -> None:
        self.act("send", text=text)

    def share(self, **more: Any) -> None:
        self.act("contact", phone=self.number, **more)

    def chat(self) -> list[dict[str, Any]]:
        """What the bot wrote, as it is now."""
        shown = self._sandbox.get(f"{self._path}/chat").raise_for_status().json()
        return [message for message in shown if message["from"] == "bot"]

    def reads(self, word: str, after: int = 0, seconds: float = 30) -> dict[str, Any]:
        """The newest message with this word, once there is one."""

        def look() -> dict[str, Any] | None:
            found = (m for m in reversed(self.chat()) if word in m["text"] and m["id"] > after)
            return next(found, None)

        try:
            return until(look, f"a message with {word!r}", seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; there is {[m['text'] for m in self.chat()]}") from None

    def tap(self, label: str, times: int = 1) -> dict[str, Any]:
        """Tap the newest button that begins so; its message."""

        def look() -> tuple[dict[str, Any], str] | None:
            for message in reversed(self.chat()):
                for button in itertools.chain.from_iterable(message["buttons"]):
                    if button["text"].startswith(label) and "data" in button:
                        return message, button["data"]
            return None

        message, data = until(look, f"a button {label!r}")
        self.act("tap", message_id=message["id"], data=data, times=times)
        return message


@pytest.fixture
def awa(country: Country) -> Person:
    number = f"+22505994400{next(_people) % 100:02d}"
    return Person(country, number)


def order(person: Person, code: str, count: int) -> dict[str, Any]:
    """From /start to the order; the message of the order."""
    person.send(f"/start c_star_{code}")
    person.reads("Combien de votes")
    person.send(f"{code} {count}")
    person.reads("Quel numéro paie")
    person.share()
    person.reads("Total")
    return person.tap("Payer ")


def test_a_vote_from_deep_link_to_receipt(country: Country, awa: Person) -> None:
    before = country.votes("09")
    awa.send("/start c_star_09")
    awa.reads("Combien de votes")
    awa.tap("5 votes")
    awa.reads("Quel numéro paie")
    awa.share()
    awa.reads("vérifié")
    awa.reads("Total : 500 FCFA")
    texts = awa.phone.inbox()
    placed = awa.tap("Payer 500", times=2)
    awa.phone.wait_for_prompt()
    asked = awa.reads("validez la demande MTN MoMo")
    assert asked["id"] == placed["id"], "the confirmation is edited"
    awa.phone.approve()
    counted = awa.reads("Compté")
    assert counted["id"] == placed["id"]
    text = awa.reads("Reçu", after=placed["id"])["text"]
    assert f"Vérifier : {country.gateway_url}/verify/" in text
    receipt = receipt_in(text)
    assert receipt in counted["text"]
    # Others may still be voting for the same candidate.
    until(lambda: country.votes("09") >= before + 5, "five more votes")
    taken = [line["amount"] for line in country.statement() if line["msisdn"].endswith(awa.phone.number[-10:])]
    assert taken == ["500"], "once, though the button was tapped twice"
    assert awa.phone.inbox() == texts, "answered in the chat, so no text costs anything"
    awa.send("/mesvotes")
    assert receipt in awa.reads("Vos votes")["text"]
    awa.send(f"/verifier {receipt.lower()}")
    assert "5 votes" in awa.reads("du décompte")["text"]


def test_words_are_read_as_texts_are_and_order_nothing(country: Country, awa: Person) -> None:
    awa.send("/start c_star_07")
    seen = awa.reads("Combien de votes")["id"]
    for words, expected in (
        ("VOTE 5 Fatou", "Quel numéro paie les 5 votes pour 07 Fatou Coulibaly, 500 FCFA"),
        ("07 cinq", "Quel numéro paie les 5 votes pour 07"),
        ("10 07", "Que voulez-vous dire"),
        ("07 5 0000", "jamais votre code secret"),
        ("07 1000", "100 000 FCFA : c'est le prix de 1 000 votes"),
        ("STOP", "rien n'est commandé"),
        ("on a pris mon argent", "Aucune commande d'ici"),
    ):
        awa.send(words)
        seen = awa.reads(expected, after=seen)["id"]
    assert awa.phone.prompt() is None


def test_declined_says_why_and_offers_another_try(country: Country, awa: Person) -> None:
    before = country.votes("10")
    placed = order(awa, "10", 2)
    awa.phone.wait_for_prompt()
    awa.phone.decline()
    failed = awa.reads("Non payé. Vous avez refusé la demande")
    assert failed["id"] == placed["id"]
    awa.tap("Réessayer")
    awa.reads("Total : 200 FCFA", after=placed["id"])
    again = awa.tap("Payer 200")
    assert again["id"] != placed["id"]
    awa.phone.wait_for_prompt()
    awa.phone.approve()
    awa.reads("Compté", after=placed["id"])
    until(lambda: country.votes("10") == before + 2, "two more votes")


def test_another_persons_number_is_asked_but_never_texted(country: Country, awa: Person) -> None:
    owner = country.phone("+2250544449901")
    awa.send("/start c_11")
    awa.reads("Combien de votes")
    awa.send("11 1")
    awa.reads("Quel numéro paie")
    awa.act("contact", phone="+2250544449901", own=False, user_id=99_999)
    awa.reads("n'est pas le vôtre")
    awa.send("05 44 44 99 01")
    awa.reads("son propriétaire")
    awa.tap("Payer 100")
    owner.wait_for_prompt()
    owner.decline()
    awa.reads("refusé la demande")
    assert owner.inbox() == []
    assert awa.phone.inbox() == []


def test_a_wrong_code_and_a_forged_button_change_nothing(country: Country, awa: Person) -> None:
    total = country.gateway.get("/api/contests/star/leaderboard").json()["totalVotes"]
    awa.send("/start c_99")
    card = awa.reads("Aucun candidat n'a le code 99")
    awa.send("98 5")
    awa.reads("98")
    for data in ("y:0:07:5:m:me", "💥", "y:000000000000:07:5:m:2250544440099"):
        awa.act("tap", message_id=card["id"], data=data, forge=True)
    awa.send("/aide")
    awa.reads("/mesvotes")
    assert country.gateway.get("/api/contests/star/leaderboard").json()["totalVotes"] == total


def test_the_language_is_switched_in_the_middle(country: Country, awa: Person) -> None:
    awa.send("/start")
    awa.reads("Quel vote")
    awa.tap("Star d'Abidjan")
    awa.reads("Choisissez un candidat")
    awa.send("/langue")
    awa.reads("Language")
    awa.tap("English")
    awa.reads("I write to you in English")
    awa.send("12")
    awa.reads("How many votes?")
    awa.tap("1 vote")
    awa.reads("Which number pays")
    awa.share()
    awa.reads("Paid by MTN MoMo")


def test_a_blocked_chat_gets_its_receipt_by_text(country: Country, awa: Person) -> None:
    order(awa, "12", 1)
    awa.phone.wait_for_prompt()
    awa.act("block")
    awa.phone.approve()
    receipt_in(awa.phone.wait_for_text("Recu"))


def test_the_ranking_keeps_itself_up_to_date(country: Country, awa: Person) -> None:
    awa.send("/start c_star_08")
    awa.reads("Combien de votes")
    awa.send("/classement")
    board = awa.reads("En direct")
    voter = country.phone("+2250544449902")
    voter.dial("*789*08*3*1#")
    voter.wait_for_prompt()
    voter.approve()
    voter.wait_for_text("Recu")
    until(
        lambda: next(m for m in awa.chat() if m["id"] == board["id"])["text"] != board["text"] or None,
        "the ranking to change by itself",
    )


def test_updates_that_telegram_repeats_are_one_order(country: Country, awa: Person) -> None:
    before = country.votes("02")
    country.control(telegram={"double_updates": "at_once"})
    try:
        order(awa, "02", 1)
        awa.phone.wait_for_prompt()
        awa.phone.approve()
        awa.reads("Compté")
    finally:
        country.control(telegram={"double_updates": "no"})
    until(lambda: country.votes("02") == before + 1, "one more vote")


def test_a_gateway_that_dies_meanwhile_loses_no_vote_and_no_edit(country: Country, awa: Person) -> None:
    before = country.votes("04")
    placed = order(awa, "04", 1)
    awa.phone.wait_for_prompt()
    os.kill(country.pids()["serve"], signal.SIGKILL)
    # Telegram brings this again and again until a process keeps it, after ever longer times.
    awa.send("/mesvotes")
    awa.phone.approve()
    assert awa.reads("Compté", seconds=90)["id"] == placed["id"]
    assert "04" in awa.reads("Vos votes")["text"]
    until(lambda: country.votes("04") == before + 1, "one more vote")


def test_a_wrong_secret_is_turned_away(country: Country) -> None:
    for headers in ({}, {"X-Telegram-Bot-Api-Secret-Token": "guess"}):
        assert country.gateway.post("/telegram/webhook", json={"update_id": 1}, headers=headers).status_code == 401


def test_an_unanswered_prompt_is_shown_and_can_be_tried_again(country: Country, awa: Person) -> None:
    before = country.votes("03")
    country.control(expire_after_seconds=1)
    try:
        placed = order(awa, "03", 1)
        text = awa.reads("Non payé. La demande n'a pas été validée à temps")
        assert text["id"] == placed["id"]
    finally:
        country.control(expire_after_seconds=None)
    awa.tap("Réessayer")
    awa.reads("Total : 100 FCFA", after=placed["id"])
    awa.tap("Payer 100")
    awa.phone.wait_for_prompt()
    awa.phone.approve()
    awa.reads("Compté")
    until(lambda: country.votes("03") == before + 1, "one more vote")


def test_orange_is_paid_on_its_page_from_the_chat(country: Country) -> None:
    voter = Person(country, f"+22507444400{next(_people) % 100:02d}")
    before = country.votes("05")
    order(voter, "05", 2)
    voter.reads("page Orange Money")
    link = until(
        lambda: next((b["url"] for m in voter.chat() for row in m["buttons"] for b in row if "url" in b), None),
        "a button that leads to the page",
    )
    code = re.search(r"\b\d{4}\b", voter.phone.dial("#144*82#"))
    assert code
    paid = {"payment_url": link, "code": code.group()}
    country.sandbox.post(f"/phones/{voter.number}/orange_pay", json=paid).raise_for_status()
    voter.reads("Compté")
    until(lambda: country.votes("05") == before + 2, "two more votes")
