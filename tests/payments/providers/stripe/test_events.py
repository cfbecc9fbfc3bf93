"""Stripe's signed events: who is believed, and what each one proves."""

import json
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
import stripe
from structlog.testing import capture_logs

from gateway.http.raw_exchange import RawRequest
from gateway.values.money import Money
from payments.provider import DisputeStatus, Failed, Hint, PayerReason, Succeeded
from payments.providers.stripe.events import Origin, origin
from payments.providers.stripe.lookups import found_reversal
from payments.providers.stripe.provider import Settings, Stripe

NOW = 1_796_000_000
SECRET = "whsec_test_secret"
VECTOR = b'{"id":"evt_1","type":"checkout.session.completed"}'
VECTOR_SIGNATURE = "15f01691aebd607676229dd61470c018f097d9c2c9c5dc6ffa71e1f92c60e6dc"
REFERENCE = UUID("5d0c1b7e-6a0f-4c0e-9a55-0f3c1a2b7d10")
PAID = {
    "id": "cs_test_a1",
    "object": "checkout.session",
    "status": "complete",
    "payment_status": "paid",
    "amount_total": 500,
    "currency": "xof",
    "client_reference_id": str(REFERENCE),
    "payment_intent": "pi_3TEST",
    "customer_details": {"email": "aya@example.org"},
}
DISPUTE = {
    "id": "du_1TEST",
    "object": "dispute",
    "amount": 500,
    "currency": "xof",
    "metadata": {},
    "payment_intent": "pi_3TEST",
    "reason": "fraudulent",
    "status": "lost",
}


def provider(secret_key: str = "sk_test_1", **settings: Any) -> Stripe:
    given = {"secret_key": secret_key, "webhook_secret": SECRET, **settings}
    return Stripe(Settings.model_validate(given), clock=lambda: NOW)


def event(kind: str, found: object, *, live: bool = False) -> str:
    body = {"id": "evt_1", "object": "event", "type": kind, "livemode": live, "data": {"object": found}}
    return json.dumps(body)


def posted(body: str, *, at: int = NOW, secret: str = SECRET) -> RawRequest:
    """As Stripe posts it, signed by its own SDK."""
    header = stripe.WebhookSignature.generate_signature_header(body, secret, at)
    return RawRequest("POST", "", {"stripe-signature": header}, body.encode())


def only(request: RawRequest, by: Stripe | None = None) -> Hint:
    (hint,) = (by or provider()).parse_callback(request, {})
    return hint


def test_the_signature_that_stripe_publishes_with_its_secret() -> None:
    header = {"stripe-signature": f"t={NOW},v1={VECTOR_SIGNATURE}"}
    assert origin(header, VECTOR, [SECRET], NOW) is Origin.STRIPE


@pytest.mark.parametrize(
    ("seconds", "found"),
    [(0, Origin.STRIPE), (300, Origin.STRIPE), (301, Origin.LONG_AGO), (-300, Origin.STRIPE), (-301, Origin.LONG_AGO)],
)
def test_a_signature_proves_for_five_minutes_before_and_after(seconds: int, found: Origin) -> None:
    header = {"stripe-signature": f"t={NOW},v1={VECTOR_SIGNATURE}"}
    assert origin(header, VECTOR, [SECRET], NOW + seconds) is found


@pytest.mark.parametrize(
    "header",
    [
        "",
        f"v1={VECTOR_SIGNATURE}",
        f"t={NOW}",
        f"t={NOW},v0={VECTOR_SIGNATURE}",
        f"t={NOW},v1={VECTOR_SIGNATURE[:-1]}0",
        f"t={NOW + 1},v1={VECTOR_SIGNATURE}",
        f"t={NOW},v1=é{VECTOR_SIGNATURE}",
        f"t=soon,v1={VECTOR_SIGNATURE}",
        f"t=1,t={NOW},v1={VECTOR_SIGNATURE}",
        "t,v1",
        "=" * 100,
    ],
)
def test_other_headers_are_invalid(header: str) -> None:
    assert origin({"stripe-signature": header}, VECTOR, [SECRET], NOW) is Origin.INVALID


def test_a_body_that_is_no_text_comes_from_anybody() -> None:
    header = {"stripe-signature": f"t={NOW},v1={VECTOR_SIGNATURE}"}
    assert origin(header, b"\xff" + VECTOR, [SECRET], NOW) is Origin.INVALID


def test_two_secrets_are_in_force_while_one_replaces_the_other() -> None:
    both = provider(webhook_secret="whsec_new", webhook_secret_before=SECRET)
    for secret in ("whsec_new", SECRET):
        assert only(posted(event("checkout.session.completed", PAID), secret=secret), both).proof is not None
        assert both.is_signed(posted(event("x", PAID), secret=secret))
    other = provider(webhook_secret="whsec_new")
    assert other.parse_callback(posted(event("x", PAID)), {}) == ()
    assert not other.is_signed(posted(event("x", PAID)))


def test_a_paid_session_is_a_proof_without_the_payer_in_it() -> None:
    for kind in ("checkout.session.completed", "checkout.session.async_payment_succeeded"):
        hint = only(posted(event(kind, PAID)))
        assert (hint.claimed, hint.reference) == (kind, REFERENCE)
        assert isinstance(hint.proof, Succeeded)
        assert (hint.proof.received, hint.proof.provider_reference) == (Money(500, "XOF"), "pi_3TEST")
        assert "aya@" not in hint.proof.raw


def test_a_session_that_is_complete_and_not_paid_proves_nothing() -> None:
    assert only(posted(event("checkout.session.completed", {**PAID, "payment_status": "unpaid"}))).proof is None


