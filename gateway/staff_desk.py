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

from gateway.domain.staff_request import Act, ActRefused, Why, named
from gateway.ports.staff import Executor
from gateway.ports.stores import Doorbell, ScoreFeed, ScoreStore
from gateway.settings import Settings
from gateway.storage.engine import make_engine
from gateway.storage.redis_link import connect
from gateway.storage.scores import PostgresScores, RedisScoreFeed
from gateway.storage.staff_lookup import StaffLookup
from gateway.storage.staff_money import PostgresStaffMoney, freezers
from gateway.storage.staff_requests import Freeze, PostgresStaffRequests
from gateway.storage.tickets import PostgresTickets
from gateway.storage.vault import Vault
from gateway.storage.voids import PostgresVoids
from gateway.usecases.publish_scores import publish_scores
from gateway.usecases.settle_payments import Show
from gateway.usecases.staff_acts import StaffActs
from gateway.usecases.staff_money import money_executors

_log = structlog.get_logger(__name__)


async def show_scores(
    counted: Mapping[UUID, Sequence[tuple[str, int]]], *, scores: ScoreStore, feed: ScoreFeed
) -> None:
    """Publish new totals; while Redis is away they are read from PostgreSQL."""
    try:
        await publish_scores(counted, scores=scores, feed=feed)
    except (RedisError, OSError) as error:
        _log.warning("scores_not_published", error=type(error).__name__)


def bind_staff_acts(
    engine: AsyncEngine,
    doorbell: Doorbell,
    show: Show,
    *,
    temporary: tuple[type[Exception], ...],
    more: Mapping[Act, Executor] | None = None,
    more_freezers: Mapping[Act, Freeze] | None = None,
) -> StaffActs:
    """Acts of staff, with whoever does each. `more`, `more_freezers`: acts of other rooms."""
    executors = money_executors(PostgresStaffMoney(engine), PostgresVoids(engine), doorbell, show)
    requests = PostgresStaffRequests(engine, {**freezers(), **(more_freezers or {})})
    return StaffActs(requests, {**executors, **(more or {})}, doorbell, temporary=temporary)


@dataclass(frozen=True, slots=True)
class StaffDesk:
    """What one process has open of it."""

    acts: StaffActs
    voids: PostgresVoids
    lookup: StaffLookup
    tickets: PostgresTickets

    async def person(self, email: str) -> str:
        """Somebody who works here, as they are recorded. Raises ActRefused."""
        name = named(email)
        if not await self.lookup.is_staff(name):
            raise ActRefused(Why.NO_PERSON, f"{name} is not one of the staff, or no longer")
        return name

    async def payment(self, word: str) -> UUID:
        """The payment that somebody means: by reference, vote, receipt or order code. Raises ActRefused."""
        found = await self.lookup.payment_named(word)
        if found is None:
            raise ActRefused(Why.UNKNOWN, f"no payment has the reference, vote, receipt or order code {word!r}")
        return found


class _NoDoorbell:
    """A command ends before anybody would hear it: the workers' sweepers find what is left within a second."""

    def ring(self, kind: str) -> None:
        """Nothing."""


@asynccontextmanager
async def open_staff_desk(settings: Settings) -> AsyncIterator[StaffDesk]:
    """A desk of its own connections, for a command."""
    engine = make_engine(settings.database_url, pool_size=2, name="spotlight staff")
    client, vault = connect(settings.redis_url), Vault(settings.secret_key.get_secret_value())
    show = partial(show_scores, scores=PostgresScores(engine), feed=RedisScoreFeed(client))
    acts = bind_staff_acts(engine, _NoDoorbell(), show, temporary=(SQLAlchemyError, RedisError, OSError))
    try:
        yield StaffDesk(acts, PostgresVoids(engine), StaffLookup(engine), PostgresTickets(engine, vault))
    finally:
        await client.aclose()
        await engine.dispose()
