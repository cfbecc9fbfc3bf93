"""Matching, judging and repairing, as tables of cases."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from gateway.values.money import Money
from payments.ledger.differences import DifferenceKind
from payments.ledger.postings import balanced
from payments.reconciliation.matching import (
    Booked,
    Line,
    MatchedBy,
    by_number,
    by_reference,
    compare,
    missing_here,
)
from payments.reconciliation.rules import InTransit, LineKind, Repair, balance_gap, offered, postings

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)
OURS = UUID("5d0c1b7e-6a0f-4c0e-9a55-0f3c1a2b7d10")
XOF = Money(500, "XOF")
HELD = Booked(
    OURS,
    LineKind.COLLECTION,
    XOF,
    NOW,
    NOW + timedelta(seconds=30),
    order_code="SPABCDEFGHJKMN",
    provider_reference="4711",
    payer_index=b"awa",
)
OTHER = replace(HELD, reference=UUID(int=2), order_code="SPZ", provider_reference="4712")
DISPUTE = replace(HELD, kind=LineKind.DISPUTE, order_code=None, provider_reference="du_1", payer_index=None)
LINE = Line(1, LineKind.COLLECTION, XOF, at=NOW + timedelta(seconds=20), payer_index=b"awa")


def match(line: Line, candidates: list[Booked]) -> tuple[Booked, MatchedBy] | None:
    return by_reference(line, candidates) or by_number(line, candidates)


@pytest.mark.parametrize(
    ("line", "candidates", "by"),
    [
        (replace(LINE, our_reference=str(OURS)), [OTHER, HELD], MatchedBy.OUR_REFERENCE),
        (replace(LINE, our_reference=str(OURS).upper()), [OTHER, HELD], MatchedBy.OUR_REFERENCE),
        (replace(LINE, external_id=str(OURS)), [OTHER, HELD], MatchedBy.OUR_REFERENCE),
        (replace(LINE, external_id="SPABCDEFGHJKMN"), [OTHER, HELD], MatchedBy.OUR_REFERENCE),
        (replace(LINE, our_reference=str(OURS), provider_reference="4712"), [OTHER, HELD], MatchedBy.OUR_REFERENCE),
        (replace(LINE, provider_reference="4711"), [OTHER, HELD], MatchedBy.OPERATOR_REFERENCE),
        (LINE, [HELD], MatchedBy.AMOUNT_NUMBER_TIME),
        (replace(LINE, at=NOW - timedelta(minutes=10)), [HELD], MatchedBy.AMOUNT_NUMBER_TIME),
        (LINE, [HELD, OTHER], None),  # two fit: no guess is made
        (LINE, [replace(HELD, lines=1)], None),
        (LINE, [replace(HELD, lines=1), replace(OTHER)], MatchedBy.AMOUNT_NUMBER_TIME),
        (replace(LINE, at=NOW - timedelta(minutes=11)), [HELD], None),
        (replace(LINE, at=None), [HELD], None),
        (replace(LINE, payer_index=b"yao"), [HELD], None),
        (replace(LINE, payer_index=None), [replace(HELD, payer_index=None)], None),
        (replace(LINE, amount=Money(501, "XOF")), [HELD], None),
        (replace(LINE, our_reference=str(OURS), kind=LineKind.REFUND), [HELD], None),
        (replace(LINE, our_reference=str(OURS), kind=LineKind.FEE), [HELD], None),
        (
            replace(LINE, our_reference=str(OURS), kind=LineKind.PAYOUT),
            [replace(HELD, kind=LineKind.REFUND)],
            MatchedBy.OUR_REFERENCE,
        ),
        # What is taken back is no second collection, also where it names the payment.
        (replace(LINE, our_reference=str(OURS), kind=LineKind.DISPUTE), [HELD], None),
        (replace(LINE, provider_reference="du_1"), [DISPUTE], None),
        (replace(LINE, provider_reference="du_1", kind=LineKind.DISPUTE), [DISPUTE], MatchedBy.OPERATOR_REFERENCE),
        (replace(LINE, provider_reference="du_1", kind=LineKind.REFUND), [DISPUTE], MatchedBy.OPERATOR_REFERENCE),
    ],
)
def test_match(line: Line, candidates: list[Booked], by: MatchedBy | None) -> None:
    found = match(line, candidates)
    assert (found[1] if found else None) is by
    if found and by is not MatchedBy.AMOUNT_NUMBER_TIME:
        assert found[0].reference == OURS


REFUND = replace(HELD, kind=LineKind.REFUND)


@pytest.mark.parametrize(
    ("line", "held", "found"),
    [
        (LINE, HELD, []),
        (LINE, replace(HELD, ended=None), [(DifferenceKind.MISSING_HERE, 500)]),
        (LINE, replace(HELD, lines=1), [(DifferenceKind.DOUBLE, 500)]),
        (replace(LINE, restated=True), replace(HELD, lines=1), []),
        (replace(LINE, restated=True, amount=Money(550, "XOF")), replace(HELD, lines=1), [(DifferenceKind.AMOUNT, 50)]),
        (replace(LINE, kind=LineKind.REFUND), replace(REFUND, lines=1), [(DifferenceKind.DOUBLE, -500)]),
        (replace(LINE, kind=LineKind.DISPUTE), DISPUTE, []),
        (replace(LINE, kind=LineKind.DISPUTE), replace(DISPUTE, ended=None), [(DifferenceKind.MISSING_HERE, -500)]),
        (replace(LINE, amount=Money(450, "XOF")), HELD, [(DifferenceKind.AMOUNT, -50)]),
        (replace(LINE, amount=Money(550, "XOF")), HELD, [(DifferenceKind.AMOUNT, 50)]),
        (replace(LINE, amount=Money(550, "XOF"), kind=LineKind.PAYOUT), REFUND, [(DifferenceKind.AMOUNT, -50)]),
        (replace(LINE, amount=Money(500, "XAF")), HELD, [(DifferenceKind.AMOUNT, 500)]),
        (replace(LINE, at=NOW - timedelta(hours=25)), HELD, [(DifferenceKind.DATE, 0)]),
        (replace(LINE, at=NOW + timedelta(hours=25)), HELD, [(DifferenceKind.DATE, 0)]),
        (
            replace(LINE, at=NOW + timedelta(hours=25), amount=Money(1, "XOF")),
            HELD,
            [(DifferenceKind.AMOUNT, -499), (DifferenceKind.DATE, 0)],
        ),
        (replace(LINE, at=None), HELD, []),
    ],
)
def test_compare(line: Line, held: Booked, found: list[tuple[DifferenceKind, int]]) -> None:
    assert [(each.kind, each.amount_minor) for each in compare(line, held)] == found


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        (LineKind.COLLECTION, 500),
        (LineKind.OTHER, 500),
        (LineKind.REFUND, -500),
        (LineKind.PAYOUT, -500),
        (LineKind.FEE, -500),
        (LineKind.TRANSFER, -500),
    ],
)
def test_the_sign_of_what_is_missing(kind: LineKind, more: int) -> None:
    assert missing_here(replace(LINE, kind=kind), "x").amount_minor == more


@pytest.mark.parametrize("from_float", [False, True])
@pytest.mark.parametrize("amount", [700, -700, 0])
@pytest.mark.parametrize("kind", DifferenceKind)
def test_what_is_offered_balances_and_closes_the_gap(kind: DifferenceKind, amount: int, from_float: bool) -> None:
    repairs = offered(kind, amount, from_float=from_float)
    assert repairs
    place = "operator_float" if from_float else "operator_clearing"
    for repair in repairs:
        made = postings(repair, amount, "XOF", from_float=from_float)
        assert all(balanced(legs) for legs in made)
        moved = sum(leg.amount for legs in made for leg in legs if leg.account == place)
        if repair in (Repair.ACCEPT, Repair.RETURNED):
            assert moved == 0
        else:
            assert moved == amount


def test_what_went_back_is_seen_to_come_and_go() -> None:
    came, went = postings(Repair.RETURNED, 500, "XOF", from_float=False)
    assert [leg.amount for leg in came] == [500, -500]
    assert [leg.amount for leg in went] == [-500, 500]


@pytest.mark.parametrize(
    ("operator", "book", "transit", "gap"),
    [
        (1000, 1000, InTransit(), 0),
        (999, 1000, InTransit(), -1),
        (1001, 1000, InTransit(), 1),
        (1500, 1000, InTransit(coming=500), 0),
        (1000, 1000, InTransit(coming=500), 0),
        (1501, 1000, InTransit(coming=500), 1),
        (1500, 1000, InTransit(arrived=500), 0),
        (1000, 1000, InTransit(arrived=500), -500),
        (600, 1000, InTransit(leaving=400), 0),
        (599, 1000, InTransit(leaving=400), -1),
        (970, 1000, InTransit(unstated=1000), 0),
        (969, 1000, InTransit(unstated=1000), -1),
    ],
)
def test_balance_gap(operator: int, book: int, transit: InTransit, gap: int) -> None:
    assert balance_gap(operator, book, transit) == gap


BACK = replace(HELD, reference=UUID(int=3), kind=LineKind.REFUND, provider_reference="T_BACK", payment=OURS)
BACK_LINE = replace(LINE, kind=LineKind.REFUND, payer_index=None)


@pytest.mark.parametrize(
    ("line", "held"),
    [
        (replace(BACK_LINE, external_id="SPABCDEFGHJKMN"), BACK),  # the order code of its payment
        (replace(BACK_LINE, external_id=str(OURS)), BACK),  # our reference of its payment
        (replace(BACK_LINE, our_reference=str(BACK.reference)), BACK),
        (replace(BACK_LINE, our_reference="cos-1"), replace(BACK, provider_reference="cos-1")),  # its session
        (replace(BACK_LINE, provider_reference="T_BACK"), BACK),  # its own transaction
    ],
)
def test_a_refund_is_named_as_its_payment_is(line: Line, held: Booked) -> None:
    found = match(line, [HELD, OTHER, held])
    assert found is not None
    assert found[0] is held
    # The payment's own line stays the payment's, and another code is another order's.
    assert match(replace(LINE, external_id="SPABCDEFGHJKMN"), [held, HELD]) == (HELD, MatchedBy.OUR_REFERENCE)
    assert match(replace(BACK_LINE, external_id="SPOTHER"), [HELD, held]) is None


def test_of_several_refunds_of_a_payment_it_is_the_one_that_was_paid() -> None:
    void, done = replace(BACK, reference=UUID(int=4), ended=None), replace(BACK, reference=UUID(int=5))
    found = match(replace(BACK_LINE, external_id="SPABCDEFGHJKMN"), [void, replace(BACK, lines=1), done])
    assert found is not None
    assert found[0] is done
