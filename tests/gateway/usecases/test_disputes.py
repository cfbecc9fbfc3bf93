"""Money that a card company takes back: from its signed event to the tally, the book and the organiser."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any, Final, cast

import pytest
import stripe
from sqlalchemy import text

from gateway.domain.money import Money
from gateway.domain.money_story import tell
from gateway.domain.msisdn import Msisdn
from gateway.domain.order import PlacedOrder, Refusal, Wish
from gateway.domain.reconciliation import Repair
from gateway.domain.routing import Rail, Rails
from gateway.domain.wallet import PaymentMethod
from gateway.http.money_story import told as said
from gateway.ports.house import IncomingCallback
from gateway.ports.payment_provider import Failed, Hint, PayerReason, Succeeded, Unknown, Wallet
from gateway.ports.raw_exchange import RawRequest
from gateway.storage.balances import PostgresBalances
from gateway.storage.differences import PostgresDifferences
from gateway.storage.disputes import act_on_lost
from gateway.storage.money_places import MoneyPlaces
from gateway.usecases.collect_payments import Collector
from gateway.usecases.place_order import place_order
from payments.providers.stripe import Settings, Stripe
from tests.gateway.money_rig import Killed
from tests.gateway.usecases.test_pay_out import Desk, PayingProvider
from tests.payments.sandbox.country import Country
from tests.rails import PAGE, XOF

SECRET: Final = "whsec_test_secret"
CARDS: Final = Rails((Rail("stripe", "CI", PaymentMethod.CARD, PAGE, XOF, phone_needed=False),))
AWA: Final = Msisdn("+2250501020304", "CI")
STRIPE: Final = Stripe(Settings.model_validate({"secret_key": "sk_test_1", "webhook_secret": SECRET}))


@dataclass
class CardCompany(PayingProvider):
    """Answers as its scripts say; its events are read as Stripe's are."""

    code: str = "stripe"
    reader: Stripe = field(default_factory=lambda: STRIPE)

    def parse_callback(self, request: RawRequest, secrets: Mapping[str, str]) -> tuple[Hint, ...]:
        return self.reader.parse_callback(request, secrets)


class CardDesk(Desk):
    """A house that is paid by card."""

    def __init__(self, app_url: str) -> None:
        super().__init__(app_url)
        self.provider = CardCompany(can=replace(self.provider.can, callback_is_proof=True))
        self.providers = {self.provider.code: self.provider}
        self._numbers = count(1)
        self._events = count(1)

    async def place(self, wish: Wish) -> PlacedOrder | Refusal:
        voter = AWA if wish.payer == AWA else None
        card = replace(wish, method=PaymentMethod.CARD, payer=None, voter=voter)
        at = await self.now()
        return await place_order(card, orders=self.orders, doorbell=self.doorbell, rails=CARDS, clock=lambda: at)

    async def confirmed(self, **wish: Any) -> PlacedOrder:
        order = await self.placed(**{"number": "+2250505999998", **wish})
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

    def event(self, kind: str, found: Mapping[str, object]) -> bytes:
        number = f"evt_{next(self._events)}"
        told = {"id": number, "object": "event", "type": kind, "livemode": False, "data": {"object": found}}
        return json.dumps(told).encode()

    async def post(self, body: bytes, *, secret: str = SECRET, at: int | None = None) -> None:
        header = stripe.WebhookSignature.generate_signature_header(body.decode(), secret, at or int(time.time()))
        heads = {"stripe-signature": header}
        await self.callbacks.store(IncomingCallback("stripe", None, "POST", heads, body, "127.0.0.1"))

    async def dispute(self, intent: str, status: str, *, said: int | None = None, **more: object) -> None:
        """Stripe posts how a dispute stands, and it is judged. `said`: the second of the event."""
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
        body = self.event(f"charge.dispute.{kind}", found)
        await self.post(body if said is None else json.dumps({**json.loads(body), "created": said}).encode())
        await self.judge()

    async def payable(self) -> tuple[int, int]:
        """What is owed to the organiser by the book, and what of it may be paid out now."""
        found = (await self.desk.position("star")).position
        return found.owed_minor, found.payable_minor

    async def outcome(self) -> str:
        """What the latest callback came to."""
        word: str = await self.one("select outcome from callbacks order by id desc limit 1")
        return word

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


