"""Handsets in trouble: cut off and dialling again, mistyped, debited without a vote."""

import re

import pytest
from redis import Redis

from gateway.orders.receipt import read_receipt
from gateway.values.check_digit import holds
from tests.country import Country, Phone, until

pytestmark = pytest.mark.journey


def ask_where_the_money_is(phone: Phone) -> str:
    phone.dial("*789#")
    return phone.reply("5")


def test_cut_off_and_gone_on(country: Country) -> None:
    before = country.votes("09")
    phone = country.phone("+2250544440001")
    phone.dial("*789#")
    phone.reply("09")
    assert "400 FCFA" in phone.reply("4")
    assert "vous aviez choisi 09" in phone.dial("*789#")
    assert "Total 400 FCFA" in phone.reply("1")
    phone.reply("1")
    assert not phone.open
    phone.wait_for_prompt()
    phone.approve()
    phone.wait_for_text("verify")
    until(lambda: country.votes("09") == before + 4, "four more votes")
    assert "1 Candidats" in phone.dial("*789#")


def test_a_chosen_language_stays_also_when_redis_loses_it(country: Country) -> None:
    phone = country.phone("+2250544440090")
    phone.dial("*789#")
    assert "Candidate's code" in phone.reply("4")
    assert "Candidate's code" in phone.dial("*789#", "hubtel")
    assert phone.dial("*789*77*5*1#").startswith("Unknown code 77.")
    assert "Unknown code" not in country.phone("+2250544440091").dial("*789*77*5*1#")
    with Redis.from_url(country.environment()["REDIS_URL"]) as redis:
        redis.delete(*redis.scan_iter("session:*"))
    until(lambda: "Candidate's code" in phone.dial("*789#"), "the choice in Redis again")


def test_cut_off_and_started_again_through_another_aggregator(country: Country) -> None:
    phone = country.phone("+2250544440002")
    phone.dial("*789#")
    phone.reply("09")
    assert "1 Continuer" in phone.dial("*789#", "arkesel")
    assert "1 Candidats" in phone.reply("2")
    assert "1 Candidats" in phone.dial("*789#")
    assert phone.prompt() is None


def test_a_wrong_code_places_no_vote(country: Country) -> None:
    phone = country.phone("+2250544440003")
    phone.dial("*789#")
    assert "Code 77 inconnu." in phone.reply("77")
    assert phone.open
    assert "Aucun nom ne commence par zzz." in phone.reply("zzz")
    phone.dial("*789*77*5*1#")
    assert phone.open
    assert phone.prompt() is None


def test_found_by_name_and_read_about(country: Country) -> None:
    phone = country.phone("+2250544440004")
    phone.dial("*789#")
    listed = phone.reply("1")
    code, name = re.findall(r"^(\d\d) (\w+)", listed, re.MULTILINE)[2]
    found = phone.reply(name[:4].lower())
    assert f"{code} {name}" in found
    assert "1." in country.phone("+2250544440005").dial("*789*2#")
    assert "1 vote = 100 FCFA" in country.phone("+2250544440006").dial("*789*6*2#")
    assert "Aucun vote de ce num" in country.phone("+2250544440007").dial("*789*3#")
    assert "Aucune commande de ce num" in country.phone("+2250544440008").dial("*789*5#")


def test_debited_and_rescued(silent: Country) -> None:
    before = silent.votes("10")
    phone = silent.phone("+2250544440009")
    phone.dial("*789*10*3*1#")
    phone.wait_for_prompt()
    assert "attend votre code secret" in ask_where_the_money_is(phone)
    phone.approve()
    text = until(lambda: next(filter(lambda s: "Compt" in s, [ask_where_the_money_is(phone)]), None), "the receipt")
    receipt = re.search(r"Recu ([0-9A-Z]{10})", text)
    assert receipt
    assert read_receipt(receipt.group(1))
    until(lambda: silent.votes("10") == before + 3, "three more votes")
    phone.dial("*789*6*1#")
    assert "3 votes pour 10" in phone.reply(receipt.group(1).lower())
    assert f"10 x3 {receipt.group(1)}" in phone.dial("*789*3#")


def test_debited_while_the_operator_is_silent_gets_a_ticket_that_stays(silent: Country) -> None:
    phone = silent.phone("+2250544440010")
    phone.dial("*789*10*2*1#")
    phone.wait_for_prompt()
    silent.control(mtn_momo={"status": {"http_503_seconds": 30}})
    text = ask_where_the_money_is(phone)
    ticket = re.search(r"dossier (\d+)", text)
    assert ticket, text
    assert holds(ticket.group(1))
    silent.control(mtn_momo={"status": {"http_503_seconds": 0}})
    phone.decline()
    until(lambda: "non pay" in ask_where_the_money_is(phone), "the operator's word")
    assert f"Dossier {ticket.group(1)}" in phone.reply("1")
