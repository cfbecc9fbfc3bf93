"""The back office over a real database, with people who work there and a clock that can be turned."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyotp
from aiohttp import ClientSession, CookieJar, web
from aiohttp.test_utils import BaseTestServer, TestServer
from sqlalchemy import text

from admin import routes
from admin.access.factors import Factors
from admin.access.guard import Access
from admin.access.keep_staff import KeepStaff
from admin.access.passkeys import Site
from admin.access.passwords import Passwords
from admin.access.rights import StaffRights
from admin.access.rules import Role
from admin.access.sent_forms import SentForms
from admin.access.sign_in import SignIn
from admin.access.store import StaffAccounts
from admin.access.tokens import Tokens
from admin.alerts.send import Senders
from admin.approvals.staff_acts import StaffActs
from admin.audit.store import Audits
from admin.candidates.store import Candidates
from admin.contests.juries import Juries
from admin.contests.store import StaffContests
from admin.exports.month import Months
from admin.exports.result import Results
from admin.figures.live import Live
from admin.figures.store import Figures
from admin.fraud.neighbours import NeighboursStore
from admin.fraud.store import Fraud
from admin.mail.store import DueMail, Mails
from admin.orders.listed import ListedOrders
from admin.orders.store import StaffOrders
from admin.people.factor_resets import FactorResets
from admin.people.keep_organisers import Organisers
from admin.people.people import PEOPLE
from admin.people.resets import Resets
from admin.people.store import People
from admin.services import Payments
from admin.videos.cloudinary import Cloudinary
from admin.videos.keep import Videos
from admin.videos.store import VideoStore
from channels.messages.carrier import OutboundText, SendAccepted, SendResult
from channels.voting_service import VOTING_SERVICE
from channels.web import nominations as pages_of_nominations
from channels.web.nominations import NOMINATIONS
from gateway.http import media, middleware, openapi
from gateway.http.limits import LIMITS, RateLimits
from gateway.http.pages import Pages
from gateway.http.webhooks import WebhookSender
from gateway.orders.fraud import FraudLimits
from gateway.orders.rules import PlacedOrder
from gateway.runtime.accounts import build_accounts
from gateway.runtime.connections import utc_now
from gateway.runtime.container import Container
from gateway.runtime.deployment import Environment
from gateway.runtime.settings import Settings
from leaderboard.overlay import routes as overlays
from leaderboard.overlay.live import OnAir
from leaderboard.overlay.store import Overlays
from leaderboard.routes import PUBLISHED
from leaderboard.scores import Rankings
from payments.disbursement.payouts.statement import payout_statement
from payments.rescue.attempts import Attempts
from payments.rescue.rules import OfNumber
from tests.rigs.live_service import live_service
from tests.rigs.money_rig import MoneyRig
from tests.rigs.nominations import nominations_of
from tests.rigs.rig import Rig

PASSWORD = "cinq gorges de manioc"
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}


@dataclass
class Chats:
    """The bot's chats: what was sent to them, and what Telegram answers."""

    sent: list[OutboundText] = field(default_factory=list)
    answer: SendResult = field(default_factory=lambda: SendAccepted("1"))
    code: str = "telegram"

    async def send(self, message: OutboundText) -> SendResult:
        self.sent.append(message)
        return self.answer

    async def aclose(self) -> None:
        """Nothing is open."""


