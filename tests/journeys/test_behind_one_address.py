"""Behind one address, with production's limits: voters who pay are all served, and who bothers strangers is stopped."""

import secrets
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.country import Country, until
from tests.journeys.test_votes import final

pytestmark = pytest.mark.journey

CARRIER, ATTACKER = "203.0.113.7", "198.51.100.66"
UNPAID_MAX = 50


def by_form(country: Country, number: str, address: str, agent: str = "a small phone", cookie: str = "") -> str:
    """Vote with the form of a candidate's page; the order's id, or nothing where it is refused."""
    form = {"nonce": secrets.token_urlsafe(18), "quantity": "1", "phone": number, "method": "MTN_MOBILE_MONEY"}
    headers = {"X-Forwarded-For": address, "User-Agent": agent, "Cookie": cookie}
    answer = country.stranger(timeout=30).post("/c/star/11", data=form, headers=headers)
    assert answer.status_code in (303, 429), answer.text[:2000]
    return answer.headers["Location"].rpartition("/")[2] if answer.status_code == 303 else ""


def by_api(country: Country, number: str, address: str, agent: str = "an app") -> str:
    """The same by the API."""
    body: dict[str, Any] = {"contest": "star", "candidateCode": "11", "quantity": 1, "voterPhone": number}
    headers = {"X-Forwarded-For": address, "User-Agent": agent}
    answer = country.stranger(timeout=30).post("/api/votes/initiate", json=body, headers=headers)
    assert answer.status_code in (201, 429), answer.text
    return str(answer.json()["voteId"]) if answer.status_code == 201 else ""


def test_thirty_voters_of_one_carrier_are_served_and_an_attacker_is_not(country: Country) -> None:
    before = country.votes("11")
    numbers = [f"+22505987700{n:02d}" for n in range(30)]
    strangers = [f"+22505987600{n:02d}" for n in range(80)]

    def vote(number: str) -> str:
        way = by_form if int(number[-1]) % 2 else by_api
        return way(country, number, CARRIER)

    def bother(attempt: int) -> tuple[str, bool]:
        number, agent = strangers[attempt % len(strangers)], f"browser {attempt}"
        way = by_form if attempt % 2 else by_api
        return number, bool(way(country, number, ATTACKER, agent))

    with ThreadPoolExecutor(8) as many:
        placed = list(many.map(vote, numbers))
        bothered = Counter(number for number, sold in many.map(bother, range(160)) if sold)
    assert all(placed)
    assert bothered.total() == UNPAID_MAX
    assert max(bothered.values()) <= 2
    for number in numbers:
        country.phone(number).wait_for_prompt()
        country.phone(number).approve()
    assert {final(country, vote_id)["status"] for vote_id in placed} == {"COMPLETED"}
    until(lambda: country.votes("11") == before + 30, "thirty votes more")
    # No other voter at the carrier's address is limited by what came from the other one, or by who paid before.
    assert vote("+2250598770099")
    assert not by_api(country, "+2250598760099", ATTACKER)
