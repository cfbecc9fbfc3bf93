"""Mails are owed with what they tell, sent by a worker over SMTP, and forgotten once they are sent."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.mail.rules import RETRY_SECONDS, FactorChange, MailKind, retry_seconds
from admin.mail.send import Mailing
from admin.mail.server import MailServer, read_server
from admin.mail.store import Mails
from admin.mail.words import _phrases, write
from gateway.storage.engine import make_engine
from gateway.storage.vault import Vault
from sandbox.mail import PostOffice
from tests.rigs.rig import SECRET_KEY

TO = "awa@house.test"
LINK = "http://vote.test/admin/reset/0123456789"
FACTS = {
    MailKind.INVITATION: {
        "organiser": "Étoiles",
        "inviter": "yao@house.test",
        "role": "owner",
        "link": LINK,
        "hours": "72",
    },
    MailKind.RESET: {"link": LINK, "minutes": "30"},
    MailKind.LOCKED: {"at": "2026-11-21T20:00+00:00", "remote": "192.0.2.1"},
    MailKind.NEW_DEVICE: {"at": "2026-11-21T20:00+00:00", "remote": "192.0.2.1", "agent": "Firefox {link}"},
    MailKind.TOKEN_REUSED: {"at": "2026-11-21T20:00+00:00", "remote": "192.0.2.1", "agent": "Firefox"},
    MailKind.PASSWORD_CHANGED: {"at": "2026-11-21T20:00+00:00"},
    MailKind.FACTOR_RESET_STOPPED: {
        "asked_by": "yao@house.test",
        "owner": "moussa@house.test",
        "by": "ali@house.test",
        "at": "2026-11-22T20:00+00:00",
    },
    MailKind.FACTOR_RESET: {
        "asked_by": "yao@house.test",
        "agreed_by": "sita@platform.test",
        "at": "2026-11-22T20:00+00:00",
        "link": LINK,
    },
    MailKind.FIRST_OWNER: {"organiser": "etoiles", "owner": "awa@etoiles.test", "inviter": "sita@platform.test"},
    MailKind.ORGANISER_STATE: {
        "organiser": "Etoiles",
        "state": "frozen",
        "reason": "papers {are} missing",
        "at": "2026-11-21T20:00+00:00",
        "by": "sita@platform.test",
    },
    MailKind.ALERT: {
        "contest": "Étoiles",
        "alert": "held",
        "many": "12",
        "since": "2026-11-21T20:00+00:00",
        "until": "2026-11-21T20:05+00:00",
        "link": LINK,
    },
    MailKind.PLATFORM_ALERT: {
        "about": "MTN MoMo (CM)",
        "alert": "wallet_closed",
        "many": "2",
        "since": "2026-11-21T20:00+00:00",
        "until": "2026-11-21T20:05+00:00",
        "link": LINK,
    },
    MailKind.ALERTS_STOPPED: {
        "organiser": "Etoiles",
        "channel": "webhook",
        "at": "2026-11-21T20:00+00:00",
        "link": LINK,
    },
    MailKind.FEES: {
        "organiser": "Etoiles",
        "method": "every_other",
        "percent": "7.50",
        "fixed": "25 FCFA",
        "minimum": "0 FCFA",
        "at": "2026-11-21T20:00+00:00",
        "by": "sita@platform.test",
    },
    MailKind.FACTOR_CHANGED: {"at": "2026-11-21T20:00+00:00", "what": "app_set"},
    MailKind.NOMINATION_LINK: {"name": "Léa", "contest": "Étoiles", "link": LINK},
    MailKind.NOMINATION_APPROVED: {"name": "Léa", "contest": "Étoiles", "link": LINK, "code": "13"},
    MailKind.NOMINATION_REJECTED: {"name": "Léa", "contest": "Étoiles", "link": LINK, "reason": "Too young"},
    MailKind.NOMINATION_CHANGE_TAKEN: {"name": "Léa", "contest": "Étoiles", "link": LINK},
    MailKind.NOMINATION_CHANGE_REFUSED: {"name": "Léa", "contest": "Étoiles", "link": LINK, "reason": "Too loud"},
    MailKind.NOMINATION_VIDEO_TAKEN: {"name": "Léa", "contest": "Étoiles", "link": LINK},
    MailKind.NOMINATION_VIDEO_REFUSED: {"name": "Léa", "contest": "Étoiles", "link": LINK, "reason": "Too dark"},
}


@pytest.fixture
async def engine(database: Any) -> AsyncIterator[AsyncEngine]:
    made = make_engine(database.app_url, pool_size=2)
    yield made
    await made.dispose()


@asynccontextmanager
async def post_office() -> AsyncIterator[tuple[PostOffice, ClientSession]]:
    office, app = PostOffice("127.0.0.1", 0), web.Application()
    office.add_to(app)
    async with TestServer(app) as server, ClientSession(server.make_url("/")) as client:
        yield office, client


def at(port: int) -> MailServer:
    return read_server(f"smtp://127.0.0.1:{port}", "Spotlight <no-reply@vote.test>", plain=True)


def mails_of(engine: AsyncEngine, *, on: bool = True) -> Mails:
    return Mails(engine, Vault(SECRET_KEY), on=on)


async def owe(mails: Mails, engine: AsyncEngine, kind: MailKind = MailKind.RESET, language: str = "fr") -> None:
    async with engine.begin() as connection:
        await mails.owe(connection, kind, TO, language, **FACTS[kind])


async def only(engine: AsyncEngine) -> Any:
    async with engine.connect() as connection:
        found = await connection.execute(text("select *, next_try_at - now() as wait from mails"))
        return found.one()


async def make_due(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("update mails set next_try_at = now() where status = 'due'"))


async def test_a_mail_arrives_and_its_link_is_forgotten(engine: AsyncEngine) -> None:
    mails = mails_of(engine)
    async with post_office() as (office, client):
        await owe(mails, engine)
        assert LINK.encode() not in bytes((await only(engine)).params_cipher)
        mailing = Mailing(mails, at(office.port), write)
        assert await mailing.send_due() == 1
        assert await mailing.send_due() == 0
        async with client.get("/mail") as answer:
            (mail,) = await answer.json()
        assert mail["to"] == TO
        assert mail["subject"] == "Un autre mot de passe pour Spotlight"
        assert f"\n{LINK}\n" in mail["text"]
        async with client.get("/mailbox", params={"to": TO}) as answer:
            assert f'<a href="{LINK}">' in await answer.text()
        async with client.get("/mailbox", params={"to": "<b>"}) as answer:
            page = await answer.text()
            assert LINK not in page
            assert "<b>" not in page
    row = await only(engine)
    assert (row.status, row.params_cipher, row.next_try_at) == ("sent", None, None)


@pytest.mark.parametrize("kind", MailKind)
@pytest.mark.parametrize("language", ["fr", "en"])
def test_every_mail_has_words_in_both_languages(kind: MailKind, language: str) -> None:
    written = write(kind.value, language, FACTS[kind])
    assert "\n" not in written.subject
    assert "_" not in written.subject + written.text.replace(LINK, "")
    for name, fact in FACTS[kind].items():
        assert (
            name in ("role", "what", "state", "method", "percent", "alert", "channel", "at", "since", "until")
            or fact in written.subject + written.text
        )
    if "at" in FACTS[kind]:
        day, clock = FACTS[kind]["at"][8:10], FACTS[kind]["at"][11:16]
        expected = {"fr": f"{day} novembre 2026 à {clock} GMT", "en": f"{day} November 2026, {clock} GMT"}
        assert expected[language] in (written.subject + written.text).replace("\u00a0", " ")


def test_every_change_of_a_factor_has_words() -> None:
    for phrases in _phrases().values():
        assert {key.removeprefix("mail_what.") for key in phrases if key.startswith("mail_what.")} == {*FactorChange}


def test_a_language_without_pages_is_written_in_french() -> None:
    assert write("reset", "wes", FACTS[MailKind.RESET]) == write("reset", "fr", FACTS[MailKind.RESET])


async def test_a_server_that_is_away_is_tried_again_and_given_up_at_last(engine: AsyncEngine) -> None:
    mails = mails_of(engine)
    await owe(mails, engine)
    async with post_office() as (office, _):
        mailing = Mailing(mails, at(office.port), write)
    for seconds in RETRY_SECONDS:
        assert await mailing.send_due() == 1
        row = await only(engine)
        assert row.status == "due"
        assert seconds - 30 <= row.wait.total_seconds() <= seconds
        await make_due(engine)
    assert await mailing.send_due() == 1
    row = await only(engine)
    assert (row.status, row.params_cipher) == ("refused", None)
    assert retry_seconds(len(RETRY_SECONDS) + 1) is None


@pytest.mark.parametrize(("refusal", "status"), [("550 no such mailbox", "refused"), ("451 come back later", "due")])
async def test_a_refusal_is_final_and_a_delay_is_not(engine: AsyncEngine, refusal: str, status: str) -> None:
    mails = mails_of(engine)
    await owe(mails, engine)
    async with post_office() as (office, _):
        office.refusal = refusal
        await Mailing(mails, at(office.port), write).send_due()
        assert not office.mails
    row = await only(engine)
    assert (row.status, row.last_error[-3:]) == (status, refusal[:3])


async def test_what_cannot_be_opened_is_set_aside_and_keeps_no_other_back(engine: AsyncEngine) -> None:
    mails = mails_of(engine)
    await owe(mails, engine)
    async with engine.begin() as connection:
        await connection.execute(text("update mails set params_cipher = '\\x01020304'"))
    await owe(mails, engine, MailKind.PASSWORD_CHANGED)
    async with post_office() as (office, _):
        await Mailing(mails, at(office.port), write).send_due()
        assert [mail["subject"] for mail in office.mails] == ["Votre mot de passe est changé"]
    async with engine.connect() as connection:
        aside = (await connection.execute(text("select kind, error from set_aside"))).one()
        assert tuple(aside) == ("mail", "SealBroken")


async def test_without_a_server_no_mail_is_owed(engine: AsyncEngine) -> None:
    await owe(mails_of(engine, on=False), engine)
    async with engine.connect() as connection:
        assert (await connection.execute(text("select count(*) from mails"))).scalar_one() == 0


def test_a_server_is_read_from_its_address() -> None:
    server = read_server("smtps://spot%40light:p%2Fw@mail.test", "a@b.test", plain=False)
    assert (server.host, server.port, server.tls, server.user, server.password) == (
        "mail.test",
        465,
        True,
        "spot@light",
        "p/w",
    )
    assert "p/w" not in repr(server)
    assert read_server("smtp://mail.test:2525", "a@b.test", plain=False).port == 2525


@pytest.mark.parametrize(
    ("url", "sender"), [("http://mail.test", "a@b.test"), ("smtp://", "a@b.test"), ("smtp://mail.test", "Spotlight")]
)
def test_what_is_no_server_is_refused(url: str, sender: str) -> None:
    with pytest.raises(ValueError, match=r"SPOTLIGHT_MAIL_FROM|smtps://"):
        read_server(url, sender, plain=False)
