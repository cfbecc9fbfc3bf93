"""Many orders asked about at once: only what changed is returned, by one statement."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import event

from payments.lifecycle import PublicStatus
from payments.provider import Accepted, Redirect
from tests.rigs.rig import Rig
from tests.rigs.scripted_provider import paid


@pytest.fixture
async def rig(database: Any) -> AsyncIterator[Rig]:
    made = await Rig(database.app_url).open()
    yield made
    await made.close()


async def test_only_changed_orders_are_returned(rig: Rig) -> None:
    numbers = [f"+22505010203{n:02d}" for n in range(5)]
    orders = [await rig.placed(number=number) for number in numbers]
    known = {order.vote_id: "" for order in orders} | {uuid4(): ""}
    first = await rig.views.changed_orders(known)
    assert set(first) == {order.vote_id for order in orders}
    assert {view.status for _, view in first.values()} == {PublicStatus.PENDING}
    marks = {vote: mark for vote, (mark, _) in first.items()}
    assert await rig.views.changed_orders(marks) == {}
    assert {view.pay_before for _, view in first.values()} == {None}  # no operator has a deadline yet
    await rig.collect()
    asked = await rig.views.changed_orders(marks)
    assert all(view.pay_before for _, view in asked.values())
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
    statements: list[str] = []
    event.listen(rig.engine.sync_engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    found = await rig.views.changed_orders({order.vote_id: ""} | {uuid4(): "" for _ in range(999)})
    assert list(found) == [order.vote_id]
    assert len(statements) == 1


async def test_without_a_question_nothing_is_returned(rig: Rig) -> None:
    assert await rig.views.changed_orders({}) == {}


async def test_the_pages_of_many_orders_are_one_question_and_stay_known(rig: Rig) -> None:
    orders = [await rig.placed(number=f"+22505010203{n:02d}") for n in range(3)]
    votes = [order.vote_id for order in orders]
    assert await rig.views.payment_links(votes) == {}
    ends = await rig.now() + timedelta(minutes=10)
    rig.provider.create_script = [Redirect(f"https://pay.example/{n}", ends) for n in range(2)]
    rig.provider.create_script.append(Accepted())
    await rig.collect()
    links = await rig.views.payment_links([*votes, uuid4()])
    assert len(links) == 2
    assert set(links.values()) == {"https://pay.example/0", "https://pay.example/1"}
    rig.provider.query_script = [paid()]
    await rig.make_due()
    await rig.verify()
    await rig.settle_all()
    assert await rig.views.payment_links(votes) == links
