"""The money rig whose books must agree after each test."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.rigs.money_rig import MoneyRig, opened


@pytest.fixture
async def rig(database: Any) -> AsyncIterator[MoneyRig]:
    made = await opened(database.app_url)
    await made.charge_fees()
    yield made
    try:
        assert await made.broken() == {}
    finally:
        await made.close()


async def log_of(rig: MoneyRig) -> list[tuple[str, str]]:
    return [(row.actor, row.act) for row in await rig.rows("select actor, act from audit_log order by id")]
