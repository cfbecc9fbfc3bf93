"""The life of a payment that is made on the operator's own page.

request → page → pay    → money moves now, or after its time → callback
               → cancel → FAILED
               → nothing → EXPIRED after its time
"""

import time
from collections.abc import Callable
from dataclasses import replace

from sandbox.operators.book import Entry, Status
from sandbox.operators.callbacks import Callbacks, News
from sandbox.operators.context import OperatorContext


class HostedPayments:
    """All pages of one operator. `number_of(entry)`: the operator's own number of a payment. `news(entry)`: the
    callback about one that is paid, `forged(entry)` that of an impostor. `cancel(entry)`: the payer gave up."""

    def __init__(
        self,
        context: OperatorContext,
        callbacks: Callbacks,
        *,
        number_of: Callable[[Entry], str],
        news: Callable[[Entry], News],
        forged: Callable[[Entry], News],
        cancel: Callable[[Entry], object],
    ) -> None:
        self._context = context
        self._callbacks = callbacks
        self._number_of = number_of
        self._news = news
        self._forged = forged
        self._cancel = cancel

    async def start(self, entry: Entry) -> None:
        """Follow a payment that was just registered; without a payer, where that is ordered."""
        self.follow(entry)
        paid = replace(entry, status=Status.SUCCESSFUL, provider_reference=self._number_of(entry))
        self._callbacks.forge(lambda: self._forged(paid))
        faults, later = self._context.faults, self._context.courier.later
        if faults.autodecline:
            later(faults.prompt_delay_ms / 1000, lambda: self._cancel(entry))
        elif faults.autopay:
            later(faults.prompt_delay_ms / 1000, lambda: self.settle(entry))

    def follow(self, entry: Entry) -> None:
        """Let it run to its end."""
        if entry.status is Status.PENDING:
            self._context.courier.later(0, lambda: self.settle(entry, entry.msisdn))
        else:
            self._context.courier.later(max(0.0, entry.expires_at - time.time()), lambda: self._expire(entry))

    def _expire(self, entry: Entry) -> None:
        if self._fresh(entry).status is Status.INITIATED:
            self._context.book.change(entry, Status.EXPIRED)

    def _fresh(self, entry: Entry) -> Entry:
        return self._context.book.find(entry.operator, entry.our_reference) or entry

    def can_bear(self, entry: Entry, msisdn: str) -> bool:
        """Whether the wallet holds enough."""
        held = self._context.book.balance(entry.operator, msisdn, self._context.faults.default_balance)
        return held >= entry.whole

    async def pay(self, entry: Entry, msisdn: str, pending_seconds: float | None = None) -> Entry:
        """The payer approved: the money moves, or takes its time. `pending_seconds`: in place of those that are
        ordered."""
        faults = self._context.faults
        seconds = faults.pending_seconds if pending_seconds is None else pending_seconds
        if seconds:
            pending = self._context.book.change(entry, Status.PENDING, msisdn=msisdn)
            self._context.courier.later(seconds, lambda: self.settle(pending, msisdn))
            return pending
        if faults.callback.mode == "before_answer":
            paid = self._paid(entry, msisdn)
            await self._callbacks.send(self._news(paid))
            return paid
        return self.settle(entry, msisdn)

    def settle(self, entry: Entry, msisdn: str = "") -> Entry:
        """The money moves. No wallet is charged where no phone paid."""
        known = self._fresh(entry)
        if known.status.is_final:
            return known
        paid = self._paid(known, msisdn)
        self._callbacks.send_later(self._news(paid))
        return paid

    def _paid(self, entry: Entry, msisdn: str) -> Entry:
        return self._context.book.change(
            entry,
            Status.SUCCESSFUL,
            msisdn=msisdn,
            provider_reference=self._number_of(entry),
            charge=bool(msisdn),
            default_balance=self._context.faults.default_balance,
            fee=self._context.fee_of(entry),
        )
