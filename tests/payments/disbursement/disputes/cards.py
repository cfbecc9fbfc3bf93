"""A service that is paid by card, and a card company whose disputes the test decides."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count
from typing import Any, Final

import stripe

from gateway.http.raw_exchange import RawRequest
from gateway.orders.place_order import place_order
from gateway.orders.routing import Rail, Rails
from gateway.orders.rules import PlacedOrder, Refusal, VoteRequest
from gateway.orders.wallet import PaymentMethod
from gateway.runtime.owed_work import OwedWork
from gateway.values.money import Money
from gateway.values.msisdn import Msisdn
from payments.accounts.calls import Unlimited
from payments.collection.callbacks import IncomingCallback
from payments.disbursement.disputes.ask import ask_reversals, sweep_reversals
from payments.disbursement.disputes.reversals import Reversals
from payments.ledger.money_places import MoneyPlaces
from payments.provider import (
    FoundReversal,
    Hint,
    ListedReversal,
    NotFound,
    PayerReason,
    Rejected,
    Reversed,
    Succeeded,
    Unavailable,
)
from payments.providers.stripe.lookups import found_reversal
from payments.providers.stripe.provider import Settings, Stripe
from payments.reconciliation.rules import Repair
from payments.requests import Act, RequestStatus
from tests.rails import PAGE, XOF
from tests.rigs.payout_rig import PayingProvider, PayoutRig

SECRET: Final = "whsec_test_secret"

CARDS: Final = Rails((Rail("stripe", "CI", PaymentMethod.CARD, PAGE, XOF, phone_needed=False),))

AWA: Final = Msisdn("+2250501020304", "CI")

STRIPE: Final = Stripe(Settings.model_validate({"secret_key": "sk_test_1", "webhook_secret": SECRET}))


@dataclass
class CardCompany(PayingProvider):
    """Answers as its scripts say; its events are read as Stripe's are. `known`: its disputes and refunds past us, as
    they stand; `listed`: what its lists name."""

    code: str = "stripe"
    reader: Stripe = field(default_factory=lambda: STRIPE)
    known: dict[str, Mapping[str, object]] = field(default_factory=dict)
    listed: list[ListedReversal] = field(default_factory=list)
    asked_since: list[datetime] = field(default_factory=list)
    silent: bool = False

    async def reversal(self, number: str) -> FoundReversal | NotFound | Unavailable:
        if self.silent:
            return Unavailable("503")
        return found_reversal(self.known[number]) if number in self.known else NotFound("404 resource_missing")

    async def reversals_since(self, since: datetime) -> Sequence[ListedReversal] | Unavailable:
        self.asked_since.append(since)
        return Unavailable("503") if self.silent else self.listed

    def parse_callback(self, request: RawRequest, secrets: Mapping[str, str]) -> tuple[Hint, ...]:
        return self.reader.parse_callback(request, secrets)


class CardRig(PayoutRig):
    """A service that is paid by card."""

    def __init__(self, app_url: str) -> None:
        super().__init__(app_url)
        self.provider = self.company = CardCompany(can=self.provider.can)
        self.providers = {self.provider.code: self.provider}
        auto = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self.reversals, self.owed = Reversals(self.engine, auto), OwedWork(auto)
        self._numbers = count(1)
        self._events = count(1)

    async def place(self, vote_request: VoteRequest) -> PlacedOrder | Refusal:
        voter = AWA if vote_request.payer == AWA else None
        card = replace(vote_request, method=PaymentMethod.CARD, payer=None, voter=voter)
        at = await self.now()
        return await place_order(card, orders=self.orders, doorbell=self.doorbell, rails=CARDS, clock=lambda: at)

    async def confirmed(self, **vote_request: Any) -> PlacedOrder:
        order = await self.placed(**{"number": "+2250505999998", **vote_request})
        await self.collect()
        self.provider.query_script = [Succeeded(order.amount, f"pi_{next(self._numbers)}", "{}")]
        await self.make_due()
        await self.verify()
        assert await self.status(order) == "confirmed"
        return order

    async def intent(self, order: PlacedOrder) -> str:
        number: str = await self.one(
            "select provider_reference from payments where reference = :r", r=order.payment_reference
        )
        return number

    async def judge(self) -> int:
        judged = await super().judge()
        await self.look_up()
        return judged

    async def look_up(self) -> int:
        return await ask_reversals(reversals=self.reversals, providers=self.providers, budget=Unlimited())

    async def sweep(self) -> None:
        await sweep_reversals(reversals=self.reversals, providers=self.providers)

    def event(self, kind: str, found: Mapping[str, object], *, invented: bool = False) -> bytes:
        """What happened there, unless it is invented, and the event about it."""
        if not invented:
            self.company.known[str(found["id"])] = found
        number = f"evt_{next(self._events)}"
        whole = {"id": number, "object": "event", "type": kind, "livemode": False, "data": {"object": found}}
        return json.dumps(whole).encode()

    async def post(self, body: bytes, *, secret: str = SECRET, at: int | None = None) -> None:
        header = stripe.WebhookSignature.generate_signature_header(body.decode(), secret, at or int(time.time()))
        heads = {"stripe-signature": header}
        await self.callbacks.store(IncomingCallback("stripe", None, "POST", heads, body, "127.0.0.1"))

    async def dispute(self, intent: str, status: str, **more: object) -> None:
        """Stripe posts how a dispute stands, and it is judged."""
        found = {
            "id": f"du_{intent}",
            "object": "dispute",
            "amount": 500,
            "currency": "xof",
            "payment_intent": intent,
            "reason": "fraudulent",
            "status": status,
            **more,
        }
        kind = "closed" if status in ("won", "lost") else "created"
        await self.post(self.event(f"charge.dispute.{kind}", found))
        await self.judge()

    async def payable(self) -> tuple[int, int | None]:
        """What is owed to the organiser by the book, and what of it may be paid out now."""
        found = await self.payout_acts.position("star", None)
        return found.owed_minor, found.payable_minor

    async def outcome(self) -> str:
        """What the latest callback came to."""
        word: str = await self.one("select outcome from callbacks order by id desc limit 1")
        return word

    async def answers(self) -> dict[str, str | None]:
        """What asking about each came to."""
        return {row.number: row.outcome for row in await self.rows("select number, outcome from reversal_questions")}

    async def effect(self) -> tuple[str, str | None, int]:
        (row,) = await self.rows("select status, effect, reversed_minor from disputes")
        return row.status, row.effect, row.reversed_minor

    async def places(self) -> dict[str, int]:
        """Where the contest's francs are."""
        found = await MoneyPlaces(self.engine, self.vault).of_contest("star")
        return {place.place: place.amount.amount_minor for place in found}

    async def everything(self) -> list[Any]:
        """All that a callback could change, but itself."""
        tables = ("payments", "payment_events", "evidence", "tally_entries", "candidate_totals", "postings", "refunds")
        return [await self.rows(f"select * from {table} order by 1, 2") for table in (*tables, "disputes")]


async def accept_the_loss(rig: CardRig, difference: int) -> None:
    outcome = await rig.agreed(Act.RECONCILE, difference, {"repair": Repair.OPERATOR_KEPT.value})
    assert outcome.status is RequestStatus.DONE, outcome


async def later(rig: CardRig) -> None:
    """Six minutes pass since the last sweep."""
    await rig.run("update reversal_sweeps set swept_at = now() - interval '6 minutes'")


def past_us(*parts: int) -> Rejected:
    """Nothing, or less, is left of the charge."""
    made = [Reversed("refunded_past_us", Money(minor, "XOF"), f"re_{n}", "{}") for n, minor in enumerate(parts, 1)]
    return Rejected("charge_already_refunded", PayerReason.OTHER, refunded=tuple(made))
