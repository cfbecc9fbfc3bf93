"""What the fraud rules found in a contest, their limits, and who is listed. Numbers leave masked."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any, Final, Literal
from uuid import UUID, uuid4

import orjson
from aiohttp import web
from pydantic import Field, ValidationError
from sqlalchemy import Row, insert, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from admin.answers import read_row
from admin.orders.store import FINDINGS, FoundByRule
from gateway.contests.contest import ContestState
from gateway.contests.directory import read_contest
from gateway.http.amount import Amount
from gateway.http.endpoint import ApiModel, InputModel
from gateway.orders.fraud import LIMITS, Finding, FraudLimits, Window, holds, is_burst, read_limits
from gateway.orders.fraud_places import shown_address
from gateway.orders.prompting import OrdererKind
from gateway.orders.store import PAID, payer_place
from gateway.storage.audit_log import note
from gateway.storage.engine import scoped
from gateway.storage.schema.contests import fraud_limits
from gateway.storage.vault import Vault, masked_number
from gateway.values.msisdn import Msisdn, mask, read_msisdn
from gateway.values.network import subject_of
from payments.request_store import carry_out_once
from payments.requests import ActRefused, Executed, NewRequest, Scope, StaffRequest, Why, named, reasoned
from payments.settlement.findings import judged, read_around

WINDOW: Final = timedelta(hours=1)
# So many votes of a past hour are judged again, and so many are listed.
REPLAYED_MAX: Final = 2_000
_LISTED_MAX: Final = 200
ENTRY_DAYS_MAX: Final = 365
_LISTS: Final = frozenset({"deny", "allow", "own"})
_YEARS: Final = range(2000, 2200)

# The columns of a `Suspect`, of payment `p` with its vote.
SUSPECT: Final = f"""
  p.reference, p.vote_id, p.placed_at, p.provider, coalesce(p.received_minor, p.amount_minor) as amount_minor,
  coalesce(p.received_currency, p.currency) as currency, p.payer_cipher, p.decide_by, p.status,
  k.code as candidate_code, k.name as candidate_name, v.quantity as votes, v.channel, {FINDINGS}"""
WITH_VOTE: Final = """join votes v on v.id = p.vote_id and v.placed_at = p.placed_at
  join candidates k on k.id = v.candidate_id"""
_HELD: Final = text(f"""
select {SUSPECT} from payments p {WITH_VOTE}
where p.status = 'held' and p.contest_id = :contest order by p.confirmed_at limit {_LISTED_MAX}
""")
_FLAGGED: Final = text(f"""
select {SUSPECT} from (
  select reference, max(found_at) as found_at from fraud_findings where contest_id = :contest and verdict = 'flag'
  group by 1 order by 2 desc limit {_LISTED_MAX}) f join payments p on p.reference = f.reference {WITH_VOTE}
where p.status <> 'held' order by f.found_at desc
""")
# Of each candidate and hour of a day the two minutes with most orders, beside the hour before them.
_LATELY: Final = (
    "sum(orders) over (partition by key order by at range between interval '1 minute' preceding and current row)"
)
_BEFORE: Final = """sum(orders) over (partition by key order by at
  range between interval '61 minutes' preceding and interval '2 minutes' preceding)"""
_RISES: Final = text(f"""
with windows as (
  select facet, key, at, cast({_LATELY} as bigint) as orders, cast(coalesce({_BEFORE}, 0) as bigint) as before
  from rollup_minutes
  where contest_id = :contest and facet in ('candidate', 'all') and at > now() - interval '25 hours' and orders > 0),
peaks as (
  select distinct on (key, date_trunc('hour', at)) * from windows
  where facet = 'candidate' and orders >= :least and at > now() - interval '24 hours'
  order by key, date_trunc('hour', at), orders desc, at)
select p.at, p.key as candidate_code, k.name as candidate_name, p.orders, w.orders as of_contest, p.before,
  w.before as of_contest_before
from peaks p join windows w on w.facet = 'all' and w.at = p.at
  join candidates k on k.contest_id = :contest and k.code = p.key
order by p.at desc limit {_LISTED_MAX}
""")
# `counts`: votes are sold or still counted, so that whoever changes a limit changes what counts.
_LIMITS: Final = text("""
select fraud_limits, state = 'published' and opens_at <= now()
  and now() < closes_at + make_interval(secs => late_seconds) as counts
