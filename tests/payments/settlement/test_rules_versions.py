"""Rules change while money is on its way: each vote goes by the version under which it was placed."""

from collections.abc import AsyncIterator
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest

from gateway.contests.rules import canonical
from gateway.contests.versions import RuleLine, RulesVersions, counted_versions
from gateway.orders.rules import PlacedOrder, Refusal
from gateway.values.money import Money
from payments.requests import Act, ActRefused
from tests.rigs.money_rig import ASKER, REASON, MoneyRig
from tests.rigs.rig import Rig
from tests.rigs.scripted_provider import paid


@pytest.fixture
async def rig(database: Any) -> AsyncIterator[Rig]:
    made = await Rig(database.app_url).open()
    yield made
    try:
        assert await made.broken() == {}
    finally:
        await made.close()


async def paid_now(rig: Rig, order: PlacedOrder) -> str:
    """What becomes of an order whose payer approves now."""
    rig.provider.query_script = [paid(order.amount.amount_minor)]
    await rig.collect()
    await rig.make_due()
    await rig.verify()
    await rig.settle_all()
    return await rig.status(order)


async def version_of(rig: Rig, order: PlacedOrder) -> tuple[int, int, float]:
    """Version and price of a vote, and how many seconds from now on it counts."""
    (row,) = await rig.rows(
        "select rules_version, price_minor, extract(epoch from counts_until - now())::float as left"
        f" from votes where id = '{order.vote_id}'"
    )
    return tuple(row)


async def test_what_is_published_has_a_first_version(rig: Rig) -> None:
    (row,) = await rig.rows("select r.* from contest_rules r join contests c on c.id = r.contest_id and slug = 'star'")
    assert (row.version, row.made_by, row.document["price_minor"], row.document["late_seconds"]) == (
        1,
        "demo",
        100,
        600,
    )


async def test_a_change_of_a_rule_is_one_version_more(rig: Rig) -> None:
    for price in (150, 150, 100):
        await rig.new_rules(price=Money(price, "XOF"))
    await rig.new_rules(name="Star", contact="elsewhere")
    rows = await rig.rows(
        "select r.version, r.made_by, r.document->'price_minor' as price, c.rules_version from contest_rules r"
        " join contests c on c.id = r.contest_id and c.slug = 'star' order by 1"
    )
    assert [tuple(row) for row in rows] == [
        (1, "demo", 100, 3), (2, "awa@house.test", 150, 3), (3, "awa@house.test", 100, 3)
    ]  # fmt: skip


@pytest.mark.parametrize("price", [50, 250])
async def test_a_price_that_changes_is_the_next_vote_s(rig: Rig, price: int) -> None:
    first = await rig.placed(quantity=5)
    await rig.new_rules(price=Money(price, "XOF"))
    second = await rig.placed(quantity=5)
    assert (await version_of(rig, first))[:2] == (1, 100)
    assert (await version_of(rig, second))[:2] == (2, price)
    assert [await paid_now(rig, first), await paid_now(rig, second)] == ["settled", "settled"]
    total = "select votes, amount_minor from candidate_totals t join candidates k on k.id = t.candidate_id"
    (row,) = await rig.rows(f"{total} where k.code = '07' and votes > 0")
    assert tuple(row) == (10, 500 + 5 * price)


@pytest.mark.parametrize("sooner", [{"closes_at": "now"}, {"closes_at": "now", "late_seconds": 0}], ids=str)
async def test_a_close_that_is_brought_forward_ends_no_vote_before_it(rig: Rig, sooner: dict[str, Any]) -> None:
    waiting = await rig.placed()
    last = (await version_of(rig, waiting))[2]
    await rig.new_rules(**{**sooner, "closes_at": await rig.now()})
    assert await rig.place(rig.vote_request()) is Refusal.CLOSED
    assert (await version_of(rig, waiting))[2] == pytest.approx(last, abs=30)
    assert await paid_now(rig, waiting) == "settled"


