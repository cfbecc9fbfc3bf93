"""Judge stored callbacks: what they prove is recorded, what they claim makes us ask the operator."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from gateway.http.raw_exchange import RawRequest
from gateway.orders.routing import provider_of
from gateway.storage.set_aside import in_halves
from payments.collection.callback_queue import CallbackQueue, DueCallback, JudgedCallback
from payments.collection.count_on_callback import CountingOnCallbacks
from payments.collection.observations import LOOK_AGAIN_AT_FAILED, Observation, of_failure, of_success
from payments.collection.store import Payments
from payments.lifecycle import Observed, success_observed
from payments.provider import Failed, Hint, NamedReversal, PaymentProvider

CALLBACK_BATCH: Final = 1_000
_PROOF: Final = "callback_proof"

NameReversals = Callable[[Sequence[NamedReversal]], Awaitable[None]]
"""Has money that operators take back asked about."""


@dataclass(frozen=True)
class CallbackJudge:
    """Judges stored callbacks. `counting`: where some account is counted on, see
    docs/decisions/0017-counting-on-a-callback.md."""

    queue: CallbackQueue
    payments: Payments
    providers: Mapping[str, PaymentProvider]
    name_reversals: NameReversals
    counting: CountingOnCallbacks | None = None

    async def step(self) -> int:
        """Judge the callbacks that are due; how many. One that fails by itself is set aside.

        A proof becomes evidence, a hint makes its payment due, anything else is only kept. The same bytes again are a
        hint at most."""
        due = await self.queue.claim(CALLBACK_BATCH)
        done = await in_halves(due, self._judge)
        if done.broken:
            await self.queue.set_aside([(callback.id, error) for callback, error in done.broken])
        return len(due)

    async def _judge(self, due: Sequence[DueCallback]) -> None:
        judged, proofs, taken_back, claimed = [], [], [], []
        for callback in due:
            account, read = _read(callback, self.providers)
            hints = tuple(_believed(callback, hint) for hint in read)
            proofs += [proof for hint in hints if (proof := _proof(callback, hint))]
            taken_back += [NamedReversal(account, hint.reversal) for hint in hints if hint.reversal]
            judged.append(replace(_judged(callback, hints), duplicate_of=callback.duplicate_of))
            claimed += [(callback, hint.claims) for hint in hints if hint.claims]
        if self.counting is not None and (counted := await self.counting.observed(claimed)):
            proofs += counted.values()
            judged = [replace(j, outcome="provisional", hinted=False) if j.id in counted else j for j in judged]
        # Evidence first: a callback is marked as judged only when what it proves is kept.
        await self.payments.record(proofs)
        if taken_back:
            await self.name_reversals(taken_back)
        await self.queue.judge(judged)


def _believed(callback: DueCallback, hint: Hint) -> Hint:
    """The same bytes again are no news. What was signed about one payment says nothing about another, at
    whose address it came."""
    elsewhere = None not in (hint.reference, callback.reference) and hint.reference != callback.reference
    if callback.duplicate_of is None and not elsewhere:
        return hint
    return replace(hint, proof=None, claims=None, reversal=None)


def _read(callback: DueCallback, providers: Mapping[str, PaymentProvider]) -> tuple[str, tuple[Hint, ...]]:
    """What a callback says, to the account that it concerns; where its URL names no payment, to whichever
    account of that provider it means something. The account's key, empty where it means nothing, and the hints."""
    accounts = {key: provider for key, provider in providers.items() if provider_of(key) == callback.provider}
    if callback.account in accounts:
        accounts = {callback.account: accounts[callback.account]}
    readings = ((key, account.parse_callback(_raw(callback), callback.secrets)) for key, account in accounts.items())
    return next(((key, hints) for key, hints in readings if hints), ("", ()))


def _raw(callback: DueCallback) -> RawRequest:
    at = callback.received_at.timestamp() if callback.received_at else None
    return RawRequest(callback.method, "", callback.headers, callback.body, at=at)


def _judged(callback: DueCallback, hints: tuple[Hint, ...]) -> JudgedCallback:
    if not hints:
        return JudgedCallback(callback.id, "nothing")
    hint = hints[0]
    reference = callback.reference or hint.reference
    if reference is None and hint.order_code is None and hint.reversal is None:
        return JudgedCallback(callback.id, "unknown reference")
    if hint.proof is not None and callback.amount is not None:
        return JudgedCallback(callback.id, "proof", reference)
    # What is proved of a payment that the URL does not name, or of a refund, is asked for once more: one question
    # finds it.
    return JudgedCallback(
        callback.id, "hint", reference, hint.order_code, hinted=True, claimed=_claims_paid(callback, hint)
    )


def _claims_paid(callback: DueCallback, hint: Hint) -> bool:
    """Whether a callback at its payment's own address, which only the operator got, claims what we asked for."""
    claims = hint.claims
    named = callback.reference is not None and callback.amount is not None
    return named and claims is not None and claims.succeeded and claims.received == callback.amount


def _proof(callback: DueCallback, hint: Hint) -> Observation | None:
    """What a signed callback proves about its payment."""
    if callback.reference is None or callback.amount is None or hint.proof is None:
        return None
    if isinstance(hint.proof, Failed):
        again = callback.now + LOOK_AGAIN_AT_FAILED
        return of_failure(callback.reference, Observed.FAILED, hint.proof, again, _PROOF)
    observed = success_observed(callback.amount, hint.proof.received)
    return of_success(callback.reference, observed, hint.proof, _PROOF)
