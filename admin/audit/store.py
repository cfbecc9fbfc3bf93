"""The tally and the audit log of a contest, now or as of an earlier moment."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from pydantic import Field
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.answers import PageOnly, read_row
from gateway.contests.contest import Contest, TieBreak
from gateway.contests.directory import read_contest
from gateway.http.amount import Amount
from gateway.http.endpoint import ApiModel
from gateway.orders.store import payer_place
from gateway.storage.engine import scoped
from gateway.storage.vault import Vault, masked_number
from gateway.values.csv_text import csv_line
from gateway.values.scope import Scope
from leaderboard.ranking import Ranked, Score, ranking_from
from payments.requests import ActRefused, Why

PAGE_ROWS: Final = 100
_STREAMED_ROWS: Final = 2_000
_LATER: Final = 2**62
_UNTIL: Final = "coalesce(cast(:at as timestamptz), 'infinity')"
_TOTALS: Final = text("""
select k.code, sum(t.votes)::bigint as votes, sum(t.amount_minor)::bigint as amount_minor, max(t.reached_seq) as seq
from candidate_totals t join candidates k on k.id = t.candidate_id where t.contest_id = :contest group by 1
union all select null, 0, 0, next_seq - 1 from contest_heads where contest_id = :contest
""")
# The same, counted again: what the totals were is kept nowhere else.
_TOTALS_THEN: Final = text("""
select k.code, e.votes, e.amount_minor, e.seq
from (select candidate_id, sum(quantity)::bigint as votes, sum(amount_minor)::bigint as amount_minor, max(seq) as seq
    from tally_entries where contest_id = :contest and counted_at <= :at group by 1) e
  join candidates k on k.id = e.candidate_id
""")
# The limit comes before all that is looked up, one by one.
_ENTRIES: Final = text(f"""
select e.seq, e.counted_at, e.kind, k.code, k.name, e.quantity as votes, e.amount_minor, c.currency, e.receipt,
  e.adjusts, e.reason, o.vote_id, p.reference as payment, p.payer_cipher
from (select * from tally_entries where contest_id = :contest and seq < :before and counted_at <= {_UNTIL}
    order by seq desc limit :limit) e
  join contests c on c.id = e.contest_id join candidates k on k.id = e.candidate_id
  left join lateral (select vote_id from order_keys where receipt = e.receipt limit 1) o on true
  left join lateral (
    select reference, payer_cipher from payments where reference = e.payment_reference limit 1) p on true
