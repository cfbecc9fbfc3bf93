"""News for candidates: a mail or a text, by the contact that they left."""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncConnection

from admin.mail.rules import MailKind
from admin.mail.store import Mails
from channels.messages.outbox import Outbox
from gateway.contests.nominations import News


class Telling:
    """Owes mails and texts in the transaction of what they tell."""

    def __init__(self, mails: Mails, outbox: Outbox) -> None:
        self._mails = mails
        self._outbox = outbox

    async def tell(
        self, connection: AsyncConnection, news: News, to: str, language: str, facts: Mapping[str, str]
    ) -> None:
        """See `gateway.contests.nominations.Tell`."""
        if "@" in to:
            await self._mails.owe(connection, MailKind(news.value), to, language, **facts)
        else:
            await self._outbox.owe(connection, news.value, to, language, facts)
