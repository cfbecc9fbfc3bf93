"""Callbacks whose URL names no payment, and money that was taken back: judged without a database."""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import cast
from uuid import UUID

import pytest

from gateway.domain.money import Money
from gateway.ports.payment_provider import Hint, PaymentProvider, Reversed, Succeeded
from gateway.ports.stores import DueCallback, JudgedCallback, Observation, PaymentStore, SeenReversal
from gateway.usecases.verify_payments import judge_callbacks

REFERENCE = UUID("5d0c1b7e-6a0f-4c0e-9a55-0f3c1a2b7d10")
FRANCS = Money(500, "XOF")
NOW = datetime(2026, 6, 1, 20, tzinfo=UTC)
PAID = Succeeded(FRANCS, "pi_1", "{}")
LOST = Reversed("dispute_lost", FRANCS, "du_1", "{}")


class _Store:
    def __init__(self, due: DueCallback, ours: Mapping[int, UUID]) -> None:
        self._due = due
        self._ours = ours
        self.reversals: list[SeenReversal] = []
        self.judged: list[JudgedCallback] = []
        self.seen: list[Observation] = []

    async def claim_callbacks(self, _: int) -> list[DueCallback]:
        return [self._due]

    async def record(self, seen: list[Observation]) -> int:
        self.seen += seen
        return len(seen)

    async def record_reversals(self, seen: list[SeenReversal]) -> Mapping[int, UUID]:
        self.reversals += seen
        return self._ours

    async def judge_callbacks(self, judged: list[JudgedCallback]) -> int:
        self.judged += judged
        return 0


class _Reader:
    def __init__(self, hint: Hint) -> None:
        self._hint = hint

    def parse_callback(self, *_: object) -> tuple[Hint, ...]:
        return (self._hint,)


async def judge(hint: Hint, named: UUID | None = None, ours: Mapping[int, UUID] = MappingProxyType({})) -> _Store:
    amount = None if named is None else FRANCS
    store = _Store(DueCallback(1, "stripe", None, named, "POST", {}, b"{}", amount, {}, NOW), ours)
    providers = {"stripe": cast(PaymentProvider, _Reader(hint))}
    assert await judge_callbacks(payments=cast(PaymentStore, store), providers=providers) == 1
    return store


@pytest.mark.parametrize("proof", [None, PAID])
async def test_a_payment_that_only_the_event_names_is_asked_about(proof: Succeeded | None) -> None:
    store = await judge(Hint("completed", "SPV7K2QM0123", "evt_1", proof, REFERENCE))
    (judged,) = store.judged
    assert (judged.outcome, judged.reference, judged.hinted) == ("hint", REFERENCE, True)
    assert store.seen == []


async def test_a_proof_about_the_payment_of_the_url_is_evidence() -> None:
    store = await judge(Hint("completed", proof=PAID), REFERENCE)
    assert [(seen.reference, seen.received) for seen in store.seen] == [(REFERENCE, FRANCS)]
    assert store.judged[0].outcome == "proof"


async def test_an_event_that_names_nothing_is_only_kept() -> None:
    assert (await judge(Hint("completed"))).judged[0].outcome == "unknown reference"


@pytest.mark.parametrize("known", [True, False])
async def test_money_that_was_taken_back_is_for_the_books_and_no_evidence_of_a_payment(known: bool) -> None:
    told = Hint("closed lost", event_id="evt_1", proof=LOST, provider_reference="pi_1")
    store = await judge(told, ours={1: REFERENCE} if known else {})
    assert store.seen == []
    assert store.reversals == [SeenReversal(1, "stripe", LOST, None, "pi_1")]
    (judged,) = store.judged
    expected = ("proof", REFERENCE, True) if known else ("unknown reference", None, False)
    assert (judged.outcome, judged.reference, judged.hinted) == expected


async def test_what_was_signed_about_one_payment_takes_nothing_from_another() -> None:
    other = UUID("00000000-0000-4000-8000-000000000001")
    store = await judge(Hint("closed lost", proof=LOST, reference=other), REFERENCE)
    assert store.reversals == []
