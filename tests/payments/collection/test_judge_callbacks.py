"""Callbacks whose URL names no payment, and money that was taken back: judged without a database."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import cast
from uuid import UUID

import pytest

from gateway.values.money import Money
from payments.collection.callback_queue import CallbackQueue, DueCallback, JudgedCallback
from payments.collection.judge_callbacks import CallbackJudge
from payments.collection.observations import Observation
from payments.collection.store import Payments
from payments.provider import Hint, NamedReversal, PaymentProvider, Succeeded

REFERENCE = UUID("5d0c1b7e-6a0f-4c0e-9a55-0f3c1a2b7d10")
FRANCS = Money(500, "XOF")
NOW = datetime(2026, 6, 1, 20, tzinfo=UTC)
PAID = Succeeded(FRANCS, "pi_1", "{}")


class _Store:
    def __init__(self, due: DueCallback) -> None:
        self._due = due
        self.named: list[NamedReversal] = []
        self.judged: list[JudgedCallback] = []
        self.observed: list[Observation] = []

    async def claim(self, _: int) -> list[DueCallback]:
        return [self._due]

    async def record(self, seen: list[Observation]) -> int:
        self.observed += seen
        return len(seen)

    async def name_reversals(self, named: Sequence[NamedReversal]) -> None:
        self.named += named

    async def judge(self, judged: list[JudgedCallback]) -> int:
        self.judged += judged
        return 0


class _Reader:
    def __init__(self, hint: Hint) -> None:
        self._hint = hint

    def parse_callback(self, *_: object) -> tuple[Hint, ...]:
        return (self._hint,)


async def judge(hint: Hint, named: UUID | None = None, *, copy: bool = False) -> _Store:
    amount = None if named is None else FRANCS
    store = _Store(DueCallback(2, "stripe", None, named, "POST", {}, b"{}", amount, {}, NOW, 1 if copy else None))
    providers = {"stripe": cast(PaymentProvider, _Reader(hint))}
    judging = CallbackJudge(cast(CallbackQueue, store), cast(Payments, store), providers, store.name_reversals)
    assert await judging.step() == 1
    return store


@pytest.mark.parametrize("proof", [None, PAID])
async def test_a_payment_that_only_the_event_names_is_asked_about(proof: Succeeded | None) -> None:
    store = await judge(Hint("completed", "SPV7K2QM0123", proof, REFERENCE))
    (judged,) = store.judged
    assert (judged.outcome, judged.reference, judged.hinted) == ("hint", REFERENCE, True)
    assert store.observed == []


async def test_a_proof_about_the_payment_of_the_url_is_evidence() -> None:
    store = await judge(Hint("completed", proof=PAID), REFERENCE)
    assert [(seen.reference, seen.received) for seen in store.observed] == [(REFERENCE, FRANCS)]
    assert store.judged[0].outcome == "proof"


async def test_an_event_that_names_nothing_is_only_kept() -> None:
    assert (await judge(Hint("completed"))).judged[0].outcome == "unknown reference"


async def test_money_that_was_taken_back_is_asked_about_and_proves_nothing() -> None:
    store = await judge(Hint("closed lost", reversal="du_1"))
    assert store.observed == []
    assert store.named == [NamedReversal("stripe", "du_1")]
    (judged,) = store.judged
    assert (judged.outcome, judged.reference) == ("hint", None)


async def test_the_same_bytes_again_ask_nothing() -> None:
    assert (await judge(Hint("closed lost", reversal="du_1"), copy=True)).named == []


async def test_what_was_signed_about_one_payment_takes_nothing_from_another() -> None:
    other = UUID("00000000-0000-4000-8000-000000000001")
    assert (await judge(Hint("completed", proof=PAID, reference=other), REFERENCE)).observed == []
