"""Every operation of `/openapi.json`, asked by nobody and by every role, with what fits it and what does not: each
answer is one that the document declares, in the form that it declares, and no answer is a fault of ours."""

import asyncio
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from itertools import cycle, islice, product
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
import requests
import schemathesis
import uvloop
from aiohttp import web
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from admin.access.keep_staff import KeepStaff
from admin.access.passwords import Passwords
from admin.access.rules import Role
from gateway.http.endpoint import DECLARED, JSON_TYPE
from gateway.http.forms import FORM_TYPE
from gateway.http.openapi import document
from gateway.runtime.gateway import create_app
from gateway.runtime.process import GatewayContainer
from gateway.runtime.settings import Settings
from tests.admin.back_office import PASSWORD
from tests.admin.test_every_route import furnish, key, known_values, members
from tests.engines import Database, Engines
from tests.fuzzing import INPUTS
from tests.gateway.cli.test_contest import MTN
from tests.gateway.http.test_endpoint import check_document
from tests.rigs.money_rig import MoneyRig
from tests.rigs.rig import SECRET_KEY

pytestmark = [pytest.mark.fuzz, pytest.mark.timeout(7200, method="thread")]

CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
ORDINARY: Final = 5_000
# Examples of each operation. In the suite so many take turns to send one, so that everybody sends each operation; with
# more inputs everybody sends every example.
EXAMPLES: Final = max(4, INPUTS // 4_000)
SENDERS: Final = 3 if INPUTS == ORDINARY else None
CLOUDINARY: Final = {
    "CLOUDINARY_CLOUD_NAME": "demo",
    "CLOUDINARY_API_KEY": "1",
    "CLOUDINARY_API_SECRET": "a secret for tests only, of the right length",
    "CLOUDINARY_BASE_URL": "http://127.0.0.1:9",
    "CLOUDINARY_DELIVERY_BASE_URL": "http://127.0.0.1:9",
}
KANNEL: Final = {
    "KANNEL_BASE_URL": "http://127.0.0.1:9",
    "KANNEL_USERNAME": "spotlight",
    "KANNEL_PASSWORD": "a password for tests",
    "KANNEL_SHARED_SECRET": "a shared secret of the right length",
    "HUBTEL_SHARED_SECRET": "another shared secret of the right length",
}
NOBODY: Final = ""
PROOF_SECONDS: Final = 200
# They answer for as long as their reader stays.
STREAMS: Final = ("/api/contests/{slug}/leaderboard/events", "/api/votes/{voteId}/events")
# They end what the others are about: the contest, the organiser's rights, the session of whoever asks.
ENDING: Final = re.compile(r".*/(close|archive|freeze|state|logout)")


@dataclass
class Api:
    """The service over HTTP, with a session at it for nobody and for everybody. `names`: what paths and bodies know
    something of the organiser `demo` by."""

    url: str
    sessions: Mapping[str, requests.Session]
    names: Mapping[str, str]
    paths: Sequence[str]
    answers: Counter[int] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)
    asked: set[tuple[str, str]] = field(default_factory=set)
    wrong: dict[str, str] = field(default_factory=dict)
    signed_in_at: float = 0.0
    last: Case[Any] = field(init=False)

    def __post_init__(self) -> None:
        self.turns = cycle(self.sessions)

    def sign_in(self) -> None:
        """Sign everybody in anew where it was long ago: acts about money want a proof that is minutes old."""
        if self.signed_in_at and time.monotonic() - self.signed_in_at < PROOF_SECONDS:
            return
        for email, session in self.sessions.items():
            if email != NOBODY:
                given = {"email": email, "password": PASSWORD}
                answer = requests.post(f"{self.url}/api/auth/login", json=given, timeout=20)
                assert answer.status_code == 200, answer.text
                session.headers["Authorization"] = f"Bearer {answer.json()['accessToken']}"
        self.signed_in_at = time.monotonic()

    def ask(self, case: Case[Any], *, known: bool) -> None:
        """Have those whose turn it is send a case. `known`: about what there is."""
        if known and case.operation.path not in STREAMS:
            self._name(case)
        for who in islice(self.turns, SENDERS or len(self.sessions)):
            self._send(case, who)
        self.last = case

    def have_the_rest_ask(self) -> None:
        """Whoever had no turn sends the last case: of some operations there is but one."""
        for who in self.sessions:
            if (self.last.operation.label, who) not in self.asked:
                self._send(self.last, who)

    def _send(self, case: Case[Any], who: str) -> None:
        answer = case.call(base_url=self.url, session=self.sessions[who], timeout=20)
        self.asked.add((case.operation.label, who))
        self.answers[answer.status_code] += 1
        self.done[case.operation.label] += answer.status_code < 400
        try:
            case.validate_response(answer, checks=CHECKS)
        except FailureGroup as group:
            kinds = sorted({type(error).__name__ for error in group.exceptions})
            place = f"{case.operation.label} {answer.status_code} {', '.join(kinds)}"
            self.wrong.setdefault(place, f"{who}: {group.exceptions}\n{case.as_curl_command()}\n{answer.text[:500]}")

    def _name(self, case: Case[Any]) -> None:
        for name in case.path_parameters:
            known = key(case.operation.path, name)
            case.path_parameters[name] = self.names.get(known, case.path_parameters[name])
        for sent in (case.query, case.body):
            if isinstance(sent, dict):
                sent.update({name: value for name, value in known_values(self.names).items() if name in sent})


