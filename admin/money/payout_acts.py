"""Payouts and beneficiaries as acts of staff: one asks, another one agrees, then it is done."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, cast
from uuid import UUID

from admin.approvals.staff_acts import StaffActs
from gateway.storage.doorbell import Doorbell, Work
from gateway.values.msisdn import Msisdn, read_msisdn
from payments.provider import HolderChecker, PaymentProvider
from payments.requests import Act, ActRefused, Executed, Executor, StaffRequest, Why, named, reasoned

NAME_LENGTH_MAX: Final = 120
CarryOut = Callable[[StaffRequest], Awaitable[str]]
AddBeneficiary = Callable[[str, str, Msisdn, str, str], Awaitable[UUID]]


def payout_executors(pay: CarryOut, confirm: CarryOut, doorbell: Doorbell) -> Mapping[Act, Executor]:
    """Who does these acts."""

    async def payout(request: StaffRequest) -> Executed:
        outcome = await pay(request)
        doorbell.ring(Work.PAYOUTS)
        return Executed(outcome)

    async def beneficiary(request: StaffRequest) -> Executed:
        return Executed(await confirm(request))

    return {Act.PAYOUT: payout, Act.BENEFICIARY: beneficiary}


async def register_beneficiary(
    *,
    organiser: str,
    account: str,
    country: str,
    number: str,
    name: str,
    person: str,
    reason: str,
    providers: Mapping[str, PaymentProvider],
    add: AddBeneficiary,
    acts: StaffActs,
) -> UUID:
    """Register where an organiser is to be paid and ask for its confirmation; the request's id.

    Raises ActRefused: no such account, one that cannot pay there, an invalid number, a number without a wallet.
    """
    provider, country = providers.get(account), country.upper()
    if provider is None or not provider.capabilities(country).can_pay_out:
        raise ActRefused(Why.IMPOSSIBLE, f"{account} pays nobody in {country}")
    read = read_msisdn(number, country)
    if not isinstance(read, Msisdn):
        raise ActRefused(Why.IMPOSSIBLE, f"that is no mobile number of {country}: {read.value}")
    if provider.capabilities(country).knows_holders:
        known = await cast("HolderChecker", provider).holder_active(read.e164)
        if known is False:
            raise ActRefused(Why.IMPOSSIBLE, f"{account} says that {read.masked()} has no wallet")
    called = " ".join(name.split())[:NAME_LENGTH_MAX]
    if not called:
        raise ActRefused(Why.IMPOSSIBLE, "say whose wallet it is")
    who, why = named(person), reasoned(reason)
    made = await add(organiser, account, read, called, who)
    return await acts.ask(Act.BENEFICIARY, str(made), {}, why, who)
