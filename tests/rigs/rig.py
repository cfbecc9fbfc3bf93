"""The use cases bound to a real database, with a scripted provider: what storage tests share."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncEngine

from channels.messages.inbox import Inbox
from channels.messages.outbox import Outbox
from gateway.contests.changes import Plan
from gateway.contests.contest import Contest
from gateway.contests.directory import ContestDirectory
from gateway.contests.store import write_plan
from gateway.orders.fraud import FRAUD_OFF
from gateway.orders.place_order import place_order
from gateway.orders.prompting import NO_LIMITS
from gateway.orders.rules import Channel, PlacedOrder, Refusal, VoteRequest
from gateway.orders.store import Orders
from gateway.orders.wallet import PaymentMethod
from gateway.runtime.embedded.postgres import OWNER_ROLE
from gateway.storage.engine import make_engine
from gateway.storage.vault import Vault
from gateway.values.msisdn import Msisdn
from payments.accounts.calls import Unlimited
from payments.collection.callback_queue import CallbackQueue
from payments.collection.callbacks import Callbacks, IncomingCallback
from payments.collection.collect import Collector
from payments.collection.count_on_callback import CountingOnCallbacks
from payments.collection.judge_callbacks import CallbackJudge
from payments.collection.order_views import OrderViews
from payments.collection.store import Payments
from payments.collection.verify import Verifier
from payments.disbursement.disputes.reversals import Reversals
from payments.ledger.audit import audit_money
from payments.settlement.settle import Settlement, settle_payments
from tests.engines import BUSY_SECONDS
from tests.rails import RAILS
from tests.rigs.scripted_provider import ScriptedProvider

SECRET_KEY = "0123456789abcdef0123456789abcdeX"
PUBLIC_URL = "http://vote.test"


@dataclass
class SilentDoorbell:
    """Remembers rings."""

    rung: list[str] = field(default_factory=list)

    def ring(self, kind: str) -> None:
        self.rung.append(kind)


async def asked_all(verifier: Verifier) -> int:
    """Ask about all that is due."""
    total = 0
    while done := await verifier.step():
        total += done
    return total


class Rig:
    """A service of one process, driven step by step."""

    def __init__(
        self, app_url: str, provider: ScriptedProvider | None = None, engine: AsyncEngine | None = None
    ) -> None:
        self._app_url = app_url
        # Seconds that a test let pass in PostgreSQL.
        self.passed = 0.0
        self.provider = provider or ScriptedProvider()
        self.providers = {self.provider.code: self.provider}
        self.engine = engine or make_engine(app_url, pool_size=8, wait_seconds=BUSY_SECONDS)
        auto = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self.vault = Vault(SECRET_KEY)
        self.orders = Orders(auto, self.vault, NO_LIMITS, FRAUD_OFF)
        self.callbacks = Callbacks(auto, self.vault)
        self.queue = CallbackQueue(self.engine, self.vault)
        self.reversals = Reversals(self.engine, auto)
        self.payments = Payments(self.engine, self.vault, PUBLIC_URL, frozenset({"mtn_momo"}))
        self.settlement = Settlement(self.engine, FRAUD_OFF)
        self.inbox = Inbox(self.engine, self.vault)
        self.outbox = Outbox(self.engine, self.vault, PUBLIC_URL, lambda: time.monotonic() + self.passed)
        self.views = OrderViews(self.engine, self.vault)
        self.directory = ContestDirectory(self.engine)
        self.doorbell = SilentDoorbell()
        self.shown: list[tuple[UUID, Sequence[tuple[str, int]]]] = []

    async def open(self) -> "Rig":
        await self.directory.refresh()
        return self

    async def close(self) -> None:
        await self.engine.dispose()

    @property
    def contest(self) -> Contest:
        found = self.directory.by_slug("star")
        assert found is not None
        return found

    async def now(self) -> datetime:
        at: datetime = await self.one("select now()")
        return at

    def vote_request(
        self,
        *,
        number: str = "+2250501020304",
        code: str = "07",
        quantity: int = 5,
        channel: Channel = Channel.USSD,
        key: str | None = None,
        typed: bool = False,
        request_hash: bytes = b"",
    ) -> VoteRequest:
        msisdn = Msisdn(number, "CI")
        return VoteRequest(
            channel=channel,
            key=key or uuid4().hex,
            contest=self.contest,
            candidate_code=code,
            quantity=quantity,
            method=PaymentMethod.MTN,
            payer=msisdn,
            voter=None if typed else msisdn,
            request_hash=request_hash,
        )

    async def place(self, vote_request: VoteRequest) -> PlacedOrder | Refusal:
        at = await self.now()
        return await place_order(
            vote_request,
            orders=self.orders,
            doorbell=self.doorbell,
            rails=RAILS,
            clock=lambda: at,
        )

    async def placed(self, **vote_request: Any) -> PlacedOrder:
        order = await self.place(self.vote_request(**vote_request))
        assert isinstance(order, PlacedOrder), order
        return order

    async def count_until(self, at: str) -> None:
        """Every vote that is not counted yet counts until `at`, in SQL: as the service, nobody may change that."""
        owner = make_url(self._app_url).set(username=OWNER_ROLE).render_as_string(hide_password=False)
        engine = make_engine(owner, pool_size=1, as_app=False)
        async with engine.begin() as connection:
            await connection.execute(
                text(
                    f"update votes v set counts_until = {at} where not exists (select 1 from payments p"
                    " where p.vote_id = v.id and p.status in ('settled', 'held'))"
                )
            )
        await engine.dispose()

    async def new_rules(self, **values: Any) -> None:
        """The contest has other rules from now on."""
        contest = replace(self.contest, **values, _by_code={})
        made = Plan(contest, (), (), (), (), new=False)
        async with self.engine.begin() as connection:
            await write_plan(connection, made, "awa@house.test")
        await self.directory.refresh()

    async def collect(self) -> int:
        collector, total = Collector(self.payments, self.providers), 0
        while done := await collector.step():
            total += done
        return total

    async def callback(self, order: PlacedOrder | None, body: bytes, token: str | None = None) -> None:
        word = token if order is None else self.vault.callback_token(order.payment_reference)
        await self.callbacks.store(IncomingCallback(self.provider.code, word, "POST", {}, body, "127.0.0.1"))

    async def judge(self) -> int:
        return await self.callback_judge().step()

    def callback_judge(self, counting: CountingOnCallbacks | None = None) -> CallbackJudge:
        return CallbackJudge(self.queue, self.payments, self.providers, self.reversals.name, counting)

    async def verify(self) -> int:
        return await asked_all(Verifier(self.payments, self.providers, Unlimited()))

    async def settle(self) -> int:
        async def show(counted: Any) -> None:
            self.shown.extend(counted.items())

        return await settle_payments(settlement=self.settlement, show=show)

    async def settle_all(self) -> int:
        total = 0
        while done := await self.settle():
            total += done
        return total

    async def make_due(self) -> None:
        """Let the time of the next question come."""
        async with self.engine.begin() as connection:
            await connection.execute(
                text("update payments set next_check_at = now(), asked_at = null where next_check_at is not null")
            )

    async def pass_deadline(self) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(text("update payments set expires_at = now() - interval '1 second'"))

    async def status(self, order: PlacedOrder) -> str:
        word: str = await self.one("select status from payments where reference = :r", r=order.payment_reference)
        return word

    async def one(self, statement: str, **parameters: Any) -> Any:
        async with self.engine.connect() as connection:
            return (await connection.execute(text(statement), parameters)).scalar_one()

    async def change(self, statement: str, **values: Any) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(text(statement), values)

    async def rows(self, statement: str, **parameters: Any) -> list[Any]:
        async with self.engine.connect() as connection:
            return list((await connection.execute(text(statement), parameters)).all())

    async def broken(self) -> dict[str, Any]:
        """Invariants that do not hold."""
        return {name: rows for name, rows in await audit_money(self.engine) if rows}
