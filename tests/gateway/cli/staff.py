"""People who can prove on the command line who they are."""

from functools import cache

import asyncpg

from admin.access import passwords
from admin.access.rules import Role

PASSWORD = "cinq gorges de manioc"


@cache
def password_hash() -> str:
    """Of PASSWORD."""
    return passwords._HASHER.hash(PASSWORD)


async def hire(database_url: str, *emails: str, role: Role = Role.FINANCE) -> None:
    """Accounts with PASSWORD, active and in this role from now on."""
    connection = await asyncpg.connect(database_url)
    try:
        await connection.executemany(
            "insert into staff (id, email, password_hash, role) values (gen_random_uuid(), $1, $2, $3)"
            " on conflict (email) do update set password_hash = excluded.password_hash, role = excluded.role",
            [(email, password_hash(), role.value) for email in emails],
        )
    finally:
        await connection.close()
