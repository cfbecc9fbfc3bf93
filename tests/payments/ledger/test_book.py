"""The book read at any instant: balances, trial balance, journal, fee plans."""

import csv
import io
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import text

from gateway.values.money import Money
from payments.ledger import postings as ledger
from payments.ledger.book import Book, LedgerEntry, UnknownName, post
from payments.ledger.postings import FeePlan
from payments.rollups.store import Rollups
from tests.rigs.rig import Rig
from tests.rigs.scripted_provider import paid


@pytest.fixture
async def rig(database: Any) -> AsyncIterator[Rig]:
    rig = await Rig(database.app_url).open()
    yield rig
    await rig.close()


@pytest.fixture
def read(rig: Rig) -> Book:
    return Book(rig.engine)


AWA = "awa@house.test"


async def vote(rig: Rig) -> datetime:
    """One counted vote of 500 francs; the instant after it."""
    await rig.placed()
    await rig.collect()
    rig.provider.query_script = [paid()]
    await rig.make_due()
    await rig.verify()
    await rig.settle_all()
    return await rig.now()


async def test_balances_now_and_at_an_instant_before(rig: Rig, read: Book) -> None:
    before = await rig.now()
    after_one = await vote(rig)
    await vote(rig)

    def sales(found: Any) -> list[int]:
        return [b.amount_minor for b in found if b.account == "sales"]

    assert sales(await read.balances(None)) == [-1000]
    assert sales(await read.balances(None, at=after_one, contest="star")) == [-500]
    assert await read.balances(None, at=before) == []
    clearing = next(b for b in await read.balances(None) if b.account == "operator_clearing")
    assert (clearing.contest, clearing.provider, clearing.currency) == ("star", "mtn_momo", "XOF")


_LEG = """
insert into postings (id, tx, provider, account, currency, amount_minor, memo, at) overriding system value
select $1 + n, $2, 'mtn_momo', account, 'XOF', amount, 'late', now() - interval '30 hours'
from (values (0, 'bank', 700), (1, 'operator_clearing', -700)) legs(n, account, amount)
"""
_ALL = """
select account, currency, sum(amount_minor) filter (where amount_minor > 0) as debit,
  -sum(amount_minor) filter (where amount_minor < 0) as credit
from postings where at <= coalesce(cast(:at as timestamptz), 'infinity') group by 1, 2 order by 2, 1
"""


async def test_what_is_summed_and_what_is_not_are_the_whole_book(rig: Rig, read: Book, database: Any) -> None:
    rollups, instants = Rollups(rig.engine), [None, await vote(rig)]

    async def is_whole() -> None:
        for at in instants:
            async with rig.engine.connect() as connection:
                rows = (await connection.execute(text(_ALL), {"at": at})).all()
            whole = [(row.account, row.currency, row.debit or 0, row.credit or 0) for row in rows]
            trial = await read.trial(at=at)
            assert [(line.account, line.currency, line.debit_minor, line.credit_minor) for line in trial] == whole
            sums = {(account, currency): debit - credit for account, currency, debit, credit in whole}
            held = Counter[tuple[str, str]]()
            for balance in await read.balances(None, at=at):
                held[balance.account, balance.currency] += balance.amount_minor
            assert held == {key: minor for key, minor in sums.items() if minor}
        found = await rig.broken()
        assert not {name for name in found if name.startswith("S")}, found

    await is_whole()
    await rollups.catch_up()
    await is_whole()
    # Booked, on a day that is summed, by a transaction that ends after a later one was read; and one that is undone.
    last = await rig.one("select max(id) from postings")
    late = await asyncpg.connect(database.superuser_url)
    other = await asyncpg.connect(database.superuser_url)
    begun = late.transaction()
    await begun.start()
    await late.execute(_LEG, last + 5, uuid4())
    await other.execute(_LEG, last + 11, uuid4())
    await is_whole()
    assert await rollups.catch_up() == 2
    instants += [await rig.now(), await rig.now() - timedelta(hours=30), await rig.now() - timedelta(hours=29)]
    await is_whole()
    await begun.commit()
    await is_whole()
    assert await rollups.catch_up() == 2
    await is_whole()
    await rollups.rebuild(lambda *_: None)
    await is_whole()
    assert len(await read.trial(at=instants[-1])) == 2
    for connection in (late, other):
        await connection.close()


async def test_no_contest_of_that_name(read: Book) -> None:
    with pytest.raises(UnknownName, match=r"'stra'.*star"):
        await read.balances(None, contest="stra")


async def test_both_sides_of_every_currency_agree(rig: Rig, read: Book) -> None:
    await vote(rig)
    lines = await read.trial()
    for currency in ("XOF", "VOTES"):
        members = [line for line in lines if line.currency == currency]
        assert members
        assert sum(line.debit_minor for line in members) == sum(line.credit_minor for line in members) > 0
        assert sum(line.balance_minor for line in members) == 0


async def test_the_journal_is_every_leg_once(rig: Rig, read: Book) -> None:
    await vote(rig)
    text = "".join([line async for line in read.journal_csv(None, contest="star")])
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == await rig.one("select count(*) from postings")
    assert sum(int(row["amount_minor"]) for row in rows) == 0
    assert {row["account"] for row in rows} >= {"sales", "operator_clearing", "organiser_payable", "votes_counted"}


async def test_a_memo_is_no_formula(rig: Rig, read: Book) -> None:
    entry = LedgerEntry(uuid4(), None, '=HYPERLINK("http://x")', ledger.operator_kept(Money(1, "XOF")))
    async with rig.engine.begin() as connection:
        await post(connection, [(entry, "mtn_momo")])
    lines = [line async for line in read.journal_csv(None)]
    assert all("'=HYPERLINK" in line for line in lines[1:])


async def set_plan(rig: Rig, percent_bp: int, method: str = "") -> None:
    async with rig.engine.begin() as connection:
        await connection.execute(
            text(
                "insert into fee_plans (id, organiser_id, currency, method, valid_from, percent_bp, created_by)"
                " select gen_random_uuid(), id, 'XOF', :method, now(), :bp, 'awa@house.test' from organisers"
                " where slug = 'demo'"
            ),
            {"bp": percent_bp, "method": method},
        )


async def test_a_fee_plan_shares_what_is_counted_from_then_on(rig: Rig, read: Book) -> None:
    await vote(rig)
    await set_plan(rig, 1_000)
    await vote(rig)
    held = {b.account: b.amount_minor for b in await read.balances(None, contest="star")}
    assert (held["platform_fee"], held["organiser_payable"]) == (-50, -950)
    (plan,) = await read.fee_plans("demo", None)
    assert (plan.plan, plan.method, plan.created_by) == (FeePlan(1000, 0, 0), "", AWA)
    assert await rig.broken() == {}


@pytest.mark.parametrize(("method", "fee"), [("MTN_MOBILE_MONEY", 100), ("CARD", 50)])
async def test_a_way_to_pay_may_have_a_plan_of_its_own(rig: Rig, read: Book, method: str, fee: int) -> None:
    """The vote is paid by MTN."""
    await set_plan(rig, 2_000, method)
    await set_plan(rig, 1_000)
    await vote(rig)
    held = {b.account: b.amount_minor for b in await read.balances(None, contest="star")}
    assert held["platform_fee"] == -fee
    assert await rig.broken() == {}
