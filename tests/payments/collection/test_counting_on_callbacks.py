"""Counting on a callback with the question asked later: a payment's whole life, on a real PostgreSQL."""

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs

from gateway.http.raw_exchange import RawRequest
from gateway.orders.receipt import order_code
from gateway.orders.rules import PlacedOrder
from gateway.runtime.owed_work import OwedWork
from gateway.storage.doorbell import Work
from gateway.values.network import read_networks
from payments.accounts.calls import Unlimited
from payments.collection.callbacks import IncomingCallback
from payments.collection.count_on_callback import AskedLater, CountingOnCallbacks
from payments.collection.observations import Observation
from payments.collection.provisional_rules import Policy
from payments.collection.provisional_store import ProvisionalPayments
from payments.collection.verify import Verifier
from payments.disbursement.disputes.store import ObservedReversal, act_on_lost, record_reversals
from payments.ledger.money_places import MoneyPlaces
from payments.lifecycle import Actor, Observed
from payments.provider import Failed, Hint, NotFound, PayerReason, Reversed, StillOpen, Succeeded
from payments.providers.mtn_momo.provider import read_claims
from payments.requests import Act, ActRefused
from tests.rigs.money_rig import ASKER, REASON, MoneyRig
from tests.rigs.rig import PUBLIC_URL, asked_all
from tests.rigs.scripted_provider import ScriptedProvider, paid

THEIRS, ANYWHERE = "212.88.125.100", "203.0.113.9"
POLICY = Policy(2, read_networks("212.88.125.0/24"))
OTHERS = 3
PAYER = "+2250501020304"


class ClaimingProvider(ScriptedProvider):
    """Reads callbacks as MTN's are read."""

    def parse_callback(self, request: RawRequest, secrets: Mapping[str, str]) -> tuple[Hint, ...]:
        body = orjson.loads(request.body)
        return (Hint(body["status"], body["externalId"], claims=read_claims(body)),)


class CountingRig(MoneyRig):
    """A service that counts on callbacks of one account, while more than two seconds of questions are due."""

    policies: Mapping[str, Policy] = {"mtn_momo": POLICY}

    def __init__(self, app_url: str) -> None:
        super().__init__(app_url, ClaimingProvider())
        self.provisional = ProvisionalPayments(self.engine, self.vault, PUBLIC_URL)
        self.later = AskedLater(self.provisional, self.payments, self.show)

    async def judge(self) -> int:
        counting = CountingOnCallbacks(self.provisional, self.policies, dict.fromkeys(self.policies, 1.0))
        return await self.callback_judge(counting).step()

    async def verify(self) -> int:
        self.later = AskedLater(self.provisional, self.payments, self.show)
        return await asked_all(Verifier(self.payments, self.providers, Unlimited(), later=self.later))

    async def behind(self, **vote_request: Any) -> PlacedOrder:
        """An order that the payer was asked for, while three others wait for a question."""
        for number in range(OTHERS):
            await self.placed(number=f"+22505010203{number:02d}", code="03")
        await self.collect()
        await self.make_due()
        order = await self.placed(number=PAYER, **vote_request)
        await self.collect()
        return order

    async def call_back(self, order: PlacedOrder, *, remote: str = THEIRS, named: bool = True, **changed: Any) -> None:
        """What MTN would send, but for what is changed."""
        payer = {"partyIdType": "MSISDN", "partyId": changed.pop("payer", PAYER[1:])}
        body = {
            "financialTransactionId": "1427013986",
            "externalId": order_code(order.payment_reference),
            "amount": str(order.amount.amount_minor),
            "currency": order.amount.currency,
            "payer": payer,
            "status": "SUCCESSFUL",
            **changed,
        }
        token = self.vault.callback_token(order.payment_reference) if named else None
        call = IncomingCallback("mtn_momo", token, "PUT", {}, orjson.dumps(body), remote)
        await self.callbacks.store(call)
        await self.judge()

    async def counted_on(self, **vote_request: Any) -> PlacedOrder:
        """An order that counts on its callback, with all others out of the way."""
        order = await self.behind(**vote_request)
        await self.call_back(order)
        assert await self.marked(order)
        await self.settle_all()
        assert await self.status(order) == "settled"
        await self.change("update payments set next_check_at = now() + interval '1 hour' where status = 'pending'")
        return order

    async def marked(self, order: PlacedOrder) -> bool:
        found: bool = await self.one("select provisional from payments where reference = :r", r=order.payment_reference)
        return found

    async def outcomes(self) -> list[str]:
        return [row.outcome for row in await self.rows("select outcome from callbacks order by id")]


