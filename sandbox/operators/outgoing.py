"""The life of money on its way out of the merchant's wallet: a refund, or a payout.

request → (prompt_delay, pending_seconds) → float, payee and limit are looked at → the wallet of the
payee grows and a text says so, or nothing moves → callback
"""

import time
from abc import abstractmethod
from dataclasses import dataclass, replace

from sandbox.operators.book import Entry, Status
from sandbox.operators.pipeline import MoneyRequests


@dataclass(frozen=True, slots=True)
class OutgoingWords:
    """How one operator says why money did not leave, and the name that its texts come from."""

    no_float: str
    limit: str
    sender: str


class OutgoingRequests(MoneyRequests):
    """Requests to send money out."""

    outgoing = True
    outgoing_words: OutgoingWords

    @abstractmethod
    def refusal(self, entry: Entry) -> str | None:
        """The operator's own reason against it, e.g. an unknown payee."""

    @abstractmethod
    def held(self, currency: str) -> int:
        """What the wallet that it leaves holds, in whole units."""

    async def start(self, entry: Entry) -> None:
        """Follow a disbursement that was just registered."""
        paid = replace(entry, status=Status.SUCCESSFUL, provider_reference="1", completed_at=time.time())
        self.callbacks.forge(lambda: self.news(paid))
        if self.faults.callback.mode == "before_answer":
            await self.callbacks.send(self.news(self._moved(entry)))
        else:
            self.follow(entry)

    def follow(self, entry: Entry, after: float | None = None) -> None:
        """Let it run to its end. `after`: seconds, in place of those that are ordered."""
        usual = self.faults.prompt_delay_ms / 1000 + self.faults.pending_seconds
        self.context.courier.later(usual if after is None else after, lambda: self.settle(entry))

    def settle(self, entry: Entry) -> Entry:
        """The money moves now, or fails with a reason; what is final already stays as it is."""
        known = self.fresh(entry)
        if known.status.is_final:
            return known
        done = self._moved(entry)
        self.callbacks.send_later(self.news(done))
        return done

    def _moved(self, entry: Entry) -> Entry:
        context, faults = self.context, self.faults
        reason = self.refusal(entry)
        if reason is None and faults.limit and entry.whole > faults.limit:
            reason = self.outgoing_words.limit
        if reason is None and self.held(entry.currency) < entry.whole:
            reason = self.outgoing_words.no_float
        done = self.book.change(
            entry,
            Status.FAILED if reason else Status.SUCCESSFUL,
            reason=reason,
            provider_reference=self.number_of(entry),
            credit=not reason,
            default_balance=faults.default_balance,
        )
        if done.status is Status.SUCCESSFUL:
            text = f"You have received {done.whole} {done.currency} from {context.merchant}."
            context.phones.text(
                done.msisdn, self.outgoing_words.sender, f"{text} Transaction {done.provider_reference}."
            )
        return done