from contests where id = :contest
""")
_LOCK: Final = text("select id from contests where slug = :slug for no key update")
_SET_LIMITS: Final = text("update contests set fraud_limits = cast(:document as jsonb) where id = :contest")
_VERSIONS: Final = text("select * from fraud_limits where contest_id = :contest order by version desc limit 50")
# In the order of an index; the limit on what belongs to a vote keeps it from being joined before.
_PAID_THEN: Final = text(f"""
select q.reference from votes w cross join lateral (
    select p.reference from payments p where p.vote_id = w.id and p.placed_at = w.placed_at and p.status in {PAID}
    limit 100) q
where w.contest_id = :contest and w.placed_at >= :since and w.placed_at < :until
order by w.placed_at, w.id limit :limit
""")
_ENTRIES: Final = text(f"""
select id, list, kind, origin, shown, reason, made_by, made_at, until, lifted_at, lifted_by,
  lifted_at is null and until > now() as valid
from fraud_entries where contest_id = :contest order by until desc limit {_LISTED_MAX}
""")
_ADD: Final = text("""
insert into fraud_entries (id, contest_id, list, kind, origin, shown, reason, made_by, subject, until)
values (:id, :contest, :list, :kind, 'person', :shown, :reason, :person, :subject, now() + make_interval(days => :days))
""")
_LIFT: Final = text("""
update fraud_entries set lifted_at = now(), lifted_by = :person
where id = :id and contest_id = :contest and lifted_at is null returning shown, kind
""")


class Suspect(ApiModel):
    """An order with what the rules found about it."""

    reference: UUID
    vote_id: UUID
    placed_at: datetime
    candidate_code: str
    candidate_name: str
    votes: int
    channel: str
    provider: str
    amount: Amount
    payer: str = Field(description="Masked.")
    status: str
    decide_by: datetime | None
    findings: list[FoundByRule]


class Rise(ApiModel):
    """A candidate's burst: a sudden rise above its own share of the orders of the hour before."""

    at: datetime = Field(description="The second of its two minutes.")
    candidate_code: str
    candidate_name: str
    orders: int = Field(description="Of the candidate in these minutes.")
    share: float = Field(description="Its share of the contest's orders then, in per cent.")
    usual: float = Field(description="Its share in the hour before, in per cent.")


class Review(ApiModel):
    """Votes of a contest about which rules spoke."""

    held: list[Suspect] = Field(description="Not counted until a person decides, the oldest first.")
    flagged: list[Suspect] = Field(description="Only shown, the newest first.")
    rises: list[Rise] = Field(description="Of the last day, the newest first; one an hour for each candidate.")


class Limits(InputModel):
    """Up to where nothing is suspicious; 0: the rule is off."""

    web_votes: int = Field(10, ge=0, le=150, description="Of one address, or device behind a shared one, in a minute.")
    gap_seconds: int = Field(5, ge=0, le=60, description="At least between two votes of a number or device.")
    candidates: int = Field(3, ge=0, le=100, description="So many from one address or device in a minute are too many.")
    wallet_orders: int = Field(200, ge=0, le=400, description="Orders of one number in an hour.")
    block_payers: int = Field(10, ge=0, le=100, description="Payers out of a hundred consecutive numbers are too many.")
    payer_others: int = Field(
        20, ge=0, le=400, description="People for whom one number, card or name pays in an hour; then shown."
    )
    payer_others_hold: int = Field(100, ge=0, le=400, description="The same; then held.")
    burst_orders: int = Field(
        40, ge=0, le=10_000, description="Orders of a candidate in two minutes; fewer are no burst."
    )
    burst_deviations: int = Field(
        6, ge=0, le=50, description="Standard deviations above its share of the hour before; fewer are no burst."
    )
    burst_each: int = Field(
        4, ge=0, le=100, description="So many in a burst within a minute from one device or block are too many."
    )
    large_votes: int = Field(200, ge=0, le=1_000_000, description="Votes of a number never seen; then shown.")
    decide_hours: int = Field(24, ge=1, le=168, description="How long a person has to decide about what is held.")


