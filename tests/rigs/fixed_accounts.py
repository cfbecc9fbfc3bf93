"""Accounts for which a test sets whose circuit is open, and what may be tried again."""

from dataclasses import dataclass, field

from gateway.orders.routing import Rails
from payments.accounts.calls import Accounts, CallKind


@dataclass
class FixedAccounts(Accounts):
    """Accounts that remember the calls noted."""

    rails: Rails = field(default_factory=Rails)
    notes: list[tuple[str, CallKind, str]] = field(default_factory=list)
    repeats: bool = True
    tries: list[tuple[str, bool]] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)

    def at_once(self, account: str, usual: int) -> int:
        return 0 if account in self.rails.circuit_open else self.places.get(account, usual)

    def may_ask(self, account: str, *, again: bool) -> bool:
        self.tries.append((account, again))
        return self.repeats or not again

    def note(self, account: str, kind: CallKind, result: object, seconds: float) -> None:
        self.notes.append((account, kind, type(result).__name__))
