"""Which keys this database was written with, and sealing everything again with the newest one.

A row of `vault_keys` holds what is derived from a key, never the key: id 0 is `SPOTLIGHT_SECRET_KEY` itself, the others
are those of `SPOTLIGHT_VAULT_KEYS` that have sealed here. A process with another key would read no number and write
what no other reads, so it does not start.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.access import store as staff
from admin.alerts import store as alerts
from admin.mail import store as mail
from channels.messages import unfinished
from channels.telegram import store as telegram
from gateway.contests import nominations
from gateway.orders import store as orders
from gateway.runtime.settings import SettingsError
from gateway.storage.schema import conversations
from gateway.storage.vault import SealBroken, Vault
from leaderboard.log.sealing import key_place
from payments.collection import callbacks
from payments.disbursement.payouts import store as payouts
from payments.rescue import attempts

SECRET_KEY_ROW: Final = 0
BATCH: Final = 1_000


@dataclass(frozen=True, slots=True)
class Sealed:
    """A column of sealed values. `key`: the table's primary key; `place`: where the value of a row is sealed, from
    the primary key and the columns `more`."""

    table: str
    column: str
    key: tuple[str, ...]
    place: Callable[[Row[Any]], str]
    more: tuple[str, ...] = ()


EVERYTHING: Final = (
    Sealed("votes", "voter_cipher", ("placed_at", "id"), lambda row: orders.voter_place(row.id)),
    Sealed("payments", "payer_cipher", ("placed_at", "reference"), lambda row: orders.payer_place(row.reference)),
    Sealed("payments", "secrets_cipher", ("placed_at", "reference"), lambda row: orders.secrets_place(row.reference)),
    Sealed("messages_out", "recipient_cipher", ("id",), lambda row: conversations.recipient_place(row.id)),
    Sealed("messages_out", "params_cipher", ("id",), lambda row: conversations.params_place(row.id)),
    Sealed(
        "messages_in",
        "sender_cipher",
        ("carrier", "carrier_id"),
        lambda row: conversations.sender_place(row.carrier, row.carrier_id),
    ),
    Sealed(
        "unfinished_dialogues",
        "phone_cipher",
        ("phone_index", "contest_id"),
        lambda row: unfinished.phone_place(row.contest_id),
    ),
    Sealed(
        "support_tickets", "phone_cipher", ("id",), lambda row: attempts.ticket_place(row.contest_id), ("contest_id",)
    ),
    Sealed("telegram_updates", "body_cipher", ("update_id",), lambda row: telegram.body_place(row.update_id)),
    Sealed("telegram_chats", "phone_cipher", ("chat_id",), lambda row: telegram.phone_place(row.chat_id)),
    Sealed(
        "candidate_links",
        "contact_cipher",
        ("candidate_id",),
        lambda row: nominations.contact_place(row.candidate_id),
    ),
    Sealed(
        "candidate_links",
        "guardian_cipher",
        ("candidate_id",),
        lambda row: nominations.guardian_place(row.candidate_id),
    ),
    Sealed("beneficiaries", "phone_cipher", ("id",), lambda row: payouts.phone_place(row.id)),
    Sealed(
        "callbacks",
        "body_cipher",
        ("received_at", "id"),
        lambda row: callbacks.body_place(row.record_id),
        ("record_id",),
    ),
    Sealed("mails", "params_cipher", ("id",), lambda row: mail.params_place(row.id)),
    Sealed("alert_destinations", "secret_cipher", ("id",), lambda row: alerts.secret_place(row.id)),
    Sealed("log_seals", "key_cipher", ("contest_id", "number"), lambda row: key_place(row.contest_id, row.number)),
    Sealed("staff", "totp_cipher", ("id",), lambda row: staff.factor_place(row.id)),
)
"""Every column of sealed values."""

_READ: Final = text("select key_id, fingerprint from vault_keys")
_NOTE: Final = text("insert into vault_keys (key_id, fingerprint) values (:id, :fingerprint) on conflict do nothing")
_FORGET: Final = text("delete from vault_keys where key_id <> all(cast(:kept as integer[]))")


async def check_keys(engine: AsyncEngine, vault: Vault) -> None:
    """Compare our keys with those that the database was written with, and record ours. Raises SettingsError."""
    ours = vault.fingerprints
    async with engine.begin() as connection:
        _compare((await connection.execute(_READ)).all(), vault)
        for number in (SECRET_KEY_ROW, vault.seals_with):
            await connection.execute(_NOTE, {"id": number, "fingerprint": ours[number]})
        # Another process may have been the first, with another key.
        _compare((await connection.execute(_READ)).all(), vault)


def _compare(rows: Sequence[Row[Any]], vault: Vault) -> None:
    ours = vault.fingerprints
    for row in rows:
        if ours.get(row.key_id) == bytes(row.fingerprint):
            continue
        if row.key_id == SECRET_KEY_ROW:
            raise SettingsError("SPOTLIGHT_SECRET_KEY: is not the key that this database was written with")
        if row.key_id in ours:
            raise SettingsError(f"SPOTLIGHT_VAULT_KEYS: key {row.key_id} is not the one that sealed values here")
        raise SettingsError(
            f"SPOTLIGHT_VAULT_KEYS: lacks key {row.key_id}, which sealed values here; see `vault rotate`"
        )


async def rotate(engine: AsyncEngine, vault: Vault, progress: Callable[[str, int, int], None]) -> int:
    """Seal with the newest key what another one sealed; how many values. `engine`: of the tables' owner.

    `progress`: table and column, values done, values in all. May be stopped and started again at any point; what is
    written meanwhile stays. Raises SettingsError, and SealBroken for a value that no key opens.
    """
    await check_keys(engine, vault)
    done = 0
    for sealed in EVERYTHING:
        done += await _rotate_column(engine, vault, sealed, progress)
    async with engine.begin() as connection:
        await connection.execute(_FORGET, {"kept": [SECRET_KEY_ROW, vault.seals_with]})
    return done


async def _rotate_column(
    engine: AsyncEngine, vault: Vault, sealed: Sealed, progress: Callable[[str, int, int], None]
) -> int:
    old = f"{sealed.column} is not null and get_byte({sealed.column}, 0) <> {vault.seals_with}"
    key = ", ".join(sealed.key)
    columns = ", ".join((*sealed.key, *sealed.more, f"{sealed.column} as value"))
    after = ", ".join(f":{name}" for name in sealed.key)
    first = text(f"select {columns} from {sealed.table} where {old} order by {key} limit {BATCH}")
    further = text(
        f"select {columns} from {sealed.table} where {old} and ({key}) > ({after}) order by {key} limit {BATCH}"
    )
    same = " and ".join(f"{name} = :{name}" for name in sealed.key)
    store = text(f"update {sealed.table} set {sealed.column} = :new where {same} and {sealed.column} = :value")
    async with engine.connect() as connection:
        count = await connection.execute(text(f"select count(*) from {sealed.table} where {old}"))
        whole: int = count.scalar_one()
    done, last = 0, None
    while True:
        async with engine.begin() as connection:
            rows = (await connection.execute(further, last) if last else await connection.execute(first)).all()
            if not rows:
                return done
            await connection.execute(store, [_sealed_again(vault, sealed, row) for row in rows])
        last = {name: getattr(rows[-1], name) for name in sealed.key}
        done += len(rows)
        progress(f"{sealed.table}.{sealed.column}", done, whole)


def _sealed_again(vault: Vault, sealed: Sealed, row: Row[Any]) -> dict[str, object]:
    place = sealed.place(row)
    try:
        new = vault.seal_bytes(vault.open_bytes(bytes(row.value), place), place)
    except SealBroken:
        named = ", ".join(f"{name} {getattr(row, name)}" for name in sealed.key)
        raise SealBroken(f"{sealed.table}.{sealed.column} of {named}") from None
    return {"new": new, "value": row.value, **{name: getattr(row, name) for name in sealed.key}}