@pytest.fixture
async def rig(database: Any) -> AsyncIterator[CountingRig]:
    made = CountingRig(database.app_url)
    await made.open()
    await made.charge_fees()
    yield made
    try:
        assert await made.broken() == {}
    finally:
        await made.close()


async def test_unless_an_account_says_so_a_callback_is_a_hint(rig: CountingRig) -> None:
    rig.policies = {}
    order = await rig.behind()
    await rig.call_back(order)
    assert (await rig.outcomes(), await rig.status(order), await rig.marked(order)) == (["hint"], "pending", False)
    assert await rig.settle_all() == 0


async def test_callbacks_are_not_counted_on_while_questions_are_few(rig: CountingRig) -> None:
    order = await rig.placed()
    await rig.collect()
    await rig.call_back(order)
    assert (await rig.outcomes(), await rig.status(order)) == (["hint"], "pending")


@pytest.mark.parametrize(
    ("forged", "why"),
    [
        ({"remote": ANYWHERE}, "foreign_source"),
        ({"amount": "499"}, "other_amount"),
        ({"currency": "XAF"}, "other_currency"),
        ({"payer": "2250501020305"}, "other_payer"),
        ({"externalId": "SPOTHER0123ABC"}, "other_reference"),
    ],
)
async def test_a_forged_callback_never_counts(rig: CountingRig, forged: dict[str, Any], why: str) -> None:
    order = await rig.behind()
    with capture_logs() as lines:
        await rig.call_back(order, **forged)
    assert (await rig.outcomes(), await rig.status(order), await rig.marked(order)) == (["hint"], "pending", False)
    assert [(line["why"], line["log_level"]) for line in lines if "why" in line] == [(why, "warning")]


async def test_a_callback_without_the_secret_never_counts(rig: CountingRig) -> None:
    order = await rig.behind()
    await rig.call_back(order, named=False)
    await rig.call_back(order, status="FAILED")
    await rig.call_back(order, status="FAILED")
    assert (await rig.outcomes(), await rig.status(order)) == (["hint"] * 3, "pending")
    # Neither a repeat of what was not counted on, nor one about what failed.
    await rig.change("update payments set status = 'failed' where reference = :r", r=order.payment_reference)
    await rig.call_back(order)
    assert await rig.status(order) == "failed"
    await rig.change("update payments set status = 'pending' where reference = :r", r=order.payment_reference)
    await rig.call_back(order)
    assert await rig.status(order) == "pending"


async def test_counted_on_and_proved_later(rig: CountingRig) -> None:
    order = await rig.counted_on()
    assert await rig.outcomes() == ["provisional"]
    assert await rig.votes_for("07") == 5
    assert await rig.broken() == {}
    places = {
        place.place: place.amount.amount_minor for place in await MoneyPlaces(rig.engine, rig.vault).of_contest("star")
    }
    assert (places["counted"], places["provisional"]) == (500, 500)
    assert Work.VERIFY in await OwedWork(rig.engine).owed()
    rig.provider.query_script = [StillOpen("PENDING"), paid()]
    assert await rig.verify() == 1
    assert await rig.marked(order)
    assert await rig.verify() == 0, "asked again before its time"
    await rig.make_due()
    await rig.change("update payments set next_check_at = now() + interval '1 hour' where status = 'pending'")
    assert await rig.verify() == 1
    assert (await rig.marked(order), await rig.status(order), await rig.votes_for("07")) == (False, "settled", 5)
    assert Work.VERIFY not in await OwedWork(rig.engine).owed()
    story = await rig.rows(
        "select seen, to_status from payment_events where reference = :r order by id", r=order.payment_reference
    )
    assert [tuple(step) for step in story][-3:] == [
        ("succeeded", "confirmed"),
        ("counts", "settled"),
        ("proved", "settled"),
    ]
    sources = await rig.rows("select source from evidence where reference = :r order by id", r=order.payment_reference)
    assert [row.source for row in sources] == ["callback_provisional", "status"]


