"""The second demo contest, in Cameroon: another currency, other operators, the same service."""

import pytest

from tests.country import Country, until
from tests.journeys.test_votes import final, receipt_in

pytestmark = pytest.mark.journey


def votes(country: Country, code: str) -> int:
    board = country.gateway.get("/api/contests/mboa/leaderboard").raise_for_status().json()
    return next(int(entry["votes"]) for entry in board["entries"] if entry["code"] == code)


@pytest.mark.parametrize(
    ("number", "code", "wallet", "provider"),
    [("+237671110001", "03", "MTN MoMo", "mtn_momo"), ("+237691110002", "05", "Orange Money", "orange_money_cm")],
)
def test_by_ussd_with_either_wallet(country: Country, number: str, code: str, wallet: str, provider: str) -> None:
    phone = country.phone(number)
    assert "Miss Mboa" in phone.dial("*780#")
    phone.reply(code)
    confirm = phone.reply("4")
    assert wallet in confirm
    assert "400 FCFA" in confirm
    assert f"code secret {wallet}" in phone.reply("1")
    prompt = phone.wait_for_prompt()
    assert (int(prompt["amount"]), prompt["currency"]) == (400, "XAF")
    phone.approve()
    receipt_in(phone.wait_for_text("verify"))
    # By the short code of that country, which is another one.
    inbox = country.sandbox.get(f"/phones/{number}/inbox").json()
    assert {text["from"] for text in inbox} == {"7800"}
    until(lambda: votes(country, code) == 4, "four votes on the other board")
    lines = [line for line in country.statement(provider) if line["currency"] == "XAF"]
    assert [line["amount"] for line in lines if line["msisdn"] == number] == ["400"]


def test_by_text_and_a_decline_by_the_api(country: Country) -> None:
    phone = country.phone("+237671110003")
    phone.text("7800", "07 2")
    phone.wait_for_prompt()
    phone.approve()
    receipt_in(phone.wait_for_text("verify"))
    until(lambda: votes(country, "07") == 2, "two votes by text")
    wanted = {"contest": "mboa", "candidateCode": "07", "quantity": 1, "voterPhone": "+237691110004"}
    placed = country.gateway.post("/api/votes/initiate", json=wanted)
    assert placed.status_code == 201, placed.text
    assert placed.json()["currency"] == "XAF"
    refuser = country.phone("+237691110004")
    refuser.wait_for_prompt()
    refuser.decline()
    assert final(country, placed.json()["voteId"])["status"] == "FAILED"
    assert votes(country, "07") == 2


def test_a_number_of_the_other_country_cannot_pay(country: Country) -> None:
    wanted = {"contest": "mboa", "candidateCode": "07", "quantity": 1, "voterPhone": "+2250501020304"}
    assert country.gateway.post("/api/votes/initiate", json=wanted).status_code == 422
