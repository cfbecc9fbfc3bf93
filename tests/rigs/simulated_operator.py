"""An operator with a state of its own: what was asked of it, what payers decided, where the money is.

It answers from that state only, and its answers may be lost on the way; what it sees that must not be
is written down in `violations`.
"""

import hashlib
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import orjson

from gateway.http.raw_exchange import RawRequest
from gateway.values.money import Money
from payments.provider import (
    Accepted,
    Collection,
    CreateResult,
    Disbursement,
    DisburseResult,
    Failed,
    FoundReversal,
    Hint,
    ListedReversal,
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
from tests.rigs.scripted_provider import ScriptedProvider
from tests.rigs.simulated_disputes import Disputes, read_claim, read_dispute

HIDDEN_QUESTIONS: Final = 4
_SEAL: Final = b"known to the operator and to us"


@dataclass
class Prompt:
    """A collection as the operator has it. `taken` None: the payer has not decided; 0: declined."""

    asked: Money
    payer: str | None
    taken: int | None = None


@dataclass
class Outgoing:
    """Money that we asked it to refund. `done` None: in progress."""

    payment: UUID
    amount: Money
    done: bool | None = None


@dataclass
class SimulatedOperator(ScriptedProvider):
    """`fates`: the fate of the next calls, one value each; then they are taken in and answered. `hidden`: what was
    taken in and is not found by so many questions."""

    prompts: dict[UUID, Prompt] = field(default_factory=dict)
    outgoing: dict[UUID, Outgoing] = field(default_factory=dict)
    by_hand: dict[UUID, int] = field(default_factory=dict)
    hidden: dict[UUID, int] = field(default_factory=dict)
    disputes: Disputes = field(default_factory=Disputes)
    fates: deque[str] = field(default_factory=deque)
    silent: int = 0
    violations: list[str] = field(default_factory=list)
    committed: Callable[[str, UUID], Awaitable[bool]] | None = None
    called: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self.can = replace(self.can, can_refund=True, pays_from_float=True)

    @property
    def collected(self) -> int:
        return sum(prompt.taken or 0 for prompt in self.prompts.values())

    @property
    def refunded(self) -> int:
        out = sum(gone.amount.amount_minor for gone in self.outgoing.values() if gone.done)
        return out + sum(self.by_hand.values())

    def _fate(self) -> str:
        return self.fates.popleft() if self.fates else "taken"

    async def _witness(self, table: str, reference: UUID) -> None:
        self.called()
        if self.committed is None or not await self.committed(table, reference):
            self.violations.append(f"asked with a reference that is not committed: {table} {reference}")

    async def create(self, collection: Collection, otp: str | None = None) -> CreateResult:
        reference, fate = collection.reference, self._fate()
        await self._witness("payments", reference)
        if fate == "not_sent":
            return NotSent("connection refused")
        if fate == "lost_before":
            return Unknown("timeout")
        known = self.prompts.get(reference)
        if known is None and fate == "rejected":
            return Rejected("LIMIT", PayerReason.NO_FUNDS)
        if known is None:
            self.prompts[reference] = Prompt(collection.amount, collection.payer)
        elif (known.asked, known.payer) != (collection.amount, collection.payer):
            self.violations.append(f"one reference, two requests: {reference}")
        if fate in ("paid_and_lost", "hidden_and_lost"):
            self.decide(reference, collection.amount.amount_minor)
        if fate == "hidden_and_lost":
            self.hidden[reference] = HIDDEN_QUESTIONS
        self.called()
        return Unknown("timeout") if fate.endswith("lost") else Accepted(already_there=known is not None)

    def decide(self, reference: UUID, taken: int) -> None:
        """The payer pays so much, or declines with 0. The first decision is final."""
        prompt = self.prompts[reference]
        if prompt.taken is None:
            prompt.taken = taken

    async def query(self, collection: Collection) -> StatusReport:
        self.called()
        if self.silent > 0:
            self.silent -= 1
            return Unavailable("timeout")
        prompt = self.prompts.get(collection.reference)
        if self.hidden.get(collection.reference, 0) > 0:
            self.hidden[collection.reference] -= 1
            prompt = None
        if prompt is None:
            return NotFound("no such reference")
        if prompt.taken is None:
            return StillOpen("PENDING")
        return _report(prompt.taken, prompt.asked.currency)

    async def disburse(self, disbursement: Disbursement) -> DisburseResult:
        reference, fate = disbursement.reference, self._fate()
        await self._witness("refunds", reference)
        assert disbursement.collection is not None
        if fate == "not_sent":
            return NotSent("connection refused")
        if fate == "lost_before":
            return Unknown("timeout")
        known = self.outgoing.get(reference)
        if known is None and fate == "rejected":
            return Rejected("POOR", PayerReason.NO_FUNDS)
        if known is None:
            known = Outgoing(disbursement.collection.reference, disbursement.amount)
            self.outgoing[reference] = known
        elif known.amount != disbursement.amount:
            self.violations.append(f"one reference, two refunds: {reference}")
        if fate == "paid_and_lost":
            self.pay_out(reference, True)
        self.called()
        return Unknown("timeout") if fate.endswith("lost") else Accepted()

    def pay_out(self, reference: UUID, done: bool) -> None:
        """A refund arrives, or fails for good. The first end is final."""
        gone = self.outgoing[reference]
        if gone.done is not None:
            return
        gone.done = done
        back = sum(o.amount.amount_minor for o in self.outgoing.values() if o.done and o.payment == gone.payment)
        prompt = self.prompts.get(gone.payment)
        if done and (prompt is None or back + self.by_hand.get(gone.payment, 0) > (prompt.taken or 0)):
            self.violations.append(f"more refunded than taken: {gone.payment}")

    async def query_disbursement(self, disbursement: Disbursement) -> StatusReport:
        self.called()
        if self.silent > 0:
            self.silent -= 1
            return Unavailable("timeout")
        gone = self.outgoing.get(disbursement.reference)
        if gone is None:
            return NotFound("no such reference")
        if gone.done is None:
            return StillOpen("PENDING")
        return _report(gone.amount.amount_minor if gone.done else 0, gone.amount.currency)

    async def reversal(self, number: str) -> FoundReversal | NotFound | Unavailable:
        self.called()
        if self.silent > 0:
            self.silent -= 1
            return Unavailable("timeout")
        return self.disputes.found(number)

    async def reversals_since(self, since: datetime) -> Sequence[ListedReversal]:
        return [ListedReversal(number, datetime.now(UTC)) for number in self.disputes.known]

    def sealed(self, reference: UUID) -> bytes:
        """A true callback with its proof; a hint while the payment is undecided."""
        prompt = self.prompts[reference]
        if prompt.taken is None:
            return orjson.dumps({"reference": str(reference), "status": "PENDING"})
        return _answer(reference, prompt.taken, prompt.asked.currency, _seal(reference, prompt.taken))

    def parse_callback(self, request: RawRequest, secrets: Mapping[str, str]) -> tuple[Hint, ...]:
        try:
            fields = orjson.loads(request.body)
        except orjson.JSONDecodeError:
            return ()
        if not isinstance(fields, dict):
            return ()
        if "dispute" in fields:
            return read_dispute(fields)
        if "claims" in fields:
            return read_claim(fields["claims"])
        if "reference" not in fields:
            return ()
        reference = UUID(fields["reference"])
        if "seal" not in fields:
            return (Hint(str(fields.get("status")), reference=reference),)
        if fields["seal"] != _seal(reference, fields["taken"]):
            return ()
        proof = _report(fields["taken"], fields["currency"])
        assert isinstance(proof, Succeeded | Failed)
        return (Hint("done", proof=proof, reference=reference),)


def forged(reference: UUID, taken: int) -> bytes:
    """A callback of a caller who does not know the seal."""
    return _answer(reference, taken, "XOF", "0" * 64)


def claimed(reference: UUID, status: str) -> bytes:
    """A callback that any caller could write: a hint and no more."""
    return orjson.dumps({"reference": str(reference), "status": status})


def _answer(reference: UUID, taken: int, currency: str, seal: str) -> bytes:
    return orjson.dumps({"reference": str(reference), "taken": taken, "currency": currency, "seal": seal})


def _seal(reference: UUID, taken: int) -> str:
    return hashlib.sha256(_SEAL + reference.bytes + str(taken).encode()).hexdigest()


def _report(taken: int, currency: str) -> Succeeded | Failed:
    if taken:
        return Succeeded(Money(taken, currency), f"op-{taken}", "{}")
    return Failed("DECLINED", PayerReason.DECLINED, "{}")
