"""The server that mails are handed over to, as a setting names it."""

from dataclasses import dataclass, field
from email.utils import parseaddr
from typing import Final
from urllib.parse import unquote, urlsplit

_PORTS: Final = {"smtp": 25, "smtps": 465}


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mails are handed over. `tls`: from the first byte; else it is begun where the server offers it, and
    `plain` says whether a server may do without."""

    host: str
    port: int
    tls: bool
    plain: bool
    user: str | None
    password: str | None = field(repr=False)
    sender: str


def read_server(url: str, sender: str, *, plain: bool) -> MailServer:
    """The server of an address like `smtps://user:password@mail.example.org`. `plain`: it may do without encryption.
    Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError("write smtps://user:password@host, or smtp:// for a server that begins TLS by STARTTLS")
    if "@" not in parseaddr(sender)[1]:
        raise ValueError("SPOTLIGHT_MAIL_FROM must be an address, such as Spotlight <no-reply@vote.example.org>")
    user, password = (unquote(word) if word else None for word in (parts.username, parts.password))
    port = parts.port or _PORTS[parts.scheme]
    return MailServer(parts.hostname, port, parts.scheme == "smtps", plain, user, password, sender)
