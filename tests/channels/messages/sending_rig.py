"""Two scripted carriers and a chat, over a real PostgreSQL."""

from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from channels.messages.carrier import OutboundText, SendAccepted, SendRefused, SendResult, SendUnknown
from channels.messages.rules import Routes
from channels.messages.send import Sending
from tests.rigs.rig import Rig

VOTER, OTHER = "+2250501020304", "+2250701020304"
PASSING = SendRefused("CouldNotRoute", permanent=False)
OURS = SendRefused("InsufficientBalance", permanent=True, ours=True)
BANNED = SendRefused("UserInBlacklist", permanent=True)
LOST = SendUnknown("ReadTimeout")
CHAT = 4_503_599_627_370_495

_INSERT = text("""
insert into messages_out (id, kind, key, recipient_index, recipient_cipher, language, params, chat_id)
values (:id, :kind, :key, :recipient_index, :recipient_cipher, 'fr', :params, :chat_id)
""").bindparams(bindparam("params", type_=JSONB))


class Carrier:
    """Answers as scripted, then accepts; remembers what it was asked to send. `meanwhile`: what
    happens before it answers."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.script: deque[SendResult] = deque()
        self.asked: list[OutboundText] = []
        self.meanwhile: Callable[[OutboundText], Awaitable[None]] | None = None

    async def send(self, message: OutboundText) -> SendResult:
        self.asked.append(message)
        if self.meanwhile:
            await self.meanwhile(message)
        return self.script.popleft() if self.script else SendAccepted(f"{self.code}-{len(self.asked)}", "XOF 12.0000")

    async def aclose(self) -> None:
        """Nothing is open."""


class SendingRig:
    """Two carriers and a chat over one database."""

    def __init__(self, rig: Rig, owner_url: str) -> None:
        self.rig = rig
        self.owner_url = owner_url
        self.first, self.second, self.chat = Carrier("first"), Carrier("second"), Carrier("chat")
        self.routes = Routes(("first", "second"), chats="chat")

    async def owe(
        self, *, kind: str = "reply", to: str | None = VOTER, chat: int | None = None, key: str | None = None
    ) -> UUID:
        message_id, vault = uuid4(), self.rig.vault
        row = {
            "id": message_id,
            "kind": kind,
            "key": key or str(message_id),
            "recipient_index": vault.index(to) if to else None,
            "recipient_cipher": vault.seal(to, f"messages_out.recipient:{message_id}") if to else None,
            "params": {"lines": ["Bonjour"]},
            "chat_id": chat,
        }
        async with self.rig.engine.begin() as connection:
            await connection.execute(_INSERT, row)
        return message_id

    async def send(self) -> int:
        senders = {carrier.code: carrier for carrier in (self.first, self.second, self.chat)}
        sending = Sending(
            self.rig.outbox,
            senders,
            self.routes,
            write=lambda kind, language, values: f"{kind} {language}",
            write_in_chat=lambda kind, language, values: f"{kind} in the chat" if kind == "receipt" else None,
        )
        return await sending.send_due()

    async def send_at_every_chance(self) -> None:
        """Let every wait pass, many times over."""
        for _ in range(12):
            await self.pass_time(11 * 60)
            await self.send()

    async def pass_time(self, seconds: int) -> None:
        """Move the past further away."""
        await self.change(
            "update messages_out set sent_at = sent_at - make_interval(secs => :s), "
            "next_try_at = next_try_at - make_interval(secs => :s)",
            s=seconds,
        )
        self.rig.passed += seconds

    async def change(self, statement: str, **values: Any) -> None:
        async with self.rig.engine.begin() as connection:
            await connection.execute(text(statement), values)

    async def row(self, message_id: UUID) -> Mapping[str, Any]:
        (row,) = await self.rig.rows("select * from messages_out where id = :id", id=message_id)
        found: Mapping[str, Any] = row._mapping
        return found

    async def report(self, carrier: str, message_id: str, status: str, phone: str = VOTER) -> None:
        await self.rig.outbox.store_report(carrier, message_id, status, phone, None)

    @property
    def asked(self) -> list[str]:
        """Who was asked, by number of times."""
        return [f"{c.code}:{len(c.asked)}" for c in (self.first, self.second, self.chat) if c.asked]
