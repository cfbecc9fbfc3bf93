"""The inbox: texts as they came in, what went before each, and what was answered."""

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from channels.messages.carrier import IncomingText
from gateway.storage.engine import DatabaseUnavailable
from gateway.storage.schema.conversations import recipient_place, sender_place
from gateway.storage.set_aside import SHOWN_SECONDS, Kind, each_read, set_aside
from gateway.storage.vault import Vault, fingerprint
from gateway.values.money import Money

# How long YES is an answer.
QUESTION_MINUTES: Final = 10

_STORE: Final = text("""
insert into messages_in (carrier, carrier_id, sender_index, sender_cipher, recipient, text, text_hash, network)
values (:carrier, :carrier_id, :sender_index, :sender_cipher, :recipient, :text, :text_hash, :network)
on conflict do nothing
""")

_DUE: Final = text("""
select m.*, (select l.language from chosen_languages l where l.phone_index = m.sender_index) as language,
  (select f.carrier_id from messages_in f
    where f.sender_index = m.sender_index and f.recipient = m.recipient and f.text_hash = m.text_hash
      and f.received_at between m.received_at - interval '3 minutes' and m.received_at
    order by f.received_at, f.carrier_id limit 1) as first_carrier_id
from messages_in m where handled_at is null order by received_at limit :limit
""")

_HANDLED: Final = text("""
update messages_in set handled_at = now(), outcome = :outcome
where carrier = :carrier and carrier_id = :carrier_id and handled_at is null
""")

_REPLY: Final = text("""
insert into messages_out (id, kind, key, recipient_index, recipient_cipher, language, params)
values (:id, 'reply', :key, :recipient_index, :recipient_cipher, :language, :params)
on conflict (kind, key) do nothing
""").bindparams(bindparam("params", type_=JSONB))

_OPT_OUT: Final = text("insert into text_opt_outs (phone_index) values (:index) on conflict do nothing")
_OPT_IN: Final = text("delete from text_opt_outs where phone_index = :index")

# A question is open until a text that counts comes after it: repeats, noise and a YES that we were too
# busy for do not. A text that is not answered yet may mean anything, so it closes the question too.
_TALK: Final = text("""
with me as (select * from messages_in where carrier = :carrier and carrier_id = :carrier_id),
last as (
  select p.carrier, p.carrier_id from messages_in p join me
    on p.sender_index = me.sender_index and p.recipient = me.recipient and p.received_at < me.received_at
      and p.received_at > me.received_at - make_interval(mins => :minutes)
  where coalesce(p.outcome, '') not in ('repeated', 'noise', 'refused: try_again')
  order by p.received_at desc limit 1)
select
  (select count(*) from messages_in p join me
      on p.sender_index = me.sender_index and p.received_at > me.received_at - interval '1 hour'
    where coalesce(p.outcome, '') not like 'unanswered%' and exists (select 1 from messages_out o
      where o.kind = 'reply' and o.key = p.carrier || ':' || p.carrier_id)) as replies,
  exists (select 1 from text_opt_outs s join me on s.phone_index = me.sender_index) as opted_out,
  exists (select 1 from messages_in p join me
      on p.sender_index = me.sender_index and p.recipient = me.recipient and p.text_hash = me.text_hash
        and p.received_at between me.received_at - interval '3 minutes' and me.received_at
        and p.carrier_id <> me.carrier_id
    where p.outcome = 'order') as bought,
  (select o.key from last join messages_out o
    on o.kind = 'reply' and o.key = last.carrier || ':' || last.carrier_id) as key,
  (select o.params -> 'question' from last join messages_out o
    on o.kind = 'reply' and o.key = last.carrier || ':' || last.carrier_id) as question
""")


@dataclass(frozen=True, slots=True)
class Question:
    """An order that a voter was asked about by text; YES places it under `key`, once. `quantity` 0: the question
    is how many votes."""

    contest_slug: str
    candidate_code: str
    quantity: int
    amount: Money
    key: str


@dataclass(frozen=True, slots=True)
class Talk:
    """What went before a text. `replies`: texts that answered its sender in the last hour. `opted_out`:
    whether the sender sent STOP. `bought`: whether an equal text of theirs placed an order within three
    minutes. `question`: the one that is open."""

    replies: int = 0
    opted_out: bool = False
    bought: bool = False
    question: Question | None = None


@dataclass(frozen=True, slots=True)
class InboundText:
    """A stored text that waits for its answer. `first_id`: the carrier's id of the first equal text
    of this sender within three minutes, itself included. `language`: the one that the sender chose."""

    text: IncomingText
    first_id: str
    language: str | None


