"""Orders that are made up agree with one another, and look as real ones do."""

import asyncpg
import pytest

from gateway.orders.receipt import read_receipt
from gateway.orders.store import payer_place, voter_place
from gateway.runtime import demo_orders, operations
from gateway.runtime.settings import Settings, SettingsError
from gateway.storage.vault import Vault
from tests.engines import Database

MANY = 900
FEES = """
insert into fee_plans (id, organiser_id, currency, valid_from, percent_bp, minimum_minor, created_by)
select gen_random_uuid(), id, 'XOF', now() - interval '60 days', 750, 5, 'test' from organisers
"""


async def test_orders_of_a_month_agree_with_one_another(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_orders, "CHUNK", 400)
    written: list[int] = []
    owner = await asyncpg.connect(database.owner_url)
    try:
        await owner.execute(FEES)
        await operations.make_demo_orders(settings, MANY, written.append)
        assert written == [400, 800, MANY]
        assert [name for name, rows in await operations.audit_money(settings) if rows] == []
        rows = await owner.fetch("select status, count(*) as many from payments group by 1")
        states: dict[str, int] = {row["status"]: row["many"] for row in rows}
        assert states.keys() >= {"settled", "failed", "expired", "held"}
        assert sum(states.values()) == MANY
        assert await owner.fetchval("select count(distinct contest_id) from votes") == 2
        assert {row[0] for row in await owner.fetch("select distinct channel from votes")} == {
            "ussd", "sms", "telegram", "web", "api"
        }  # fmt: skip
        assert await owner.fetchval("select sum(fee_minor) from payments where currency = 'XOF'") > 0
        assert await owner.fetchval("select count(*) from votes where placed_at > now()") == 0
        [one] = await owner.fetch(
            "select p.*, v.id, v.voter_cipher, v.receipt from payments p join votes v on v.id = p.vote_id"
            " where v.channel = 'ussd' and p.provider = 'mtn_momo' limit 1"
        )
        vault = Vault(settings.secret_key.get_secret_value())
        number = vault.open(one["payer_cipher"], payer_place(one["reference"]))
        assert vault.open(one["voter_cipher"], voter_place(one["id"])) == number
        assert (number[:6], len(number)) == ("+22505", 14)
        assert vault.index(number) == one["payer_index"]
        assert read_receipt(one["receipt"]) == one["receipt"]
        await operations.make_demo_orders(settings, 50, written.append)
        assert [name for name, rows in await operations.audit_money(settings) if rows] == []
        await owner.execute("update contests set state = 'archived'")
        with pytest.raises(SettingsError, match="no published contest"):
            await operations.make_demo_orders(settings, 1, written.append)
    finally:
        await owner.close()


async def test_only_a_demo_has_orders_that_are_made_up(settings: Settings) -> None:
    with pytest.raises(SettingsError, match="in a demo only"):
        await operations.make_demo_orders(settings.model_copy(update={"env": "production"}), 1, print)