@asynccontextmanager
async def gateway(given: Settings) -> AsyncIterator[tuple[str, GatewayContainer, Sequence[str]]]:
    async with GatewayContainer(given) as container:
        app = create_app(container)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        paths = sorted({one.resource.canonical for one in app.router.routes() if one.resource is not None})
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}", container, paths
        finally:
            await runner.cleanup()


@contextmanager
def served(given: Settings) -> Iterator[tuple[str, Mapping[str, str], Sequence[str]]]:
    """A furnished gateway in a thread of its own: its address, and what is in it."""
    started: list[tuple[str, Mapping[str, str], Sequence[str]]] = []
    ends: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
    ready = threading.Event()

    async def serve() -> None:
        over = asyncio.Event()
        ends.append((asyncio.get_running_loop(), over))
        rig = await MoneyRig(given.database_url).open()
        async with gateway(given) as (url, container, paths):
            keep = KeepStaff(container.staff, Passwords())

            async def hire(email: str, role: Role, organiser: str | None, contest: str | None) -> str:
                await keep.create(email, PASSWORD, role=role, actor="test", organiser=organiser, contest=contest)
                return email

            names, _ = await furnish(rig, hire)
            await rig.close()
            started.append((url, names, paths))
            ready.set()
            await over.wait()

    def run() -> None:
        try:
            uvloop.run(serve())
        finally:
            ready.set()

    thread = threading.Thread(target=run)
    thread.start()
    ready.wait()
    try:
        yield started[0]
    finally:
        for loop, over in ends:
            loop.call_soon_threadsafe(over.set)
        thread.join()


