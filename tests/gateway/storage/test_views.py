"""Many orders asked about at once: only what changed is told, by one statement."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import event

from gateway.domain.payment import PublicStatus
from tests.gateway.rig import Rig
from tests.gateway.scripted_provider import paid


@pytest.fixture
async def rig(database: Any) -> AsyncIterator[Rig]:
    made = await Rig(database.app_url).open()
    yield made
    await made.close()


async def test_only_changed_orders_are_told(rig: Rig) -> None:
    numbers = [f"+22505010203{n:02d}" for n in range(5)]
    orders = [await rig.placed(number=number) for number in numbers]
    known = {order.vote_id: "" for order in orders} | {uuid4(): ""}
    first = await rig.views.changed_orders(known)
    assert set(first) == {order.vote_id for order in orders}
    assert {view.status for _, view in first.values()} == {PublicStatus.PENDING}
    marks = {vote: mark for vote, (mark, _) in first.items()}
    assert await rig.views.changed_orders(marks) == {}
    await rig.collect()
    rig.provider.query_script = [paid()]
    await rig.make_due()
    await rig.verify()
    await rig.settle_all()
    ended = await rig.views.changed_orders({orders[0].vote_id: marks[orders[0].vote_id]})
    ((mark, view),) = ended.values()
    assert mark != marks[orders[0].vote_id]
    assert view == await rig.views.order(orders[0].vote_id)
    assert (view.status, view.receipt is not None) == (PublicStatus.COMPLETED, True)


async def test_a_thousand_orders_cost_one_statement(rig: Rig) -> None:
    order = await rig.placed()
    said: list[str] = []
    event.listen(rig.engine.sync_engine, "before_cursor_execute", lambda *given: said.append(given[2]))
    found = await rig.views.changed_orders({order.vote_id: ""} | {uuid4(): "" for _ in range(999)})
    assert list(found) == [order.vote_id]
    assert len(said) == 1


async def test_nothing_asked_is_nothing_told(rig: Rig) -> None:
    assert await rig.views.changed_orders({}) == {}
