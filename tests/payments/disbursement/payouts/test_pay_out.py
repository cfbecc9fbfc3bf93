"""Payouts on a real database: two persons, a delay, one reference, and every ending in the book."""

import csv
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from admin.approvals.staff_acts import StaffActs
from admin.approvals.store import StaffRequests
from admin.money.payout_acts import payout_executors, register_beneficiary
from gateway.orders.routing import Rails
from gateway.values.money import Money
from payments.accounts.calls import UNWATCHED, Accounts, Unlimited
from payments.disbursement.payouts.acts import PayoutActs, payout_previews
from payments.disbursement.payouts.beneficiaries import Beneficiaries
from payments.disbursement.payouts.statement import payout_statement, statement_csv, statement_text
from payments.disbursement.payouts.store import Payouts
from payments.disbursement.refunds.acts import refund_previews
from payments.disbursement.send import send_and_ask
from payments.provider import (
    Accepted,
    Disbursement,
    DisburseResult,
    Failed,
    NotFound,
    NotSent,
    PayerReason,
    Rejected,
    StatusReport,
    StillOpen,
    Succeeded,
    Unavailable,
    Unknown,
)
from payments.reconciliation.difference_acts import freeze_decision
from payments.requests import Act, ActRefused, RequestStatus, Why
from payments.rescue.tickets import Tickets
from tests.rigs.fixed_accounts import FixedAccounts
from tests.rigs.money_rig import ASKER, CHECKER, REASON, RIGHTS, MoneyRig, hire
from tests.rigs.rig import PUBLIC_URL
from tests.rigs.scripted_provider import ScriptedProvider

NUMBER = "+2250505060708"


def arrived(minor: int) -> Succeeded:
    return Succeeded(Money(minor, "XOF"), "op-out-1", "{}")


@dataclass
class PayingProvider(ScriptedProvider):
    """Pays out as its scripts say; the last answer is repeated for ever."""

    out_script: list[DisburseResult] = field(default_factory=lambda: [Accepted()])
    asked_script: list[StatusReport] = field(default_factory=lambda: [StillOpen("PENDING")])
    paid: list[Disbursement] = field(default_factory=list)

    async def disburse(self, disbursement: Disbursement) -> DisburseResult:
        self.paid.append(disbursement)
        return self.out_script.pop(0) if len(self.out_script) > 1 else self.out_script[0]

    async def query_disbursement(self, disbursement: Disbursement) -> StatusReport:
        return self.asked_script.pop(0) if len(self.asked_script) > 1 else self.asked_script[0]

    async def holder_active(self, msisdn: str) -> bool | None:
        return msisdn != "+2250505999999"


class Desk(MoneyRig):
    """The rig with payouts."""

    provider: PayingProvider

    def __init__(self, app_url: str) -> None:
        super().__init__(app_url, PayingProvider())
        self.provider.can = replace(self.provider.can, can_pay_out=True, pays_from_float=True, knows_holders=True)
        self.payouts = Payouts(self.engine, self.vault, PUBLIC_URL)
        self.desk = PayoutActs(self.engine, lambda account, country: True, RIGHTS.permit)
        self.beneficiaries = Beneficiaries(self.engine, self.vault, timedelta(hours=24), RIGHTS.permit)
        more = payout_executors(self.desk.carry_out, self.beneficiaries.confirm, self.doorbell)
        making = {
            **refund_previews(),
            **payout_previews(),
            **self.beneficiaries.previews(),
            Act.RECONCILE: freeze_decision,
        }
        self.acts = StaffActs(
            StaffRequests(self.engine, making, RIGHTS), {**self.acts._executors, **more}, self.doorbell
        )

    async def run(self, statement: str, **parameters: Any) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(text(statement), parameters)

    async def registered(self, **more: str) -> UUID:
        """The request to confirm a beneficiary."""
        values = {
            "organiser": "demo",
            "account": "mtn_momo",
            "country": "CI",
            "number": NUMBER,
            "name": "Awa Koné",
            "person": ASKER,
            "reason": REASON,
            **more,
        }
        return await register_beneficiary(
            providers=self.providers, add=self.beneficiaries.add, acts=self.acts, **values
        )

    async def beneficiary(self) -> str:
        """One that can be paid."""
        request = await self.registered()
        outcome = await self.acts.decide(request, CHECKER, approve=True)
        assert outcome.status is RequestStatus.DONE, outcome
        await self.run("update beneficiaries set usable_from = now()")
        made: UUID = await self.one("select id from beneficiaries")
        return str(made)

    async def ask(self, beneficiary: str, minor: int = 400) -> UUID:
        params = {"step": "send", "amount_minor": minor, "beneficiary": beneficiary}
        return await self.acts.ask(Act.PAYOUT, "star", params, REASON, ASKER)

    async def approved(self, minor: int = 400) -> UUID:
        """A payout that two persons agreed to."""
        request = await self.ask(await self.beneficiary(), minor)
        outcome = await self.acts.decide(request, CHECKER, approve=True)
        assert outcome.status is RequestStatus.DONE, outcome
        made: UUID = await self.one("select reference from payouts where request_id = :r", r=request)
        return made

    async def pay(self, accounts: Accounts = UNWATCHED) -> int:
        await self.run("update payouts set next_try_at = now() where next_try_at is not null")
        return await send_and_ask(self.payouts, providers=self.providers, budget=Unlimited(), accounts=accounts)

    async def state(self) -> str:
        found: str = await self.one("select status from payouts")
        return found

    async def account(self, name: str) -> int:
        held: int = await self.one("select coalesce(sum(amount_minor), 0) from postings where account = :a", a=name)
        return held


