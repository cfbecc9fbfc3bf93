"""The life of a payment that is made on the operator's own page.

request → page → pay    → money moves now, or after its time → callback
               → cancel → FAILED
               → nothing → EXPIRED after its time
"""

import time
from abc import abstractmethod
from dataclasses import replace

from sandbox.operators.book import Entry, Status
from sandbox.operators.callbacks import News
from sandbox.operators.pipeline import MoneyRequests


class HostedRequests(MoneyRequests):
    """Payments on the operator's pages."""

    @abstractmethod
    def cancel(self, entry: Entry) -> Entry:
        """The payer gave up."""

    def forged(self, entry: Entry) -> News:
        """The callback of an impostor."""
        return self.news(entry)

    async def start(self, entry: Entry) -> None:
        """Follow a payment that was just registered; without a payer, where that is ordered."""
        self.follow(entry)
        paid = replace(entry, status=Status.SUCCESSFUL, provider_reference=self.number_of(entry))
        self.callbacks.forge(lambda: self.forged(paid))
        seconds, later = self.faults.prompt_delay_ms / 1000, self.context.courier.later
        if self.faults.autodecline:
            later(seconds, lambda: self.cancel(entry))
        elif self.faults.autopay:
            later(seconds, lambda: self.settle(entry))

    def follow(self, entry: Entry) -> None:
        """Let it run to its end."""
        if entry.status is Status.PENDING:
            self.context.courier.later(0, lambda: self.settle(entry, entry.msisdn))
        else:
            self.context.courier.later(max(0.0, entry.expires_at - time.time()), lambda: self._expire(entry))

    def _expire(self, entry: Entry) -> None:
        if self.fresh(entry).status is Status.INITIATED:
            self.book.change(entry, Status.EXPIRED)

    def can_bear(self, entry: Entry, msisdn: str) -> bool:
        """Whether the wallet holds enough."""
        held = self.book.balance(entry.operator, msisdn, self.faults.default_balance)
        return held >= entry.whole

    async def charge(self, entry: Entry, msisdn: str, pending_seconds: float | None = None) -> Entry:
        """The payer approved: the money moves, or takes its time. `pending_seconds`: in place of those that are
        ordered."""
        faults = self.faults
        seconds = faults.pending_seconds if pending_seconds is None else pending_seconds
        if seconds:
            pending = self.book.change(entry, Status.PENDING, msisdn=msisdn)
            self.context.courier.later(seconds, lambda: self.settle(pending, msisdn))
            return pending
        if faults.callback.mode == "before_answer":
            paid = self._paid(entry, msisdn)
            await self.callbacks.send(self.news(paid))
            return paid
        return self.settle(entry, msisdn)

    def settle(self, entry: Entry, msisdn: str = "") -> Entry:
        """The money moves. No wallet is charged where no phone paid."""
        known = self.fresh(entry)
        if known.status.is_final:
            return known
        paid = self._paid(known, msisdn)
        self.callbacks.send_later(self.news(paid))
        return paid

    def _paid(self, entry: Entry, msisdn: str) -> Entry:
        return self.book.change(
            entry,
            Status.SUCCESSFUL,
            msisdn=msisdn,
            provider_reference=self.number_of(entry),
            charge=bool(msisdn),
            default_balance=self.faults.default_balance,
            fee=self.context.fee_of(entry),
        )
