"""A service and an operator, driven act by act, with faults: what the money machine plays with.

Every act is one thing that a person or a process does: a voter orders, a payer decides, a callback arrives, a worker
does one round of one kind of work, time passes, a process dies.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final
from uuid import UUID

from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.orders.rules import PlacedOrder, Refusal, VoteRequest
from payments.collection.callbacks import IncomingCallback
from payments.requests import Act, ActRefused
from payments.rollups.store import Rollups
from tests.rigs.money_rig import ASKER, CHECKER, REASON, MoneyRig
from tests.rigs.simulated_operator import SimulatedOperator, claimed, forged

PHONES: Final = tuple(f"+22505010203{number:02d}" for number in range(20))
CODES: Final = ("03", "07", "11")


@dataclass
class Progress:
    """What all runs together did."""

    acts: int = 0
    runs: int = 0
    orders: int = 0
    crashes: int = 0
    disputes: int = 0
    counted_on: int = 0
    counted: int = 0
    refunded: int = 0
    lost: int = 0

    def plus(self, other: "Progress") -> "Progress":
        """Both together."""
        both = {each.name: getattr(self, each.name) + getattr(other, each.name) for each in fields(self)}
        return Progress(**both)

    def text(self) -> str:
        """For people."""
        return (
            f"{self.acts:,} acts in {self.runs:,} runs: {self.orders:,} orders, {self.crashes:,} crashes,"
            f" {self.disputes:,} disputes, {self.counted_on:,} callbacks counted on, {self.counted:,} votes counted,"
            f" {self.refunded:,} francs refunded, {self.lost:,} lost"
        )


@dataclass
class MoneyWorld:
    """One database, one operator, and a service that may be killed and opened again."""

    app_url: str
    progress: Progress
    operator: SimulatedOperator = field(default_factory=SimulatedOperator)
    vote_requests: list[VoteRequest] = field(default_factory=list)
    placed: list[PlacedOrder] = field(default_factory=list)
    payers: dict[UUID, str] = field(default_factory=dict)
    bodies: list[tuple[UUID, bytes]] = field(default_factory=list)
    rig: MoneyRig = field(init=False)

    async def open(self) -> None:
        self.rig = self.service(None)
        await self._employ()
        await self.rig.charge_fees()
        self.progress.runs += 1

    def service(self, engine: AsyncEngine | None) -> MoneyRig:
        """A service with empty caches. `engine`: the connections that it finds, else its own."""
        return MoneyRig(self.app_url, engine=engine)

    async def _employ(self) -> None:
        await self.rig.open()
        self.rig.provider = self.operator
        self.rig.providers = {self.operator.code: self.operator}
        self.operator.committed = self._committed

    async def close(self) -> None:
        await self.rig.close()

    async def _committed(self, table: str, reference: UUID) -> bool:
        """Asked on another connection: it sees what is committed only."""
        found = await self.rig.one(
            f"select count(*) from {table} where reference = :r and status = 'sent'", r=reference
        )
        return bool(found)

    async def change(self, statement: str, **values: Any) -> None:
        async with self.rig.engine.begin() as connection:
            await connection.execute(text(statement), values)

    # Voters.

    async def order(self, orders: Sequence[tuple[int, int, int]]) -> None:
        """Orders of (phone, candidate, votes), all at once."""
        vote_requests = [
            self.rig.vote_request(number=PHONES[p], code=CODES[c], quantity=votes) for p, c, votes in orders
        ]
        self.vote_requests += vote_requests
        found = await asyncio.gather(*(self.rig.place(vote_request) for vote_request in vote_requests))
        for vote_request, order in zip(vote_requests, found, strict=True):
            self._answered(vote_request, order)
        self.progress.orders += len(orders)
        self.progress.acts += len(orders)

    async def order_again(self, number: int) -> None:
        """The same request twice: a double click, a gateway that was killed before it answered."""
        self.progress.acts += 1
        if not self.vote_requests:
            return
        vote_request = self.vote_requests[number % len(self.vote_requests)]
        found = await self.rig.place(vote_request)
        self._answered(vote_request, found)
        keyed = await self.rig.one("select count(*) from order_keys where key = :k", k=vote_request.key)
        assert keyed <= 1, f"one request, {keyed} orders"

    def _answered(self, vote_request: VoteRequest, found: PlacedOrder | Refusal) -> None:
        if isinstance(found, PlacedOrder) and vote_request.payer and found.payment_reference not in self.payers:
            self.placed.append(found)
            self.payers[found.payment_reference] = vote_request.payer.e164

    # The operator, its payers, and callers of our webhook.

    def decide(self, decisions: Sequence[tuple[int, str]]) -> None:
        """Payers type their code, pay another amount, or decline."""
        for number, word in decisions:
            self.progress.acts += 1
            undecided = [r for r, prompt in self.operator.prompts.items() if prompt.taken is None]
            if undecided:
                reference = undecided[number % len(undecided)]
                asked = self.operator.prompts[reference].asked.amount_minor
                self.operator.decide(reference, {"pays": asked, "pays_less": asked - 1, "declines": 0}[word])

    def pay_out(self, decisions: Sequence[tuple[int, bool]]) -> None:
        """Refunds arrive, or fail."""
        for number, done in decisions:
            self.progress.acts += 1
            waiting = [r for r, gone in self.operator.outgoing.items() if gone.done is None]
            if waiting:
                self.operator.pay_out(waiting[number % len(waiting)], done)

    async def call_back(self, calls: Sequence[tuple[int, str]]) -> None:
        """Callbacks, all at once and in no order."""
        await asyncio.gather(*(self._call_back(number, word) for number, word in calls))
        self.progress.acts += len(calls)

    async def _call_back(self, number: int, word: str) -> None:
        known = list(self.operator.prompts)
        if not known:
            return
        about = known[number % len(known)]
        at = about
        match word:
            case "true":
                body = self.operator.sealed(about)
            case "hint":
                body = claimed(about, "SUCCESSFUL")
            case "forged":
                body = forged(about, self.operator.prompts[about].asked.amount_minor)
            case "elsewhere":  # a true one, at the address of another payment
                body, at = self.operator.sealed(about), known[(number + 1) % len(known)]
            case "garbage":
                body = b"<html>"
            case _:  # again, whatever came before
                at, body = self.bodies[number % len(self.bodies)] if self.bodies else (about, b"{}")
        self.bodies.append((at, body))
        token = None if word == "elsewhere" and number % 2 else self.rig.vault.callback_token(at)
        await self.rig.callbacks.store(IncomingCallback(self.operator.code, token, "POST", {}, body, "127.0.0.1"))

    # The service's own work.

    def work(self, kind: str) -> Callable[[], Awaitable[object]]:
        """One round of one kind of work."""
        return {
            "collect": self.rig.collect,
            "judge": self.rig.judge,
            "verify": self.rig.verify,
            "settle": self.rig.settle,
            "refund": self.rig.refund,
            "sum": Rollups(self.rig.engine).catch_up,
        }[kind]

    async def do(self, kinds: Sequence[str]) -> None:
        """Several rounds, one after the other."""
        for kind in kinds:
            await self.work(kind)()
            self.progress.acts += 1

    async def do_at_once(self, kinds: Sequence[str]) -> None:
        """Several workers side by side."""
        await asyncio.gather(*(self.work(kind)() for kind in kinds))
        self.progress.acts += len(kinds)

    async def crash(self, kind: str, at: int) -> None:
        """Die at the n-th call to PostgreSQL or to the operator, while it is in progress, and start again."""
        self.progress.acts += 1
        self.progress.crashes += 1
        here, left = asyncio.current_task(), at

        def die() -> None:
            for task in asyncio.all_tasks():
                if task is not here:
                    task.cancel()

        def count(*_: object) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                asyncio.get_running_loop().call_soon(die)

        engine = self.rig.engine.sync_engine
        event.listen(engine, "before_cursor_execute", count)
        self.operator.called = count
        work = asyncio.ensure_future(self.work(kind)())
        # Connections are closed by tasks of their own, which begin when the others die.
        while others := asyncio.all_tasks() - {here}:
            await asyncio.wait(others)
        self.operator.called = lambda: None
        event.remove(engine, "before_cursor_execute", count)
        if not work.cancelled() and (error := work.exception()) is not None:
            raise error
        # What the dead were using is closed. Idle connections know nothing, so the next service may have them.
        self.rig = self.service(self.rig.engine)
        await self._employ()

    async def outage(self, many: int, end: str) -> None:
        """The operator takes money, answers nothing, and knows nothing of it while it is asked; what is put back
        is then sent again, or may not be sent any more."""
        self.operator.fates.extend(["hidden_and_lost"] * many)
        await self.do(["collect"])
        for _ in range(3):
            await self.pass_time("questions")
            await self.do(["verify"])
        match end:
            case "deadline":
                await self.pass_time("deadline")
            case "closed":
                await self.contest("closed")
            case "withdrawn":
                await self.candidate(many % len(CODES), dispute_status=False)
            case _:
                self.operator.fates.extend(["not_sent"] * many)
        await self.do(["collect"])
        await self.contest("opens")

    # Time, and people.

    async def pass_time(self, word: str) -> None:
        """Clocks run on: rows are moved into the past instead."""
        self.progress.acts += 1
        if word == "deadline":
            await self.change("update payments set expires_at = now() - interval '1 second' where status <> 'settled'")
        else:
            await self.change(
                "update payments set next_check_at = now(), asked_at = null,"
                " not_found_since = not_found_since - case when provisional then interval '31 minutes'"
                " else interval '61 seconds' end where next_check_at is not null"
            )
            await self.change(
                "update refunds set next_try_at = now(), not_found_since = not_found_since - interval '61 seconds'"
                " where status in ('due', 'sent')"
            )

    async def contest(self, word: str) -> None:
        """It closes, closed long ago, also by the rules of those who ordered, or is open again."""
        self.progress.acts += 1
        ago = {"closes": "now()", "closed": "now() - interval '1 hour'", "opens": "now() + interval '30 days'"}[word]
        await self.change(f"update contests set closes_at = {ago} where slug = 'star'")
        if word == "closed":
            await self.rig.count_until("now() - interval '1 hour'")
        await self.rig.directory.refresh()

    async def candidate(self, number: int, dispute_status: bool) -> None:
        """One withdraws, or comes back."""
        self.progress.acts += 1
        await self.change(
            "update candidates set status = :s where code = :c and contest_id = :contest",
            s="approved" if dispute_status else "withdrawn",
            c=CODES[number],
            contest=self.rig.contest.id,
        )
        await self.rig.directory.refresh()

    async def claim(self, number: int, *, own: bool) -> None:
        """Two persons refund a counted payment; one alone cannot."""
        self.progress.acts += 1
        settled = await self.rig.rows("select reference, provisional from payments where status = 'settled' order by 1")
        if not settled:
            return
        payment = settled[number % len(settled)]
        try:
            request = await self.rig.acts.ask(Act.REFUND_PAYMENT, str(payment.reference), {}, REASON, ASKER)
        except ActRefused:
            assert payment.provisional, "a refund was refused"
            return
        assert not payment.provisional, "what is not known to be paid would be refunded"
        try:
            await self.rig.acts.decide(request, ASKER if own else CHECKER, approve=True)
        except ActRefused:
            assert own, "the second person was refused"
        else:
            assert not own, "one person did it alone"

    async def help_refunds(self, *, by_hand: bool) -> None:
        """What waits for a person: paid by hand, or given to the machine again."""
        for row in await self.rig.rows("select * from refunds where status = 'manual' order by reference"):
            self.progress.acts += 1
            gone = self.operator.outgoing.get(row.reference)
            # A person looks at the operator's own page first.
            if by_hand and (gone is None or gone.done is False):
                paid = self.operator.by_hand
                paid[row.payment_reference] = paid.get(row.payment_reference, 0) + row.amount_minor
                await self._agreed(Act.MANUAL_REFUND_DONE, row.reference, operator_reference="by hand")
            else:
                await self._agreed(Act.RETRY_REFUND, row.reference)

    async def _agreed(self, act: Act, subject: UUID, **params: Any) -> None:
        request = await self.rig.acts.ask(act, str(subject), params, REASON, ASKER)
        await self.rig.acts.decide(request, CHECKER, approve=True)