@pytest.fixture
async def desk(database: Any) -> AsyncIterator[Desk]:
    rig = Desk(database.app_url)
    await rig.open()
    await rig.charge_fees()
    await rig.counted()
    yield rig
    assert await rig.broken() == {}
    await rig.close()


async def test_from_the_vote_to_the_organiser(desk: Desk) -> None:
    reference = await desk.approved(425)
    assert (await desk.account("organiser_payable"), await desk.account("payouts_sent")) == (0, -425)
    assert await desk.broken() == {}
    await desk.pay()
    assert await desk.state() == "sent"
    (asked,) = desk.provider.paid
    assert (asked.reference, asked.payee, asked.amount) == (reference, NUMBER, Money(425, "XOF"))
    desk.provider.asked_script = [StillOpen("PENDING"), arrived(425)]
    await desk.pay()
    assert await desk.state() == "sent"
    await desk.pay()
    assert await desk.state() == "done"
    assert (await desk.account("payouts_sent"), await desk.account("operator_float")) == (0, -425)
    assert [row.to_status for row in await desk.rows("select to_status from payout_events order by id")] == [
        "due",
        "sent",
        "sent",
        "done",
    ]
    await desk.pay()
    assert len(desk.provider.paid) == 1


async def test_a_callback_brings_the_question_forward(desk: Desk) -> None:
    reference = await desk.approved(400)
    await desk.pay()
    await desk.run("update payouts set next_try_at = now() + interval '1 hour'")
    await desk.callback(None, b'{"status": "SUCCESSFUL"}', desk.vault.callback_token(reference))
    assert await desk.judge() == 1
    assert await desk.one("select next_try_at < now() + interval '3 seconds' from payouts")
    assert await desk.state() == "sent"


async def test_two_persons_and_a_delay(desk: Desk) -> None:
    request = await desk.registered()
    with pytest.raises(ActRefused, match="somebody else"):
        await desk.acts.decide(request, ASKER, approve=True)
    beneficiary = str(await desk.one("select id from beneficiaries"))
    with pytest.raises(ActRefused, match="nobody has confirmed"):
        await desk.ask(beneficiary)
    await desk.acts.decide(request, CHECKER, approve=True)
    with pytest.raises(ActRefused, match="can be paid from"):
        await desk.ask(beneficiary)
    assert await desk.one("select usable_from - confirmed_at from beneficiaries") == timedelta(hours=24)
    await desk.run("update beneficiaries set usable_from = now()")
    asked = await desk.ask(beneficiary)
    with pytest.raises(ActRefused, match="somebody else"):
        await desk.acts.decide(asked, ASKER, approve=True)
    assert await desk.one("select count(*) from payouts") == 0


async def test_the_number_is_sealed_and_shown_masked(desk: Desk) -> None:
    await desk.registered()
    (line,) = await desk.beneficiaries.listed("demo")
    assert line.number == "+225 05 •• •• 07 08"
    kept = await desk.one("select preview::text from staff_requests")
    logged = " ".join(row[0] for row in await desk.rows("select detail::text from audit_log"))
    assert "0505060708" not in kept + logged


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"number": "123"}, "no mobile number"),
        ({"number": "0505999999"}, "has no wallet"),
        ({"account": "wave"}, "pays nobody"),
        ({"name": "  "}, "whose wallet"),
        ({"reason": ""}, "reason"),
        ({"person": ""}, "who you are"),
    ],
)
async def test_no_such_beneficiary(desk: Desk, more: dict[str, str], said: str) -> None:
    with pytest.raises(ActRefused, match=said):
        await desk.registered(**more)
    assert await desk.one("select count(*) from beneficiaries") == 0