@pytest.fixture
async def desk(database: Any) -> AsyncIterator[CardDesk]:
    rig = CardDesk(database.app_url)
    await rig.open()
    await rig.charge_fees()
    yield rig
    try:
        assert await rig.broken() == {}
    finally:
        await rig.close()


async def test_opened_nothing_is_paid_out_and_lost_the_votes_leave(desk: CardDesk) -> None:
    order = await desk.counted()
    kept = await desk.counted(code="03", quantity=3)
    intent = await desk.intent(order)
    assert await desk.payable() == (680, 680)
    await desk.dispute(intent, "needs_response")
    assert (await desk.outcome(), await desk.payable(), await desk.votes_for("07")) == ("proof", (680, 255), 5)
    assert (await desk.places())["disputed"] == 500
    _, transit = await PostgresBalances(desk.engine).in_book("stripe", Wallet.COLLECTION, "XOF", from_float=False)
    assert transit.leaving == 500
    fee = [{"fee": 150, "currency": "xof"}]
    await desk.dispute(intent, "lost", balance_transactions=fee)
    assert (await desk.status(order), await desk.status(kept)) == ("refunded", "settled")
    assert (await desk.votes_for("07"), await desk.votes_for("03"), await desk.payable()) == (0, 3, (255, 255))
    assert await desk.effect() == ("lost", "taken_back", 500)
    accounts = ("operator_clearing", "operator_fee", "platform_fee", "sales", "refunds_owed")
    assert [await desk.on_account(account) for account in accounts] == [300 - 150, 150, -45, -300, 0]
    assert await desk.one("select count(*) from refunds") == 0
    (entry,) = await desk.rows("select * from tally_entries where kind = 'adjustment'")
    assert (entry.quantity, entry.reason) == (-5, "the payment was reversed at the operator")
    view = await desk.views.order(order.vote_id)
    assert view is not None
    assert (view.status, view.reason) == ("REFUNDED", "reversed")
    places = await desk.places()
    assert (places["reversed"], "disputed" in places) == (500, False)
    assert await desk.rows("select 1 from messages_out where kind = 'votes_withdrawn'") == []


async def test_whoever_can_be_reached_is_told(desk: CardDesk) -> None:
    order = await desk.counted(number=AWA.e164)
    await desk.dispute(await desk.intent(order), "lost")
    (told,) = await desk.rows("select recipient_index, params from messages_out where kind = 'votes_withdrawn'")
    assert (bytes(told.recipient_index), told.params) == (desk.vault.index(AWA.e164), {"reason": "reversed"})
    (attempt,) = await MoneyPlaces(desk.engine, desk.vault).of_number(AWA.e164)
    assert tell(attempt)[0].key == "now_reversed"
    joined = "\n".join(said(tell(attempt), "en"))
    assert "stripe took the money back from us: dispute_lost du_pi_1." in joined


async def test_a_dispute_that_is_won_leaves_everything_as_it_was(desk: CardDesk) -> None:
    order = await desk.counted()
    intent = await desk.intent(order)
    fee = {"fee": 150, "currency": "xof"}
    await desk.dispute(intent, "needs_response", balance_transactions=[fee])
    assert (await desk.payable(), await desk.on_account("operator_fee")) == ((425, 0), 150)
    await desk.dispute(intent, "won", balance_transactions=[fee, {"fee": -150, "currency": "xof"}])
    assert (await desk.status(order), await desk.votes_for("07")) == ("settled", 5)
    assert (await desk.payable(), await desk.on_account("operator_fee")) == ((425, 425), 0)
    assert await desk.effect() == ("won", None, 0)


