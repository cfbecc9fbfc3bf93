"""Mail: a server that takes everything (RFC 5321), and the one mailbox of the country.

`GET /mail` is for programs, `GET /mailbox` the page. Nothing leaves the country, and a start empties the mailbox.
"""

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator
from email import message_from_bytes, policy
from html import escape
from string import Template
from typing import Final

from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session

from sandbox.courier import instant
from sandbox.phones.api import PAGES

KEPT: Final = 500
BYTES_MAX: Final = 1_000_000
_LINK: Final = re.compile(r"https?://[^\s<>\"']+")


class PostOffice:
    """Receives mail on a port of its own, 0 for any that is free, and shows it."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._page = Template((PAGES / "mailbox.html").read_text(encoding="utf-8"))
        self.mails: deque[dict[str, str]] = deque(maxlen=KEPT)
        self.refusal = ""

    def add_to(self, app: web.Application) -> None:
        """Serve both addresses, and SMTP while the application runs."""
        app[POST_OFFICE] = self
        app.cleanup_ctx.append(self._receiving)
        app.router.add_get("/mail", self.listed)
        app.router.add_get("/mailbox", self.page)

    async def _receiving(self, _: web.Application) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: SMTP(self, data_size_limit=BYTES_MAX, enable_SMTPUTF8=True), self._host, self._port
        )
        self._port = server.sockets[0].getsockname()[1]
        yield
        server.close()
        await server.wait_closed()

    @property
    def port(self) -> int:
        """Where it listens, once it does."""
        return self._port

    async def handle_DATA(self, _: SMTP, __: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Take a mail, or answer `refusal`."""
        if self.refusal:
            return self.refusal
        message = message_from_bytes(bytes(envelope.original_content or b""), policy=policy.default)
        body = message.get_body(("plain",))
        text = "" if body is None else str(body.get_content()).replace("\r\n", "\n")
        for recipient in envelope.rcpt_tos:
            self.mails.append(
                {"to": recipient, "subject": str(message["Subject"] or ""), "text": text, "at": instant()}
            )
        return "250 OK"

    async def listed(self, _: web.Request) -> web.Response:
        """Every mail, the newest last."""
        return web.json_response(list(self.mails))

    async def page(self, request: web.Request) -> web.Response:
        """The mailbox for people, the newest first. `?to=`: of one address only."""
        wanted = request.query.get("to", "")
        shown = [mail for mail in reversed(self.mails) if wanted in ("", mail["to"])]
        text = self._page.substitute(
            to=escape(wanted), mails="".join(map(_article, shown)) or "<p>Aucun message. No mail yet.</p>"
        )
        return web.Response(text=text, content_type="text/html", headers={"Cache-Control": "no-store"})


def _article(mail: dict[str, str]) -> str:
    """One mail. Addresses in it may be clicked."""
    head = f"<h2>{escape(mail['subject'])}</h2><p class='soft'>{escape(mail['to'])} · <time>{mail['at']}</time></p>"
    pieces, last = [], 0
    for found in _LINK.finditer(mail["text"]):
        address = escape(found[0])
        pieces += [escape(mail["text"][last : found.start()]), f'<a href="{address}">{address}</a>']
        last = found.end()
    return f"<article>{head}<pre>{''.join(pieces)}{escape(mail['text'][last:])}</pre></article>"


POST_OFFICE: Final = web.AppKey("post_office", PostOffice)
