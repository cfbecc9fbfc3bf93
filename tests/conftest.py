"""Fixtures that every test may ask for."""

from collections.abc import Iterator
from typing import Any

import pytest

from gateway.settings import Settings
from tests.browser import browser
from tests.engines import Database, Engines, running_engines

__all__ = ["browser"]


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """Coroutine tests run on the loop of production."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(scope="session")
def engines() -> Iterator[Engines]:
    """PostgreSQL and Valkey of this run, started when the first test wants them."""
    with running_engines() as running:
        yield running


@pytest.fixture
def database(engines: Engines) -> Iterator[Database]:
    """A fresh database with the schema and the demo contest."""
    fresh = engines.create_database()
    yield fresh
    engines.drop_database(fresh.name)


@pytest.fixture
def redis_url(engines: Engines) -> str:
    """An empty Redis database."""
    return engines.empty_redis()


@pytest.fixture
def settings(engines: Engines, database: Database, redis_url: str) -> Settings:
    """Settings of a demo on `database` and `redis_url`."""
    return engines.settings(database.name, redis_url)