async def test_a_shorter_grace_is_the_next_vote_s(rig: Rig) -> None:
    """Both are paid minutes after the close."""
    await rig.new_rules(closes_at=await rig.now() + timedelta(minutes=1))
    first = await rig.placed()
    await rig.new_rules(late_seconds=30)
    second = await rig.placed(number="+2250501020305")
    assert (await version_of(rig, first))[2] - (await version_of(rig, second))[2] == pytest.approx(570, abs=1)
    await rig.collect()
    rig.provider.query_script = [paid(500), paid(500)]
    await rig.make_due()
    await rig.verify()
    await rig.change("update payments set confirmed_at = now() + interval '6 minutes' where status = 'confirmed'")
    await rig.settle_all()
    assert [await rig.status(first), await rig.status(second)] == ["settled", "refund_due"]


@pytest.mark.parametrize("later", [{"days": 30}, {"late_seconds": 86_400}], ids=str)
async def test_a_later_close_saves_no_vote_before_it(rig: Rig, later: dict[str, int]) -> None:
    order = await rig.placed()
    await rig.count_until("now() - interval '1 second'")
    closes_at = rig.contest.closes_at + timedelta(days=later.get("days", 0))
    await rig.new_rules(closes_at=closes_at, late_seconds=later.get("late_seconds", 600))
    assert await paid_now(rig, order) == "failed"
    assert await rig.one("select reason_code from payments") == "closed"


async def test_a_refund_is_asked_for_by_the_rules_of_the_vote(database: Any) -> None:
    rig = await MoneyRig(database.app_url).open()
    free = await rig.placed(number="+2250501020301")
    await rig.new_rules(refund_days=0)
    bound = await rig.placed(number="+2250501020302")
    await rig.new_rules(refund_days=None)
    for order in (free, bound):
        assert await paid_now(rig, order) == "settled"
    with pytest.raises(ActRefused, match="the rules leave 0 days"):
        await rig.acts.ask(Act.REFUND_PAYMENT, str(bound.payment_reference), {}, REASON, ASKER)
    assert await rig.one("select count(*) from staff_requests") == 0
    await rig.agreed(Act.REFUND_PAYMENT, free.payment_reference)
    assert await rig.status(free) == "refund_due"
    # What is owed by itself is owed whatever the rules say.
    await rig.new_rules(refund_days=0)
    await rig.late(number="+2250501020303")
    await rig.close()


async def test_a_vote_of_an_older_release_goes_by_what_holds(rig: Rig) -> None:
    order = await rig.placed()
    await rig.count_until("null")
    assert await paid_now(rig, order) == "settled"


async def test_nobody_changes_a_version(rig: Rig) -> None:
    for statement in ("update contest_rules set version = 2", "delete from contest_rules"):
        with pytest.raises(Exception, match="permission denied"):
            await rig.change(statement)


async def test_versions_are_read_with_the_votes_that_count_under_them(rig: Rig) -> None:
    assert await paid_now(rig, await rig.placed(number="+2250501020301", quantity=5)) == "settled"
    await rig.new_rules(price=Money(150, "XOF"), packs=(1, 5))
    assert await paid_now(rig, await rig.placed(number="+2250501020302", quantity=7)) == "settled"
    await rig.placed(number="+2250501020303", quantity=9)
    await rig.new_rules(refund_days=3)
    async with rig.engine.connect() as connection:
        found = await counted_versions(connection, rig.contest.id)
    assert [(one.version, one.made_by, one.votes) for one in found] == [
        (3, "awa@house.test", 0), (2, "awa@house.test", 7), (1, "demo", 5)
    ]  # fmt: skip
    assert [line.name for line in found[2].lines][:2] == ["price_minor", "quantity_max"]
    assert found[1].lines == (
        RuleLine("price_minor", Money(150, "XOF"), Money(100, "XOF")),
        RuleLine("packs", [1, 5], None),
    )
    assert found[0].lines == (RuleLine("refund_days", 3, None),)
    public = await RulesVersions(rig.engine).of(rig.contest.id)
    assert [(one.version, one.votes, sha256(canonical(dict(one.document))).digest()) for one in public] == [
        (one.version, 0, one.sha256) for one in found
    ]
