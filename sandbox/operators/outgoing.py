"""The life of money on its way out of the merchant's wallet: a refund, or a payout.

request → (prompt_delay, pending_seconds) → float, payee and limit are looked at → the wallet of the
payee grows and a text says so, or nothing moves → callback
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from sandbox.operators.book import Entry, Status
from sandbox.operators.context import OperatorContext


@dataclass(frozen=True, slots=True)
class OutgoingWords:
    """How one operator says why money did not leave, and the name that its texts come from."""

    no_float: str
    limit: str
    sender: str


class Outgoing:
    """All disbursements of one operator.

    `refusal(entry)`: the operator's own reason against it, e.g. an unknown payee, or None.
    `number_of(entry)`: the operator's number of it. `announce(entry)`: its callback. `available(entry)`:
    what the wallet that it leaves holds, in whole units.
    """

    def __init__(
        self,
        context: OperatorContext,
        words: OutgoingWords,
        *,
        refusal: Callable[[Entry], str | None],
        number_of: Callable[[Entry], str],
        announce: Callable[[Entry], Awaitable[None]],
        available: Callable[[Entry], int],
    ) -> None:
        self._context = context
        self._words = words
        self._refusal = refusal
        self._number_of = number_of
        self._announce = announce
        self._available = available

    async def start(self, entry: Entry, forge: Callable[[Entry], Awaitable[None]]) -> None:
        """Follow a disbursement that is in the book. `forge(entry)` sends the callback that an
        impostor would, where that is ordered."""
        mode = self._context.outgoing_faults.callback.mode
        if mode == "forged":
            lie = replace(entry, status=Status.SUCCESSFUL, provider_reference="1", completed_at=time.time())
            self._context.courier.spawn(_awaited(forge(lie)))
        if mode == "before_answer":
            await self._announce(self._moved(entry))
        else:
            self.follow(entry)

    def follow(self, entry: Entry) -> None:
        """Let it run to its end."""
        faults = self._context.outgoing_faults
        self._context.courier.later(faults.prompt_delay_ms / 1000 + faults.pending_seconds, lambda: self.settle(entry))

    def settle(self, entry: Entry) -> Entry:
        """The money moves now, or it is said why not; what is final already stays as it is."""
        known = self._context.book.find(entry.operator, entry.our_reference, entry.kind)
        if known is not None and known.status.is_final:
            return known
        done = self._moved(entry)
        self._context.courier.spawn(_awaited(self._announce(done)))
        return done

    def _moved(self, entry: Entry) -> Entry:
        context, faults = self._context, self._context.outgoing_faults
        reason = self._refusal(entry)
        if reason is None and faults.limit and entry.whole > faults.limit:
            reason = self._words.limit
        if reason is None and self._available(entry) < entry.whole:
            reason = self._words.no_float
        done = context.book.change(
            entry,
            Status.FAILED if reason else Status.SUCCESSFUL,
            reason=reason,
            provider_reference=self._number_of(entry),
            credit=not reason,
            default_balance=faults.default_balance,
        )
        if done.status is Status.SUCCESSFUL:
            text = f"You have received {done.whole} {done.currency} from {context.merchant}."
            context.phones.text(done.msisdn, self._words.sender, f"{text} Transaction {done.provider_reference}.")
        return done


async def _awaited(work: Awaitable[None]) -> None:
    await work
