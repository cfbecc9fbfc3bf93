"""Nothing that runs all the time reads a table whole that grows: with a million payments it would not end in time."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pkgutil import walk_packages
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import TextClause
from sqlalchemy.ext.asyncio import AsyncEngine

import admin
import channels
import gateway
import leaderboard
import payments
from admin.approvals.pages import OPEN_REQUESTS
from admin.exports.rules import ROWS_AT_ONCE
from admin.figures.rules import DAY, HOUR, MINUTE
from admin.figures.store import Figures
from admin.fraud.neighbours import NeighboursStore
from admin.fraud.store import Fraud, Limits
from admin.orders.filters import OrderFilter, OrderState, cursor_of
from admin.orders.listed import ListedOrders, Part
from admin.orders.store import StaffOrders
from channels.messages.carrier import IncomingText
from channels.messages.outbox import SentMessage
from channels.messages.rules import Routes
from channels.messages.unfinished import Reached, UnfinishedDialogues
from channels.telegram.store import Chat, TelegramStore
from gateway.orders.fraud import FraudLimits
from gateway.orders.prompting import Orderer, OrdererKind, PromptLimits
from gateway.orders.rules import Channel, PlacedOrder
from gateway.orders.store import Orders
from gateway.orders.wallet import PaymentMethod
from gateway.runtime.figures import FigureStore
from gateway.runtime.owed_work import OwedWork
from gateway.storage.direct import Direct
from gateway.storage.engine import APP_ROLE, TENANT_ROLE
from gateway.storage.purging import Kept, purge
from gateway.storage.redis_link import connect
from gateway.values.money import Money
from gateway.values.msisdn import Msisdn
from leaderboard.confirming import Confirming
from leaderboard.log.inclusion import Inclusions
from leaderboard.scores import Scores
from payments.collection.provisional_store import ProvisionalPayments
from payments.disbursement.disputes.reversals import Reversals
from payments.disbursement.disputes.store import ObservedReversal, act_on_lost
from payments.disbursement.payouts.store import Payouts
from payments.ledger.money_places import MoneyPlaces
from payments.provider import NamedReversal, Reversed
from payments.reconciliation.differences import Differences
from payments.reconciliation.store import ReconciliationStore
from payments.requests import Act, Scope
from payments.rescue.attempts import Attempts
from payments.rescue.rules import OfChat, OfNumber, OfOrder
from payments.rescue.tickets import Tickets
from payments.rollups.store import Rollups
from tests.engines import Database
from tests.gateway.storage.many_rows import fill
from tests.gateway.storage.plans import Planner, Recorder
from tests.rigs.money_rig import RIGHTS, MoneyRig, opened
from tests.rigs.rig import PUBLIC_URL
from tests.rigs.scripted_provider import paid

ROUTES = Routes(("africastalking", "kannel"))
VOTER = Msisdn("+2250501020304", "CI")


# What reads much because it is asked for much, by hand or once a day: the audit, a contest's money, a window of
# payments, the time that a statement covers, and what persons decide about a group of differences or an import.
WHOLE_BOOK = frozenset(
    {
        "leaderboard.log.audit",
        "leaderboard.log.rebuild",
        "payments.ledger.audit",
        "payments.ledger.money_places",
        "payments.disbursement.refunds.voids",
        "payments.disbursement.payouts.statement",
        "payments.reconciliation.balances",
        "payments.reconciliation.difference_acts",
        "payments.reconciliation.undo_import",
    }
)
# And lists of differences and imports, which their limits end.
REPORTS = frozenset({"payments.reconciliation.store._MISSING_THERE"})
REPORTS |= {
    f"payments.reconciliation.differences.{name}"
    for name in ("_LISTED", "_LISTED_GROUP", "_LISTED_THEN", "_GROUPS", "_FILES", "_FILES_THEN")
}
# And what was at an earlier moment, counted again from what happened by then: an auditor asks for it, by hand. An index
# of entries by time would cost each vote that is settled; what else is read is as long as the list of requests,
# refunds or tickets.
REPORTS |= {
    "admin.candidates.store._VOTES_THEN",
    "admin.audit.store._TOTALS_THEN",
    "admin.audit.store._WHOLE",
    "payments.rescue.tickets._OPEN_THEN",
}
REPORTS |= {f"admin.orders.store.{name}" for name in ("_COUNTS_THEN", "_REFUND_SUMS_THEN", "_REFUNDS_THEN")}
# And the journal, which is every posting, with its length up to a limit.
REPORTS |= {"payments.ledger.book._JOURNAL", "payments.ledger.book._JOURNAL_LENGTH"}
# And what is rebuilt by hand.
REPORTS |= {"gateway.runtime.operations._REACHED"}
# In the first minute of a month PostgreSQL knows of its tables what is presumed when they are made.
AS_A_NEW_MONTH = """
delete from pg_statistic s using pg_inherits i where s.starelid = i.inhrelid;
select presume_distinct(c.relname, i.inhparent::regclass::text) from pg_inherits i
  join pg_class c on c.oid = i.inhrelid and c.relkind = 'r'
