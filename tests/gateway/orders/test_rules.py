"""What may be sold, judged before any money moves."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gateway.contests.contest import CandidateStatus
from gateway.orders.routing import Rails
from gateway.orders.rules import Channel, PricedOrder, Refusal, VoteRequest, check_vote_request, refusal_at_insert
from gateway.orders.wallet import PaymentMethod
from gateway.values.money import Money
from gateway.values.msisdn import Msisdn
from tests.demo import demo_contest
from tests.rails import RAILS
from tests.rails import RAILS_WITH_WAVE as WAVE

NOW = datetime(2026, 6, 1, tzinfo=UTC)
CONTEST = demo_contest()
VOTE_REQUEST = VoteRequest(
    channel=Channel.API,
    key="k",
    contest=CONTEST,
    candidate_code="07",
    quantity=5,
    method=PaymentMethod.MTN,
    payer=Msisdn("+2250501020304", "CI"),
    voter=None,
)
MOOV = Msisdn("+2250101020304", "CI")
BOTH = frozenset({"mtn_momo", "orange_money"})


def test_a_sale_is_priced_by_us() -> None:
    priced_order = check_vote_request(VOTE_REQUEST, now=NOW, rails=RAILS)
    assert isinstance(priced_order, PricedOrder)
    assert (priced_order.amount, priced_order.provider, priced_order.candidate.code) == (
        Money(500, "XOF"),
        "mtn_momo",
        "07",
    )


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"candidate_code": "99"}, Refusal.UNKNOWN_CANDIDATE),
        ({"candidate_code": "7"}, Refusal.UNKNOWN_CANDIDATE),
        ({"quantity": 0}, Refusal.BAD_QUANTITY),
        ({"quantity": -3}, Refusal.BAD_QUANTITY),
        ({"quantity": 10_001}, Refusal.TOO_MANY),
        ({"quantity": 10**9}, Refusal.TOO_MANY),
        ({"method": None}, Refusal.NO_WALLET),
        ({"method": PaymentMethod.CARD}, Refusal.METHOD_UNAVAILABLE),
        ({"payer": None}, Refusal.BAD_NUMBER),
        ({"payer": Msisdn("+237671234567", "CM")}, Refusal.FOREIGN_NUMBER),
        ({"payer": MOOV}, Refusal.NOT_ITS_WALLET),
        ({"payer": MOOV, "method": PaymentMethod.ORANGE}, Refusal.NOT_ITS_WALLET),
        ({"payer": MOOV, "method": None}, Refusal.NO_WALLET),
        ({"method": PaymentMethod.ORANGE}, Refusal.NOT_ITS_WALLET),
        # The network is that of the number which speaks for itself.
        ({"network": "61202", "voter": VOTE_REQUEST.payer}, Refusal.NOT_ITS_WALLET),
    ],
)
def test_refusals(change: dict[str, object], refusal: Refusal) -> None:
    assert check_vote_request(replace(VOTE_REQUEST, **change), now=NOW, rails=RAILS) is refusal  # type: ignore[arg-type] # one field


def test_a_wallet_that_the_number_may_have_is_sold() -> None:
    assert isinstance(
        check_vote_request(replace(VOTE_REQUEST, payer=MOOV, method=PaymentMethod.WAVE), now=NOW, rails=WAVE),
        PricedOrder,
    )
    # Typed by another phone, or by that phone, whose network knows better than its prefix.
    assert isinstance(check_vote_request(replace(VOTE_REQUEST, network="61202"), now=NOW, rails=RAILS), PricedOrder)
    assert isinstance(
        check_vote_request(replace(VOTE_REQUEST, payer=MOOV, voter=MOOV, network="61205"), now=NOW, rails=RAILS),
        PricedOrder,
    )


def test_window() -> None:
    assert check_vote_request(VOTE_REQUEST, now=datetime(2025, 12, 31, tzinfo=UTC), rails=RAILS) is Refusal.NOT_OPEN_YET
    assert check_vote_request(VOTE_REQUEST, now=CONTEST.closes_at, rails=RAILS) is Refusal.CLOSED


def test_a_wallet_without_a_collector_is_refused_before_any_prompt() -> None:
    assert check_vote_request(VOTE_REQUEST, now=NOW, rails=Rails(RAILS.every[1:])) is Refusal.METHOD_UNAVAILABLE


def test_withdrawn() -> None:
    gone = tuple(replace(c, status=CandidateStatus.WITHDRAWN) if c.code == "07" else c for c in CONTEST.candidates)
    contest = replace(CONTEST, candidates=gone, _by_code={})
    assert (
        check_vote_request(replace(VOTE_REQUEST, contest=contest), now=NOW, rails=RAILS)
        is Refusal.CANDIDATE_NOT_ELIGIBLE
    )


@pytest.mark.parametrize(
    ("in_window", "eligible", "fraud", "too_often", "too_many", "refusal"),
    [
        (None, True, None, False, False, Refusal.UNKNOWN_CANDIDATE),
        (True, None, None, False, False, Refusal.UNKNOWN_CANDIDATE),
        (False, False, None, True, True, Refusal.CLOSED),
        (True, True, "not_accepted", True, True, Refusal.NOT_ACCEPTED),
        (True, False, None, True, True, Refusal.ASKED_TOO_OFTEN),
        (True, False, None, False, True, Refusal.TOO_MANY_UNPAID),
        (True, False, None, False, False, Refusal.CANDIDATE_NOT_ELIGIBLE),
        # Its price is another one by now.
        (True, True, None, False, False, Refusal.TRY_AGAIN),
    ],
)
def test_what_was_not_written_is_refused(
    in_window: bool | None, eligible: bool | None, fraud: str | None, too_often: bool, too_many: bool, refusal: Refusal
) -> None:
    found = refusal_at_insert(
        in_window=in_window, eligible=eligible, fraud=fraud, too_often=too_often, too_many=too_many
    )
    assert found is refusal


def test_a_frozen_organiser_sells_nothing_while_its_contest_is_open() -> None:
    frozen = replace(CONTEST, suspended=True)
    asked = replace(VOTE_REQUEST, contest=frozen)
    assert check_vote_request(asked, now=NOW, rails=RAILS) is Refusal.SUSPENDED
    assert check_vote_request(asked, now=frozen.closes_at, rails=RAILS) is Refusal.CLOSED
    assert check_vote_request(asked, now=datetime(2000, 1, 1, tzinfo=UTC), rails=RAILS) is Refusal.NOT_OPEN_YET
