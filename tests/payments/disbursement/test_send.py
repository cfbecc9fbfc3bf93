"""Refunds at an account through which money cannot leave: watched apart from collections, sent with care. And what
makes one due for its question sooner."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from gateway.orders.routing import Rails
from payments.accounts.calls import CallKind, Unlimited
from payments.disbursement.send import send_and_ask
from payments.provider import Accepted, Hint, NotSent, Succeeded
from tests.rigs.fixed_accounts import FixedAccounts
from tests.rigs.money_rig import MoneyRig, opened
from tests.rigs.scripted_provider import paid


@pytest.fixture
async def rig(database: Any) -> AsyncIterator[MoneyRig]:
    made = await opened(database.app_url)
    yield made
    try:
        assert await made.broken() == {}
    finally:
        await made.close()


async def _refund(rig: MoneyRig, accounts: FixedAccounts) -> int:
    async with rig.engine.begin() as connection:
        await connection.execute(text("update refunds set next_try_at = now() where status in ('due', 'sent')"))
    return await send_and_ask(rig.refunds, providers=rig.providers, budget=Unlimited(), accounts=accounts)


async def test_while_refunds_fail_none_is_sent_and_none_burns_a_try(rig: MoneyRig) -> None:
    await rig.late()
    await _refund(rig, FixedAccounts())
    order = await rig.late(number="+2250501020399")
    accounts = FixedAccounts(Rails(circuit_open=frozenset({"mtn_momo:out"})))
    assert await _refund(rig, accounts) == 2
    (waits,) = await rig.refunds_of(order)
    assert (waits.status, waits.send_tries, waits.sent_at) == ("due", 0, None)
    assert 40 < (waits.next_try_at - await rig.now()).total_seconds() < 75
    assert await rig.rows("select 1 from refund_events where reference = :r", r=waits.reference) == []
    # What was sent is asked about all the same, at a trickle.
    assert accounts.notes == [("mtn_momo:out", CallKind.STATUS, "StillOpen")]
    # Collections fail: that holds up no refund.
    await _refund(rig, FixedAccounts(Rails(circuit_open=frozenset({"mtn_momo"}))))
    assert (await rig.refunds_of(order))[0].status == "sent"


async def test_questions_at_a_closed_account_are_few(rig: MoneyRig) -> None:
    for number in range(8):
        await rig.late(number=f"+22505010203{number:02}")
    await rig.refund()
    accounts = FixedAccounts(Rails(circuit_open=frozenset({"mtn_momo:out"})))
    assert await _refund(rig, accounts) == 8
    assert len(accounts.notes) == 5
    assert await rig.one("select count(*) from refunds where status = 'sent' and next_try_at > now()") == 8


async def test_an_account_that_opened_again_is_sent_a_few(rig: MoneyRig) -> None:
    for number in range(6):
        await rig.late(number=f"+22505010203{number:02}")
    accounts = FixedAccounts(places={"mtn_momo:out": 4})
    await _refund(rig, accounts)
    assert len(rig.provider.disbursed) == 4
    assert await rig.one("select count(*) from refunds where status = 'due' and send_tries = 0") == 2
    assert accounts.notes == [("mtn_momo:out", CallKind.DISBURSEMENT, "Accepted")] * 4


async def test_what_may_not_be_sent_again_yet_waits(rig: MoneyRig) -> None:
    order = await rig.late()
    rig.provider.disburse_script = [NotSent("ConnectError"), Accepted()]
    accounts = FixedAccounts(repeats=False)
    for _ in range(2):
        await _refund(rig, accounts)
    assert accounts.tries == [("mtn_momo:out", False), ("mtn_momo:out", True)]
    (held,) = await rig.refunds_of(order)
    assert (held.status, held.send_tries) == ("due", 1)
    accounts.repeats = True
    await _refund(rig, accounts)
    assert (await rig.refunds_of(order))[0].status == "sent"


@pytest.mark.parametrize("proof", [None, paid(500)])
async def test_an_event_about_a_refund_makes_it_due_once_and_moves_nothing(
    rig: MoneyRig, monkeypatch: pytest.MonkeyPatch, proof: Succeeded | None
) -> None:
    order = await rig.late()
    await rig.refund()
    reference = (await rig.refunds_of(order))[0].reference
    about = {"ours": reference, "foreign": uuid4()}
    monkeypatch.setattr(
        rig.provider, "parse_callback", lambda raw, _: (Hint("refund", None, proof, about[raw.body.decode()]),)
    )

    async def next_look_after(body: bytes, token: str | None = None) -> float:
        async with rig.engine.begin() as connection:
            await connection.execute(
                text("update refunds set next_try_at = now() + interval '1 hour' where status = 'sent'")
            )
        await rig.callback(None, body, token)
        await rig.judge()
        due: datetime = (await rig.refunds_of(order))[0].next_try_at
        return (due - await rig.now()).total_seconds()

    assert await next_look_after(b"foreign") > 3_000
    # By what the event names, by the address that it came to, and once more.
    assert await next_look_after(b"ours") < 5
    assert await next_look_after(b"ours", rig.vault.callback_token(reference)) < 5
    assert await next_look_after(b"ours") < 5
    assert (await rig.refunds_of(order))[0].status == "sent"
    assert await rig.status(order) == "refund_due"
    rig.provider.outgoing_script = [paid(500)]
    await rig.refund_again()
    assert await rig.status(order) == "refunded"
    assert await next_look_after_the_end(rig, order) is None


async def next_look_after_the_end(rig: MoneyRig, order: Any) -> Any:
    """When a refund that is done is looked at again after one more event."""
    await rig.callback(None, b"ours")
    await rig.judge()
    return (await rig.refunds_of(order))[0].next_try_at
