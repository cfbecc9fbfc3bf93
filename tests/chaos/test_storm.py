"""The storm at a small size: kills of worker, gateway and Redis, then money is votes."""

import pytest

from tests.chaos.storm import Storm
from tests.country import Country
from tests.engines import temporary_home


@pytest.mark.chaos
@pytest.mark.timeout(500)
async def test_a_small_storm_loses_and_doubles_nothing() -> None:
    with temporary_home("spotlight-storm-") as home:
        country = Country(
            home / "data",
            SPOTLIGHT_PROMPT_DELAY_SECONDS="1",
            MTN_MOMO_STATUS_PER_SECOND="200",
            SPOTLIGHT_RATE_LIMITS="false",
        ).start()
        try:
            report = await Storm(country, votes=36, seed=2026, kills=3, at_once=6).run()
        finally:
            country.stop()
    assert report.violations == [], report.text() + country.log()[-8000:]
    assert report.orders >= 24, report.text()
    assert report.votes > 0
    assert sum(report.kills.values()) >= 2, report.text()
