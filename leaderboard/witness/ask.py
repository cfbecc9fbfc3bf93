"""Ask witnesses to cosign the newest checkpoints of our logs (C2SP tlog-witness).

Beside the builder and never in its way: a checkpoint is public before a witness has seen it, and a witness that is away
delays nothing. What it has is asked of itself, so that it may be restored, replaced or shared by several workers.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, Final
from uuid import UUID

import aiohttp
import structlog
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.storage.audit_log import note
from leaderboard.log.merkle import ReadSubtree, consistency_path
from leaderboard.log.notes import Checkpoint, Note
from leaderboard.log.tree import TreeBroken, read_subtrees
from leaderboard.witness.rules import Submission, WitnessAddress, cosignature_in, size_in

ANSWER_SECONDS: Final = 5.0
ANSWER_BYTES_MAX: Final = 16 * 1024
LONGEST_PAUSE_SECONDS: Final = 300.0
_MOST_DOUBLINGS: Final = 8
_log = structlog.get_logger(__name__)

# Heads alone: one row a contest.
_OWED: Final = text("""
select l.contest_id, p.note, c.slug
from log_heads l join contests c on c.id = l.contest_id
  join log_checkpoints p on p.contest_id = l.contest_id and p.size = l.signed_size
where not exists (
  select 1 from log_cosignatures g where g.contest_id = l.contest_id and g.size = l.signed_size and g.name = :name)
order by l.contest_id
""")
_SIGNED: Final = text("select signed_size from log_heads where contest_id = :contest")
_KEEP: Final = text("""
insert into log_cosignatures (contest_id, size, name, line) values (:contest, :size, :name, :line)
on conflict do nothing
""")


class Pauses:
    """How long what failed is left alone: a second, and twice as long each time that it fails again."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: dict[object, tuple[int, float]] = {}

    def over(self, what: object) -> bool:
        """Whether it may be tried."""
        return self._until.get(what, (0, 0.0))[1] <= self._clock()

    def failed(self, what: object) -> None:
        """Leave it alone."""
        times = min(self._until.get(what, (0, 0.0))[0] + 1, _MOST_DOUBLINGS + 1)
        pause = min(2.0 ** (times - 1), LONGEST_PAUSE_SECONDS)
        self._until[what] = (times, self._clock() + pause)

    def worked(self, what: object) -> None:
        """It works again."""
        self._until.pop(what, None)


class Cosigning:
    """Asks the witnesses that are set."""

    def __init__(self, engine: AsyncEngine, witnesses: Iterable[WitnessAddress], pauses: Pauses | None = None) -> None:
        self._engine = engine
        self._auto = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._witnesses = tuple(witnesses)
        self._pauses = pauses or Pauses()
        self._has: dict[tuple[str, UUID], int] = {}
        self._alerted: set[tuple[str, UUID]] = set()
        self._session: aiohttp.ClientSession | None = None

    async def ask(self) -> int:
        """Ask each witness for the checkpoints that it has not cosigned; how many cosignatures came."""
        return sum(await asyncio.gather(*(self._ask(witness) for witness in self._witnesses)))

    async def aclose(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def _ask(self, witness: WitnessAddress) -> int:
        name, came = witness.key.name, 0
        if not self._pauses.over(name):
            return 0
        # This runs each second, mostly for nothing: one statement without a transaction.
        async with self._auto.connect() as connection:
            owed = (await connection.execute(_OWED, {"name": name})).all()
        for row in owed:
            if not self._pauses.over((name, row.contest_id)):
                continue
            try:
                cosigned = await self._submit(witness, row)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                _log.warning("witness_unreachable", witness=name, error=type(error).__name__)
                self._pauses.failed(name)
                return came
            except TreeBroken as error:
                _log.error("witness_not_asked", witness=name, error=str(error))
                cosigned = False
            self._pauses.worked(name)
            (self._pauses.worked if cosigned else self._pauses.failed)((name, row.contest_id))
            came += cosigned
        return came

    async def _submit(self, witness: WitnessAddress, row: Row[Any]) -> bool:
        """Whether it cosigned a checkpoint. Raises what the network does."""
        name, contest, signed = witness.key.name, row.contest_id, Note.read(row.note)
        checkpoint = Checkpoint.read(signed.text)
        status, answer, old = 0, "", self._has.get((name, contest), 0)
        for _ in range(2):
            if old > checkpoint.size:
                return await self._behind(witness, checkpoint, row, old)
            asked = Submission(old, await self._proof(contest, old, checkpoint.size), signed, checkpoint)
            status, answer = await self._post(witness, asked)
            has = size_in(answer) if status == HTTPStatus.CONFLICT else None
            if has is None:
                break
            if has < old:
                _log.error("witness_lost_checkpoints", witness=name, log=checkpoint.origin, had=old, has=has)
            old = self._has[name, contest] = has
        line = cosignature_in(answer, witness.key, signed.text) if status == HTTPStatus.OK else None
        if line is None:
            inconsistent = status == HTTPStatus.UNPROCESSABLE_ENTITY
            say = _log.error if inconsistent else _log.warning
            say("witness_refused", witness=name, log=checkpoint.origin, size=checkpoint.size, status=status)
            if inconsistent:
                await self._alert(witness, row, {"size": checkpoint.size})
            return False
        async with self._engine.begin() as connection:
            kept = {"contest": contest, "size": checkpoint.size, "name": name, "line": line.line}
            await connection.execute(_KEEP, kept)
        self._has[name, contest] = checkpoint.size
        self._alerted.discard((name, contest))
        return True

    async def _behind(self, witness: WitnessAddress, checkpoint: Checkpoint, row: Row[Any], has: int) -> bool:
        """A witness has more than this checkpoint. That is another worker's newer one, unless we never signed it."""
        async with self._engine.connect() as connection:
            signed = (await connection.execute(_SIGNED, {"contest": row.contest_id})).scalar_one()
        if has > signed:
            _log.error("witness_has_more", witness=witness.key.name, log=checkpoint.origin, size=signed, witnessed=has)
            await self._alert(witness, row, {"size": signed, "witnessed": has})
        return False

    async def _alert(self, witness: WitnessAddress, row: Row[Any], detail: dict[str, object]) -> None:
        """Alert the platform once, until the witness cosigns again."""
        about = witness.key.name, row.contest_id
        if about not in self._alerted:
            async with self._engine.begin() as connection:
                found = {"witness": witness.key.name, **detail}
                await note(connection, actor="rule", act="log.refused", subject=row.slug, detail=found)
            self._alerted.add(about)

    async def _proof(self, contest: UUID, old: int, size: int) -> tuple[bytes, ...]:
        def prove(read: ReadSubtree) -> tuple[bytes, ...]:
            return consistency_path(old, size, read)

        async with self._engine.connect() as connection:
            return prove(await read_subtrees(connection, contest, size, prove))

    async def _post(self, witness: WitnessAddress, asked: Submission) -> tuple[int, str]:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
            self._session = aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar())
        url, body = f"{witness.url}/add-checkpoint", asked.body.encode()
        async with self._session.post(url, data=body, allow_redirects=False) as response:
            read = bytearray()
            async for chunk in response.content.iter_any():
                read += chunk
                if len(read) > ANSWER_BYTES_MAX:
                    response.close()
                    break
            return response.status, read.decode("utf-8", "replace")