class LimitsVersion(ApiModel):
    """The limits of a contest as they were set."""

    version: int
    document: dict[str, int]
    reason: str
    made_by: str
    made_at: datetime


class LimitsView(ApiModel):
    """The limits now, and every change of them, the newest first."""

    limits: Limits
    version: int = Field(description="0: those of every contest.")
    by_two: bool = Field(description="A second person agrees to each change, as votes of the contest count.")
    versions: list[LimitsVersion]


class Replayed(ApiModel):
    """A past hour under other limits."""

    orders: int = Field(description="Paid orders that were judged again.")
    partial: bool = Field(description="Whether the hour has more paid orders, of which only the first were judged.")
    votes: int
    held: int
    held_votes: int
    flagged: int
    rules: dict[str, int] = Field(description="In how many orders each rule spoke.")


class Entry(ApiModel):
    """A number, device or address that a contest takes no votes from, or always does, or that is its own people's."""

    id: UUID
    list: Literal["deny", "allow", "own"]
    kind: str
    origin: str = Field(description="`person`, or `rule`.")
    shown: str
    reason: str
    made_by: str
    made_at: datetime
    until: datetime
    lifted_at: datetime | None
    lifted_by: str | None
    valid: bool


class Fraud:
    """Reads and acts for staff. `defaults`: the limits of contests that have none of their own. All raise ActRefused
    for a contest that is not within the scope."""

    def __init__(self, engine: AsyncEngine, vault: Vault, defaults: FraudLimits) -> None:
        self._engine = engine
        self._vault = vault
        self._defaults = defaults

    async def review(self, slug: str, scope: Scope) -> Review:
        """What is held and what is flagged."""
        async with scoped(self._engine, scope) as connection:
            asked = {"contest": await _contest(connection, slug, scope)}
            held = (await connection.execute(_HELD, asked)).all()
            flagged = (await connection.execute(_FLAGGED, asked)).all()
            limits, _ = await self._limits(connection, asked["contest"])
            risen = (await connection.execute(_RISES, {**asked, "least": max(1, limits.burst_orders)})).all()
        return Review(
            held=[suspect_of(self._vault, row) for row in held],
            flagged=[suspect_of(self._vault, row) for row in flagged],
            rises=[_rise(row) for row in risen if is_burst(_window(row), limits)],
        )

    async def limits(self, slug: str, scope: Scope) -> LimitsView:
        """The limits and their versions."""
        async with scoped(self._engine, scope) as connection:
            contest = await _contest(connection, slug, scope)
            found, counts = await self._limits(connection, contest)
            versions = (await connection.execute(_VERSIONS, {"contest": contest})).all()
        own = {name: value for name, value in found.document().items() if name != "version"}
        return LimitsView(
            limits=Limits.model_validate({**own, "decide_hours": max(1, found.decide_hours)}),
            version=found.version,
            by_two=counts,
            versions=[read_row(LimitsVersion, row) for row in versions],
        )

    async def set_limits(self, slug: str, limits: Limits, scope: Scope, person: str, reason: str) -> None:
        """Give a contest limits of its own, as a new version; one whose votes count has them changed by two persons
        (`Act.FRAUD_LIMITS`)."""
        why = reasoned(reason)
        async with scoped(self._engine, scope) as connection:
            contest = await _contest(connection, slug, scope, public=True)
            await connection.execute(_LOCK, {"slug": slug})
            before, counts = await self._limits(connection, contest)
            if counts:
                raise ActRefused(Why.IMPOSSIBLE, "votes of this contest count: two persons change its limits")
            await _write(connection, contest, slug, _changed(before, limits), before, named(person), why)

    async def preview(self, connection: AsyncConnection, request: NewRequest) -> Mapping[str, Any]:
        """Which limits a request would change, and what they are. Raises ActRefused."""
        contest = await _contest(connection, request.subject, None, public=True)
        before, _ = await self._limits(connection, contest)
        after = _changed(before, _read_limits(request.params))
        pairs = ((name, getattr(before, name), getattr(after, name)) for name in Limits.model_fields)
        changed = [{"limit": name, "before": was, "after": will} for name, was, will in pairs if was != will]
        return {"contest": request.subject, "limits_version": before.version, "limits": changed}

    async def carry_out(self, request: StaffRequest) -> Executed:
        """Set the limits that two persons agreed to, once. Raises ActRefused where others were set since."""
        return Executed(await carry_out_once(self._engine, request, self._set))

    async def _set(self, connection: AsyncConnection, request: StaffRequest) -> str:
        slug = request.subject
        contest = await _contest(connection, slug, None, public=True)
        await connection.execute(_LOCK, {"slug": slug})
        before, _ = await self._limits(connection, contest)
        if before.version != request.preview["limits_version"]:
            raise ActRefused(Why.IMPOSSIBLE, "the limits were changed since this was asked for: ask again")
        after = _changed(before, _read_limits(request.params))
        people = {"approved_by": request.decided_by}
        await _write(connection, contest, slug, after, before, request.requested_by, request.reason, **people)
        return f"version {after.version} of the limits holds from now on"

    async def what_if(self, slug: str, since: datetime, scope: Scope, *several: Limits) -> list[Replayed]:
        """What the rules would have found in the hour that began then, under each of several limits."""
        if since.year not in _YEARS:
            raise ActRefused(Why.IMPOSSIBLE, "no vote was sold in that year")
        tried = [FraudLimits(**{name: getattr(limits, name) for name in LIMITS}) for limits in several]
        large = min((one.large_votes for one in tried if one.large_votes), default=0)
        async with scoped(self._engine, scope) as connection:
            contest = await _contest(connection, slug, scope)
            asked = {"contest": contest, "since": since, "until": since + WINDOW, "limit": REPLAYED_MAX + 1}
            paid = list((await connection.execute(_PAID_THEN, asked)).scalars())
            rows = await read_around(connection, contest, paid[:REPLAYED_MAX], large)
            found = [await judged(connection, contest, rows, limits) for limits in tried]
        return [_replayed(one, partial=len(paid) > REPLAYED_MAX) for one in found]

    async def entries(self, slug: str, scope: Scope) -> list[Entry]:
        """Who is listed, those for longest first."""
        async with scoped(self._engine, scope) as connection:
            asked = {"contest": await _contest(connection, slug, scope)}
            return [read_row(Entry, row) for row in await connection.execute(_ENTRIES, asked)]

    async def add(self, slug: str, to: str, subject: str, days: int, scope: Scope, person: str, reason: str) -> UUID:
        """List a number or an address for so many days; the entry."""
        why, added = reasoned(reason), uuid4()
        if not 1 <= days <= ENTRY_DAYS_MAX:
            raise ActRefused(Why.IMPOSSIBLE, f"an entry lasts from 1 to {ENTRY_DAYS_MAX} days")
        async with scoped(self._engine, scope) as connection:
            contest = await read_contest(connection, slug, scope)
            if contest is None or not contest.public:
                raise ActRefused(Why.UNKNOWN, f"there is no contest {slug!r} that was published")
            kind, key, shown = self._read(subject.strip(), contest.country)
            if to not in _LISTS or (to == "own" and kind != "number"):
                raise ActRefused(Why.IMPOSSIBLE, f"{shown} cannot be on this list")
            values = {"kind": kind, "subject": key, "shown": shown, "list": to, "days": days, "reason": why}
            await connection.execute(_ADD, {**values, "id": added, "contest": contest.id, "person": named(person)})
            detail = {"entry": str(added), "list": to, "kind": kind, "shown": shown, "days": days, "reason": why}
            await note(connection, actor=person, act="fraud.listed", subject=slug, detail=detail, contest=contest.id)
        return added

    async def lift(self, slug: str, entry: UUID, scope: Scope, person: str) -> None:
        """End an entry before its time."""
        async with scoped(self._engine, scope) as connection:
            contest = await _contest(connection, slug, scope)
            asked = {"id": entry, "contest": contest, "person": named(person)}
            row = (await connection.execute(_LIFT, asked)).one_or_none()
            if row is None:
                raise ActRefused(Why.UNKNOWN, f"there is no entry {entry}, or it was lifted")
            detail = {"entry": str(entry), "kind": row.kind, "shown": row.shown}
            await note(connection, actor=person, act="fraud.lifted", subject=slug, detail=detail, contest=contest)

    def _read(self, subject: str, country: str) -> tuple[str, bytes, str]:
        """Kind, key and what is shown of a number or an address that a person typed. Raises ActRefused."""
        address = _address(subject)
        if address is not None:
            key = self._vault.index(f"{OrdererKind.ADDRESS} {address}")
            return OrdererKind.ADDRESS.value, key, shown_address(address)
        number = read_msisdn(subject, country)
        if not isinstance(number, Msisdn):
            raise ActRefused(Why.IMPOSSIBLE, f"{subject!r} is no number of this country and no internet address")
        return "number", self._vault.index(number.e164), mask(number.e164)

    async def _limits(self, connection: AsyncConnection, contest: UUID) -> tuple[FraudLimits, bool]:
        """The limits now, and whether votes count by them."""
        row = (await connection.execute(_LIMITS, {"contest": contest})).one()
        return read_limits(row.fraud_limits, self._defaults), row.counts


