"""Balances of operators' wallets by the book, and the daily comparisons."""

from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.values.money import Money
from payments.ledger.audit import TAKEN
from payments.ledger.differences import note_differences
from payments.ledger.postings import Account
from payments.provider import Wallet
from payments.reconciliation.rules import InTransit
from payments.rollups.book_days import BOOKED

# Statements come once a day; what was collected longer ago should be on one, with its fee booked.
_UNSTATED: Final = "2 days"
_PLACES: Final = {Wallet.COLLECTION: Account.OPERATOR_CLEARING, Wallet.DISBURSEMENT: Account.OPERATOR_FLOAT}

_IN_BOOK: Final = text(f"""
select coalesce(sum(amount_minor), 0) from {BOOKED} b
where provider = :provider and account = :account and currency = :currency
""")
# Late money is possible a day long; what is confirmed waits some seconds for the settler to book it.
_INCOMING: Final = text(f"""
select
  coalesce(sum(amount_minor) filter (where status in ('sent', 'pending', 'expired', 'failed')
    and sent_at is not null and next_check_at is not null), 0) as coming,
  coalesce(sum(amount_minor) filter (where status = 'confirmed'), 0) as arrived,
  coalesce(sum(coalesce(received_minor, amount_minor)) filter (where status in {TAKEN} and not exists (
    select 1 from statement_lines l where l.matched_reference = reference and l.matched_at is not null)), 0)
    as unstated,
  (select coalesce(sum(d.amount_minor), 0) from disputes d where d.provider = :provider and d.currency = :currency
    and (d.status = 'open' or d.status = 'lost' and d.effect is null)) as kept_back
from payments where provider = :provider and currency = :currency and placed_at > now() - interval '{_UNSTATED}'
""")
_OUTGOING: Final = text("""
select (select coalesce(sum(amount_minor), 0) from refunds
    where provider = :provider and currency = :currency and status in ('sent', 'manual'))
  + (select coalesce(sum(amount_minor), 0) from payouts
    where provider = :provider and currency = :currency and status in ('sent', 'manual'))
""")
_KEEP: Final = text("""
insert into balance_checks (provider, wallet, currency, operator_minor, book_minor)
values (:provider, :wallet, :currency, :operator, :book)
""")
_LATELY: Final = text("""
select exists (select 1 from balance_checks where at > now() - make_interval(secs => :seconds))
""")
# One open difference a wallet: another amount replaces it, an explained balance closes it.
_CLOSE: Final = text("""
update differences set status = 'resolved', resolution = :how, resolved_by = 'spotlight', resolved_at = now()
where kind = 'balance' and status = 'open' and provider = :provider and wallet = :wallet and currency = :currency
  and amount_minor is distinct from cast(:more as bigint)
""")
_OPEN: Final = text("""
insert into differences (provider, kind, wallet, amount_minor, currency, detail)
values (:provider, 'balance', :wallet, :more, :currency, :detail) on conflict do nothing
""")


class Balances:
    """Balances by the book, and what was found when they were compared."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def in_book(self, account: str, wallet: Wallet, currency: str, *, from_float: bool) -> tuple[int, InTransit]:
        """The balance of a wallet by the book, and what may be on its way."""
        asked = {"provider": account, "currency": currency, "account": _PLACES[wallet].value}
        collects, pays = wallet is Wallet.COLLECTION, (wallet is Wallet.DISBURSEMENT) == from_float
        async with self._engine.connect() as plain:
            connection = await plain.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            async with connection.begin():
                held = int((await connection.execute(_IN_BOOK, asked)).scalar_one())
                leaving = int((await connection.execute(_OUTGOING, asked)).scalar_one()) if pays else 0
                if not collects:
                    return held, InTransit(leaving=leaving)
                row = (await connection.execute(_INCOMING, asked)).one()
        return held, InTransit(int(row.coming), int(row.arrived), leaving + int(row.kept_back), int(row.unstated))

    async def checked_lately(self, hours: float) -> bool:
        """Whether there was a check within so many hours."""
        async with self._engine.connect() as connection:
            return bool((await connection.execute(_LATELY, {"seconds": hours * 3600})).scalar_one())

    async def keep_check(
        self, account: str, wallet: Wallet, observed: Money, *, book_minor: int, gap_minor: int
    ) -> None:
        """Keep a check; opens, replaces or closes the difference of this wallet. `observed`: the operator's balance."""
        named = {"provider": account, "wallet": wallet.value, "currency": observed.currency, "more": gap_minor or None}
        theirs, ours = (f"{one.plain()} {one.currency}" for one in (observed, Money(book_minor, observed.currency)))
        detail = f"{wallet.value}: the operator has {theirs}, the book {ours}"
        async with self._engine.begin() as connection:
            await connection.execute(_KEEP, {**named, "operator": observed.amount_minor, "book": book_minor})
            how = "replaced" if gap_minor else "agrees_again"
            replaced = (await connection.execute(_CLOSE, {**named, "how": how})).rowcount
            if gap_minor:
                opened = (await connection.execute(_OPEN, {**named, "detail": detail})).rowcount
                await note_differences(connection, account, 0 if replaced else opened)
