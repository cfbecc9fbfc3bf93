"""A number sealed with a key that we no longer have delays no other."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.orders.fraud import FRAUD_OFF
from gateway.orders.prompting import NO_LIMITS
from gateway.orders.store import Orders
from gateway.storage.vault import Vault
from tests.rigs.rig import Rig
from tests.rigs.scripted_provider import paid


@pytest.fixture
async def rig(database: Any) -> AsyncIterator[Rig]:
    made = await Rig(database.app_url).open()
    yield made
    assert await made.broken() == {}
    await made.close()


async def test_those_behind_it_are_collected_and_counted(rig: Rig) -> None:
    own = rig.orders
    rig.orders = Orders(
        rig.engine.execution_options(isolation_level="AUTOCOMMIT"),
        Vault("a key of another house, long enough"),
        NO_LIMITS,
        FRAUD_OFF,
    )
    sealed = await rig.placed(number="+2250501020301")
    rig.orders = own
    ours = await rig.placed(number="+2250501020302")
    assert await rig.collect() == 1
    rig.provider.query_script = [paid()]
    await rig.make_due()
    assert await rig.verify() == 1
    assert await rig.settle_all() == 1
    assert (await rig.status(ours), await rig.status(sealed)) == ("settled", "sent")
