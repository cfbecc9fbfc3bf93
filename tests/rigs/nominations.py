"""Nominations as the product has them, and what candidates are told."""

import orjson

from admin.candidates.telling import Telling
from admin.mail.store import Mails
from channels.messages.outbox import Outbox
from channels.sms.texts import render
from gateway.contests.nominations import Nominations
from gateway.storage.schema.conversations import params_place, recipient_place
from tests.rigs.rig import Rig

PUBLIC_URL = "https://vote.example"


def nominations_of(rig: Rig) -> Nominations:
    """Private links on the database of a rig."""
    outbox = Outbox(rig.engine, rig.vault, PUBLIC_URL)
    tell = Telling(Mails(rig.engine, rig.vault, on=True), outbox).tell
    return Nominations(rig.engine, rig.vault, rig.directory.refresh, tell, PUBLIC_URL)


async def texts(rig: Rig) -> list[tuple[str, str, str]]:
    """Texts that are owed to candidates, in order: kind, number, words. Some wait for daytime."""
    rows = await rig.rows("select * from messages_out where params_cipher is not null order by created_at")
    return [
        (
            row.kind,
            rig.vault.open(row.recipient_cipher, recipient_place(row.id)),
            render(row.kind, row.language, orjson.loads(rig.vault.open(row.params_cipher, params_place(row.id)))),
        )
        for row in rows
    ]