async def test_two_callbacks_at_once_count_once(rig: CountingRig) -> None:
    order = await rig.behind()
    for transaction in ("1", "2"):
        token = rig.vault.callback_token(order.payment_reference)
        body = {
            "externalId": order_code(order.payment_reference),
            "amount": "500",
            "currency": "XOF",
            "payer": {"partyIdType": "MSISDN", "partyId": PAYER[1:]},
            "status": "SUCCESSFUL",
            "financialTransactionId": transaction,
        }
        await rig.callbacks.store(IncomingCallback("mtn_momo", token, "POST", {}, orjson.dumps(body), THEIRS))
    await rig.judge()
    assert sorted(await rig.outcomes()) == ["hint", "provisional"]
    await rig.settle_all()
    assert await rig.votes_for("07") == 5


async def test_denied_later_the_votes_leave_and_nothing_is_owed(rig: CountingRig) -> None:
    order = await rig.counted_on()
    rig.shown.clear()
    rig.provider.query_script = [Failed("APPROVAL_REJECTED", PayerReason.DECLINED, "{}")]
    with capture_logs() as lines:
        await rig.verify()
    assert [line["log_level"] for line in lines if line["event"] == "callback_was_not_true"] == ["error"]
    assert (await rig.status(order), await rig.marked(order), await rig.votes_for("07")) == ("failed", False, 0)
    assert rig.shown == [(rig.contest.id, (("07", -5),))]
    assert [await rig.on_account(a) for a in ("operator_clearing", "organiser_payable", "platform_fee")] == [0, 0, 0]
    assert await rig.refunds_of(order) == []
    entries = await rig.rows("select kind, quantity, reason from tally_entries order by seq")
    assert [(row.kind, row.quantity) for row in entries] == [("vote", 5), ("adjustment", -5)]
    assert entries[1].reason == "the operator does not confirm the payment"
    texts = await rig.rows("select kind from messages_out where payment_reference = :r", r=order.payment_reference)
    assert {row.kind for row in texts} == {"receipt", "payment_failed"}
    # The operator finds the money after all: it cannot be counted twice, so it goes back.
    rig.provider.query_script = [paid()]
    await rig.change("update payments set next_check_at = now() where reference = :r", r=order.payment_reference)
    await rig.verify()
    await rig.settle_all()
    assert (await rig.status(order), await rig.votes_for("07")) == ("refund_due", 0)
    assert [refund.amount_minor for refund in await rig.refunds_of(order)] == [500]


async def test_another_amount_later_takes_the_votes_out_and_is_refunded(rig: CountingRig) -> None:
    order = await rig.counted_on()
    rig.provider.query_script = [Succeeded(paid(400).received, "op-9", "{}")]
    await rig.verify()
    assert (await rig.status(order), await rig.votes_for("07")) == ("mismatched", 0)
    assert await rig.broken() == {}
    await rig.settle_all()
    assert await rig.status(order) == "refund_due"
    assert [refund.amount_minor for refund in await rig.refunds_of(order)] == [400]


