"""The rig with payouts to organisers."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from admin.approvals.staff_acts import StaffActs
from admin.approvals.store import StaffRequests
from admin.money.beneficiaries import register
from gateway.values.money import Money
from payments.accounts.calls import UNWATCHED, Accounts, Unlimited
from payments.disbursement.payouts.acts import PayoutActs, preview_payout
from payments.disbursement.payouts.beneficiaries import Beneficiaries
from payments.disbursement.payouts.store import Payouts
from payments.disbursement.refunds.acts import refund_previews
from payments.disbursement.send import send_and_ask
from payments.provider import (
    Accepted,
    Disbursement,
    DisburseResult,
    StatusReport,
    StillOpen,
    Succeeded,
)
from payments.reconciliation.difference_acts import freeze_decision
from payments.requests import Act, RequestStatus
from tests.rigs.money_rig import ASKER, CHECKER, REASON, RIGHTS, MoneyRig
from tests.rigs.rig import PUBLIC_URL
from tests.rigs.scripted_provider import ScriptedProvider

NUMBER = "+2250505060708"


def arrived(minor: int) -> Succeeded:
    return Succeeded(Money(minor, "XOF"), "op-out-1", "{}")


@dataclass
class PayingProvider(ScriptedProvider):
    """Pays out as its scripts say; the last answer is repeated for ever."""

    out_script: list[DisburseResult] = field(default_factory=lambda: [Accepted()])
    asked_script: list[StatusReport] = field(default_factory=lambda: [StillOpen("PENDING")])
    paid: list[Disbursement] = field(default_factory=list)

    async def disburse(self, disbursement: Disbursement) -> DisburseResult:
        self.paid.append(disbursement)
        return self.out_script.pop(0) if len(self.out_script) > 1 else self.out_script[0]

    async def query_disbursement(self, disbursement: Disbursement) -> StatusReport:
        return self.asked_script.pop(0) if len(self.asked_script) > 1 else self.asked_script[0]

    async def holder_active(self, msisdn: str) -> bool | None:
        return msisdn != "+2250505999999"


class PayoutRig(MoneyRig):
    """The rig with payouts."""

    provider: PayingProvider

    def __init__(self, app_url: str) -> None:
        super().__init__(app_url, PayingProvider())
        self.provider.can = replace(self.provider.can, can_pay_out=True, pays_from_float=True, knows_holders=True)
        self.payouts = Payouts(self.engine, self.vault, PUBLIC_URL)
        self.payout_acts = PayoutActs(self.engine, lambda account, country: True, self.doorbell)
        self.beneficiaries = Beneficiaries(self.engine, self.vault, timedelta(hours=24), RIGHTS.permit)
        more = {Act.PAYOUT: self.payout_acts.carry_out, Act.BENEFICIARY: self.beneficiaries.confirm}
        making = {
            **refund_previews(),
            Act.PAYOUT: preview_payout,
            Act.BENEFICIARY: self.beneficiaries.preview,
            Act.RECONCILE: freeze_decision,
        }
        self.acts = StaffActs(
            StaffRequests(self.engine, making, RIGHTS), {**self.acts._executors, **more}, self.doorbell
        )

    async def run(self, statement: str, **parameters: Any) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(text(statement), parameters)

    async def registered(self, **more: str) -> UUID:
        """The request to confirm a beneficiary."""
        values = {
            "organiser": "demo",
            "account": "mtn_momo",
            "country": "CI",
            "number": NUMBER,
            "name": "Awa Koné",
            "person": ASKER,
            "reason": REASON,
            **more,
        }
        return await register(self.beneficiaries, self.providers, self.acts, values, values["person"])

    async def beneficiary(self) -> str:
        """One that can be paid."""
        request = await self.registered()
        outcome = await self.acts.decide(request, CHECKER, approve=True)
        assert outcome.status is RequestStatus.DONE, outcome
        await self.run("update beneficiaries set usable_from = now()")
        made: UUID = await self.one("select id from beneficiaries")
        return str(made)

    async def ask(self, beneficiary: str, minor: int = 400) -> UUID:
        params = {"step": "send", "amount_minor": minor, "beneficiary": beneficiary}
        return await self.acts.ask(Act.PAYOUT, "star", params, REASON, ASKER)

    async def approved(self, minor: int = 400) -> UUID:
        """A payout that two persons agreed to."""
        request = await self.ask(await self.beneficiary(), minor)
        outcome = await self.acts.decide(request, CHECKER, approve=True)
        assert outcome.status is RequestStatus.DONE, outcome
        made: UUID = await self.one("select reference from payouts where request_id = :r", r=request)
        return made

    async def pay(self, accounts: Accounts = UNWATCHED) -> int:
        await self.run("update payouts set next_try_at = now() where next_try_at is not null")
        return await send_and_ask(self.payouts, providers=self.providers, budget=Unlimited(), accounts=accounts)

    async def state(self) -> str:
        found: str = await self.one("select status from payouts")
        return found

    async def account(self, name: str) -> int:
        held: int = await self.one("select coalesce(sum(amount_minor), 0) from postings where account = :a", a=name)
        return held
