"""The only place that chooses: settings become connections, stores and use cases, by the role of a process.

Everything is built when it is first used, so each role builds only what it uses. Here is what a command
needs; `gateway.runtime.process` adds the roles of the gateway and of a worker.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import cached_property, partial
from typing import Final, TypeVar
from uuid import UUID

import structlog
from redis.exceptions import RedisError
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.access.factors import Factors
from admin.access.passkeys import site_of
from admin.access.passwords import Passwords
from admin.access.rights import StaffRights
from admin.access.sign_in import SignIn
from admin.access.store import StaffAccounts
from admin.alerts.send import Alerting, Senders
from admin.alerts.store import Alerts, Ways
from admin.announcement.announce import Announcing, preview_announcement
from admin.approvals.staff_acts import StaffActs
from admin.approvals.store import StaffRequests
from admin.candidates.telling import Telling
from admin.exports.month import Months
from admin.exports.store import Exports
from admin.fraud.store import Fraud
from admin.mail.store import Mails
from admin.orders.listed import ListedOrders
from admin.people.factor_resets import FactorResets
from admin.people.keep_organisers import Organisers
from admin.people.resets import Resets
from admin.people.store import People
from admin.result.store import Certifying
from admin.videos.keep import Videos
from admin.videos.store import VideoStore
from channels.messages.outbox import Outbox
from gateway.contests.nominations import Nominations
from gateway.contests.pictures.keep_brands import Brands
from gateway.contests.pictures.keep_photos import Photos
from gateway.contests.pictures.resize_apart import Resizer
from gateway.http.webhooks import WebhookSender
from gateway.runtime.accounts import (
    Account,
    build_accounts,
    build_cloudinary,
    statement_reader,
)
from gateway.runtime.connections import TEMPORARY, Connections, utc_now
from gateway.runtime.deployment import Environment
from gateway.runtime.pictures import build_files, build_pictures
from gateway.runtime.settings import Settings
from gateway.storage.pictures import Pictures
from leaderboard.scores import ScoreFeed, Scores, publish_scores
from payments.disbursement.payouts.acts import PayoutActs, preview_payout
from payments.disbursement.payouts.beneficiaries import Beneficiaries
from payments.disbursement.refunds.acts import RefundActs, refund_previews
from payments.disbursement.refunds.voids import Voids
from payments.ledger.book import Book
from payments.ledger.fees import FeeActs, preview_fees
from payments.ledger.money_places import MoneyPlaces
from payments.reconciliation import reconcile
from payments.reconciliation.balances import Balances
from payments.reconciliation.difference_acts import Decisions, freeze_decision
from payments.reconciliation.differences import Differences
from payments.reconciliation.store import ReconciliationStore
from payments.reconciliation.undo_import import UndoImport, freeze_undo
from payments.requests import Act
from payments.rescue.tickets import Tickets
from payments.settlement.settle import Show

# For commands that read whole tables.
REPORT_TIMEOUT_MS: Final = 600_000
T = TypeVar("T")
_log = structlog.get_logger(__name__)


async def show_scores(counted: Mapping[UUID, Sequence[tuple[str, int]]], *, scores: Scores, feed: ScoreFeed) -> None:
    """Publish new totals; while Redis is away they are read from PostgreSQL."""
    try:
        await publish_scores(counted, scores=scores, feed=feed)
    except (RedisError, OSError) as error:
        _log.warning("scores_not_published", error=type(error).__name__)


def made(build: "Callable[[Container], T]") -> cached_property[T]:
    """A part of a container that is built of others when it is first used."""
    return cached_property(build)


class Container(Connections):
    """Accounts at operators, and what staff read and do: for commands, the back office, and in part each process."""

    @cached_property
    def accounts(self) -> Mapping[str, Account]:
        """Every account at an operator, by key. SettingsError."""
        accounts = build_accounts(self.settings.env)
        for account in accounts.values():
            self.close_later(account.provider.aclose)
        return accounts

    # The client of each account, by the account's key.
    providers = made(lambda own: {key: account.provider for key, account in own.accounts.items()})
    # Totals in PostgreSQL, on their way to every gateway process, and what publishes them.
    scores = made(lambda own: Scores(own.engine))
    feed = made(lambda own: ScoreFeed(own.redis))
    # Questions a second that each account may be asked, by its key.
    status_rates = made(lambda own: {key: one.capabilities("").status_per_second for key, one in own.providers.items()})
    show: cached_property[Show] = made(lambda own: partial(show_scores, scores=own.scores, feed=own.feed))

    @property
    def factor_wanted(self) -> bool:
        """Whether staff need a second factor for anything: everywhere but in the demo."""
        return self.settings.env is not Environment.DEMO

    rights = made(lambda own: StaffRights(factor_wanted=own.factor_wanted))
    mails = made(lambda own: Mails(own.engine, own.vault, on=own.settings.mail_server is not None))
    outbox = made(lambda own: Outbox(own.engine, own.vault, own.settings.base_url))
    staff = made(lambda own: StaffAccounts(own.engine, own.vault, own.mails))
    people = made(lambda own: People(own.engine, own.mails, own.rights.check, own.settings.base_url))
    organisers = made(lambda own: Organisers(own.engine, own.mails, own.rights.check))
    resets = made(lambda own: Resets(own.engine, own.mails, own.staff, own.settings.base_url))
    factor_resets = made(
        lambda own: FactorResets(own.engine, own.mails, own.rights.check, own.staff, own.settings.base_url)
    )
    senders = made(lambda own: Senders(WebhookSender(local=own.settings.local_webhooks)))
    alerting = made(lambda own: Alerting(own.engine, own.vault, own.mails, own.senders, own.settings.base_url))
    alerts = made(
        lambda own: Alerts(
            own.engine,
            own.vault,
            Ways(own.mails.on, own.senders.chat is not None, own.settings.local_webhooks),
        )
    )
    factors = made(lambda own: Factors(own.engine, own.mails))

    @cached_property
    def sign_in(self) -> SignIn:
        """Everything about being signed in."""
        site = site_of(self.settings.base_url)
        return SignIn(self.staff, Passwords(), self.factors, site, clock=utc_now, factor_wanted=self.factor_wanted)

    tickets = made(lambda own: Tickets(own.engine, own.vault, own.rights.permit))
    voids = made(lambda own: Voids(own.engine))
    book = made(lambda own: Book(own.engine))
    places = made(lambda own: MoneyPlaces(own.engine, own.vault))
    listed = made(lambda own: ListedOrders(own.engine, own.vault))
    months = made(lambda own: Months(own.engine))
    exports = made(lambda own: Exports(own.engine, build_files(own.settings), own.doorbell))
    payouts = made(lambda own: PayoutActs(own.engine, own._pays_from_float, own.doorbell))

    # Photos of candidates: where they are kept, and what makes them.
    pictures: cached_property[Pictures] = made(lambda own: own._closed_later(build_pictures(own.settings)))
    resizer = made(lambda _: Resizer())
    photos = made(lambda own: Photos(own.engine, own.pictures, own.resizer))
    brands = made(lambda own: Brands(own.engine, own.pictures, own.resizer))

    def nominations(self, changed: Callable[[], Awaitable[None]]) -> Nominations:
        """Nominations and private links; `changed`: called after one."""
        tell = Telling(self.mails, self.outbox).tell
        return Nominations(self.engine, self.vault, changed, tell, self.settings.base_url)

    @cached_property
    def videos(self) -> Videos:
        """Videos of candidates, and the account that they are uploaded to."""
        cloudinary = build_cloudinary(self.settings.env, self.settings.base_url)
        return self._closed_later(Videos(VideoStore(self.engine), cloudinary, self.doorbell, utc_now))

    def _pays_from_float(self, account: str, country: str) -> bool:
        return account in self.providers and self.providers[account].capabilities(country).pays_from_float

    @cached_property
    def beneficiaries(self) -> Beneficiaries:
        """The numbers that organisers are paid on."""
        delay = timedelta(hours=self.settings.beneficiary_delay_hours)
        return Beneficiaries(self.engine, self.vault, delay, self.rights.permit)

    @cached_property
    def reconciler(self) -> reconcile.Reconciler:
        """Statements and balances of operators against the book."""
        known = {
            key: reconcile.Account(key, account.provider, sorted(account.collects))
            for key, account in self.accounts.items()
        }
        return reconcile.Reconciler(
            ReconciliationStore(self.engine, self.vault, self.rights.permit),
            Balances(self.engine),
            known,
            statement_reader(),
        )

    @cached_property
    def differences(self) -> Differences:
        """Differences with operators."""
        return Differences(self.engine)

    @cached_property
    def fraud(self) -> Fraud:
        """What the fraud rules found, and their limits."""
        return Fraud(self.engine, self.vault, self.settings.fraud)

    @cached_property
    def certifying(self) -> Certifying:
        """Certified results of contests."""
        return Certifying(self.engine, self.vault, self.audits)

    @property
    def audits(self) -> AsyncEngine | None:
        """Where a large tally is audited while others wait; None: that is left to another process."""
        return None

    @cached_property
    def acts(self) -> StaffActs:
        """What staff ask for and decide about."""
        requests = StaffRequests(
            self.engine,
            {
                **refund_previews(),
                Act.PAYOUT: preview_payout,
                Act.BENEFICIARY: self.beneficiaries.preview,
                Act.RECONCILE: freeze_decision,
                Act.UNDO_IMPORT: freeze_undo,
                Act.FEES: preview_fees,
                Act.FRAUD_LIMITS: self.fraud.preview,
                Act.CERTIFY_RESULT: self.certifying.preview,
                Act.ANNOUNCE: preview_announcement,
            },
            self.rights,
        )
        executors = {
            **RefundActs(self.engine, self.voids, self.doorbell, self.show).executors(),
            Act.PAYOUT: self.payouts.carry_out,
            Act.BENEFICIARY: self.beneficiaries.confirm,
            Act.RECONCILE: Decisions(self.engine).decide,
            Act.FEES: FeeActs(self.engine, self.organisers.tell_fees).carry_out,
            Act.FRAUD_LIMITS: self.fraud.carry_out,
            Act.CERTIFY_RESULT: self.certifying.carry_out,
            Act.ANNOUNCE: Announcing(self.engine).carry_out,
            Act.UNDO_IMPORT: UndoImport(self.engine, lambda account: self.reconciler.compare_again(account)).undo,
        }
        return StaffActs(requests, executors, self.doorbell, temporary=TEMPORARY)


@asynccontextmanager
async def open_command(settings: Settings, *, statement_timeout_ms: int = 5_000) -> AsyncIterator[Container]:
    """What a command needs, on connections of its own. SettingsError for a database that is not ours."""
    async with Container(settings, name="spotlight command", statement_timeout_ms=statement_timeout_ms) as container:
        await container.refuse_other_database()
        yield container
