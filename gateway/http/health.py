"""What balancers and monitoring ask: whether the process runs, whether it is ready, and its figures.

`/healthz` touches nothing outside the process. `/readyz` asks each dependency with a limit and
turns 503 as soon as the process is asked to stop. `/metrics` is for Prometheus: what this process
counted, and business figures read from PostgreSQL, which all processes share.
"""

import asyncio
import hmac
import math
import signal
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final, Literal

import orjson
import structlog
from aiohttp import hdrs, web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from gateway.http.endpoint import ApiModel, described
from gateway.http.problems import Problem
from gateway.values.network import LOOPBACK, comes_from


class Concern(Exception):
    """What will fail unless a person acts. Nothing fails yet, so `/readyz` shows the text and stays 200."""


Check = Callable[[], Awaitable[None]]
"""Asks one dependency. Raises anything when it does not answer; Concern when it soon will not."""

CHECK_SECONDS: Final = 1.0
FIGURES_SECONDS: Final = 2.0
FIGURES_AGE_SECONDS: Final = 5.0
_FORWARDED: Final = frozenset({hdrs.X_FORWARDED_FOR, hdrs.FORWARDED, "X-Real-IP", "Via"})
# How long a balancer may take to notice that we are no longer ready.
DRAIN_SECONDS: Final = 5.0

_log = structlog.get_logger(__name__)

REGISTRY: Final = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)
_HOP_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, math.inf)


class _Requests(Collector):
    """Answered requests, in plain numbers: the library's own counters take a lock each time, and cost
    a USSD hop more than its menu does (`tests/bench`, P1)."""

    def __init__(self) -> None:
        self.answered: defaultdict[tuple[str, int], int] = defaultdict(int)
        self.hops = [0] * len(_HOP_BUCKETS)
        self.hop_seconds = 0.0

    def collect(self) -> Iterator[Metric]:
        """What `/metrics` shows."""
        requests = CounterMetricFamily(
            "spotlight_http_requests", "Requests answered, by surface and status.", labels=("surface", "status")
        )
        for (surface, status), count in self.answered.items():
            requests.add_metric((surface, str(status)), count)
        yield requests
        buckets = [
            ("+Inf" if b == math.inf else str(b), float(n))
            for b, n in zip(_HOP_BUCKETS, accumulate(self.hops), strict=True)
        ]
        yield HistogramMetricFamily(
            "spotlight_ussd_hop_seconds", "Time to answer one USSD hop.", buckets=buckets, sum_value=self.hop_seconds
        )


_requests: Final = _Requests()
REGISTRY.register(_requests)


def count_request(surface: str, status: int, seconds: float) -> None:
    """Count an answered request; of a USSD hop, its time too."""
    _requests.answered[surface, status] += 1
    if surface == "ussd":
        _requests.hops[bisect_left(_HOP_BUCKETS, seconds)] += 1
        _requests.hop_seconds += seconds


@dataclass(frozen=True, slots=True)
class Figure:
    """One value of a business metric, such as votes counted in a contest.

    `name` follows `spotlight_<noun>`; of a counter, `_total` is added by the exposition.
    """

    name: str
    help: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)
    kind: Literal["counter", "gauge"] = "gauge"


Refresher = Callable[[], Awaitable[Sequence[Figure]]]
"""Reads the business figures. May raise anything when the store does not answer."""

Local = Callable[[], Iterable[Figure]]
"""Figures of this process alone. Touches no store and raises nothing."""


class BusinessFigures(Collector):
    """The figures read last. They are read again on a request when they are old."""

    def __init__(self, refresher: Refresher | None, local: Local = tuple) -> None:
        self._refresher = refresher
        self._local = local
        self._figures: Sequence[Figure] = ()
        self._read_at: float | None = None
        self._reading = asyncio.Lock()

    async def refresh(self) -> None:
        """Read again if due. A store that does not answer is logged; the old figures stay."""
        async with self._reading:
            if self._refresher is None or self._age() < FIGURES_AGE_SECONDS:
                return
            try:
                async with asyncio.timeout(FIGURES_SECONDS):
                    self._figures = await self._refresher()
            except Exception as error:
                _log.warning("figures_not_read", error=type(error).__name__)
            else:
                self._read_at = time.monotonic()

    def _age(self) -> float:
        return float("inf") if self._read_at is None else time.monotonic() - self._read_at

    def collect(self) -> Iterable[Metric]:
        """The figures as Prometheus families, and how old they are."""
        families: dict[str, Metric] = {}
        for figure in (*self._figures, *self._local()):
            family = families.get(figure.name)
            if family is None:
                kind = CounterMetricFamily if figure.kind == "counter" else GaugeMetricFamily
                family = families[figure.name] = kind(figure.name, figure.help, labels=list(figure.labels))
            if isinstance(family, CounterMetricFamily | GaugeMetricFamily):
                family.add_metric(list(figure.labels.values()), figure.value)
        yield from families.values()
        if self._refresher is not None and self._read_at is not None:
            yield GaugeMetricFamily("spotlight_figures_age_seconds", "Age of the business figures.", value=self._age())