@pytest.fixture
def api(engines: Engines, database: Database, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    for name, value in (MTN | CLOUDINARY | KANNEL).items():
        monkeypatch.setenv(name, value)
    more = {"SPOTLIGHT_SECRET_KEY": SECRET_KEY, "SPOTLIGHT_RATE_LIMITS": "false"}
    with served(engines.settings(database.name, redis_url, **more)) as (url, names, paths):
        emails = [email for email, _, organiser in members() if organiser in (None, "demo")]
        with ExitStack() as stack:
            sessions = {who: stack.enter_context(requests.Session()) for who in (NOBODY, *emails)}
            for session in sessions.values():
                session.trust_env = False  # each request would look for a file of passwords, and for proxies
                session.headers["Accept"] = JSON_TYPE
            made = Api(url, sessions, names, paths)
            made.sign_in()
            yield made


# Pages and files for people; the document itself; what is written as aggregators and carriers chose; figures as text.
NOT_DESCRIBED: Final = (
    r"(/|/c/.*|/votes/.*|/nominations/.*|/admin(/.*)?|/api/auth/continue|/static/.*|/media/.*"
    r"|/docs|/openapi.json|/robots.txt|/sitemap.*|/(ussd|sms|telegram)/.*|/metrics)$"
)


async def test_every_address_is_described(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CLOUDINARY.items():
        monkeypatch.setenv(name, value)
    async with GatewayContainer(settings) as container:
        app = create_app(container)
    described = document(app)
    check_document(described)
    operations = {
        (method.upper(), path): operation
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    }
    served = {
        (route.method, route.resource.canonical): route.handler
        for route in app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    left_out = [one for one in sorted(served.keys() - operations.keys()) if not re.match(NOT_DESCRIBED, one[1])]
    assert left_out == []
    for (method, path), operation in operations.items():
        handler, answers = served[method, path], operation["responses"].keys()
        signed_in = hasattr(handler, DECLARED)
        assert signed_in is ("security" in operation), path
        assert signed_in or not path.startswith("/api/admin/"), path
        assert not signed_in or {"401", "403", "503"} <= answers, path
        sent = operation.get("requestBody")
        assert sent is None or "413" in answers, path


def test_every_operation(api: Api) -> None:
    answer = requests.get(f"{api.url}/openapi.json", timeout=20)
    found = [
        result.ok()
        for result in schemathesis.openapi.from_dict(answer.json()).get_all_operations()
        if isinstance(result, Ok)
    ]
    for operation in sorted(found, key=lambda one: bool(ENDING.fullmatch(one.path))):
        api.sign_in()
        tried(operation, api.ask)
        api.have_the_rest_ask()
    assert not api.wrong, "\n\n".join(f"== {place}\n{what}" for place, what in api.wrong.items())
    assert len(api.done) == len(found) == sum(map(len, answer.json()["paths"].values()))
    assert api.asked == {(operation.label, who) for operation in found for who in api.sessions}
    assert {200, 201, 400, 401, 403, 404, 409, 422} <= set(api.answers)


def tried(operation: APIOperation[Any, Any, Any, Any], ask: Callable[..., None]) -> None:
    """Ask for an operation, as often with what fits it as with what does not."""
    fits, does_not = (operation.as_strategy(mode) for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE))
    known, unknown = st.just(True), st.just(False)
    cases = st.one_of(st.tuples(fits, known), st.tuples(does_not, known), st.tuples(fits, unknown))

    @examples(
        max_examples=EXAMPLES,
        derandomize=INPUTS == ORDINARY,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases)
    def send(drawn: tuple[Case[Any], bool]) -> None:
        case, known = drawn
        ask(case, known=known)

    send()


# What programs read of a head, with what no browser sends: bytes that are no UTF-8 among it.
HEADERS: Final = (
    *("Accept", "Accept-Encoding", "Accept-Language", "Authorization", "Content-Type", "Forwarded", "Idempotency-Key"),
    *("If-Match", "If-Modified-Since", "If-None-Match", "Last-Event-ID", "Origin", "Range", "Sec-Fetch-Site"),
    *("User-Agent", "X-Cld-Signature", "X-Forwarded-For", "X-Telegram-Bot-Api-Secret-Token"),
)
COOKIES: Final = ("lang", "spotlight-access", "spotlight-device", "spotlight-refresh", "orders", "device")
VALUES: Final = (b"\xff\xfe", b"http://[", b"a" * 5_000, b"Bearer \xc3\x28", b"application/json; charset=none")
SENT: Final = (
    ("GET", "/", b"", ""),
    ("GET", "/c/star", b"", ""),
    ("GET", "/admin/sign-in", b"", ""),
    ("GET", "/admin", b"", ""),
    ("GET", "/static/base.css", b"", ""),
    ("GET", "/api/contests/star/leaderboard", b"", ""),
    ("GET", "/api/admin/me", b"", ""),
    ("POST", "/api/auth/login", b'{"email": "owner@demo.test", "password": "cinq gorges de manioc"}', JSON_TYPE),
    ("POST", "/api/auth/refresh", b"{}", JSON_TYPE),
    ("POST", "/api/auth/refresh", b"", JSON_TYPE),
    ("POST", "/api/webhooks/mtn_momo", b"{}", JSON_TYPE),
    ("POST", "/api/webhooks/cloudinary", b"{}", JSON_TYPE),
    ("POST", "/api/votes/initiate", b'{"contest": "star", "candidate": "07", "quantity": 1}', JSON_TYPE),
    ("POST", "/admin/sign-in", b"email=owner@demo.test&password=cinq+gorges+de+manioc", FORM_TYPE),
    ("POST", "/admin/reset", b"email=owner@demo.test", FORM_TYPE),
    ("POST", "/c/star", b"code=07&quantity=1&number=0501020304", FORM_TYPE),
    ("POST", "/c/star/nominate", b"name=a", FORM_TYPE),
)
ODD_ENDS: Final = (
    *(b"/", b"?\xff=\xfe&a=1&a=2", b"?a=%00%ff&limit=" + b"9" * 5000),
    *(b"?next=//[", b"?key=\xff", b"//..%2f"),
)
# By how many methods each is sent: in the suite GET and POST take turns.
SENT_BY: Final = 1 if INPUTS == ORDINARY else 2
ODD_TEXTS: Final = (b"%00", b"\xff", b"%ff", b"%ed%a0%80", b"9" * 3000, b"\xc3\xa9", b"//[", b"%0d%0aa:b")


def exchanged(url: str, method: str, path: bytes, body: bytes, head: Mapping[str, bytes]) -> tuple[int, dict[str, str]]:
    """Status and headers of the answer to bytes as they are given."""
    parts = urlsplit(url)
    lines = {"Host": b"x", "Connection": b"close", "Content-Length": b"%d" % len(body), **head}
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as line:
        line.sendall(method.encode() + b" " + path + b" HTTP/1.1\r\n")
        line.sendall(b"".join(b"%s: %s\r\n" % (name.encode(), value) for name, value in lines.items()) + b"\r\n" + body)
        answer = line.makefile("rb")
        status = answer.readline().split()
        headers = (one.decode("latin-1").partition(":") for one in iter(answer.readline, b"\r\n"))
        return int(status[1]), {name.lower(): value.strip() for name, _, value in headers}


class Odd:
    """Sends what no program of ours does. `wrong`: answers that are faults, or unprotected."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.wrong: list[object] = []
        self.tried = 0

    def ask(self, method: str, path: bytes, body: bytes = b"", **head: bytes) -> None:
        given = {name.replace("_", "-"): value for name, value in head.items()}
        status, headers = exchanged(self.api.url, method, path, body, given)
        self.tried += 1
        by_library = headers.get("server") != "spotlight"  # what cannot be read as HTTP reaches no handler
        protected = by_library or {"content-security-policy", "x-content-type-options"} <= headers.keys()
        if not 200 <= status < 500 or (status == 405) != ("allow" in headers) or (status > 400 and not protected):
            self.wrong.append((method, path[:200], body, {n: v[:40] for n, v in head.items()}, status, headers))


def test_odd_methods_and_addresses(api: Api) -> None:
    odd = Odd(api)
    token = str(api.sessions["owner@demo.test"].headers["Authorization"]).encode()
    unknown = cycle(("OPTIONS", "TRACE", "BREW"))  # which no handler answers, so one a path
    methods = cycle(("GET", "POST"))
    for path in api.paths:
        parts = re.split(r"{(\w+)}", path)
        named = [api.names.get(key(path, part), "x") if at % 2 else part for at, part in enumerate(parts)]
        known = "".join(named).encode()
        for method in (next(unknown), "HEAD", "DELETE"):
            odd.ask(method, known, Authorization=token)
        for end in ODD_ENDS:
            for method in islice(methods, SENT_BY):
                odd.ask(method, known + end, Authorization=token)
        # The next address has the other half of them.
        next(methods)
        for text in ODD_TEXTS if "{" in path else ():
            address = text.join(part.encode() for part in parts[::2])
            for method in islice(methods, SENT_BY):
                odd.ask(method, address, Authorization=token, Content_Type=JSON_TYPE.encode())
    assert odd.wrong == [], "\n".join(map(str, odd.wrong))
    assert odd.tried > 1_000


def test_odd_heads(api: Api) -> None:
    odd = Odd(api)
    for (method, path, body, kind), value in product(SENT, VALUES):
        usual = {"Content_Type": kind.encode(), "Sec_Fetch_Site": b"same-origin"}
        for name in HEADERS:
            # A browser's form from another site is refused before anything is read.
            sent = {**usual, name.replace("-", "_"): value}
            if name == "Origin":
                del sent["Sec_Fetch_Site"]
            odd.ask(method, path.encode(), body, **sent)
        for name in COOKIES:
            odd.ask(method, path.encode(), body, **usual, Cookie=name.encode() + b"=" + value)
    assert odd.wrong == [], "\n".join(map(str, odd.wrong))
    assert odd.tried > 1_000
