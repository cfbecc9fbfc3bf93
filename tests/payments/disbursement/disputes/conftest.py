"""A service that is paid by card."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.payments.disbursement.disputes.cards import (
    CardRig,
)


@pytest.fixture
async def rig(database: Any) -> AsyncIterator[CardRig]:
    rig = CardRig(database.app_url)
    await rig.open()
    await rig.charge_fees()
    yield rig
    try:
        assert await rig.broken() == {}
    finally:
        await rig.close()
