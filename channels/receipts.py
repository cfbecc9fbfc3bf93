"""What every channel says of a receipt."""

from dataclasses import dataclass

from channels.phrases import say
from gateway.values.time_zones import digits
from payments.collection.order_views import ReceiptView


@dataclass(frozen=True, slots=True)
class CheckedReceipt:
    """A counted vote. `logged`: its contest's public log has it; `zone`: in which the contest tells the time."""

    vote: ReceiptView
    logged: bool
    zone: str

    @property
    def at(self) -> str:
        """When it was counted, in digits."""
        return digits(self.vote.counted_at, self.zone)

    def log(self, language: str) -> str:
        """Whether the log has it, in words."""
        return say(language, "receipt.logged" if self.logged else "receipt.not_logged")
