"""`spotlight demo`: the demo contests, and a crowd that votes in them."""

import asyncio
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway.cli.commands import AsJson, command, example, without_collector
from gateway.cli.failures import FAILED, ApiRefused, report_failures
from gateway.cli.formats import print_json
from gateway.cli.running import running_settings

if TYPE_CHECKING:
    import httpx

    from gateway.runtime.settings import Settings

demo_app = typer.Typer(rich_markup_mode=None)
_LOOK_SECONDS: Final = 1.0
# Between two lines of progress where there is no terminal.
_LINE_SECONDS: Final = 5.0
_CALL_SECONDS: Final = 35.0
_WORDS: Final[Mapping[str, str]] = {
    "paid": "paid",
    "declined": "declined the payment",
    "ignored": "ignored the prompt",
    "empty": "had too little money",
    "wrong_pin": "did not know the PIN",
    "left": "left before ordering",
    "refused": "were refused",
    "unanswered": "got no answer",
}


@demo_app.callback(
    invoke_without_command=True,
    epilog=example("spotlight demo", "spotlight demo --orders 1000000", "spotlight demo crowd"),
)
def demo(
    context: typer.Context,
    orders: Annotated[
        int, typer.Option(min=0, max=10_000_000, help="Also write so many orders of the last 30 days, as if made then.")
    ] = 0,
) -> None:
    """Load the demo contests and the demo's administrator, admin@demo.local; existing ones stay as they are.

    The administrator's password is SPOTLIGHT_DEMO_ADMIN_PASSWORD; where that is not set, one is drawn when the
    account is made, and printed that once.
    """
    if context.invoked_subcommand is None:
        with report_failures():
            _load(orders)


def _load(orders: int) -> None:
    with without_collector():
        from gateway.cli.demo_environment import ensure_demo_admin
        from gateway.runtime import operations

    settings = running_settings()
    asyncio.run(operations.load_demo(settings))
    print("the demo contest is loaded: /c/star")
    for line in ensure_demo_admin(settings):
        print(line)
    if orders:
        with _progress(orders) as show:
            asyncio.run(operations.make_demo_orders(settings, orders, lambda done: show(done, "orders")))
        print(f"{orders} orders are written")


@command(demo_app, "crowd", "spotlight demo crowd", "spotlight demo crowd --voters 300 --minutes 1 --contest mboa")
def crowd(
    voters: Annotated[
        int, typer.Option(min=1, max=20_000, help="How many people vote; fans do so several times.")
    ] = 2000,
    minutes: Annotated[float, typer.Option(min=0.1, max=600, help="How long the evening is.")] = 5,
    contest: Annotated[str, typer.Option(help="The contest's slug.")] = "star",
    seed: Annotated[int | None, typer.Option(min=0, help="The same seed is the same crowd; one is drawn.")] = None,
    as_json: AsJson = False,
) -> None:
    """Let a simulated crowd vote on all channels, as people do: most pay, some decline, leave or have no money.

    A presenter's calls make peaks, favourites take most, and somebody cheats from one address and with numbers in a
    row. Watch /c/star meanwhile. Ctrl-C sends the crowd home; what is paid is counted as ever.
    """
    import httpx

    wanted = {"voters": voters, "minutes": minutes, "contest": contest, "seed": seed}
    address = _country(running_settings())
    try:
        with httpx.Client(base_url=address, timeout=_CALL_SECONDS) as country:
            shown = _answer(country.post("/crowd", json=wanted))
            try:
                shown = _watched(country, shown)
            except KeyboardInterrupt:
                shown = _answer(country.post("/crowd/stop"))
    except httpx.TransportError as error:
        raise ApiRefused(f"the simulated country does not answer at {address}: {error}", status=503) from None
    if as_json:
        print_json(shown)
    else:
        print("\n".join(_summary(shown)))
    raise typer.Exit(FAILED if shown["state"] == "failed" else 0)


def _country(settings: "Settings") -> str:
    """Where the simulated country listens. Raises ApiRefused."""
    from gateway.cli.demo_environment import reachable_host

    if settings.env != "demo":
        raise ApiRefused("a simulated crowd votes in a demo only: SPOTLIGHT_ENV is not demo")
    return f"http://{reachable_host(settings.host)}:{settings.sandbox_port}"


def _answer(response: "httpx.Response") -> dict[str, Any]:
    """What the country says. Raises ApiRefused."""
    body: dict[str, Any] = response.json()
    if response.is_success:
        return body
    raise ApiRefused(f"{body['title']}: {body['detail']}", status=response.status_code)


@contextmanager
def _progress(length: int) -> Iterator[Callable[[int, str], None]]:
    """Shows how much of it is done, with words about it: by a bar on a terminal, else by a line now and then."""
    if sys.stderr.isatty():
        with typer.progressbar(length=length, file=sys.stderr) as bar:

            def draw(done: int, words: str) -> None:
                bar.label = words
                bar.update(done - bar.pos)

            yield draw
        return
    written_at = time.monotonic()

    def write(done: int, words: str) -> None:
        nonlocal written_at
        if time.monotonic() - written_at >= _LINE_SECONDS:
            written_at = time.monotonic()
            print(f"{done} of {length}: {words}", file=sys.stderr, flush=True)

    yield write


def _watched(country: "httpx.Client", shown: dict[str, Any]) -> dict[str, Any]:
    """The figures once the crowd has ended; they are seen to grow."""
    with _progress(shown["planned"]) as show:
        while shown["state"] == "voting":
            time.sleep(_LOOK_SECONDS)
            shown = _answer(country.get("/crowd"))
            show(shown["ended"], f"{shown['votes_paid']} votes paid, {shown['votes_counted']} counted")
    return shown


def _summary(shown: Mapping[str, Any]) -> list[str]:
    channels = ", ".join(f"{channel} {many}" for channel, many in sorted(shown["channels"].items()))
    waits = shown["state"] == "ended" and shown["votes_counted"] < shown["votes_paid"]
    return [
        f"crowd {shown['state']}: {shown['begun']} of {shown['planned']} tries (seed {shown['seed']}); {channels}",
        *(f"{many:>8} {_WORDS[outcome]}" for outcome, many in shown["outcomes"].items() if many),
        *(f"{many:>8} refused: {why}" for why, many in shown["refusals"].items()),
        f"votes paid {shown['votes_paid']}, votes more on the public page {shown['votes_counted']}",
        *(["what is paid and not counted waits for a person: /admin/held"] if waits else []),
    ]
