"""Telegram updates and chats in PostgreSQL. Bodies and numbers are sealed."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from channels.telegram.linking import code_hash
from gateway.storage.coalescer import Coalescer, Overloaded
from gateway.storage.engine import DatabaseUnavailable
from gateway.storage.rows import document, names_of, recordset
from gateway.storage.set_aside import SHOWN_SECONDS, Kind, each_read, set_aside
from gateway.storage.vault import Vault
from payments.collection.order_views import VoteLine
from payments.lifecycle import State, public_status

_UNFINISHED_LOCK: Final = 0x5907_11_70

_COLUMNS: Final = "update_id bigint, chat_id bigint, body_cipher bytea"
_STORE: Final = text(f"""
insert into telegram_updates (update_id, chat_id, body_cipher) select * from {recordset(_COLUMNS)}
on conflict do nothing returning update_id
""")
_HANDLED: Final = text("""
update telegram_updates set handled_at = now(), outcome = :outcome where update_id = :update_id and handled_at is null
""")
# The pause grows with each try, so that one that fails for a while is not tried to the end at once.
_UNFINISHED: Final = text("""
select update_id, body_cipher from telegram_updates
where handled_at is null and received_at < now() - make_interval(secs => :age * power(6, tries - 1))
order by update_id limit :limit
""")
_TRY_AGAIN: Final = text("update telegram_updates set tries = tries + 1 where update_id = :update_id")
_GIVE_UP: Final = text("""
update telegram_updates set handled_at = now(), outcome = case when tries >= :tries then 'set aside' else 'too old' end
where handled_at is null and (tries >= :tries or received_at < now() - make_interval(secs => :age))
returning update_id, outcome
""")

_CHAT: Final = "chat_id, user_id, language, contest_id, phone_cipher"
_SEEN: Final = text(f"""
insert into telegram_chats as c (chat_id, user_id, language) values (:chat, :user, :language)
on conflict (chat_id) do update set user_id = :user, seen_at = now(), reachable = true,
  language = coalesce(c.language, :language)
returning {_CHAT}
""")
_SET_LANGUAGE: Final = text("update telegram_chats set language = :language, board_hash = null where chat_id = :chat")
_SET_CONTEST: Final = text("update telegram_chats set contest_id = :contest where chat_id = :chat")
_SET_PHONE: Final = text("""
update telegram_chats set phone_index = :index, phone_cipher = :cipher, verified_at = now() where chat_id = :chat
""")
_SET_REACHABLE: Final = text("""
update telegram_chats set reachable = :reachable,
  board_message_id = case when :reachable then board_message_id end where chat_id = :chat
""")

_VOTES: Final = text("""
with mine as (
  (select id, placed_at from votes where chat_id = :chat order by placed_at desc limit :limit)
  union
  (select id, placed_at from votes where voter_index = cast(:index as bytea) order by placed_at desc limit :limit)),
latest as (select id, placed_at from mine order by placed_at desc limit :limit)
select v.id, v.quantity, v.receipt, v.placed_at, k.code, k.name, array_agg(p.status) as states
from latest l join votes v using (id, placed_at)
  join payments p on p.vote_id = v.id and p.placed_at = v.placed_at
  join candidates k on k.id = v.candidate_id
group by v.id, v.quantity, v.receipt, v.placed_at, k.code, k.name order by v.placed_at desc
""")

_SHOW: Final = text("""
with before as (select chat_id, board_message_id from telegram_chats where chat_id = :chat for update)
update telegram_chats c set board_contest_id = :contest, board_message_id = :message, board_hash = :hash,
  board_until = now() + make_interval(secs => :seconds), board_edited_at = now()
from before b where c.chat_id = b.chat_id returning b.board_message_id
""")
_BOARD: Final = "c.chat_id, c.board_message_id, c.board_contest_id, c.language"
_FACES: Final = "contest_id uuid, language text, hash bytea"
_STALE: Final = text(f"""
with due as (
  select c.chat_id, f.hash from telegram_chats c
    join {recordset(_FACES, "f")} on f.contest_id = c.board_contest_id and f.language = c.language
  where c.board_message_id is not null and c.board_until > now() and c.reachable
    and c.board_hash is distinct from f.hash and c.board_edited_at <= now() - make_interval(secs => :every)
  order by c.board_edited_at limit :limit for update of c skip locked)
update telegram_chats c set board_hash = d.hash, board_edited_at = now() from due d where c.chat_id = d.chat_id
returning {_BOARD}
""")
_MARK_STALE: Final = text("update telegram_chats set board_hash = null where chat_id = :chat")
_ENDED: Final = text("""
with over as (
  select chat_id, board_message_id from telegram_chats
  where board_message_id is not null and board_until <= now() order by board_until limit :limit
  for update skip locked)
