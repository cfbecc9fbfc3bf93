"""How often a number may be asked for money, so that no phone is flooded with prompts through us.

What a payer approved does not count: a payer who pays wants to be asked again. Unwanted approval prompts
are a known fraud on mobile money: the victim is worn down, then called.

An orderer may type few numbers that do not pay, and an address may have few unpaid orders: a carrier puts thousands
of subscribers behind one, so orders that were paid there allow more, and networks that are known to be shared have
higher limits.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from gateway.values.network import LOOPBACK, Network, comes_from
from gateway.values.record import record


class OrdererKind(StrEnum):
    """What identifies an orderer. Only an address stands for many people."""

    PHONE = "phone"
    CHAT = "chat"
    DEVICE = "device"
    ADDRESS = "address"


@record
class Orderer:
    """Who typed the number that pays. `identity`: the same for all orders of this orderer. `address`: what the
    caller's address counts for, where the order came from one."""

    kind: OrdererKind
    identity: str
    address: str | None = None


@dataclass(frozen=True, slots=True)
class PromptLimits:
    """Unpaid orders that a number may have: `own_*` where the phone itself ordered, `typed_*` where its
    number was typed; `typed_apart`: between two of those. `numbers_an_hour`: different numbers that one
    orderer may type without one of them paying. `refused_in_a_row`: of a typed number's orders; then none for
    `silence`, until that phone itself orders or texts, or pays. `of_address`: unpaid orders of an hour that
    an address may have among the last of twice as many, of one in `shared_networks` `of_shared`. A device
    whose order was paid within `remembered` is not limited by what others at its address do. `limited`: whether there
    are limits at all."""

    own_lately: int = 5
    own_a_day: int = 40
    typed_lately: int = 2
    typed_a_day: int = 5
    typed_apart: timedelta = timedelta(seconds=60)
    numbers_an_hour: int = 3
    refused_in_a_row: int = 2
    of_address: int = 50
    of_shared: int = 1_000
    shared_networks: tuple[Network, ...] = ()
    remembered: timedelta = timedelta(days=30)
    lately: timedelta = timedelta(minutes=10)
    silence: timedelta = timedelta(hours=24)
    limited: bool = True

    def allowance(self, address: str) -> int:
        """Unpaid orders that this address may have."""
        return self.of_shared if self.shared(address) else self.of_address

    def shared(self, address: str) -> bool:
        """Whether this address stands for many."""
        return bool(self.shared_networks) and comes_from(address.partition("/")[0], self.shared_networks)

    def placed(self) -> dict[str, Any]:
        """Parameters of the statement that writes orders."""
        own = ("of_address", "of_shared", "shared_networks")
        return {name: getattr(self, name) for name in self.__slots__ if name not in own}

    def claimed(self) -> dict[str, Any]:
        """Parameters of the statement that claims payments to collect."""
        return {"typed_lately": self.typed_lately, "lately": self.lately, "limited": self.limited}


DEMO_LIMITS = PromptLimits(
    own_lately=20,
    own_a_day=400,
    typed_lately=10,
    typed_a_day=100,
    typed_apart=timedelta(0),
    numbers_an_hour=10_000,
    refused_in_a_row=8,
    of_shared=10_000,
    shared_networks=LOOPBACK,
)
"""For the simulated country, where all voters order from one machine and try again at once."""

NO_LIMITS = PromptLimits(limited=False)
"""For load tests."""
