"""A back office with an owner and a second person, who ask and agree."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from admin.access.rules import Role
from tests.admin.back_office import Office, open_office

AWA, YAO, SITA, AUDIT, OTHER = (f"{name}@house.test" for name in ("awa", "yao", "sita", "audit", "other"))
REASON = "the voter called us"


@pytest.fixture
async def office(database: Any) -> AsyncIterator[Office]:
    async with open_office(database.app_url) as opened:
        await opened.hire(AWA)
        await opened.hire(YAO, Role.FINANCE)
        yield opened


async def asked_last(office: Office) -> str:
    """The request that was made last."""
    return str(await office.rig.one("select id from staff_requests order by requested_at desc limit 1"))
