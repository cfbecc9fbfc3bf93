"""Callbacks are kept whatever PostgreSQL does, once each; copies are marked and prove nothing new."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from gateway.runtime.figures import FigureStore
from gateway.runtime.owed_work import OwedWork
from gateway.storage.engine import DatabaseUnavailable, make_engine
from gateway.storage.rows import line
from gateway.storage.spool import Spool
from gateway.storage.vault import Vault
from payments.collection.callback_queue import _CLAIM
from payments.collection.callbacks import INSERT_SECONDS, Callbacks, IncomingCallback, body_of
from payments.requests import Act
from tests.engines import Database
from tests.free_port import free_port
from tests.gateway.storage.plans import Planner
from tests.rigs.money_rig import ASKER, REASON, MoneyRig, opened
from tests.rigs.rig import SECRET_KEY
from tests.rigs.simulated_operator import SimulatedOperator

TRUE = b'{"status": "SUCCESSFUL"}'
PROOF = b'{"proof": true, "amount": 500, "status": "paid"}'


def callback(body: bytes = TRUE, token: str | None = None) -> IncomingCallback:
    return IncomingCallback("mtn_momo", token, "POST", {"x-thing": "é"}, body, "127.0.0.1")


@pytest.fixture
async def rig(database: Any) -> AsyncIterator[MoneyRig]:
    rig = await opened(database.app_url)
    yield rig
    await rig.close()


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Spool]:
    spool = Spool(tmp_path / "spool", "callbacks")
    yield spool
    await spool.aclose()


class Faulty(Callbacks):
    """A database that may be slow or away."""

    fault: Exception | None = None
    delay = 0.0
    lose_answer = False

    async def _insert(self, rows: Any) -> None:
        if self.delay:
            await asyncio.sleep(self.delay)
        if self.fault is not None:
            raise self.fault
        await super()._insert(rows)
        if self.lose_answer:
            raise OperationalError("insert", {}, Exception("connection lost"))


@pytest.fixture
def faulty(rig: MoneyRig, spool: Spool) -> Faulty:
    return Faulty(rig.engine.execution_options(isolation_level="AUTOCOMMIT"), rig.vault, spool)


AWAY = OperationalError("insert", {}, Exception("connection refused"))


async def stored(rig: MoneyRig) -> list[bytes]:
    """Bodies as they came."""
    found = await rig.rows("select record_id, body, body_cipher from callbacks")
    return sorted(body_of(rig.vault, row.record_id, row.body, row.body_cipher) for row in found)


async def test_postgresql_away_costs_nothing_but_time(rig: MoneyRig, faulty: Faulty, spool: Spool) -> None:
    faulty.fault = AWAY
    bodies = [b'{"n": %d}' % number for number in range(300)]
    await asyncio.gather(*(faulty.store(callback(body)) for body in bodies))
    assert await stored(rig) == []
    with pytest.raises(SQLAlchemyError):
        await faulty.drain()
    assert spool.waiting().records == 300
    faulty.fault = None
    assert await faulty.drain() == 300
    assert await stored(rig) == sorted(bodies)
    assert spool.empty
    await faulty.store(callback(b"at once again"))
    assert spool.empty
    assert len(await stored(rig)) == 301


async def test_a_slow_postgresql_is_not_waited_for(rig: MoneyRig, faulty: Faulty, spool: Spool) -> None:
    faulty.delay = 1.0
    started = time.monotonic()
    await faulty.store(callback(b"first"))
    first = time.monotonic() - started
    started = time.monotonic()
    await asyncio.gather(*(faulty.store(callback(b"later")) for _ in range(50)))
    assert first >= INSERT_SECONDS
    assert time.monotonic() - started < INSERT_SECONDS, "no caller waits for what is known to be away"
    assert spool.waiting().records == 51
    await asyncio.sleep(1.0)
    # The insert that no caller waited for was committed after all; the spool brings the same one again.
    assert await stored(rig) == [b"first"]
    faulty.delay = 0.0
    await faulty.drain()
    assert await stored(rig) == sorted([b"first", *([b"later"] * 50)])


async def test_an_insert_whose_answer_was_lost_is_one_row(rig: MoneyRig, faulty: Faulty) -> None:
    faulty.lose_answer = True
    await faulty.store(callback(b"once"))
    faulty.lose_answer = False
    assert await faulty.drain() == 1
    assert await stored(rig) == [b"once"]


async def test_draining_twice_changes_nothing(rig: MoneyRig, faulty: Faulty, spool: Spool) -> None:
    faulty.fault = AWAY
    await faulty.store(callback(b"once"))
    await faulty.aclose()
    (path,) = (path for path in spool._segments())
    kept = path.read_bytes()
    faulty.fault = None
    await faulty.drain()
    path.write_bytes(kept)  # killed between the commit and the removal
    await faulty.drain()
    assert await stored(rig) == [b"once"]


async def test_what_postgresql_will_never_take_delays_no_other(
    rig: MoneyRig, faulty: Faulty, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faulty, "_clock", lambda: datetime(1999, 1, 1, tzinfo=UTC))
    poison = faulty._row(callback(b"poison"))
    monkeypatch.undo()
    await spool.append(line(poison))
    with pytest.raises(DatabaseUnavailable):
        await Callbacks(faulty._engine, rig.vault, clock=lambda: datetime(1999, 1, 1, tzinfo=UTC)).store(callback())
    faulty.fault = AWAY
    await asyncio.gather(*(faulty.store(callback(body)) for body in (b"good", b"better")))
    faulty.fault = None
    await faulty.drain()
    assert await stored(rig) == [b"better", b"good"]
    assert (spool.waiting().records, spool.waiting().refused) == (0, 1)


async def test_a_callback_kept_nowhere_is_reported(rig: MoneyRig, tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("no directory")
    faulty = Faulty(
        rig.engine.execution_options(isolation_level="AUTOCOMMIT"), rig.vault, Spool(tmp_path / "spool", "callbacks")
    )
    faulty.fault = AWAY
    for _ in range(2):
        with pytest.raises(DatabaseUnavailable):
            await faulty.store(callback())
    faulty.fault = None
    await faulty.store(callback())
    assert await stored(rig) == [TRUE]


async def test_a_server_that_does_not_listen_is_away_too(spool: Spool) -> None:
    engine = make_engine(f"postgresql://unknown@127.0.0.1:{free_port()}/none")
    kept = Callbacks(engine.execution_options(isolation_level="AUTOCOMMIT"), Vault(SECRET_KEY), spool)
    await asyncio.gather(*(kept.store(callback()) for _ in range(20)))
    assert spool.waiting().records == 20
    await engine.dispose()


async def test_the_same_bytes_again_are_a_copy_and_a_hint_at_most(rig: MoneyRig) -> None:
    order, other = await rig.placed(), await rig.placed(number="+2250501020305")
    await rig.collect()
    await rig.callback(order, TRUE)
    await rig.callback(order, TRUE)
    await rig.callback(other, TRUE)  # equal bytes about another payment
    await rig.judge()
    await rig.callback(order, TRUE)
    await rig.callback(order, b'{"status": "FAILED"}')
    await rig.judge()
    first = await rig.one("select min(id) from callbacks")
    found = await rig.rows("select duplicate_of, outcome from callbacks order by id")
    assert [row.duplicate_of for row in found] == [None, first, None, first, None]
    assert {row.outcome for row in found} == {"hint"}
    assert await counts(rig) == {("mtn_momo", "hint"): 3, ("mtn_momo", "copy"): 2}
    assert await rig.broken() == {}


async def test_an_old_proof_again_proves_nothing_but_is_asked_about(rig: MoneyRig) -> None:
    order = await rig.placed()
    await rig.collect()
    await rig.callback(order, PROOF)
    await rig.callback(order, PROOF)
    await rig.judge()
    assert await rig.one("select count(*) from evidence") == 1
    assert await rig.status(order) == "confirmed"
    assert await counts(rig) == {("mtn_momo", "proof"): 1, ("mtn_momo", "copy"): 1}


async def test_what_is_signed_about_one_payment_proves_nothing_about_another(database: Any) -> None:
    rig = await opened(database.app_url)
    operator = SimulatedOperator()
    rig.provider, rig.providers = operator, {operator.code: operator}
    paid, open_one = await rig.placed(), await rig.placed(number="+2250501020305")
    await rig.collect()
    operator.decide(paid.payment_reference, 500)
    await rig.callback(open_one, operator.sealed(paid.payment_reference))
    await rig.judge()
    assert await rig.status(open_one) == "pending"
    await rig.callback(paid, operator.sealed(paid.payment_reference))
    await rig.judge()
    assert [await rig.status(order) for order in (paid, open_one)] == ["confirmed", "pending"]
    await rig.close()


async def test_a_signed_refusal_is_looked_at_once_more(database: Any) -> None:
    rig = await opened(database.app_url)
    operator = SimulatedOperator()
    rig.provider, rig.providers = operator, {operator.code: operator}
    order = await rig.placed()
    await rig.collect()
    operator.decide(order.payment_reference, 0)
    await rig.callback(order, operator.sealed(order.payment_reference))
    await rig.judge()
    assert await rig.status(order) == "failed"
    assert await rig.one(
        "select next_check_at between now() + interval '9 min' and now() + interval '11 min' from payments"
    )
    await rig.close()


async def test_two_days_later_it_is_news(rig: MoneyRig) -> None:
    order = await rig.placed()
    await rig.callback(order, TRUE)
    await rig.judge()
    async with rig.engine.begin() as connection:
        await connection.execute(text("select make_partitions(0)"))
    later = Callbacks(
        rig.engine.execution_options(isolation_level="AUTOCOMMIT"),
        rig.vault,
        clock=lambda: at,
    )
    at = await rig.one("select now() + interval '49 hours'")
    await later.store(callback(TRUE, rig.vault.callback_token(order.payment_reference)))
    await rig.judge()
    assert await rig.one("select count(*) from callbacks where duplicate_of is not null") == 0


async def test_a_storm_of_one_body_is_judged_quickly(rig: MoneyRig) -> None:
    order = await rig.placed()
    await rig.collect()
    await asyncio.gather(*(rig.callback(order, TRUE) for _ in range(2_000)))
    await asyncio.gather(*(rig.callback(None, b"", "forged") for _ in range(2_000)))
    started = time.monotonic()
    while await rig.judge():
        pass
    assert time.monotonic() - started < 10
    assert await counts(rig) == {
        ("mtn_momo", "hint"): 1,
        ("mtn_momo", "nothing"): 1,
        ("mtn_momo", "copy"): 3_998,
    }
    assert await rig.verify() == 1


async def test_the_first_of_many_in_a_month_reads_those_of_its_payment_alone(rig: MoneyRig, database: Database) -> None:
    connection = await asyncpg.connect(database.superuser_url)
    try:
        await connection.execute("""
        insert into callbacks (record_id, received_at, provider, payment_reference, method, remote, headers, body,
          body_hash, handled_at)
        select gen_random_uuid(), now() - n * interval '1 ms', 'mtn_momo', gen_random_uuid(), 'POST', '', '{}',
          decode(repeat('01', 700), 'hex'), decode(md5(n::text), 'hex'), now()
        from generate_series(1, 8_500) n;
        delete from pg_statistic s using pg_inherits i
        where s.starelid = i.inhrelid and i.inhparent = 'callbacks'::regclass;
        """)
        planner = await Planner.of(connection)
        plan = str(await planner.generic(str(_CLAIM.statement.compile(dialect=rig.engine.dialect))))
    finally:
        await connection.close()
    assert "_payment_reference_idx" in plan
    assert "_received_at_" not in plan


async def test_forged_and_unknown_ones_change_nothing_and_are_counted(rig: MoneyRig) -> None:
    order = await rig.placed()
    await rig.collect()
    before = await rig.rows("select * from payments")
    await rig.callback(order, b"<xml/>")
    await rig.callback(None, TRUE, "not-a-token-of-ours")
    await rig.callback(None, PROOF)
    await rig.judge()
    assert await rig.rows("select * from payments") == before
    assert await rig.one("select count(*) from evidence") == 0
    assert await counts(rig) == {("mtn_momo", "nothing"): 1, ("mtn_momo", "unknown reference"): 2}


@pytest.mark.parametrize("which", [0, 1])
async def test_a_copy_is_replayed_as_a_copy_and_the_first_as_the_first(rig: MoneyRig, which: int) -> None:
    order = await rig.placed()
    await rig.collect()
    await rig.callback(order, TRUE)
    await rig.callback(order, TRUE)
    await rig.judge()
    await rig.verify()
    numbers = [row.id for row in await rig.rows("select id from callbacks order by id")]
    async with rig.engine.begin() as connection:
        await connection.execute(text("update payments set hinted_at = null, next_check_at = now() + interval '1 h'"))
    await rig.acts.ask(Act.REPLAY_CALLBACK, str(numbers[which]), {}, REASON, ASKER)
    assert await rig.judge() == 1
    found = await rig.rows("select duplicate_of from callbacks order by id")
    assert [row.duplicate_of for row in found] == [None, numbers[0]]
    assert await rig.one("select hinted_at is not null from payments")


async def test_no_number_is_readable_in_the_table_or_on_the_disk(rig: MoneyRig, faulty: Faulty, spool: Spool) -> None:
    body = b'{"payer": {"partyId": "2250501020304"}, "status": "SUCCESSFUL"}'
    await faulty.store(callback(body))
    faulty.fault = AWAY
    await faulty.store(callback(body))
    faulty.fault = None
    (segment,) = spool._segments()
    written = segment.read_bytes()
    await faulty.drain()
    table: str = await rig.one(
        "select string_agg(encode(body_cipher, 'hex') || encode(body_hash, 'hex'), '') from callbacks"
    )
    for number in (b"501020304", b"501020304".hex().encode(), sha256(body).hexdigest().encode()):
        assert number not in written
        assert number not in table.encode()
    assert await stored(rig) == [body, body]
    assert await rig.one("select count(distinct body_hash) from callbacks") == 1


async def test_what_an_earlier_release_stored_or_spooled_is_read(rig: MoneyRig, faulty: Faulty, spool: Spool) -> None:
    order = await rig.placed()
    await rig.collect()
    row = dict(faulty._row(callback(TRUE, rig.vault.callback_token(order.payment_reference))))
    await spool.append(line({**{name: row[name] for name in row if name != "body_cipher"}, "body": TRUE}))
    await faulty.drain()
    assert await rig.one("select body from callbacks") == TRUE
    assert await rig.judge() == 1
    assert await rig.one("select outcome from callbacks") == "hint"


async def test_a_broken_seal_holds_up_no_other(rig: MoneyRig) -> None:
    order = await rig.placed()
    await rig.collect()
    await rig.callback(None, b"anything")
    async with rig.engine.begin() as connection:
        await connection.execute(
            text(
                "insert into callbacks (record_id, provider, method, headers, body_cipher,"
                " body_hash, remote) values (gen_random_uuid(), 'mtn_momo', 'POST', '{}', 'x', 'x', '')"
            )
        )
    await rig.callback(order, TRUE)
    assert await rig.judge() == 3
    outcomes = await rig.rows("select outcome from callbacks order by id")
    assert [row.outcome for row in outcomes] == ["nothing", "nothing", "hint"]


async def counts(rig: MoneyRig) -> dict[tuple[str, str], int]:
    """As `/metrics` has them."""
    shown = await FigureStore(rig.engine, OwedWork(rig.engine)).figures()
    return {(f.labels["provider"], f.labels["outcome"]): int(f.value) for f in shown if f.name == "spotlight_callbacks"}
