"""A database knows the keys that it was written with; everything sealed can be sealed again."""

from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.runtime import vault_keys
from gateway.runtime.settings import SettingsError
from gateway.runtime.vault_keys import EVERYTHING, check_keys, rotate
from gateway.storage.engine import make_engine
from gateway.storage.schema import metadata
from gateway.storage.vault import SealBroken, Vault, read_keys
from payments.collection.store import Payments
from tests.engines import Database
from tests.rigs.rig import PUBLIC_URL, SECRET_KEY, Rig

ROOT, SECOND, THIRD = (f"{n}b7d20a1c94e4f7f8a63d1b2e0f49c88" for n in "567")
ONE, BOTH, TWO = Vault(ROOT), Vault(ROOT, read_keys(f"2:{SECOND},1")), Vault(ROOT, read_keys(f"2:{SECOND}"))
# Columns that no statement writes.
UNUSED = {("refunds", "secrets_cipher"), ("payouts", "secrets_cipher")}


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[AsyncEngine]:
    engine = make_engine(database.owner_url, pool_size=1, as_app=False)
    yield engine
    await engine.dispose()


@pytest.fixture
async def service(database: Database) -> AsyncIterator[AsyncEngine]:
    engine = make_engine(database.app_url, pool_size=1)
    yield engine
    await engine.dispose()


def test_every_sealed_column_rotates() -> None:
    found = {(t.name, c.name) for t in metadata.tables.values() for c in t.columns if c.name.endswith("_cipher")}
    assert {(one.table, one.column) for one in EVERYTHING} == found - UNUSED
    for one in EVERYTHING:
        assert {c.name for c in metadata.tables[one.table].primary_key} == set(one.key)


async def test_other_keys_are_refused(service: AsyncEngine) -> None:
    await check_keys(service, ONE)
    await check_keys(service, ONE)
    with pytest.raises(SettingsError, match="SPOTLIGHT_SECRET_KEY: is not the key"):
        await check_keys(service, Vault(THIRD))
    with pytest.raises(SettingsError, match="lacks key 1"):
        await check_keys(service, TWO)
    await check_keys(service, BOTH)
    with pytest.raises(SettingsError, match="lacks key 2"):
        await check_keys(service, ONE)
    with pytest.raises(SettingsError, match="key 2 is not the one"):
        await check_keys(service, Vault(ROOT, read_keys(f"2:{THIRD},1")))


async def _seal_everything(owner: AsyncEngine, rows: int) -> None:
    """Rows in every table that has sealed values, as far as they need no other rows."""
    async with owner.begin() as connection:
        await connection.execute(text("set constraints all deferred"))
        contest = (await connection.execute(text("select id from contests limit 1"))).scalar_one()
        for _ in range(rows):
            message, number = uuid4(), uuid4().int >> 70
            for statement, values in (
                (
                    "insert into messages_in (carrier, carrier_id, sender_index, sender_cipher, recipient, text,"
                    " text_hash) values ('kannel', :key, '\\x01', :sealed, '7890', 'x', '\\x01')",
                    {"key": str(message), "sealed": ONE.seal("+225", f"messages_in.sender:kannel:{message}")},
                ),
                (
                    "insert into unfinished_dialogues (phone_index, contest_id, phone_cipher, candidate_code, language)"
                    " values (:key, :contest, :sealed, '07', 'fr')",
                    {
                        "key": message.bytes,
                        "contest": contest,
                        "sealed": ONE.seal("+225", f"unfinished_dialogues.phone:{contest}"),
                    },
                ),
                (
                    "insert into telegram_updates (update_id, body_cipher) values (:key, :sealed)",
                    {"key": number, "sealed": ONE.seal("{}", f"telegram_updates.body:{number}")},
                ),
                (
                    "insert into mails (id, kind, recipient, language, params_cipher)"
                    " values (:key, 'reset', 'awa@house.test', 'fr', :sealed)",
                    {"key": message, "sealed": ONE.seal("{}", f"mails.params_cipher.{message}")},
                ),
                (
                    "insert into callbacks (record_id, provider, method, headers, body_cipher, body_hash, remote)"
                    " values (:key, 'mtn_momo', 'POST', '{}', :sealed, '\\x01', '')",
                    {"key": message, "sealed": ONE.seal_bytes(b"\xff no text", f"callbacks.body:{message}")},
                ),
            ):
                await connection.execute(text(statement), values)


async def test_everything_is_sealed_again(owner: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vault_keys, "BATCH", 2)
    await check_keys(owner, ONE)
    await _seal_everything(owner, 5)
    steps: list[tuple[str, int, int]] = []
    assert await rotate(owner, BOTH, lambda *step: steps.append(step)) == 25
    assert ("messages_in.sender_cipher", 4, 5) in steps
    assert {("telegram_updates.body_cipher", 5, 5), ("callbacks.body_cipher", 5, 5)} <= set(steps)
    await check_keys(owner, TWO)
    async with owner.connect() as connection:
        rows = (await connection.execute(text("select update_id, body_cipher from telegram_updates"))).all()
    assert {TWO.open(bytes(row.body_cipher), f"telegram_updates.body:{row.update_id}") for row in rows} == {"{}"}
    assert await rotate(owner, TWO, lambda *_: None) == 0


async def test_numbers_of_orders_are_read_with_the_new_key(database: Database, owner: AsyncEngine) -> None:
    rig = await Rig(database.app_url).open()
    try:
        order = await rig.placed()
        await rig.collect()
        new = Vault(SECRET_KEY, read_keys(f"2:{SECOND}"))
        await rotate(owner, Vault(SECRET_KEY, read_keys(f"2:{SECOND},1")), lambda *_: None)
        payments = Payments(rig.engine, new, PUBLIC_URL, frozenset())
        (due,) = await payments.claim_named([order.payment_reference])
        assert due.collection.payer == "+2250501020304"
    finally:
        await rig.close()


async def test_a_value_that_no_key_opens_ends_it_with_its_name(owner: AsyncEngine) -> None:
    await _seal_everything(owner, 1)
    async with owner.begin() as connection:
        await connection.execute(text("update telegram_updates set body_cipher = :x"), {"x": ONE.seal("{}", "other")})
    with pytest.raises(SealBroken, match=r"telegram_updates\.body_cipher of update_id "):
        await rotate(owner, BOTH, lambda *_: None)
    async with owner.connect() as connection:
        assert (await connection.execute(text("select count(*) from vault_keys"))).scalar_one() > 1


@pytest.mark.parametrize(
    "statement", ["create temporary table contest_heads (x int)", "select lo_create(0)", "select lo_from_bytea(0, 'x')"]
)
async def test_the_service_makes_neither_temporary_tables_nor_large_objects(database: Database, statement: str) -> None:
    connection = await asyncpg.connect(database.app_url)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    finally:
        await connection.close()