async def test_not_more_than_is_payable_also_when_it_shrank_meanwhile(desk: Desk) -> None:
    beneficiary = await desk.beneficiary()
    with pytest.raises(ActRefused, match="425 of 425"):
        await desk.ask(beneficiary, 426)
    first, second = await desk.ask(beneficiary, 300), await desk.ask(beneficiary, 300)
    assert (await desk.acts.decide(first, CHECKER, approve=True)).status is RequestStatus.DONE
    outcome = await desk.acts.decide(second, CHECKER, approve=True)
    assert (outcome.status, await desk.one("select count(*) from payouts")) == (RequestStatus.FAILED, 1)
    assert "125 of 125" in outcome.text


async def test_what_may_be_taken_back_is_not_paid_out(desk: Desk) -> None:
    order = await desk.counted(number="+2250501020305")
    assert (await desk.desk.position("star")).position.payable_minor == 850
    await desk.acts.ask(Act.REFUND_PAYMENT, str(order.payment_reference), {}, REASON, ASKER)
    position = (await desk.desk.position("star")).position
    assert (position.owed_minor, position.at_risk_minor, position.payable_minor) == (850, 425, 425)
    await desk.run("update payments set provisional = true")
    assert (await desk.desk.position("star")).position.payable_minor == 0
    await desk.run("update payments set provisional = false")


async def test_what_one_person_does_wants_the_right_too(desk: Desk) -> None:
    """Registering, retiring, freezing and closing a ticket need no second person, and a role with the right."""
    beneficiary = UUID(await desk.beneficiary())
    eve = await hire(desk.engine, "eve@house.test", "auditor")
    tickets = Tickets(desk.engine, desk.vault, RIGHTS.permit)
    for act in (
        partial(desk.registered, person=eve),
        partial(desk.beneficiaries.retire, beneficiary, person=eve, reason=REASON),
        partial(desk.desk.freeze, "demo", frozen=True, reason=REASON, person=eve),
        partial(tickets.close, "13", person=eve, reason=REASON),
    ):
        with pytest.raises(ActRefused) as refused:
            await act()
        assert refused.value.why is Why.NOT_ALLOWED
    assert await desk.one("select count(*) from beneficiaries where retired_at is null") == 1
    assert not (await desk.desk.position("star")).frozen


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
    desk: Desk, whose: str | None, account: str, stops: bool
) -> None:
    beneficiary = await desk.beneficiary()
    asked = await desk.ask(beneficiary)
    await desk.run(
        "insert into differences (provider, kind, amount_minor, currency, detail, contest_id)"
        " values (:p, 'double', 500, 'XOF', '-', (select id from contests where slug = :c))",
        p=account,
        c=whose,
    )
    if stops:
        with pytest.raises(ActRefused, match="1 differences"):
            await desk.ask(beneficiary)
    outcome = await desk.acts.decide(asked, CHECKER, approve=True)
    assert outcome.status is (RequestStatus.FAILED if stops else RequestStatus.DONE)
    await desk.run("update differences set status = 'resolved'")
    await desk.ask(beneficiary, 25)


async def test_a_frozen_organiser_is_paid_nothing(desk: Desk) -> None:
    await desk.approved(300)
    beneficiary = str(await desk.one("select id from beneficiaries"))
    waiting = await desk.ask(beneficiary, 100)
    await desk.desk.freeze("demo", frozen=True, reason="fraud is looked into", person=CHECKER)
    assert await desk.pay() == 0
    with pytest.raises(ActRefused, match="frozen"):
        await desk.ask(beneficiary, 100)
    assert (await desk.acts.decide(waiting, CHECKER, approve=True)).status is RequestStatus.FAILED
    assert (desk.provider.paid, await desk.state()) == ([], "due")
    await desk.desk.freeze("demo", frozen=False, reason="cleared", person=CHECKER)
    await desk.pay()
    assert await desk.state() == "sent"


async def test_what_is_on_its_way_is_followed_though_frozen(desk: Desk) -> None:
    await desk.approved()
    await desk.pay()
    await desk.desk.freeze("demo", frozen=True, reason="fraud is looked into", person=CHECKER)
    desk.provider.asked_script = [arrived(400)]
    await desk.pay()
    assert await desk.state() == "done"


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
async def test_every_answer(desk: Desk, answers: list[DisburseResult], reports: list[StatusReport], state: str) -> None:
    await desk.approved()
    desk.provider.out_script, desk.provider.asked_script = answers, reports
    await desk.pay()
    if await desk.state() == "sent":
        await desk.pay()
    assert await desk.state() == state
    owed = {"failed": 425, "done": 25}.get(state, 25)
    assert -await desk.account("organiser_payable") == owed
    assert len({asked.reference for asked in desk.provider.paid}) == 1


