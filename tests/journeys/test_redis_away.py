"""Redis goes away under two gateway processes: both say that the ranking is delayed, and show the same one in time."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from tests.country import START_SECONDS_MAX, Country, until
from tests.free_port import free_port
from tests.journeys.test_database_away import asked
from tests.journeys.test_votes import initiate

pytestmark = pytest.mark.journey
DELAY_SECONDS_MAX = 5.0
VERSION = "select next_seq - 1 from contest_heads h join contests c on c.id = h.contest_id where c.slug = 'star'"


@contextmanager
def second_gateway(country: Country) -> Iterator[httpx.Client]:
    """One more gateway process over the same engines."""
    port = str(free_port())
    serve = [sys.executable, "-m", "gateway.cli.main", "serve"]
    environment = {**os.environ, **country.environment(), "PORT": port}
    log = country.home.parent / "second.log"
    with log.open("wb") as out:
        process = subprocess.Popen(serve, env=environment, stdout=out, stderr=out)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=15) as client:
            until(lambda: answers(client), "the second gateway", START_SECONDS_MAX)
            yield client
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            raise AssertionError(f"it does not end:\n{log.read_text()[-4000:]}") from None


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/healthz").is_success
    except httpx.TransportError:
        return False


@contextmanager
def redis_away(country: Country) -> Iterator[None]:
    """Killed, with no supervisor to start it again before the end."""
    pids = country.pids()
    os.kill(pids["up"], signal.SIGSTOP)
    try:
        os.kill(pids["valkey"], signal.SIGKILL)
        yield
    finally:
        os.kill(pids["up"], signal.SIGCONT)


def board(client: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/api/contests/star/leaderboard").raise_for_status().json()
    return found


def test_two_processes_show_the_same_ranking_while_redis_is_away(country: Country) -> None:
    number = "+2250522233001"
    with second_gateway(country) as second:
        both = (country.gateway, second)
        until(lambda: board(both[0]) == board(both[1]), "the same board")
        assert "delayed" not in board(second)
        before = board(second)["version"]
        initiate(country, candidateCode="05", quantity=2, voterPhone=number)
        country.phone(number).wait_for_prompt()
        with redis_away(country):
            until(lambda: all(board(one).get("delayed") for one in both), "both to say so", DELAY_SECONDS_MAX)
            for path in ("/c/star?lang=fr", "/c/star/b?lang=fr"):
                assert "Retard, 5 s au plus" in second.get(path).text
            country.phone(number).approve()
            version = until(lambda: max(0, asked(country, VERSION)[0][0] - before), "the vote to be counted") + before
            counted = time.monotonic()
            until(lambda: all(board(one)["version"] == version for one in both), "both boards", DELAY_SECONDS_MAX)
            assert time.monotonic() - counted < DELAY_SECONDS_MAX
            assert board(both[0]) == board(both[1])
        until(lambda: not any("delayed" in board(one) for one in both), "Redis to be back")
