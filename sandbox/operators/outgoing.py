"""The life of money on its way out of the merchant's wallet: a refund, or a payout.

request → (prompt_delay, pending_seconds) → float, payee and limit are looked at → the wallet of the
payee grows and a text says so, or nothing moves → callback
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from sandbox.operators.book import Entry, Status
from sandbox.operators.callbacks import Callbacks, News
from sandbox.operators.context import OperatorContext


@dataclass(frozen=True, slots=True)
class OutgoingWords:
    """How one operator says why money did not leave, and the name that its texts come from."""

    no_float: str
    limit: str
    sender: str


class Outgoing:
    """Disbursements of one operator.

    `refusal(entry)`: the operator's own reason against it, e.g. an unknown payee, or None.
    `number_of(entry)`: the operator's number of it. `news(entry)`: its callback. `available(currency)`:
    what the wallet that it leaves holds, in whole units.
    """

    def __init__(
        self,
        context: OperatorContext,
        words: OutgoingWords,
        callbacks: Callbacks,
        *,
        refusal: Callable[[Entry], str | None],
        number_of: Callable[[Entry], str],
        news: Callable[[Entry], News],
        available: Callable[[str], int],
    ) -> None:
        self._context = context
        self._words = words
        self._callbacks = callbacks
        self._refusal = refusal
        self._number_of = number_of
        self._news = news
        self._available = available

    async def start(self, entry: Entry) -> None:
        """Follow a disbursement that was just registered."""
        paid = replace(entry, status=Status.SUCCESSFUL, provider_reference="1", completed_at=time.time())
        self._callbacks.forge(lambda: self._news(paid))
        if self._context.outgoing_faults.callback.mode == "before_answer":
            await self._callbacks.send(self._news(self._moved(entry)))
        else:
            self.follow(entry)

    def follow(self, entry: Entry, after: float | None = None) -> None:
        """Let it run to its end. `after`: seconds, in place of those that are ordered."""
        faults = self._context.outgoing_faults
        usual = faults.prompt_delay_ms / 1000 + faults.pending_seconds
        self._context.courier.later(usual if after is None else after, lambda: self.settle(entry))

    def settle(self, entry: Entry) -> Entry:
        """The money moves now, or fails with a reason; what is final already stays as it is."""
        known = self._context.book.find(entry.operator, entry.our_reference, entry.kind)
        if known is not None and known.status.is_final:
            return known
        done = self._moved(entry)
        self._callbacks.send_later(self._news(done))
        return done

    def _moved(self, entry: Entry) -> Entry:
        context, faults = self._context, self._context.outgoing_faults
        reason = self._refusal(entry)
        if reason is None and faults.limit and entry.whole > faults.limit:
            reason = self._words.limit
        if reason is None and self._available(entry.currency) < entry.whole:
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
