"""Payouts on a real database: two persons, a delay, one reference, and every ending in the book."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from gateway.orders.routing import Rails
from gateway.values.money import Money
from payments.disbursement.payouts.statement import payout_statement, statement_csv, statement_text
from payments.provider import (
    Accepted,
    DisburseResult,
    Failed,
    NotFound,
    NotSent,
    PayerReason,
    Rejected,
    StatusReport,
    StillOpen,
    Unavailable,
    Unknown,
)
from payments.requests import Act, ActRefused, RequestStatus, Why
from payments.rescue.tickets import Tickets
from tests.rigs.fixed_accounts import FixedAccounts
from tests.rigs.money_rig import ASKER, CHECKER, REASON, RIGHTS, hire
from tests.rigs.payout_rig import NUMBER, PayoutRig, arrived


@pytest.fixture
async def rig(database: Any) -> AsyncIterator[PayoutRig]:
    rig = PayoutRig(database.app_url)
    await rig.open()
    await rig.charge_fees()
    await rig.counted()
    yield rig
    assert await rig.broken() == {}
    await rig.close()


async def test_from_the_vote_to_the_organiser(rig: PayoutRig) -> None:
    reference = await rig.approved(425)
    assert (await rig.account("organiser_payable"), await rig.account("payouts_sent")) == (0, -425)
    assert await rig.broken() == {}
    await rig.pay()
    assert await rig.state() == "sent"
    (asked,) = rig.provider.paid
    assert (asked.reference, asked.payee, asked.amount) == (reference, NUMBER, Money(425, "XOF"))
    rig.provider.asked_script = [StillOpen("PENDING"), arrived(425)]
    await rig.pay()
    assert await rig.state() == "sent"
    await rig.pay()
    assert await rig.state() == "done"
    assert (await rig.account("payouts_sent"), await rig.account("operator_float")) == (0, -425)
    assert [row.to_status for row in await rig.rows("select to_status from payout_events order by id")] == [
        "due",
        "sent",
        "sent",
        "done",
    ]
    await rig.pay()
    assert len(rig.provider.paid) == 1


async def test_a_callback_brings_the_question_forward(rig: PayoutRig) -> None:
    reference = await rig.approved(400)
    await rig.pay()
    await rig.run("update payouts set next_try_at = now() + interval '1 hour'")
    await rig.callback(None, b'{"status": "SUCCESSFUL"}', rig.vault.callback_token(reference))
    assert await rig.judge() == 1
    assert await rig.one("select next_try_at < now() + interval '3 seconds' from payouts")
    assert await rig.state() == "sent"


async def test_two_persons_and_a_delay(rig: PayoutRig) -> None:
    request = await rig.registered()
    with pytest.raises(ActRefused, match="another person"):
        await rig.acts.decide(request, ASKER, approve=True)
    beneficiary = str(await rig.one("select id from beneficiaries"))
    with pytest.raises(ActRefused, match="no second person has confirmed"):
        await rig.ask(beneficiary)
    await rig.acts.decide(request, CHECKER, approve=True)
    with pytest.raises(ActRefused, match="can be paid from"):
        await rig.ask(beneficiary)
    assert await rig.one("select usable_from - confirmed_at from beneficiaries") == timedelta(hours=24)
    await rig.run("update beneficiaries set usable_from = now()")
    asked = await rig.ask(beneficiary)
    with pytest.raises(ActRefused, match="another person"):
        await rig.acts.decide(asked, ASKER, approve=True)
    assert await rig.one("select count(*) from payouts") == 0


async def test_the_number_is_sealed_and_shown_masked(rig: PayoutRig) -> None:
    await rig.registered()
    (line,) = await rig.beneficiaries.listed(None, "demo")
    assert line.number == "+225 05 •• •• 07 08"
    kept = await rig.one("select preview::text from staff_requests")
    logged = " ".join(row[0] for row in await rig.rows("select detail::text from audit_log"))
    assert "0505060708" not in kept + logged


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"number": "123"}, "no mobile number"),
        ({"number": "0505999999"}, "has no wallet"),
        ({"account": "wave"}, "pays no one"),
        ({"name": "  "}, "whose wallet"),
        ({"reason": ""}, "reason"),
        ({"person": ""}, "who you are"),
    ],
)
async def test_no_such_beneficiary(rig: PayoutRig, more: dict[str, str], expected: str) -> None:
    with pytest.raises(ActRefused, match=expected):
        await rig.registered(**more)
    assert await rig.one("select count(*) from beneficiaries") == 0


async def test_not_more_than_is_payable_also_when_it_shrank_meanwhile(rig: PayoutRig) -> None:
    beneficiary = await rig.beneficiary()
    with pytest.raises(ActRefused, match="425 of 425"):
        await rig.ask(beneficiary, 426)
    first, second = await rig.ask(beneficiary, 300), await rig.ask(beneficiary, 300)
    assert (await rig.acts.decide(first, CHECKER, approve=True)).status is RequestStatus.DONE
    outcome = await rig.acts.decide(second, CHECKER, approve=True)
    assert (outcome.status, await rig.one("select count(*) from payouts")) == (RequestStatus.FAILED, 1)
    assert "125 of 125" in outcome.text


async def test_what_may_be_taken_back_is_not_paid_out(rig: PayoutRig) -> None:
    order = await rig.counted(number="+2250501020305")
    assert (await rig.payout_acts.position("star", None)).payable_minor == 850
    await rig.acts.ask(Act.REFUND_PAYMENT, str(order.payment_reference), {}, REASON, ASKER)
    position = await rig.payout_acts.position("star", None)
    assert (position.owed_minor, position.at_risk_minor, position.payable_minor) == (850, 425, 425)
    await rig.run("update payments set provisional = true")
    assert (await rig.payout_acts.position("star", None)).payable_minor == 0
    await rig.run("update payments set provisional = false")


async def test_what_one_person_does_wants_the_right_too(rig: PayoutRig) -> None:
    """Registering, retiring and closing a ticket need no second person, and a role with the right."""
    beneficiary = UUID(await rig.beneficiary())
    eve = await hire(rig.engine, "eve@house.test", "auditor")
    tickets = Tickets(rig.engine, rig.vault, RIGHTS.permit)
    for act in (
        partial(rig.registered, person=eve),
        partial(rig.beneficiaries.retire, beneficiary, person=eve, reason=REASON),
        partial(tickets.close, "13", person=eve, reason=REASON),
    ):
        with pytest.raises(ActRefused) as refused:
            await act()
        assert refused.value.why is Why.NOT_ALLOWED
    assert await rig.one("select count(*) from beneficiaries where retired_at is null") == 1


@pytest.mark.parametrize("days", [0, 8, 400])
@pytest.mark.parametrize(
    ("whose", "account", "stops"),
    [
        ("star", "mtn_momo", True),
        ("star", "wave", True),  # its own money, wherever it is
        ("mboa", "mtn_momo", False),  # of another contest
        (None, "mtn_momo", True),  # of no contest, in the account that would pay
        (None, "wave", False),
    ],
)
async def test_an_open_difference_stops_only_what_it_touches(
    rig: PayoutRig, whose: str | None, account: str, stops: bool, days: int
) -> None:
    beneficiary = await rig.beneficiary()
    asked = await rig.ask(beneficiary)
    await rig.run(
        "insert into differences (provider, kind, amount_minor, currency, detail, contest_id, found_at)"
        " values (:p, 'double', 500, 'XOF', '-', (select id from contests where slug = :c),"
        " now() - make_interval(days => :days))",
        p=account,
        c=whose,
        days=days,
    )
    if stops:
        with pytest.raises(ActRefused, match="1 differences"):
            await rig.ask(beneficiary)
    outcome = await rig.acts.decide(asked, CHECKER, approve=True)
    assert outcome.status is (RequestStatus.FAILED if stops else RequestStatus.DONE)
    await rig.run("update differences set status = 'resolved'")
    await rig.ask(beneficiary, 25)


STATE = "update organisers set state = :state where slug = 'demo'"


async def test_a_frozen_organiser_is_paid_nothing(rig: PayoutRig) -> None:
    await rig.approved(300)
    beneficiary = str(await rig.one("select id from beneficiaries"))
    waiting = await rig.ask(beneficiary, 100)
    await rig.run(STATE, state="frozen")
    assert await rig.pay() == 0
    with pytest.raises(ActRefused, match="frozen"):
        await rig.ask(beneficiary, 100)
    assert (await rig.acts.decide(waiting, CHECKER, approve=True)).status is RequestStatus.FAILED
    assert (rig.provider.paid, await rig.state()) == ([], "due")
    await rig.run(STATE, state="limited")
    await rig.pay()
    assert await rig.state() == "sent"


async def test_what_is_on_its_way_is_followed_though_frozen(rig: PayoutRig) -> None:
    await rig.approved()
    await rig.pay()
    await rig.run(STATE, state="frozen")
    rig.provider.asked_script = [arrived(400)]
    await rig.pay()
    assert await rig.state() == "done"


@pytest.mark.parametrize(
    ("answers", "reports", "state"),
    [
        ([Rejected("PAYEE_NOT_FOUND", PayerReason.UNKNOWN_NUMBER)], [StillOpen("")], "failed"),
        ([Rejected("X", PayerReason.OTHER, ask_first=True)], [NotFound("")], "failed"),
        ([Rejected("X", PayerReason.OTHER, ask_first=True)], [arrived(400)], "done"),
        ([Rejected("NOT_ENOUGH_FUNDS", PayerReason.NO_FUNDS, alarm=True)], [StillOpen("")], "due"),
        ([NotSent("refused")], [StillOpen("")], "due"),
        ([Unknown("timeout")], [StillOpen("")], "sent"),
        ([Unknown("timeout")], [Unavailable("503")], "sent"),
        ([Unknown("timeout")], [NotFound("")], "sent"),
        ([Unknown("timeout")], [arrived(400)], "done"),
        ([Accepted()], [Failed("PAYEE_LIMIT", PayerReason.LIMIT, "{}")], "failed"),
        ([Accepted()], [arrived(399)], "manual"),
    ],
)
async def test_every_answer(
    rig: PayoutRig, answers: list[DisburseResult], reports: list[StatusReport], state: str
) -> None:
    await rig.approved()
    rig.provider.out_script, rig.provider.asked_script = answers, reports
    await rig.pay()
    if await rig.state() == "sent":
        await rig.pay()
    assert await rig.state() == state
    owed = {"failed": 425, "done": 25}.get(state, 25)
    assert -await rig.account("organiser_payable") == owed
    assert len({asked.reference for asked in rig.provider.paid}) == 1


async def test_while_money_cannot_leave_the_account_no_payout_is_sent_and_none_burns_a_try(rig: PayoutRig) -> None:
    await rig.approved()
    accounts = FixedAccounts(Rails(circuit_open=frozenset({"mtn_momo:out"})))
    assert await rig.pay(accounts) == 1
    (waits,) = await rig.rows("select status, send_tries, next_try_at > now() + interval '40 s' as later from payouts")
    assert tuple(waits) == ("due", 0, True)
    assert (rig.provider.paid, accounts.notes) == ([], [])
    accounts.rails = Rails(circuit_open=frozenset({"mtn_momo"}))
    await rig.pay(accounts)
    assert await rig.state() == "sent"
    # What was sent is asked about whatever fails.
    accounts.rails = Rails(circuit_open=frozenset({"mtn_momo:out"}))
    rig.provider.asked_script = [arrived(400)]
    await rig.pay(accounts)
    assert await rig.state() == "done"
    assert [(account, asked.value) for account, asked, _ in accounts.notes] == [
        ("mtn_momo:out", "disbursement"),
        ("mtn_momo:out", "status"),
    ]


async def test_never_arrived_is_sent_again_under_the_same_reference(rig: PayoutRig) -> None:
    await rig.approved()
    rig.provider.out_script, rig.provider.asked_script = [Unknown("reset")], [NotFound("")]
    for _ in range(4):
        await rig.pay()
        await rig.run("update payouts set not_found_since = not_found_since - interval '1 minute'")
    assert await rig.state() == "due"
    rig.provider.asked_script = [arrived(400)]
    await rig.pay()
    await rig.pay()
    assert await rig.state() == "done"
    assert len(rig.provider.paid) == 2
    assert len({asked.reference for asked in rig.provider.paid}) == 1


@pytest.mark.parametrize(
    ("end", "state", "owed"), [("done", "done", 25), ("failed", "failed", 425), ("again", "due", 25)]
)
async def test_a_person_finds_out(rig: PayoutRig, end: str, state: str, owed: int) -> None:
    reference = await rig.approved()
    rig.provider.asked_script = [StillOpen("PENDING")]
    await rig.pay()
    await rig.run("update payouts set sent_at = now() - interval '25 hours'")
    await rig.pay()
    assert await rig.state() == "manual"
    params = {"step": "finish", "end": end}
    if end == "done":
        with pytest.raises(ActRefused, match="operator's reference"):
            await rig.acts.ask(Act.PAYOUT, str(reference), params, REASON, ASKER)
    request = await rig.acts.ask(Act.PAYOUT, str(reference), {**params, "operator_reference": "MP7"}, REASON, ASKER)
    assert (await rig.acts.decide(request, CHECKER, approve=True)).status is RequestStatus.DONE
    assert (await rig.state(), -await rig.account("organiser_payable")) == (state, owed)


async def test_an_account_out_of_service_keeps_it_waiting(rig: PayoutRig) -> None:
    await rig.approved()
    rig.providers.clear()
    await rig.pay()
    assert await rig.state() == "due"


async def test_approved_once_paid_once_though_carried_out_twice(rig: PayoutRig) -> None:
    request = await rig.ask(await rig.beneficiary())
    held = await rig.acts.requests.decide(request, CHECKER, True)
    assert await rig.payout_acts.carry_out(held) == await rig.payout_acts.carry_out(held)
    assert await rig.acts.run_approved() == 1
    assert await rig.one("select count(*) from payouts") == 1


async def test_the_statement_adds_up(rig: PayoutRig) -> None:
    first = await rig.approved(300)
    order = await rig.counted(number="+2250501020305", quantity=10)
    asked = await rig.acts.ask(Act.REFUND_PAYMENT, str(order.payment_reference), {}, REASON, ASKER)
    await rig.acts.decide(asked, CHECKER, approve=True)
    await rig.counted(number="+2250501020306", quantity=2)
    request = await rig.ask(str(await rig.one("select id from beneficiaries")), 295)
    await rig.acts.decide(request, CHECKER, approve=True)
    second = await rig.one("select reference from payouts where request_id = :r", r=request)

    one, two = await payout_statement(rig.engine, first, None), await payout_statement(rig.engine, second, None)
    assert (one.gross_minor, one.fees_minor, one.net_minor, one.left_minor) == (500, 75, 425, 125)
    assert (two.gross_minor, two.refunded_minor, two.fees_minor, two.net_minor) == (1200, 1000, 30, 170)
    assert (two.brought_forward_minor, two.left_minor, two.period_from) == (125, 0, one.period_to)
    for each in (one, two):
        left = each.brought_forward_minor + each.net_minor + each.returned_minor - each.payout.amount.amount_minor
        assert left == each.left_minor
    assert [(day.first, day.last, day.votes, day.amount_minor) for day in two.tally] == [(2, 4, 2, 200)]
    rows = {row["what"]: row for row in csv.DictReader(io.StringIO(statement_csv(two)))}
    assert (rows["net"]["amount_minor"], rows["tally of the day"]["tally_last"]) == ("170", "4")
    assert "2 to 4: 2 votes" in statement_text(two)
    assert "1 200 FCFA" in statement_text(two)
