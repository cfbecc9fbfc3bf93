"""What comes after the payment, or before it is known: money that is reversed, and callbacks that are
counted on before the operator is asked."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.orders.rules import PlacedOrder
from gateway.values.money import Money
from gateway.values.network import read_networks
from payments.accounts.calls import Unlimited
from payments.collection.callbacks import IncomingCallback
from payments.collection.count_on_callback import AskedLater, CountingOnCallbacks
from payments.collection.provisional_rules import Policy
from payments.collection.provisional_store import ProvisionalPayments
from payments.collection.verify import Verifier
from payments.disbursement.disputes.ask import ask_reversals
from payments.disbursement.disputes.store import act_on_lost
from payments.provider import DisputeStatus
from tests.machine.world import PHONES, MoneyWorld
from tests.rigs.money_rig import MoneyRig
from tests.rigs.rig import PUBLIC_URL, asked_all
from tests.rigs.simulated_disputes import Dispute, claim

THEIRS: Final = "212.88.125.100"
ANYWHERE: Final = "203.0.113.9"
POLICY: Final = Policy(0, read_networks("212.88.125.0/24"))


class LaterRig(MoneyRig):
    """A service that may count on callbacks while a question is due. `counting`: whether it does."""

    def __init__(self, app_url: str, engine: AsyncEngine | None, *, counting: bool) -> None:
        super().__init__(app_url, engine=engine)
        # A look needs no transaction, and there are very many.
        self.auto = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self.provisional = ProvisionalPayments(self.engine, self.vault, PUBLIC_URL)
        self.policies = {self.provider.code: POLICY} if counting else {}

    async def now(self) -> datetime:
        """Both clocks are this machine's."""
        return datetime.now(UTC)

    async def one(self, statement: str, **parameters: Any) -> Any:
        async with self.auto.connect() as connection:
            return (await connection.execute(text(statement), parameters)).scalar_one()

    async def rows(self, statement: str, **parameters: Any) -> list[Any]:
        async with self.auto.connect() as connection:
            return list((await connection.execute(text(statement), parameters)).all())

    async def judge(self) -> int:
        counting = CountingOnCallbacks(self.provisional, self.policies, dict.fromkeys(self.policies, 1.0))
        judged = await self.callback_judge(counting).step()
        return judged + await self.ask()

    async def ask(self) -> int:
        """Ask about disputes. What a dead process left is due again, as it is a minute later."""
        async with self.auto.connect() as connection:
            await connection.execute(
                text("update reversal_questions set next_try_at = now() where next_try_at is not null")
            )
        return await ask_reversals(reversals=self.reversals, providers=self.providers, budget=Unlimited())

    async def verify(self) -> int:
        # Made anew, because it remembers for half a minute that there was nothing to ask about.
        later = AskedLater(self.provisional, self.payments, self.show)
        return await asked_all(Verifier(self.payments, self.providers, Unlimited(), later=later))

    async def lost(self) -> int:
        """Look again at lost disputes."""
        return await act_on_lost(self.engine)