@dataclass
class Office:
    """The application, its rig and its people."""

    rig: MoneyRig
    app: web.Application
    access: Access
    server: BaseTestServer
    pictures: Path
    videos: Videos
    chats: Chats
    ahead: timedelta = timedelta()
    clients: list[ClientSession] = field(default_factory=list)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    async def hire(
        self, email: str, role: Role = Role.OWNER, organiser: str | None = None, contest: str | None = None
    ) -> str:
        """An account; its address."""
        keep = KeepStaff(self.access.sign_in.accounts, Passwords())
        await keep.create(email, PASSWORD, role=role, actor="test", organiser=organiser, contest=contest)
        return email

    async def browser(self, **headers: str) -> ClientSession:
        """A new browser."""
        jar = CookieJar(unsafe=True)
        client = ClientSession(self.server.make_url("/"), cookie_jar=jar, headers={**SAME_ORIGIN, **headers})
        self.clients.append(client)
        return client

    async def signed_in(self, email: str, **fields: str) -> ClientSession:
        """A browser in which this person is signed in."""
        client = await self.browser()
        given = {"email": email, "password": PASSWORD, **fields}
        async with client.post("/admin/sign-in", data=given, allow_redirects=False) as answer:
            assert answer.status == 303, await answer.text()
        return client

    async def token(self, email: str, **fields: str) -> str:
        """An access token for programs."""
        client = await self.browser()
        given = {"email": email, "password": PASSWORD, **fields}
        async with client.post("/api/auth/login", json=given) as answer:
            assert answer.status == 200, await answer.text()
            body = await answer.json()
        client.cookie_jar.clear()
        return str(body["accessToken"])

    async def set_up_factor(self, email: str) -> str:
        """A proven second factor; its secret. The step that proved it is long past."""
        found = await self.access.sign_in.accounts.credentials(email)
        assert found is not None
        secret = pyotp.random_base32(32)
        accounts = self.access.sign_in.accounts
        assert await accounts.begin_factor(found.member.id, secret)
        assert await accounts.confirm_factor(found.member.id, 1)
        return secret

    def code(self, secret: str) -> str:
        """The code of now."""
        return pyotp.TOTP(secret).at(self.now())

    async def form(
        self, client: ClientSession, address: str, send_to: str | None = None, **fields: str
    ) -> tuple[int, str]:
        """Send a form as the page at `address` would; status and text of where it leads."""
        async with client.get(address) as shown:
            word = re.search(r'name="form" value="(\w+)"', await shown.text())
        assert word is not None
        async with client.post(send_to or address, data={"form": word[1], **fields}) as answer:
            return answer.status, await answer.text()

    async def mails(self, to: str | None = None) -> list[DueMail]:
        """Mails that are owed, oldest first; as if they were being sent."""
        store = Mails(self.rig.engine, self.rig.vault, on=True)
        async with self.rig.engine.begin() as connection:
            await connection.execute(text("update mails set next_try_at = created_at where status = 'due'"))
        order = [row.id for row in await self.rig.rows("select id from mails order by created_at")]
        due = sorted(await store.claim_due(100), key=lambda mail: order.index(mail.id))
        return [mail for mail in due if to in (None, mail.to)]

    @property
    def people(self) -> People:
        """Who works here."""
        return self.app[PEOPLE]

    async def audit(self, act: str) -> list[Any]:
        """Lines of the audit log about an act."""
        return await self.rig.rows("select * from audit_log where act = :act order by id", act=act)


