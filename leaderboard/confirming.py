"""Votes that are being confirmed: their operator's callback says that they are paid, and they count once it has
answered the question about each.

An operator allows so many questions a second and account, so in a rush payments wait for theirs. The figure is read
from PostgreSQL by one gateway process and handed to the others by Redis. It names a contest and no candidate.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import orjson
import structlog
from redis import asyncio as redis_asyncio
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

# A figure is shown while an account needs longer than this for the questions about what is claimed.
WORTH_SECONDS: Final = 10.0
EVERY_SECONDS: Final = 2.0
# After it was read from PostgreSQL, so many times as long as that took passes before it is read again.
REST: Final = 20.0
_KEY: Final = "scores:confirming"
# Found by the index of due questions, which holds no payment that is decided.
_CLAIMED: Final = text("""
select provider as account, contest_id, count(*) as payments, cast(sum(claimed_votes) as bigint) as votes
from payments
where status in ('sent','pending','expired','failed') and next_check_at <= now()
  and hinted_at is not null and claimed_votes is not null
group by 1, 2
""")
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Claimed:
    """Payments of an account that wait for their question, for a contest: how many, and for how many votes."""

    account: str
    contest_id: UUID
    payments: int
    votes: int


def worth_showing(waiting: Iterable[Claimed], rates: Mapping[str, float]) -> dict[UUID, int]:
    """Votes being confirmed, by contest: those of accounts that need longer than `WORTH_SECONDS` for their questions.
    `rates`: questions a second, by account."""
    found = list(waiting)
    many: Counter[str] = Counter()
    for one in found:
        many[one.account] += one.payments
    votes: Counter[UUID] = Counter()
    for one in found:
        if many[one.account] > WORTH_SECONDS * rates.get(one.account, 1.0):
            votes[one.contest_id] += one.votes
    return dict(votes)


class Confirming:
    """Reads the figure: from Redis, or else from PostgreSQL, for every process until it is too old. `rates`: questions
    a second that each account may be asked."""

    def __init__(self, engine: AsyncEngine, client: "redis_asyncio.Redis", rates: Mapping[str, float]) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._client = client
        self._rates = rates

    async def votes(self) -> dict[UUID, int]:
        """Votes being confirmed, by contest; empty in quiet times. Raises SQLAlchemyError, OSError."""
        with suppress(RedisError, OSError):
            held = await self._client.get(_KEY)
            if held is not None:
                return {UUID(contest): votes for contest, votes in orjson.loads(held).items()}
        began = time.monotonic()
        async with self._engine.connect() as connection:
            rows = (await connection.execute(_CLAIMED)).all()
        found = worth_showing((Claimed(*row) for row in rows), self._rates)
        fresh = max(EVERY_SECONDS, REST * (time.monotonic() - began))
        with suppress(RedisError, OSError):
            document = orjson.dumps({str(contest): votes for contest, votes in found.items()})
            await self._client.set(_KEY, document, px=round(fresh * 1000))
        return found

    async def keep_showing(self, show: Callable[[Mapping[UUID, int]], None]) -> None:
        """Show the figure every two seconds, until cancelled; nothing while it cannot be read."""
        while True:
            found: Mapping[UUID, int] = {}
            try:
                found = await self.votes()
            except (SQLAlchemyError, OSError) as error:
                _log.warning("confirming_not_read", error=type(error).__name__)
            show(found)
            await asyncio.sleep(EVERY_SECONDS)
