"""Whole votes, as people cast them: a handset, a text, an API call; paid, counted, receipted."""

import re
from typing import Any

import httpx
import pytest
from redis import Redis

import channels.ussd.aggregators
from gateway.orders.receipt import read_receipt
from gateway.runtime.discovery import discover
from leaderboard.log.notes import Checkpoint, Note, VerifierKey
from tests.country import Country, until

pytestmark = pytest.mark.journey

AGGREGATORS = sorted(discover(channels.ussd.aggregators))


def receipt_in(text: str) -> str:
    """The receipt code that a text tells."""
    for word in re.findall(r"[0-9A-Z]{10}", text):
        if read_receipt(word):
            return str(word)
    raise AssertionError(f"no receipt in {text!r}")


def initiate(country: Country, **changes: Any) -> dict[str, Any]:
    body = {
        "contest": "star",
        "candidateCode": "07",
        "quantity": 5,
        "paymentMethod": "MTN_MOBILE_MONEY",
        "voterPhone": "+2250501020304",
        **changes,
    }
    response = country.gateway.post("/api/votes/initiate", json=body)
    assert response.status_code == 201, response.text
    answer: dict[str, Any] = response.json()
    return answer


def final(country: Country, vote_id: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        answer: dict[str, Any] = country.gateway.get(f"/api/votes/{vote_id}").raise_for_status().json()
        return None if answer["status"] == "PENDING" else answer

    return until(look, "the end of the order")


def test_by_ussd_screen_after_screen(country: Country) -> None:
    before = country.votes("07")
    phone = country.phone("+2250511110001")
    assert "Star d'Abidjan" in phone.dial("*789#")
    assert "07" in phone.reply("07")
    assert "500" in phone.reply("5")
    phone.reply("1")
    assert not phone.open
    prompt = phone.wait_for_prompt()
    assert (int(prompt["amount"]), prompt["currency"]) == (500, "XOF")
    phone.approve()
    receipt = receipt_in(phone.wait_for_text("verify"))
    until(lambda: country.votes("07") == before + 5, "five more votes on the board")
    proof = country.gateway.get(f"/verify/{receipt}", headers={"Accept": "application/json"}).raise_for_status().json()
    assert proof["quantity"] == 5
    assert "0511110001" not in str(proof)
    a_witness_has_it(country, receipt)


def a_witness_has_it(country: Country, receipt: str) -> None:
    """The vote is in a checkpoint of the public log that the witness beside the gateway cosigned and keeps."""
    written, witness = country.environment()["SPOTLIGHT_WITNESSES"].split()
    key = VerifierKey.read(written)

    def logged() -> dict[str, Any] | None:
        page = country.gateway.get(f"/verify/{receipt}", headers={"Accept": "application/json"})
        found: dict[str, Any] | None = page.json()["log"]
        return found

    line = until(logged, "the vote in the log")
    origin = Note.read(line["checkpoint"]).text.partition("\n")[0]

    def cosigned() -> Note | None:
        answer = httpx.get(f"{witness}/{origin}/checkpoint")
        if answer.status_code == 404:  # it has seen nothing of this log yet
            return None
        note = Note.read(answer.raise_for_status().text)
        return note if Checkpoint.read(note.text).size > line["index"] else None

    assert until(cosigned, "the witness's cosignature").verified([key])
    published = country.gateway.get("/c/star/log/checkpoint").raise_for_status().text
    assert f"— {key.name} " in published or Checkpoint.read(Note.read(published).text).size > line["treeSize"]
    assert witness in country.gateway.get("/c/star/log").text


def test_in_one_dial(country: Country) -> None:
    before = country.votes("02")
    phone = country.phone("+2250511110002")
    phone.dial("*789*02*3*1#")
    assert not phone.open
    phone.wait_for_prompt()
    phone.approve()
    receipt_in(phone.wait_for_text("verify"))
    until(lambda: country.votes("02") == before + 3, "three more votes")


def test_by_sms(country: Country) -> None:
    before = country.votes("03")
    phone = country.phone("+2250511110003")
    phone.text("7890", "vote 03 x4")
    phone.wait_for_prompt()
    phone.approve()
    receipt_in(phone.wait_for_text("verify"))
    until(lambda: country.votes("03") == before + 4, "four more votes")


def test_by_api(country: Country) -> None:
    before = country.votes("04")
    answer = initiate(country, candidateCode="04", voterPhone="+2250511110004", quantity=2)
    assert (answer["status"], answer["amount"], answer["currency"]) == ("PENDING", 200, "XOF")
    phone = country.phone("+2250511110004")
    phone.wait_for_prompt()
    phone.approve()
    ended = final(country, answer["voteId"])
    assert ended["status"] == "COMPLETED"
    assert read_receipt(ended["receipt"])
    assert receipt_in(phone.wait_for_text("verify")) == ended["receipt"]
    until(lambda: country.votes("04") == before + 2, "two more votes")


def test_same_key_same_answer_other_body_conflict(country: Country) -> None:
    body = {
        "contest": "star",
        "candidateCode": "05",
        "quantity": 1,
        "paymentMethod": "MTN_MOBILE_MONEY",
        "voterPhone": "+2250511110005",
    }
    headers = {"Idempotency-Key": "journey-double-click"}
    first = country.gateway.post("/api/votes/initiate", json=body, headers=headers)
    again = country.gateway.post("/api/votes/initiate", json=body, headers=headers)
    other = country.gateway.post("/api/votes/initiate", json={**body, "quantity": 2}, headers=headers)
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert other.status_code == 409
    assert other.headers["content-type"].startswith("application/problem+json")


def test_a_voter_who_dialled_and_declined_is_notified_by_sms(country: Country) -> None:
    before = country.votes("06")
    phone = country.phone("+2250511110006")
    phone.dial("*789*06*2*1#")
    phone.wait_for_prompt()
    phone.decline()
    text = phone.wait_for_text("*789*06*2*1#")
    assert "refus" in text
    assert country.votes("06") == before


def test_a_voter_who_texted_and_declined_is_notified_by_sms(country: Country) -> None:
    before = country.votes("06")
    phone = country.phone("+2250511110026")
    phone.text("7890", "VOTE 06 2")
    phone.wait_for_prompt()
    phone.decline()
    assert "VOTE 06 2 au 7890" in phone.wait_for_text("refus")
    assert country.votes("06") == before


def test_a_voter_of_the_web_who_declined_is_notified_on_the_page(country: Country) -> None:
    answer = initiate(country, candidateCode="06", voterPhone="+2250511110016")
    phone = country.phone("+2250511110016")
    phone.wait_for_prompt()
    phone.decline()
    ended = final(country, answer["voteId"])
    assert (ended["status"], ended["reason"], ended["receipt"]) == ("FAILED", "declined", None)
    page = country.gateway.get(f"/votes/{answer['voteId']}", headers={"Accept-Language": "fr"}).text
    assert "refus" in page
    assert phone.inbox() == []


def test_empty_wallet_counts_nothing(country: Country) -> None:
    country.control(balances={"+2250511110017": 50})
    answer = initiate(country, candidateCode="06", voterPhone="+2250511110017")
    phone = country.phone("+2250511110017")
    phone.wait_for_prompt()
    phone.approve()
    ended = final(country, answer["voteId"])
    assert (ended["status"], ended["reason"]) == ("FAILED", "no_funds")


def test_orange_gets_its_link_by_sms_and_pays_with_a_code(country: Country) -> None:
    before = country.votes("08")
    phone = country.phone("+2250711110008")
    phone.dial("*789*08*2*1#")
    link = re.search(r"https?://\S+", phone.wait_for_text("http"))
    assert link
    code = re.search(r"\b\d{4}\b", phone.dial("#144*82#"))
    assert code
    paid = country.sandbox.post(
        f"/phones/{phone.number}/orange_pay", json={"payment_url": link.group(), "code": code.group()}
    )
    paid.raise_for_status()
    receipt_in(phone.wait_for_text("verify"))
    until(lambda: country.votes("08") == before + 2, "two more votes")


def test_redis_holds_no_number(country: Country) -> None:
    phone = country.phone("+2250511110030")
    phone.dial("*789#")
    phone.reply("02")
    with Redis.from_url(country.environment()["REDIS_URL"]) as redis:
        names = [name for name in redis.scan_iter() if redis.type(name) == b"string"]
        held = b"\n".join([*redis.scan_iter(), *[found for found in redis.mget(names) if found]])
    assert any(name.startswith(b"session:") for name in names)
    assert b"11110030" not in held
    assert list((country.home / "valkey").iterdir()) == []


def test_a_moov_number_pays_on_every_channel(country: Country) -> None:
    """By its own wallet or by Wave; no other network's belongs to it."""
    before = country.votes("08")
    phone = country.phone("+2250111110008")
    body = {"contest": "star", "candidateCode": "08", "quantity": 1, "voterPhone": phone.number}
    for method in ("MTN_MOBILE_MONEY", "ORANGE_MONEY"):
        refused = country.gateway.post("/api/votes/initiate", json={**body, "paymentMethod": method})
        assert (refused.status_code, refused.json()["type"]) == (422, "/problems/not_its_wallet")
        assert "Moov Money" in refused.json()["detail"]
    country.gateway.post("/api/votes/initiate", json={**body, "paymentMethod": "MOOV_MONEY"}).raise_for_status()
    assert int(phone.wait_for_prompt()["amount"]) == 100
    phone.approve()
    until(lambda: country.votes("08") == before + 1, "one more vote")
    phone.text("7890", "VOTE 08 2")
    assert int(phone.wait_for_prompt()["amount"]) == 200
    phone.approve()
    until(lambda: country.votes("08") == before + 3, "two more votes")
    assert "Moov Money" in phone.dial("*789*08*4*1#")
    assert int(phone.wait_for_prompt()["amount"]) == 400
    phone.approve()
    until(lambda: country.votes("08") == before + 7, "four more votes")
    receipt_in(phone.wait_for_text("verify"))
    taken = [line["amount"] for line in country.statement("hub2") if line["msisdn"].endswith("0111110008")]
    assert sorted(taken) == ["100", "200", "400"]


def test_a_moov_number_pays_by_wave(country: Country) -> None:
    before = country.votes("08")
    phone = country.phone("+2250111110009")
    shown = phone.dial("*789*08*2#")
    assert "MTN" not in shown
    assert "3 Wave, lien par SMS" in shown
    assert "1 Payer Wave" in phone.reply("3")
    assert "lien pour payer 200 FCFA" in phone.reply("1")
    link = re.search(r"https?://\S+", phone.wait_for_text("http"))
    assert link
    country.sandbox.post(link.group(), data={"action": "pay", "msisdn": phone.number, "pin": "0000"})
    receipt_in(phone.wait_for_text("verify"))
    until(lambda: country.votes("08") == before + 2, "two more votes")
    assert phone.prompt() is None


@pytest.mark.parametrize("aggregator", AGGREGATORS)
def test_a_vote_over_each_aggregator(country: Country, aggregator: str) -> None:
    before = country.votes("10")
    phone = country.phone(f"+2250511120{AGGREGATORS.index(aggregator):03}")
    assert "Star d'Abidjan" in phone.dial("*789#", aggregator)
    assert "10" in phone.reply("10")
    assert "300" in phone.reply("3")
    phone.reply("1")
    assert not phone.open
    assert int(phone.wait_for_prompt()["amount"]) == 300
    phone.approve()
    assert "verify" in phone.wait_for_text("verify")
    until(lambda: country.votes("10") == before + 3, "three more votes")
    carried = country.sandbox.get(f"/requests/{aggregator}?direction=out").raise_for_status().json()
    assert any(f"/ussd/{aggregator}" in request["url"] for request in carried)
    assert country.sandbox.get("/control/violations").json() == []
