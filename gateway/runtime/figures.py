"""The business side of `/metrics`: votes, money, backlogs, read from PostgreSQL. No figure names a person."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from channels.messages.rules import DELIVERED, UNDELIVERED
from gateway.http.health import Figure
from gateway.runtime.owed_work import OwedWork
from gateway.storage.set_aside import Kind, count_set_aside
from gateway.storage.upkeep import read_months_ahead, read_upkeep
from payments.collection.admit_callbacks import CallbackAdmission
from payments.collection.callbacks import Callbacks
from payments.collection.claims import QUESTIONS

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

# A hint means that the payer decided; the decision is asked of the operator, at its rate.
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

_CIRCUITS: Final = text("select account, closed_until is not null as circuit_open from account_health")

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


@dataclass(frozen=True, slots=True)
class ContestFigures:
    """A contest so far. `collected_minor`: money behind the counted votes, in minor units."""

    slug: str
    currency: str
    votes: int
    collected_minor: int


@dataclass(frozen=True, slots=True)
class TextFigures:
    """Texts of the last 24 hours. `outcomes`: by (carrier, outcome): `delivered`,
    `undelivered`, `on_its_way` (accepted, no final report), `refused` and `unknown` (perhaps sent).
    `refusals`: texts that a carrier did not take because of our account there, by (carrier, its reason).
    `parts`: what was charged for, by carrier."""

    outcomes: Mapping[tuple[str, str], int] = field(default_factory=dict)
    refusals: Mapping[tuple[str, str], int] = field(default_factory=dict)
    parts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AccountFigures:
    """Accounts at operators, by key. `circuit_open`: whether its circuit is open, where it ever was.
    `backlog_seconds`: how long the questions that are due take at the rate that the operator allows.
    `provisional`: payments that are counted on a callback and still to be asked about."""

    circuit_open: Mapping[str, bool] = field(default_factory=dict)
    backlog_seconds: Mapping[str, float] = field(default_factory=dict)
    provisional: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StorageFigures:
    """What PostgreSQL holds. `bytes` with indexes and `rows`, which are estimates, by table; `months_ahead`: coming
    months that have a partition, by table, -1 where the present one has none; `upkeep_seconds`: since the purge and
    the making of partitions came to their end last, by task."""

    bytes: Mapping[str, int] = field(default_factory=dict)
    rows: Mapping[str, int] = field(default_factory=dict)
    months_ahead: Mapping[str, int] = field(default_factory=dict)
    upkeep_seconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Figures:
    """One reading. `payments`: how many are in each unfinished state, by (provider, state).
    `owed_seconds`: kinds of work that are due, with the age of their oldest piece. `texts`: how many
    wait, by state; `sent_texts`: what became of those that were tried. `being_counted`: by contest's slug,
    payments that are paid, or decided by their callback, and not counted yet. `callbacks`: how many ever came, by
    (provider's code, outcome): `hint`, `proof`, `provisional` (counted on, to be asked
    about), `copy` (the same bytes again), `unknown reference` and `nothing` (forged, or no callback at all).
    `set_aside`: what fails by itself and waits, by kind. `workers`: how many work."""

    contests: tuple[ContestFigures, ...]
    payments: Mapping[tuple[str, str], int]
    owed_seconds: Mapping[str, float]
    texts: Mapping[str, int]
    sent_texts: TextFigures = TextFigures()
    accounts: AccountFigures = AccountFigures()
    being_counted: Mapping[str, int] = field(default_factory=dict)
    callbacks: Mapping[tuple[str, str], int] = field(default_factory=dict)
    set_aside: Mapping[str, int] = field(default_factory=dict)
    storage: StorageFigures = StorageFigures()
    workers: int = 0


class FigureStore:
    """Reads the figures. `rates`: by account, the questions that it may be asked in a second."""

    def __init__(self, engine: AsyncEngine, owed: OwedWork, rates: Mapping[str, int] = MappingProxyType({})) -> None:
        self._engine = engine
        self._owed = owed
        self._rates = rates

    async def figures(self) -> Figures:
        """Everything, read one after the other."""
        async with self._engine.connect() as connection:
            contests = (await connection.execute(_CONTESTS)).all()
            payments = (await connection.execute(_PAYMENTS)).all()
            texts = (await connection.execute(_TEXTS)).all()
            sent_texts = await _read_sent_texts(connection)
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
        circuits = (await connection.execute(_CIRCUITS)).all()
        due = {row.account: row.many for row in (await connection.execute(QUESTIONS)).all()}
        provisional = (await connection.execute(_PROVISIONAL)).all()
        return AccountFigures(
            circuit_open={row.account: row.circuit_open for row in circuits},
            backlog_seconds={account: due.get(account, 0) / rate for account, rate in self._rates.items()},
            provisional={row.account: row.many for row in provisional},
        )


async def _read_sent_texts(connection: AsyncConnection) -> TextFigures:
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


def exposed(figures: Figures) -> list[Figure]:
    """What Prometheus is shown."""
    shown: list[Figure] = []
    for contest in figures.contests:
        labels = {"contest": contest.slug}
        shown.append(Figure("spotlight_votes_counted", "Votes counted.", contest.votes, labels, "counter"))
        shown.append(
            Figure(
                "spotlight_money_counted_minor",
                "Money behind counted votes, in minor units.",
                contest.collected_minor,
                {**labels, "currency": contest.currency},
                "counter",
            )
        )
    for (provider, state), many in figures.payments.items():
        labels = {"provider": provider, "state": state}
        shown.append(Figure("spotlight_payments_unfinished", "Payments under way, by state.", many, labels))
    for slug, many in figures.being_counted.items():
        shown.append(
            Figure("spotlight_payments_being_counted", "Payments decided and not counted yet.", many, {"contest": slug})
        )
    for (provider, outcome), many in figures.callbacks.items():
        labels = {"provider": provider, "outcome": outcome}
        shown.append(Figure("spotlight_callbacks", "Operators' callbacks, by outcome.", many, labels, "counter"))
    shown += _accounts(figures.accounts)
    shown.append(Figure("spotlight_workers", "Workers that lately said that they work.", figures.workers))
    for work, age in figures.owed_seconds.items():
        shown.append(Figure("spotlight_owed_work_age_seconds", "Age of the oldest due work.", age, {"work": work}))
    for kind, many in figures.set_aside.items():
        name, what = "spotlight_set_aside", "What fails by itself and is kept out of the way, by kind."
        shown.append(Figure(name, what, many, {"kind": kind}))
    for status, many in figures.texts.items():
        shown.append(Figure("spotlight_texts_waiting", "Texts that wait to be sent.", many, {"status": status}))
    return [*shown, *_sent_texts(figures.sent_texts), *_storage(figures.storage)]


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


def _storage(storage: StorageFigures) -> list[Figure]:
    """How tables grow, and whether their upkeep is done."""
    by_table = (
        ("spotlight_table_bytes", "Size of a table with its indexes.", storage.bytes),
        ("spotlight_table_rows", "Rows of a table, as PostgreSQL estimates.", storage.rows),
        (
            "spotlight_partition_months_ahead",
            "Coming months with a partition; -1: today has none.",
            storage.months_ahead,
        ),
    )
    shown = [
        Figure(name, what, value, {"table": table}) for name, what, held in by_table for table, value in held.items()
    ]
    name, what = "spotlight_upkeep_age_seconds", "Since a task of upkeep came to its end."
    return [*shown, *(Figure(name, what, age, {"task": task}) for task, age in storage.upkeep_seconds.items())]


def _accounts(accounts: AccountFigures) -> list[Figure]:
    """Operators that fail, and questions that wait for their rate."""
    shown = [
        Figure("spotlight_account_closed", "Whether an account is set aside.", int(closed), {"account": account})
        for account, closed in accounts.circuit_open.items()
    ]
    for account, seconds in accounts.backlog_seconds.items():
        name, what = "spotlight_verification_backlog_seconds", "How long the due questions take at the allowed rate."
        shown.append(Figure(name, what, seconds, {"account": account}))
    for account, many in accounts.provisional.items():
        name, what = "spotlight_payments_provisional", "Payments counted on a callback, still to be asked about."
        shown.append(Figure(name, what, many, {"account": account}))
    return shown


def _sent_texts(texts: TextFigures) -> list[Figure]:
    """What became of texts of the last 24 hours. A refusal of our account needs a person to act."""
    shown = []
    for (carrier, outcome), many in texts.outcomes.items():
        labels = {"carrier": carrier, "outcome": outcome}
        shown.append(Figure("spotlight_texts_tried", "Texts of the last 24 hours, by outcome.", many, labels))
    for carrier, parts in texts.parts.items():
        shown.append(Figure("spotlight_text_parts", "Parts sent in the last 24 hours.", parts, {"carrier": carrier}))
    for (carrier, reason), many in texts.refusals.items():
        labels = {"carrier": carrier, "reason": reason}
        shown.append(
            Figure("spotlight_carrier_refuses_us", "Texts refused for our account's sake in 24 hours.", many, labels)
        )
    return shown
