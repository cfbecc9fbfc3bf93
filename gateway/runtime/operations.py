"""What an operator of the service runs by hand: demo, partitions, audit, rebuild."""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import asyncpg
from sqlalchemy import text

from admin.access.keep_staff import KeepStaff
from admin.access.passwords import Passwords
from gateway.runtime import vault_keys
from gateway.runtime.accounts import Account
from gateway.runtime.container import REPORT_TIMEOUT_MS, Container, open_command
from gateway.runtime.demo import load_demo_contest, load_opening_floats
from gateway.runtime.demo_orders import NoContests, make_orders
from gateway.runtime.deployment import Environment, is_simulated
from gateway.runtime.settings import Settings, SettingsError
from gateway.storage import purging
from gateway.storage.engine import make_engine
from gateway.values.money import CURRENCY_OF
from leaderboard.log import audit as log_audit
from leaderboard.log import rebuild as log_rebuild
from leaderboard.scores import feed_faults
from payments.ledger import audit as money_audit
from payments.ledger import postings as book
from payments.rollups.store import Rollups
from payments.settlement.count import FEE_PLANS, plans_of

T = TypeVar("T")
Findings = dict[str, list[str]]
_REACHED = text("""
update candidate_totals t set reached_seq = e.last
from (select candidate_id, round, max(seq) as last from tally_entries group by 1, 2) e
where e.candidate_id = t.candidate_id and e.round = t.round and t.reached_seq < e.last
""")


async def load_demo(settings: Settings) -> None:
    """Load the demo contests and what simulated operators hold for payouts; what is there stays as it is."""
    async with (
        Container(settings, name="spotlight demo", pool_size=1) as container,
        container.engine.begin() as connection,
    ):
        await load_demo_contest(connection)
        await load_opening_floats(connection, _simulated_floats(container.accounts))


async def make_demo_orders(settings: Settings, many: int, progress: Callable[[int], None]) -> None:
    """Write so many orders of the last month with all that comes with them. Raises SettingsError, also where this is
    no demo."""
    if settings.env is not Environment.DEMO:
        raise SettingsError("orders are made up in a demo only: SPOTLIGHT_ENV is not demo")
    async with Container(settings, name="spotlight demo", pool_size=1) as container:
        async with container.engine.connect() as connection:
            contests = list((await connection.execute(text("select id from contests"))).scalars())
            plans = text(f"select {FEE_PLANS}")
            fees = {one: plans_of((await connection.execute(plans, {"contest": one})).one()) for one in contests}
        owner = await asyncpg.connect(settings.migration_url)
        try:
            await make_orders(owner, container.vault, many, seed=secrets.randbits(32), fees=fees, progress=progress)
        except NoContests as error:
            raise SettingsError(str(error)) from None
        finally:
            await owner.close()
        await Rollups(container.engine).catch_up()
    await rebuild_tally(settings)


async def with_staff(settings: Settings, act: Callable[[KeepStaff], Awaitable[T]]) -> T:
    """Do something with the accounts of staff. Raises StaffRefused."""
    async with open_command(settings) as container:
        return await act(KeepStaff(container.staff, Passwords()))


async def ensure_staff(settings: Settings, email: str, name: str, *, password: str | None, first: str) -> bool:
    """Make an administrator with `password`, else with `first`; whether it was made with `first`."""
    who: dict[str, Any] = {"first": first, "name": name, "actor": "cli:demo"}
    return await with_staff(settings, lambda staff: staff.ensure(email, password, **who))


async def rotate_vault(settings: Settings, progress: Callable[[str, int, int], None]) -> int:
    """Seal everything with the newest key, as the tables' owner; how many values. Raises SettingsError, SealBroken."""
    engine = make_engine(
        settings.migration_url,
        pool_size=1,
        as_app=False,
        statement_timeout_ms=REPORT_TIMEOUT_MS,
        name="spotlight vault",
    )
    try:
        return await vault_keys.rotate(engine, Container(settings, name="").vault, progress)
    finally:
        await engine.dispose()


