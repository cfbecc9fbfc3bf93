"""A crowd is started and stopped; a whole one votes in the journey of an evening."""

import pytest

from tests.country import Country

pytestmark = pytest.mark.journey


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