"""
# So many statements stand in modules; a walk that finds fewer looks in the wrong place.
STATEMENTS_MIN = 200


def statements(engine: AsyncEngine) -> dict[str, str]:
    """Every statement of the five packages that is no report, as the engine sends it, by module and name."""
    modules = [
        import_module(found.name)
        for package in (admin, channels, gateway, leaderboard, payments)
        for found in walk_packages(package.__path__, f"{package.__name__}.")
        if not found.ispkg and found.name not in WHOLE_BOOK and ".migrations" not in found.name
    ]
    named = {
        f"{module.__name__}.{name}": statement.statement if isinstance(statement, Direct) else statement
        for module in modules
        for name, statement in vars(module).items()
        if isinstance(statement, TextClause | Direct)
    }
    assert len(named) >= STATEMENTS_MIN
    assert named.keys() >= REPORTS
    return {name: str(one.compile(dialect=engine.dialect)) for name, one in named.items() if name not in REPORTS}


@pytest.fixture
async def rig(database: Database) -> AsyncIterator[MoneyRig]:
    await fill(database)
    made = await opened(database.app_url)
    auto = made.engine.execution_options(isolation_level="AUTOCOMMIT")
    made.orders = Orders(auto, made.vault, PromptLimits(), FraudLimits())
    yield made
    await made.close()


async def pass_time(database: Database, change: str) -> None:
    """Not by the engine of the rig, whose statements are looked at."""
    owner = await asyncpg.connect(database.owner_url)
    try:
        await owner.execute(f"update {change}")
    finally:
        await owner.close()


async def live(rig: MoneyRig, database: Database) -> list[PlacedOrder]:
    """Votes from order to receipt; one is counted, one comes too late, one pays another amount."""
    vote_requests = [rig.vote_request(number=f"+22505010203{n:02}", typed=n == 0) for n in range(4)]
    vote_requests[0] = replace(vote_requests[0], orderer=Orderer(OrdererKind.DEVICE, "a browser", "203.0.113.7"))
    placed = [
        order for vote_request in vote_requests if isinstance(order := await rig.place(vote_request), PlacedOrder)
    ]
    await rig.place(vote_requests[0])
    for order in placed[:2]:
        await rig.callback(order, b'{"status": "PENDING"}')
    await rig.callback(None, b'{"status": "SUCCESSFUL", "order_code": "SP77"}', token="unknown")
    await rig.collect()
    await rig.judge()
    rig.provider.query_script = [paid(), paid(), paid(400)]
    await pass_time(database, "payments set next_check_at = now(), asked_at = null where status in ('sent', 'pending')")
    await rig.verify()
    await rig.payments.claim_named([order.payment_reference for order in placed])
    await rig.payments.move_unsent("mtn_momo", "orange_money", 10)
    await rig.settle_all()
    await rig.refund()
    return placed


async def sweep(rig: MoneyRig) -> None:
    """What every process looks at all the time."""
    auto = rig.engine.execution_options(isolation_level="AUTOCOMMIT")
    work = OwedWork(auto)
    await work.owed()
    await FigureStore(rig.engine, work).figures()
    await Scores(rig.engine).scores()
    await Confirming(rig.engine, connect("redis://127.0.0.1:1/0"), {}).votes()
    await Rollups(rig.engine).catch_up()
    await act_on_lost(rig.engine)
    await purge(auto, Kept())
    for request in await rig.acts.requests.approved(10):
        raise AssertionError(request)


async def ask_operators(rig: MoneyRig, placed: list[PlacedOrder]) -> None:
    """Claims of every kind that `live` does not make."""
    await rig.callbacks.is_open(placed[0].payment_reference, "SP77")
    later = ProvisionalPayments(rig.engine, rig.vault, PUBLIC_URL)
    await later.questions_due()
    await later.facts([1, 2, 3])
    await later.claim("mtn_momo", 10, 60.0)
    await Payouts(rig.engine, rig.vault, PUBLIC_URL).claim(10)
    gone = Reversed("dispute_lost", Money(500, "XOF"), "du_1", "{}")
    named = ObservedReversal("stripe", gone, None, "op-20")
    reversals = Reversals(rig.engine, rig.engine.execution_options(isolation_level="AUTOCOMMIT"))
    await reversals.record([named, replace(named, reference=placed[0].payment_reference, number=None)])
    await reversals.name([NamedReversal("stripe", f"du_{n}") for n in range(3)])
    one, two, three = await reversals.claim(3)
    await reversals.answered(one, "known")
    await reversals.not_there(two, "XOF")
    await reversals.ask_again(three, 10)
    async with reversals.sweeping("stripe", 300) as swept:
        assert swept is not None
    await ReconciliationStore(rig.engine, rig.vault, RIGHTS.permit).compare_lines("mtn_momo", 0, 200, from_float=True)


async def talk(rig: MoneyRig, database: Database) -> None:
    """Texts, chats and dialogues, in and out."""
    texts, received = rig.outbox, rig.inbox
    due = await texts.claim_due(100, ROUTES)
    await texts.record_sent([SentMessage(m.id, m.attempts, "sent", m.carrier, f"c{m.id}") for m in due])
    await texts.store_report("africastalking", f"c{due[0].id}", "Success", VOTER.e164, None)
    await received.store(IncomingText("africastalking", "new", VOTER.e164, "98765", "VOTE 07 5", None))
    for incoming in await received.due(10):
        await received.answered(incoming, "answered", (uuid4(), "fr", {"lines": []}), opt_out=True)
    dialogues = UnfinishedDialogues(rig.engine, rig.vault)
    dialogues.note(Reached(VOTER, rig.contest.id, "07", 5, "fr"))
    await dialogues.aclose()
    await pass_time(
        database, "unfinished_dialogues set reached_at = now() - interval '1 hour' where handled_at is null"
    )
    await dialogues.remind()
    chats = TelegramStore(rig.engine.execution_options(isolation_level="AUTOCOMMIT"), rig.vault)
    await chats.store(10**9, 1, b"{}")
    await chats.unfinished(0, 10)
    await chats.give_up(86_400, 3)
    await chats.votes_of(Chat(7, 7, "fr", rig.contest.id, VOTER.e164), 5)
    await chats.ended_rankings(10)


async def look(rig: MoneyRig, order: PlacedOrder, receipt: str) -> None:
    """What voters and staff look for."""
    await rig.views.order(order.vote_id)
    await rig.views.changed_orders({order.vote_id: ""})
    await rig.views.votes_of(VOTER, rig.contest.id, 5)
    await rig.views.receipt(receipt)
    await rig.views.receipt("0000000000")
    await Inclusions(rig.engine, rig.vault).of(receipt)
    rescues = Attempts(rig.engine, rig.vault)
    for claim in (OfNumber(VOTER, (rig.contest.id,)), OfChat(7, VOTER), OfOrder(order.vote_id)):
        await rescues.latest(claim)
    await rescues.open_ticket(OfNumber(VOTER, (rig.contest.id,)), rig.contest.id, "fr", order.payment_reference)
    await read_by_staff(rig, None, order, receipt)
    await Differences(rig.engine).differences()
    await MoneyPlaces(rig.engine, rig.vault).of_number(VOTER.e164)


async def read_by_staff(rig: MoneyRig, scope: Scope, order: PlacedOrder, receipt: str) -> None:
    """Whatever those who work here read of orders."""
    await read_figures(Figures(rig.engine), scope, rig.contest.id)
    orders = StaffOrders(rig.engine, rig.vault)
    for word in ("0501020304", receipt, str(order.payment_reference), "op-77", "opr-77", "mistyped"):
        await orders.find(word, ["CI"], scope)
    await orders.payment_named(receipt, scope)
    await orders.payment_named(str(order.vote_id), scope)
    await orders.latest(scope)
    await orders.story(order.vote_id, scope)
    await orders.waiting(scope)
    await orders.held(scope)
    await orders.refunds(scope, statuses=["due", "manual"])
    await orders.find("4711", ["CI"], scope, contests=[rig.contest])
    await orders.find("fatou coulibaly", ["CI"], scope, contests=[rig.contest])
    await NeighboursStore(rig.engine, rig.vault).read("star", order.payment_reference, scope)
    fraud = Fraud(rig.engine, rig.vault, FraudLimits())
    await fraud.review("star", scope)
    await fraud.what_if("star", datetime.now(UTC) - timedelta(minutes=50), scope, Limits())
    listed = ListedOrders(rig.engine, rig.vault)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    for asked in (
        OrderFilter(),
        OrderFilter(since=at, until=at + timedelta(days=1)),
        OrderFilter(as_of=at),
        *(OrderFilter(state=state, as_of=then) for state in OrderState for then in (None, at)),
        *(OrderFilter(wallet=way) for way in PaymentMethod),
        *(OrderFilter(channel=channel) for channel in Channel),
        OrderFilter(candidate="07"),
        OrderFilter(amount_from=501),
        OrderFilter(candidate="07", wallet=PaymentMethod.CARD, state=OrderState.HELD, amount_to=100),
    ):
        for cursor in (None, cursor_of(at, order.vote_id)):
            await listed.listed(rig.contest, scope, Part(asked, cursor))
        await listed.count_looked_at(rig.contest, scope, asked, ROWS_AT_ONCE + 1)
    await Tickets(rig.engine, rig.vault, RIGHTS.permit).open_tickets(scope)
    await rig.acts.requests.listed(scope)
    await rig.acts.requests.listed(scope, statuses=OPEN_REQUESTS)
    await rig.acts.requests.listed(scope, statuses=OPEN_REQUESTS, acts=(Act.VOID_WINDOW,))


async def read_figures(figures: Figures, scope: Scope, contest: UUID) -> None:
    """The first page and the charts."""
    now = await figures.read_at()
    span = (now - timedelta(days=30), now)
    await figures.totals(scope, [contest], *span, ["all", "candidate"])
    for step in (MINUTE, HOUR, DAY):
        await figures.slots(scope, [contest], max(span[0], now - 60 * step), now, step=step)
    await figures.periods(scope, {contest: span}, now)
    await figures.waits(scope, [contest], span[0])
    await figures.steps(scope, [contest], *span)
    for at in (None, now - timedelta(days=3)):
        await figures.reasons(scope, contest, at)
    await figures.unlogged(scope, [contest])
    await figures.to_review(scope, [contest])


@pytest.mark.timeout(600)
async def test_no_statement_reads_a_growing_table_whole(rig: MoneyRig, database: Database) -> None:
    recorder, of_organiser = Recorder(), Recorder()
    organiser: UUID = await rig.one("select organiser_id from contests where slug = 'star'")
    await pass_time(database, "rollup_position set seen = (select max(id) from payment_events)")
    await pass_time(database, "balance_position set seen = (select max(id) from postings)")
    with recorder.listening(rig.engine):
        placed = await live(rig, database)
        receipt: str = await rig.one("select receipt from votes where id = :v", v=placed[0].vote_id)
        await ask_operators(rig, placed)
        await sweep(rig)
        await talk(rig, database)
        await look(rig, placed[0], receipt)
    with of_organiser.listening(rig.engine):
        await read_by_staff(rig, organiser, placed[0], receipt)
    unsent = dict.fromkeys(statements(rig.engine).values())
    connection = await asyncpg.connect(database.superuser_url)
    try:
        planner = await Planner.of(connection)
        assert {"payments", "votes", "callbacks"} <= {name.rpartition("_2")[0] for name in planner.large}
        # Some of what nobody sent here is for the owner.
        whole = await planner.all_whole_reads({sent: None for sent in unsent if sent not in recorder.sent})
        await planner.become(APP_ROLE)
        whole |= await planner.all_whole_reads(recorder.sent)
        await planner.become(TENANT_ROLE, str(organiser))
        # Which orders moved last is read as the service, by ids alone.
        sent = {one: given for one, given in of_organiser.sent.items() if "payment_events order by id desc" not in one}
        assert len(sent) == len(of_organiser.sent) - 1
        whole |= await planner.all_whole_reads(sent)
        await planner.become("none")
        await connection.execute(AS_A_NEW_MONTH)
        await planner.become(APP_ROLE)
        whole |= {f"in a new month: {one}": of for one, of in (await planner.all_whole_reads(recorder.sent)).items()}
    finally:
        await connection.close()
    assert whole == {}, "\n".join(f"{sorted(tables)}: {statement.strip()[:300]}" for statement, tables in whole.items())