update telegram_chats c set board_message_id = null from over o where c.chat_id = o.chat_id
returning c.chat_id, o.board_message_id, c.board_contest_id, c.language
""")


# A code is good once.
_LINK_ALERTS: Final = text("""
with linked as (
  update alert_destinations set chat_id = :chat, code_hash = null, code_until = null
  where code_hash = :hash and code_until > now() and removed_at is null returning id, organiser_id, contest_id)
insert into audit_log (actor, act, subject, detail, contest_id)
select 'telegram', 'alerts.linked', coalesce(o.slug, 'Spotlight'), jsonb_build_object('destination', l.id), l.contest_id
from linked l left join organisers o on o.id = l.organiser_id returning id
""")


@dataclass(frozen=True, slots=True)
class Chat:
    """A private chat. `phone`: the number that its user has proved to hold, E.164, or None."""

    chat_id: int
    user_id: int
    language: str
    contest_id: UUID | None = None
    phone: str | None = None


@dataclass(frozen=True, slots=True)
class StoredUpdate:
    """An update as it was received: its JSON."""

    update_id: int
    body: bytes


@dataclass(frozen=True, slots=True)
class RankingText:
    """What the rankings of a contest show in one language: a hash of the text."""

    contest_id: UUID
    language: str
    hash: bytes


@dataclass(frozen=True, slots=True)
class ShownRanking:
    """A ranking message that has to be edited."""

    chat_id: int
    message_id: int
    contest_id: UUID
    language: str


class TriedTooOften(Exception):
    """An update whose tries all failed for a temporary reason."""


class TelegramStore:
    """Updates, private chats and their ranking messages. `auto` commits each statement by itself.
    Every method raises DatabaseUnavailable."""

    def __init__(self, auto: AsyncEngine, vault: Vault) -> None:
        self._auto = auto
        self._vault = vault
        self._writes: Coalescer[tuple[int, int | None, bytes], bool] = Coalescer(self._write, batch_max=200, lanes=2)

    async def store(self, update_id: int, chat_id: int | None, body: bytes) -> bool:
        """Store an update: durable when it returns; False when it was stored before."""
        sealed = self._vault.seal(body.decode(), body_place(update_id))
        try:
            return await self._writes.do((update_id, chat_id, sealed))
        except (Overloaded, SQLAlchemyError, OSError) as error:
            raise DatabaseUnavailable(type(error).__name__) from error

    async def _write(self, updates: list[tuple[int, int | None, bytes]]) -> list[bool]:
        # The same update twice in a batch is new once.
        first = {update_id: (update_id, chat_id, sealed) for update_id, chat_id, sealed in reversed(updates)}
        rows = [dict(zip(names_of(_COLUMNS), values, strict=True)) for values in first.values()]
        async with self._auto.connect() as connection:
            new = set((await connection.execute(_STORE, document(rows))).scalars())
        fresh = []
        for update_id, _, _ in updates:
            fresh.append(update_id in new)
            new.discard(update_id)
        return fresh

    async def mark_handled(self, update_id: int, outcome: str) -> None:
        """Store the outcome of an update; it is not handled again."""
        await self._run(_HANDLED, update_id=update_id, outcome=outcome)

    async def unfinished(self, older_than_seconds: float, limit: int) -> list[StoredUpdate]:
        """Updates that were not handled in this time, in their order; six times as long after each further try."""
        found, broken = each_read(await self._run(_UNFINISHED, age=older_than_seconds, limit=limit), self._opened)
        if broken:
            async with self._connect() as connection:
                kept = [(str(row.update_id), error) for row, error in broken]
                await set_aside(connection, Kind.UPDATE, kept, SHOWN_SECONDS)
            for row, _ in broken:
                await self.mark_handled(row.update_id, "set aside")
        return found

    def _opened(self, row: Row[Any]) -> StoredUpdate:
        return StoredUpdate(row.update_id, self._vault.open(bytes(row.body_cipher), body_place(row.update_id)).encode())

    async def count_try(self, update_id: int) -> None:
        """Count one more try of an update, before it is made."""
        await self._run(_TRY_AGAIN, update_id=update_id)

    async def give_up(self, older_than_seconds: float, tries_max: int) -> dict[int, str]:
        """End updates that are too old to be answered, and those that were tried so often. Returns the outcome of each:
        `too old` or `set aside`."""
        rows = await self._run(_GIVE_UP, age=older_than_seconds, tries=tries_max)
        failed = [(str(row.update_id), TriedTooOften()) for row in rows if row.outcome == "set aside"]
        if failed:
            async with self._connect() as connection:
                await set_aside(connection, Kind.UPDATE, failed, SHOWN_SECONDS)
        return {row.update_id: row.outcome for row in rows}

    @asynccontextmanager
    async def lock(self) -> AsyncIterator[bool]:
        """Hold the lock of the process that handles unfinished updates; yields False when another one has it."""
        async with self._connect() as connection:
            key = {"key": _UNFINISHED_LOCK}
            got = (await connection.execute(text("select pg_try_advisory_lock(:key)"), key)).scalar()
            try:
                yield bool(got)
            finally:
                if got:
                    await connection.execute(text("select pg_advisory_unlock(:key)"), key)

    async def chat(self, chat_id: int, user_id: int, language: str) -> Chat:
        """The chat, marked as seen now. `language`: for one that is new."""
        (row,) = await self._run(_SEEN, chat=chat_id, user=user_id, language=language)
        phone = self._vault.open(bytes(row.phone_cipher), phone_place(chat_id)) if row.phone_cipher else None
        return Chat(row.chat_id, row.user_id, row.language, row.contest_id, phone)

    async def set_language(self, chat_id: int, language: str) -> None:
        """The voter chose a language."""
        await self._run(_SET_LANGUAGE, chat=chat_id, language=language)

    async def set_contest(self, chat_id: int, contest_id: UUID) -> None:
        """The voter opened this contest."""
        await self._run(_SET_CONTEST, chat=chat_id, contest=contest_id)

    async def set_phone(self, chat_id: int, phone: str) -> None:
        """The voter proved to hold this number, E.164."""
        sealed = self._vault.seal(phone, phone_place(chat_id))
        await self._run(_SET_PHONE, chat=chat_id, index=self._vault.index(phone), cipher=sealed)

    async def set_reachable(self, chat_id: int, *, reachable: bool) -> None:
        """Whether messages to the chat arrive."""
        await self._run(_SET_REACHABLE, chat=chat_id, reachable=reachable)

    async def link_alerts(self, code: str, chat_id: int) -> bool:
        """Whether alerts of an organiser go to this chat from now on: the code is one that waits for it."""
        return bool(await self._run(_LINK_ALERTS, hash=code_hash(code), chat=chat_id))

    async def votes_of(self, chat: Chat, limit: int) -> tuple[VoteLine, ...]:
        """Orders placed in the chat, or by its verified number, newest first."""
        index = self._vault.index(chat.phone) if chat.phone else None
        rows = await self._run(_VOTES, chat=chat.chat_id, index=index, limit=limit)
        return tuple(_line(row) for row in rows)

    async def set_ranking(self, chat_id: int, message_id: int, shown: RankingText, seconds: float) -> int | None:
        """From now on this message is the chat's live ranking, for so long. Returns the earlier one."""
        rows = await self._run(
            _SHOW, chat=chat_id, contest=shown.contest_id, message=message_id, hash=shown.hash, seconds=seconds
        )
        return rows[0].board_message_id if rows else None

    async def stale_rankings(
        self, texts: Sequence[RankingText], every_seconds: float, limit: int
    ) -> list[ShownRanking]:
        """Live rankings that show another text and were not edited for so long. They are stored as showing this one
        from now on."""
        rows: list[Mapping[str, Any]] = [
            {"contest_id": one.contest_id, "language": one.language, "hash": one.hash} for one in texts
        ]
        return [_board(row) for row in await self._run(_STALE, **document(rows), every=every_seconds, limit=limit)]

    async def mark_ranking_stale(self, chat_id: int) -> None:
        """The edit failed: the message still shows an older text."""
        await self._run(_MARK_STALE, chat=chat_id)

    async def ended_rankings(self, limit: int) -> list[ShownRanking]:
        """Rankings whose time is over; they are no longer live."""
        return [_board(row) for row in await self._run(_ENDED, limit=limit)]

    async def _run(self, statement: Any, **parameters: object) -> list[Row[Any]]:  # noqa: ANN401 - any text()
        async with self._connect() as connection:
            done = await connection.execute(statement, parameters)
            return list(done.all()) if done.returns_rows else []

    @asynccontextmanager
    async def _connect(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with self._auto.connect() as connection:
                yield connection
        except (SQLAlchemyError, OSError) as error:
            raise DatabaseUnavailable(type(error).__name__) from error


def _line(row: Row[Any]) -> VoteLine:
    states = [State(word) for word in row.states]
    receipt = row.receipt if State.SETTLED in states else None
    return VoteLine(row.code, row.name, row.quantity, public_status(states), receipt, row.placed_at)


def _board(row: Row[Any]) -> ShownRanking:
    return ShownRanking(row.chat_id, row.board_message_id, row.board_contest_id, row.language)


def body_place(update_id: int) -> str:
    """What the sealed body of an update is bound to."""
    return f"telegram_updates.body:{update_id}"


def phone_place(chat_id: int) -> str:
    """What the sealed number of a chat is bound to."""
    return f"telegram_chats.phone:{chat_id}"
