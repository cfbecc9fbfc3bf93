"""Acts of staff put together: for the workers, the back office and the command line."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from uuid import UUID

import structlog
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.access.passwords import Passwords
from admin.access.rights import StaffRights
from admin.access.sign_in import SignIn
from admin.access.store import StaffAccounts
from admin.approvals.staff_acts import StaffActs
from admin.approvals.store import StaffRequests
from admin.staff_lookup import StaffLookup
from gateway.runtime.links import make_vault, refuse_other_database, utc_now
from gateway.runtime.settings import Settings
from gateway.storage.engine import make_engine
from gateway.storage.redis_link import connect
from gateway.storage.vault import Vault
from gateway.storage.work import Doorbell
from leaderboard.scores import ScoreFeed, Scores, publish_scores
from payments.disbursement.refunds.acts import RefundActs, refund_executors, refund_previews
from payments.disbursement.refunds.voids import Voids
from payments.requests import Act, ActRefused, Executor, Preview, Why
from payments.rescue.tickets import Tickets
from payments.settlement.settle import Show

_log = structlog.get_logger(__name__)


async def show_scores(counted: Mapping[UUID, Sequence[tuple[str, int]]], *, scores: Scores, feed: ScoreFeed) -> None:
    """Publish new totals; while Redis is away they are read from PostgreSQL."""
    try:
        await publish_scores(counted, scores=scores, feed=feed)
    except (RedisError, OSError) as error:
        _log.warning("scores_not_published", error=type(error).__name__)


def factor_wanted(settings: Settings) -> bool:
    """Whether nobody may do anything without a second factor: everywhere but in the demo."""
    return settings.env != "demo"


def staff_rights(settings: Settings) -> StaffRights:
    """Who may do what."""
    return StaffRights(factor_wanted=factor_wanted(settings))


def bind_sign_in(engine: AsyncEngine, vault: Vault, settings: Settings) -> SignIn:
    """Signing in, the same for pages, programs and commands."""
    return SignIn(StaffAccounts(engine, vault), Passwords(), clock=utc_now, factor_wanted=factor_wanted(settings))


def bind_staff_acts(
    engine: AsyncEngine,
    rights: StaffRights,
    doorbell: Doorbell,
    show: Show,
    *,
    temporary: tuple[type[Exception], ...],
    more: Mapping[Act, Executor] | None = None,
    more_previews: Mapping[Act, Preview] | None = None,
) -> StaffActs:
    """Acts of staff, with whoever does each. `more`, `more_previews`: acts of other rooms."""
    executors = refund_executors(RefundActs(engine), Voids(engine), doorbell, show)
    requests = StaffRequests(engine, {**refund_previews(), **(more_previews or {})}, rights)
    return StaffActs(requests, {**executors, **(more or {})}, doorbell, temporary=temporary)


@dataclass(frozen=True, slots=True)
class StaffDesk:
    """What one process has open of it."""

    acts: StaffActs
    voids: Voids
    lookup: StaffLookup
    tickets: Tickets

    async def payment(self, word: str) -> UUID:
        """The payment that somebody means: by reference, vote, receipt or order code. Raises ActRefused."""
        found = await self.lookup.payment_named(word)
        if found is None:
            raise ActRefused(Why.UNKNOWN, f"no payment has the reference, vote, receipt or order code {word!r}")
        return found


class NoDoorbell:
    """A command ends before anybody would hear it: the workers' sweepers find what is left within a second."""

    def ring(self, kind: str) -> None:
        """Nothing."""


@asynccontextmanager
async def open_sign_in(settings: Settings) -> AsyncIterator[SignIn]:
    """Signing in over a connection of its own, for a command."""
    engine = make_engine(settings.database_url, pool_size=1, name="spotlight sign-in")
    try:
        vault = make_vault(settings)
        await refuse_other_database(engine, vault)
        yield bind_sign_in(engine, vault, settings)
    finally:
        await engine.dispose()


@asynccontextmanager
async def open_staff_desk(settings: Settings) -> AsyncIterator[StaffDesk]:
    """A desk of its own connections, for a command."""
    engine = make_engine(settings.database_url, pool_size=2, name="spotlight staff")
    client, vault = connect(settings.redis_url), make_vault(settings)
    show = partial(show_scores, scores=Scores(engine), feed=ScoreFeed(client))
    rights, temporary = staff_rights(settings), (SQLAlchemyError, RedisError, OSError)
    try:
        await refuse_other_database(engine, vault)
        yield StaffDesk(
            bind_staff_acts(engine, rights, NoDoorbell(), show, temporary=temporary),
            Voids(engine),
            StaffLookup(engine),
            Tickets(engine, vault, rights.permit),
        )
    finally:
        await client.aclose()
        await engine.dispose()
