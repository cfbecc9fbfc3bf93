"""Where organisers are paid: registered by one person, confirmed by another, usable after a delay."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, cast
from uuid import UUID, uuid4

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.http.endpoint import ApiModel
from gateway.storage.audit_log import note
from gateway.storage.engine import scoped
from gateway.storage.vault import Vault, each_opened
from gateway.values.msisdn import Msisdn, read_msisdn
from payments.disbursement.payouts.rules import confirmation_refusal
from payments.disbursement.payouts.store import phone_place
from payments.ledger.book import organiser_id
from payments.provider import HolderChecker, PaymentProvider
from payments.request_store import Permit, carry_out_once
from payments.requests import ActRefused, Executed, NewRequest, Right, Scope, StaffRequest, Why, named, subject_id

_NAME_LENGTH_MAX: Final = 120
_ADD: Final = text("""
insert into beneficiaries (id, organiser_id, provider, country, phone_index, phone_cipher, name, registered_by)
values (:id, :organiser, :provider, :country, :phone_index, :phone_cipher, :name, :person)
""")
_WHOLE: Final = "select b.*, g.slug as organiser from beneficiaries b join organisers g on g.id = b.organiser_id"
_ONE: Final = text(f"{_WHOLE} where b.id = :id for update of b")
_LISTED: Final = text("""
select b.id, b.provider, b.country, b.phone_cipher, b.name, b.registered_by, b.registered_at, g.slug as organiser,
  case when b.confirmed_at <= u.til then b.confirmed_by end as confirmed_by,
  case when b.confirmed_at <= u.til then b.usable_from end as usable_from,
  case when b.retired_at <= u.til then b.retired_at end as retired_at
from beneficiaries b join organisers g on g.id = b.organiser_id
  cross join (select coalesce(cast(:at as timestamptz), 'infinity') as til) u
where b.registered_at <= u.til and (cast(:organiser as text) is null or g.slug = :organiser)
  and (cast(:scope as uuid) is null or b.organiser_id = cast(:scope as uuid))
order by b.registered_at desc limit 500""")
_CONFIRM: Final = text("""
update beneficiaries set confirmed_by = :person, confirmed_at = now(),
  usable_from = now() + make_interval(secs => :delay)
