"""A small crowd on every channel, with production's limits: nobody honest is refused, and what is paid is counted."""

import json

import pytest

from tests.country import Country

pytestmark = pytest.mark.journey


def test_a_crowd_votes_and_what_it_pays_is_counted(country: Country) -> None:
    asked = ("demo", "crowd", "--voters", "60", "--minutes", "0.1", "--seed", "5", "--json")
    done = country.run(*asked)
    assert done.returncode == 0, done.stderr
    crowd = json.loads(done.stdout)
    assert crowd["state"] == "ended"
    assert (crowd["begun"], crowd["ended"]) == (crowd["planned"], crowd["planned"])
    assert (crowd["outcomes"]["refused"], crowd["outcomes"]["unanswered"]) == (0, 0), crowd
    assert set(crowd["channels"]) == {"ussd", "sms", "telegram", "web", "api"}
    assert crowd["outcomes"]["paid"] > 30
    assert crowd["votes_counted"] == crowd["votes_paid"]


def test_a_crowd_that_is_sent_home_votes_no_more(country: Country) -> None:
    wanted = {"voters": 20, "minutes": 60, "seed": 6}
    for contest, status in (("star", 202), ("star", 409)):
        assert country.sandbox.post("/crowd", json={**wanted, "contest": contest}).status_code == status
    stopped = country.sandbox.post("/crowd/stop").json()
    assert (stopped["state"], stopped["planned"] >= 20) == ("stopped", True)
    assert country.sandbox.get("/crowd").json() == stopped
    for body, status in (({**wanted, "contest": "none"}, 404), ({"voters": 0}, 400), ({"unknown": 1}, 400)):
        assert country.sandbox.post("/crowd", json=body).status_code == status
    assert country.run("demo", "crowd", "--contest", "none").stderr.startswith("error: Not found: ")
