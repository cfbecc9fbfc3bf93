"""The outbox with scripted carriers."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.channels.messages.sending_rig import SendingRig
from tests.rigs.rig import Rig


@pytest.fixture
async def outbox(database: Any) -> AsyncIterator[SendingRig]:
    rig = await Rig(database.app_url).open()
    yield SendingRig(rig, database.owner_url)
    await rig.close()
