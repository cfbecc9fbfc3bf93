"""Send the mails that are owed, over SMTP (RFC 5321)."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from typing import Final

import structlog
from aiosmtplib import SMTP, SMTPDataError, SMTPException, SMTPRecipientsRefused

from admin.mail.rules import Written, retry_seconds
from admin.mail.server import MailServer
from admin.mail.store import DueMail, MailResult, Mails

BATCH: Final = 20
TIMEOUT_SECONDS: Final = 15.0
# Answers of 500 and more are final; those below may pass.
_FINAL: Final = 500
_log = structlog.get_logger(__name__)


def _client(server: MailServer) -> SMTP:
    """A connection that is not open yet."""
    return SMTP(
        hostname=server.host,
        port=server.port,
        username=server.user,
        password=server.password,
        use_tls=server.tls,
        # None: begun where the server offers it; True: nothing is sent without.
        start_tls=False if server.tls else None if server.plain else True,
        timeout=TIMEOUT_SECONDS,
    )


Write = Callable[[str, str, dict[str, str]], Written]
"""Puts a kind of mail and its facts into words of a language."""


@dataclass(frozen=True, slots=True)
class Mailing:
    """Sends what is owed. `server` None: there is none, and nothing is sent."""

    mails: Mails
    server: MailServer | None
    write: Write

    async def send_due(self) -> int:
        """Send one batch; how many were tried. A server that does not answer is tried again later."""
        if self.server is None or not (due := await self.mails.claim_due(BATCH)):
            return 0
        results: dict[str, MailResult] = {}
        try:
            async with _client(self.server) as client:
                for mail in due:
                    results[str(mail.id)] = await self._send(client, self.server.sender, mail)
        except (SMTPException, OSError) as error:
            _log.warning("mail_server_away", error=type(error).__name__, text=str(error)[:200])
            for mail in due:
                results.setdefault(str(mail.id), _again(mail, type(error).__name__))
        await self.mails.record(list(results.values()))
        return len(due)

    async def _send(self, client: SMTP, sender: str, mail: DueMail) -> MailResult:
        log = _log.bind(mail=str(mail.id), kind=mail.kind, attempts=mail.attempts)
        try:
            message = _message(mail, self.write(mail.kind, mail.language, dict(mail.params)), sender)
        except Exception as error:
            log.exception("mail_not_written")
            return MailResult(mail.id, "refused", f"not written: {type(error).__name__}")
        try:
            await client.send_message(message)
        except SMTPRecipientsRefused as error:
            return _refused(mail, error.recipients[0].code, log)
        except SMTPDataError as error:
            return _refused(mail, error.code, log)
        log.info("mail_sent")
        return MailResult(mail.id, "sent")


def _message(mail: DueMail, written: Written, sender: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, mail.to, written.subject
    message["Date"] = format_datetime(datetime.now(UTC))
    # The same at each try, so that a reader's program shows a repeated mail once.
    message["Message-ID"] = f"<{mail.id}@{parseaddr(sender)[1].rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(written.text)
    return message


def _refused(mail: DueMail, code: int, log: structlog.typing.FilteringBoundLogger) -> MailResult:
    log.warning("mail_refused", code=code)
    return MailResult(mail.id, "refused", f"refused: {code}") if code >= _FINAL else _again(mail, str(code))


def _again(mail: DueMail, error: str) -> MailResult:
    wait = retry_seconds(mail.attempts)
    return MailResult(mail.id, "refused" if wait is None else "due", error, wait)
