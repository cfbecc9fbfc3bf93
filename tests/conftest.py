"""Fixtures that every test may ask for."""

import gc
from collections.abc import Iterator
from functools import wraps
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any, Final

import anyio
import pytest
from _pytest.runner import runtestprotocol
from hypothesis import settings as examples
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from gateway.runtime.settings import Settings
from tests.browser import all_tabs, browser, chromium, tabs
from tests.cheaper import cheaper, real_passwords, real_resizing
from tests.engines import Database, Engines, running_engines
from tests.kept import KEPT

__all__ = ["all_tabs", "browser", "cheaper", "chromium", "real_passwords", "real_resizing", "tabs"]

# Countries mostly wait. Journeys are shared out to two processes, about equally long, while the others do what takes
# most of a processor; what starts a country of its own comes behind, file by file like the rest.
_FIRST_COUNTRY: Final = (
    *("test_telegram.py", "test_debited.py", "test_texts.py", "test_database_away.py"),
    *("test_time_out.py", "test_ussd_help.py", "test_votes.py"),
)
_OWN_COUNTRY: Final = ("test_reconciliation.py", "test_made_up.py", "test_storm.py")
# First what computes, beside the journeys of two processes; then what waits and what computes, by turns.
_LONG: Final = (
    "test_money_machine.py",
    "test_many_rows.py",
    "test_public_web.py",
    "test_looks.py",
    "test_every_operation.py",
    "test_every_route.py",
    "test_page.py",
    "test_reconciliation.py",
    "test_brand.py",
    "test_resizing.py",
    "test_up.py",
    "test_lint.py",
    "test_contest.py",
    "test_every_collection.py",
    "test_interrupted.py",
    "test_fuzz.py",
    "test_every_disbursement.py",
    "test_refunds.py",
    "test_storm.py",
    "test_main.py",
    "test_made_up.py",
    "test_random_inputs.py",
    "test_every_payment_provider.py",
    "test_videos.py",
    "test_every_prober.py",
    "test_audit.py",
    "test_shared_rate.py",
)
# A coroutine test that hangs ends by this; one whose fixtures hang takes its process with it, a little later.
_COROUTINE_SECONDS: Final = 180
_GRACE_SECONDS: Final = 60

# The suite plays the same examples each time; `make fuzz` and `make chaos` draw new ones, from seeds that they tell.
examples.register_profile("repeatable", derandomize=True)
examples.load_profile("repeatable")


class TwoCountries(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types
    """Journeys go to two processes, each with a country; everything else file by file to the first that is free."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        name = file.rpartition("/")[2]
        if not file.startswith("tests/journeys/") or name in _OWN_COUNTRY:
            return file
        return "first country" if name in _FIRST_COUNTRY else "second country"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> TwoCountries:
    """What `make test` shares out its tests by."""
    config.option.loadscopereorder = False
    return TwoCountries(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first; the clock of a coroutine test is one that a hanging loop cannot stop."""
    for item in items:
        if iscoroutinefunction(getattr(item, "obj", None)):
            own = item.get_closest_marker("timeout")
            seconds = own.args[0] if own else _COROUTINE_SECONDS
            item.add_marker(pytest.mark.timeout(seconds + _GRACE_SECONDS, method="thread"), append=False)
    items.sort(key=lambda item: (_place(item.path), item.path))


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Iterator[None]:
    """Ten thousand tests are no garbage, and are not looked through for it, neither while they are collected nor
    later."""
    gc.disable()
    _begin_elsewhere(session.config)
    try:
        return (yield)
    finally:
        gc.freeze()
        # Less often than by itself, as in production: a tenth of the time of tests with a database.
        gc.set_threshold(10_000, 20, 100)
        gc.enable()


def _begin_elsewhere(config: pytest.Config) -> None:
    """Each process of a run begins to collect at another file: what one has rewritten for its assertions, the others
    find done when they come to it. All do as if they had begun at the first."""
    if hasattr(config, "workerinput") and config.args_source is config.ArgsSource.TESTPATHS:
        every = config.rootpath.glob("tests/*/*")
        parts = sorted(str(each) for each in every if each.is_dir() or each.match("test_*.py"))
        number, processes = int(config.workerinput["workerid"].removeprefix("gw")), config.workerinput["workercount"]
        first = len(parts) * number // processes
        config.args = [*parts[first:], *parts[:first], *map(str, config.rootpath.glob("tests/test_*.py"))]


def _place(path: Path) -> int:
    if path.name in _LONG:
        return 1 + _LONG.index(path.name)
    return 0 if "journeys" in path.parts else 1 + len(_LONG)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """A test that passes is reported once to the process that shares tests out, not four times, unless that measures
    set-up and teardown too."""
    option = item.config.option
    if not hasattr(item.config, "workerinput") or option.xmlpath or option.durations is not None:
        return None
    for report in runtestprotocol(item, log=False, nextitem=nextitem):
        if report.when == "call" or not report.passed:
            item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


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
    return "asyncio", {"loop_factory": lambda: KEPT.loop}


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