def _replayed(found: Sequence[tuple[Row[Any], tuple[Finding, ...]]], *, partial: bool) -> Replayed:
    held = [row for row, findings in found if holds(findings)]
    rules = Counter(finding.rule.value for _, findings in found for finding in findings)
    return Replayed(
        orders=len(found),
        partial=partial,
        votes=sum(row.votes for row, _ in found),
        held=len(held),
        held_votes=sum(row.votes for row in held),
        flagged=sum(bool(findings) and not holds(findings) for _, findings in found),
        rules=dict(rules.most_common()),
    )


def _window(row: Row[Any]) -> Window:
    return Window(row.orders, row.of_contest, row.before, row.of_contest_before)


def _rise(row: Row[Any]) -> Rise:
    share, usual = row.orders / row.of_contest, row.before / row.of_contest_before
    return read_row(Rise, row, share=round(100 * share, 1), usual=round(100 * usual, 1))


def suspect_of(vault: Vault, row: Row[Any]) -> Suspect:
    """A row of `SUSPECT`."""
    return read_row(Suspect, row, payer=masked_number(vault, row.payer_cipher, payer_place(row.reference)) or "")


FRAUD: web.AppKey[Fraud] = web.AppKey("fraud", Fraud)


def _read_limits(params: Mapping[str, Any]) -> Limits:
    """All limits, as a request names them. Raises ActRefused."""
    try:
        return Limits.model_validate({name: params[name] for name in LIMITS})
    except (KeyError, ValidationError):
        raise ActRefused(Why.IMPOSSIBLE, "each limit is a whole number within its bounds") from None


