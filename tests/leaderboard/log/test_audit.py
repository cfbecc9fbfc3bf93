"""The audit of the log finds what is planted, and names the line."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from gateway.contests.changes import Change, Plan
from gateway.contests.store import write_plan
from leaderboard.log.audit import audit_logs
from leaderboard.log.explained import renamed_without_act, unexplained
from leaderboard.log.rebuild import LeavesBroken, rebuild_logs
from payments.requests import Act
from tests.leaderboard.log.test_build import RELEASED, builder_of, tampered
from tests.rigs.money_rig import MoneyRig, opened

RUNBOOK = Path(__file__).parents[3] / "docs" / "runbook.md"
PUBLISHED = {
    "name": "Star",
    "country": "CI",
    "price_minor": 100,
    "formula": "votes",
    "candidates": [
        {"code": "01", "name": "Awa", "category": "", "status": "approved"},
        {"code": "02", "name": "Yao", "category": "Danse", "status": "approved"},
    ],
}


def with_people(*people: tuple[str, str, str, str], **more: object) -> dict[str, Any]:
    named = [dict(zip(("code", "name", "category", "status"), one, strict=True)) for one in people]
    return {**PUBLISHED, "candidates": named, **more}


AWA, YAO = ("01", "Awa", "", "approved"), ("02", "Yao", "Danse", "approved")


@pytest.mark.parametrize(
    ("now", "rules", "acts", "faults"),
    [
        (PUBLISHED, {}, [], []),
        ({**PUBLISHED, "price_minor": 200}, {"price_minor": 200}, [], []),
        (
            {**PUBLISHED, "price_minor": 200},
            {"price_minor": 100},
            [],
            ["price_minor is 200, was published as 100, and no act changed it"],
        ),
        ({**PUBLISHED, "formula": {"jury_percent": 30}}, {"formula": {"jury_percent": 30}}, [], []),
        (
            {**PUBLISHED, "formula": {"jury_percent": 30}},
            {},
            [("jury_percent", "none", "30")],
            ["formula is {'jury_percent': 30}, was published as 'votes', and no act changed it"],
        ),
        ({**PUBLISHED, "packs": [5]}, {}, [], ["packs is [5], was published as None, and no act changed it"]),
        ({**PUBLISHED, "name": "Stars"}, {}, [("name", "Star", "Stars")], []),
        (
            {**PUBLISHED, "name": "Stars"},
            {},
            [("name", "Star", "Moon")],
            ["name is 'Stars', was published as 'Star', and no act changed it"],
        ),
        (with_people(("01", "Awa K", "", "approved"), YAO), {}, [("candidate 01 name", "Awa", "Awa K")], []),
        (
            with_people(("01", "Yao", "", "approved"), ("02", "Awa", "Danse", "approved")),
            {},
            [("candidate 01 name", "Aua", "Awa")],
            [
                "candidate 01 has the name 'Yao', was published with 'Awa', and no act changed it",
                "candidate 02 has the name 'Awa', was published with 'Yao', and no act changed it",
            ],
        ),
        (with_people(AWA, ("02", "Yao", "", "evicted")), {}, [("candidate 02 status", "approved", "evicted")], None),
        (with_people(AWA, ("02", "Yao", "", "approved")), {}, [("candidate 02 category", "Danse", "none")], []),
        (with_people(AWA), {}, [], ["candidate 02 is gone, and no act says so"]),
        (with_people(AWA), {}, [("candidate 02 status", "approved", "rejected")], []),
        (with_people(AWA, YAO, ("03", "Eve", "", "approved")), {}, [("candidate 03", None, "Eve (approved)")], []),
        (with_people(AWA, YAO, ("03", "Eve", "", "approved")), {}, [("candidate 001 code", "none", "03")], []),
        (with_people(AWA, YAO, ("03", "Eve", "", "approved")), {}, [], ["candidate 03 appeared, and no act says so"]),
    ],
)
def test_what_acts_explain(now: Any, rules: Any, acts: Any, faults: list[str] | None) -> None:
    found = unexplained(PUBLISHED, now, rules, acts)
    assert found == faults if faults is not None else len(found) == 1


def test_names_in_what_was_published() -> None:
    newer = with_people(("01", "Awa K", "", "approved"), YAO)
    assert renamed_without_act(PUBLISHED, newer, [("candidate 01 name", "Awa", "Awa K")]) == []
    assert len(renamed_without_act(PUBLISHED, newer, [("candidate 02 name", "Awa", "Awa K")])) == 1


@pytest.fixture
async def rig(database: Any) -> AsyncIterator[MoneyRig]:
    made = await opened(database.app_url)
    await made.change("update contests set state = 'draft' where slug <> 'star'")
    for n in range(1, 4):
        await made.counted(quantity=n, key=f"vote {n}")
    order = await made.counted(code="03", key="vote 4")
    await made.agreed(Act.REFUND_PAYMENT, order.payment_reference)
    await builder_of(made).build()
    yield made
    await made.close()


async def found(rig: MoneyRig) -> list[str]:
    return (await audit_logs(rig.engine, rig.vault, "star"))["star"]


ADDED = """
insert into tally_entries (contest_id, seq, kind, candidate_id, quantity, amount_minor, payment_reference, receipt,
  ledger_tx) select contest_id, 6, 'vote', candidate_id, 900, 90000, gen_random_uuid(), 'FORGED', ledger_tx
