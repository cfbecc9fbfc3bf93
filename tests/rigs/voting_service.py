"""The voting service in memory, held to the real one by `tests/channels/test_voting_service.py`."""

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from channels.messages.carrier import IncomingText
from channels.messages.dialogue_steps import DialogueStep
from channels.messages.inbox import Talk
from channels.messages.unfinished import Reached
from gateway.contests.contest import Candidate, Contest, TieBreak
from gateway.orders.receipt import make_receipt
from gateway.orders.routing import Rails
from gateway.orders.rules import PlacedOrder, Refusal, VoteRequest, check_vote_request
from gateway.orders.wallet import PaymentMethod
from gateway.storage.engine import DatabaseUnavailable
from gateway.values.msisdn import Msisdn, mask
from leaderboard.log.inclusion import Inclusion
from leaderboard.ranking import Ranking, public_ranking
from payments.collection.order_views import OrderView, ReceiptView, VoteLine
from payments.lifecycle import PublicStatus
from payments.rescue.rules import Claim, Outcome, Rescue
from tests.demo import demo_contest
from tests.rails import RAILS

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
RECEIPT = make_receipt(123_456_789_012)


class FakeVotingService:
    """`VotingService`. Orders are judged by the real rules and remembered in `vote_requests`.

    `away`: PostgreSQL does not answer. `broken`: rankings raise. `refusal`: of every order, whatever the rules say.
    `lines`: what any number is shown in place of its own orders.
    """

    def __init__(
        self, *contests: Contest, rails: Rails = RAILS, receipts: Sequence[ReceiptView] = (), scores: int = 0
    ) -> None:
        """`scores`: the votes of candidate 01; candidate 02 has twice as many, and so on."""
        self.shown = list(contests or (demo_contest(),))
        self.rails = rails
        self.scores = {c.code: number * scores for number, c in enumerate(self.shown[0].candidates, start=1)}
        self.last_entries: dict[str, int] = {}
        self.unconfirmed: dict[str, int] = {}
        self.version = 0
        self.instant = NOON
        self.away = False
        self.broken = False
        self.refusal: Refusal | None = None
        self.asked = 0
        self.vote_requests: list[VoteRequest] = []
        self.placed: dict[tuple[str, str], tuple[bytes, PlacedOrder]] = {}
        self.orders: dict[UUID, OrderView] = {}
        self.marks: dict[UUID, int] = {}
        self.questions: list[int] = []
        self.questioned = asyncio.Event()
        self.links: dict[UUID, str] = {}
        self.link_questions: list[int] = []
        self.lines: tuple[VoteLine, ...] = ()
        self.receipts: dict[str, ReceiptView | PublicStatus] = {view.receipt: view for view in receipts}
        self.inclusions: dict[tuple[str, int | None], Inclusion] = {}
        self.found = Rescue(Outcome.NOTHING)
        self.ticket: str | None = "15"
        self.claims: list[Claim] = []
        self.reached: list[Reached] = []
        self.steps: list[str] = []
        self.ordered: list[str] = []
        self.languages: list[tuple[str, str]] = []
        self.texts: dict[tuple[str, str], IncomingText] = {}
        self.talks = Talk()
        self.reports: list[tuple[str, str, str, str, str | None]] = []

    # What a test makes happen.

    def pass_time(self, seconds: float) -> None:
        self.instant += timedelta(seconds=seconds)

    def change(self, vote_id: UUID, **changes: object) -> None:
        """Something happened to an order."""
        self.orders[vote_id] = replace(self.orders[vote_id], **changes)  # type: ignore[arg-type] # any field
        self.marks[vote_id] = self.marks.get(vote_id, 0) + 1

    def settle(self, vote_id: UUID) -> None:
        """The order is paid and counted."""
        order = self.orders[vote_id]
        self.count(order.candidate_code, order.quantity, order.contest_slug)
        self.change(vote_id, status=PublicStatus.COMPLETED, receipt=RECEIPT)
        self.receipts[RECEIPT] = replace(
            counted_receipt(self.contest(order.contest_slug)),
            candidate_code=order.candidate_code,
            candidate_name=order.candidate_name,
            quantity=order.quantity,
            amount=order.amount,
            tally_number=self.version,
        )

    def count(self, code: str, quantity: int, slug: str = "star") -> Ranking:
        """One more tally entry; the ranking after it."""
        self.scores[code] += quantity
        self.version += 1
        self.last_entries[code] = self.version
        return self.ranking(slug)

    def add_candidate(self, code: str, name: str) -> None:
        people = (*self.shown[0].candidates, Candidate(UUID(int=int(code)), code, name))
        self.shown[0] = replace(self.shown[0], candidates=people, _by_code={})

    def sold(self) -> list[tuple[str, int, str]]:
        """Candidate, votes and paying number of what was sold."""
        return [(w.candidate_code, w.quantity, w.payer.e164 if w.payer else "") for w in self.vote_requests]

    # What channels use.

    def contests(self) -> tuple[Contest, ...]:
        return tuple(self.shown)

    def contest(self, slug: str) -> Contest | None:
        return next((c for c in self.shown if c.slug == slug), None)

    def contest_by_id(self, contest_id: UUID) -> Contest | None:
        return next((c for c in self.shown if c.id == contest_id), None)

    def contests_by_service_code(self, code: str) -> tuple[Contest, ...]:
        return tuple(c for c in self.shown if code and c.service_code == code)

    def contests_by_short_code(self, short_code: str) -> tuple[Contest, ...]:
        return tuple(c for c in self.shown if short_code and c.short_code == short_code)

    def ranking(self, slug: str) -> Ranking:
        if self.broken:
            raise RuntimeError("no ranking")
        contest = self.contest(slug)
        if contest is None:
            raise KeyError(slug)
        reached = self.last_entries if contest.tie_break is TieBreak.EARLIEST else {}
        return public_ranking(contest, self.version, self.scores, reached, now=self.instant)

    def confirming(self, slug: str) -> int:
        return self.unconfirmed.get(slug, 0)

    def counted(self, slug: str) -> Ranking:
        return self.ranking(slug)

    def ranking_in(self, slug: str, number: int) -> Ranking | None:
        contest = self.contest(slug)
        shown = None if contest is None else contest.round_shown
        if contest is None or shown is None or not 1 <= number <= shown.number:
            return None
        return public_ranking(contest, self.version, self.scores, number=number, now=self.instant)

    def now(self) -> datetime:
        return self.instant

    def _answer(self) -> None:
        if self.away:
            raise DatabaseUnavailable("OperationalError")

    async def place_order(self, vote_request: VoteRequest) -> PlacedOrder | Refusal:
        self.asked += 1
        self._answer()
        key = vote_request.channel.value, vote_request.key
        if key in self.placed:
            request_hash, order = self.placed[key]
            return replace(order, repeated=True, conflicting=request_hash != vote_request.request_hash)
        priced_order = self.refusal or check_vote_request(vote_request, now=self.instant, rails=self.rails)
        if isinstance(priced_order, Refusal):
            return priced_order
        order = PlacedOrder(uuid4(), uuid4(), priced_order.amount)
        self.vote_requests.append(vote_request)
        self.placed[key] = vote_request.request_hash, order
        self.orders[order.vote_id] = order_view(order.vote_id, vote_request, self.instant)
        return order

    async def order(self, vote_id: UUID) -> OrderView | None:
        self._answer()
        return self.orders.get(vote_id)

    async def changed_orders(self, known: Mapping[UUID, str]) -> Mapping[UUID, tuple[str, OrderView]]:
        self.questions.append(len(known))
        self.questioned.set()
        self._answer()
        now = {vote: (f"mark {self.marks.get(vote, 0)}", self.orders[vote]) for vote in known if vote in self.orders}
        return {vote: found for vote, found in now.items() if found[0] != known[vote]}

    async def payment_links(self, vote_ids: Collection[UUID]) -> Mapping[UUID, str]:
        self.link_questions.append(len(vote_ids))
        self._answer()
        return {vote_id: self.links[vote_id] for vote_id in vote_ids if vote_id in self.links}

    async def votes_of(self, voter: Msisdn, contest_id: UUID, limit: int) -> tuple[VoteLine, ...]:
        self._answer()
        return (self.lines or tuple(self._lines(voter, contest_id)))[:limit]

    def _lines(self, voter: Msisdn, contest_id: UUID) -> Iterator[VoteLine]:
        """The latest orders of a number first."""
        for request, (_, order) in reversed(list(zip(self.vote_requests, self.placed.values(), strict=True))):
            if voter in (request.voter, request.payer) and request.contest.id == contest_id:
                one = self.orders[order.vote_id]
                yield VoteLine(
                    one.candidate_code, one.candidate_name, one.quantity, one.status, one.receipt, one.placed_at
                )

    async def receipt(self, code: str) -> ReceiptView | PublicStatus | None:
        self._answer()
        return self.receipts.get(code)

    async def inclusion(self, receipt: str, size: int | None = None) -> Inclusion | None:
        self._answer()
        return self.inclusions.get((receipt, size))

    async def rescue(self, claim: Claim, language: str) -> Rescue:
        self._answer()
        self.claims.append(claim)
        return self.found

    async def open_ticket(self, claim: Claim, language: str) -> str | None:
        self._answer()
        self.claims.append(claim)
        return self.ticket

    def number_key(self, number: Msisdn) -> str:
        return f"hash of {number.e164}"

    def note_language(self, voter: Msisdn, language: str) -> None:
        self.languages.append((voter.e164, language))

    def note_reached(self, reached: Reached) -> None:
        self.reached.append(reached)

    def note_step(self, contest_id: UUID, step: DialogueStep) -> None:
        self.steps.append(step.value)

    def note_ordered(self, voter: Msisdn, contest_id: UUID) -> None:
        self.ordered.append(voter.e164)

    async def store_text(self, text: IncomingText) -> bool:
        self._answer()
        new = (text.carrier, text.carrier_id) not in self.texts
        self.texts.setdefault((text.carrier, text.carrier_id), text)
        return new

    async def talk(self, incoming: IncomingText) -> Talk:
        self._answer()
        return self.talks

    async def store_delivery_report(
        self, carrier: str, carrier_message_id: str, status: str, phone: str, failure: str | None
    ) -> None:
        self._answer()
        self.reports.append((carrier, carrier_message_id, status, phone, failure))


def order_view(vote_id: UUID, vote_request: VoteRequest, placed_at: datetime = NOON) -> OrderView:
    """A fresh order, waiting."""
    contest = vote_request.contest
    return OrderView(
        vote_id=vote_id,
        contest_slug=contest.slug,
        candidate_code=vote_request.candidate_code,
        candidate_name=next(c.name for c in contest.candidates if c.code == vote_request.candidate_code),
        quantity=vote_request.quantity,
        amount=contest.price.times(vote_request.quantity),
        status=PublicStatus.PENDING,
        reason=None,
        receipt=None,
        method=vote_request.method or PaymentMethod.MTN,
        payer_masked=mask(vote_request.payer.e164) if vote_request.payer else "",
        payment_url=None,
        placed_at=placed_at,
        pay_before=None,
    )


def counted_receipt(contest: Contest | None = None) -> ReceiptView:
    """The proof of five votes for the seventh candidate."""
    of = contest or demo_contest()
    return ReceiptView(RECEIPT, of.slug, of.name, "07", of.candidates[6].name, 5, of.price.times(5), 42, NOON)
