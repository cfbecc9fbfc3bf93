"""Dialogues that ended after a candidate was chosen: stored in the background, with one reminder by text.

A note is written some seconds late, because most voters have bought by then: their notes never reach
PostgreSQL. A note that is lost with its process costs a text, never a vote.
"""

import asyncio
import time
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

import structlog
from sqlalchemy import Row, text
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from channels.messages.rules import REMIND_AFTER, REMINDER, Reminder, Unfinished, country_of, remind
from gateway.contests.contest import CandidateStatus
from gateway.contests.directory import DIAL_CODE
from gateway.storage.rows import document, recordset
from gateway.storage.schema.conversations import recipient_place
from gateway.storage.set_aside import SHOWN_SECONDS, Kind, each_read, set_aside
from gateway.storage.vault import Vault
from gateway.values.money import Money
from gateway.values.msisdn import Msisdn
from gateway.values.record import record

WRITE_AFTER_SECONDS: Final = 10.0
WAITING_MAX: Final = 20_000
WRITE_BATCH: Final = 200
# Between two batches, so that callers are served first.
PAUSE_SECONDS: Final = 0.05
REMINDER_BATCH: Final = 200
_log = structlog.get_logger(__name__)

_COLUMNS: Final = """
  phone_index bytea, phone_cipher bytea, contest_id uuid, candidate_code text, quantity integer, language text,
  waited double precision
"""

# A number that was reminded is not reminded again within a day, however often it is cut off.
_KEEP: Final = text(f"""
insert into unfinished_dialogues as u
  (phone_index, phone_cipher, contest_id, candidate_code, quantity, language, reached_at)
select phone_index, phone_cipher, contest_id, candidate_code, quantity, language, now() - make_interval(secs => waited)
from {recordset(_COLUMNS)}
on conflict (phone_index, contest_id) do update set
  phone_cipher = excluded.phone_cipher, candidate_code = excluded.candidate_code, quantity = excluded.quantity,
  language = excluded.language, reached_at = excluded.reached_at,
  handled_at = case when u.outcome = '{Reminder.TEXT}' and u.handled_at > now() - interval '1 day'
    then u.handled_at end,
  outcome = case when u.outcome = '{Reminder.TEXT}' and u.handled_at > now() - interval '1 day' then u.outcome end
""")

_DUE: Final = text(f"""
with due as (
  select phone_index, contest_id from unfinished_dialogues
  where handled_at is null and reached_at <= now() - make_interval(secs => :after)
  order by reached_at limit :limit for update skip locked)
select u.*, now() as now, c.name as contest_name, c.short_code, c.price_minor, c.currency, k.name as candidate_name,
  c.state = 'published' and c.opens_at <= now() and now() < c.closes_at and not exists (
    select from rounds s where s.contest_id = c.id having not bool_or(s.opens_at <= now() and now() < s.closes_at))
    and k.status = '{CandidateStatus.APPROVED}' as sold,
  {DIAL_CODE} as dial_code,
  exists (select 1 from text_opt_outs o where o.phone_index = u.phone_index) as opted_out,
  exists (select 1 from votes v where v.voter_index = u.phone_index and v.contest_id = u.contest_id
    and v.placed_at >= u.reached_at)
  or exists (select 1 from payments p where p.payer_index = u.phone_index and p.contest_id = u.contest_id
    and p.placed_at >= u.reached_at) as ordered
from due join unfinished_dialogues u using (phone_index, contest_id)
  join contests c on c.id = u.contest_id
  left join candidates k on k.contest_id = c.id and k.code = u.candidate_code
""")

_TEXTS: Final = "id uuid, key text, recipient_index bytea, recipient_cipher bytea, language text, params jsonb"
_TEXT: Final = text(f"""
insert into messages_out (id, kind, key, recipient_index, recipient_cipher, language, params)
select id, '{REMINDER}', key, recipient_index, recipient_cipher, language, params from {recordset(_TEXTS)}
on conflict (kind, key) do nothing
""")

_MARKS: Final = "phone_index bytea, contest_id uuid, outcome text"
_MARK: Final = text(f"""
update unfinished_dialogues u set handled_at = now(), outcome = a.outcome
from {recordset(_MARKS)} where u.phone_index = a.phone_index and u.contest_id = a.contest_id
""")


_Key = tuple[str, UUID]


@record
class Reached:
    """How far a number came in a contest. `quantity` None: the number of votes was not typed."""

    voter: Msisdn
    contest_id: UUID
    candidate_code: str
    quantity: int | None
    language: str


def phone_place(contest_id: UUID) -> str:
    """What the sealed number of an unfinished dialogue is bound to."""
    return f"unfinished_dialogues.phone:{contest_id}"


