"""What an operator of the service runs by hand: migrate, demo, partitions, audit, rebuild."""

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from sqlalchemy import text

from admin.access.keep_staff import KeepStaff
from admin.access.passwords import Passwords
from admin.access.store import StaffAccounts
from gateway.runtime import vault_keys
from gateway.runtime.adapters import build_accounts
from gateway.runtime.demo import ADMIN_EMAIL, ADMIN_NAME, load_demo_contest, load_opening_floats
from gateway.runtime.deployment import is_simulated
from gateway.runtime.links import make_vault, refuse_other_database
from gateway.runtime.settings import Settings, SettingsError
from gateway.storage import migrate as migrations
from gateway.storage import purging
from gateway.storage.engine import make_engine
from gateway.storage.redis_link import connect
from gateway.values.money import CURRENCY_OF
from leaderboard.scores import ScoreFeed, Scores
from payments.ledger import audit as money_audit
from payments.ledger.postings import Account

T = TypeVar("T")
# What reads a whole table.
_REPORT_MS: Final = 600_000


async def migrate(settings: Settings) -> None:
    """Bring the schema to its newest state, as its owner. Raises SettingsError."""
    try:
        await migrations.migrate(settings.migration_url)
    except migrations.UnknownSchema as error:
        raise SettingsError(str(error)) from None


async def load_demo(settings: Settings) -> None:
    """Load the demo contests and what simulated operators hold for payouts; what is there stays as it is."""
    wallets = await _simulated_floats(settings)
    engine = make_engine(settings.database_url, pool_size=1, name="spotlight demo")
    try:
        async with engine.begin() as connection:
            await load_demo_contest(connection)
            await load_opening_floats(connection, wallets)
    finally:
        await engine.dispose()


async def with_staff(settings: Settings, act: Callable[[KeepStaff], Awaitable[T]]) -> T:
    """Do something with the accounts of those who work here. Raises StaffRefused."""
    engine = make_engine(settings.database_url, pool_size=1, name="spotlight admin")
    try:
        vault = make_vault(settings)
        await refuse_other_database(engine, vault)
        accounts = StaffAccounts(engine, vault)
        return await act(KeepStaff(accounts, Passwords()))
    finally:
        await engine.dispose()


async def ensure_demo_admin(settings: Settings, *, password: str | None, first: str) -> bool:
    """The demo's administrator, with this password if one is set; else with `first` where the account is
    made, which is what True says."""

    async def ensure(staff: KeepStaff) -> bool:
        return await staff.ensure(ADMIN_EMAIL, password, first=first, name=ADMIN_NAME, actor="cli:demo")

    return await with_staff(settings, ensure)


async def rotate_vault(settings: Settings, progress: Callable[[str, int, int], None]) -> int:
    """Seal everything with the newest key, as the tables' owner; how many values. Raises SettingsError, SealBroken."""
    engine = make_engine(
        settings.migration_url, pool_size=1, as_app=False, statement_timeout_ms=600_000, name="spotlight vault"
    )
    try:
        return await vault_keys.rotate(engine, make_vault(settings), progress)
    except vault_keys.WrongKeys as error:
        raise SettingsError(str(error)) from None
    finally:
        await engine.dispose()


async def _simulated_floats(settings: Settings) -> list[tuple[str, str, Account]]:
    """Wallets that simulated operators pay out of and tell about, by account, currency and place in the book."""
    accounts = build_accounts(settings.env)
    wallets = set()
    for key, account in accounts.items():
        for country in account.collects if is_simulated(account.provider.base_url) else ():
            can, currency = account.provider.capabilities(country), CURRENCY_OF.get(country)
            if can.has_balance and can.can_pay_out and currency in can.currencies and currency is not None:
                place = Account.OPERATOR_FLOAT if can.pays_from_float else Account.OPERATOR_CLEARING
                wallets.add((key, currency, place))
    for account in accounts.values():
        await account.provider.aclose()
    return sorted(wallets)


async def purge(settings: Settings, progress: purging.Progress) -> int | None:
    """Delete what was kept long enough; how many rows and months, None while another process is at it."""
    engine = make_engine(settings.database_url, pool_size=1, name="spotlight purge")
    try:
        auto = engine.execution_options(isolation_level="AUTOCOMMIT")
        return await purging.purge(auto, settings.kept, progress=progress)
    finally:
        await engine.dispose()


async def make_partitions(settings: Settings, months: int) -> list[str]:
    """Make the monthly partitions of so many coming months; names of the new ones."""
    engine = make_engine(settings.database_url, pool_size=1, name="spotlight partitions")
    try:
        async with engine.begin() as connection:
            rows = await connection.execute(text("select make_partitions(:months)"), {"months": months})
            return list(rows.scalars())
    finally:
        await engine.dispose()


async def audit_money(settings: Settings) -> list[tuple[str, list[dict[str, Any]]]]:
    """Every invariant of money and votes with the rows that break it."""
    engine = make_engine(settings.database_url, pool_size=1, statement_timeout_ms=_REPORT_MS, name="spotlight audit")
    try:
        return await money_audit.audit_money(engine)
    finally:
        await engine.dispose()


async def rebuild_tally(settings: Settings) -> dict[str, int]:
    """Refill Redis from the totals in PostgreSQL; contest → votes."""
    engine = make_engine(settings.database_url, pool_size=1, name="spotlight rebuild")
    client = connect(settings.redis_url)
    feed = ScoreFeed(client)
    try:
        rebuilt = {}
        for scores in await Scores(engine).scores():
            await feed.forget(scores.contest_id)
            await feed.publish(scores, ())
            rebuilt[scores.slug] = sum(scores.votes.values())
        return rebuilt
    finally:
        await client.aclose()
        await engine.dispose()
