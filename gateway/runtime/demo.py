"""The demo contest, in fixed identifiers: loading it twice changes nothing."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid5

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.contests.directory import read_contest
from gateway.contests.store import keep_rules, lock_contests
from gateway.storage.schema.contests import candidate_totals, candidates, contest_heads, contests, organisers
from gateway.values.money import Money
from payments.ledger.book import LedgerEntry, post
from payments.ledger.postings import Account, moved

_SPACE: Final = UUID("5907119e-0000-4000-8000-000000000789")
ORGANISER_ID: Final = uuid5(_SPACE, "demo")
CONTEST_ID: Final = uuid5(_SPACE, "star")

NAMES: Final = (
    "Awa Koné",
    "Serge Kouassi",
    "Mariam Traoré",
    "Jean-Marc N'Guessan",
    "Aïcha Diabaté",
    "Yao Kouadio",
    "Fatou Coulibaly",
    "Didier Bamba",
    "Grâce Aka",
    "Ibrahim Ouattara",
    "Adjoua Yapi",
    "Franck Zadi",
)

CONTEST: Final[dict[str, Any]] = {
    "id": CONTEST_ID,
    "organiser_id": ORGANISER_ID,
    "slug": "star",
    "name": "Star d'Abidjan",
    "country": "CI",
    "currency": "XOF",
    "price_minor": 100,
    "opens_at": datetime(2026, 1, 1, tzinfo=UTC),
    "closes_at": datetime(2036, 1, 1, tzinfo=UTC),
    "service_code": "*789#",
    "short_code": "7890",
    "keyword": "STAR",
    "rules": {
        "fr": "Qui a le plus de votes comptés à la clôture gagne. À égalité, la place est partagée.",
        "en": "Whoever has the most counted votes at the close wins. Equal numbers share a place.",
    },
    "contact": "aide@demo.local",
}


# A second country: its own rails, currency and numbers.
SECOND_ID: Final = uuid5(_SPACE, "mboa")

SECOND_NAMES: Final = (
    "Marie-Claire Ngo Bassong",
    "Brenda Fomukong",
    "Aissatou Hamidou",
    "Estelle Mbarga",
    "Vanessa Tchamba",
    "Laetitia Essomba",
    "Ruth Ngwa",
    "Carine Djoumessi",
)

SECOND: Final[dict[str, Any]] = {
    **CONTEST,
    "id": SECOND_ID,
    "slug": "mboa",
    "name": "Miss Mboa",
    "country": "CM",
    "time_zone": "Africa/Douala",
    "currency": "XAF",
    "service_code": "*780#",
    "short_code": "7800",
    "keyword": "MBOA",
}

SIMULATED_FLOAT: Final = 100_000_000
"""What the wallet that a simulated operator pays out of begins with, in whole francs."""

_OPENING: Final = "demo: opening float of a simulated operator, put in from no real bank"
_LOADING_LOCK: Final = 0x5907_11_DE
# A float that a person booked is enough.
_FILLED: Final = text("""
select exists (select 1 from postings where provider = :provider and account = 'bank' and currency = :currency
  and amount_minor < 0)
""")


def demo_candidates(contest_id: UUID = CONTEST_ID, names: tuple[str, ...] = NAMES) -> list[dict[str, Any]]:
    """Approved candidates with codes from 01 on."""
    return [
        {
            "id": uuid5(contest_id, f"{number:02d}"),
            "contest_id": contest_id,
            "code": f"{number:02d}",
            "name": name,
            "status": "approved",
        }
        for number, name in enumerate(names, start=1)
    ]


async def load_contest(connection: AsyncConnection, contest: dict[str, Any], ranking: list[dict[str, Any]]) -> None:
    """Write a contest with its candidates, its tally head, its totals and its rules; what is there stays."""
    await lock_contests(connection)
    await connection.execute(insert(contests).values(contest).on_conflict_do_nothing())
    await connection.execute(insert(candidates).values(ranking).on_conflict_do_nothing())
    await connection.execute(insert(contest_heads).values(contest_id=contest["id"]).on_conflict_do_nothing())
    totals = [{"candidate_id": row["id"], "contest_id": row["contest_id"]} for row in ranking]
    await connection.execute(insert(candidate_totals).values(totals).on_conflict_do_nothing())
    if made := await read_contest(connection, contest["slug"], None):
        await keep_rules(connection, made, "demo")


async def load_demo_contest(connection: AsyncConnection) -> None:
    """Organiser `demo` and its contests `star`, in Côte d'Ivoire, and `mboa`, in Cameroon."""
    await connection.execute(
        insert(organisers).values(id=ORGANISER_ID, slug="demo", name="Spotlight Démo").on_conflict_do_nothing()
    )
    await load_contest(connection, CONTEST, demo_candidates())
    await load_contest(connection, SECOND, demo_candidates(SECOND_ID, SECOND_NAMES))


async def load_opening_floats(connection: AsyncConnection, wallets: Iterable[tuple[str, str, Account]]) -> None:
    """Book what simulated operators hold for payouts, by account at the operator, currency and place; where
    anything was ever put in from the bank it stays as it is."""
    await connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _LOADING_LOCK})
    for account, currency, place in wallets:
        asked = {"provider": account, "currency": currency}
        if (await connection.execute(_FILLED, asked)).scalar_one():
            continue
        legs = moved(Money(SIMULATED_FLOAT, currency), Account.BANK, place)
        tx = uuid5(_SPACE, f"float {account} {currency}")
        await post(connection, [(LedgerEntry(tx, None, _OPENING, legs), account)])
