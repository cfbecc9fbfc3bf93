"""A headless Chromium for tests that look at pages."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from typing import Final

import anyio
import psutil
import pytest
from playwright.async_api import Browser, async_playwright

ARGUMENTS: Final = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# Playwright itself waits for its driver without end.
START_SECONDS = 60.0
STOP_SECONDS = 30.0


def find_chromium() -> str | None:
    """Path of a Chromium: CHROMIUM, or the first of the usual names."""
    named = os.environ.get("CHROMIUM")
    if named:
        return shutil.which(named)
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((path for path in map(shutil.which, names) if path), None)


def kill(started: set[psutil.Process]) -> None:
    """End who is still there."""
    for process in started:
        with suppress(psutil.NoSuchProcess):
            process.kill()


async def start(path: str, held: AsyncExitStack) -> Browser:
    """Chromium, which `held` ends. Raises TimeoutError if it is not there in time."""
    before = set(psutil.Process().children(recursive=True))
    started: set[psutil.Process] = set()
    held.callback(kill, started)
    try:
        with anyio.fail_after(START_SECONDS):
            playwright = await held.enter_async_context(async_playwright())
            chromium = await playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
    finally:
        started |= set(psutil.Process().children(recursive=True)) - before
    held.push_async_callback(chromium.close)
    return chromium


@pytest.fixture(scope="module")
async def chromium() -> AsyncIterator[Browser]:
    """Chromium for all tests of a file; skipped where there is none, failed there when REQUIRE_BROWSER=1."""
    path = find_chromium()
    if path is None:
        if os.environ.get("REQUIRE_BROWSER") == "1":
            pytest.fail("REQUIRE_BROWSER=1 and no Chromium was found; install chromium or set CHROMIUM to its path")
        pytest.skip("no Chromium was found; install chromium or set CHROMIUM to its path")
    held = AsyncExitStack()
    try:
        yield await start(path, held)
    finally:
        with anyio.move_on_after(STOP_SECONDS):
            await held.aclose()


@pytest.fixture
async def browser(chromium: Browser) -> AsyncIterator[Browser]:
    """Chromium without a page; what a test opens is closed behind it."""
    yield chromium
    for context in chromium.contexts:
        await context.close()
