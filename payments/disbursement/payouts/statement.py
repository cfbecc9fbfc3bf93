"""The statement of a payout, read from the book and the tally: as CSV for a spreadsheet and as text."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.storage.engine import scoped
from gateway.values.csv_text import csv_line
from gateway.values.money import Money
from gateway.values.scope import Scope
from payments.disbursement.payouts.acts import LISTED, Payout, payout_of
from payments.ledger.book import UnknownName

_PAYOUT: Final = text(f"""{LISTED} where o.reference = :reference
  and (cast(:scope as uuid) is null or o.organiser_id = cast(:scope as uuid))""")
_SINCE: Final = text("""
select max(created_at) from payouts where contest_id = :contest and currency = :currency and created_at < :until
""")
# Postings of one contest are written one transaction after the other, also those of a payout.
_SUMS: Final = text("""
with p as (
  select account, amount_minor, memo like 'payout %' as out,
    at > coalesce(cast(:since as timestamptz), '-infinity') as inside
  from postings where contest_id = :contest and currency = :currency and at <= :until)
select
  coalesce(-sum(amount_minor) filter (where account = 'sales' and amount_minor < 0 and inside), 0) as gross_minor,
  coalesce(sum(amount_minor) filter (where account = 'sales' and amount_minor > 0 and inside), 0) as refunded_minor,
  coalesce(-sum(amount_minor) filter (where account = 'platform_fee' and inside), 0) as fees_minor,
  coalesce(-sum(amount_minor) filter (where account = 'organiser_payable' and not inside), 0) as brought_forward_minor,
  coalesce(-sum(amount_minor) filter (where account = 'organiser_payable' and inside and out and amount_minor < 0), 0)
    as returned_minor,
  coalesce(-sum(amount_minor) filter (where account = 'organiser_payable'), 0) as left_minor
from p
""")
_TALLY: Final = text("""
select cast(counted_at at time zone 'UTC' as date) as day, min(seq) as first, max(seq) as last,
  sum(quantity) as votes, sum(amount_minor) as amount
from tally_entries where contest_id = :contest and counted_at > coalesce(cast(:since as timestamptz), '-infinity')
  and counted_at <= :until group by 1 order by 1
""")


@dataclass(frozen=True, slots=True)
class TallyRange:
    """Entries of the public tally of one day, `first` to `last`."""

    day: date
    first: int
    last: int
    votes: int
    amount_minor: int


@dataclass(frozen=True, slots=True)
class PayoutStatement:
    """What a payout was made of. All in minor units of its currency.

    The period is everything after the contest's payout before, up to this one. `gross`: votes counted.
    `refunded`: votes taken back. `fees`: our share of both. `net` is what the period brought the
    organiser; `brought_forward` what was owed when it began, `returned` payouts of before that did not
    arrive, `left` what stays owed.
    """

    payout: Payout
    period_from: datetime | None
    period_to: datetime
    gross_minor: int
    refunded_minor: int
    fees_minor: int
    brought_forward_minor: int
    returned_minor: int
    left_minor: int
    tally: Sequence[TallyRange] = field(default_factory=tuple)

    @property
    def net_minor(self) -> int:
        """What the period brought the organiser."""
        return self.gross_minor - self.refunded_minor - self.fees_minor


async def payout_statement(engine: AsyncEngine, reference: UUID, scope: Scope) -> PayoutStatement:
    """The statement of a payout. Raises UnknownName."""
    async with scoped(engine, scope) as connection:
        row = (await connection.execute(_PAYOUT, {"reference": reference, "scope": scope})).one_or_none()
        if row is None:
            raise UnknownName(f"there is no payout {reference}")
        asked = {"contest": row.contest_id, "currency": row.currency, "until": row.created_at}
        since = (await connection.execute(_SINCE, asked)).scalar_one()
        asked["since"] = since
        sums = (await connection.execute(_SUMS, asked)).one()
        tally = (await connection.execute(_TALLY, asked)).all()
    return PayoutStatement(
        payout=payout_of(row),
        period_from=since,
        period_to=row.created_at,
        **{name: int(minor) for name, minor in sums._mapping.items()},
        tally=[TallyRange(t.day, t.first, t.last, int(t.votes), int(t.amount)) for t in tally],
    )


def statement_csv(statement: PayoutStatement) -> str:
    """What the payout was made of, then a line for each day of the tally. Amounts are minor units."""
    payout = statement.payout
    head = ("payout", "contest", "organiser", "what", "from", "to", "tally_first", "tally_last", "votes", "currency")
    lines = [csv_line((*head, "amount_minor"))]
    common = (str(payout.reference), payout.contest, payout.organiser)
    period = (statement.period_from, statement.period_to)
    for what, minor in _parts(statement):
        lines.append(csv_line((*common, what, *period, None, None, None, payout.amount.currency, minor)))
    for day in statement.tally:
        cells = (day.day.isoformat(), day.day.isoformat(), day.first, day.last, day.votes)
        lines.append(csv_line((*common, "tally of the day", *cells, payout.amount.currency, day.amount_minor)))
    return "".join(lines)


def _parts(statement: PayoutStatement) -> list[tuple[str, int]]:
    return [
        ("brought forward", statement.brought_forward_minor),
        ("gross", statement.gross_minor),
        ("taken back", -statement.refunded_minor),
        ("fees", -statement.fees_minor),
        ("net", statement.net_minor),
        ("payouts returned", statement.returned_minor),
        ("paid out", -statement.payout.amount.amount_minor),
        ("still owed", statement.left_minor),
    ]


def statement_text(statement: PayoutStatement) -> str:
    """The same for people."""
    payout, currency = statement.payout, statement.payout.amount.currency
    since = f"{statement.period_from:%Y-%m-%d %H:%M}" if statement.period_from else "the first vote"
    lines = [
        f"Payout {payout.reference}",
        f"Contest {payout.contest}, organiser {payout.organiser}",
        f"To {payout.beneficiary} by {payout.provider}: {payout.status}",
        f"Period: from {since} to {statement.period_to:%Y-%m-%d %H:%M} UTC",
        "",
        *(f"{what:<18}{Money(minor, currency).spoken():>20}" for what, minor in _parts(statement)),
        "",
        "Public tally entries that it pays for:",
        *(
            f"  {day.day.isoformat()}  {day.first} to {day.last}: {day.votes} votes, "
            f"{Money(day.amount_minor, currency).spoken()}"
            for day in statement.tally
        ),
    ]
    if payout.provider_reference:
        lines.insert(3, f"The operator's reference: {payout.provider_reference}")
    return "\n".join(lines)