class Inbox:
    """Texts that came in. Methods raise SQLAlchemyError and OSError, except where they say otherwise."""

    def __init__(self, engine: AsyncEngine, vault: Vault) -> None:
        self._engine = engine
        self._auto = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._vault = vault

    async def store(self, incoming: IncomingText) -> bool:
        """Store a text; False when its id was stored before."""
        place = sender_place(incoming.carrier, incoming.carrier_id)
        async with self._auto.connect() as connection:
            done = await connection.execute(
                _STORE,
                {
                    "carrier": incoming.carrier,
                    "carrier_id": incoming.carrier_id,
                    "sender_index": self._vault.index(incoming.sender),
                    "sender_cipher": self._vault.seal(incoming.sender, place),
                    "recipient": incoming.recipient,
                    "text": incoming.text,
                    "text_hash": fingerprint(" ".join(incoming.text.lower().split()).encode()),
                    "network": incoming.network,
                },
            )
        return bool(done.rowcount)

    async def due(self, limit: int) -> list[InboundText]:
        """Texts that are not answered yet, oldest first."""
        async with self._auto.connect() as connection:
            rows = (await connection.execute(_DUE, {"limit": limit})).all()
        found, broken = each_read(rows, self._inbound)
        if broken:
            async with self._engine.begin() as connection:
                kept = [(f"{row.carrier}:{row.carrier_id}", error) for row, error in broken]
                await set_aside(connection, Kind.TEXT_IN, kept, SHOWN_SECONDS)
                for row, _ in broken:
                    handled = {"carrier": row.carrier, "carrier_id": row.carrier_id, "outcome": "set aside"}
                    await connection.execute(_HANDLED, handled)
        return found

    def _inbound(self, row: Row[Any]) -> InboundText:
        sender = self._vault.open(bytes(row.sender_cipher), sender_place(row.carrier, row.carrier_id))
        incoming = IncomingText(row.carrier, row.carrier_id, sender, row.recipient, row.text, row.network)
        return InboundText(incoming, row.first_carrier_id, row.language)

    async def talk(self, incoming: IncomingText) -> Talk:
        """What went before a stored text, between its sender and its short code. Raises DatabaseUnavailable."""
        asked = {"carrier": incoming.carrier, "carrier_id": incoming.carrier_id, "minutes": QUESTION_MINUTES}
        try:
            async with self._auto.connect() as connection:
                row = (await connection.execute(_TALK, asked)).one()
        except (SQLAlchemyError, OSError) as error:
            raise DatabaseUnavailable(type(error).__name__) from error
        return Talk(row.replies, row.opted_out, row.bought, _question(row))

    async def answered(
        self,
        incoming: InboundText,
        outcome: str,
        reply: tuple[UUID, str, dict[str, object]] | None,
        opt_out: bool | None = None,
    ) -> None:
        """Mark a text as answered. `reply`: id, language and params of the text that goes back. `opt_out`: True
        after STOP, False after START."""
        received = incoming.text
        index = self._vault.index(received.sender)
        async with self._engine.begin() as connection:
            if reply:
                message_id, language, params = reply
                await connection.execute(
                    _REPLY,
                    {
                        "id": message_id,
                        "key": f"{received.carrier}:{received.carrier_id}",
                        "recipient_index": index,
                        "recipient_cipher": self._vault.seal(received.sender, recipient_place(message_id)),
                        "language": language,
                        "params": params,
                    },
                )
            if opt_out is not None:
                await connection.execute(_OPT_OUT if opt_out else _OPT_IN, {"index": index})
            await connection.execute(
                _HANDLED, {"outcome": outcome, "carrier": received.carrier, "carrier_id": received.carrier_id}
            )


def _question(row: Row[Any]) -> Question | None:
    if row.question is None:
        return None
    asked = row.question
    return Question(
        contest_slug=asked["contest"],
        candidate_code=asked["code"],
        quantity=asked["quantity"],
        amount=Money(asked["amount_minor"], asked["currency"]),
        # A question that is asked again keeps the key of the first text; one of an earlier version lacks it.
        key=asked.get("key", row.key),
    )


def written(question: Question) -> dict[str, object]:
    """A question as it is stored with the text that asks it."""
    return {
        "key": question.key,
        "contest": question.contest_slug,
        "code": question.candidate_code,
        "quantity": question.quantity,
        "amount_minor": question.amount.amount_minor,
        "currency": question.amount.currency,
    }