where id = :id returning usable_from
""")
_RETIRE: Final = text("""
update beneficiaries set retired_at = coalesce(retired_at, now())
where id = :id and (cast(:scope as uuid) is null or organiser_id = cast(:scope as uuid)) returning id
""")


class Beneficiary(ApiModel):
    """Where an organiser is paid; the number is masked."""

    id: UUID
    organiser: str
    name: str
    provider: str
    country: str
    number: str
    registered_by: str
    registered_at: datetime
    confirmed_by: str | None
    usable_from: datetime | None
    retired_at: datetime | None


class Beneficiaries:
    """Beneficiaries of organisers. `delay`: between confirmation and the first payout."""

    def __init__(self, engine: AsyncEngine, vault: Vault, delay: timedelta, permit: Permit) -> None:
        self._engine = engine
        self._vault = vault
        self._delay = delay
        self._permit = permit

    async def add(
        self,
        organiser: str,
        account: str,
        provider: PaymentProvider | None,
        *,
        country: str,
        number: str,
        name: str,
        person: str,
    ) -> UUID:
        """Register where an organiser is to be paid; not usable before another person confirms it. `provider`: the
        client of the account, if it has one.

        Raises UnknownName, and ActRefused: an account that cannot pay there, an invalid number, one without a wallet.
        """
        if provider is None or not provider.capabilities(country).can_pay_out:
            raise ActRefused(Why.IMPOSSIBLE, f"{account} pays no one in {country}")
        read = read_msisdn(number, country)
        if not isinstance(read, Msisdn):
            raise ActRefused(Why.IMPOSSIBLE, f"that is no mobile number of {country}: {read.value}")
        if provider.capabilities(country).knows_holders:
            known = await cast("HolderChecker", provider).holder_active(read.e164)
            if known is False:
                raise ActRefused(Why.IMPOSSIBLE, f"{account} says that {read.masked()} has no wallet")
        called = " ".join(name.split())[:_NAME_LENGTH_MAX]
        if not called:
            raise ActRefused(Why.IMPOSSIBLE, "say whose wallet it is")
        return await self._add(organiser, account, read, called, named(person))

    async def _add(self, organiser: str, account: str, number: Msisdn, name: str, person: str) -> UUID:
        made = uuid4()
        values = {
            "id": made,
            "provider": account,
            "country": number.country,
            "phone_index": self._vault.index(number.e164),
            "phone_cipher": self._vault.seal(number.e164, phone_place(made)),
            "name": name,
            "person": person,
        }
        async with self._engine.begin() as connection:
            scope = await self._permit(connection, person, Right.PAY_OUT)
            of = await organiser_id(connection, organiser, scope)
            await connection.execute(_ADD, {**values, "organiser": of})
            detail = {"beneficiary": str(made), "number": number.masked(), "name": name, "operator": account}
            await note(connection, actor=person, act="beneficiary.registered", subject=organiser, detail=detail)
        return made

    async def listed(
        self, scope: Scope, organiser: str | None = None, at: datetime | None = None
    ) -> Sequence[Beneficiary]:
        """The latest first; numbers are masked. `at`: as they were then; None: now."""
        async with scoped(self._engine, scope) as connection:
            rows = (await connection.execute(_LISTED, {"organiser": organiser, "scope": scope, "at": at})).all()
        return each_opened(rows, self._line)

    async def retire(self, beneficiary: UUID, *, person: str, reason: str) -> None:
        """Pay there no more. Raises ActRefused."""
        async with self._engine.begin() as connection:
            scope = await self._permit(connection, person, Right.PAY_OUT)
            if (await connection.execute(_RETIRE, {"id": beneficiary, "scope": scope})).one_or_none() is None:
                raise ActRefused(Why.UNKNOWN, f"there is no beneficiary {beneficiary}")
            await note(
                connection,
                actor=person,
                act="beneficiary.retired",
                subject=str(beneficiary),
                detail={"reason": reason},
            )

    async def confirm(self, request: StaffRequest) -> Executed:
        """Confirm, as the second person agreed, once; from when on it can be paid. Raises ActRefused."""
        return Executed(await carry_out_once(self._engine, request, self._confirm))

    async def _confirm(self, connection: AsyncConnection, request: StaffRequest) -> str:
        row = await self._registered(connection, request.subject)
        _require_confirmable(row, own=row.registered_by == request.decided_by)
        asked = {"id": row.id, "person": request.decided_by, "delay": self._delay.total_seconds()}
        usable_from = (await connection.execute(_CONFIRM, asked)).scalar_one()
        return f"can be paid from {usable_from:%Y-%m-%d %H:%M} UTC on"

    async def preview(self, connection: AsyncConnection, request: NewRequest) -> Mapping[str, Any]:
        """What would be confirmed. Raises ActRefused."""
        row = await self._registered(connection, request.subject)
        _require_confirmable(row)
        line = self._line(row)
        return {"organiser": line.organiser, "name": line.name, "number": line.number, "operator": line.provider}

    @staticmethod
    async def _registered(connection: AsyncConnection, beneficiary: str) -> Row[Any]:
        row = (await connection.execute(_ONE, {"id": subject_id(beneficiary, "beneficiary")})).one_or_none()
        if row is None:
            raise ActRefused(Why.UNKNOWN, f"there is no beneficiary {beneficiary}")
        return row

    def _line(self, row: Row[Any]) -> Beneficiary:
        number = Msisdn(self._vault.open(bytes(row.phone_cipher), phone_place(row.id)), row.country)
        return Beneficiary(**row._mapping, number=number.masked())


def _require_confirmable(row: Row[Any], *, own: bool = False) -> None:
    against = confirmation_refusal(confirmed=row.confirmed_at is not None, retired=row.retired_at is not None, own=own)
    if against:
        raise ActRefused(Why.IMPOSSIBLE, against)
