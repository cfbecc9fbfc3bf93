"""Money on its way back, through the real use case and a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from channels.messages.rules import Routes
from channels.sms.texts import render
from payments.disbursement.answers import of_report
from payments.provider import (
    Accepted,
    Balance,
    Disbursement,
    Failed,
    NotFound,
    NotSent,
    PayerReason,
    Purpose,
    Rejected,
    StillOpen,
    Unavailable,
    Unknown,
)
from tests.rigs.money_rig import Cut, MoneyRig, francs, opened
from tests.rigs.scripted_provider import paid

PAYEE_GONE = Failed("PAYEE_NOT_FOUND", PayerReason.UNKNOWN_NUMBER, "{}")


@pytest.fixture
async def rig(database: Any) -> AsyncIterator[MoneyRig]:
    made = await opened(database.app_url)
    yield made
    try:
        assert await made.broken() == {}
    finally:
        await made.close()


async def story(rig: MoneyRig, reference: Any) -> list[str]:
    rows = await rig.rows("select seen from refund_events where reference = :r order by id", r=reference)
    return [row.seen for row in rows]


async def kinds(rig: MoneyRig) -> list[str]:
    return [row.kind for row in await rig.rows("select kind from messages_out order by created_at, kind")]


async def test_a_late_payment_goes_back_and_its_payer_is_notified(rig: MoneyRig) -> None:
    order = await rig.late()
    assert (await rig.refunds_of(order))[0].status == "due"
    assert await rig.refund() == 1
    assert (await rig.refunds_of(order))[0].status == "sent"
    assert await rig.status(order) == "refund_due"
    rig.provider.outgoing_script = [paid(500)]
    assert await rig.refund_again() == 1
    refund = (await rig.refunds_of(order))[0]
    assert (refund.status, refund.provider, refund.requested_by) == ("done", "mtn_momo", "rule")
    assert refund.done_at is not None
    assert await rig.status(order) == "refunded"
    assert await story(rig, refund.reference) == ["calling", "accepted", "succeeded"]
    assert await kinds(rig) == ["refund_pending", "refunded"]
    (due,) = [m for m in await rig.outbox.claim_due(10, Routes(("africastalking",))) if m.kind == "refunded"]
    assert render(due.kind, "en", due.params) == "500 FCFA refunded to you by MTN MoMo. Reference op-1."
    assert await rig.on_account("refunds_owed") == 0
    assert (await rig.on_account("operator_clearing"), await rig.on_account("operator_float")) == (500, -500)
    view = await rig.views.order(order.vote_id)
    assert view is not None
    assert view.status == "REFUNDED"
    assert await rig.refund_again() == 0


async def test_the_operator_is_asked_with_our_reference_and_the_collection(rig: MoneyRig) -> None:
    order = await rig.late()
    await rig.refund()
    (asked,) = rig.provider.disbursed
    refund = (await rig.refunds_of(order))[0]
    assert isinstance(asked, Disbursement)
    assert (asked.reference, asked.purpose, asked.amount) == (refund.reference, Purpose.REFUND, francs(500))
    assert asked.collection is not None
    assert asked.collection.reference == order.payment_reference
    assert (asked.payee, asked.base_url, asked.country) == ("+2250501020304", "http://operator.test", "CI")
    token = asked.callback_url.rpartition("/")[2]
    assert rig.vault.reference_in(token) == refund.reference


async def test_the_reference_is_committed_before_the_call(rig: MoneyRig, monkeypatch: pytest.MonkeyPatch) -> None:
    await rig.late()
    at_the_call = []

    async def disburse(disbursement: Disbursement) -> Accepted:
        at_the_call.append(await rig.one("select status from refunds where reference = :r", r=disbursement.reference))
        return Accepted()

    monkeypatch.setattr(rig.provider, "disburse", disburse)
    await rig.refund()
    assert at_the_call == ["sent"]


async def test_killed_between_sent_and_the_answer_asks_before_it_sends(rig: MoneyRig) -> None:
    order = await rig.late()

    class Dead(Exception):
        pass

    async def disburse(disbursement: Disbursement) -> Accepted:
        rig.provider.disbursed.append(disbursement)
        raise Dead

    alive, rig.provider.disburse = rig.provider.disburse, disburse  # type: ignore[method-assign] # dies at the call
    with pytest.raises(Dead):
        await rig.refund()
    assert await rig.broken() == {}
    assert await rig.refund() == 0, "the lease holds"
    rig.provider.disburse = alive  # type: ignore[method-assign] # the next process
    rig.provider.outgoing_script = [paid(500)]
    assert await rig.refund_again() == 1
    assert len(rig.provider.disbursed) == 1
    assert await rig.status(order) == "refunded"


async def test_what_the_operator_never_received_is_sent_again_under_the_same_reference(rig: MoneyRig) -> None:
    order = await rig.late()
    rig.provider.disburse_script = [Unknown("time-out"), Accepted()]
    rig.provider.outgoing_script = [NotFound(""), NotFound(""), NotFound(""), paid(500)]
    await rig.refund()
    for _ in range(2):
        await rig.refund_again()
    await _age(rig, "not_found_since = now() - interval '61 seconds'")
    await rig.refund_again()
    refund = (await rig.refunds_of(order))[0]
    assert refund.status == "due"
    await rig.refund_again()
    await rig.refund_again()
    assert [asked.reference for asked in rig.provider.disbursed] == [refund.reference] * 2
    assert await rig.status(order) == "refunded"


async def _age(rig: MoneyRig, what: str) -> None:
    async with rig.engine.begin() as connection:
        await connection.execute(text(f"update refunds set {what} where status in ('due', 'sent')"))


async def test_a_reference_unknown_after_five_sends_waits_for_a_person(rig: MoneyRig) -> None:
    order = await rig.late()
    rig.provider.outgoing_script = [NotFound("")]
    await rig.refund()
    await _age(rig, "send_tries = 5, not_found_count = 2, not_found_since = now() - interval '61 seconds'")
    await rig.refund_again()
    refund = (await rig.refunds_of(order))[0]
    assert (refund.status, refund.reason_code) == ("manual", "not_found")


async def test_a_final_failure_takes_a_new_reference_and_three_of_them_a_person(rig: MoneyRig) -> None:
    order = await rig.late()
    rig.provider.outgoing_script = [PAYEE_GONE]
    for _ in range(3):
        await rig.refund_again()
        assert await rig.broken() == {}
        await rig.refund_again()
        assert await rig.broken() == {}
    first, second, third = await rig.refunds_of(order)
    assert [r.status for r in (first, second, third)] == ["void", "void", "manual"]
    assert (second.replaces, third.replaces) == (first.reference, second.reference)
    assert len({asked.reference for asked in rig.provider.disbursed}) == 3
    assert third.reason_code == "PAYEE_NOT_FOUND"
    assert await story(rig, second.reference) == ["owed", "calling", "accepted", "failed"]
    assert await rig.refund_again() == 0
    assert await rig.status(order) == "refund_due"


async def test_a_definite_refusal_of_the_request_counts_as_a_failure(rig: MoneyRig) -> None:
    order = await rig.late()
    rig.provider.disburse_script = [Rejected("PAYEE_LIMIT", PayerReason.LIMIT), Accepted()]
    await rig.refund()
    rig.provider.outgoing_script = [paid(500)]
    await rig.refund_again()
    await rig.refund_again()
    first, second = await rig.refunds_of(order)
    assert (first.status, second.status) == ("void", "done")


async def test_a_refusal_is_believed_only_when_the_operator_does_not_know_it(rig: MoneyRig) -> None:
    order = await rig.late()
    rig.provider.disburse_script = [Rejected("400", PayerReason.OTHER, ask_first=True)]
    rig.provider.outgoing_script = [paid(500)]
    await rig.refund()
    assert await rig.status(order) == "refunded"
    assert len(await rig.refunds_of(order)) == 1


async def test_an_unknown_refusal_is_a_refusal(rig: MoneyRig) -> None:
    order = await rig.late()
    rig.provider.disburse_script = [Rejected("400", PayerReason.OTHER, ask_first=True)]
    rig.provider.outgoing_script = [NotFound("")]
    await rig.refund()
    assert [refund.status for refund in await rig.refunds_of(order)] == ["void", "due"]


async def test_too_little_money_over_there_is_no_failure_but_an_alarm(rig: MoneyRig) -> None:
    order = await rig.late()
    rig.provider.disburse_script = [Rejected("NOT_ENOUGH_FUNDS", PayerReason.NO_FUNDS, alarm=True)]
    for _ in range(5):
        with capture_logs() as logs:
            await rig.refund_again()
        assert [line["log_level"] for line in logs if line["event"] == "balance_too_low"] == ["error"]
    (refund,) = await rig.refunds_of(order)
    assert (refund.status, refund.reason_code) == ("due", "NOT_ENOUGH_FUNDS")
    assert refund.next_try_at - await rig.now() > (await rig.now() - refund.created_at)
    rig.provider.disburse_script, rig.provider.outgoing_script = [Accepted()], [paid(500)]
    await rig.refund_again()
    await rig.refund_again()
    assert await rig.status(order) == "refunded"


async def test_a_reference_spent_for_want_of_our_money_costs_none_of_the_three(rig: MoneyRig) -> None:
    order = await rig.late()
    rig.provider.outgoing_script = [Failed("NOT_ENOUGH_FUNDS", PayerReason.NO_FUNDS, "{}", alarm=True)]
    for _ in range(10):
        await rig.refund_again()
    every = await rig.refunds_of(order)
    assert len(every) == 6
    assert {refund.status for refund in every} == {"void", "due"}


async def test_where_the_balance_is_reported_no_more_is_sent_than_there_is(rig: MoneyRig) -> None:
    orders = [await rig.late(number=f"+22505010203{n:02}") for n in range(3)]
    rig.provider.can = replace(rig.provider.can, has_balance=True)
    rig.provider.holds = Balance(francs(1000))
    with capture_logs() as logs:
        await rig.refund()
    assert len(rig.provider.disbursed) == 2
    assert [line["event"] for line in logs].count("balance_too_low") == 1
    assert sorted([(await rig.refunds_of(order))[0].status for order in orders]) == ["due", "sent", "sent"]
    rig.provider.holds = Unavailable("time-out")
    await rig.refund_again()
    assert len(rig.provider.disbursed) == 3, "not knowing is no reason to keep the money"


async def test_what_never_left_us_is_sent_again_as_it_is(rig: MoneyRig) -> None:
    order = await rig.late()
    rig.provider.disburse_script = [*(NotSent("no connection") for _ in range(7)), Accepted()]
    for _ in range(8):
        await rig.refund_again()
    (refund,) = await rig.refunds_of(order)
    assert (refund.status, refund.send_tries) == ("sent", 8)
    assert len({asked.reference for asked in rig.provider.disbursed}) == 1


@pytest.mark.parametrize(
    ("sent", "asked", "code"),
    [
        (NotSent("no connection"), StillOpen("PENDING"), "not_sent"),
        (Accepted(), StillOpen("PENDING"), "unresolved"),
        (Accepted(), Unavailable("503"), "unresolved"),
    ],
)
async def test_after_a_day_a_person_looks(rig: MoneyRig, sent: Any, asked: Any, code: str) -> None:
    order = await rig.late()
    rig.provider.disburse_script, rig.provider.outgoing_script = [sent], [asked]
    await rig.refund()
    await rig.refund_again()
    await _age(rig, "sent_at = now() - interval '25 hours'")
    with capture_logs() as logs:
        await rig.refund_again()
    (refund,) = await rig.refunds_of(order)
    assert (refund.status, refund.reason_code) == ("manual", code)
    assert "refund_waits_for_a_person" in [line["event"] for line in logs]


async def test_another_amount_than_asked_is_a_persons(rig: MoneyRig) -> None:
    order = await rig.late()
    rig.provider.outgoing_script = [paid(400)]
    await rig.refund()
    await rig.refund_again()
    (refund,) = await rig.refunds_of(order)
    assert (refund.status, refund.reason_code) == ("manual", "amount_differs")
    assert await rig.status(order) == "refund_due"
    assert await rig.one("select amount_minor from evidence where reference = :r", r=refund.reference) == 400


async def test_an_operator_without_refunds_leaves_it_to_a_person_at_once(rig: MoneyRig) -> None:
    order = await rig.late()
    rig.provider.can = replace(rig.provider.can, can_refund=False)
    await rig.refund()
    (refund,) = await rig.refunds_of(order)
    assert (refund.status, refund.reason_code, refund.sent_at) == ("manual", "no_refunds", None)
    assert rig.provider.disbursed == []


async def test_an_account_that_was_taken_out_keeps_its_refunds_waiting(rig: MoneyRig) -> None:
    order = await rig.late()
    providers, rig.providers = rig.providers, {}
    assert await rig.refund() == 1
    (refund,) = await rig.refunds_of(order)
    assert (refund.status, refund.send_tries) == ("due", 0)
    rig.providers = providers
    rig.provider.outgoing_script = [paid(500)]
    await rig.refund_again()
    await rig.refund_again()
    assert await rig.status(order) == "refunded"


async def test_a_callback_for_a_refund_brings_the_question_forward(rig: MoneyRig) -> None:
    order = await rig.late()
    await rig.refund()
    refund = (await rig.refunds_of(order))[0]
    await _age(rig, "next_try_at = now() + interval '1 hour'")
    await rig.callback(None, b'{"status": "SUCCESSFUL"}', rig.vault.callback_token(refund.reference))
    await rig.judge()
    soon = (await rig.refunds_of(order))[0].next_try_at
    assert (soon - await rig.now()).total_seconds() < 5


async def test_two_workers_at_once_send_each_refund_once(rig: MoneyRig, database: Any) -> None:
    orders = [await rig.late(number=f"+22505010203{n:02}") for n in range(12)]
    other = await opened(database.app_url)
    try:
        other.providers = rig.providers
        await asyncio.gather(*(service.refund() for service in (rig, other) * 3))
        assert len(rig.provider.disbursed) == len({asked.reference for asked in rig.provider.disbursed}) == 12
        rig.provider.outgoing_script = [paid(500)]
        await _age(rig, "next_try_at = now()")
        await asyncio.gather(*(service.refund() for service in (rig, other) * 3))
    finally:
        await other.close()
    assert {await rig.status(order) for order in orders} == {"refunded"}
    assert await rig.one("select count(*) from messages_out where kind = 'refunded'") == 12


async def test_a_slow_worker_whose_lease_ran_out_changes_nothing_twice(rig: MoneyRig) -> None:
    await rig.late()
    await rig.refund()
    rig.provider.outgoing_script = [paid(500)]
    await _age(rig, "next_try_at = now()")
    (slow,) = await rig.refunds.claim(10)
    await rig.refund_again()
    again = of_report(slow, paid(500), 0, from_float=True)
    assert await rig.refunds.observe(again) is False
    assert await rig.on_account("refunds_owed") == 0


async def test_killed_at_every_statement_nothing_is_lost_or_twice(
    rig: MoneyRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refund whose first reference fails and whose second is paid, with a death before each statement."""
    gone: dict[Any, Any] = {}

    async def answer(disbursement: Disbursement) -> Any:
        assert disbursement.collection is not None
        first = gone.setdefault(disbursement.collection.reference, disbursement.reference)
        return PAYEE_GONE if disbursement.reference == first else paid(500)

    async def whole() -> None:
        for _ in range(4):
            await rig.refund_again()

    monkeypatch.setattr(rig.provider, "query_disbursement", answer)
    deaths = 0
    while True:
        order = await rig.late(number=f"+22505010203{deaths:02}")
        try:
            with rig.dying_at(deaths + 1, Cut):
                await whole()
        except Cut:
            deaths += 1
        else:
            break
        assert await rig.broken() == {}
        await whole()
        assert await rig.status(order) == "refunded", f"after a death before statement {deaths}"
        assert [refund.status for refund in await rig.refunds_of(order)] == ["void", "done"]
    assert deaths > 15
    assert await rig.on_account("refunds_owed") == 0
