"""The business side of `/metrics`: votes, money, backlogs, read from PostgreSQL. No figure names a person."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

from sqlalchemy import Row, TextClause, text
from sqlalchemy.ext.asyncio import AsyncEngine

from channels.messages.rules import DELIVERED, UNDELIVERED
from gateway.http.health import Figure
from gateway.runtime.owed_work import OwedWork
from gateway.storage.set_aside import Kind, count_set_aside
from gateway.storage.upkeep import read_months_ahead
from payments.collection.admit_callbacks import CallbackAdmission
from payments.collection.callbacks import Callbacks
from payments.collection.claims import QUESTIONS

_UNDELIVERED: Final = ", ".join(f"'{word}'" for word in sorted(UNDELIVERED))


@dataclass(frozen=True, slots=True)
class _Metric:
    """A metric, and the statement that reads it: the column `value`; all other columns are labels."""

    name: str
    help: str
    statement: TextClause
    kind: Literal["counter", "gauge"] = "gauge"

    def figures(self, rows: Iterable[Row[Any]]) -> Iterator[Figure]:
        """A figure for each row."""
        for row in rows:
            labels = dict(row._mapping)
            yield Figure(self.name, self.help, float(labels.pop("value")), labels, self.kind)


# A partition counts with its table. Sizes are asked of the file system, rows are what the last analysis found.
_SIZES: Final = """
select coalesce(i.inhparent, c.oid)::regclass::text as "table", {} as value
from pg_class c join pg_namespace s on s.oid = c.relnamespace and s.nspname = 'public'
  left join pg_inherits i on i.inhrelid = c.oid
where c.relkind = 'r' group by 1
"""

_METRICS: Final = (
    _Metric(
        "spotlight_votes_counted",
        "Votes counted.",
        text("""
select c.slug as contest, coalesce(sum(t.votes), 0) as value
from contests c left join candidate_totals t on t.contest_id = c.id group by 1
"""),
        "counter",
    ),
    _Metric(
        "spotlight_money_counted_minor",
        "Money behind counted votes, in minor units.",
        text("""
select c.slug as contest, c.currency, coalesce(sum(t.amount_minor), 0) as value
from contests c left join candidate_totals t on t.contest_id = c.id group by 1, 2
"""),
        "counter",
    ),
    # Unfinished states only: each is the head of a partial index, however many payments are done.
    _Metric(
        "spotlight_payments_unfinished",
        "Open payments, by state.",
        text("""
select provider, status as state, count(*) as value from payments
where status in ('created', 'sent', 'pending') or status = 'confirmed' or status in ('surplus', 'mismatched')
group by 1, 2
"""),
    ),
    # A hint means that the payer decided; the decision is asked of the operator, at its rate.
    _Metric(
        "spotlight_payments_being_counted",
        "Payments decided and not counted yet.",
        text("""
select c.slug as contest, coalesce(sum(u.many), 0) as value from contests c left join (
  select contest_id, count(*) as many from payments where status = 'confirmed' group by 1
  union all select contest_id, count(*) from payments
  where status in ('sent','pending','expired','failed') and next_check_at is not null and hinted_at is not null
  group by 1) u on u.contest_id = c.id
group by 1
"""),
    ),
    # Outcomes: `hint`, `proof`, `provisional` (counted on, to be asked about), `copy` (the same bytes again), `unknown
    # reference` and `nothing` (forged, or no callback at all).
    _Metric(
        "spotlight_callbacks",
        "Operators' callbacks, by outcome.",
        text("select provider, outcome, many as value from callback_counts"),
        "counter",
    ),
    _Metric(
        "spotlight_account_closed",
        "Whether an account is set aside.",
        text("select account, cast(closed_until is not null as integer) as value from account_health"),
    ),
    _Metric(
        "spotlight_payments_provisional",
        "Payments counted on a callback, still to be asked about.",
        text("""
select provider as account, count(*) as value from payments where provisional and status = 'settled' group by 1
"""),
    ),
    _Metric(
        "spotlight_log_behind",
        "Counted entries that are not in the public log yet.",
        text("""
select c.slug as contest, h.next_seq - coalesce(l.next_seq, 1) as value
from contests c join contest_heads h on h.contest_id = c.id left join log_heads l on l.contest_id = c.id
where c.state <> 'draft'
"""),
    ),
    _Metric(
        "spotlight_texts_waiting",
        "Texts that wait to be sent.",
        text("""
