"""A house and an operator, driven act by act, with faults: what the money machine plays with.

Every act is one thing that somebody does: a voter orders, a payer decides, a callback arrives, a worker
does one round of one kind of work, time passes, a process dies.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final
from uuid import UUID

from sqlalchemy import event, text

from gateway.domain.order import PlacedOrder, Wish
from gateway.domain.staff_request import Act, ActRefused
from gateway.ports.house import IncomingCallback
from gateway.storage.money_audit import TAKEN
from tests.gateway.money_rig import ASKER, CHECKER, REASON, MoneyRig, opened
from tests.gateway.simulated_operator import SimulatedOperator, claimed, forged

PHONES: Final = tuple(f"+22505010203{number:02d}" for number in range(20))
CODES: Final = ("03", "07", "11")
PRICE: Final = 100
_UNFINISHED: Final = "('created','sent','pending','confirmed','surplus','mismatched')"


@dataclass
class Progress:
    """What all runs together did."""

    acts: int = 0
    runs: int = 0
    orders: int = 0
    crashes: int = 0
    counted: int = 0
    given_back: int = 0

    def plus(self, other: "Progress") -> "Progress":
        """Both together."""
        both = {each.name: getattr(self, each.name) + getattr(other, each.name) for each in fields(self)}
        return Progress(**both)

    def text(self) -> str:
        """For people."""
        return (
            f"{self.acts:,} acts in {self.runs:,} runs: {self.orders:,} orders, {self.crashes:,} crashes,"
            f" {self.counted:,} votes counted, {self.given_back:,} francs given back"
        )


@dataclass
class MoneyWorld:
    """One database, one operator, and a house that may be killed and opened again."""

    app_url: str
    progress: Progress
    operator: SimulatedOperator = field(default_factory=SimulatedOperator)
    wishes: list[Wish] = field(default_factory=list)
    placed: list[PlacedOrder] = field(default_factory=list)
    bodies: list[tuple[UUID, bytes]] = field(default_factory=list)
    rig: MoneyRig = field(init=False)

    async def open(self) -> None:
        self.rig = await opened(self.app_url)
        self._employ()
        await self.rig.charge_fees()
        self.progress.runs += 1

    def _employ(self) -> None:
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
        wishes = [self.rig.wish(number=PHONES[p], code=CODES[c], quantity=votes) for p, c, votes in orders]
        self.wishes += wishes
        found = await asyncio.gather(*(self.rig.place(wish) for wish in wishes))
        self.placed += [order for order in found if isinstance(order, PlacedOrder)]
        self.progress.orders += len(orders)
        self.progress.acts += len(orders)

    async def order_again(self, number: int) -> None:
        """The same request twice: a double click, a gateway that was killed before it answered."""
        self.progress.acts += 1
        if not self.wishes:
            return
        wish = self.wishes[number % len(self.wishes)]
        found = await self.rig.place(wish)
        if isinstance(found, PlacedOrder) and found.vote_id not in {order.vote_id for order in self.placed}:
            self.placed.append(found)
        keyed = await self.rig.one("select count(*) from order_keys where key = :k", k=wish.key)
        assert keyed <= 1, f"one request, {keyed} orders"

    # The operator, its payers, and whoever calls our webhook.

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

    # The house's own work.

    def work(self, kind: str) -> Callable[[], Awaitable[object]]:
        """One round of one kind of work."""
        return {
            "collect": self.rig.collect,
            "judge": self.rig.judge,
            "verify": self.rig.verify,
            "settle": self.rig.settle,
            "refund": self.rig.refund,
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
        """Die at the n-th call to PostgreSQL or to the operator, while it is under way, and start again."""
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
        await self.rig.close()
        self.rig = await opened(self.app_url)
        self._employ()

    # Time, and people.

    async def pass_time(self, word: str) -> None:
        """Clocks run on: rows are moved into the past instead."""
        self.progress.acts += 1
        if word == "deadline":
            await self.change("update payments set expires_at = now() - interval '1 second' where status <> 'settled'")
        else:
            await self.change(
                "update payments set next_check_at = now(), asked_at = null,"
                " not_found_since = not_found_since - interval '61 seconds' where next_check_at is not null"
            )
            await self.change(
                "update refunds set next_try_at = now(), not_found_since = not_found_since - interval '61 seconds'"
                " where status in ('due', 'sent')"
            )

    async def contest(self, word: str) -> None:
        """It closes, closed long ago, or is open again."""
        self.progress.acts += 1
        ago = {"closes": "now()", "closed": "now() - interval '1 hour'", "opens": "now() + interval '30 days'"}[word]
        await self.change(f"update contests set closes_at = {ago} where slug = 'star'")
        await self.rig.directory.refresh()

    async def candidate(self, number: int, standing: bool) -> None:
        """One withdraws, or comes back."""
        self.progress.acts += 1
        await self.change(
            "update candidates set status = :s where code = :c and contest_id = :contest",
            s="approved" if standing else "withdrawn",
            c=CODES[number],
            contest=self.rig.contest.id,
        )
        await self.rig.directory.refresh()

    async def claim(self, number: int, *, own: bool) -> None:
        """A counted payment is taken back by two persons; one alone cannot."""
        self.progress.acts += 1
        settled = await self.rig.rows("select reference from payments where status = 'settled' order by 1")
        if not settled:
            return
        reference = settled[number % len(settled)].reference
        request = await self.rig.acts.ask(Act.REFUND_PAYMENT, str(reference), {}, REASON, ASKER)
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

    # What must hold.

    async def check(self) -> None:
        """Nothing is booked that the operator's own books do not say."""
        assert self.operator.violations == [], self.operator.violations
        broken = await self.rig.broken()
        assert broken == {}, broken
        taken = await self.rig.rows(
            f"select reference, coalesce(received_minor, amount_minor) as amount from payments where status in {TAKEN}"
        )
        for row in taken:
            prompt = self.operator.prompts.get(row.reference)
            assert prompt is not None, f"money that the operator never saw: {row.reference}"
            assert prompt.taken == row.amount, f"{row.reference}: {row.amount} booked, {prompt.taken} taken"
        done = await self.rig.rows(
            "select reference, payment_reference, manual_reference from refunds where status = 'done'"
        )
        for row in done:
            gone = self.operator.outgoing.get(row.reference)
            by_hand = row.manual_reference is not None and row.payment_reference in self.operator.by_hand
            assert by_hand or (gone is not None and gone.done), f"booked as given back, and is not: {row.reference}"

    async def finish(self) -> None:
        """Faults stop: everything comes to an end, and to the franc."""
        self.operator.fates.clear()
        self.operator.silent = 0
        for reference in list(self.operator.prompts):
            self.operator.decide(reference, 0)
        for round_number in range(80):
            await self.pass_time("questions")
            for reference in list(self.operator.prompts):
                self.operator.decide(reference, 0)
            for reference in list(self.operator.outgoing):
                self.operator.pay_out(reference, True)
            await self.do(("judge", "collect", "verify", "settle", "settle", "refund"))
            await self.help_refunds(by_hand=round_number % 2 == 0)
            if await self._quiet():
                break
        else:
            raise AssertionError(f"not at an end: {await self._open()}, never booked: {await self._unknown()}")
        await self.check()
        await self._balanced()

    async def _open(self) -> list[Any]:
        return await self.rig.rows(
            f"select 'payment', reference, status from payments where status in {_UNFINISHED} union all"
            " select 'refund', reference, status from refunds where status in ('due', 'sent', 'manual') union all"
            " select 'callback', payment_reference, provider from callbacks where handled_at is null"
        )

    async def _quiet(self) -> bool:
        return not await self._unknown() and not await self._open()

    async def _unknown(self) -> list[Any]:
        """Money that the operator took and we do not know of."""
        taken = [reference for reference, prompt in self.operator.prompts.items() if prompt.taken]
        return await self.rig.rows(
            "select reference, status, reason_code, next_check_at from payments"
            f" where reference = any(:taken) and status not in {TAKEN}",
            taken=taken,
        )

    async def _balanced(self) -> None:
        where = await self.rig.one(
            "select coalesce(sum(amount_minor), 0) from postings"
            " where account in ('operator_clearing', 'operator_float') and currency <> 'VOTES'"
        )
        kept = self.operator.collected - self.operator.given_back
        assert where == kept, f"{where} booked, the operator has {kept}"
        votes = await self.rig.one("select coalesce(sum(votes), 0) from candidate_totals")
        assert votes * PRICE == kept, f"{votes} votes for {kept}"
        doubles = await self.rig.rows(
            "select vote_id from payments where status = 'settled' group by 1 having count(*) > 1"
        )
        assert doubles == []
        orders = await self.rig.one("select count(*) from votes")
        assert orders >= len({order.vote_id for order in self.placed}), "an answered order is lost"
        self.progress.counted += int(votes)
        self.progress.given_back += self.operator.given_back
