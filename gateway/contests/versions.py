"""The versions of a contest's rules as they are kept, and what is new in each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from aiohttp import web
from sqlalchemy import Row, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.storage.schema.contests import contest_rules
from gateway.values.money import Money

# In the order in which they are shown. `currency` is part of the price.
_IN_ORDER: Final = (
    *("price_minor", "packs", "quantity_max", "confirm_above", "opens_at", "closes_at", "rounds", "late_seconds"),
    *("formula", "tie_break", "refund_days"),
)
# And all together, as of a version 0. What is not of a later version is of the first: contests that never changed their
# rules have nothing to look for.
_COUNTED: Final = text("""
select v.rules_version as version, sum(v.quantity) as votes from votes v
where v.contest_id = :contest and v.rules_version > 1 and exists (
  select 1 from payments p where p.vote_id = v.id and p.placed_at = v.placed_at and p.status = 'settled')
group by 1
union all select 0, coalesce(sum(votes), 0) from candidate_totals where contest_id = :contest
""")


@dataclass(frozen=True, slots=True)
class RuleLine:
    """A rule of a version. `value`, `before`: as an amount, an instant, a number, a word or a list; None: there is no
    such rule. `before` is told of what changed alone."""

    name: str
    value: object
    before: object = None


@dataclass(frozen=True, slots=True)
class RulesVersion:
    """A version. `lines`: all rules of the first one, of others what changed; `votes`: counted ones that were placed
    under it, where they were asked for."""

    version: int
    document: Mapping[str, Any]
    sha256: bytes
    valid_from: datetime
    made_by: str
    lines: tuple[RuleLine, ...]
    votes: int = 0


def lines_of(document: Mapping[str, Any], before: Mapping[str, Any] | None) -> tuple[RuleLine, ...]:
    """The rules of a document that others than those `before` it has; None: all of them."""
    if before is None:
        return tuple(RuleLine(name, _value(document, name)) for name in _IN_ORDER if name in document)
    return tuple(
        RuleLine(name, _value(document, name), _value(before, name))
        for name in _IN_ORDER
        if _value(document, name) != _value(before, name)
    )


def _value(document: Mapping[str, Any], name: str) -> object:
    value = document.get(name)
    match name:
        case "price_minor":
            return Money(document["price_minor"], document["currency"])
        case "opens_at" | "closes_at":
            return datetime.fromisoformat(document[name])
        case "late_seconds":
            return document[name] // 60
        case "formula":
            return None if value is None else (value["votes_percent"], value["jury_percent"])
        case "rounds":
            return [
                (datetime.fromisoformat(one["opens_at"]), datetime.fromisoformat(one["closes_at"]), one["fresh"])
                for one in value or ()
            ]
    return value


def _versions(rows: Sequence[Row[Any]], votes: Mapping[int, int]) -> list[RulesVersion]:
    befores = [None, *(row.document for row in rows)]
    found = [
        RulesVersion(
            row.version,
            row.document,
            row.sha256,
            row.valid_from,
            row.made_by,
            lines_of(row.document, before),
            votes.get(row.version, 0),
        )
        for row, before in zip(rows, befores, strict=False)
    ]
    return found[::-1]


_OF: Final = select(contest_rules).order_by(contest_rules.c.version)


async def counted_versions(connection: AsyncConnection, contest: UUID) -> list[RulesVersion]:
    """Every version, the newest first, with the votes that count under it."""
    rows = (await connection.execute(_OF.where(contest_rules.c.contest_id == contest))).all()
    votes = {row.version: int(row.votes) for row in await connection.execute(_COUNTED, {"contest": contest})}
    every = votes.pop(0)
    return _versions(rows, {1: every - sum(votes.values()), **votes})


# Of all payments few are held: their own index has them.
_HELD: Final = text("""
select coalesce(sum(v.quantity), 0) from payments p join votes v on v.id = p.vote_id and v.placed_at = p.placed_at
where p.status = 'held' and p.contest_id = :contest
""")


class RulesVersions:
    """What voters read of the rules of contests."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def of(self, contest: UUID) -> list[RulesVersion]:
        """Every version, the newest first."""
        async with self._engine.connect() as connection:
            rows = (await connection.execute(_OF.where(contest_rules.c.contest_id == contest))).all()
        return _versions(rows, {})

    async def held_votes(self, contest: UUID) -> int:
        """How many paid votes are not counted before a person decides about them."""
        async with self._engine.connect() as connection:
            return int((await connection.execute(_HELD, {"contest": contest})).scalar_one())


RULES_VERSIONS: web.AppKey[RulesVersions] = web.AppKey("rules_versions", RulesVersions)
