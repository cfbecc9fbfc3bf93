"""What happened to a voter's money, step by step: the key of each sentence and its values. Pure.

The sentences themselves are phrases, found by `story.<key>` (`payments.ledger.story_phrases`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from gateway.values.money import Money
from payments.lifecycle import UNDECIDED, Observed


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a payment or a refund, as its story keeps it."""

    at: datetime
    seen: str
    to: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class RefundStory:
    """A refund of the attempt. `operator_reference`: what the operator calls it."""

    amount: Money
    status: str
    reason: str
    operator_reference: str | None
    steps: Sequence[Step] = ()


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to pay for votes. `received`: where it differs from what was asked. `operator_reference`:
    what the operator calls the payment; `on_statement`: whether a statement of the operator shows it;
    `dispute`: the status of one about it, if there is one."""

    code: str
    vote_id: str
    placed_at: datetime
    channel: str
    contest: str
    candidate: str
    quantity: int
    amount: Money
    operator: str
    status: str
    receipt: str
    reason: str | None = None
    received: Money | None = None
    operator_reference: str | None = None
    provisional: bool = False
    on_statement: bool = False
    dispute: str | None = None
    steps: Sequence[Step] = ()
    refunds: Sequence[RefundStory] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class Sentence:
    """A phrase and what fills it; `at` None: the state now."""

    key: str
    params: Mapping[str, str]
    at: datetime | None = None


PAYMENT_STEPS: Final = frozenset(Observed) - {Observed.STILL_OPEN}
REFUND_STEPS: Final = frozenset(
    {"calling", "put_back", "put_off", "succeeded", "failed", "failed_for_us", "given_up", "paid_by_hand", "reversed"}
)
# The state now, by the payment's status: the first sentence for the voter.
ENDS: Final[Mapping[str, str]] = {
    "created": "now_waiting",
    "sent": "now_asked",
    "pending": "now_asked",
    "confirmed": "now_confirmed",
    "settled": "now_counted",
    "held": "now_held",
    "surplus": "now_owed",
    "mismatched": "now_owed",
    "refund_due": "now_owed",
    "refunded": "now_given_back",
    "failed": "now_failed",
    "expired": "now_expired",
}
# The sentence about a dispute, by its status.
DISPUTES: Final[Mapping[str | None, str]] = {
    "open": "now_disputed",
    "won": "now_dispute_won",
    "lost": "now_dispute_lost",
}
# How the act of two persons is noted in the detail of a step: with its request.
_REQUEST: Final = "request "
_BY_PERSONS: Final = {"settled": "taken_back", "held": "decided_back"}
# Shown by other sentences, or not at all.
_QUIET: Final = frozenset({"ordered", "still_open"})


def sentences_of(attempt: Attempt) -> list[Sentence]:
    """The state now, then everything that happened, oldest first."""
    received = attempt.received or attempt.amount
    back = next((refund.operator_reference for refund in attempt.refunds if refund.operator_reference), None)
    params = {
        "quantity": str(attempt.quantity),
        "candidate": attempt.candidate,
        "contest": attempt.contest,
        "channel": attempt.channel,
        "operator": attempt.operator,
        "amount": attempt.amount.spoken(),
        "received": received.spoken(),
        "receipt": attempt.receipt,
        "code": attempt.code,
        "reference": attempt.operator_reference or "-",
        "refund_reference": back or "-",
        "reason": attempt.reason or "-",
    }
    taken_back = any(step.seen == "reversed" for step in attempt.steps)
    end = "now_reversed" if taken_back else ENDS.get(attempt.status, "now_other")
    sentences = [Sentence(end, {**params, "detail": attempt.status})]
    if attempt.dispute in DISPUTES and not taken_back:
        sentences.append(Sentence(DISPUTES[attempt.dispute], params))
    if attempt.provisional:
        sentences.append(Sentence("now_provisional", params))
    if attempt.on_statement:
        sentences.append(Sentence("now_on_statement", params))
    steps = [Sentence("ordered", params, attempt.placed_at)]
    steps += _steps(attempt.steps, "", PAYMENT_STEPS, params)
    for refund in attempt.refunds:
        more = {
            **params,
            "amount": refund.amount.spoken(),
            "reason": refund.reason,
            "refund_reference": refund.operator_reference or "-",
        }
        steps += _steps(refund.steps, "refund_", REFUND_STEPS, more)
    return sentences + sorted(steps, key=lambda sentence: sentence.at or attempt.placed_at)


def _steps(steps: Sequence[Step], prefix: str, known: frozenset[str], params: Mapping[str, str]) -> list[Sentence]:
    sentences: list[Sentence] = []
    before = ""
    for step in steps:
        if step.seen not in _QUIET and not (prefix and step.seen in ("owed", "accepted")):
            key, detail = _sentence(step, before, known)
            sentences.append(Sentence(f"{prefix}{key}", {**params, "detail": detail}, step.at))
        before = step.to
    return sentences


def _sentence(step: Step, before: str, known: frozenset[str]) -> tuple[str, str]:
    """The sentence of a step and its detail. What two persons refunded had counted, or waited for their
    decision: it was not refused by a rule. Where they had not decided in time, it goes back by itself."""
    if step.seen == "cannot_count" and before == "held" and step.detail == UNDECIDED:
        return "undecided", ""
    if step.seen == "cannot_count" and before in _BY_PERSONS:
        return _BY_PERSONS[before], step.detail.removeprefix(_REQUEST)
    return step.seen if step.seen in known else "other", step.detail or step.to
