"""A headless Chromium for tests that look at pages."""

import json
import os
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import Any, Final

import anyio
import psutil
import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.async_api import Browser, ConsoleMessage, Error, Page, async_playwright

ARGUMENTS: Final = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A page of a test is garbage as a whole, most of it axe's: threads that look for it cost more than they save.
    "--js-flags=--single-threaded-gc --min-semi-space-size=64 --max-semi-space-size=64",
    # No process and no document in reserve: each page costs a tenth less. The last such list counts, so this one has
    # that of Playwright, too.
    "--disable-features=AvoidUnnecessaryBeforeUnloadCheckSync,DestroyProfileOnBrowserClose,HttpsUpgrades,"
    "HttpsFirstBalancedModeAutoEnable,LensOverlay,MediaRouter,PaintHolding,ThirdPartyStoragePartitioning,"
    "AvoidCorsURLLoaderRestartOnRedirect,OptimizationHints,NetworkTimeServiceQuerying,AimEnabled,PreconnectToSearch,"
    "SpareRendererForSitePerProcess,TopChromeWebUIUsesSpareRenderer,PreloadTopChromeWebUI,InitialWebUI,RenderDocument",
]

# What may differ between a small and a wide screen, and between light and dark.
SEEN: Final = ("color-contrast", "scrollable-region-focusable")

# Playwright itself waits for its driver without end.
START_SECONDS = 60.0
STOP_SECONDS = 30.0


def find_chromium() -> str | None:
    """Path of a Chromium: CHROMIUM, or the first of the usual names, of which the one without windows and installed
    apps takes a third of the time for a page."""
    named = os.environ.get("CHROMIUM")
    if named:
        return shutil.which(named)
    names = ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
    return next((path for path in map(shutil.which, names) if path), None)


def kill(started: set[psutil.Process]) -> None:
    """End who is still there."""
    for process in started:
        with suppress(psutil.NoSuchProcess):
            process.kill()


async def start(path: str, held: AsyncExitStack) -> Browser:
    """Chromium, which `held` ends. Raises TimeoutError if it is not there in time."""
    before = set(psutil.Process().children())
    started: set[psutil.Process] = set()
    held.callback(kill, started)
    try:
        with anyio.fail_after(START_SECONDS):
            playwright = await held.enter_async_context(async_playwright())
            chromium = await playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
    finally:
        # Of processes that were there before, those of a country, children begin at any time.
        for child in set(psutil.Process().children()) - before:
            started |= {child, *child.children(recursive=True)}
    held.push_async_callback(chromium.close)
    return chromium


# The contrast of an element follows from these, of it and of all around it. What shows no text is not measured.
# Of a kind that is not known three elements are measured: the others on the page differ from them in nothing.
# Answers the kinds, and whether anything scrolls within the page.
_COLOURS: Final = """known => {
    const kinds = new Map([[null, 7]]), seen = new Set(known), times = new Map();
    const styles = ["color", "background-color", "background-image", "opacity", "font-size", "font-weight",
        "text-shadow", "position", "display", "visibility"];
    for (const one of document.querySelectorAll("*")) {
        const style = getComputedStyle(one);
        const all = [kinds.get(one.parentElement), ...styles.map(name => style.getPropertyValue(name))].join();
        const kind = [...all].reduce((sum, letter) => Math.imul(sum, 31) + letter.charCodeAt(0) | 0, 7);
        kinds.set(one, kind);
        const before = times.get(kind) ?? 0;
        one.toggleAttribute("data-measured", seen.has(kind) || before > 2);
        const written = [...one.childNodes].some(node => node.nodeType === Node.TEXT_NODE && node.data.trim());
        if (written && one.checkVisibility({visibilityProperty: true})) times.set(kind, before + 1);
    }
    axe.configure({rules: [{id: "color-contrast", selector: ":not([data-measured])"}]});
    const scrolls = [...document.querySelectorAll("*")].some(one =>
        (one.scrollHeight > one.clientHeight || one.scrollWidth > one.clientWidth)
        && /auto|scroll/.test(getComputedStyle(one).overflow));
    return [[...times.keys()], scrolls];
}"""


