"""A flood of forged callbacks costs a genuine one nothing, and fills no table."""

import asyncio
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from payments import routes
from payments.collection.admit_callbacks import UNPROVED_OF_ONE_ADDRESS, CallbackAdmission, store_callback
from tests.rigs.rig import Rig

GENUINE = 40
FORGED_MIN = 2_000
SECONDS_MAX = 1.0
BODY = b'{"status": "SUCCESSFUL"}'


@pytest.fixture
async def rig(database: Any) -> AsyncIterator[Rig]:
    made = await Rig(database.app_url).open()
    yield made
    await made.close()


async def test_genuine_ones_are_stored_answered_and_judged_while_forged_ones_flood(rig: Rig) -> None:
    orders = [await rig.placed(number=f"+22505010203{n:02d}") for n in range(GENUINE)]
    await rig.collect()
    codes = [row.order_code for row in await rig.rows("select order_code from order_keys order by order_code")]
    app = web.Application()
    admission = CallbackAdmission(rig.providers, rig.vault.reference_in, rig.callbacks.is_open)
    store = partial(store_callback, admission, rig.callbacks, rig.doorbell)
    routes.setup(app, frozenset({"mtn_momo"}), store)
    seconds: list[float] = []
    answers: list[int] = []
    over = asyncio.Event()
    async with TestClient(TestServer(app)) as client:

        async def forge(lane: int) -> None:
            number = 0
            while not over.is_set() or len(answers) < FORGED_MIN:
                number += 1
                unguessed = f"/{lane:022d}{number:021d}" if number % 2 else ""
                named = b'{"status": "SUCCESSFUL", "order_code": "SP%d"}' % number
                async with client.post(f"/api/webhooks/mtn_momo{unguessed}", data=named) as response:
                    answers.append(response.status)

        async def call(token: str, body: bytes) -> None:
            started = time.monotonic()
            async with client.put(f"/api/webhooks/mtn_momo{token}", data=body) as response:
                assert response.status == 200
            seconds.append(time.monotonic() - started)

        flood = asyncio.gather(*(forge(lane) for lane in range(50)))
        while len(answers) < 200:  # noqa: ASYNC110 - the flood is in progress
            await asyncio.sleep(0.01)
        for order in orders[1:]:
            await call(f"/{rig.vault.callback_token(order.payment_reference)}", BODY)
            await asyncio.sleep(0.01)
        # Without its token, by the code of its order alone.
        await call("", b'{"status": "SUCCESSFUL", "order_code": "%s"}' % codes[0].encode())
        assert await rig.judge() <= GENUINE + UNPROVED_OF_ONE_ADDRESS.burst * 2
        assert await rig.one("select count(*) from payments where hinted_at is not null") >= GENUINE - 1
        over.set()
        await flood
    assert sorted(seconds)[-2] < SECONDS_MAX
    assert set(answers) == {200, 429}
    assert answers.count(429) > len(answers) * 0.9
    assert await rig.one("select count(*) from callbacks") < GENUINE + UNPROVED_OF_ONE_ADDRESS.burst * 2
