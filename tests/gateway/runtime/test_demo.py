"""What the demo loader books beside its contests: the float of simulated operators."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.runtime.demo import SIMULATED_FLOAT
from gateway.runtime.operations import load_demo
from gateway.runtime.settings import Settings
from gateway.storage.engine import make_engine
from sandbox.operators.faults import Faults
from tests.gateway.cli.test_contest import MTN

PAYS_OUT = {
    **MTN,
    "MTN_MOMO_DISBURSEMENT_SUBSCRIPTION_KEY": "key",
    "MTN_MOMO_DISBURSEMENT_API_USER": "8d3e6c1a-52b7-4f0e-9a64-1c7b0f5d2e83",
    "MTN_MOMO_DISBURSEMENT_API_KEY": "key",
    "SPOTLIGHT_ACCOUNTS": "mtn_momo@cm",
    "MTN_MOMO_CM_TARGET_ENVIRONMENT": "mtncameroon",
}
PAWAPAY = {
    "PAWAPAY_BASE_URL": "http://sandbox:8081/pawapay",
    "PAWAPAY_API_TOKEN": "demo-token",
    "PAWAPAY_CALLBACK_URL": "http://127.0.0.1:8080/api/webhooks/pawapay",
}
FLOATS = (
    "select provider, account, currency, amount_minor, memo from postings order by provider, currency, amount_minor"
)


@pytest.fixture
async def engine(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AsyncEngine]:
    for name, value in PAYS_OUT.items():
        monkeypatch.setenv(name, value)
    made = make_engine(settings.database_url, pool_size=1, name="test")
    yield made
    await made.dispose()


async def postings(engine: AsyncEngine) -> list[tuple[object, ...]]:
    async with engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(text(FLOATS))]


async def test_the_float_of_each_simulated_wallet_is_booked_once(settings: Settings, engine: AsyncEngine) -> None:
    await load_demo(settings)
    await load_demo(settings)
    found = await postings(engine)
    assert [row[:4] for row in found] == [
        ("mtn_momo", "bank", "XOF", -SIMULATED_FLOAT),
        ("mtn_momo", "operator_float", "XOF", SIMULATED_FLOAT),
        ("mtn_momo@cm", "bank", "XAF", -SIMULATED_FLOAT),
        ("mtn_momo@cm", "operator_float", "XAF", SIMULATED_FLOAT),
    ]
    assert all("no real bank" in str(row[4]) for row in found)


async def test_where_all_money_is_in_one_wallet_it_is_booked_there(
    settings: Settings, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in PAWAPAY.items():
        monkeypatch.setenv(name, value)
    await load_demo(settings)
    found = [row[1:4] for row in await postings(engine) if row[0] == "pawapay"]
    assert found == [
        (account, currency, sign * SIMULATED_FLOAT)
        for currency in ("XAF", "XOF")
        for account, sign in (("bank", -1), ("operator_clearing", 1))
    ]


async def test_a_float_that_is_booked_is_not_booked_again(settings: Settings, engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(
            text("""
with t as (select gen_random_uuid() as tx)
insert into postings (tx, provider, account, currency, amount_minor, memo)
select t.tx, 'mtn_momo', a, 'XOF', m, 'difference 1' from t, (values ('bank', -5), ('operator_float', 5)) as v (a, m)
""")
        )
    await load_demo(settings)
    assert [row[0] for row in await postings(engine)] == ["mtn_momo", "mtn_momo", "mtn_momo@cm", "mtn_momo@cm"]


async def test_nothing_is_booked_for_a_real_operator(
    settings: Settings, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MTN_MOMO_BASE_URL", "https://sandbox.momodeveloper.mtn.com")
    await load_demo(settings)
    assert await postings(engine) == []


def test_the_simulated_operators_begin_with_as_much() -> None:
    assert Faults().float_balance == SIMULATED_FLOAT
