"""The life of a pushed money request: prompt on the phone, PIN, money, news.

request → (prompt_delay) → prompt → PIN      → money moves, written to the book → callback
                                  → declined | three wrong PINs | too little money → FAILED
                                  → nobody answers → FAILED after the operator's time
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from sandbox.operators.book import Entry, Status
from sandbox.operators.context import OperatorContext

PIN = "0000"
PIN_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Words:
    """How one operator calls the ways in which a request fails, and the code that lists requests."""

    declined: str
    expired: str
    no_funds: str
    wrong_pin: str
    busy: str
    approvals_code: str
    sender: str
    limit: str = ""


class _Waiting:
    """What is only known while a request is open."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.attempts_left = PIN_ATTEMPTS
        self.cancel_expiry: Callable[[], None] = _nothing


def _nothing() -> None:
    return


class Approvals:
    """All open requests of one operator. `number_of(entry)` makes the operator's own reference;
    `announce(entry)` is called once for each request that became final."""

    def __init__(
        self,
        context: OperatorContext,
        words: Words,
        *,
        number_of: Callable[[Entry], str],
        announce: Callable[[Entry], Awaitable[None]],
    ) -> None:
        self._context = context
        self.words = words
        self._number_of = number_of
        self._announce = announce
        self._open: dict[str, _Waiting] = {}

    def open(self, entry: Entry, *, prompt: bool = True) -> None:
        """Follow a request that is in the book: its prompt, and its end if nobody answers. `prompt`: False
        where the payer approved beforehand, so that the phone stays dark."""
        waiting = _Waiting(entry)
        self._open[entry.our_reference] = waiting
        courier = self._context.courier
        waiting.cancel_expiry = courier.later(
            max(0.0, entry.expires_at - time.time()),
            lambda: self.finish(entry.our_reference, Status.FAILED, self.words.expired),
        )
        if prompt:
            courier.later(self._context.faults.prompt_delay_ms / 1000, lambda: self._prompt(entry.our_reference))

    def waiting(self, msisdn: str) -> list[Entry]:
        """Open requests of one payer, oldest first."""
        return [waiting.entry for waiting in self._open.values() if waiting.entry.msisdn == msisdn]

    def prompt_again(self, reference: str) -> None:
        """Show the prompt of a request that is still open once more."""
        if (waiting := self._open.get(reference)) is not None:
            self._context.phones.withdraw_prompt(waiting.entry.msisdn, reference)
            self._prompt(reference)

    def _prompt(self, reference: str) -> None:
        waiting = self._open.get(reference)
        if waiting is None:
            return
        entry, faults = waiting.entry, self._context.faults
        phones = self._context.phones
        if phones.is_busy(entry.msisdn):
            self._context.courier.note(self._context.code, "busy", entry.msisdn, reference)
            if faults.busy_prompt == "fail":
                self.finish(reference, Status.FAILED, self.words.busy)
            else:
                phones.when_free(entry.msisdn, lambda: self._prompt(reference))
            return
        if faults.autodecline:
            self.finish(reference, Status.FAILED, self.words.declined)
        elif faults.autopay:
            self.pay(reference)
        elif faults.push:
            phones.show_prompt(
                entry.msisdn,
                reference,
                amount=entry.whole,
                currency=entry.currency,
                payee=self._context.merchant,
                answer=lambda pin: self.answer(reference, pin),
            )
        else:
            phones.text(
                entry.msisdn,
                self.words.sender,
                f"Paiement de {entry.whole} {entry.currency} a {self._context.merchant} en attente. "
                f"Composez {self.words.approvals_code} pour valider.",
            )

    async def answer(self, reference: str, pin: str | None) -> Mapping[str, object]:
        """The payer's answer: a PIN, or None to decline. Returns what the phone shows, as JSON."""
        waiting = self._open.get(reference)
        if waiting is None:
            return {"error": "gone"}
        if pin is None:
            return _outcome(self.finish(reference, Status.FAILED, self.words.declined))
        if pin != PIN:
            waiting.attempts_left -= 1
            if waiting.attempts_left == 0:
                self.finish(reference, Status.FAILED, self.words.wrong_pin)
            return {"error": "wrong_pin", "attempts_left": waiting.attempts_left}
        return _outcome(self.pay(reference))

    def pay(self, reference: str) -> Entry | None:
        """Approved: the money moves now, or fails for want of it. None for a request that is final."""
        waiting = self._open.get(reference)
        if waiting is None:
            return None
        entry, faults = waiting.entry, self._context.faults
        if faults.limit and entry.whole > faults.limit:
            return self.finish(reference, Status.FAILED, self.words.limit or self.words.no_funds)
        if self._context.book.balance(entry.operator, entry.msisdn, faults.default_balance) < entry.whole:
            return self.finish(reference, Status.FAILED, self.words.no_funds)
        if faults.pending_seconds:
            self._close(waiting)
            self._context.courier.later(faults.pending_seconds, lambda: self._settle(entry))
            return entry
        return self._settle(entry)

    def _settle(self, entry: Entry) -> Entry:
        paid = self._context.book.change(
            entry,
            Status.SUCCESSFUL,
            provider_reference=self._number_of(entry),
            charge=True,
            default_balance=self._context.faults.default_balance,
            fee=self._context.fee_of(entry),
        )
        return self._finished(entry.our_reference, paid)

    def finish(self, reference: str, status: Status, reason: str | None) -> Entry | None:
        """End an open request without money. None when it was final already."""
        waiting = self._open.get(reference)
        if waiting is None:
            return None
        entry = self._context.book.change(
            waiting.entry, status, reason=reason, provider_reference=self._number_of(waiting.entry)
        )
        return self._finished(reference, entry)

    def _finished(self, reference: str, entry: Entry) -> Entry:
        waiting = self._open.get(reference)
        if waiting is not None:
            self._close(waiting)
        self._context.courier.spawn(self._tell(entry))
        return entry

    def _close(self, waiting: _Waiting) -> None:
        entry = waiting.entry
        waiting.cancel_expiry()
        self._open.pop(entry.our_reference, None)
        self._context.phones.withdraw_prompt(entry.msisdn, entry.our_reference)

    async def _tell(self, entry: Entry) -> None:
        await self._announce(entry)


def _outcome(entry: Entry | None) -> Mapping[str, object]:
    if entry is None:
        return {"error": "gone"}
    return {"status": entry.status.value, **({"reason": entry.reason} if entry.reason else {})}
