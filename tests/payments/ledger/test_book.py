"""The book read at any instant: balances, trial balance, journal, fee plans."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from gateway.values.money import Money
from payments.ledger import postings as ledger
from payments.ledger.book import Book, LedgerEntry, MoneyRefused, UnknownName, post
from payments.ledger.postings import FeePlan
from payments.requests import ActRefused
from tests.rigs.money_rig import RIGHTS, hire
from tests.rigs.rig import Rig
from tests.rigs.scripted_provider import paid


@pytest.fixture
async def rig(database: Any) -> AsyncIterator[Rig]:
    rig = await Rig(database.app_url).open()
    yield rig
    await rig.close()


@pytest.fixture
def read(rig: Rig) -> Book:
    return Book(rig.engine, RIGHTS.permit)


AWA, SITA = "awa@house.test", "sita@house.test"


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


async def test_a_fee_plan_shares_what_is_counted_from_then_on(rig: Rig, read: Book) -> None:
    await hire(rig.engine, AWA, "owner")
    await vote(rig)
    await read.set_fee_plan("demo", "XOF", FeePlan(1000, 0, 0), valid_from=None, person=AWA)
    await vote(rig)
    held = {b.account: b.amount_minor for b in await read.balances(None, contest="star")}
    assert (held["platform_fee"], held["organiser_payable"]) == (-50, -950)
    (plan,) = await read.fee_plans("demo", None)
    assert (plan.plan, plan.created_by) == (FeePlan(1000, 0, 0), AWA)
    assert await rig.one(f"select count(*) from audit_log where act = 'fees.set' and actor = '{AWA}'") == 1
    assert await rig.broken() == {}


async def test_only_the_platforms_owner_sets_our_share(rig: Rig, read: Book) -> None:
    await hire(rig.engine, SITA, "finance")
    for person in (SITA, "left@house.test"):
        with pytest.raises(ActRefused):
            await read.set_fee_plan("demo", "XOF", FeePlan(1000), valid_from=None, person=person)
    assert await read.fee_plans("demo", None) == []


async def test_no_fee_plan_for_the_past_and_none_twice(rig: Rig, read: Book) -> None:
    await hire(rig.engine, AWA, "owner")
    now = await rig.now()
    with pytest.raises(MoneyRefused, match="past"):
        await read.set_fee_plan("demo", "XOF", FeePlan(1), valid_from=now - timedelta(seconds=1), person=AWA)
    tomorrow = now + timedelta(days=1)
    await read.set_fee_plan("demo", "XOF", FeePlan(1), valid_from=tomorrow, person=AWA)
    with pytest.raises(MoneyRefused, match="already"):
        await read.set_fee_plan("demo", "XOF", FeePlan(2), valid_from=tomorrow, person=AWA)
    assert len(await read.fee_plans("demo", None)) == 1
