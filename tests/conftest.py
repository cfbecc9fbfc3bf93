"""Fixtures that every test may ask for."""

from collections.abc import Iterator
from typing import Any, Final

import pytest

from gateway.settings import Settings
from tests.browser import browser
from tests.engines import Database, Engines, running_engines

__all__ = ["browser"]

# What takes longest begins first.
_LONG: Final = ("test_money_machine.py", "test_fuzz.py", "test_random_inputs.py")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of two processes one runs all that starts whole countries, one after the other; the other takes
    the rest, file by file."""
    groups = {item: _group(item) for item in items}
    for item, group in groups.items():
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: 0 if groups[item] == "countries" else 1 if item.path.name in _LONG else 2)


def _group(item: pytest.Item) -> str:
    if item.get_closest_marker("journey") or item.get_closest_marker("chaos"):
        return "countries"
    return item.path.relative_to(item.config.rootpath).as_posix()


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
