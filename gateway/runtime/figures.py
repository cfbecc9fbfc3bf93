"""Business figures from PostgreSQL, which all processes share."""

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from channels.messages.rules import DELIVERED, UNDELIVERED
from gateway.runtime.figures_port import AccountFigures, ContestFigures, Figures, StorageFigures, TextFigures
from gateway.runtime.owed import PostgresOwed
from gateway.storage.partitions import read_months_ahead
from gateway.storage.set_aside import Kind, count_set_aside
from gateway.storage.upkeep import read_upkeep
from payments.collection.questions import QUESTIONS

_UNDELIVERED: Final = ", ".join(f"'{word}'" for word in sorted(UNDELIVERED))

_CONTESTS: Final = text("""
select c.slug, c.currency, coalesce(sum(t.votes), 0) as votes, coalesce(sum(t.amount_minor), 0) as collected
from contests c left join candidate_totals t on t.contest_id = c.id group by c.slug, c.currency order by c.slug
""")

# Unfinished states only: each is the head of a partial index, however many payments are done.
_PAYMENTS: Final = text("""
select provider, status, count(*) as many from payments
where status in ('created', 'sent', 'pending') or status = 'confirmed' or status in ('surplus', 'mismatched')
group by 1, 2
""")

# A hint says that the payer decided; what it was is asked, at the operator's rate.
_BEING_COUNTED: Final = text("""
select c.slug, coalesce(sum(u.many), 0) as many from contests c left join (
  select contest_id, count(*) as many from payments where status = 'confirmed' group by 1
  union all select contest_id, count(*) from payments
  where status in ('sent','pending','expired','failed') and next_check_at is not null and hinted_at is not null
  group by 1) u on u.contest_id = c.id
group by c.slug
""")


# Counted on a callback, and still to be asked about.
_PROVISIONAL: Final = text("""
select provider as account, count(*) as many from payments where provisional and status = 'settled' group by 1
""")

_CLOSED: Final = text("select account, closed_until is not null as closed from account_health")

_CALLBACKS: Final = text("select provider, outcome, many from callback_counts")

_TEXTS: Final = text("""
select status, count(*) as many from messages_out
where status in ('due', 'sending', 'unknown') and next_try_at is not null group by 1
""")

# `delivery_status` is the carrier's own word, `last_error` is written by `channels.messages.send`.
_SENT_TEXTS: Final = text(f"""
select coalesce(carrier, 'none') as carrier, case
    when status in ('refused', 'unknown') then status
    when delivery_status = '{DELIVERED}' then 'delivered'
    when delivery_status in ({_UNDELIVERED}) then 'undelivered' else 'on_its_way' end as outcome,
  count(*) as many, coalesce(sum(parts), 0) as parts
from messages_out where purged_at is null and created_at > now() - interval '24 hours'
  and status in ('sent', 'refused', 'unknown')
group by 1, 2
""")

_REFUSALS: Final = text("""
select split_part(last_error, ' refuses us: ', 1) as carrier, split_part(last_error, ' refuses us: ', 2) as reason,
  count(*) as many
from messages_out where purged_at is null and created_at > now() - interval '24 hours'
  and last_error like '% refuses us: %' group by 1, 2
""")

# A partition counts with its table. Sizes are asked of the file system, rows are what the last analysis found.
_SIZES: Final = text("""
select coalesce(i.inhparent, c.oid)::regclass::text as name, sum(pg_total_relation_size(c.oid)) as bytes,
  sum(greatest(c.reltuples, 0)) as rows
from pg_class c join pg_namespace s on s.oid = c.relnamespace and s.nspname = 'public'
  left join pg_inherits i on i.inhrelid = c.oid
where c.relkind = 'r' group by 1
""")


class PostgresFigures:
    """`FigureStore`. `rates`: by account, the questions that it may be asked in a second."""

    def __init__(
        self, engine: AsyncEngine, owed: PostgresOwed, rates: Mapping[str, int] = MappingProxyType({})
    ) -> None:
        self._engine = engine
        self._owed = owed
        self._rates = rates

    async def figures(self) -> Figures:
        """Everything, read one after the other."""
        async with self._engine.connect() as connection:
            contests = (await connection.execute(_CONTESTS)).all()
            payments = (await connection.execute(_PAYMENTS)).all()
            texts = (await connection.execute(_TEXTS)).all()
            sent_texts = await _sent_texts(connection)
            callbacks = (await connection.execute(_CALLBACKS)).all()
            being_counted = (await connection.execute(_BEING_COUNTED)).all()
            accounts = await self._accounts(connection)
            aside = await count_set_aside(connection)
            sizes = (await connection.execute(_SIZES)).all()
            upkeep = await read_upkeep(connection)
        owed: Mapping[str, float] = {work.value: age for work, age in (await self._owed.owed()).items()}
        return Figures(
            contests=tuple(ContestFigures(r.slug, r.currency, int(r.votes), int(r.collected)) for r in contests),
            payments={(row.provider, row.status): row.many for row in payments},
            owed_seconds=owed,
            texts={row.status: row.many for row in texts},
            sent_texts=sent_texts,
            accounts=accounts,
            being_counted={row.slug: int(row.many) for row in being_counted},
            callbacks={(row.provider, row.outcome): row.many for row in callbacks},
            # A kind without any is shown as 0, so that an alarm ends.
            set_aside={kind.value: aside[kind][0] if kind in aside else 0 for kind in Kind},
            workers=await self._owed.workers(),
            storage=StorageFigures(
                bytes={row.name: int(row.bytes) for row in sizes},
                rows={row.name: int(row.rows) for row in sizes},
                months_ahead=await read_months_ahead(self._engine),
                upkeep_seconds={task: last.age.total_seconds() for task, last in upkeep.items() if last.age},
            ),
        )

    async def _accounts(self, connection: AsyncConnection) -> AccountFigures:
        closed = (await connection.execute(_CLOSED)).all()
        due = {row.account: row.many for row in (await connection.execute(QUESTIONS)).all()}
        provisional = (await connection.execute(_PROVISIONAL)).all()
        return AccountFigures(
            closed={row.account: row.closed for row in closed},
            backlog_seconds={account: due.get(account, 0) / rate for account, rate in self._rates.items()},
            provisional={row.account: row.many for row in provisional},
        )


async def _sent_texts(connection: AsyncConnection) -> TextFigures:
    outcomes = (await connection.execute(_SENT_TEXTS)).all()
    refusals = (await connection.execute(_REFUSALS)).all()
    parts: Counter[str] = Counter()
    for row in outcomes:
        parts[row.carrier] += int(row.parts)
    return TextFigures(
        outcomes={(row.carrier, row.outcome): row.many for row in outcomes},
        refusals={(row.carrier, row.reason): row.many for row in refusals},
        parts=parts,
    )
