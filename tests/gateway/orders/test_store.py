"""Orders while PostgreSQL does not answer: each caller is answered in time, however many there are."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.orders import store as orders
from gateway.orders.fraud import FRAUD_OFF
from gateway.orders.prompting import NO_LIMITS
from gateway.orders.store import Orders
from gateway.storage.engine import DatabaseUnavailable, make_engine
from tests.rigs.rig import Rig


@pytest.fixture
async def silent(database: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rig]:
    """A service whose PostgreSQL takes connections and never says a word."""
    ended = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await ended.wait()
        writer.close()

    rig = await Rig(database.app_url).open()
    server = await asyncio.start_server(say_nothing, "127.0.0.1")
    port = server.sockets[0].getsockname()[1]
    engine = make_engine(f"postgresql://unknown@127.0.0.1:{port}/nothing", pool_size=2)
    monkeypatch.setattr(orders, "ORDER_SECONDS", 0.3)
    monkeypatch.setattr(orders, "_GIVEN_UP_SECONDS", 0.4)
    rig.orders = Orders(engine.execution_options(isolation_level="AUTOCOMMIT"), rig.vault, NO_LIMITS, FRAUD_OFF)
    try:
        yield rig
    finally:
        ended.set()
        await engine.dispose()
        server.close()
        await rig.close()


async def test_no_caller_waits_for_those_before(silent: Rig) -> None:
    began = time.monotonic()
    vote_requests = [silent.vote_request(number=f"+22505010203{number:02}") for number in range(12)]
    found = await asyncio.gather(
        *(silent.place(vote_request) for vote_request in vote_requests), return_exceptions=True
    )
    assert {type(answer) for answer in found} == {DatabaseUnavailable}
    # The first is alone on its way, the others share the next trip.
    assert time.monotonic() - began < 2.0


async def test_a_key_is_not_looked_for_without_end(silent: Rig) -> None:
    with pytest.raises(DatabaseUnavailable):
        await silent.orders.find("api", "key", b"")