async def test_lost_before_it_was_opened_and_told_twenty_times_at_once(desk: CardDesk) -> None:
    order = await desk.counted()
    intent = await desk.intent(order)
    lost = {"id": "du_1", "object": "dispute", "amount": 500, "currency": "xof", "payment_intent": intent}
    for _ in range(20):
        await desk.post(desk.event("charge.dispute.closed", {**lost, "status": "lost"}))
    await asyncio.gather(*(desk.judge() for _ in range(5)))
    await desk.dispute(intent, "needs_response", id="du_1")
    assert await desk.effect() == ("lost", "taken_back", 500)
    assert (await desk.status(order), await desk.votes_for("07")) == ("refunded", 0)
    assert await desk.one("select count(*) from tally_entries") == 2
    assert await desk.one("select count(*) from dispute_events") == 1
    assert await desk.one("select count(*) from callbacks where outcome <> 'proof'") == 0


async def test_what_is_forged_old_or_somebody_elses_changes_nothing(desk: CardDesk) -> None:
    order = await desk.counted()
    before, intent = await desk.everything(), await desk.intent(order)
    lost = {"id": "du_1", "object": "dispute", "amount": 500, "currency": "xof", "status": "lost"}
    mine = desk.event("charge.dispute.closed", {**lost, "payment_intent": intent})
    await desk.post(mine, secret="whsec_of_somebody")
    await desk.post(mine, at=int(time.time()) - 3600)
    await desk.judge()
    await desk.post(desk.event("charge.dispute.closed", {**lost, "payment_intent": "pi_of_another_shop"}))
    await desk.judge()
    assert await desk.outcome() == "unknown reference"
    assert await desk.everything() == before


async def test_a_payment_of_another_operator_is_not_ours_to_lose(desk: CardDesk) -> None:
    order = await desk.counted()
    await desk.run("update payments set provider = 'wave'")
    await desk.dispute("pi_1", "lost", metadata={"payment_id": str(order.payment_reference)})
    await desk.dispute("pi_1", "lost", id="du_2")
    assert await desk.one("select count(*) from disputes") == 0
    await desk.run("update payments set provider = 'stripe'")


async def test_a_refund_in_the_operators_dashboard_is_lost_at_once(desk: CardDesk) -> None:
    order = await desk.counted()
    refund = {"id": "re_1", "object": "refund", "amount": 500, "currency": "xof", "status": "succeeded"}
    past = {**refund, "payment_intent": await desk.intent(order), "metadata": {}}
    for kind in ("refund.created", "charge.refund.updated"):
        await desk.post(desk.event(kind, past))
        await desk.judge()
    assert (await desk.status(order), await desk.effect()) == ("refunded", ("lost", "taken_back", 500))
    assert await desk.votes_for("07") == 0


@pytest.mark.parametrize("wait", ["confirmed", "held", "late"])
async def test_a_payment_that_does_not_count_leaves_the_book(desk: CardDesk, wait: str) -> None:
    order = await getattr(desk, wait)()
    await desk.dispute(await desk.intent(order), "lost")
    assert await desk.status(order) == "refunded"
    assert await desk.effect() == ("lost", "refund_stopped" if wait == "late" else "taken_back", 500)
    assert {await desk.on_account(a) for a in ("operator_clearing", "held_funds", "refunds_owed", "sales")} == {0}
    assert [row.status for row in await desk.refunds_of(order)] == (["void"] if wait == "late" else [])
    assert await desk.settle_all() == await desk.refund_again() == 0