def _changed(before: FraudLimits, limits: Limits) -> FraudLimits:
    """The next version. Raises ActRefused where nothing would change."""
    after = FraudLimits(**limits.model_dump(), version=before.version + 1)
    if replace(after, version=before.version) == before:
        raise ActRefused(Why.IMPOSSIBLE, "these are the limits already")
    return after


async def _write(
    connection: AsyncConnection,
    contest: UUID,
    slug: str,
    after: FraudLimits,
    before: FraudLimits,
    person: str,
    reason: str,
    **people: str | None,
) -> None:
    document = after.document()
    row = {"contest_id": contest, "version": after.version, "document": document, "reason": reason}
    await connection.execute(insert(fraud_limits).values(**row, made_by=person))
    await connection.execute(_SET_LIMITS, {"contest": contest, "document": orjson.dumps(document).decode()})
    changed = {name: value for name, value in document.items() if value != before.document()[name]}
    detail = {"version": after.version, "changed": changed, "reason": reason, **people}
    await note(connection, actor=person, act="fraud.limits", subject=slug, detail=detail, contest=contest)


def _address(typed: str) -> str | None:
    """What an internet address counts for; None for what is none."""
    try:
        return subject_of(str(ip_address(typed)))
    except ValueError:
        return None


async def _contest(connection: AsyncConnection, slug: str, scope: Scope, *, public: bool = False) -> UUID:
    """Its id. `public`: it must have been published. Raises ActRefused."""
    found = await read_contest(connection, slug, scope)
    if found is None:
        raise ActRefused(Why.UNKNOWN, f"there is no contest {slug!r}")
    if public and found.state is ContestState.DRAFT:
        raise ActRefused(Why.IMPOSSIBLE, "publish the contest first")
    return found.id