from tally_entries where seq = 1;
update contest_heads set next_seq = 7 where next_seq = 6;
update candidate_totals t set votes = votes + 900, amount_minor = t.amount_minor + 90000, reached_seq = 6
from tally_entries e where e.seq = 1 and e.candidate_id = t.candidate_id;
"""
OTHER = "(select id from candidates where code = '03' and contest_id = e.contest_id)"
MOVED = f"""
create temporary table moved as select e.candidate_id as old, {OTHER} as new, e.receipt, e.quantity, e.amount_minor
  from tally_entries e where e.seq = 3;
update votes v set candidate_id = m.new from moved m where v.receipt = m.receipt;
update tally_entries e set candidate_id = m.new from moved m where e.receipt = m.receipt;
update candidate_totals t set votes = t.votes - m.quantity, amount_minor = t.amount_minor - m.amount_minor,
  reached_seq = 2 from moved m where t.candidate_id = m.old;
update candidate_totals t set votes = t.votes + m.quantity, amount_minor = t.amount_minor + m.amount_minor,
  reached_seq = 5 from moved m where t.candidate_id = m.new;
"""
SWAPPED = """
update candidates k set name = o.name from candidates o
where k.contest_id = o.contest_id and (k.code, o.code) in (('07', '03'), ('03', '07'))
"""
TAMPERED = {
    "a total": (
        "update candidate_totals set votes = votes + 10 where votes > 0",
        ["candidate 07 has 16 votes for 600 in the totals, and 6 for 600 by the log"],
    ),
    "an entry removed": (
        "delete from tally_entries where seq = 2",
        ["leaf 2, entry 2: the tally has no such entry any more"],
    ),
    "a vote moved": (
        MOVED,
        [
            "leaf 3, entry 3: candidate is '07' in the log and '03' in the tally",
            "leaf 3, entry 3: the order is 3 votes for 03",
            "candidate 03 has 3 votes for 300 in the totals, and 0 for 0 by the log",
            "candidate 07 has 3 votes for 300 in the totals, and 6 for 600 by the log",
        ],
    ),
    "an amount": (
        "update tally_entries set amount_minor = amount_minor + 1 where seq = 1",
        ["leaf 1, entry 1: amount is 100 in the log and 101 in the tally"],
    ),
    "a leaf": (
        """update log_leaves set leaf = replace(leaf, '"votes":2', '"votes":9') where seq = 2""",
        [
            "leaf 2, entry 2: votes is 9 in the log and 2 in the tally",
            "leaf 2, entry 2: the order is 2 votes for 07",
            "the checkpoint of size 6: its root is not that of the leaves",
            "tile/0/000.p/6 is not what the leaves give",
            "candidate 07 has 6 votes for 600 in the totals, and 13 for 600 by the log",
        ],
    ),
    "no leaf": (
        "delete from log_leaves where seq = 2",
        ["leaf 2 is missing; what is behind it is not checked"],
    ),
    "a tile": (
        "update log_tiles set hashes = substr(hashes, 1, 160) || sha256('')",
        ["tile/0/000.p/6 is not what the leaves give"],
    ),
    "a checkpoint": (
        "update log_checkpoints set note = replace(note, chr(10) || '6' || chr(10), chr(10) || '5' || chr(10))",
        ["the checkpoint of size 6: the signature of 'vote.test/c/star/log' is wrong"],
    ),
    "the salt of a vote": (
        "update log_salts set salt = decode(repeat('00', 16), 'hex') where index = 1",
        [
            "leaf 1, entry 1: the receipt is another one than in the tally",
            "leaf 1, entry 1: the voter's number is another one than of the order",
        ],
    ),
    "a document": (
        "update log_rules set document = replace(document, 'votes', 'jury'),"
        " sha256 = sha256(convert_to(replace(document, 'votes', 'jury'), 'UTF8'))",
        ["leaf 0 and the document of version 1 of the rules differ"],
    ),
}


async def test_it_finds_each_change_of_what_was_logged(rig: MoneyRig, database: Any) -> None:
    assert await found(rig) == []
    owner = await asyncpg.connect(database.superuser_url)
    for name, (statement, sentences) in TAMPERED.items():
        await owner.execute("set session_replication_role = replica")
        kept = await kept_rows(owner)
        await owner.execute(statement)
        assert await found(rig) == sentences, name
        await put_back(owner, kept)
    await owner.close()
    assert await found(rig) == []


# In a log whose leaf 6 states a key, leaf 7 is sealed, leaf 8 has the key and leaf 9 is plain; what is found first.
UNDER_SEAL = {
    "update tally_entries set quantity = 9 where seq = 6": "leaf 7, entry 6: votes is 5 in the log and 9 in the tally",
    "update log_seals set key_cipher = substr(key_cipher, 2)": "the key 1 that seals entries does not open",
    "update log_seals set sha256 = sha256('')": "the key 1 that seals entries has another hash than is shown",
    "update log_seals set agreed_by = 'c'": "the key 1 that seals entries: no two persons released it",
    "update log_seals set released_at = null, asked_by = null, agreed_by = null, opened_index = null": (
        "the key 1 that seals entries is not released, and the ranking is shown"
    ),
    "update log_seals set number = 2": "the key 2 that seals entries does not open",
    """update log_leaves set leaf = replace(leaf, '"nonce":"', '"nonce":"00') where index = 7""": "leaf 7 is none: ",
    """update log_leaves set leaf = regexp_replace(leaf, '"nonce":"....', '"nonce":"0000') where index = 7""": (
        "leaf 7 does not open: "
    ),
    "update log_leaves set leaf = (select leaf from log_leaves where seq = 1) where index = 7": (
        "leaf 7 is an entry that anyone reads, and entries are sealed there"
    ),
    "update log_leaves set leaf = (select leaf from log_leaves where index = 7) where index = 9": (
        "leaf 9 does not open: nothing is sealed here"
    ),
    """update log_leaves set leaf = regexp_replace(leaf, '"key":"....', '"key":"0000') where index = 8""": (
        "leaf 8: it is not the key 1 that is kept"
    ),
    "update log_leaves set leaf = (select leaf from log_leaves where index = 8) where index = 9": (
        "leaf 9 opens what is not sealed"
    ),
    "update log_leaves set leaf = (select leaf from log_leaves where index = 6) where index = 7": (
        "leaf 7 seals what is sealed already"
    ),
    """update log_leaves set leaf = regexp_replace(leaf, '"sha256":"....', '"sha256":"0000') where index = 6""": (
        "leaf 6: the key 1 that is kept is not the one that it states"
    ),
}


async def test_it_finds_each_change_under_a_seal(rig: MoneyRig, database: Any) -> None:
    await rig.change("update contests set hidden_from = now(), blackout_sealed = true where slug = 'star'")
    await rig.counted(key="sealed")
    await builder_of(rig).build()
    await rig.change("update contests set announced_at = now() where slug = 'star'")
    await rig.change(RELEASED)
    await rig.counted(key="plain")
    await builder_of(rig).build()
    assert await found(rig) == []
    owner = await asyncpg.connect(database.superuser_url)
    await owner.execute("set session_replication_role = replica")
    kept = await kept_rows(owner)
    for statement, sentence in UNDER_SEAL.items():
        assert await owner.execute(statement) == "UPDATE 1"
        assert (await found(rig))[0].startswith(sentence), statement
        await put_back(owner, kept)
    await owner.close()
    assert await found(rig) == []


TABLES = (
    *("tally_entries", "votes", "candidate_totals", "log_leaves", "log_tiles", "log_checkpoints", "log_salts"),
    *("log_rules", "log_seals"),
)


async def kept_rows(owner: "asyncpg.Connection[Any]") -> dict[str, str]:
    await owner.execute("drop table if exists moved")
    return {table: await owner.fetchval(f"select coalesce(json_agg(t), '[]')::text from {table} t") for table in TABLES}


async def put_back(owner: "asyncpg.Connection[Any]", kept: dict[str, str]) -> None:
    for table, rows in kept.items():
        await owner.execute(f"delete from {table}")
        await owner.execute(f"insert into {table} select * from json_populate_recordset(null::{table}, $1)", rows)


async def test_what_is_derived_is_made_again(rig: MoneyRig, database: Any) -> None:
    await tampered(database, "update log_heads set size = 2, signed_size = 1, next_seq = 9; delete from log_tiles")
    assert "the log has 6 leaves, and its head says 2" in await found(rig)
    seen: list[tuple[str, int, int]] = []
    assert await rebuild_logs(rig.engine, lambda *done: seen.append(done)) == {"star": 6}
    assert (seen[-1], await found(rig)) == (("star", 6, 6), [])
    await rig.counted(key="another")
    assert await builder_of(rig).build() == 1
    await tampered(database, """update log_leaves set leaf = replace(leaf, '"votes":2', '"votes":9') where seq = 2""")
    with pytest.raises(LeavesBroken, match="not those that were signed"):
        await rebuild_logs(rig.engine, lambda *_: None)


NEXT = "update contest_heads h set next_seq = 8 from contests c where c.id = h.contest_id and c.slug = 'star'"
# What an owner of the database writes behind the newest checkpoint, where entry 6 is a vote that was counted, and the
# entry at which the log stops.
UNPAID = {
    "a vote without an order": (
        f"""
