"""Votes are of the round in which they were placed: settled, refunded, ranked and audited by it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from gateway.contests.rounds import Round
from gateway.contests.store import RoundsFixed
from gateway.orders.rules import PlacedOrder, Refusal
from gateway.runtime.connections import utc_now
from leaderboard.ranking import Ranking
from leaderboard.scores import Rankings, Scores
from payments.requests import Act
from tests.rigs.money_rig import MoneyRig, opened
from tests.rigs.rig import Rig
from tests.rigs.scripted_provider import paid

SOON = timedelta(hours=2)
OTHER = "+2250501020305"
_PUT = """
insert into rounds (contest_id, number, name, opens_at, closes_at, fresh)
select id, {number}, 'Round {number}', now() + interval '{opens} minutes', now() + interval '{closes} minutes', {fresh}
from contests where slug = 'star'
"""


@pytest.fixture
async def rig(database: Any) -> AsyncIterator[MoneyRig]:
    made = await opened(database.app_url)
    yield made
    try:
        assert await made.broken() == {}
    finally:
        await made.close()


async def have(rig: Rig, *rounds: tuple[int, int, bool]) -> None:
    """The contest has these rounds, in minutes from now, as if time had passed."""
    async with rig.engine.begin() as connection:
        await connection.execute(text("delete from rounds"))
        for number, (opens, closes, fresh) in enumerate(rounds, start=1):
            put = _PUT.format(number=number, opens=opens, closes=closes, fresh=fresh)
            await connection.execute(text(put))
    await rig.directory.refresh()


async def paid_now(rig: Rig, order: PlacedOrder) -> str:
    """What becomes of an order whose payer approves now."""
    rig.provider.query_script = [paid(order.amount.amount_minor)]
    await rig.collect()
    await rig.make_due()
    await rig.verify()
    await rig.settle_all()
    return await rig.status(order)


async def next_asked(rig: Rig, order: PlacedOrder, at: str) -> None:
    """When the operator is asked about this order, in SQL."""
    asked = f"update payments set next_check_at = {at} where reference = :reference"
    async with rig.engine.begin() as connection:
        await connection.execute(text(asked), {"reference": order.payment_reference})


async def ranked(rig: Rig, number: int | None = None) -> Ranking:
    rankings = Rankings(rig.directory, utc_now)
    await rankings.refresh(Scores(rig.engine))
    found = rankings.ranking("star") if number is None else rankings.ranking_in("star", number)
    assert found is not None
    return found


def votes_in(ranking: Ranking) -> dict[str, int]:
    return {entry.code: entry.votes for entry in ranking.entries if entry.votes}


async def totals(rig: Rig) -> list[tuple[str, int, int]]:
    rows = await rig.rows(
        "select k.code, t.round, t.votes from candidate_totals t join candidates k on k.id = t.candidate_id"
        " where t.votes > 0 order by t.round, k.code"
    )
    return [tuple(row) for row in rows]


async def test_a_vote_counts_in_the_round_in_which_it_was_placed(rig: MoneyRig) -> None:
    assert await paid_now(rig, await rig.placed(code="01", quantity=1)) == "settled"
    await have(rig, (-60, 60, True), (120, 180, True))
    assert votes_in(await ranked(rig)) == {}, "the first round begins at zero"
    late = await rig.placed(code="07", quantity=5)
    await rig.collect()
    await next_asked(rig, late, "null")
    assert await paid_now(rig, await rig.placed(code="08", quantity=2, number=OTHER)) == "settled"
    stale = rig.vote_request(code="07")
    await have(rig, (-120, -60, True), (60, 180, True))
    assert await rig.place(stale) is Refusal.CLOSED, "by the inserting statement"
    assert await rig.place(rig.vote_request(code="07")) is Refusal.BETWEEN_ROUNDS
    assert (await ranked(rig)).round == 1
    await have(rig, (-180, -120, True), (-60, 60, True))
    board = await ranked(rig)
    assert (board.round, board.round_name, board.total_votes, votes_in(board)) == (2, "Round 2", 0, {})
    third = await rig.placed(code="07", quantity=3, number=OTHER)
    assert await paid_now(rig, third) == "settled"
    await next_asked(rig, late, "now()")
    assert await paid_now(rig, late) == "settled", "confirmed in the second round, counted in the first"
    assert await totals(rig) == [("01", 0, 1), ("07", 1, 5), ("08", 1, 2), ("07", 2, 3)]
    assert votes_in(await ranked(rig)) == {"07": 3}
    assert votes_in(await ranked(rig, 1)) == {"07": 5, "08": 2}
    rows = await rig.rows("select seq, round from tally_entries order by seq")
    assert [tuple(row) for row in rows] == [(1, 0), (2, 1), (3, 2), (4, 1)]


async def test_votes_are_carried_over(rig: MoneyRig) -> None:
    await have(rig, (-60, 60, True))
    assert await paid_now(rig, await rig.placed(code="07", quantity=5)) == "settled"
    await have(rig, (-180, -120, True), (-60, 60, False))
    assert await paid_now(rig, await rig.placed(code="07", quantity=3)) == "settled"
    assert votes_in(await ranked(rig)) == {"07": 8}
    assert votes_in(await ranked(rig, 1)) == {"07": 5}


async def test_a_vote_counts_until_the_grace_of_its_round(rig: MoneyRig) -> None:
    await have(rig, (-60, 60, True), (120, 180, True))
    order = await rig.placed()
    (row,) = await rig.rows(
        f"select extract(epoch from counts_until - now())::float as left, round from votes where id = '{order.vote_id}'"
    )
    assert row.round == 1
    assert 4190 < row.left <= 4200, "an hour and ten minutes"
    await rig.collect()
    await rig.count_until("now() - interval '1 second'")
    assert await paid_now(rig, order) == "refund_due"
    assert await totals(rig) == []


async def test_a_refund_leaves_the_round_of_its_vote(rig: MoneyRig) -> None:
    await have(rig, (-60, 60, True))
    first = await rig.counted(code="07", quantity=5)
    await have(rig, (-180, -120, True), (-60, 60, True))
    await rig.counted(code="07", quantity=3)
    await rig.agreed(Act.REFUND_PAYMENT, first.payment_reference)
    assert await totals(rig) == [("07", 2, 3)]
    rows = await rig.rows("select kind, round, quantity from tally_entries order by seq")
    assert [tuple(row) for row in rows] == [("vote", 1, 5), ("vote", 2, 3), ("adjustment", 1, -5)]


async def test_an_eviction_between_rounds(rig: MoneyRig) -> None:
    await have(rig, (-60, 60, True))
    for code, quantity in (("07", 5), ("08", 2)):
        assert await paid_now(rig, await rig.placed(code=code, quantity=quantity)) == "settled"
    await have(rig, (-240, -120, True), (-30, 60, True))
    evicted = "update candidates set status = 'evicted', evicted_at = now() - interval '1 hour' where code = '08'"
    async with rig.engine.begin() as connection:
        await connection.execute(text(evicted))
    await rig.directory.refresh()
    now, before = await ranked(rig), await ranked(rig, 1)
    assert "08" not in {entry.code for entry in now.entries}
    assert [(one.code, one.votes) for one in now.evicted] == [("08", 0)]
    assert (votes_in(before), before.evicted) == ({"07": 5, "08": 2}, ())


async def test_rounds_are_kept_and_those_that_have_begun_stay(rig: MoneyRig) -> None:
    now = await rig.now()
    first = Round(1, "Demi-finale", now + timedelta(seconds=1), now + SOON)
    second = Round(2, "Finale", now + SOON, now + 2 * SOON, fresh=False)
    for rounds in ((first, second), (first,)):
        await rig.new_rules(rounds=rounds)
        assert list(rig.contest.rounds) == list(rounds)
    versions = await rig.rows(
        "select r.document->'rounds' as rounds from contest_rules r join contests c on c.id = r.contest_id"
        " where c.slug = 'star' order by r.version"
    )
    assert [len(row.rounds or []) for row in versions] == [0, 2, 1]
    await have(rig, (-60, 60, True))
    held = rig.contest.rounds
    with pytest.raises(RoundsFixed, match="round 1 has begun"):
        await rig.new_rules(rounds=())
    assert rig.contest.rounds == held
    async with rig.engine.begin() as connection:
        await connection.execute(text("delete from rounds"))
    await rig.directory.refresh()
    with pytest.raises(RoundsFixed, match="round 1 cannot begin in the past"):
        await rig.new_rules(rounds=held)
