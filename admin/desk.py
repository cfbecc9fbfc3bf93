"""What the back office works with, bound to storage where the gateway is put together."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from aiohttp import web

from admin.access.sign_in import SignIn
from admin.access.tokens import Tokens
from admin.approvals.staff_acts import StaffActs
from admin.orders_port import BackOffice
from payments.disbursement.payouts.port import BeneficiaryBook, PayoutDesk, PayoutStatement
from payments.disbursement.refunds.voids import Voids
from payments.ledger.book import Book
from payments.provider import PaymentProvider
from payments.reconciliation.reconcile import Reconciler
from payments.rescue.tickets import Tickets


@dataclass(frozen=True, slots=True)
class Desk:
    """`secure`: pages are reached by https, so cookies are kept to it. `loopback_counts`: failed sign-ins
    from this very machine make it wait too; not in the demo, where everybody comes from there."""

    sign_in: SignIn
    tokens: Tokens
    reads: BackOffice
    tickets: Tickets
    acts: StaffActs
    voids: Voids
    book: Book
    reconciler: Reconciler
    payouts: PayoutDesk
    payout_statement: Callable[[UUID], Awaitable[PayoutStatement]]
    beneficiaries: BeneficiaryBook
    providers: Mapping[str, PaymentProvider]
    secure: bool
    loopback_counts: bool = True

    @property
    def accounts(self) -> Sequence[str]:
        """Keys of the accounts at operators that this installation is set up with."""
        return sorted(self.providers)


DESK: web.AppKey[Desk] = web.AppKey("back_office", Desk)