@dataclass
class LaterWorld(MoneyWorld):
    """`counting`: the account is counted on by its callbacks. `vouched`: payments that a callback described as
    only a true one should."""

    counting: bool = field(default=False, kw_only=True)
    vouched: set[UUID] = field(default_factory=set)

    def service(self, engine: AsyncEngine | None) -> MoneyRig:
        return LaterRig(self.app_url, engine, counting=self.counting)

    def work(self, kind: str) -> Callable[[], Awaitable[object]]:
        if kind == "lost":
            assert isinstance(self.rig, LaterRig)
            return self.rig.lost
        return super().work(kind)

    # A caller who knows the secret in a URL and calls from the operator's network.

    async def claim_paid(self, claims: Sequence[tuple[int, str]], *, behind: bool) -> None:
        """Unsigned callbacks claim that orders were paid, also where they were not, and are judged. `behind`:
        questions are due."""
        if behind:
            await self.change("update payments set next_check_at = now() where status in ('sent', 'pending')")
        undecided = await self.rig.rows("select reference from payments where status in ('sent', 'pending', 'expired')")
        unpaid = {row.reference for row in undecided}
        # What is decided comes too, but not first.
        orders = sorted(self.placed, key=lambda order: order.payment_reference not in unpaid)
        among = orders[: len(unpaid) + 2]
        await asyncio.gather(*(self._claim(among, number, word) for number, word in claims))
        self.progress.acts += len(claims)
        await self.do(["judge"])

    async def _claim(self, among: Sequence[PlacedOrder], number: int, word: str) -> None:
        if not among:
            return
        order = among[number % len(among)]
        at, amount, payer, remote = order.payment_reference, order.amount, self.payers[order.payment_reference], THEIRS
        # An operator that calls about a payment finds it, too.
        self.operator.hidden.pop(order.payment_reference, None)
        match word:
            case "other_amount":
                amount = Money(amount.amount_minor + 1 - 2 * (number % 2), amount.currency)
            case "other_payer":
                payer = next(phone for phone in PHONES if phone != payer)
            case "elsewhere":
                at = among[(number + 1) % len(among)].payment_reference
            case "stranger":
                remote = ANYWHERE
            case _:
                pass
        if word == "right" or (word == "elsewhere" and at == order.payment_reference):
            self.vouched.add(at)
        body = claim(order.payment_reference, amount, payer, number % 3)
        self.bodies.append((at, body))
        token = None if word == "nameless" else self.rig.vault.callback_token(at)
        await self.rig.callbacks.store(IncomingCallback(self.operator.code, token, "PUT", {}, body, remote))

    # Payers' banks, and the operator's events about them.

    async def dispute(self, words: Sequence[tuple[int, str]]) -> None:
        """Payers dispute payments, whole or in part, opened or lost at once; what is open is decided."""
        for number, word in words:
            self.progress.acts += 1
            match word:
                case "opens" | "opens_part" | "loses" | "loses_part":
                    dispute_status = DisputeStatus.OPEN if word.startswith("opens") else DisputeStatus.LOST
                    self._take_up(number, dispute_status, part=word.endswith("part"))
                case "wins" | "is_lost":
                    self._decide(number, DisputeStatus.WON if word == "wins" else DisputeStatus.LOST)
                case "turns":
                    await self._turn(number)
                case _:
                    if known := list(self.operator.disputes.known.values()):
                        known[number % len(known)].say()

    def _take_up(self, number: int, dispute_status: DisputeStatus, *, part: bool) -> None:
        left = {}
        for reference, prompt in self.operator.prompts.items():
            gone = sum(
                d.amount.amount_minor for d in self._disputed(reference) if d.dispute_status is not DisputeStatus.WON
            )
            if prompt.taken and prompt.taken > gone:
                left[reference] = Money(prompt.taken - gone, prompt.asked.currency)
        if not left:
            return
        reference = list(left)[number % len(left)]
        amount = left[reference]
        if part:
            amount = Money(max(1, amount.amount_minor // 2), amount.currency)
        self.operator.disputes.take_up(reference, amount, dispute_status, costs=number % 2 == 0)
        self.progress.disputes += 1

    def _disputed(self, reference: UUID) -> list[Dispute]:
        return self.operator.disputes.of(reference)

    def _ranking(self, dispute_status: DisputeStatus) -> list[Dispute]:
        return [each for each in self.operator.disputes.known.values() if each.dispute_status is dispute_status]

    def _decide(self, number: int, dispute_status: DisputeStatus) -> None:
        if waiting := self._ranking(DisputeStatus.OPEN):
            self.operator.disputes.decide(waiting[number % len(waiting)], dispute_status)

    async def _turn(self, number: int) -> None:
        """What was lost is ours after all, weeks after it was reported as lost."""
        if lost := self._ranking(DisputeStatus.LOST):
            turned = lost[number % len(lost)]
            await self._tell(turned.words)
            await self.do(["judge"])
            self.operator.disputes.decide(turned, DisputeStatus.WON)

    async def tell(self, numbers: Sequence[int]) -> None:
        """Events arrive all at once, in any order, some of them again, some never."""
        words = [word for each in self.operator.disputes.known.values() for word in each.words]
        if words:
            # The latest are the likeliest.
            await self._tell([words[-1 - number % len(words)] for number in numbers])
        self.progress.acts += len(numbers)

    async def _tell(self, words: Sequence[bytes]) -> None:
        calls = [IncomingCallback(self.operator.code, None, "POST", {}, word, THEIRS) for word in words]
        await asyncio.gather(*(self.rig.callbacks.store(call) for call in calls))

    async def end_disputes(self) -> None:
        """Each is decided, and every event arrives."""
        for number, each in enumerate(self._ranking(DisputeStatus.OPEN)):
            self.operator.disputes.decide(each, DisputeStatus.WON if number % 2 else DisputeStatus.LOST)
        await self._tell([word for each in self.operator.disputes.known.values() for word in each.words])
