"""Fixtures that every test may ask for."""

from collections.abc import Iterator
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, Final

import anyio
import pytest
from hypothesis import settings as examples
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from gateway.runtime.settings import Settings
from tests.browser import browser, chromium
from tests.cheaper import cheaper, real_passwords
from tests.engines import Database, Engines, running_engines

__all__ = ["browser", "cheaper", "chromium", "real_passwords"]

# What starts whole countries, one after the other; and what takes longest of the rest, file by file.
_COUNTRIES: Final = ("tests/journeys/", "tests/chaos/")
_LONG: Final = (
    "test_money_machine.py",
    "test_million_rows.py",
    "test_fuzz.py",
    "test_random_inputs.py",
    "test_public_web.py",
    "test_looks.py",
)
# A coroutine test that hangs ends by this; one whose fixtures hang takes its process with it, a little later.
_COROUTINE_SECONDS: Final = 180
_GRACE_SECONDS: Final = 60

# The suite plays the same examples each time; `make fuzz` and `make chaos` draw new ones, from seeds that they tell.
examples.register_profile("repeatable", derandomize=True)
examples.load_profile("repeatable")


class OneCountryAtATime(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types
    """Of two processes one runs all that starts countries, the other everything else."""

    def _split_scope(self, nodeid: str) -> str:
        return "countries" if nodeid.startswith(_COUNTRIES) else nodeid.partition("::")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> OneCountryAtATime:
    """What `make test` shares out its tests by."""
    config.option.loadscopereorder = False
    return OneCountryAtATime(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first; the clock of a coroutine test is one that a hanging loop cannot stop."""
    for item in items:
        if iscoroutinefunction(getattr(item, "obj", None)):
            own = item.get_closest_marker("timeout")
            seconds = own.args[0] if own else _COROUTINE_SECONDS
            item.add_marker(pytest.mark.timeout(seconds + _GRACE_SECONDS, method="thread"), append=False)
    items.sort(key=lambda item: (not item.nodeid.startswith(_COUNTRIES), item.path.name not in _LONG))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Iterator[None]:
    """A signal does not interrupt the loop of production: coroutine tests are ended from within."""
    test, clock = pyfuncitem.obj, pyfuncitem.get_closest_marker("timeout")
    if iscoroutinefunction(test) and clock is not None:
        seconds = clock.args[0] - _GRACE_SECONDS

        @wraps(test)
        async def limited(*arguments: Any, **more: Any) -> None:
            with anyio.fail_after(seconds):
                await test(*arguments, **more)

        pyfuncitem.obj = limited
    return (yield)


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
    """A database with the schema and the demo contest, and nothing else in it."""
    lent = engines.lend_database()
    yield lent
    engines.return_database(lent)


@pytest.fixture
def redis_url(engines: Engines) -> str:
    """An empty Redis database."""
    return engines.empty_redis()


@pytest.fixture
def settings(engines: Engines, database: Database, redis_url: str) -> Settings:
    """Settings of a demo on `database` and `redis_url`."""
    return engines.settings(database.name, redis_url)
