"""PostgreSQL goes away under a running gateway while operators call: nothing is lost and nothing counted twice."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any
from uuid import UUID

import asyncpg
import psutil
import pytest

from gateway.storage.vault import Vault
from tests.country import Country, until
from tests.engines import run_apart
from tests.journeys.test_votes import initiate

pytestmark = pytest.mark.journey
# MTN gives up after two seconds, and may then leave our address alone for an hour.
TIMEOUT_SECONDS = 2.0
# What the gateway gives an order, and a little for a busy machine.
ORDER_SECONDS = 6.0
READ_SECONDS = 13.0
PAYERS = 6
QUANTITY = 3


@contextmanager
def suspended(country: Country) -> Iterator[None]:
    """Connections stay open and no process answers on them."""
    server = psutil.Process(country.pids()["postgres"])
    everybody = [server, *server.children(recursive=True)]
    try:
        for process in everybody:
            # One that had its work done is gone by itself.
            with suppress(psutil.NoSuchProcess):
                process.suspend()
        yield
    finally:
        for process in everybody:
            with suppress(psutil.NoSuchProcess):
                process.resume()


@contextmanager
def dead(country: Country) -> Iterator[None]:
    """Killed, with no supervisor to start it again before the end."""
    pids = country.pids()
    backends = psutil.Process(pids["postgres"]).children(recursive=True)
    os.kill(pids["up"], signal.SIGSTOP)
    try:
        os.kill(pids["postgres"], signal.SIGKILL)
        psutil.wait_procs(backends, timeout=5)
        yield
    finally:
        os.kill(pids["up"], signal.SIGCONT)


def asked(country: Country, statement: str, *values: Any) -> list[Any]:
    async def fetch() -> list[Any]:
        connection = await asyncpg.connect(country.environment()["DATABASE_URL"])
        try:
            return list(await connection.fetch(statement, *values))
        finally:
            await connection.close()

    return run_apart(fetch())


def ordered(country: Country, start: int) -> list[UUID]:
    """References of orders whose payers have the prompt on their screens."""
    numbers = [f"+22505222{start + payer:05d}" for payer in range(PAYERS)]
    votes = [UUID(initiate(country, candidateCode="04", quantity=QUANTITY, voterPhone=n)["voteId"]) for n in numbers]
    for number in numbers:
        country.phone(number).wait_for_prompt()
    rows = asked(country, "select reference from payments where vote_id = any($1::uuid[])", votes)
    return [row["reference"] for row in rows]


def operator_calls(country: Country, tokens: list[str]) -> list[tuple[int, float]]:
    """The operator calls about each of them at once; the answers, with the seconds that they took."""

    def call(token: str) -> tuple[int, float]:
        began = time.monotonic()
        answer = client.put(
            f"/api/webhooks/mtn_momo/{token}",
            json={"status": "SUCCESSFUL", "externalId": "SPAWAY0000000000", "at": time.monotonic_ns()},
        )
        return answer.status_code, time.monotonic() - began

    client = country.stranger(timeout=10)
    with ThreadPoolExecutor(max_workers=len(tokens)) as operator:
        return list(operator.map(call, tokens))


def turned_away(country: Country, start: int) -> list[tuple[int, float]]:
    """Voters who try to order all the same; what each was answered, with the seconds that it took."""

    def order(number: int) -> tuple[int, float]:
        vote_request = {
            "contest": "star",
            "candidateCode": "04",
            "quantity": 1,
            "paymentMethod": "MTN_MOBILE_MONEY",
            "voterPhone": f"+22505222{start + 50 + number:05d}",
        }
        began = time.monotonic()
        answer = country.stranger(timeout=20).post("/api/votes/initiate", json=vote_request)
        return answer.status_code, time.monotonic() - began

    with ThreadPoolExecutor(max_workers=8) as voters:
        return list(voters.map(order, range(8)))


def looked_up(country: Country) -> tuple[int, float]:
    """A caller asks for an order meanwhile; the status, with the seconds that it took."""
    began = time.monotonic()
    answer = country.stranger(timeout=30).get(f"/api/votes/{UUID(int=7, version=4)}")
    return answer.status_code, time.monotonic() - began


@pytest.mark.parametrize(("away", "start"), [(suspended, 100), (dead, 200)])
def test_callbacks_while_postgresql_is_away(
    silent: Country, away: Callable[[Country], AbstractContextManager[None]], start: int
) -> None:
    country, before = silent, silent.votes("04")
    references = ordered(country, start)
    vault = Vault(country.environment()["SPOTLIGHT_SECRET_KEY"])
    tokens = [vault.callback_token(reference) for reference in references]
    with away(country):
        for payer in range(PAYERS):
            country.phone(f"+22505222{start + payer:05d}").approve()
        with ThreadPoolExecutor(max_workers=1) as reader:
            looking = reader.submit(looked_up, country)
            answers = operator_calls(country, tokens) + operator_calls(country, [*tokens, "an-unknown-token"])
            refused = turned_away(country, start)
            status, seconds = looking.result()
    assert {status for status, _ in answers} == {200}, answers
    assert max(seconds for _, seconds in answers) < TIMEOUT_SECONDS, answers
    assert (status, seconds < READ_SECONDS) == (503, True), (status, seconds)
    # Voters are answered within a request's time, and nothing is taken from them.
    assert {status for status, _ in refused} == {503}, refused
    assert max(seconds for _, seconds in refused) < ORDER_SECONDS, refused
    until(lambda: country.votes("04") == before + PAYERS * QUANTITY, "every vote on the board")
    until(lambda: "spotlight_callbacks_spooled 0" in country.metrics(), "a spool that is empty again")
    judged = (
        "select payment_reference from callbacks where payment_reference = any($1::uuid[]) and handled_at is not null"
    )
    until(lambda: len(asked(country, judged, references)) == 2 * PAYERS, "every call to be judged")
    assert {row["payment_reference"] for row in asked(country, judged, references)} == set(references)
    settled = asked(
        country,
        "select p.status, count(t.seq) as entries from payments p left join tally_entries t"
        " on t.payment_reference = p.reference where p.reference = any($1::uuid[]) group by p.reference, p.status",
        references,
    )
    assert [tuple(row) for row in settled] == [("settled", 1)] * PAYERS
    audit = country.run("audit", "money")
    assert audit.returncode == 0, audit.stdout
