"""Mails go to the server encrypted, from the first byte or by STARTTLS, signed in, and only to a server whose
certificate is good."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.mail.send import Mailing
from admin.mail.server import read_server
from admin.mail.words import write
from tests.admin.mail.test_mail import TO, mails_of, only, owe
from tests.admin.mail.test_mail import engine as engine

# It is the library's counsel to its users; here the server is left to offer what it likes.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS:UserWarning")
USER, PASSWORD = "spot@light", "p/w"
SENDER = "Spotlight <no-reply@vote.test>"


@dataclass
class Server:
    """A mail server of the real kind. `offered`: of STARTTLS, whether there is any."""

    context: ssl.SSLContext
    tls: bool
    offered: bool = True
    port: int = 0
    taken: list[tuple[str, list[str], bool]] = field(default_factory=list)

    def authenticated(self, _: SMTP, __: Session, ___: Envelope, ____: str, given: Any) -> AuthResult:
        assert isinstance(given, LoginPassword)
        return AuthResult(success=(given.login, given.password) == (USER.encode(), PASSWORD.encode()), handled=False)

    async def handle_DATA(self, line: SMTP, _: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        assert line.transport is not None
        encrypted = line.transport.get_extra_info("ssl_object") is not None
        self.taken.append((str(envelope.mail_from), list(envelope.rcpt_tos), encrypted))
        return "250 OK"

    def protocol(self) -> SMTP:
        return SMTP(
            self,
            hostname="mail.test",
            tls_context=self.context if self.offered and not self.tls else None,
            auth_required=True,
            auth_require_tls=False,
            authenticator=self.authenticated,
        )


@asynccontextmanager
async def serving(context: ssl.SSLContext, *, tls: bool, offered: bool = True) -> AsyncIterator[Server]:
    server = Server(context, tls, offered)
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(server.protocol, "127.0.0.1", 0, ssl=context if tls else None)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of 127.0.0.1 that vouches for itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail.test")])
    today = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = tmp_path / "mail.pem"
    path.write_bytes(made.public_bytes(pem) + secret)
    return path


@pytest.fixture
def context(certificate: Path) -> ssl.SSLContext:
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    made.load_cert_chain(certificate)
    return made


def mailing(engine: AsyncEngine, server: Server, user: str = "spot%40light:p%2Fw") -> Mailing:
    scheme = "smtps" if server.tls else "smtp"
    return Mailing(
        mails_of(engine), read_server(f"{scheme}://{user}@127.0.0.1:{server.port}", SENDER, plain=False), write
    )


@pytest.mark.parametrize("tls", [True, False], ids=["from the first byte", "by STARTTLS"])
async def test_a_mail_goes_encrypted_to_a_server_that_is_trusted(
    engine: AsyncEngine, certificate: Path, context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, tls: bool
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    await owe(mails_of(engine), engine)
    async with serving(context, tls=tls) as server:
        assert await mailing(engine, server).send_due() == 1
        assert server.taken == [("no-reply@vote.test", [TO], True)]
    assert (await only(engine)).status == "sent"


@pytest.mark.parametrize(
    ("tls", "offered", "trusted", "user", "error"),
    [
        pytest.param(True, True, False, USER, "SMTPConnectError", id="a stranger's certificate"),
        pytest.param(False, True, False, USER, "SSLCertVerificationError", id="a stranger's certificate by STARTTLS"),
        pytest.param(False, False, True, USER, "SMTPException", id="no encryption at all"),
        pytest.param(True, True, True, "somebody", "SMTPAuthenticationError", id="a wrong name"),
    ],
)
async def test_a_mail_waits_rather_than_goes_another_way(
    engine: AsyncEngine,
    certificate: Path,
    context: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
    tls: bool,
    offered: bool,
    trusted: bool,
    user: str,
    error: str,
) -> None:
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    await owe(mails_of(engine), engine)
    async with serving(context, tls=tls, offered=offered) as server:
        assert await mailing(engine, server, f"{user.replace('@', '%40')}:p%2Fw").send_due() == 1
        assert server.taken == []
    row = await only(engine)
    assert (row.status, row.last_error) == ("due", error)
    assert row.wait > timedelta()