async def test_while_money_cannot_leave_the_account_no_payout_is_sent_and_none_burns_a_try(desk: Desk) -> None:
    await desk.approved()
    accounts = FixedAccounts(Rails(circuit_open=frozenset({"mtn_momo:out"})))
    assert await desk.pay(accounts) == 1
    (waits,) = await desk.rows("select status, send_tries, next_try_at > now() + interval '40 s' as later from payouts")
    assert tuple(waits) == ("due", 0, True)
    assert (desk.provider.paid, accounts.notes) == ([], [])
    accounts.rails = Rails(circuit_open=frozenset({"mtn_momo"}))
    await desk.pay(accounts)
    assert await desk.state() == "sent"
    # What was sent is asked about whatever fails.
    accounts.rails = Rails(circuit_open=frozenset({"mtn_momo:out"}))
    desk.provider.asked_script = [arrived(400)]
    await desk.pay(accounts)
    assert await desk.state() == "done"
    assert [(account, asked.value) for account, asked, _ in accounts.notes] == [
        ("mtn_momo:out", "disbursement"),
        ("mtn_momo:out", "status"),
    ]


async def test_never_arrived_is_sent_again_under_the_same_reference(desk: Desk) -> None:
    await desk.approved()
    desk.provider.out_script, desk.provider.asked_script = [Unknown("reset")], [NotFound("")]
    for _ in range(4):
        await desk.pay()
        await desk.run("update payouts set not_found_since = not_found_since - interval '1 minute'")
    assert await desk.state() == "due"
    desk.provider.asked_script = [arrived(400)]
    await desk.pay()
    await desk.pay()
    assert await desk.state() == "done"
    assert len(desk.provider.paid) == 2
    assert len({asked.reference for asked in desk.provider.paid}) == 1


@pytest.mark.parametrize(
    ("end", "state", "owed"), [("done", "done", 25), ("failed", "failed", 425), ("again", "due", 25)]
)
async def test_a_person_finds_out(desk: Desk, end: str, state: str, owed: int) -> None:
    reference = await desk.approved()
    desk.provider.asked_script = [StillOpen("PENDING")]
    await desk.pay()
    await desk.run("update payouts set sent_at = now() - interval '25 hours'")
    await desk.pay()
    assert await desk.state() == "manual"
    params = {"step": "finish", "end": end}
    if end == "done":
        with pytest.raises(ActRefused, match="operator's reference"):
            await desk.acts.ask(Act.PAYOUT, str(reference), params, REASON, ASKER)
    request = await desk.acts.ask(Act.PAYOUT, str(reference), {**params, "operator_reference": "MP7"}, REASON, ASKER)
    assert (await desk.acts.decide(request, CHECKER, approve=True)).status is RequestStatus.DONE
    assert (await desk.state(), -await desk.account("organiser_payable")) == (state, owed)


async def test_an_account_out_of_service_keeps_it_waiting(desk: Desk) -> None:
    await desk.approved()
    desk.providers.clear()
    await desk.pay()
    assert await desk.state() == "due"


async def test_approved_once_paid_once_though_carried_out_twice(desk: Desk) -> None:
    request = await desk.ask(await desk.beneficiary())
    held = await desk.acts.requests.decide(request, CHECKER, True)
    assert await desk.desk.carry_out(held) == await desk.desk.carry_out(held)
    assert await desk.acts.run_approved() == 1
    assert await desk.one("select count(*) from payouts") == 1


async def test_the_statement_adds_up(desk: Desk) -> None:
    first = await desk.approved(300)
    order = await desk.counted(number="+2250501020305", quantity=10)
    asked = await desk.acts.ask(Act.REFUND_PAYMENT, str(order.payment_reference), {}, REASON, ASKER)
    await desk.acts.decide(asked, CHECKER, approve=True)
    await desk.counted(number="+2250501020306", quantity=2)
    request = await desk.ask(str(await desk.one("select id from beneficiaries")), 295)
    await desk.acts.decide(request, CHECKER, approve=True)
    second = await desk.one("select reference from payouts where request_id = :r", r=request)

    one, two = await payout_statement(desk.engine, first), await payout_statement(desk.engine, second)
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