async def test_a_refund_on_its_way_is_waited_for_and_money_that_went_twice_is_a_persons(desk: CardDesk) -> None:
    order = await desk.late()
    await desk.refund()
    await desk.dispute(await desk.intent(order), "lost")
    assert await desk.effect() == ("lost", None, 0)
    assert (await act_on_lost(desk.engine), await desk.status(order)) == (0, "refund_due")
    desk.provider.outgoing_script = desk.provider.asked_script = [Succeeded(Money(500, "XOF"), "re_1", "{}")]
    await desk.refund_again()
    assert (await act_on_lost(desk.engine), await act_on_lost(desk.engine)) == (1, 0)
    assert (await desk.status(order), await desk.effect()) == ("refunded", ("lost", "twice", 0))
    (found,) = await PostgresDifferences(desk.engine).differences()
    assert (found.kind, found.amount_minor, found.reference) == ("double", -500, order.payment_reference)
    await _accept_the_loss(desk, found.id)
    assert await desk.on_account("operator_fee") == 500


async def test_a_refund_that_failed_is_not_sent_again(desk: CardDesk) -> None:
    order = await desk.late()
    desk.provider.out_script = [Unknown("time-out")]
    await desk.refund()
    await desk.dispute(await desk.intent(order), "lost")
    desk.provider.asked_script = [Failed("charge_for_pending_refund_disputed", PayerReason.OTHER, "{}")]
    await desk.refund_again()
    assert (await act_on_lost(desk.engine), await desk.refund_again()) == (1, 0)
    assert [row.status for row in await desk.refunds_of(order)] == ["void", "void"]
    assert await desk.effect() == ("lost", "refund_stopped", 500)


async def _accept_the_loss(desk: CardDesk, difference: int) -> None:
    await PostgresDifferences(desk.engine).repair(
        difference, Repair.OPERATOR_KEPT, person="awa@house.test", reason="a loss of ours", operator_reference=None
    )


async def test_a_part_that_is_lost_takes_no_vote_and_waits_for_a_person(desk: CardDesk) -> None:
    order = await desk.counted()
    await desk.dispute(await desk.intent(order), "lost", amount=200)
    assert (await desk.status(order), await desk.votes_for("07")) == ("settled", 5)
    assert (await desk.effect(), await desk.payable()) == (("lost", "person", 0), (425, 0))
    (found,) = await PostgresDifferences(desk.engine).differences()
    assert (found.kind, found.amount_minor) == ("amount", -200)
    assert await desk.broken() == {}
    await _accept_the_loss(desk, found.id)
    assert await desk.payable() == (425, 425)
    assert (await desk.on_account("operator_clearing"), await desk.on_account("operator_fee")) == (300, 200)


async def test_each_part_that_is_lost_and_each_that_comes_again_is_written_down(desk: CardDesk) -> None:
    order = await desk.counted()
    intent = await desk.intent(order)
    for number, amount, status in (("du_1", 200, "lost"), ("du_2", 300, "lost"), ("du_1", 200, "won")):
        await desk.dispute(intent, status, id=number, amount=amount)
    found = await PostgresDifferences(desk.engine).differences()
    assert [(each.kind, each.amount_minor) for each in found] == [("amount", -200), ("amount", -300), ("amount", 200)]
    assert (await desk.status(order), await desk.votes_for("07")) == ("settled", 5)


async def test_won_after_it_was_lost_is_a_persons(desk: CardDesk) -> None:
    order = await desk.counted()
    intent = await desk.intent(order)
    for status in ("lost", "won", "won"):
        await desk.dispute(intent, status)
    assert (await desk.status(order), await desk.effect()) == ("refunded", ("lost", "taken_back", 500))
    (found,) = await PostgresDifferences(desk.engine).differences()
    assert (found.kind, found.amount_minor) == ("amount", 500)


async def waiting(desk: CardDesk, provisional: bool) -> None:
    async with desk.engine.begin() as connection:
        await connection.execute(text("update payments set provisional = :p"), {"p": provisional})


async def test_what_was_said_before_overtakes_nothing(desk: CardDesk) -> None:
    order = await desk.counted()
    intent, now = await desk.intent(order), int(time.time())
    # Nothing can follow of a loss while the payment waits for its question.
    await waiting(desk, True)
    for status, second in (("lost", now - 60), ("won", now - 30), ("lost", now - 60), ("lost", now - 31)):
        await desk.dispute(intent, status, said=second)
    assert await desk.effect() == ("won", None, 0)
    await desk.dispute(intent, "lost", said=now - 30)  # of the same second: the last word
    assert await desk.effect() == ("lost", None, 0)
    await waiting(desk, False)