async def violations(
    page: Page, rules: Sequence[str] = (), known: set[int] | None = None
) -> list[tuple[str, str, str]]:
    """Address, rule and element of what hinders people. `rules`: only these; none: all of them. `known`: kinds of
    colours on colours, to which those of this page are added; of these contrast, which takes longest, is not measured
    again."""
    # Only what is wanted: Playwright checks every value of an answer, and a selector for each element is long to find.
    options: dict[str, Any] = {
        "resultTypes": ["violations"],
        "selectors": False,
        **({"runOnly": list(rules)} if rules else {}),
    }
    if not await page.evaluate("() => 'axe' in window && (axe.reset(), true)"):
        await page.evaluate(AXE_SCRIPT)
    if known is not None:
        kinds, scrolls = await page.evaluate(_COLOURS, [*known])
        if rules == SEEN and not scrolls and known.issuperset(kinds):
            return []
        known.update(kinds)
    found = await page.evaluate(
        "options => axe.run(options).then(seen => seen.violations.map(one => [one.id, one.nodes[0].html]))", options
    )
    return [(page.url, rule, element) for rule, element in found]


# A script that a context brings along is compiled once, one that is sent to a page each time.
_READY_TO_JUDGE: Final = f"if (window === window.top) {{ {AXE_SCRIPT} }}"


@dataclass
class Tab:
    """A page of a context of its own, and who hears what it complains of."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def fail(self, error: Error) -> None:
        self.complaints.append(str(error))


@dataclass
class Tabs:
    """Pages that one test uses after the other: a new one is a new process, which compiles everything again."""

    chromium: Browser
    idle: dict[str, list[Tab]] = field(default_factory=dict)
    lent: list[tuple[str, Tab]] = field(default_factory=list)

    async def lend(self, complaints: list[str], *, script: str = "", **context: Any) -> Page:
        """An empty page of a context with these options, alone in it, without cookies. What it complains of is added
        to `complaints`. `script`: runs in it before all others."""
        kind = json.dumps([script, context], sort_keys=True)
        if self.idle.get(kind):
            tab = self.idle[kind].pop()
        else:
            made = await self.chromium.new_context(**context)
            await made.add_init_script(_READY_TO_JUDGE)
            if script:
                await made.add_init_script(script)
            tab = Tab(await made.new_page())
            tab.page.on("console", tab.hear)
            tab.page.on("pageerror", tab.fail)
        tab.complaints = complaints
        self.lent.append((kind, tab))
        return tab.page

    async def take_back(self) -> None:
        """Empty what was lent; a context that was closed is forgotten, one that was not lent is closed."""
        for kind, tab in self.lent:
            tab.complaints = []
            if not tab.page.is_closed():
                await tab.page.goto("about:blank")
                await tab.page.mouse.move(0, 0)
                await tab.page.context.clear_cookies()
                self.idle.setdefault(kind, []).append(tab)
        self.lent.clear()
        kept = [tab.page for tabs in self.idle.values() for tab in tabs]
        for context in self.chromium.contexts:
            if not any(page in kept for page in context.pages):
                await context.close()


async def found_chromium() -> AsyncIterator[Browser]:
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


def tabs_of(chromium: Browser) -> Tabs:
    """Pages for all tests of a file."""
    return Tabs(chromium)


chromium = pytest.fixture(scope="module", name="chromium")(found_chromium)
all_tabs = pytest.fixture(scope="module", name="all_tabs")(tabs_of)


@pytest.fixture
async def tabs(all_tabs: Tabs) -> AsyncIterator[Tabs]:
    """Pages that are lent to a test."""
    yield all_tabs
    await all_tabs.take_back()


@pytest.fixture
async def browser(chromium: Browser, tabs: Tabs) -> Browser:
    """Chromium for contexts of a test's own; what a test opens is closed behind it."""
    return chromium