class Alive(ApiModel):
    """The process runs its loop."""

    status: Literal["ok"]


class Readiness(ApiModel):
    """What this process needs, by name."""

    status: Literal["ok", "draining", "failed"]
    checks: dict[str, str]


class Health:
    """The handlers, and whether this process still wants work."""

    def __init__(
        self, checks: Mapping[str, Check], figures: Refresher | None, metrics_token: str | None, local: Local
    ) -> None:
        self._checks = checks
        self._figures = BusinessFigures(figures, local)
        self._registry = CollectorRegistry()
        self._registry.register(self._figures)
        self._metrics_token = metrics_token
        self.draining = False

    @described(returns={200: Alive}, tag="operations")
    async def healthz(self, _: web.Request) -> web.Response:
        """Tell that the process runs.

        Nothing else is asked.
        """
        return _answer(200, {"status": "ok"})

    @described(returns={200: Readiness, 503: Readiness}, tag="operations")
    async def readyz(self, _: web.Request) -> web.Response:
        """Tell whether requests should be sent here.

        And if not, because of whom.
        """
        names = list(self._checks)
        found = await asyncio.gather(*(_ask(self._checks[name]) for name in names))
        checks = {name: word for name, (word, _) in zip(names, found, strict=True)}
        if self.draining:
            return _answer(503, {"status": "draining", "checks": checks})
        failed = not all(fine for _, fine in found)
        return _answer(503 if failed else 200, {"status": "failed" if failed else "ok", "checks": checks})

    async def metrics(self, request: web.Request) -> web.Response:
        """Prometheus text. 401 without the token where one is set; where none is set, 403 unless this machine asks."""
        self._allow(request)
        await self._figures.refresh()
        text = generate_latest(REGISTRY) + generate_latest(self._registry)
        return web.Response(body=text, headers={hdrs.CONTENT_TYPE: CONTENT_TYPE_LATEST, hdrs.CACHE_CONTROL: "no-store"})

    def _allow(self, request: web.Request) -> None:
        if self._metrics_token is None:
            # A proxy on this machine is a loopback peer too, and says for whom it asks.
            if not comes_from(request.remote or "", LOOPBACK) or any(name in request.headers for name in _FORWARDED):
                raise Problem(403, "Only for this machine", "Set SPOTLIGHT_METRICS_TOKEN to read from elsewhere.")
            return
        given = request.headers.get(hdrs.AUTHORIZATION, "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(given, f"Bearer {self._metrics_token}".encode()):
            raise Problem(401, "Token required", headers={hdrs.WWW_AUTHENTICATE: "Bearer"})


async def _ask(check: Check) -> tuple[str, bool]:
    """The state of a dependency in few words, and whether it answers in time."""
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await check()
    except TimeoutError:
        return "no answer in time", False
    except Concern as concern:
        return str(concern), True
    except Exception as error:
        _log.warning("check_failed", check=getattr(check, "__name__", ""), error=repr(error))
        return type(error).__name__, False
    return "ok", True


def _answer(status: int, body: Mapping[str, object]) -> web.Response:
    headers = {hdrs.CONTENT_TYPE: "application/json", hdrs.CACHE_CONTROL: "no-store"}
    return web.Response(status=status, body=orjson.dumps(body), headers=headers)


HEALTH: web.AppKey[Health] = web.AppKey("health", Health)


def setup(
    app: web.Application,
    checks: Mapping[str, Check],
    figures: Refresher | None = None,
    *,
    metrics_token: str | None = None,
    local: Local = tuple,
) -> None:
    """Serve `/healthz`, `/readyz` and `/metrics`.

    `checks`: dependencies by name, each given a second. `figures`: reads the business figures, at
    most every five seconds. `metrics_token`: what `/metrics` wants as a bearer token; without one it answers this
    machine only. `local`: what
    this process knows by itself, also while no store answers.
    """
    health = app[HEALTH] = Health(checks, figures, metrics_token, local)
    app.router.add_get("/healthz", health.healthz)
    app.router.add_get("/readyz", health.readyz)
    app.router.add_get("/metrics", health.metrics)


def stop_on_signals(app: web.Application, stopping: asyncio.Event, *, drain_seconds: float = DRAIN_SECONDS) -> None:
    """On SIGTERM: no longer ready at once, `stopping` set when balancers had time to see it.

    SIGINT, a person at a terminal, sets it at once. A second signal of either kind ends the process
    by default: nothing depends on a clean stop. Call it in the running loop.
    """
    loop = asyncio.get_running_loop()
    health = app[HEALTH]

    def stop(after: float) -> None:
        health.draining = True
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
        _log.info("gateway_stopping", seconds=after)
        loop.call_later(after, stopping.set)

    loop.add_signal_handler(signal.SIGTERM, stop, drain_seconds)
    loop.add_signal_handler(signal.SIGINT, stop, 0.0)