select status, count(*) as value from messages_out
where status in ('due', 'sending', 'unknown') and next_try_at is not null group by 1
"""),
    ),
    # `last_error` is written by `channels.messages.send`. A refusal of our account needs a person to act.
    _Metric(
        "spotlight_carrier_refuses_us",
        "Texts refused for our account's sake in 24 hours.",
        text("""
select split_part(last_error, ' refuses us: ', 1) as carrier, split_part(last_error, ' refuses us: ', 2) as reason,
  count(*) as value
from messages_out where purged_at is null and created_at > now() - interval '24 hours'
  and last_error like '% refuses us: %' group by 1, 2
"""),
    ),
    _Metric(
        "spotlight_table_bytes",
        "Size of a table with its indexes.",
        text(_SIZES.format("sum(pg_total_relation_size(c.oid))")),
    ),
    _Metric(
        "spotlight_table_rows",
        "Rows of a table, as PostgreSQL estimates.",
        text(_SIZES.format("sum(greatest(c.reltuples, 0))")),
    ),
    _Metric(
        "spotlight_upkeep_age_seconds",
        "Since a task of upkeep came to its end.",
        text("select task, extract(epoch from now() - finished_at) as value from upkeep where finished_at is not null"),
    ),
)

# `delivery_status` is the carrier's own word; `on_its_way`: accepted, no final report; `unknown`: perhaps sent.
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


class FigureStore:
    """Reads the figures. `rates`: by account, the questions that it may be asked in a second."""

    def __init__(self, engine: AsyncEngine, owed: OwedWork, rates: Mapping[str, int] = MappingProxyType({})) -> None:
        self._engine = engine
        self._owed = owed
        self._rates = rates

    async def figures(self) -> list[Figure]:
        """Everything, read one after the other."""
        async with self._engine.connect() as connection:
            shown = [
                figure for metric in _METRICS for figure in metric.figures(await connection.execute(metric.statement))
            ]
            sent = (await connection.execute(_SENT_TEXTS)).all()
            due = {row.account: row.many for row in (await connection.execute(QUESTIONS)).all()}
            aside = await count_set_aside(connection)
        parts: Counter[str] = Counter()
        for row in sent:
            parts[row.carrier] += int(row.parts)
            labels = {"carrier": row.carrier, "outcome": row.outcome}
            shown.append(Figure("spotlight_texts_tried", "Texts of the last 24 hours, by outcome.", row.many, labels))
        backlog = {account: due.get(account, 0) / rate for account, rate in self._rates.items()}
        owed = {work.value: age for work, age in (await self._owed.owed()).items()}
        # A kind without any is shown as 0, so that an alarm ends.
        kinds = {kind.value: aside[kind][0] if kind in aside else 0 for kind in Kind}
        months = await read_months_ahead(self._engine)
        for name, explained, label, values in (
            ("spotlight_text_parts", "Parts sent in the last 24 hours.", "carrier", parts),
            (
                "spotlight_verification_backlog_seconds",
                "How long the due questions take at the allowed rate.",
                "account",
                backlog,
            ),
            ("spotlight_owed_work_age_seconds", "Age of the oldest due work.", "work", owed),
            ("spotlight_set_aside", "What fails by itself and is kept out of the way, by kind.", "kind", kinds),
            (
                "spotlight_partition_months_ahead",
                "Coming months with a partition; -1: today has none.",
                "table",
                months,
            ),
        ):
            shown += [Figure(name, explained, value, {label: which}) for which, value in values.items()]
        workers = await self._owed.workers()
        return [*shown, Figure("spotlight_workers", "Workers that lately reported that they work.", workers)]


def callback_figures(store: Callbacks, admission: CallbackAdmission) -> list[Figure]:
    """The spool of this machine and callbacks that were not stored: known also while PostgreSQL is away."""
    waiting, refused = store.waiting, admission.refused
    old, signed = "spotlight_callbacks_stale", "Callbacks that were signed too long ago, or in a time to come."
    name, explained = "spotlight_callbacks_refused", "Callbacks beyond the rate of those that prove nothing."
    return [
        *(Figure(name, explained, many, {"provider": code}, "counter") for code, many in refused.items()),
        *(Figure(old, signed, many, {"provider": code}, "counter") for code, many in admission.stale.items()),
        Figure("spotlight_callbacks_spooled", "Callbacks on this disk, not in PostgreSQL yet.", waiting.records),
        Figure("spotlight_callbacks_spooled_age_seconds", "Age of the oldest spooled segment.", waiting.seconds),
        Figure("spotlight_callback_segments_refused", "Spooled files that want a person.", waiting.refused),
    ]
