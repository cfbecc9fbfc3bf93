"""Money on its way out, as whoever sends it sees it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from payments.provider import Disbursement


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A refund or a payout that somebody is working on, under a lease.

    `provider`: key of the account that it leaves. `sent_at`: first send of this reference. `troubles`: sends that
    were put off, and references that failed, by a fault of our own account.
    """

    disbursement: Disbursement
    provider: str
    now: datetime
    sent_at: datetime | None
    send_tries: int
    checks: int
    not_found_count: int
    not_found_since: datetime | None
    troubles: int

    @property
    def reference(self) -> UUID:
        """Its own reference."""
        return self.disbursement.reference