async def test_unknown_for_an_hour_takes_the_votes_out(rig: CountingRig) -> None:
    order = await rig.counted_on()
    rig.provider.query_script = [NotFound("RESOURCE_NOT_FOUND")]
    for _ in range(3):
        assert await rig.marked(order)
        await rig.change(
            "update payments set next_check_at = null, not_found_since = not_found_since - interval '31 minutes'"
            " where reference = :r",
            r=order.payment_reference,
        )
        await rig.verify()
    assert (await rig.status(order), await rig.votes_for("07")) == ("failed", 0)


async def test_who_waits_is_asked_about_first(rig: CountingRig) -> None:
    order = await rig.counted_on()
    at = 0.0
    later = AskedLater(rig.provisional, rig.payments, rig.show, lambda: at)
    assert await later.claim("mtn_momo", 10, 10) == []
    half_a_day = timedelta(hours=12, minutes=1)
    await rig.change(
        "update payments set confirmed_at = confirmed_at - cast(:t as interval) where provisional", t=half_a_day
    )
    assert await later.claim("mtn_momo", 10, 10) == [], "no process looks again at once"
    at = 31.0
    (claimed,) = await later.claim("mtn_momo", 10, 10)
    assert claimed.collection.reference == order.payment_reference
    assert await later.claim("mtn_momo", 10, 0) == [], "it is leased"
    await rig.change("update payments set next_check_at = null where provisional")
    at = 62.0
    assert len(await later.claim("mtn_momo", 10, 9)) == 1


async def test_what_would_not_count_is_asked_about_before_anything_is_owed(rig: CountingRig) -> None:
    order = await rig.behind()
    await rig.call_back(order)
    await rig.change("update candidates set status = 'withdrawn' where code = '07'")
    await rig.settle_all()
    assert (await rig.status(order), await rig.marked(order)) == ("expired", False)
    assert await rig.refunds_of(order) == []
    rig.provider.query_script = [paid()]
    await rig.verify()
    await rig.settle_all()
    assert await rig.status(order) == "refund_due"


async def test_after_the_close_it_is_a_hint(rig: CountingRig) -> None:
    order = await rig.behind()
    await rig.count_until("now() - interval '1 hour'")
    await rig.call_back(order)
    assert (await rig.outcomes(), await rig.status(order)) == (["hint"], "pending")


async def test_what_is_not_proved_is_not_given_back(rig: CountingRig) -> None:
    order = await rig.counted_on()
    with pytest.raises(ActRefused, match="counted on a callback alone"):
        await rig.acts.ask(Act.REFUND_PAYMENT, str(order.payment_reference), {}, REASON, ASKER)
    now = await rig.now()
    window = {"from": (now - timedelta(hours=1)).isoformat(), "to": (now + timedelta(hours=1)).isoformat()}
    with pytest.raises(ActRefused, match="1 payments of this window are counted on a callback alone"):
        await rig.acts.ask(Act.VOID_WINDOW, "star", window, REASON, ASKER)


async def test_a_lost_dispute_waits_until_the_payment_is_proved(rig: CountingRig) -> None:
    order = await rig.counted_on()
    reference, lost = order.payment_reference, Reversed("dispute_lost", order.amount, "du_1", "{}")
    await record_reversals(rig.engine, [ObservedReversal("mtn_momo", lost, reference)])
    assert (await act_on_lost(rig.engine), await rig.status(order)) == (0, "settled")
    rig.provider.query_script = [paid(order.amount.amount_minor)]
    await rig.verify()
    assert (await act_on_lost(rig.engine), await rig.status(order)) == (1, "refunded")
    assert await rig.votes_for("07") == 0


async def test_what_the_operator_called_failed_meanwhile_waits_for_its_own_answer(rig: CountingRig) -> None:
    order = await rig.behind()
    failed = Observation(order.payment_reference, Observed.FAILED, Actor.VERIFIER)
    success = Observation(order.payment_reference, Observed.SUCCEEDED, Actor.VERIFIER, provisional=True)
    assert await rig.payments.record([failed]) == 1
    assert await rig.payments.record([success]) == 0
    assert (await rig.status(order), await rig.marked(order)) == ("failed", False)
