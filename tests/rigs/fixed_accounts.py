"""Accounts of which a test says which are closed, and what may be tried again."""

from dataclasses import dataclass, field

from gateway.orders.routing import Rails
from payments.accounts.accounts import Asked


@dataclass
class FixedAccounts:
    """`Accounts` that remember what they were told."""

    rails: Rails = field(default_factory=Rails)
    notes: list[tuple[str, Asked, str]] = field(default_factory=list)
    repeats: bool = True
    tries: list[tuple[str, bool]] = field(default_factory=list)
    rooms: dict[str, int] = field(default_factory=dict)

    def at_once(self, account: str, usual: int) -> int:
        return 0 if account in self.rails.closed else self.rooms.get(account, usual)

    def may_ask(self, account: str, *, again: bool) -> bool:
        self.tries.append((account, again))
        return self.repeats or not again

    def note(self, account: str, asked: Asked, result: object, seconds: float) -> None:
        self.notes.append((account, asked, type(result).__name__))
