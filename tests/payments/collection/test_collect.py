"""The collector: many calls side by side, accounts that are closed or paced, and two steps where needed."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from sqlalchemy import text

from gateway.orders.routing import Rail, Rails
from gateway.orders.wallet import PaymentMethod
from payments.accounts.calls import CallKind, Unlimited
from payments.collection import verify
from payments.collection.collect import AHEAD, Collector
from payments.collection.verify import Verifier
from payments.provider import Accepted, Collection, CreateResult, NotFound, NotSent, Unknown
from tests.rails import PUSH, XOF
from tests.rigs.collecting import MTN, GatedProvider, drained, kept, ordered, states
from tests.rigs.fixed_accounts import FixedAccounts
from tests.rigs.rig import Rig
from tests.rigs.scripted_provider import ScriptedProvider

SECOND, ORANGE = "mtn_momo@two", "orange_money"


@pytest.fixture
async def rig(database: Any) -> AsyncIterator[Rig]:
    made = await Rig(database.app_url, GatedProvider()).open()
    yield made
    try:
        assert await made.broken() == {}
    finally:
        await made.close()


def two_accounts(*closed: str) -> FixedAccounts:
    every = tuple(Rail(account, "CI", PaymentMethod.MTN, PUSH, XOF) for account in (MTN, SECOND))
    orange = Rail(ORANGE, "CI", PaymentMethod.ORANGE, PUSH, XOF)
    return FixedAccounts(Rails((*every, orange), frozenset(closed)))


async def test_places_are_filled_and_never_more(rig: Rig) -> None:
    provider = GatedProvider()
    provider.gate.clear()
    collector = Collector(rig.payments, {MTN: provider}, places=5)
    await ordered(rig, 12)
    draining = asyncio.create_task(drained(collector))
    for _ in range(5):
        await provider.begun.get()
    provider.gate.set()
    assert await draining == 12
    assert provider.most == 5
    assert await states(rig) == {(MTN, "pending"): 12}


async def test_an_order_does_not_wait_for_a_slow_call(rig: Rig) -> None:
    slow, quick = GatedProvider(), GatedProvider(code=ORANGE)
    slow.gate.clear()
    collector = Collector(rig.payments, {MTN: slow, ORANGE: quick}, places=AHEAD)
    await ordered(rig, 1)
    draining = asyncio.create_task(drained(collector))
    await slow.begun.get()
    await ordered(rig, 1, start=1)
    async with rig.engine.begin() as connection:
        await connection.execute(text("update payments set provider = 'orange_money' where status = 'created'"))
    await quick.begun.get()
    assert slow.in_progress == 1
    slow.gate.set()
    assert await draining == 2


async def test_one_account_leaves_places_to_the_others(rig: Rig) -> None:
    stuck = GatedProvider()
    stuck.gate.clear()
    collector = Collector(rig.payments, {MTN: stuck, ORANGE: GatedProvider(code=ORANGE)}, places=20)
    await ordered(rig, 20)
    draining = asyncio.create_task(drained(collector))
    for _ in range(16):
        await stuck.begun.get()
    assert stuck.begun.empty()
    stuck.gate.set()
    assert await draining == 20


async def test_the_reference_is_committed_before_the_call(rig: Rig) -> None:
    provider = GatedProvider()
    provider.gate.clear()
    await ordered(rig, 1)
    draining = asyncio.create_task(drained(Collector(rig.payments, {MTN: provider})))
    reference = await provider.begun.get()
    assert await rig.one("select status from payments where reference = :r", r=reference) == "sent"
    provider.gate.set()
    await draining


async def test_a_record_that_fails_is_raised_and_the_payment_keeps_its_lease(rig: Rig, monkeypatch: Any) -> None:
    async def broken(_: object) -> None:
        raise OSError("connection lost")

    await ordered(rig, 1)
    monkeypatch.setattr(rig.payments, "observe", broken)
    with pytest.raises(OSError, match="connection lost"):
        await drained(Collector(rig.payments, rig.providers))
    assert await states(rig) == {(MTN, "sent"): 1}


async def test_calls_are_measured(rig: Rig) -> None:
    accounts = two_accounts()
    rig.provider.create_script = [Unknown("ReadTimeout")]
    await ordered(rig, 1)
    await drained(Collector(rig.payments, rig.providers, accounts=accounts))
    await rig.make_due()
    await Verifier(rig.payments, rig.providers, Unlimited(), accounts).step()
    assert accounts.notes == [(MTN, CallKind.COLLECTION, "Unknown"), (MTN, CallKind.STATUS, "StillOpen")]


async def test_a_closed_account_is_left_alone_and_the_others_go_on(rig: Rig) -> None:
    await ordered(rig, 3)
    async with rig.engine.begin() as connection:
        await connection.execute(
            text("update payments set provider = :p where payer_index = (select min(payer_index) from payments)"),
            {"p": ORANGE},
        )
    accounts = two_accounts(MTN, SECOND)
    providers = {MTN: rig.provider, ORANGE: ScriptedProvider(code=ORANGE)}
    assert await drained(Collector(rig.payments, providers, accounts=accounts)) == 1
    assert await states(rig) == {(MTN, "created"): 2, (ORANGE, "pending"): 1}
    accounts.rails = accounts.rails.with_circuits_open(())
    assert await drained(Collector(rig.payments, providers, accounts=accounts)) == 2


async def test_a_payment_without_a_prompt_moves_to_a_sibling(rig: Rig) -> None:
    rig.provider.create_script = [NotSent("429"), Accepted()]
    await ordered(rig, 1)
    await rig.collect()
    await ordered(rig, 3, start=1)
    code_brought = await rig.one("select reference from payments where send_tries = 0 limit 1")
    async with rig.engine.begin() as connection:
        await connection.execute(
            text("update payments set secrets_cipher = '\\x00' where reference = :r"), {"r": code_brought}
        )
    providers = {MTN: rig.provider, SECOND: GatedProvider()}
    assert await drained(Collector(rig.payments, providers, accounts=two_accounts(MTN))) == 2
    assert await states(rig) == {(MTN, "created"): 2, (SECOND, "pending"): 2}
    events = await rig.rows("select from_status, to_status, detail from payment_events where seen = 'moved'")
    assert [tuple(event) for event in events] == [("created", "created", f"{MTN} to {SECOND}")] * 2
    # The next payer is asked where the payment was moved to, under the same reference.
    async with rig.engine.begin() as connection:
        await connection.execute(text("update payments set secrets_cipher = null"))


async def test_what_may_not_be_tried_again_yet_waits_and_burns_no_try(rig: Rig) -> None:
    rig.provider.create_script = [NotSent("ConnectError"), Accepted()]
    await ordered(rig, 1)
    await rig.collect()
    await rig.make_due()
    accounts = two_accounts()
    accounts.repeats = False
    assert await drained(Collector(rig.payments, rig.providers, accounts=accounts)) == 1
    assert accounts.tries == [(MTN, True)]
    held = await rig.rows("select status, send_tries, next_check_at > now() as waits from payments")
    assert [tuple(row) for row in held] == [("created", 1, True)]
    assert list(rig.provider.created.values()) == [1]
    accounts.repeats = True
    await rig.make_due()
    assert await drained(Collector(rig.payments, rig.providers, accounts=accounts)) == 1
    assert await rig.one("select send_tries from payments where status = 'pending'") == 2


async def test_without_a_sibling_orders_wait(rig: Rig) -> None:
    await ordered(rig, 1)
    providers = {MTN: rig.provider, SECOND: GatedProvider()}
    assert await drained(Collector(rig.payments, providers, accounts=two_accounts(MTN, SECOND))) == 0
    assert await states(rig) == {(MTN, "created"): 1}


@dataclass
class Turns:
    """Turns that a test gives."""

    free: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    asked: list[tuple[str, int]] = field(default_factory=list)
    line: asyncio.Queue[None] = field(default_factory=asyncio.Queue)

    async def wait_turn(self, account: str, per_second: int) -> None:
        self.asked.append((account, per_second))
        self.line.put_nowait(None)
        await self.free.acquire()


async def test_prompts_wait_for_their_turn_and_few_are_claimed_ahead(rig: Rig) -> None:
    turns = Turns()
    collector = Collector(rig.payments, {MTN: rig.provider}, prompts=turns, per_second={MTN: 3})
    await ordered(rig, 5)
    draining = asyncio.create_task(drained(collector))
    for _ in range(3):
        await turns.line.get()
    assert await states(rig) == {(MTN, "sent"): 3, (MTN, "created"): 2}
    assert rig.provider.created == {}
    for _ in range(5):
        turns.free.release()
    assert await draining == 5
    assert turns.asked == [(MTN, 3)] * 5


async def test_who_waits_in_line_while_the_account_closes_is_put_back(rig: Rig) -> None:
    turns, accounts = Turns(), two_accounts(SECOND)
    collector = Collector(rig.payments, {MTN: rig.provider}, prompts=turns, per_second={MTN: 3}, accounts=accounts)
    await ordered(rig, 1)
    draining = asyncio.create_task(drained(collector))
    await turns.line.get()
    accounts.rails = accounts.rails.with_circuits_open({MTN, SECOND})
    turns.free.release()
    assert await draining == 1
    assert await states(rig) == {(MTN, "created"): 1}
    assert rig.provider.created == {}
    # No payer was asked: once a sibling is open, it goes there.
    assert await rig.one("select send_tries from payments") == 0
    accounts.rails = accounts.rails.with_circuits_open({MTN})
    await drained(Collector(rig.payments, {MTN: rig.provider, SECOND: GatedProvider()}, accounts=accounts))
    assert await states(rig) == {(SECOND, "pending"): 1}


async def test_who_leaves_lets_calls_end(rig: Rig) -> None:
    provider = GatedProvider()
    provider.gate.clear()
    await ordered(rig, 2)
    collector = Collector(rig.payments, {MTN: provider})
    draining = asyncio.create_task(drained(collector))
    await provider.begun.get()
    await provider.begun.get()
    draining.cancel()
    await asyncio.gather(draining, return_exceptions=True)
    asyncio.get_running_loop().call_later(0.01, provider.gate.set)
    await collector.aclose()
    assert await states(rig) == {(MTN, "pending"): 2}
    await collector.aclose(0)


@dataclass
class TwoStepProvider(ScriptedProvider):
    """Fetches a handle first; sends no prompt without it."""

    handles: list[Mapping[str, str] | NotSent] = field(default_factory=lambda: [{"handle": "h1"}])
    seen: list[Mapping[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.can = replace(self.can, prepares=frozenset({"handle"}))

    async def prepare(self, collection: Collection) -> Mapping[str, str] | NotSent:
        return self.handles.pop(0) if len(self.handles) > 1 else self.handles[0]

    async def create(self, collection: Collection, otp: str | None = None) -> CreateResult:
        self.seen.append(dict(collection.secrets))
        return await super().create(collection, otp)


async def test_what_is_prepared_is_kept_before_money_is_asked_for(rig: Rig, monkeypatch: Any) -> None:
    provider = TwoStepProvider()
    usual = provider.create

    async def looked_at(collection: Collection, otp: str | None = None) -> CreateResult:
        assert await kept(rig) == {"handle": "h1"}
        return await usual(collection, otp)

    monkeypatch.setattr(provider, "create", looked_at)
    await ordered(rig, 1)
    await drained(Collector(rig.payments, {MTN: provider}))
    assert await states(rig) == {(MTN, "pending"): 1}
    assert provider.seen == [{"handle": "h1"}]


async def test_what_cannot_be_prepared_is_put_back(rig: Rig) -> None:
    provider = TwoStepProvider(handles=[NotSent("init: 500"), {"handle": "h2"}])
    await ordered(rig, 1)
    await drained(Collector(rig.payments, {MTN: provider}))
    assert await states(rig) == {(MTN, "created"): 1}
    assert provider.seen == []
    await rig.make_due()
    await drained(Collector(rig.payments, {MTN: provider}))
    assert provider.seen == [{"handle": "h2"}]


async def test_a_lost_answer_is_asked_about_with_the_handle_that_was_kept(rig: Rig) -> None:
    provider = TwoStepProvider(create_script=[Unknown("ReadTimeout")], query_script=[NotFound("404")])
    await ordered(rig, 1)
    await drained(Collector(rig.payments, {MTN: provider}))
    for _ in range(3):
        await rig.make_due()
        await Verifier(rig.payments, {MTN: provider}, Unlimited()).step()
        async with rig.engine.begin() as connection:
            await connection.execute(
                text("update payments set not_found_since = not_found_since - interval '40 seconds'")
            )
    assert await states(rig) == {(MTN, "created"): 1}
    provider.handles = [{"handle": "another"}]
    await drained(Collector(rig.payments, {MTN: provider}))
    assert provider.seen == [{"handle": "h1"}] * 2


async def test_questions_about_a_closed_account_trickle(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    # On a slow machine the answer comes after the next look, which claims another.
    monkeypatch.setattr(verify, "LOOK_SECONDS", 60.0)
    await ordered(rig, 3)
    await rig.collect()
    await rig.make_due()
    asked: list[int] = []

    class Budget:
        async def wait_turn(self, provider: str, per_second: int) -> None:
            asked.append(per_second)

    assert await Verifier(rig.payments, rig.providers, Budget(), two_accounts(MTN)).step() == 1
    assert await drained(Verifier(rig.payments, rig.providers, Budget(), two_accounts())) == 2
    assert asked == [1, 1000, 1000]


async def test_an_operator_that_does_not_answer_holds_up_no_other(rig: Rig, monkeypatch: Any) -> None:
    await ordered(rig, 2)
    await rig.collect()
    await rig.make_due()
    async with rig.engine.begin() as connection:
        await connection.execute(
            text("update payments set provider = :p where payer_index = (select min(payer_index) from payments)"),
            {"p": ORANGE},
        )
    stuck, quick = ScriptedProvider(), ScriptedProvider(code=ORANGE)
    never = asyncio.Event()

    async def query(_: Collection) -> Any:
        await never.wait()

    monkeypatch.setattr(stuck, "query", query)
    verifier = Verifier(rig.payments, {MTN: stuck, ORANGE: quick}, Unlimited())
    assert await verifier.step() == 1
    assert sum(quick.asked.values()) == 1
    await rig.make_due()
    assert await verifier.step() == 1
    assert sum(quick.asked.values()) == 2
    await verifier.aclose()


async def test_the_most_urgent_questions_first(rig: Rig) -> None:
    await ordered(rig, 5)
    await rig.collect()
    given_up, older, first, hinted, waiting = (
        row.reference for row in await rig.rows("select reference from payments order by placed_at")
    )
    async with rig.engine.begin() as connection:
        for reference, change in (
            (given_up, "status = 'expired', next_check_at = now() - interval '1 hour'"),
            (older, "checks = 1, next_check_at = now() - interval '30 minutes'"),
            (waiting, "checks = 2, next_check_at = now() - interval '20 minutes'"),
            (first, "next_check_at = now() - interval '10 minutes'"),
            (hinted, "hinted_at = now(), checks = 3, next_check_at = now()"),
        ):
            await connection.execute(text(f"update payments set {change} where reference = :r"), {"r": reference})
    claimed = []
    for _ in range(5):
        (one,) = await rig.payments.claim_to_verify({MTN: 1})
        claimed.append(one.collection.reference)
    assert claimed == [hinted, first, older, waiting, given_up]
    async with rig.engine.begin() as connection:
        await connection.execute(text("update payments set status = 'pending' where reference = :r"), {"r": given_up})