def _simulated_floats(accounts: Mapping[str, Account]) -> list[tuple[str, str, book.Account]]:
    """Wallets that simulated operators pay out of and tell the balance of: account, currency, place in the book."""
    wallets = set()
    for key, account in accounts.items():
        for country in account.collects if is_simulated(account.provider.base_url) else ():
            can, currency = account.provider.capabilities(country), CURRENCY_OF.get(country)
            if can.has_balance and can.can_pay_out and currency in can.currencies and currency is not None:
                place = book.Account.OPERATOR_FLOAT if can.pays_from_float else book.Account.OPERATOR_CLEARING
                wallets.add((key, currency, place))
    return sorted(wallets)


async def purge(settings: Settings, progress: purging.Progress) -> int | None:
    """Delete what was kept long enough; how many rows and months, None while another process purges."""
    async with Container(settings, name="spotlight purge", pool_size=1) as container:
        return await purging.purge(container.auto, settings.kept, progress=progress)


async def make_partitions(settings: Settings, months: int) -> list[str]:
    """Make the monthly partitions of so many coming months; names of the new ones."""
    async with (
        Container(settings, name="spotlight partitions", pool_size=1) as container,
        container.engine.begin() as connection,
    ):
        rows = await connection.execute(text("select make_partitions(:months)"), {"months": months})
        return list(rows.scalars())


async def audit_money(
    settings: Settings, progress: Callable[[str, list[dict[str, Any]]], None] = lambda *_: None
) -> list[tuple[str, list[dict[str, Any]]]]:
    """Every invariant of money and votes with the rows that break it. `progress`: called with each of them as it was
    checked."""
    async with Container(settings, name="spotlight audit", statement_timeout_ms=REPORT_TIMEOUT_MS) as container:
        return await money_audit.audit_money(container.engine, progress)


async def audit_logs(settings: Settings, slug: str | None, progress: Callable[[str, int, int], None]) -> Findings:
    """What is wrong with the public log of each contest, or of the one with this slug: a sentence each."""
    async with Container(settings, name="spotlight audit", statement_timeout_ms=REPORT_TIMEOUT_MS) as container:
        return await log_audit.audit_logs(container.engine, container.vault, slug, progress)


async def audit_tally(settings: Settings, slug: str | None, progress: Callable[[str, int, int], None]) -> Findings:
    """The same, and what Redis has otherwise than PostgreSQL."""
    async with Container(settings, name="spotlight audit", statement_timeout_ms=REPORT_TIMEOUT_MS) as container:
        found = await log_audit.audit_logs(container.engine, container.vault, slug, progress)
        for scores in await container.scores.scores():
            if scores.slug in found:
                found[scores.slug] += await feed_faults(container.feed, scores)
        return found


async def rebuild_rollups(settings: Settings, progress: Callable[[str, int, int], None]) -> int:
    """Sum all that happened to payments, and the book, again; how many rows were read. `progress`: see
    `Rollups.rebuild`."""
    async with Container(settings, name="spotlight rollups", pool_size=1) as container:
        return await Rollups(container.engine).rebuild(progress)


async def rebuild_logs(settings: Settings, progress: Callable[[str, int, int], None]) -> dict[str, int]:
    """Make the tiles of every public log again from its leaves; contest → leaves. SettingsError where the leaves are
    not those that were signed. `progress`: see `leaderboard.log.rebuild`."""
    async with Container(settings, name="spotlight rebuild", statement_timeout_ms=REPORT_TIMEOUT_MS) as container:
        try:
            return await log_rebuild.rebuild_logs(container.engine, progress)
        except log_rebuild.LeavesBroken as error:
            raise SettingsError(str(error)) from None


async def rebuild_tally(settings: Settings) -> dict[str, int]:
    """Refill Redis from the totals in PostgreSQL; contest → votes. The entries that reached them are read from the
    tally: a release that did not know of them left them behind."""
    async with Container(settings, name="spotlight rebuild", pool_size=1) as container:
        rebuilt = {}
        async with container.engine.begin() as connection:
            await connection.execute(_REACHED)
        for scores in await container.scores.scores():
            await container.feed.forget(scores.contest_id)
            await container.feed.publish(scores, ())
            rebuilt[scores.slug] = sum(scores.votes.values())
        return rebuilt
