"""One running country for all journeys; each journey uses numbers and candidates of its own."""

import os
from collections.abc import Iterator

import pytest

from tests.country import Country
from tests.engines import temporary_home


@pytest.fixture(scope="session")
def country() -> Iterator[Country]:
    with temporary_home("spotlight-journeys-") as home:
        running = Country(home / "data", SPOTLIGHT_PROMPT_DELAY_SECONDS="1", MTN_MOMO_STATUS_PER_SECOND="100").start()
        try:
            yield running
        finally:
            running.stop()
            if os.environ.get("SPOTLIGHT_SHOW_LOG"):
                print(running.log())
