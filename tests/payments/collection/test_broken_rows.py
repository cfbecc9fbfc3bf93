"""What fails by itself is set aside and shown; what is beside it and behind it is done."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, OperationalError

from channels.messages.carrier import IncomingText
from channels.messages.inbox import Inbox
from channels.messages.outbox import DueMessage
from channels.messages.rules import Routes
from channels.messages.unfinished import UnfinishedDialogues
from channels.sms.texts import render
from channels.telegram.store import TelegramStore
from gateway.contests.contest import Contest
from gateway.orders.rules import PlacedOrder
from gateway.runtime.figures import FigureStore
from gateway.runtime.owed_work import OwedWork
from gateway.storage import set_aside
from gateway.storage.vault import Vault
from tests.engines import Database
from tests.rigs.money_rig import MoneyRig, opened
from tests.rigs.scripted_provider import paid

OTHER_KEY = "a key of another house, long enough"
NUL = b'{"status": "SUCCESSFUL", "order_code": "\\u0000"}'
NO_AMOUNT = b'{"status": "SUCCESSFUL", "proof": true}'
ROUTES = Routes(("africastalking",))


@pytest.fixture
async def rig(database: Any) -> AsyncIterator[MoneyRig]:
    made = await opened(database.app_url)
    yield made
    await made.close()


async def aside(rig: MoneyRig) -> dict[str, int]:
    """What `/metrics` shows as set aside."""
    owed = OwedWork(rig.engine.execution_options(isolation_level="AUTOCOMMIT"))
    shown = await FigureStore(rig.engine, owed).figures()
    return {f.labels["kind"]: int(f.value) for f in shown if f.name == "spotlight_set_aside" and f.value}


async def run(rig: MoneyRig, statement: str, **values: Any) -> None:
    async with rig.engine.begin() as connection:
        await connection.execute(text(statement), values)


async def another_contest(rig: MoneyRig, slug: str) -> Contest:
    """Like `star`, with candidates and totals of its own."""
    for table, columns, values, where in (
        (
            "contests",
            "id, organiser_id, slug, name, country, currency, price_minor, opens_at, closes_at, service_code,"
            " short_code, keyword",
            "gen_random_uuid(), organiser_id, :slug, name, country, currency, price_minor, opens_at, closes_at, :slug,"
            " short_code, :slug",
            "contests where slug = 'star'",
        ),
        (
            "candidates",
            "id, contest_id, code, name, status",
            "gen_random_uuid(), n.id, k.code, k.name, k.status",
            "contests n, contests c join candidates k on k.contest_id = c.id where n.slug = :slug and c.slug = 'star'",
        ),
        ("contest_heads", "contest_id", "id", "contests where slug = :slug"),
        (
            "candidate_totals",
            "candidate_id, contest_id",
            "k.id, c.id",
            "contests c join candidates k on k.contest_id = c.id where c.slug = :slug",
        ),
    ):
        await run(rig, f"insert into {table} ({columns}) select {values} from {where}", slug=slug)
    await rig.directory.refresh()
    found = rig.directory.by_slug(slug)
    assert found is not None
    return found


async def confirmed(rig: MoneyRig, contest: Contest | None = None, *, numbers: Sequence[int]) -> list[PlacedOrder]:
    """Paid orders that wait to be counted."""
    orders = []
    for number in numbers:
        vote_request = rig.vote_request(number=f"+225050102{number:04}")
        order = await rig.place(vote_request if contest is None else replace(vote_request, contest=contest))
        assert isinstance(order, PlacedOrder)
        orders.append(order)
    await rig.collect()
    rig.provider.query_script = [paid(500)]
    await rig.make_due()
    await rig.verify()
    return orders


async def test_contests_take_turns(rig: MoneyRig) -> None:
    contests = [rig.contest, await another_contest(rig, "second"), await another_contest(rig, "third")]
    for at, contest in enumerate(contests):
        await confirmed(rig, contest, numbers=range(at * 10, at * 10 + 3))
    turns = [batch.contest_id for _ in range(6) if (batch := await rig.settlement.settle_batch(1))]
    assert turns == sorted(contest.id for contest in contests) * 2


async def test_a_broken_contest_is_set_aside_and_the_others_are_counted(rig: MoneyRig, database: Database) -> None:
    second = await another_contest(rig, "second")
    first, last = sorted((rig.contest, second), key=lambda contest: contest.id)
    broken = await confirmed(rig, first, numbers=range(8))
    await as_owner(database, "delete from contest_heads where contest_id = $1", first.id)
    whole = await confirmed(rig, last, numbers=range(10, 13))
    assert await rig.settle_all() == 3
    assert {await rig.status(order) for order in whole} == {"settled"}
    assert {await rig.status(order) for order in broken} == {"confirmed"}
    assert (await aside(rig))["contest"] == 1
    assert await rig.settle() == 0, "it is tried again only when its time has come"
    await run(rig, "insert into contest_heads (contest_id) values (:first)", first=first.id)
    await run(rig, "update set_aside set until = now() - interval '11 minutes'")
    assert await rig.settle_all() == 8
    assert (await aside(rig), await rig.broken()) == ({}, {})


async def as_owner(database: Database, statement: str, *values: Any) -> None:
    """What the service itself may not do."""
    owner = await asyncpg.connect(database.owner_url)
    try:
        await owner.execute(statement, *values)
    finally:
        await owner.close()


async def test_one_payment_that_cannot_be_counted_stops_none_of_its_batch(rig: MoneyRig, database: Database) -> None:
    orders = await confirmed(rig, numbers=range(9))
    await as_owner(
        database,
        "update votes set receipt = (select receipt from votes where id = $1) where id = $2",
        orders[0].vote_id,
        orders[4].vote_id,
    )
    assert await rig.settle_all() == 8
    states = sorted([await rig.status(order) for order in orders])
    assert states == ["confirmed", *["settled"] * 8]
    assert await aside(rig) == {"payment": 1}


async def test_one_payment_that_cannot_be_given_back_stops_no_other(rig: MoneyRig) -> None:
    orders = [await rig.placed(number=f"+225050102{number:04}") for number in range(5)]
    await rig.collect()
    rig.provider.query_script = [paid(400)]
    await rig.make_due()
    await rig.verify()
    await run(
        rig,
        "insert into refunds (reference, payment_reference, contest_id, amount_minor, currency, reason, next_try_at)"
        " values (gen_random_uuid(), :r, :c, 1, 'XOF', 'planted', null)",
        r=orders[2].payment_reference,
        c=rig.contest.id,
    )
    await rig.settle_all()
    assert sorted([await rig.status(order) for order in orders]) == ["mismatched", *["refund_due"] * 4]
    assert await aside(rig) == {"payment": 1}


@pytest.mark.parametrize("poison", [NUL, NO_AMOUNT], ids=["PostgreSQL refuses it", "its reader stumbles"])
async def test_a_poisonous_callback_stops_none_of_its_batch(rig: MoneyRig, poison: bytes) -> None:
    before, after = await rig.placed(), await rig.placed(number="+2250501020399")
    await rig.collect()
    await rig.callback(before, b'{"status": "SUCCESSFUL"}')
    await rig.callback(None, poison, token="unknown")
    await rig.callback(after, b'{"status": "SUCCESSFUL"}')
    assert await rig.judge() == 3
    assert await rig.judge() == 0
    rows = await rig.rows("select outcome, handled_at from callbacks order by id")
    assert [row.outcome for row in rows] == ["hint", "set aside", "hint"]
    assert await rig.one("select many from callback_counts where outcome = 'set aside'") == 1
    assert await aside(rig) == {"callback": 1}


async def test_texts_to_numbers_that_do_not_open_hold_up_no_others(rig: MoneyRig) -> None:
    foreign = Inbox(rig.engine, Vault(OTHER_KEY))
    for store, texts in ((foreign, range(3)), (rig.inbox, range(3, 5))):
        for number in texts:
            incoming = IncomingText("kannel", f"id{number}", f"+22505010203{number:02}", "8899", "AIDE", None)
            await store.store(incoming)
    assert [held.text.carrier_id for held in await rig.inbox.due(3)] == []
    held = await rig.inbox.due(3)
    assert [one.text.carrier_id for one in held] == ["id3", "id4"]
    await rig.inbox.answered(held[0], "answered", (UUID(int=4), "fr", {"lines": ["bonjour"]}))
    vault, rig.inbox._vault = rig.inbox._vault, Vault(OTHER_KEY)
    await rig.inbox.answered(held[1], "answered", (UUID(int=3), "fr", {"lines": ["bonjour"]}))
    rig.inbox._vault = vault
    await run(rig, "update messages_out set next_try_at = now() - interval '1 second' where id = :i", i=UUID(int=3))
    assert await rig.outbox.claim_due(1, ROUTES) == []
    sent: list[DueMessage] = await rig.outbox.claim_due(1, ROUTES)
    assert [message.id for message in sent] == [UUID(int=4)]
    assert render("reply", "fr", sent[0].params)
    assert await aside(rig) == {"text_in": 3, "text_out": 1}
    waits = await rig.one("select next_try_at > now() + interval '50 minutes' from messages_out where status = 'due'")
    assert waits, "it is tried again in an hour"


async def test_dialogues_and_updates_that_do_not_open_hold_up_no_others(rig: MoneyRig) -> None:
    await run(
        rig,
        "insert into unfinished_dialogues (phone_index, contest_id, phone_cipher, candidate_code, language, reached_at)"
        " select int4send(n), :contest, '\\x00', '07', 'fr', now() - interval '1 hour' from generate_series(1, 3) n",
        contest=rig.contest.id,
    )
    store = UnfinishedDialogues(rig.engine, rig.vault)
    assert await store.remind() == 0
    auto = rig.engine.execution_options(isolation_level="AUTOCOMMIT")
    ours, foreign = TelegramStore(auto, rig.vault), TelegramStore(auto, Vault(OTHER_KEY))
    for update in range(3):
        await foreign.store(update, 1, b"{}")
    await ours.store(3, 1, b"{}")
    assert await ours.unfinished(-1, 3) == []
    assert [kept.update_id for kept in await ours.unfinished(-1, 3)] == [3]
    assert await aside(rig) == {"dialogue": 3, "update": 3}


async def test_a_payment_whose_number_does_not_open_is_tried_again_in_an_hour(rig: MoneyRig) -> None:
    await rig.placed()
    rig.payments._reader._vault = Vault(OTHER_KEY)
    assert await rig.collect() == 0
    assert await rig.one("select next_check_at > now() + interval '50 minutes' from payments")
    assert await aside(rig) == {"payment": 1}


async def test_halves_are_tried_until_each_broken_member_stands_alone() -> None:
    tried: list[int] = []

    async def act(part: Sequence[int]) -> int:
        tried.append(len(part))
        if {5, 11} & set(part):
            raise ValueError(part)
        return sum(part)

    async def away(_: Sequence[int]) -> None:
        raise OSError("away")

    done = await set_aside.in_halves(range(16), act, 2)
    assert (sum(done.results), [member for member, _ in done.broken]) == (sum(range(16)) - 16, [5, 11])
    assert len(tried) < 16
    assert not done.given_up
    assert (await set_aside.in_halves([5, 11, *[5] * 50], act, 3)).given_up
    with pytest.raises(OSError, match="away"):
        await set_aside.in_halves([4, 5], away)


@pytest.mark.parametrize(
    ("error", "alone"),
    [
        (OSError("away"), True),
        (OperationalError("", {}, Exception("terminating connection")), True),
        (DBAPIError("", {}, type("E", (Exception,), {"sqlstate": "22P05"})()), False),
        (DBAPIError("", {}, type("E", (Exception,), {"sqlstate": "57014"})()), True),
        (KeyError("amount"), False),
    ],
)
def test_what_passes_by_itself_is_no_fault_of_a_row(error: Exception, alone: bool) -> None:
    assert set_aside.passes(error) is alone
