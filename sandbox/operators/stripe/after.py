"""What happens to a card payment afterwards: refunds that the merchant asks for, disputes of the payer.

Source: Stripe's API reference (Refunds, Disputes). A dispute is decided on the payment's
own page. A refund is `pending` until the money left, so that the merchant's books see both.
"""

import json
import time
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from sandbox.operators.book import Entry, Status
from sandbox.operators.context import OperatorContext
from sandbox.operators.stripe.events import Events
from sandbox.operators.stripe.objects import DISPUTE, REFUND, Ledger, charge, dispute, refund
from sandbox.operators.stripe.wire import (
    Keys,
    Params,
    created_within,
    fault,
    fingerprint,
    known_only,
    listing,
    metadata_at,
    missing,
    new_id,
    reply,
    text_at,
    whole_at,
)

DISPUTE_SECONDS: Final = 9 * 86_400
_REFUND_FIELDS: Final = frozenset(
    {"payment_intent", "charge", "amount", "reason", "metadata", "expand", "refund_application_fee", "reverse_transfer"}
)
_REASONS: Final = frozenset({"", "duplicate", "fraudulent", "requested_by_customer"})


class Afterwards:
    """Refunds and disputes of one account."""

    def __init__(self, context: OperatorContext, ledger: Ledger, events: Events, keys: Keys) -> None:
        self._context = context
        self._ledger = ledger
        self._events = events
        self._keys = keys

    def resume(self) -> None:
        """Go on with what this process found unfinished."""
        for entry in self._ledger.all(REFUND):
            self._keys.remember(entry.details["key"], entry.details["fingerprint"], refund(entry))
            if not entry.status.is_final:
                self._follow(entry)

    async def create(self, request: web.Request, params: Params) -> web.Response:
        """`POST /v1/refunds`. Raises Refusal."""
        known_only(params, _REFUND_FIELDS)
        payment = self._payment(params)
        amount = self._amount(payment, params)
        reason = text_at(params, "reason")
        if reason not in _REASONS:
            raise fault("Invalid reason", param="reason")
        named, key = metadata_at(params, "metadata"), request.headers.get("Idempotency-Key", "")
        entry = self._ledger.open(self._entry(payment, amount, reason, named, key, fingerprint(request, params)))
        if self._context.outgoing_faults.callback.mode == "before_answer":
            entry = self._move(entry)
            await self._announce(entry)
        else:
            self._events.forge_unsigned("charge.refund.updated", refund(entry) | {"status": "succeeded"}, outgoing=True)
            self._follow(entry)
        return reply(200, refund(entry))

    def _payment(self, params: Params) -> Entry:
        name = "payment_intent" if text_at(params, "payment_intent") else "charge"
        number = text_at(params, name)
        if not number:
            message = "One of the following params should be provided for this request: payment_intent or charge."
            raise fault(message, code="parameter_missing")
        payment = self._ledger.find(number)
        if payment is None:
            raise missing(name, number, name)
        if payment.status is not Status.SUCCESSFUL:
            raise fault(f"This PaymentIntent ({number}) does not have a successful charge to refund.", param=name)
        if self._ledger.is_disputed(payment):
            raise fault(f"Charge {payment.details['charge']} has been charged back.", code="charge_disputed")
        return payment

    def _amount(self, payment: Entry, params: Params) -> int:
        left = payment.whole - self._ledger.refunded(payment)
        if left <= 0:
            message = f"Charge {payment.details['charge']} has already been refunded."
            raise fault(message, code="charge_already_refunded")
        amount = whole_at(params, "amount")
        if amount is None:
            return left
        if amount < 1:
            raise fault("Invalid positive integer", code="parameter_invalid_integer", param="amount")
        if amount > left:
            message = f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})"
            raise fault(message, param="amount")
        return amount

    def _entry(
        self, payment: Entry, amount: int, reason: str, named: Mapping[str, str], key: str = "", mark: str = ""
    ) -> Entry:
        """A refund that begins. `named`: what the merchant wrote beside it. `mark`: of the request under `key`."""
        number = new_id("re")
        reference = named.get("refund_id") or number
        return Entry(
            operator=self._context.code,
            kind=REFUND,
            our_reference=number if self._ledger.has(reference, REFUND) else reference,
            external_id=payment.external_id,
            msisdn="",
            amount=str(amount),
            currency=payment.currency,
            expires_at=time.time(),
            provider_reference=number,
            details={
                "refund": number,
                "refund_of": payment.our_reference,
                "intent": payment.details["intent"],
                "charge": payment.details["charge"],
                "metadata": json.dumps(dict(named)),
                "reason": reason,
                "key": key,
                "fingerprint": mark,
            },
        )

    def _follow(self, entry: Entry) -> None:
        faults = self._context.outgoing_faults
        self._context.courier.later(faults.prompt_delay_ms / 1000 + faults.pending_seconds, lambda: self._settle(entry))

    def _settle(self, entry: Entry) -> None:
        done = self._move(entry)
        self._context.courier.spawn(self._announce(done))

    def _move(self, entry: Entry) -> Entry:
        """The money goes, unless the merchant's balance cannot bear it."""
        book = self._context.book
        left = self._context.outgoing_faults.float_balance - book.disbursed_total(entry.operator, entry.currency)
        if left < entry.whole:
            return book.change(entry, Status.FAILED, reason="insufficient_funds")
        return book.change(entry, Status.SUCCESSFUL)

    async def _announce(self, entry: Entry) -> None:
        payment = self._ledger.find(entry.details["intent"])
        if payment is not None and entry.status is Status.SUCCESSFUL:
            shown = charge(payment, self._ledger.refunded(payment), disputed=False)
            self._events.make("charge.refunded", shown)
        await self._events.send("charge.refund.updated", refund(entry), outgoing=True)

    def list_refunds(self, params: Params) -> dict[str, object]:
        """`GET /v1/refunds`. Raises Refusal."""
        found = [entry for entry in self._ledger.all(REFUND) if created_within(params, int(entry.created_at))]
        for name in ("payment_intent", "charge"):
            if number := text_at(params, name):
                found = [one for one in found if number in (one.details["intent"], one.details["charge"])]
        return listing([refund(one) for one in found], params, "/v1/refunds")

    def give_back_past_the_merchant(self, payment: Entry) -> None:
        """What is left is refunded in the dashboard, where no reference of the merchant's is known."""
        left = payment.whole - self._ledger.refunded(payment)
        if left > 0 and payment.status is Status.SUCCESSFUL and not self._ledger.is_disputed(payment):
            self._follow(self._ledger.open(self._entry(payment, left, "requested_by_customer", {})))

    def dispute(self, payment: Entry, reason: str) -> None:
        """The payer's bank takes the money back until it decides."""
        if payment.status is not Status.SUCCESSFUL or self._ledger.of_payment(payment, DISPUTE):
            return
        number = new_id("du")
        entry = self._ledger.open(
            Entry(
                operator=self._context.code,
                kind=DISPUTE,
                our_reference=number,
                external_id=payment.external_id,
                msisdn="",
                amount=payment.amount,
                currency=payment.currency,
                expires_at=time.time() + DISPUTE_SECONDS,
                provider_reference=number,
                details={
                    "dispute": number,
                    "intent": payment.details["intent"],
                    "charge": payment.details["charge"],
                    "reason": reason,
                    "fee": str(self._context.faults.dispute_fee),
                    "live": "yes" if payment.details["session"].startswith("cs_live_") else "",
                },
            )
        )
        self._context.courier.spawn(self._events.send("charge.dispute.created", dispute(entry)))

    def decide(self, entry: Entry, *, won: bool) -> Entry:
        """The bank decides: lost, the money stays away; won, it comes back."""
        if entry.status.is_final:
            return entry
        decided = self._context.book.change(entry, Status.FAILED if won else Status.SUCCESSFUL)
        self._context.courier.spawn(self._events.send("charge.dispute.closed", dispute(decided)))
        return decided

    def decide_of(self, payment: Entry, *, won: bool) -> None:
        """The bank decides about the dispute of this payment, if there is one."""
        for entry in self._ledger.of_payment(payment, DISPUTE):
            self.decide(entry, won=won)