@asynccontextmanager
async def open_office(
    app_url: str,
    *,
    factor_wanted: bool = False,
    secure: bool = False,
    accounts: bool = False,
    mail: bool = True,
    cloudinary: Cloudinary | None = None,
) -> AsyncIterator[Office]:
    """A back office on this database. `accounts`: with those at operators that the environment names, and with
    the day that a new beneficiary waits; `cloudinary`: where videos are uploaded to."""
    rig = MoneyRig(app_url)
    await Rig.open(rig)  # its people are hired by the tests
    app = web.Application(middlewares=[middleware.around_request], client_max_size=64 * 1024)
    app[VOTING_SERVICE] = live_service(rig, Rankings(rig.directory, utc_now))
    pages = Pages()
    pages.mount(app)
    held: list[Office] = []
    rights = StaffRights(factor_wanted=factor_wanted)
    folder = TemporaryDirectory()
    settings = {
        "SPOTLIGHT_DATA_DIR": folder.name,
        "DATABASE_URL": app_url,
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "SPOTLIGHT_SECRET_KEY": "",
        "SPOTLIGHT_LOCAL_WEBHOOKS": True,
    }
    container = Container(
        Settings.model_validate({**settings, "SPOTLIGHT_BENEFICIARY_DELAY_HOURS": 24 * accounts}), name=""
    )
    container.engine, container.vault, container.rights = rig.engine, rig.vault, rights
    container.mails = mails = Mails(rig.engine, rig.vault, on=mail)
    container.accounts = build_accounts(Environment.DEMO) if accounts else {}
    chats = Chats()
    container.senders = Senders(WebhookSender(local=True), chats, lambda: "https://t.me/spotlight_bot")
    container.doorbell, container.voids = rig.doorbell, rig.voids

    def clock() -> datetime:
        return held[0].now()

    executors = {**container.acts._executors, **rig.acts._executors}
    acts = StaffActs(container.acts.requests, executors, rig.doorbell)
    staff = StaffAccounts(rig.engine, rig.vault, mails)
    sign_in = SignIn(
        staff, Passwords(), Factors(rig.engine, mails), Site("localhost", ""), clock=clock, factor_wanted=factor_wanted
    )
    access = Access(
        sign_in=sign_in,
        tokens=Tokens(rig.vault.subkey("staff tokens"), clock, secure=secure),
        forms=SentForms(rig.engine),
        loopback_counts=False,
    )
    payments = Payments(
        tickets=container.tickets,
        voids=rig.voids,
        book=container.book,
        reconciler=container.reconciler,
        differences=container.differences,
        payouts=container.payouts,
        payout_statement=partial(payout_statement, rig.engine),
        beneficiaries=container.beneficiaries,
        providers=container.providers if accounts else rig.providers,
    )
    orders = StaffOrders(rig.engine, rig.vault)
    contests = StaffContests(rig.engine, rig.directory.all, rig.directory.refresh)
    # Who was nominated uploads a video, too.
    app[LIMITS] = RateLimits("redis://127.0.0.1:1/0", enabled=False)
    pages.add("channels.web")
    pages_of_nominations.setup(app, nominations_of(rig), container.photos)
    videos = Videos(VideoStore(rig.engine), cloudinary, rig.doorbell, clock)
    pages.add("leaderboard")
    app[PUBLISHED] = app[VOTING_SERVICE]
    overlays.setup(app, OnAir(Overlays(rig.engine), app[VOTING_SERVICE], rig.vault.subkey("overlay links")))
    routes.setup(
        app,
        pages,
        access=access,
        acts=acts,
        orders=orders,
        payments=payments,
        contests=contests,
        juries=Juries(rig.engine),
        photos=container.photos,
        brands=container.brands,
        candidates=Candidates(rig.engine, rig.directory.refresh, app[NOMINATIONS]),
        people=People(rig.engine, mails, rights.check, ""),
        kept_organisers=Organisers(rig.engine, mails, rights.check),
        resets=Resets(rig.engine, mails, staff, ""),
        factor_resets=FactorResets(rig.engine, mails, rights.check, staff, ""),
        videos=videos,
        audits=Audits(rig.engine, rig.vault),
        figures=Figures(rig.engine),
        listed=ListedOrders(rig.engine, rig.vault),
        exports=container.exports,
        months=Months(rig.engine),
        live=Live(tick=0.05, life=0),
        results=Results(rig.engine),
        certifying=container.certifying,
        fraud=Fraud(rig.engine, rig.vault, FraudLimits()),
        neighbours=NeighboursStore(rig.engine, rig.vault),
        alerts=container.alerts,
        alerting=container.alerting,
    )
    media.setup(app, container.pictures)
    openapi.setup(app)
    async with TestServer(app) as server:
        office = Office(rig, app, access, server, Path(folder.name) / "pictures", videos, chats)
        held.append(office)
        try:
            yield office
        finally:
            for client in office.clients:
                await client.close()
            await videos.aclose()
            for account in container.accounts.values():
                await account.provider.aclose()
    await rig.close()
    folder.cleanup()


async def other_organiser(rig: MoneyRig) -> None:
    """An organiser `other`, who has no contest."""
    async with rig.engine.begin() as connection:
        await connection.execute(
            text("insert into organisers (id, slug, name) values (gen_random_uuid(), 'other', 'Another one')")
        )


async def open_ticket(rig: MoneyRig, order: PlacedOrder | None) -> str:
    """The voter reports a debit, about this order's payment or about none; the number of the ticket."""
    voter = rig.vote_request().voter
    assert voter is not None
    claim, attempts = OfNumber(voter, (rig.contest.id,)), Attempts(rig.engine, rig.vault)
    number = await attempts.open_ticket(claim, rig.contest.id, "fr", None if order is None else order.payment_reference)
    assert number is not None
    return number
