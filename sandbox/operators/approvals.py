"""The life of a pushed money request: prompt on the phone, PIN, money, news; and the operator's own USSD menu.

request → (prompt_delay) → prompt → PIN      → money moves, written to the book → callback
                                  → declined | three wrong PINs | too little money → FAILED
                                  → no answer → FAILED after the operator's time

In the menu (MTN Côte d'Ivoire: `*133#`) a payer approves by hand what was not pushed, or got lost.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from sandbox.operators.book import Entry, Status
from sandbox.operators.context import OperatorContext
from sandbox.operators.pipeline import MoneyRequests
from sandbox.operators.wire import RateLimit
from sandbox.phones.handset import Turn

PIN = "0000"
PIN_ATTEMPTS = 3
_LINES_MAX = 5
_NOTHING_OPEN = "Aucun paiement en attente."
_BYE = "Merci. A bientot."


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


class PromptedRequests(MoneyRequests):
    """Requests that payers approve on their phone."""

    words: Words

    def __init__(self, context: OperatorContext, rate: RateLimit | None = None) -> None:
        super().__init__(context, rate)
        self._open: dict[str, _Waiting] = {}
        self._reported_early: set[str] = set()

    async def start(self, entry: Entry) -> None:
        """Let a request that was just registered run, with the callbacks that are ordered before its answer."""
        reference = entry.our_reference
        paid = replace(entry, status=Status.SUCCESSFUL, provider_reference=self.number_of(entry))
        self.callbacks.forge(lambda: self.news(paid))
        self.follow(entry)
        if self.faults.autopay and self.faults.callback.mode == "before_answer" and reference in self._open:
            self._reported_early.add(reference)
            done = self.pay(reference)
            if done is not None:
                await self.callbacks.send(self.news(done))

    def follow(self, entry: Entry) -> None:
        """Let it run on the payer's phone."""
        self.open(entry)

    def open(self, entry: Entry, *, prompt: bool = True) -> None:
        """Follow a request that is in the book: its prompt, and its end if it is not answered. `prompt`: False
        where the payer approved beforehand, so that the phone stays dark."""
        waiting = _Waiting(entry)
        self._open[entry.our_reference] = waiting
        courier = self.context.courier
        waiting.cancel_expiry = courier.later(
            max(0.0, entry.expires_at - time.time()),
            lambda: self.finish(entry.our_reference, self.words.expired),
        )
        if prompt:
            courier.later(self.faults.prompt_delay_ms / 1000, lambda: self._prompt(entry.our_reference))

    def _prompt(self, reference: str) -> None:
        waiting = self._open.get(reference)
        if waiting is None:
            return
        entry, faults, phones = waiting.entry, self.faults, self.context.phones
        if phones.is_busy(entry.msisdn):
            self.context.courier.note(self.code, "busy", entry.msisdn, reference)
            if faults.busy_prompt == "fail":
                self.finish(reference, self.words.busy)
            else:
                phones.when_free(entry.msisdn, lambda: self._prompt(reference))
            return
        if faults.autodecline:
            self.finish(reference, self.words.declined)
        elif faults.autopay:
            self.pay(reference)
        elif faults.push:
            phones.show_prompt(
                entry.msisdn,
                reference,
                amount=entry.whole,
                currency=entry.currency,
                payee=self.context.merchant,
                answer=lambda pin: self.answer(reference, pin),
            )
        else:
            phones.text(
                entry.msisdn,
                self.words.sender,
                f"Paiement de {entry.whole} {entry.currency} a {self.context.merchant} en attente. "
                f"Composez {self.words.approvals_code} pour valider.",
            )

    async def answer(self, reference: str, pin: str | None) -> Mapping[str, object]:
        """The payer's answer: a PIN, or None to decline. Returns what the phone shows, as JSON."""
        waiting = self._open.get(reference)
        if waiting is None:
            return {"error": "gone"}
        if pin is None:
            return _outcome(self.finish(reference, self.words.declined))
        if pin != PIN:
            waiting.attempts_left -= 1
            if waiting.attempts_left == 0:
                self.finish(reference, self.words.wrong_pin)
            return {"error": "wrong_pin", "attempts_left": waiting.attempts_left}
        return _outcome(self.pay(reference))

    def pay(self, reference: str) -> Entry | None:
        """Approved: the money moves now, or fails for want of it. None for a request that is final."""
        waiting = self._open.get(reference)
        if waiting is None:
            return None
        entry, faults = waiting.entry, self.faults
        if faults.limit and entry.whole > faults.limit:
            return self.finish(reference, self.words.limit or self.words.no_funds)
        if self.book.balance(entry.operator, entry.msisdn, faults.default_balance) < entry.whole:
            return self.finish(reference, self.words.no_funds)
        if faults.pending_seconds:
            self._close(waiting)
            self.context.courier.later(faults.pending_seconds, lambda: self._settle(entry))
            return entry
        return self._settle(entry)

    def _settle(self, entry: Entry) -> Entry:
        paid = self.book.change(
            entry,
            Status.SUCCESSFUL,
            provider_reference=self.number_of(entry),
            charge=True,
            default_balance=self.faults.default_balance,
            fee=self.context.fee_of(entry),
        )
        return self._finished(paid)

    def finish(self, reference: str, reason: str) -> Entry | None:
        """End an open request without money. None when it was final already."""
        waiting = self._open.get(reference)
        if waiting is None:
            return None
        entry = self.book.change(
            waiting.entry, Status.FAILED, reason=reason, provider_reference=self.number_of(waiting.entry)
        )
        return self._finished(entry)

    def _finished(self, entry: Entry) -> Entry:
        waiting = self._open.get(entry.our_reference)
        if waiting is not None:
            self._close(waiting)
        if entry.our_reference in self._reported_early:
            self._reported_early.discard(entry.our_reference)
        else:
            self.callbacks.send_later(self.news(entry))
        return entry

    def _close(self, waiting: _Waiting) -> None:
        entry = waiting.entry
        waiting.cancel_expiry()
        self._open.pop(entry.our_reference, None)
        self.context.phones.withdraw_prompt(entry.msisdn, entry.our_reference)

    # The operator's menu. Its screens are the operator's, in French.

    def serve_menu(self) -> None:
        """Answer the operator's own code."""
        self.context.phones.serve_code(self.words.approvals_code, self._open_menu)

    def _open_menu(self, msisdn: str) -> Turn:
        """The dialogue of one payer. Choices stay what they were on the screen, whatever arrives meanwhile."""
        merchant = self.context.merchant
        listed: list[Entry] = []
        chosen: list[Entry] = []

        async def turn(typed: str) -> tuple[str, bool]:
            if chosen:
                return await self._approve(chosen[0], typed)
            if not listed:
                listed.extend([one.entry for one in self._open.values() if one.entry.msisdn == msisdn][:_LINES_MAX])
                return (_list(listed, merchant), True) if listed else (_NOTHING_OPEN, False)
            if typed == "0":
                return _BYE, False
            if not typed.isdecimal() or not 1 <= int(typed) <= len(listed):
                return f"Choix incorrect.\n{_list(listed, merchant)}", True
            chosen.append(listed[int(typed) - 1])
            entry = chosen[0]
            return f"Payer {entry.whole} {entry.currency} a {merchant}.\nEntrez votre code PIN\n0 Refuser", True

        return turn

    async def _approve(self, entry: Entry, typed: str) -> tuple[str, bool]:
        answer = await self.answer(entry.our_reference, None if typed == "0" else typed)
        if answer.get("error") == "wrong_pin":
            left = answer["attempts_left"]
            return (f"Code PIN incorrect. Essais restants: {left}\nEntrez votre code PIN\n0 Refuser", left != 0)
        if answer.get("error"):
            return "Ce paiement n'est plus en attente.", False
        if answer.get("reason") == self.words.no_funds:
            return "Solde insuffisant.", False
        if typed != PIN:
            return "Paiement refuse.", False
        return f"Paiement de {entry.whole} {entry.currency} valide.", False


def _outcome(entry: Entry | None) -> Mapping[str, object]:
    if entry is None:
        return {"error": "gone"}
    return {"status": entry.status.value, **({"reason": entry.reason} if entry.reason else {})}


def _list(entries: list[Entry], merchant: str) -> str:
    lines = [f"{number} {merchant} {entry.whole} {entry.currency}" for number, entry in enumerate(entries, 1)]
    return "\n".join(("Paiements en attente:", *lines, "0 Quitter"))
