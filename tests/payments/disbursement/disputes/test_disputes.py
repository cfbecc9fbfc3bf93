"""Money that a card company takes back: from its signed event to the tally, the book and the organiser."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Final, cast
from unittest import mock

import pytest
import stripe
from sqlalchemy import text

from gateway.http.raw_exchange import RawRequest
from gateway.orders.place_order import place_order
from gateway.orders.routing import Rail, Rails
from gateway.orders.rules import PlacedOrder, Refusal, VoteRequest
from gateway.orders.wallet import PaymentMethod
from gateway.runtime.owed_work import OwedWork
from gateway.storage.work import Work
from gateway.values.money import Money
from gateway.values.msisdn import Msisdn
from payments.accounts.calls import Unlimited
from payments.collection.callbacks import IncomingCallback
from payments.collection.collect import Collector
from payments.disbursement.disputes.ask import ask_reversals, sweep_reversals
from payments.disbursement.disputes.reversals import Reversals
from payments.disbursement.disputes.store import ObservedReversal, act_on_lost
from payments.ledger.money_places import MoneyPlaces
from payments.ledger.money_story import tell
from payments.ledger.story_phrases import story_lines as said
from payments.provider import (
    DisputeStatus,
    Failed,
    FoundReversal,
    Hint,
    ListedReversal,
    NotFound,
    PayerReason,
    Rejected,
    Reversed,
    Succeeded,
    Unavailable,
    Unknown,
    Wallet,
)
from payments.providers.stripe.lookups import found_reversal
from payments.providers.stripe.provider import Settings, Stripe
from payments.reconciliation.balances import Balances
from payments.reconciliation.differences import Differences
from payments.reconciliation.rules import Repair
from payments.requests import Act, RequestStatus
from tests.payments.disbursement.payouts.test_pay_out import Desk, PayingProvider
from tests.rails import PAGE, XOF
from tests.rigs.money_rig import Cut, Killed
from tests.sandbox.country import Country

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


class CardDesk(Desk):
    """A service that is paid by card."""

    def __init__(self, app_url: str) -> None:
        super().__init__(app_url)
        self.company = CardCompany(can=replace(self.provider.can, callback_is_proof=True))
        self.provider = self.company
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
    assert (await desk.outcome(), await desk.payable(), await desk.votes_for("07")) == ("hint", (680, 255), 5)
    assert (await desk.places())["disputed"] == 500
    _, transit = await Balances(desk.engine).in_book("stripe", Wallet.COLLECTION, "XOF", from_float=False)
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
    assert await desk.one("select count(*) from callbacks where outcome <> 'hint'") == 0


async def test_what_is_forged_old_or_somebody_elses_changes_nothing(desk: CardDesk) -> None:
    order = await desk.counted()
    before, intent = await desk.everything(), await desk.intent(order)
    lost = {"id": "du_1", "object": "dispute", "amount": 500, "currency": "xof", "status": "lost"}
    mine = desk.event("charge.dispute.closed", {**lost, "payment_intent": intent})
    desk.company.known.clear()
    await desk.post(mine, secret="whsec_of_somebody")
    await desk.post(mine, at=int(time.time()) - 3600)
    await desk.judge()
    await desk.post(desk.event("charge.dispute.closed", {**lost, "payment_intent": "pi_of_another_shop"}))
    await desk.judge()
    assert (await desk.outcome(), await desk.answers()) == ("hint", {"du_1": "unknown payment"})
    assert await desk.everything() == before


def past_us(*parts: int) -> Rejected:
    """Nothing, or less, is left of the charge."""
    made = [Reversed("refunded_past_us", Money(minor, "XOF"), f"re_{n}", "{}") for n, minor in enumerate(parts, 1)]
    return Rejected("charge_already_refunded", PayerReason.OTHER, given_back=tuple(made))


@pytest.mark.parametrize("told_before", [0, 1, 2])
async def test_a_refund_of_what_went_back_past_us_in_parts_is_done(desk: CardDesk, told_before: int) -> None:
    order = await desk.late()
    desk.provider.out_script = [past_us(200, 300)]
    if told_before:
        # Our refund has been sent by then.
        desk.provider.out_script = [Unknown("time-out"), past_us(200, 300)]
        await desk.refund()
        for number, minor in list(enumerate((200, 300), 1))[:told_before]:
            past = {"id": f"re_{number}", "object": "refund", "amount": minor, "currency": "xof", "status": "succeeded"}
            await desk.post(desk.event("refund.created", {**past, "payment_intent": await desk.intent(order)}))
        await desk.judge()
        desk.provider.asked_script = [NotFound("no such refund of the payment")]
        await desk.run("update refunds set not_found_count = 2, not_found_since = now() - interval '70 seconds'")
        await desk.refund_again()
    await desk.refund_again()
    assert [row.status for row in await desk.refunds_of(order)] == ["void"]
    assert (await desk.status(order), await desk.refund_again()) == ("refunded", 0)
    parts = await desk.rows("select effect, reversed_minor from disputes order by operator_reference")
    assert [tuple(part) for part in parts] == [("refund_stopped", 200), ("refund_stopped", 300)]
    assert await Differences(desk.engine).differences() == []
    assert {await desk.on_account(a) for a in ("operator_clearing", "refunds_owed", "operator_fee")} == {0}
    assert (await desk.places())["reversed"] == 500


async def test_a_refund_of_what_went_back_in_part_waits_for_a_person_until_the_rest_went_too(desk: CardDesk) -> None:
    order = await desk.late()
    desk.provider.out_script = [past_us(200)]
    await desk.refund()
    (refund,) = await desk.refunds_of(order)
    assert (refund.status, refund.reason_code) == ("manual", "partly_given_back")
    (found,) = await Differences(desk.engine).differences()
    assert (found.kind, found.amount_minor, await desk.on_account("refunds_owed")) == ("amount", -200, -500)
    assert await desk.broken() == {}
    past = {"id": "re_9", "object": "refund", "amount": 300, "currency": "xof", "status": "succeeded"}
    await desk.post(desk.event("refund.created", {**past, "payment_intent": await desk.intent(order)}))
    await desk.judge()
    assert ([row.status for row in await desk.refunds_of(order)], await desk.status(order)) == (["void"], "refunded")
    assert await Differences(desk.engine).differences() == []


async def test_a_part_that_somebody_decided_about_counts_for_nothing_more(desk: CardDesk) -> None:
    order = await desk.late()
    desk.provider.out_script = [past_us(200), past_us(200, 300)]
    await desk.refund()
    (found,) = await Differences(desk.engine).differences()
    await _accept_the_loss(desk, found.id)
    await desk.run("update refunds set status = 'due', next_try_at = now()")
    await desk.refund()
    (refund,) = await desk.refunds_of(order)
    assert (refund.status, refund.reason_code) == ("manual", "charge_already_refunded")
    (found,) = await Differences(desk.engine).differences()
    assert found.amount_minor == -300


async def test_a_refund_that_is_refused_dies_at_any_statement_and_is_done_once(desk: CardDesk) -> None:
    order = await desk.late()
    desk.provider.out_script = [past_us(200, 300)]
    desk.provider.asked_script = [NotFound("no such refund of the payment")]
    died = 0
    while (await desk.status(order)) != "refunded":
        died += 1
        # An answer that was lost with its process is asked about, and the same is sent again.
        unknown = "not_found_count = 2, not_found_since = now() - interval '70 seconds', send_tries = 1"
        await desk.run(f"update refunds set {unknown} where status = 'sent'")
        with desk.dying_at(died, Cut), suppress(Cut):
            await desk.refund_again()
        assert await desk.broken() == {}
        await act_on_lost(desk.engine)
    assert died > 10
    assert [row.status for row in await desk.refunds_of(order)] == ["void"]
    parts = await desk.rows("select effect, reversed_minor from disputes order by operator_reference")
    assert [tuple(part) for part in parts] == [("refund_stopped", 200), ("refund_stopped", 300)]


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
    (found,) = await Differences(desk.engine).differences()
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
    outcome = await desk.agreed(Act.RECONCILE, difference, {"repair": Repair.OPERATOR_KEPT.value})
    assert outcome.status is RequestStatus.DONE, outcome


async def test_a_part_that_is_lost_takes_no_vote_and_waits_for_a_person(desk: CardDesk) -> None:
    order = await desk.counted()
    await desk.dispute(await desk.intent(order), "lost", amount=200)
    assert (await desk.status(order), await desk.votes_for("07")) == ("settled", 5)
    assert (await desk.effect(), await desk.payable()) == (("lost", "person", 0), (425, 0))
    (found,) = await Differences(desk.engine).differences()
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
    found = await Differences(desk.engine).differences()
    assert [(each.kind, each.amount_minor) for each in found] == [("amount", -200), ("amount", -300), ("amount", 200)]
    assert (await desk.status(order), await desk.votes_for("07")) == ("settled", 5)


async def test_won_after_it_was_lost_is_a_persons(desk: CardDesk) -> None:
    order = await desk.counted()
    intent = await desk.intent(order)
    for status in ("lost", "won", "won"):
        await desk.dispute(intent, status)
    assert (await desk.status(order), await desk.effect()) == ("refunded", ("lost", "taken_back", 500))
    (found,) = await Differences(desk.engine).differences()
    assert (found.kind, found.amount_minor) == ("amount", 500)


async def waiting(desk: CardDesk, provisional: bool) -> None:
    async with desk.engine.begin() as connection:
        await connection.execute(text("update payments set provisional = :p"), {"p": provisional})


async def test_an_event_decides_nothing_and_what_is_read_does(desk: CardDesk) -> None:
    order = await desk.counted()
    lost = {"id": "du_1", "object": "dispute", "amount": 500, "currency": "xof", "status": "lost"}
    said = {**lost, "payment_intent": await desk.intent(order)}
    desk.company.known["du_1"] = {**said, "status": "won"}
    await desk.post(desk.event("charge.dispute.closed", said, invented=True))
    await desk.judge()
    assert (await desk.effect(), await desk.votes_for("07")) == (("won", None, 0), 5)


async def test_what_was_read_before_overtakes_nothing(desk: CardDesk) -> None:
    order = await desk.counted()
    now = await desk.now()
    # Nothing can follow of a loss while the payment waits for its question.
    await waiting(desk, True)
    for dispute_status, seconds in ((DisputeStatus.LOST, 60), (DisputeStatus.WON, 30), (DisputeStatus.LOST, 31)):
        told = Reversed("x", Money(500, "XOF"), "du_1", "{}", dispute_status, at=now - timedelta(seconds=seconds))
        await desk.reversals.record([ObservedReversal("stripe", told, order.payment_reference)])
    assert await desk.effect() == ("won", None, 0)
    again = replace(told, at=now - timedelta(seconds=30))  # of the same instant: the last word
    await desk.reversals.record([ObservedReversal("stripe", again, order.payment_reference)])
    assert await desk.effect() == ("lost", None, 0)
    await waiting(desk, False)


async def test_a_dispute_that_was_invented_takes_nothing_and_is_found(desk: CardDesk) -> None:
    order = await desk.counted()
    before, intent = await desk.everything(), await desk.intent(order)
    lost = {"object": "dispute", "amount": 500, "currency": "xof", "status": "lost", "payment_intent": intent}
    fee = [{"fee": 9000, "currency": "xof"}]
    for number in ("du_x1", "du_x2"):
        told = {**lost, "id": number, "balance_transactions": fee}
        await desk.post(desk.event("charge.dispute.closed", told, invented=True))
    past = {**lost, "id": "re_x", "object": "refund", "status": "succeeded"}
    await desk.post(desk.event("refund.created", past, invented=True))
    await desk.judge()
    assert set((await desk.answers()).values()) == {"not there"}
    assert (await desk.everything(), await desk.payable()) == (before, (425, 425))
    (found,) = await Differences(desk.engine).differences()
    assert (found.kind, found.amount_minor, found.offered) == ("missing_there", 0, (Repair.ACCEPT,))
    assert await desk.look_up() == 0


async def later(desk: CardDesk) -> None:
    """Six minutes pass since the last sweep."""
    await desk.run("update reversal_sweeps set swept_at = now() - interval '6 minutes'")


async def test_a_dispute_whose_events_never_came_is_found_by_a_sweep(desk: CardDesk) -> None:
    order = await desk.counted()
    lost = {"id": "du_1", "object": "dispute", "amount": 500, "currency": "xof", "status": "lost"}
    desk.company.known["du_1"] = {**lost, "payment_intent": await desk.intent(order)}
    desk.company.listed = [ListedReversal("du_1", await desk.now())]
    desk.company.silent = True
    await desk.sweep()
    assert await desk.answers() == {}
    desk.company.silent = False
    await desk.sweep()
    assert len(desk.company.asked_since) == 1, "one sweep in five minutes, whoever asks"
    await later(desk)
    await asyncio.gather(*(desk.sweep() for _ in range(5)))
    assert len(desk.company.asked_since) == 2
    assert await desk.look_up() == 1
    assert (await desk.status(order), await desk.effect()) == ("refunded", ("lost", "taken_back", 500))
    # The next begins a little before this one did; what was read since is not asked about again.
    desk.company.listed = [ListedReversal("du_1", await desk.now() - timedelta(minutes=1))]
    await later(desk)
    await desk.sweep()
    now, (first, second, third) = await desk.now(), desk.company.asked_since
    assert [round((now - at) / timedelta(minutes=30)) for at in (first, second, third)] == [7200, 7200, 1]
    assert await desk.look_up() == 0
    desk.company.listed = [ListedReversal("du_1", await desk.now())]
    await later(desk)
    await desk.sweep()
    assert await desk.look_up() == 1


async def test_one_that_cannot_be_read_now_is_asked_about_again(desk: CardDesk) -> None:
    order = await desk.counted()
    desk.company.silent = True
    await desk.dispute(await desk.intent(order), "lost")
    assert await desk.rows("select 1 from disputes") == []
    (kept,) = await desk.rows("select tries, next_try_at - now() as left, outcome from reversal_questions")
    assert (kept.tries, kept.outcome, 5 < kept.left.total_seconds() <= 10) == (1, None, True)
    assert Work.REVERSALS not in await desk.owed.owed()
    await desk.run("update reversal_questions set next_try_at = now()")
    assert Work.REVERSALS in await desk.owed.owed()
    desk.company.silent = False
    assert await desk.look_up() == 1
    assert await desk.status(order) == "refunded"


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
    while (await desk.status(order)) != "refunded":
        died += 1
        with desk.dying_at(died), suppress(Killed):
            await desk.judge()
        assert await desk.broken() == {}
        # The lease of a process that died ends.
        await desk.run("update reversal_questions set next_try_at = now() where next_try_at is not null")
    assert died > 10
    assert (await desk.status(order), await desk.effect()) == ("refunded", ("lost", "taken_back", 500))
    assert await desk.one("select count(*) from tally_entries") == 2


INVENTED: Final = {
    "id": "du_invented",
    "object": "dispute",
    "amount": 500,
    "currency": "xof",
    "payment_intent": "pi_invented",
    "balance_transactions": [{"fee": 9000, "currency": "xof"}],
    "status": "lost",
}


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

        # An event that somebody invented, and one that never came.
        await country.json("POST", "/stripe/forged_event", json={"type": "charge.dispute.closed", "object": INVENTED})
        await delivered("charge.dispute.closed")
        assert await desk.on_account("operator_fee") == 150
        assert (await desk.answers())["du_invented"] == "not there"
        await country.order(callback={"mode": "none"})
        for number in ("+2250505999901", "+2250505999902"):
            another = await desk.placed(number=number, code="03", quantity=6)
            await Collector(desk.payments, desk.providers).step()
            listed = await country.json(
                "GET", "/stripe/v1/checkout/sessions", headers={"Authorization": "Bearer sk_test_1"}
            )
            page = listed[1]["data"][0]["url"]
            async with country.client.post(page, data=card, allow_redirects=False):
                await desk.run("update payments set next_check_at = now() where status = 'pending'")
                await desk.verify()
            await desk.settle_all()
            assert (await desk.status(another), await desk.votes_for("03")) == ("settled", 6)
            for action in ("dispute", "dispute_lost") if number.endswith("1") else ("refund",):
                async with country.client.post(page, data={"action": action}):
                    await asyncio.sleep(0)
            with mock.patch("payments.providers.stripe.lookups.PAGE_SIZE", 1):
                async with asyncio.timeout(5):
                    while await desk.status(another) != "refunded":
                        await later(desk)
                        await desk.sweep()
                        await desk.look_up()
            assert (await desk.votes_for("03"), country.received) == (0, [])
        assert await desk.broken() == {}
        await company.aclose()
    await desk.close()
