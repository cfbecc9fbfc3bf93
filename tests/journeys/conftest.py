"""One running country for all journeys; each journey uses numbers and candidates of its own."""

import os
from collections.abc import AsyncIterator, Iterator
from itertools import count

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page

from tests.browser import found_chromium, tabs_of
from tests.country import Country, collected_and_sold, until
from tests.engines import temporary_home

# One for all journeys: to start it takes longer than most of what one does in it.
chromium = pytest.fixture(scope="package", name="chromium")(found_chromium)
all_tabs = pytest.fixture(scope="package", name="all_tabs")(tabs_of)
_addresses = count()


@pytest.fixture(scope="package")
def country() -> Iterator[Country]:
    """Runs until the last journey of this process: it works at intervals even while nothing is asked of it."""
    with temporary_home("spotlight-journeys-") as home:
        running = Country(
            home / "data",
            SPOTLIGHT_PROMPT_DELAY_SECONDS="1",
            MTN_MOMO_STATUS_PER_SECOND="100",
            SPOTLIGHT_BENEFICIARY_DELAY_HOURS="0",
            # A journey names the address that it comes from, as a proxy on this machine would.
            SPOTLIGHT_TRUSTED_PROXIES="127.0.0.1/32",
        ).start()
        try:
            yield running
            # Whatever the journeys were.
            until(lambda: len({*collected_and_sold(running)}) == 1, "money to be votes at the end of all journeys")
            audit = running.run("audit", "money")
            assert audit.returncode == 0, audit.stdout + audit.stderr
        finally:
            running.stop()
            if os.environ.get("SPOTLIGHT_SHOW_LOG"):
                print(running.log())


@pytest.fixture(autouse=True)
def address(request: pytest.FixtureRequest) -> str:
    """Where a journey's web and API requests come from: an address of this machine of its own, with its own
    allowance."""
    number = next(_addresses)
    mine = f"127.1.{number // 250}.{number % 250 + 1}"
    if "country" in request.fixturenames:
        request.getfixturevalue("country").gateway.headers["X-Forwarded-For"] = mine
    return mine


@pytest.fixture
def silent(country: Country) -> Iterator[Country]:
    """MTN tells us nothing by itself."""
    country.control(mtn_momo={"callback": {"mode": "none"}})
    try:
        yield country
    finally:
        country.control(mtn_momo={"callback": {"mode": "once"}, "status": {"http_503_seconds": 0}})


@pytest.fixture
def impatient(country: Country) -> Iterator[Country]:
    """A country where the operator lets a prompt wait for a second."""
    country.control(expire_after_seconds=1)
    try:
        yield country
    finally:
        country.control(expire_after_seconds=None)


@pytest.fixture
async def page(browser: Browser, address: str) -> AsyncIterator[Page]:
    context = await browser.new_context(
        viewport={"width": 360, "height": 740}, locale="fr-FR", extra_http_headers={"X-Forwarded-For": address}
    )
    opened = await context.new_page()
    faults: list[str] = []
    opened.on("pageerror", lambda error: faults.append(str(error)))

    def hear(message: ConsoleMessage) -> None:
        # The operator's page has no icon, and Chromium says so. A witness is read by any site, but not with the header
        # of this browser's address: tests of receipts read it without.
        where = message.location["url"]
        if message.type == "error" and not (
            where.endswith(("/favicon.ico", "/checkpoint")) or "/checkpoint'" in message.text
        ):
            faults.append(message.text)

    opened.on("console", hear)
    yield opened
    await context.close()
    assert faults == []