async def test_lost_before_we_knew_of_the_money(desk: CardDesk) -> None:
    order = await desk.placed(number="+2250505999998")
    await desk.collect()
    await desk.dispute("pi_1", "lost", metadata={"payment_id": str(order.payment_reference)})
    assert (await desk.effect(), await desk.status(order)) == (("lost", None, 0), "pending")
    desk.provider.query_script = [Succeeded(order.amount, "pi_1", "{}")]
    await desk.verify()  # the event made it due
    assert await desk.status(order) == "confirmed"
    await desk.settle_all()
    assert await act_on_lost(desk.engine) == 1
    assert (await desk.status(order), await desk.votes_for("07")) == ("refunded", 0)


async def test_killed_at_every_statement_it_acts_once(desk: CardDesk) -> None:
    order = await desk.counted()
    await desk.dispute(await desk.intent(order), "needs_response")
    lost = {"id": "du_pi_1", "object": "dispute", "amount": 500, "currency": "xof", "payment_intent": "pi_1"}
    await desk.post(desk.event("charge.dispute.closed", {**lost, "status": "lost"}))
    died = 0
    for statement in count(1):
        with desk.dying_at(statement):
            try:
                await desk.judge()
                break
            except Killed:
                died += 1
                assert await desk.broken() == {}
    assert died > 10
    assert (await desk.status(order), await desk.effect()) == ("refunded", ("lost", "taken_back", 500))
    assert await desk.one("select count(*) from tally_entries") == 2


async def test_from_the_checkout_to_the_lost_dispute_over_http(database: Any, tmp_path: Path) -> None:
    """The imitated company, its page, its signed events, the real provider, PostgreSQL."""
    issued = {"secret_key": "sk_test_1", "webhook_secret": SECRET, "webhook_url": "{gateway}/api/webhooks/stripe"}
    desk = CardDesk(database.app_url)
    await desk.open()
    async with Country(tmp_path, {"stripe": issued}) as country:
        await country.order(dispute_fee=150)
        base = str(country.client._base_url).rstrip("/") + "/stripe"
        company = Stripe(
            Settings.model_validate({"base_url": base, "secret_key": "sk_test_1", "webhook_secret": SECRET})
        )
        desk.providers = cast(Any, {"stripe": company})

        async def delivered(kind: str) -> None:
            await country.until(lambda: kind in [body["type"] for body in country.bodies("/api/webhooks/stripe")])
            for told in country.received:
                heads = dict(told.headers)
                await desk.callbacks.store(IncomingCallback("stripe", None, "POST", heads, told.body, "127.0.0.1"))
            country.received.clear()
            await desk.judge()

        order = await desk.placed(number="+2250505999998")
        await Collector(desk.payments, desk.providers).step()
        listed = await country.json(
            "GET", "/stripe/v1/checkout/sessions", headers={"Authorization": "Bearer sk_test_1"}
        )
        page = listed[1]["data"][0]["url"]
        card = {"number": "4242424242424242", "expiry": "12/48", "cvc": "123", "action": "pay"}
        async with country.client.post(page, data=card, allow_redirects=False) as paid:
            assert paid.status == 303
        await delivered("checkout.session.completed")
        await desk.verify()
        await desk.settle_all()
        assert (await desk.status(order), await desk.votes_for("07")) == ("settled", 5)
        for action, event in (("dispute", "created"), ("dispute_lost", "closed")):
            async with country.client.post(page, data={"action": action}):
                await delivered(f"charge.dispute.{event}")
        assert (await desk.status(order), await desk.votes_for("07")) == ("refunded", 0)
        assert (await desk.effect(), await desk.on_account("operator_fee")) == (("lost", "taken_back", 500), 150)
        assert await desk.broken() == {}
        await company.aclose()
    await desk.close()
