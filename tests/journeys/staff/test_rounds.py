"""A contest of two rounds with an eviction between them, voted in by USSD; its board, and the first round's."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from admin.access.rules import Role
from tests.country import Country, until
from tests.engines import run_apart
from tests.gateway.cli.staff import PASSWORD, hire

pytestmark = pytest.mark.journey
AWA = "awa@rounds.test"
ADDRESS = "/api/admin/contests"
BOARD = "/api/contests/duel/leaderboard"


def at(**later: float) -> str:
    return (datetime.now(UTC) + timedelta(**later)).isoformat()


def document() -> dict[str, Any]:
    rounds = [
        {"name": "Demi-finale", "opens_at": at(hours=-1), "closes_at": at(hours=1)},
        {"name": "Finale", "opens_at": at(hours=2), "closes_at": at(hours=3)},
    ]
    contest = {
        "slug": "duel",
        "name": "Duel",
        "country": "CI",
        "price": {"amount_minor": 100, "currency": "XOF"},
        "opens_at": at(hours=-2),
        "closes_at": at(days=1),
        "service_code": "*795#",
        "contact": "0701020304",
        "rounds": rounds,
    }
    people = [{"code": code, "name": name} for code, name in (("11", "Mariam Doumbia"), ("25", "Yao Brou"))]
    organiser = {"slug": "demo", "name": "Spotlight Démo"}
    return {"format": "spotlight contest 1", "organiser": organiser, "contest": contest, "candidates": people}


def vote(country: Country, number: str, code: str, quantity: int) -> None:
    phone = country.phone(number)
    phone.dial(f"*795*{code}*{quantity}*1#")
    phone.wait_for_prompt()
    phone.approve()


def board(country: Country, **query: int) -> tuple[int, dict[str, int]]:
    """The round that a board shows, and the votes in it."""
    shown = country.gateway.get(BOARD, params=query).raise_for_status().json()
    return shown["round"]["number"], {one["code"]: one["votes"] for one in shown["entries"]}


def test_two_rounds_with_an_eviction_between_them(country: Country) -> None:
    run_apart(hire(country.environment()["DATABASE_URL"], AWA, role=Role.OWNER))
    gateway = country.gateway
    signed_in = gateway.post("/api/auth/login", json={"email": AWA, "password": PASSWORD}).raise_for_status()
    bearer = {"Authorization": f"Bearer {signed_in.json()['accessToken']}"}
    gateway.cookies.clear()
    gateway.post(ADDRESS, json=document(), headers=bearer).raise_for_status()
    gateway.post(f"{ADDRESS}/duel/publish", headers=bearer).raise_for_status()
    until(lambda: gateway.get(BOARD).status_code == 200, "the contest in public")
    vote(country, "+2250511116001", "11", 5)
    vote(country, "+2250511116002", "25", 9)
    until(lambda: board(country) == (1, {"25": 9, "11": 5}), "the votes of the first round")
    # The first round ends early; who leads it is evicted.
    held = gateway.get(f"{ADDRESS}/duel", headers=bearer).json()
    first, second = held["contest"]["rounds"]
    first["closes_at"], second["opens_at"] = at(), at(seconds=6)
    gateway.put(f"{ADDRESS}/duel", json=held, headers=bearer).raise_for_status()
    until(lambda: "reprend le" in country.phone("+2250511116003").dial("*795#"), "the screen between two rounds")
    out = {"status": "evicted", "reason": "Deux absences"}
    gateway.patch(f"{ADDRESS}/duel/candidates/25", json=out, headers=bearer).raise_for_status()
    until(lambda: board(country) == (2, {"11": 0}), "the board of the second round, at zero")
    assert "n'est plus en lice" in country.phone("+2250511116003").dial("*795*25*1*1#")
    vote(country, "+2250511116001", "11", 2)
    until(lambda: board(country) == (2, {"11": 2}), "the vote of the second round")
    number, before = board(country, round=1)
    assert (number, before) == (1, {"25": 9, "11": 5}), "evicted after the first round's end"
    page = gateway.get("/c/duel", headers={"Accept-Language": "fr"}).text
    assert "Éliminés" in page
    assert "Yao Brou" in page
    # An aggregator that does not tell what was dialled leads to the one contest that is open.
    gateway.post(f"{ADDRESS}/duel/close", headers=bearer).raise_for_status()
