"""The rig with refunds, requests of staff and voided windows."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.access.rights import StaffRights
from admin.approvals.staff_acts import Outcome, StaffActs
from admin.approvals.store import StaffRequests
from gateway.orders.rules import PlacedOrder
from gateway.values.money import Money
from payments.accounts.calls import Unlimited
from payments.disbursement.refunds.acts import RefundActs, refund_previews
from payments.disbursement.refunds.store import Refunds
from payments.disbursement.refunds.voids import Voids
from payments.disbursement.send import send_and_ask
from payments.ledger.book import LedgerEntry, post
from payments.ledger.postings import held
from payments.reconciliation.difference_acts import Decisions, freeze_decision
from payments.requests import Act
from tests.rigs.rig import PUBLIC_URL, Rig
from tests.rigs.scripted_provider import ScriptedProvider, paid

ASKER, CHECKER = "awa@house.test", "yao@house.test"
REASON = "the voter called us"
FEE_PERCENT_BP = 1500


RIGHTS = StaffRights(factor_wanted=False)


async def hire(engine: AsyncEngine, email: str, role: str = "finance", *, active: bool = True) -> str:
    """A new member of staff, or a new role of one; no password signs in."""
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "insert into staff (id, email, password_hash, role, active)"
                " values (gen_random_uuid(), :e, '-', :r, :a)"
                " on conflict (email) do update set role = excluded.role, active = excluded.active"
            ),
            {"e": email, "r": role, "a": active},
        )
    return email


class Killed(BaseException):
    """The process died here."""


class Cut(Exception):
    """The same, where a coalescer would leave those who wait for it waiting."""


class MoneyRig(Rig):
    """A service whose operator refunds, out of a wallet of its own."""

    def __init__(
        self, app_url: str, provider: ScriptedProvider | None = None, engine: AsyncEngine | None = None
    ) -> None:
        super().__init__(app_url, provider, engine)
        self.provider.can = replace(self.provider.can, can_refund=True, pays_from_float=True)
        self.refunds = Refunds(self.engine, self.vault, PUBLIC_URL)
        self.voids = Voids(self.engine)
        self.executors = RefundActs(self.engine, self.voids, self.doorbell, self.show).executors()
        self.executors[Act.RECONCILE] = Decisions(self.engine).decide
        previews = {**refund_previews(), Act.RECONCILE: freeze_decision}
        requests = StaffRequests(self.engine, previews, RIGHTS)
        self.acts = StaffActs(requests, self.executors, self.doorbell)

    async def open(self) -> "MoneyRig":
        await super().open()
        await hire(self.engine, ASKER)
        await hire(self.engine, CHECKER)
        return self

    async def show(self, counted: Mapping[UUID, Sequence[tuple[str, int]]]) -> None:
        self.shown.extend(counted.items())

    async def charge_fees(self) -> None:
        """From now on a part of each sale is ours."""
        async with self.engine.begin() as connection:
            await connection.execute(
                text(
                    "insert into fee_plans (id, organiser_id, currency, valid_from, percent_bp, created_by)"
                    " select gen_random_uuid(), organiser_id, currency, now(), :bp, 'test' from contests"
                    " where slug = 'star'"
                ),
                {"bp": FEE_PERCENT_BP},
            )

    async def confirmed(self, **vote_request: Any) -> PlacedOrder:
        """An order that the operator was paid for."""
        order = await self.placed(**vote_request)
        await self.collect()
        self.provider.query_script = [paid(order.amount.amount_minor)]
        await self.make_due()
        await self.verify()
        assert await self.status(order) == "confirmed"
        return order

    async def counted(self, **vote_request: Any) -> PlacedOrder:
        """An order that is paid and counted."""
        order = await self.confirmed(**vote_request)
        await self.settle_all()
        assert await self.status(order) == "settled"
        return order

    async def held(self, **vote_request: Any) -> PlacedOrder:
        """An order that is paid and waits for a person."""
        order = await self.confirmed(**vote_request)
        entry = LedgerEntry(uuid4(), self.contest.id, "held", held(order.amount))
        async with self.engine.begin() as connection:
            values = {"r": order.payment_reference}
            await connection.execute(
                text("update payments set status = 'held', decide_by = now() + interval '1 day' where reference = :r"),
                values,
            )
            await connection.execute(
                text(
                    "insert into payment_events (reference, from_status, to_status, seen, actor)"
                    " values (:r, 'confirmed', 'held', 'suspect', 'settler')"
                ),
                values,
            )
            await post(connection, [(entry, self.provider.code)])
        return order

    async def late(self, **vote_request: Any) -> PlacedOrder:
        """An order that is paid too late to count."""
        order = await self.confirmed(**vote_request)
        async with self.engine.begin() as connection:
            await connection.execute(
                text(
                    "update payments p set confirmed_at = c.closes_at + interval '1 day' from contests c"
                    " where c.id = p.contest_id and p.reference = :r"
                ),
                {"r": order.payment_reference},
            )
        await self.settle_all()
        assert await self.status(order) == "refund_due"
        return order

    async def refund(self) -> int:
        return await send_and_ask(self.refunds, providers=self.providers, budget=Unlimited())

    async def refund_again(self) -> int:
        """Let the time of the next try come, and try."""
        async with self.engine.begin() as connection:
            await connection.execute(
                text("update refunds set next_try_at = now() where status in ('due', 'sent')"),
            )
        return await self.refund()

    async def refunds_of(self, order: PlacedOrder) -> list[Any]:
        return await self.rows(
            "select * from refunds where payment_reference = :r order by created_at, replaces nulls first",
            r=order.payment_reference,
        )

    async def agreed(self, act: Act, subject: object, params: Mapping[str, Any] | None = None) -> Outcome:
        """Asked for by one person and agreed to by another."""
        request = await self.acts.ask(act, str(subject), params or {}, REASON, ASKER)
        return await self.acts.decide(request, CHECKER, approve=True)

    async def votes_for(self, code: str) -> int:
        votes: int = await self.one(
            "select t.votes from candidate_totals t join candidates k on k.id = t.candidate_id"
            " where k.code = :c and k.contest_id = :s",
            c=code,
            s=self.contest.id,
        )
        return votes

    async def on_account(self, account: str) -> int:
        """The balance of an account in the book; debits are positive."""
        total: int = await self.one(
            "select coalesce(sum(amount_minor), 0) from postings where account = :a and currency <> 'VOTES'", a=account
        )
        return int(total)

    def reads_of(self, words: str) -> list[str]:
        """Statements with these words in them, from now on."""
        found: list[str] = []

        def keep(_: object, __: object, statement: str, *___: object) -> None:
            if words in statement:
                found.append(statement)

        event.listen(self.engine.sync_engine, "before_cursor_execute", keep)
        return found

    @contextmanager
    def dying_at(self, statement: int, death: type[BaseException] = Killed) -> Iterator[None]:
        """The caller of the n-th matching statement in this block dies before it runs; counted from one."""
        left = statement

        def count(*_: object) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise death

        event.listen(self.engine.sync_engine, "before_cursor_execute", count)
        try:
            yield
        finally:
            event.remove(self.engine.sync_engine, "before_cursor_execute", count)


async def opened(app_url: str) -> MoneyRig:
    """A rig that is ready."""
    rig = MoneyRig(app_url)
    await rig.open()
    return rig


def francs(amount: int) -> Money:
    return Money(amount, "XOF")