class UnfinishedDialogues:
    """Notes of this process, and the reminders that are due. `write_after`: seconds."""

    def __init__(self, engine: AsyncEngine, vault: Vault, *, write_after: float = WRITE_AFTER_SECONDS) -> None:
        self._engine = engine
        self._vault = vault
        self._write_after = write_after
        self._waiting: dict[_Key, tuple[float, Reached]] = {}
        self._writing: asyncio.Task[None] | None = None
        self._failing = False

    def note(self, reached: Reached) -> None:
        """Store soon how far a voter came; never blocks and never raises."""
        key = (reached.voter.e164, reached.contest_id)
        if len(self._waiting) >= WAITING_MAX and key not in self._waiting:
            return
        self._waiting[key] = (time.monotonic(), reached)
        if self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write_later())

    def forget(self, voter: Msisdn, contest_id: UUID) -> None:
        """The voter bought: there is nothing to go on with."""
        self._waiting.pop((voter.e164, contest_id), None)

    async def _write_later(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(self._write_after)
                await self.write(pause=PAUSE_SECONDS)
        finally:
            self._writing = None

    async def write(self, *, pause: float = 0.0) -> None:
        """Write every note that waits, with so many seconds between batches. One that cannot be written waits
        for the next time."""
        waiting = list(self._waiting)
        for begin in range(0, len(waiting), WRITE_BATCH):
            if begin:
                await asyncio.sleep(pause)
            await self._write(waiting[begin : begin + WRITE_BATCH])

    async def _write(self, keys: list[_Key]) -> None:
        # A few at a time: sealing them all at once would keep callers waiting.
        taken = {key: self._waiting.pop(key) for key in keys if key in self._waiting}
        if not taken:
            return
        now = time.monotonic()
        try:
            rows = [self._row(reached, now - since) for since, reached in taken.values()]
            async with self._engine.begin() as connection:
                await connection.execute(_KEEP, document(rows))
            self._failing = False
        except (DataError, IntegrityError):
            # They would be refused every time.
            _log.exception("unfinished_not_stored", lost=len(taken))
        except (SQLAlchemyError, OSError) as error:
            self._waiting = {**taken, **self._waiting}
            if not self._failing:
                _log.warning("unfinished_not_stored", error=type(error).__name__, waiting=len(taken))
            self._failing = True

    def _row(self, reached: Reached, waited: float) -> dict[str, object]:
        return {
            "phone_index": self._vault.index(reached.voter.e164),
            "phone_cipher": self._vault.seal(reached.voter.e164, phone_place(reached.contest_id)),
            "contest_id": reached.contest_id,
            "candidate_code": reached.candidate_code,
            "quantity": reached.quantity,
            "language": reached.language,
            "waited": waited,
        }

    async def aclose(self) -> None:
        """Write what waits, and stop."""
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)
        await self.write()

    async def remind(self) -> int:
        """Decide about a batch of unfinished dialogues that are old enough, and owe a text to each voter who gets
        one; how many were decided. One transaction, so that a dialogue leads to one text at most."""
        due = {"after": REMIND_AFTER.total_seconds(), "limit": REMINDER_BATCH}
        async with self._engine.begin() as connection:
            rows = (await connection.execute(_DUE, due)).all()
            decided, broken = each_read(rows, self._decided)
            if broken:
                named = [(f"{bytes(row.phone_index).hex()}:{row.contest_id}", error) for row, error in broken]
                await set_aside(connection, Kind.DIALOGUE, named, SHOWN_SECONDS)
                await connection.execute(_MARK, document(_marked(row, "set aside") for row, _ in broken))
            texts = [self._text(row, number) for row, number, outcome in decided if outcome is Reminder.TEXT]
            if texts:
                await connection.execute(_TEXT, document(texts))
            if decided:
                await connection.execute(_MARK, document(_marked(row, outcome.value) for row, _, outcome in decided))
        return len(decided)

    def _decided(self, row: Row[Any]) -> tuple[Row[Any], str, Reminder]:
        number = self._vault.open(bytes(row.phone_cipher), phone_place(row.contest_id))
        facts = Unfinished(row.reached_at, country_of(number), bool(row.sold), row.ordered, row.opted_out)
        return row, number, remind(facts, row.now)

    def _text(self, row: Row[Any], number: str) -> dict[str, object]:
        message_id = uuid4()
        quantity = row.quantity or 1
        since: datetime = row.reached_at
        return {
            "id": message_id,
            "key": f"{bytes(row.phone_index).hex()}:{row.contest_id}:{since.isoformat()}",
            "recipient_index": bytes(row.phone_index),
            "recipient_cipher": self._vault.seal(number, recipient_place(message_id)),
            "language": row.language,
            "params": {
                "contest_name": row.contest_name,
                "candidate_code": row.candidate_code,
                "candidate_name": row.candidate_name,
                "quantity": quantity,
                "amount": Money(row.price_minor, row.currency).times(quantity).spoken(),
                "service_code": row.dial_code,
                "short_code": row.short_code,
            },
        }


def _marked(row: Row[Any], outcome: str) -> dict[str, object]:
    return {"phone_index": bytes(row.phone_index), "contest_id": row.contest_id, "outcome": outcome}
