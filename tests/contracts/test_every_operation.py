"""Every operation of `/openapi.json`, asked by nobody and by every role, with what fits it and what does not: each
answer is one that the document declares, in the form that it declares, and no answer is a fault of ours."""

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import pytest
import requests
import schemathesis
from aiohttp import web
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
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
from gateway.runtime.gateway import create_app
from gateway.runtime.process import GatewayContainer
from gateway.runtime.settings import Settings
from tests.admin.back_office import PASSWORD
from tests.admin.test_every_route import furnish, key, members
from tests.engines import Database, Engines
from tests.fuzzing import INPUTS
from tests.gateway.cli.test_contest import MTN
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
# Examples of each operation, each of which everybody sends.
EXAMPLES: Final = max(4, INPUTS // 1_000)
# They answer for as long as their reader stays.
STREAMS: Final = ("/api/contests/{slug}/leaderboard/events", "/api/votes/{voteId}/events")
# They end the session of whoever asks.
LAST: Final = ("/api/auth/logout",)


@dataclass
class Api:
    """The service over HTTP, with a session at it for nobody and for everybody. `names`: what paths and bodies know
    something of the organiser `demo` by."""

    url: str
    sessions: Mapping[str, requests.Session]
    names: Mapping[str, str]
    answers: Counter[int] = field(default_factory=Counter)
    wrong: dict[str, str] = field(default_factory=dict)

    def ask(self, case: Case, *, known: bool) -> None:
        """Have everybody send a case. `known`: about what there is."""
        if known and case.operation.path not in STREAMS:
            self._name(case)
        for who, session in self.sessions.items():
            answer = case.call(base_url=self.url, session=session, timeout=20)
            self.answers[answer.status_code] += 1
            try:
                case.validate_response(answer, checks=CHECKS)
            except FailureGroup as group:
                kinds = sorted({type(error).__name__ for error in group.exceptions})
                place = f"{case.operation.label} {answer.status_code} {', '.join(kinds)}"
                self.wrong.setdefault(
                    place, f"{who}: {group.exceptions}\n{case.as_curl_command()}\n{answer.text[:500]}"
                )

    def _name(self, case: Case) -> None:
        path = case.operation.path
        of_path = {name: self.names.get(key(path, name)) for name in case.path_parameters}
        case.path_parameters.update({name: known for name, known in of_path.items() if known})
        about = {"contest": "slug", "subject": "payments/reference", "q": "payments/reference"}
        for given_fields in (case.query, case.body):
            if isinstance(given_fields, dict):
                named = {
                    name: self.names[about.get(name, name)]
                    for name in given_fields
                    if about.get(name, name) in self.names
                }
                given_fields.update(named)


@asynccontextmanager
async def gateway(given: Settings) -> AsyncIterator[tuple[str, GatewayContainer]]:
    async with GatewayContainer(given) as container:
        runner = web.AppRunner(create_app(container), access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}", container
        finally:
            await runner.cleanup()


@contextmanager
def served(given: Settings) -> Iterator[tuple[str, Mapping[str, str]]]:
    """A furnished gateway in a thread of its own: its address, and what is in it."""
    started: list[tuple[str, Mapping[str, str]]] = []
    ends: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
    ready = threading.Event()

    async def serve() -> None:
        over = asyncio.Event()
        ends.append((asyncio.get_running_loop(), over))
        rig = await MoneyRig(given.database_url).open()
        async with gateway(given) as (url, container):
            keep = KeepStaff(container.staff, Passwords())

            async def hire(email: str, role: Role, organiser: str | None, contest: str | None) -> str:
                await keep.create(email, PASSWORD, role=role, actor="test", organiser=organiser, contest=contest)
                return email

            names, _ = await furnish(rig, hire)
            await rig.close()
            started.append((url, names))
            ready.set()
            await over.wait()

    def run() -> None:
        try:
            asyncio.run(serve())
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


def signed_in(url: str, email: str) -> requests.Session:
    client = requests.Session()
    answer = client.post(f"{url}/api/auth/login", json={"email": email, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    client.cookies.clear()
    client.headers["Authorization"] = f"Bearer {answer.json()['accessToken']}"
    return client


@pytest.fixture
def api(engines: Engines, database: Database, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    for name, value in MTN.items():
        monkeypatch.setenv(name, value)
    more = {"SPOTLIGHT_SECRET_KEY": SECRET_KEY, "SPOTLIGHT_RATE_LIMITS": "false"}
    with served(engines.settings(database.name, redis_url, **more)) as (url, names):
        sessions = {"nobody": requests.Session()}
        sessions |= {email: signed_in(url, email) for email, _, _ in members()}
        for session in sessions.values():
            session.headers["Accept"] = "application/json"
        yield Api(url, sessions, names)
        for session in sessions.values():
            session.close()


def test_every_operation(api: Api) -> None:
    document = requests.get(f"{api.url}/openapi.json", timeout=20).json()
    found = [result.ok() for result in schemathesis.openapi.from_dict(document).get_all_operations()]
    for operation in sorted(found, key=lambda one: one.path in LAST):
        tried(operation, partial(api.ask))
    print(api.answers)
    assert not api.wrong, "\n\n".join(f"== {place}\n{what}" for place, what in api.wrong.items())
    assert set(api.answers) > {200, 201, 401, 403, 404, 409, 422}


def tried(operation: APIOperation[Any, Any, Any, Any], ask: Any) -> None:
    """Ask for an operation, as often with what fits it as with what does not."""
    cases = st.one_of([operation.as_strategy(mode) for mode in GenerationMode])

    @settings(
        max_examples=EXAMPLES,
        derandomize=INPUTS == ORDINARY,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases, known=st.booleans())
    def send(case: Case, known: bool) -> None:
        ask(case, known=known)

    send()