insert into tally_entries (contest_id, seq, kind, candidate_id, quantity, amount_minor, payment_reference, receipt,
  ledger_tx) select contest_id, 7, 'vote', candidate_id, 900, 90000, gen_random_uuid(), 'FORGED', ledger_tx
from tally_entries where seq = 1; {NEXT}""",
        7,
    ),
    "a vote whose payment failed": (
        f"""
insert into tally_entries (contest_id, seq, kind, candidate_id, quantity, amount_minor, payment_reference, receipt,
  ledger_tx) select v.contest_id, 7, 'vote', v.candidate_id, v.quantity, v.amount_minor, o.payment_reference, o.receipt,
  gen_random_uuid() from order_keys o join votes v on v.id = o.vote_id where o.key = 'unpaid'; {NEXT}""",
        7,
    ),
    "a vote that still counts is taken back": (
        f"""
insert into tally_entries (contest_id, seq, kind, candidate_id, quantity, amount_minor, ledger_tx, reason, adjusts)
select contest_id, 7, 'adjustment', candidate_id, -quantity, -amount_minor, ledger_tx, 'refund', 3
from tally_entries where seq = 3; {NEXT}""",
        7,
    ),
    "another candidate": (f"update tally_entries e set candidate_id = {OTHER} where seq = 6", 6),
    "more votes": ("update tally_entries set quantity = quantity + 1 where seq = 6", 6),
    "more money": ("update tally_entries set amount_minor = amount_minor + 100 where seq = 6", 6),
    "another payment": ("update tally_entries set payment_reference = gen_random_uuid() where seq = 6", 6),
}


@pytest.mark.parametrize("case", UNPAID)
async def test_an_entry_that_no_paid_order_explains_is_not_published(case: str, rig: MoneyRig, database: Any) -> None:
    statement, refused = UNPAID[case]
    await rig.counted(key="paid")
    await rig.placed(key="unpaid", number="+2250501020399")
    await tampered(database, statement)
    await rig.counted(key="behind")
    builder = builder_of(rig)
    assert [await builder.build(), await builder.build()] == [refused - 6, 0]
    entries = await rig.one("select max(seq) from log_leaves where contest_id = :contest", contest=rig.contest.id)
    assert entries == refused - 1
    signed = await rig.one("select max(size) from log_checkpoints where contest_id = :contest", contest=rig.contest.id)
    assert signed == refused  # its rules are a leaf as well
    lines = await rig.rows("select subject, detail from audit_log where act = 'log.unpaid'")
    assert [(line.subject, line.detail["seq"]) for line in lines] == [("star", refused)]


async def test_a_log_goes_on_when_the_entry_is_taken_out(rig: MoneyRig, database: Any) -> None:
    await tampered(database, ADDED)
    order = await rig.counted(key="behind")
    await rig.agreed(Act.REFUND_PAYMENT, order.payment_reference)
    builder = builder_of(rig)
    assert await builder.build() == 0
    [written] = re.findall(r"```sql\n(begin;.*?)```", RUNBOOK.read_text(), re.DOTALL)
    await tampered(database, written.replace("SLUG", "star").replace("NUMBER", "6"))
    assert await builder.build() == 2
    assert await found(rig) == []
    assert await rig.broken() == {}


async def test_names_that_no_act_changed_are_not_published(rig: MoneyRig, database: Any) -> None:
    await tampered(database, SWAPPED)
    await tampered(database, "update log_heads set checked_at = now() - interval '1 hour'")
    builder = builder_of(rig)
    assert [await builder.build(), await builder.build()] == [0, 0]
    assert await rig.one("select count(*) from audit_log where act = 'log.unexplained' and subject = 'star'") == 1
    await rig.counted(key="another")
    assert await builder_of(rig).build() == 1  # the vote alone
    names = {one.code: one.name for one in rig.contest.candidates}
    assert await found(rig) == [
        f"candidate {code} has the name {names[other]!r}, was published with {names[code]!r}, and no act changed it"
        for code, other in (("03", "07"), ("07", "03"))
    ]
    # An act that says so explains it, and is public.
    await tampered(database, SWAPPED)
    acts = (Change("name", rig.contest.name, "Stars of the year"),)
    async with rig.engine.begin() as connection:
        renamed = replace(rig.contest, name="Stars of the year", version=99, _by_code={})
        await write_plan(connection, Plan(renamed, acts, (), (), (), new=False), "awa@house.test")
    assert await builder_of(rig).build() == 1
    assert await found(rig) == []