def test_ends_without_money_are_proofs() -> None:
    failed = only(posted(event("checkout.session.async_payment_failed", {**PAID, "payment_status": "unpaid"}))).proof
    assert isinstance(failed, Failed)
    assert (failed.reason, failed.expired) == (PayerReason.DECLINED, False)
    ended = {**PAID, "status": "expired", "payment_status": "unpaid", "payment_intent": None}
    expired = only(posted(event("checkout.session.expired", ended))).proof
    assert isinstance(expired, Failed)
    assert (expired.reason, expired.expired) == (PayerReason.NOT_ANSWERED, True)


@pytest.mark.parametrize("at", [NOW - 301, NOW + 301, NOW + 86_400])
def test_what_was_signed_at_another_time_only_makes_us_ask(at: int) -> None:
    for kind, found in (("checkout.session.completed", PAID), ("charge.dispute.closed", DISPUTE)):
        hint = only(posted(event(kind, found), at=at))
        assert hint.claimed
        assert hint.proof is None


def test_a_test_event_makes_no_vote_in_the_live_world() -> None:
    test, live = posted(event("checkout.session.completed", PAID)), event("checkout.session.completed", PAID, live=True)
    with capture_logs() as lines:
        assert provider("sk_live_1").parse_callback(test, {}) == ()
        assert provider("rk_test_1").parse_callback(posted(live), {}) == ()
    assert [line["event"] for line in lines] == ["event_of_another_world"] * 2
    assert only(posted(live), provider("rk_live_1")).proof is not None


@pytest.mark.parametrize("kind", ["created", "updated", "funds_withdrawn", "funds_reinstated", "closed"])
def test_an_event_about_a_dispute_proves_nothing_and_makes_us_ask(kind: str) -> None:
    with capture_logs() as lines:
        hint = only(posted(event(f"charge.dispute.{kind}", DISPUTE)))
    assert (hint.reversal, hint.proof, hint.reference, hint.order_code) == ("du_1TEST", None, None, None)
    assert [(line["event"], line["status"]) for line in lines] == [("payment_disputed", "lost")]


@pytest.mark.parametrize(
    ("status", "code", "dispute_status"),
    [
        ("needs_response", "disputed", DisputeStatus.OPEN),
        ("under_review", "disputed", DisputeStatus.OPEN),
        ("won", "dispute_won", DisputeStatus.WON),
        ("lost", "dispute_lost", DisputeStatus.LOST),
    ],
)
def test_a_dispute_that_is_asked_about_says_how_it_stands(
    status: str, code: str, dispute_status: DisputeStatus
) -> None:
    found = found_reversal({**DISPUTE, "status": status})
    assert found.number == "pi_3TEST"
    assert found.report is not None
    assert (found.report.code, found.report.dispute_status, found.report.fee) == (code, dispute_status, None)
    assert (found.report.amount, found.report.provider_reference) == (Money(500, "XOF"), "du_1TEST")


@pytest.mark.parametrize("status", ["warning_needs_response", "warning_under_review", "warning_closed", "new_word", 7])
def test_what_moves_no_money_says_nothing(status: object) -> None:
    assert found_reversal({**DISPUTE, "status": status}).report is None


@pytest.mark.parametrize(
    ("booked", "fee"),
    [
        ([{"fee": 150, "currency": "xof"}], Money(150, "XOF")),
        ([{"fee": 1500, "currency": "eur"}, {"fee": -500, "currency": "eur"}], Money(1000, "EUR")),
        ([{"fee": 150, "currency": "xof"}, {"fee": 1, "currency": "eur"}], None),
        ([{"fee": "150", "currency": "xof"}], None),
        ([{"fee": True, "currency": "xof"}], None),
        (["txn_1"], None),
        ([], None),
        ({}, None),
    ],
)
def test_the_fee_of_a_dispute_is_all_that_stripe_booked(booked: object, fee: Money | None) -> None:
    lost = found_reversal({**DISPUTE, "balance_transactions": booked}).report
    assert lost is not None
    assert lost.fee == fee


def test_a_dispute_about_nothing_says_nothing() -> None:
    assert found_reversal({**DISPUTE, "amount": 0}).report is None


def test_the_time_of_a_signature_is_compared_with_when_it_came() -> None:
    late = posted(event("checkout.session.completed", PAID), at=NOW - 7200)
    assert only(late).proof is None
    assert only(replace(late, at=NOW - 7190.0)).proof is not None
    assert only(replace(posted(event("checkout.session.completed", PAID)), at=NOW - 7200.0)).proof is None


def test_a_part_that_is_disputed_is_what_went() -> None:
    lost = found_reversal({**DISPUTE, "amount": 200}).report
    assert lost is not None
    assert lost.amount == Money(200, "XOF")


def test_a_refund_past_us_is_asked_about_and_is_money_that_went() -> None:
    refund = {**DISPUTE, "id": "re_1", "object": "refund", "status": "succeeded"}
    past = only(posted(event("charge.refund.updated", refund)))
    assert (past.proof, past.reversal) == (None, "re_1")
    observed = found_reversal(refund).report
    assert observed is not None
    assert (observed.code, observed.provider_reference) == ("refunded_past_us", "re_1")
    assert found_reversal({**refund, "status": "pending"}).report is None
    mine = {**refund, "metadata": {"refund_id": str(REFERENCE)}}
    ours = only(posted(event("charge.refund.updated", mine)))
    assert (ours.proof, ours.reversal, ours.reference) == (None, None, REFERENCE)
    assert found_reversal(mine).report is None
