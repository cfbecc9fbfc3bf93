"""What the back office uses of payments, put together where the gateway starts."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from aiohttp import web

from payments.disbursement.payouts.acts import PayoutActs
from payments.disbursement.payouts.beneficiaries import Beneficiaries
from payments.disbursement.payouts.statement import PayoutStatement
from payments.disbursement.refunds.voids import Voids
from payments.ledger.book import Book
from payments.provider import PaymentProvider
from payments.reconciliation.differences import Differences
from payments.reconciliation.reconcile import Reconciler
from payments.requests import Scope
from payments.rescue.tickets import Tickets


@dataclass(frozen=True, slots=True)
class Payments:
    """Stores and verbs about money and tickets. `providers`: by account."""

    tickets: Tickets
    voids: Voids
    book: Book
    reconciler: Reconciler
    differences: Differences
    payouts: PayoutActs
    payout_statement: Callable[[UUID, Scope], Awaitable[PayoutStatement]]
    beneficiaries: Beneficiaries
    providers: Mapping[str, PaymentProvider]

    @property
    def accounts(self) -> Sequence[str]:
        """Keys of the accounts at operators that this installation is set up with."""
        return sorted(self.providers)


PAYMENTS: web.AppKey[Payments] = web.AppKey("payments", Payments)
