"""The audit proves nothing unless it finds what is planted: one fault for each invariant."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from payments.ledger.audit import INVARIANTS
from payments.rollups.store import Rollups
from tests.rigs.rig import Rig
from tests.rigs.scripted_provider import paid

# Rows that no guard would let in: planted as a superuser with triggers off.
PLANTED = {
    "I0": "delete from votes",
    "I1": "delete from evidence",
    "I2": "delete from tally_entries",
    "I3": "update tally_entries set quantity = quantity + 1",
    "I4": """insert into payments select (p2).* from (select jsonb_populate_record(p, jsonb_build_object(
        'reference', gen_random_uuid())) as p2 from payments p where status = 'settled') x""",
    "I5": """insert into payments select (p2).* from (select jsonb_populate_record(p, jsonb_build_object(
        'reference', gen_random_uuid(), 'status', s)) as p2
        from payments p, unnest(array['sent', 'pending']) s where status = 'settled') x""",
    "I6": "update candidate_totals set votes = votes + 1 where votes > 0",
    "I7": "update contest_heads set next_seq = next_seq + 1",
    "I8": "update postings set amount_minor = amount_minor + 1 where account = 'sales'",
    "I9": "update postings set amount_minor = amount_minor * 2",
    "I10": "update postings set account = 'held_funds' where account = 'sales'",
    "I11": "update payments set status = 'held'",
    "I12": "update payments set status = 'pending', next_check_at = null",
    "I13": """insert into refunds (reference, payment_reference, contest_id, amount_minor, currency, reason)
        select gen_random_uuid(), reference, contest_id, amount_minor, currency, 'planted' from payments""",
    "I14": "delete from messages_out",
    "I16": "update payments set amount_minor = amount_minor + 100",
    "I17": """insert into tally_entries (contest_id, seq, kind, candidate_id, quantity, amount_minor, ledger_tx, reason,
        adjusts) select contest_id, 2, 'adjustment', candidate_id, -quantity, -amount_minor, ledger_tx, 'planted', 1
        from tally_entries""",
    "I18": "update payments set fee_minor = fee_minor + 1",
    "I20": """insert into disputes (reference, provider, operator_reference, payment_reference, contest_id, code,
        amount_minor, currency, status, effect, reversed_minor, closed_at)
        select gen_random_uuid(), provider, 'du_1', reference, contest_id, 'planted', amount_minor, currency, 'lost',
        'taken_back', amount_minor, now() from payments""",
    "I19": """insert into refunds (reference, payment_reference, contest_id, amount_minor, currency, reason,
        next_try_at) select gen_random_uuid(), reference, contest_id, amount_minor, currency, 'planted', null
        from payments""",
    "I22": "update votes set counts_until = now() - interval '1 day'",
    "S1": "update rollup_minutes set votes = votes + 1 where facet = 'candidate'",
    "S2": "delete from rollup_hours where facet = 'channel'",
    "S3": "update balance_days set debit_minor = debit_minor + 1 where account = 'sales'",
    "I21": "update payments set provisional = true, confirmed_at = now() - interval '25 hours'",
}


@pytest.fixture
async def settled(database: Any) -> AsyncIterator[Rig]:
    rig = await Rig(database.app_url).open()
    await rig.placed()
    await rig.collect()
    rig.provider.query_script = [paid()]
    await rig.make_due()
    await rig.verify()
    await rig.settle_all()
    await Rollups(rig.engine).catch_up()
    yield rig
    await rig.close()


def test_every_invariant_has_a_planted_fault() -> None:
    # Those about statements (R…) are planted in tests/payments/reconciliation/test_reconcile.py.
    assert {name.split()[0] for name in INVARIANTS if not name.startswith("R")} == set(PLANTED)


@pytest.mark.parametrize("invariant", PLANTED)
async def test_finds_the_planted_fault(settled: Rig, database: Any, invariant: str) -> None:
    assert await settled.broken() == {}
    connection = await asyncpg.connect(database.superuser_url)
    try:
        await connection.execute("set session_replication_role = replica")
        await connection.execute("drop index if exists payments_of_vote, payments_open_once cascade")
        await connection.execute(PLANTED[invariant])
    finally:
        await connection.close()
    assert invariant in {name.split()[0] for name in await settled.broken()}
