"""One running country for all journeys; each journey uses numbers and candidates of its own."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.country import Country


@pytest.fixture(scope="session")
def country(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Country]:
    home = Path(tmp_path_factory.mktemp("country")) / "data"
    running = Country(home, SPOTLIGHT_PROMPT_DELAY_SECONDS="1", MTN_MOMO_STATUS_PER_SECOND="100").start()
    try:
        yield running
    finally:
        running.stop()
        if os.environ.get("SPOTLIGHT_SHOW_LOG"):
            print(running.log())
