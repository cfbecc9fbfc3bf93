"""What the back office works with, bound to storage where the gateway is put together."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from aiohttp import web

from admin.tokens import Tokens
from gateway.ports.back_office import BackOffice
from gateway.ports.books import Book
from gateway.ports.give_back import VoidStore
from gateway.ports.payment_provider import PaymentProvider
from gateway.ports.payouts import BeneficiaryBook, PayoutDesk, PayoutStatement
from gateway.ports.tickets import TicketDesk
from gateway.usecases.reconcile import Reconciler
from gateway.usecases.sign_in import SignIn
from gateway.usecases.staff_acts import StaffActs


@dataclass(frozen=True, slots=True)
class Desk:
    """`secure`: pages are reached by https, so cookies are kept to it. `loopback_counts`: failed sign-ins
    from this very machine make it wait too; not in the demo, where everybody comes from there."""

    sign_in: SignIn
    tokens: Tokens
    reads: BackOffice
    tickets: TicketDesk
    acts: StaffActs
    voids: VoidStore
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
