"""The country on a free port, with a small gateway that keeps what is posted to it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.sandbox.country import Country


@pytest.fixture
async def country(tmp_path: Path) -> AsyncIterator[Country]:
    async with Country(tmp_path) as started:
        yield started
