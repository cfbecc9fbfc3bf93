"""What a simulated operator is given besides what every company is: the book of money, and the faults in force."""

from dataclasses import dataclass

from sandbox.company import Context
from sandbox.operators.book import Book, Entry
from sandbox.operators.faults import FaultBoard, Faults


@dataclass(frozen=True, slots=True)
class OperatorContext(Context):
    """`merchant`: our name as the operator registered it."""

    book: Book
    board: FaultBoard
    merchant: str = "SPOTLIGHT"

    @property
    def faults(self) -> Faults:
        """The faults that are ordered for this operator's collections at this moment."""
        return self.board.of(self.code).concerning(disbursements=False)

    @property
    def outgoing_faults(self) -> Faults:
        """The faults that are ordered for money on its way out."""
        return self.board.of(self.code).concerning(disbursements=True)

    def fee_of(self, entry: Entry) -> int:
        """What the operator keeps of a collection, in whole units."""
        return entry.whole * self.faults.fee_per_mille // 1000

    @property
    def status_limit(self) -> int:
        """Status questions a second that this merchant was granted; 0 where no limit is known."""
        return int(self.credentials.get("status_per_second") or 0)
