"""Our share of what votes bring: changed by two persons, and never for votes that are counted already."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.orders.wallet import PaymentMethod
from gateway.storage.audit_log import note
from gateway.values.money import EXPONENTS, Money
from payments.ledger.book import DatedFeePlan, UnknownName, organiser_id
from payments.ledger.postings import FeePlan
from payments.request_store import carry_out_once
from payments.requests import ActRefused, Executed, NewRequest, StaffRequest, Why

EVERY_METHOD: Final = ""
_MINOR_MAX: Final = 10**9
_METHODS: Final = frozenset(PaymentMethod)
# A plan from a past instant would contradict the shares of votes that are counted already.
_SET: Final = text("""
insert into fee_plans (id, organiser_id, currency, method, valid_from, percent_bp, fixed_minor, minimum_minor,
  created_by)
select :id, :organiser, :currency, :method, coalesce(cast(:valid_from as timestamptz), now()), :percent_bp,
  :fixed_minor, :minimum_minor, :actor
where coalesce(cast(:valid_from as timestamptz), now()) >= now()
returning valid_from
""")
_TAKEN: Final = text("""
select now() as now, exists (select from fee_plans where organiser_id = :organiser and currency = :currency
  and method = :method and valid_from = cast(:valid_from as timestamptz)) as taken
""")
PAST: Final = "a plan cannot begin in the past: votes counted by then have their fee"
TAKEN: Final = "there is a plan from that instant on already"


async def preview_fees(connection: AsyncConnection, request: NewRequest) -> Mapping[str, Any]:
    """What a fee plan would be. Raises ActRefused."""
    currency, method, plan, valid_from = read_params(request.params)
    organiser = await _organiser(connection, request.subject)
    asked = {"organiser": organiser, "currency": currency, "method": method, "valid_from": valid_from}
    found = (await connection.execute(_TAKEN, asked)).one()
    if found.taken:
        raise ActRefused(Why.IMPOSSIBLE, TAKEN)
    if valid_from is not None and valid_from < found.now:
        raise ActRefused(Why.IMPOSSIBLE, PAST)
    return {
        "organiser": request.subject,
        "currency_of_orders": currency,
        "method": method,
        "percent": f"{plan.percent_bp // 100}.{plan.percent_bp % 100:02d} %",
        "fixed": f"{Money(plan.fixed_minor, currency).plain()} {currency}",
        "minimum": f"{Money(plan.minimum_minor, currency).plain()} {currency}",
        "valid_from": None if valid_from is None else f"{valid_from.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
    }


Tell = Callable[[AsyncConnection, UUID, DatedFeePlan], Awaitable[None]]
"""Writes to the owners of an organiser that this plan is theirs, in the transaction that makes it so."""


class FeeActs:
    """Fee plans as two persons agree to them."""

    def __init__(self, engine: AsyncEngine, tell: Tell) -> None:
        self._engine = engine
        self._tell = tell

    async def carry_out(self, request: StaffRequest) -> Executed:
        """Write the plan, once; without an instant it holds from now on. Raises ActRefused when it may not be any
        more."""
        return Executed(await carry_out_once(self._engine, request, self._write))

    async def _write(self, connection: AsyncConnection, request: StaffRequest) -> str:
        currency, method, plan, valid_from = read_params(request.params)
        organiser = await _organiser(connection, request.subject)
        row = {"currency": currency, "method": method, "valid_from": valid_from, **asdict(plan)}
        given = {**row, "id": uuid4(), "organiser": organiser, "actor": request.requested_by}
        try:
            made = (await connection.execute(_SET, given)).one_or_none()
        except IntegrityError:
            raise ActRefused(Why.IMPOSSIBLE, TAKEN) from None
        if made is None:
            raise ActRefused(Why.IMPOSSIBLE, PAST)
        shown = {**row, "valid_from": made.valid_from.isoformat(), "approved_by": request.decided_by}
        await note(connection, actor=request.requested_by, act="fees.set", subject=request.subject, detail=shown)
        await self._tell(
            connection, organiser, DatedFeePlan(currency, method, made.valid_from, plan, request.requested_by)
        )
        return f"holds from {made.valid_from:%Y-%m-%d %H:%M} UTC on"


def read_params(params: Mapping[str, Any]) -> tuple[str, str, FeePlan, datetime | None]:
    """Currency, way to pay, plan and first instant of a request. Raises ActRefused."""
    currency, method = str(params.get("currency", "")), str(params.get("method", EVERY_METHOD))
    if currency not in EXPONENTS:
        raise ActRefused(Why.IMPOSSIBLE, f"unknown currency {currency!r}")
    if method not in (EVERY_METHOD, *_METHODS):
        raise ActRefused(Why.IMPOSSIBLE, f"unknown way to pay {method!r}")
    plan = FeePlan(
        int(params.get("percent_bp", 0)), int(params.get("fixed_minor", 0)), int(params.get("minimum_minor", 0))
    )
    if not 0 <= plan.percent_bp <= 10_000:
        raise ActRefused(Why.IMPOSSIBLE, "a percentage is from 0 to 100")
    if not (0 <= plan.fixed_minor < _MINOR_MAX and 0 <= plan.minimum_minor < _MINOR_MAX):
        raise ActRefused(Why.IMPOSSIBLE, "that is too much for one order")
    return currency, method, plan, _instant(params.get("valid_from"))


def _instant(typed: object) -> datetime | None:
    if not typed:
        return None
    try:
        at = datetime.fromisoformat(str(typed))
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ActRefused(Why.IMPOSSIBLE, f"{typed!r} is no instant") from None


async def _organiser(connection: AsyncConnection, slug: str) -> UUID:
    try:
        return await organiser_id(connection, slug, None)
    except UnknownName as error:
        raise ActRefused(Why.UNKNOWN, str(error)) from None
