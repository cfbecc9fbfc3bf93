"""The first page and the summary, over real payments."""

from collections.abc import AsyncIterator

import pytest

from admin.access.rules import Role
from payments.rollups.store import Rollups
from tests.admin.back_office import Office, open_office
from tests.engines import Database

AWA = "awa@house.test"


@pytest.fixture
async def office(database: Database) -> AsyncIterator[Office]:
    async with open_office(database.app_url) as opened:
        await opened.hire(AWA)
        await opened.hire("koffi@demo.test", Role.OWNER, "demo")
        yield opened


async def test_an_evening_at_a_glance(office: Office) -> None:
    rig = office.rig
    await rig.counted()
    await rig.counted(number="+2250501020305", code="03", quantity=2)
    await rig.held(number="+2250501020306")
    await rig.late(number="+2250501020307")
    await Rollups(rig.engine).catch_up()
    client = await office.signed_in("koffi@demo.test")
    async with client.get("/api/admin/contests/star/summary") as answer:
        assert answer.status == 200, await answer.text()
        body = await answer.json()
    assert {name: body[name] for name in ("votes", "amount", "currency", "orders", "paid", "held", "returned")} == {
        "votes": 7,
        "amount": 700,
        "currency": "XOF",
        "orders": 4,
        "paid": 2,
        "held": 1,
        "returned": 1,
    }
    assert [(one["key"], one["votes"]) for one in body["byChannel"]] == [("ussd", 7)]
    assert [(one["code"], one["votes"]) for one in body["top"]] == [("07", 5), ("03", 2)]
    async with client.get("/admin") as answer:
        shown = await answer.text()
        assert answer.status == 200, shown
    print(shown[shown.index("<main") :])