order by e.seq desc
""")
_WHOLE: Final = text(f"""
select e.seq, e.counted_at, e.kind, k.code, e.quantity, e.amount_minor, c.currency, e.receipt, e.adjusts, e.reason
from tally_entries e join contests c on c.id = e.contest_id join candidates k on k.id = e.candidate_id
where e.contest_id = :contest and e.counted_at <= {_UNTIL} order by e.seq
""")
HEADER: Final = (
    "seq",
    "counted_at",
    "kind",
    "candidate",
    "votes",
    "amount_minor",
    "currency",
    "receipt_sha256",
    "takes_back",
    "reason",
)
_LOG: Final = text(f"""
select id, at, actor, act, subject, detail from audit_log
where contest_id = :contest and id < :before and at <= {_UNTIL} order by id desc limit :limit
""")


class TallyPlace(ApiModel):
    """A candidate's place by all that was counted, of every round together, whoever was evicted among them; equal votes
    share a place."""

    rank: int
    code: str
    name: str
    votes: int
    amount: Amount


class TallyEntry(ApiModel):
    """An entry of the tally. One that takes votes back has them below zero, and names the entry that it takes back."""

    seq: int
    counted_at: datetime
    kind: str = Field(description="vote or adjustment.")
    code: str
    name: str
    votes: int
    amount: Amount
    receipt: str | None
    payer: str = Field(description="Who paid, masked; empty for a card.")
    adjusts: int | None
    reason: str | None
    vote_id: UUID | None


class Tally(ApiModel):
    """What was counted: by candidate, and the entries, the latest first."""

    contest: str
    entries_counted: int
    votes: int
    amount: Amount
    ranking: list[TallyPlace]
    entries: list[TallyEntry]
    cursor: int | None = Field(description="Ask with it for the entries before these; null where there are none.")


# Kept as ISO 8601 has them; what is not there as a dash.
_INSTANTS: Final = frozenset({"hidden_from", "announcement_at"})
_NOTHING: Final = "–"


class LogChange(ApiModel):
    """What of a contest or a candidate was changed."""

    what: str
    before: str | None = None
    after: str

    @property
    def instants(self) -> list[datetime | None] | None:
        """Before and after of what is an instant, None for none; None of anything else."""
        if self.what not in _INSTANTS:
            return None
        sides = (self.before or _NOTHING, self.after)
        return [None if side == _NOTHING else datetime.fromisoformat(side) for side in sides]


class LogLine(ApiModel):
    """Who did what."""

    at: datetime
    actor: str
    act: str
    subject: str
    reason: str
    changes: list[LogChange]
    detail: dict[str, Any]
    id: PageOnly[int]


class Log(ApiModel):
    """Lines of the audit log, the latest first."""

    lines: list[LogLine]
    cursor: int | None = Field(description="Ask with it for the lines before these; null where there are none.")


@dataclass(frozen=True, slots=True)
class Slice:
    """Which part of a list. `at`: as of when, None: now; `before`: only what has a smaller number."""

    at: datetime | None = None
    before: int | None = None

    def asked(self, contest: UUID) -> dict[str, object]:
        """As statements take it; one row more than a page shows."""
        return {"contest": contest, "at": self.at, "before": self.before or _LATER, "limit": PAGE_ROWS + 1}


class Audits:
    """What was counted in a contest and done to it. A contest that is not there raises ActRefused."""

    def __init__(self, engine: AsyncEngine, vault: Vault) -> None:
        self._engine = engine
        self._vault = vault

    async def tally(self, slug: str, scope: Scope, part: Slice) -> tuple[Contest, Tally]:
        """What was counted."""
        async with scoped(self._engine, scope) as connection:
            contest = _known(await read_contest(connection, slug, scope), slug)
            asked = {"contest": contest.id} | ({} if part.at is None else {"at": part.at})
            totals = (await connection.execute(_TOTALS if part.at is None else _TOTALS_THEN, asked)).all()
            last = max((row.seq for row in totals), default=0)
            # Or all that was counted since then would be read first.
            upto = {"before": min(part.before or _LATER, last + 1)}
            rows = (await connection.execute(_ENTRIES, part.asked(contest.id) | upto)).all()
        votes = {row.code: row.votes for row in totals if row.code is not None}
        money = {row.code: row.amount_minor for row in totals if row.code is not None}
        currency = contest.price.currency
        return contest, Tally(
            contest=contest.slug,
            entries_counted=last,
            votes=sum(votes.values()),
            amount=Amount(amount_minor=sum(money.values()), currency=currency),
            ranking=[
                TallyPlace(
                    rank=one.rank,
                    code=one.code,
                    name=one.name,
                    votes=one.votes,
                    amount=Amount(amount_minor=money.get(one.code, 0), currency=currency),
                )
                for one in _ranked(contest, votes, {row.code: row.seq for row in totals if row.votes})
            ],
            entries=[
                read_row(TallyEntry, row, payer=masked_number(self._vault, row.payer_cipher, payer_place(row.payment)))
                for row in rows[:PAGE_ROWS]
            ],
            cursor=rows[PAGE_ROWS - 1].seq if len(rows) > PAGE_ROWS else None,
        )

    async def tally_csv(self, slug: str, scope: Scope, at: datetime | None) -> AsyncIterator[str]:
        """Header first, then every entry in the order of counting, some thousands in memory at a time. Who has a
        receipt finds its line by the hash of it."""
        async with scoped(self._engine, scope) as connection:
            contest = _known(await read_contest(connection, slug, scope), slug)
            yield csv_line(HEADER)
            sized = await connection.execution_options(yield_per=_STREAMED_ROWS)
            async with sized.stream(_WHOLE, {"contest": contest.id, "at": at}) as rows:
                async for row in rows:
                    yield csv_line({**row._mapping, "receipt": _hashed(row.receipt)}.values())

    async def log(self, slug: str, scope: Scope, part: Slice) -> tuple[Contest, Log]:
        """Who did what to a contest, its candidates, its orders and its money."""
        async with scoped(self._engine, scope) as connection:
            contest = _known(await read_contest(connection, slug, scope), slug)
            rows = (await connection.execute(_LOG, part.asked(contest.id))).all()
        lines = [
            read_row(LogLine, row, reason=row.detail.get("reason") or "", changes=row.detail.get("changes") or [])
            for row in rows[:PAGE_ROWS]
        ]
        return contest, Log(lines=lines, cursor=lines[-1].id if len(rows) > PAGE_ROWS else None)


def _ranked(contest: Contest, votes: Mapping[str, int], reached: Mapping[str, int]) -> tuple[Ranked, ...]:
    """Whoever may have votes or has some. `votes`, and the entries that reached them: by code."""
    first = reached if contest.tie_break is TieBreak.EARLIEST else {}
    listed = [one for one in contest.candidates if one.eligible or votes.get(one.code)]
    scores = [Score(one.code, one.name, votes.get(one.code, 0), first.get(one.code, 0)) for one in listed]
    return ranking_from(contest.slug, 0, scores).entries


def _known(contest: Contest | None, slug: str) -> Contest:
    if contest is None:
        raise ActRefused(Why.UNKNOWN, f"there is no contest {slug!r}")
    return contest


def _hashed(receipt: str | None) -> str | None:
    return None if receipt is None else sha256(receipt.encode()).hexdigest()
