"""Rows that fail by themselves are set aside, so that they do not stop the others: kept with their error until they are
tried again, counted in `/metrics` and shown by the doctor."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, Generic, TypeVar

import structlog
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.storage.rows import document, recordset
from gateway.storage.vault import SealBroken

T = TypeVar("T")
R = TypeVar("R")
Row = TypeVar("Row")
Read = TypeVar("Read")
_log = structlog.get_logger(__name__)

# A row that cannot be read stays so until a person mends it.
READ_AGAIN_SECONDS: Final = 3600
# How long a row that is never tried again by itself is shown.
SHOWN_SECONDS: Final = 7 * 86_400


class Kind(StrEnum):
    """What may be set aside."""

    CONTEST = "contest"
    PAYMENT = "payment"
    REFUND = "refund"
    PAYOUT = "payout"
    CALLBACK = "callback"
    TEXT_OUT = "text_out"
    TEXT_IN = "text_in"
    DIALOGUE = "dialogue"
    MAIL = "mail"
    UPDATE = "update"


_COLUMNS: Final = "kind text, subject text, error text, seconds integer"
_KEEP: Final = text(f"""
insert into set_aside as s (kind, subject, error, until)
select kind, subject, error, now() + make_interval(secs => seconds) from {recordset(_COLUMNS)}
on conflict (kind, subject) do update set error = excluded.error, until = excluded.until, times = s.times + 1,
  since = case when s.until < now() - interval '1 day' then now() else s.since end
""")
# What is tried again and succeeds is not set aside again: it is no longer shown a little later.
_SHOWN: Final = text("""
select kind, count(*) as many, min(since) as since from set_aside where until > now() - interval '10 minutes'
group by kind order by kind
""")


# Classes of SQLSTATE that are about a row: its data, its constraints, what a function of ours raised.
OF_A_ROW: Final = ("22", "23", "P0")


def passes(error: Exception) -> bool:
    """Whether an error passes by itself, such as a server that does not answer. One of a row does not: PostgreSQL
    refuses it, or our code stumbles."""
    if not isinstance(error, SQLAlchemyError):
        return isinstance(error, OSError | RedisError)
    state = str(getattr(getattr(error, "orig", None), "sqlstate", None) or "")
    return not isinstance(error, DataError | IntegrityError) and not state.startswith(OF_A_ROW)


@dataclass
class Halved(Generic[T, R]):
    """What became of a batch. `results`: of the parts that succeeded; `broken`: members that fail alone, with
    their error; `given_up`: so many failed, and none succeeded, that the rest was not tried."""

    results: list[R] = field(default_factory=list)
    broken: list[tuple[T, Exception]] = field(default_factory=list)
    given_up: bool = False


async def in_halves(
    batch: Sequence[T],
    act: Callable[[Sequence[T]], Awaitable[R]],
    give_up_after: int | None = None,
) -> Halved[T, R]:
    """Act on a batch; where that fails, on its halves, down to single members. `act` must be safe to repeat.

    An error that `passes` is raised. `give_up_after`: once so many members failed, and none succeeded, the fault is not
    theirs."""
    found: Halved[T, R] = Halved()
    parts = [batch] if batch else []
    while parts:
        part = parts.pop()
        try:
            found.results.append(await act(part))
        except Exception as error:
            if passes(error):
                raise
            if len(part) > 1:
                middle = len(part) // 2
                parts += [part[middle:], part[:middle]]
                continue
            found.broken.append((part[0], error))
            if len(found.broken) == give_up_after and not found.results:
                found.given_up = True
                return found
    return found


async def set_aside(
    connection: AsyncConnection, kind: Kind, broken: Sequence[tuple[str, Exception]], seconds: int = READ_AGAIN_SECONDS
) -> None:
    """Keep these subjects with their errors, and log them. `seconds`: until they are tried again."""
    rows = []
    for subject, error in broken:
        # A broken seal may be one of thousands, and there is nothing to learn from where it was found.
        trace = None if isinstance(error, SealBroken) else error
        _log.error("set_aside", kind=kind.value, subject=subject, error=type(error).__name__, exc_info=trace)
        # The type only: a message may hold what a voter wrote.
        rows.append({"kind": kind.value, "subject": subject, "error": type(error).__name__, "seconds": seconds})
    if rows:
        await connection.execute(_KEEP, document(sorted(rows, key=lambda row: str(row["subject"]))))


_CALLBACKS: Final = text("""
with marked as (
  update callbacks set handled_at = now(), outcome = 'set aside'
  where id = any(cast(:ids as bigint[])) and handled_at is null returning provider)
insert into callback_counts (provider, outcome, many)
select provider, 'set aside', count(*) from marked group by 1 order by 1
on conflict (provider, outcome) do update set many = callback_counts.many + excluded.many
""")


async def set_callbacks_aside(connection: AsyncConnection, broken: Sequence[tuple[int, Exception]]) -> None:
    """Take callbacks that cannot be handled out of the queue. Staff may replay them."""
    await set_aside(connection, Kind.CALLBACK, [(str(callback), error) for callback, error in broken], SHOWN_SECONDS)
    await connection.execute(_CALLBACKS, {"ids": [callback for callback, _ in broken]})


async def count_set_aside(connection: AsyncConnection) -> dict[str, tuple[int, datetime]]:
    """How many are set aside now, by kind, and since when the oldest."""
    return {row.kind: (row.many, row.since) for row in await connection.execute(_SHOWN)}


def each_read(rows: Iterable[Row], read: Callable[[Row], Read]) -> tuple[list[Read], list[tuple[Row, Exception]]]:
    """What `read` makes of each row, and the rows that it stumbles over, with the error."""
    found, broken = [], []
    for row in rows:
        try:
            found.append(read(row))
        except Exception as error:
            broken.append((row, error))
    return found, broken
