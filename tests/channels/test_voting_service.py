"""The same cases for the real voting service, on PostgreSQL, and for the one in memory that other tests use."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from channels.messages.carrier import IncomingText
from channels.messages.unfinished import Reached
from gateway.contests.contest import Contest
from gateway.orders.receipt import make_receipt
from gateway.orders.rules import Channel, PlacedOrder, Refusal, VoteRequest
from gateway.orders.wallet import PaymentMethod
from gateway.runtime.connections import utc_now
from gateway.storage.engine import DatabaseUnavailable
from gateway.values.msisdn import Msisdn, mask
from leaderboard.scores import Rankings, Scores
from payments.collection.order_views import OrderView, ReceiptView
from payments.lifecycle import PublicStatus
from payments.rescue.rules import OfNumber, Outcome
from tests.rigs.live_service import live_service
from tests.rigs.rig import Rig
from tests.rigs.scripted_provider import paid
from tests.rigs.voting_service import FakeVotingService

AWA = Msisdn("+2250501020304", "CI")
OTHER = Msisdn("+2250501020305", "CI")
UNKNOWN_RECEIPT = make_receipt(987_654_321_098)


class FakeWorld:
    """The service in memory, and what happens around it. `away`: the same without its database."""

    def __init__(self) -> None:
        self.service, self.away = FakeVotingService(), FakeVotingService()
        self.away.away = True

    async def settle(self, vote_id: UUID) -> None:
        self.service.settle(vote_id)


class LiveWorld:
    """The same of the real one."""

    def __init__(self, rig: Rig, away: Rig) -> None:
        self._rig = rig
        self._rankings = Rankings(rig.directory, utc_now)
        self.service = live_service(rig, self._rankings)
        self.away = live_service(away, Rankings(rig.directory, utc_now))

    async def settle(self, vote_id: UUID) -> None:
        await self._rig.collect()
        order = await self.service.order(vote_id)
        assert order is not None
        self._rig.provider.query_script = [paid(order.amount.amount_minor)]
        await self._rig.make_due()
        await self._rig.verify()
        assert await self._rig.settle_all() == 1
        await self._rankings.refresh(Scores(self._rig.engine))


World = FakeWorld | LiveWorld


@pytest.fixture(params=["memory", "postgresql"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    if request.param == "memory":
        yield FakeWorld()
        return
    rig = await Rig(request.getfixturevalue("database").app_url).open()
    away = Rig("postgresql://unknown@127.0.0.1:1/none")
    yield LiveWorld(rig, away)
    await away.close()
    await rig.close()


def star(world: World) -> Contest:
    contest = world.service.contest("star")
    assert contest is not None
    return contest


def vote_request(contest: Contest, **changes: Any) -> VoteRequest:
    """Five votes for candidate 07, as Awa orders them by USSD."""
    request = VoteRequest(Channel.USSD, uuid4().hex, contest, "07", 5, PaymentMethod.MTN, AWA, AWA)
    return replace(request, **changes)


async def placed(world: World, **changes: Any) -> PlacedOrder:
    order = await world.service.place_order(vote_request(star(world), **changes))
    assert isinstance(order, PlacedOrder), order
    return order


async def test_an_order_is_priced_and_waits(world: World) -> None:
    order = await placed(world)
    assert order.amount == star(world).price.times(5)
    assert (order.repeated, order.conflicting) == (False, False)
    view = await world.service.order(order.vote_id)
    assert view is not None
    assert (view.vote_id, view.contest_slug, view.candidate_code) == (order.vote_id, "star", "07")
    assert view.candidate_name == next(c.name for c in star(world).candidates if c.code == "07")
    assert (view.quantity, view.amount, view.method) == (5, order.amount, PaymentMethod.MTN)
    assert (view.status, view.reason, view.receipt) == (PublicStatus.PENDING, None, None)
    assert (view.payer_masked, view.payment_url, view.pay_before, view.asked) == (mask(AWA.e164), None, None, False)
    assert await world.service.order(uuid4()) is None


async def test_the_same_key_is_the_same_order(world: World) -> None:
    first = await placed(world, key="k", request_hash=b"one")
    again = await placed(world, key="k", request_hash=b"one")
    assert again == replace(first, repeated=True)
    assert await placed(world, key="k", request_hash=b"two") == replace(first, repeated=True, conflicting=True)
    assert (await placed(world, key="k", channel=Channel.SMS)).vote_id != first.vote_id


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"candidate_code": "99"}, Refusal.UNKNOWN_CANDIDATE),
        ({"quantity": 0}, Refusal.BAD_QUANTITY),
        ({"quantity": 1_000_000}, Refusal.TOO_MANY),
        ({"method": PaymentMethod.WAVE}, Refusal.METHOD_UNAVAILABLE),
    ],
)
async def test_the_rules_refuse(world: World, changes: Mapping[str, Any], refusal: Refusal) -> None:
    assert await world.service.place_order(vote_request(star(world), key="k", **changes)) is refusal
    assert not (await placed(world, key="k")).repeated, "what was refused has used no key"


async def test_an_order_is_shown_again_when_it_changes(world: World) -> None:
    first, second = (await placed(world)).vote_id, (await placed(world)).vote_id
    unknown = uuid4()
    seen = await world.service.changed_orders({first: "", unknown: ""})
    assert set(seen) == {first}
    mark, view = seen[first]
    assert view == await world.service.order(first)
    assert await world.service.changed_orders({first: mark}) == {}
    marks = {vote: found for vote, (found, _) in (await world.service.changed_orders({second: "", first: ""})).items()}
    assert marks[first] == mark
    await world.settle(first)
    changed: Mapping[UUID, tuple[str, OrderView]] = await world.service.changed_orders({first: mark})
    assert changed[first][0] != mark
    assert changed[first][1].status is PublicStatus.COMPLETED


async def test_a_counted_vote_has_a_receipt_and_moves_the_ranking(world: World) -> None:
    before = world.service.ranking("star")
    assert (before.contest, before.version, before.total_votes) == ("star", 0, 0)
    assert {entry.code for entry in before.entries} == {c.code for c in star(world).candidates}
    assert await world.service.receipt(UNKNOWN_RECEIPT) is None
    order = await placed(world)
    await world.settle(order.vote_id)
    view = await world.service.order(order.vote_id)
    assert view is not None
    assert view.receipt is not None
    receipt = await world.service.receipt(view.receipt)
    assert isinstance(receipt, ReceiptView)
    assert await world.service.inclusion(view.receipt) is None, "no log has it yet"
    assert (receipt.receipt, receipt.contest_slug, receipt.contest_name) == (view.receipt, "star", star(world).name)
    assert (receipt.candidate_code, receipt.quantity, receipt.amount) == ("07", 5, order.amount)
    assert (receipt.tally_number, receipt.taken_back) == (1, None)
    after = world.service.ranking("star")
    assert (after.version, after.total_votes, after.entries[0].code) == (1, 5, "07")


async def test_a_number_sees_its_latest_orders_in_the_contest(world: World) -> None:
    contest = star(world)
    assert await world.service.votes_of(AWA, contest.id, 5) == ()
    for code in ("01", "02", "03"):
        await placed(world, candidate_code=code)
    lines = await world.service.votes_of(AWA, contest.id, 2)
    assert [(line.candidate_code, line.quantity, line.status) for line in lines] == [
        ("03", 5, PublicStatus.PENDING),
        ("02", 5, PublicStatus.PENDING),
    ]
    assert await world.service.votes_of(OTHER, contest.id, 5) == ()
    assert await world.service.votes_of(AWA, uuid4(), 5) == ()


async def test_contests_are_found_by_each_of_their_words(world: World) -> None:
    contest = star(world)
    assert contest in world.service.contests()
    assert world.service.contest_by_id(contest.id) == contest
    assert contest in world.service.contests_by_service_code(contest.service_code)
    assert contest in world.service.contests_by_short_code(contest.short_code)
    assert (world.service.contest("none"), world.service.contest_by_id(uuid4())) == (None, None)
    assert (world.service.contests_by_service_code("*1#"), world.service.contests_by_short_code("1")) == ((), ())
    with pytest.raises(KeyError):
        world.service.ranking("none")


async def test_a_text_is_stored_once(world: World) -> None:
    text = IncomingText("africastalking", "m1", AWA.e164, "7890", "VOTE 07 5", None)
    assert await world.service.store_text(text) is True
    assert await world.service.store_text(replace(text, text="VOTE 08 5")) is False
    assert await world.service.store_text(replace(text, carrier="kannel")) is True
    talk = await world.service.talk(text)
    assert (talk.replies, talk.opted_out, talk.bought, talk.question) == (0, False, False, None)
    for _ in range(2):
        await world.service.store_delivery_report("africastalking", "unknown", "a new word", "", None)


async def test_who_was_debited_finds_nothing_or_gets_one_ticket(world: World) -> None:
    claim = OfNumber(AWA, (star(world).id,))
    assert (await world.service.rescue(claim, "fr")).outcome is Outcome.NOTHING
    number = await world.service.open_ticket(claim, "fr")
    assert number
    assert await world.service.open_ticket(claim, "fr") == number


async def test_a_number_has_a_key_of_its_own(world: World) -> None:
    key = world.service.number_key(AWA)
    assert key == world.service.number_key(AWA) != world.service.number_key(OTHER)


async def test_notes_never_raise(world: World) -> None:
    contest = star(world)
    for service in (world.service, world.away):
        service.note_reached(Reached(AWA, contest.id, "07", None, "fr"))
        service.note_ordered(AWA, contest.id)


async def test_without_its_database_everything_awaited_says_so(world: World) -> None:
    service, contest = world.away, star(world)
    text = IncomingText("africastalking", "m1", AWA.e164, "7890", "VOTE 07 5", None)
    claim = OfNumber(AWA, (contest.id,))
    for asked in (
        service.place_order(vote_request(contest)),
        service.order(uuid4()),
        service.changed_orders({uuid4(): ""}),
        service.payment_links([uuid4()]),
        service.votes_of(AWA, contest.id, 5),
        service.receipt(UNKNOWN_RECEIPT),
        service.rescue(claim, "fr"),
        service.open_ticket(claim, "fr"),
        service.store_text(text),
        service.talk(text),
        service.store_delivery_report("africastalking", "id", "Sent", "", None),
    ):
        with pytest.raises(DatabaseUnavailable):
            await asked
    assert service.ranking("star").total_votes == 0
