"""The checkpoints that a witness cosigned, in SQLite.

What is asked for is compared with the newest checkpoint and kept in one transaction that locks the file first: of two
requests at once, one sees what the other kept. It is on disk before it is answered.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from threading import Lock
from typing import Final

from leaderboard.log.notes import Checkpoint, Signature
from leaderboard.witness.rules import Refused, Submission, refusal

# `logs`: the newest checkpoint of each. `contradictions`: of a size for which the log signed another root before.
_TABLES: Final = """
create table if not exists logs (
  origin text primary key, size integer not null, root blob not null, note text not null, seconds integer not null
) without rowid;
create table if not exists checkpoints (
  origin text not null, size integer not null, root blob not null, note text not null, primary key (origin, size)
) without rowid;
create table if not exists contradictions (
  origin text not null, size integer not null, note text not null, primary key (origin, size)) without rowid
"""
_NEWEST: Final = "select size, root, seconds from logs where origin = ?"
_KEEP: Final = "insert or replace into checkpoints values (:origin, :size, :root, :note)"
_KEEP_NEWEST: Final = "insert or replace into logs values (:origin, :size, :root, :note, :seconds)"
_CONTRADICTS: Final = "select 1 from checkpoints where origin = :origin and size = :size and root <> :root"
_KEEP_CONTRADICTION: Final = "insert or ignore into contradictions values (:origin, :size, :note)"
_ALL: Final = """
select l.origin, l.size, l.root, l.note, l.seconds,
  (select max(x.size) from contradictions x where x.origin = l.origin) as contradicted
from logs l order by l.origin
"""
_NOTE: Final = "select note from logs where origin = ?"


@dataclass(frozen=True, slots=True)
class Kept:
    """The newest checkpoint of a log. `seconds`: Unix time of the cosignature; `contradicted`: size of a tree for which
    the log signed another root as well, None where it did not."""

    checkpoint: Checkpoint
    note: str
    seconds: int
    contradicted: int | None


class Seen:
    """What was seen. sqlite3.Error where the file cannot be read or written."""

    def __init__(self, path: Path) -> None:
        self._lock = Lock()
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
        self._connection.execute("pragma journal_mode = wal")
        # Of a commit that only the log file of the system has, a power cut leaves nothing.
        self._connection.execute("pragma synchronous = full")
        self._connection.executescript(_TABLES)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()

    def cosign(self, asked: Submission, sign: Callable[[str, int], Signature], seconds: int) -> Signature:
        """The cosignature of a checkpoint that a trusted key signed, kept with it. Refused."""
        new = asked.checkpoint
        row = {"origin": new.origin, "size": new.size, "root": new.root, "seconds": seconds}
        with self._transaction() as run:
            size, root, signed = run(_NEWEST, (new.origin,)).fetchone() or (0, None, 0)
            if run(_CONTRADICTS, row).fetchone():
                run(_KEEP_CONTRADICTION, {**row, "note": asked.note.written})
            found = refusal(asked, None if root is None else Checkpoint(new.origin, size, root))
            if found is None and seconds < signed:
                found = Refused(HTTPStatus.SERVICE_UNAVAILABLE, "the clock of this witness went back")
            if found is None:
                line = sign(asked.note.text, seconds)
                note = replace(asked.note, signatures=(*asked.note.signatures, line)).written
                run(_KEEP, {**row, "note": note})
                run(_KEEP_NEWEST, {**row, "note": note})
        if found is not None:
            raise found
        return line

    def all(self) -> list[Kept]:
        """The newest checkpoint of every log."""
        with self._lock:
            rows = self._connection.execute(_ALL).fetchall()
        return [Kept(Checkpoint(origin, size, root), *rest) for origin, size, root, *rest in rows]

    def newest(self, origin: str) -> str | None:
        """The newest checkpoint of a log, with its cosignature. `origin`: also as its SHA-256 in hexadecimal."""
        hashed = (one.note for one in self.all() if sha256(one.checkpoint.origin.encode()).hexdigest() == origin)
        with self._lock:
            row = self._connection.execute(_NOTE, (origin,)).fetchone()
        return next(hashed, None) if row is None else str(row[0])

    @contextmanager
    def _transaction(self) -> Iterator[Callable[..., sqlite3.Cursor]]:
        with self._lock, self._connection:
            self._connection.execute("begin immediate")
            yield self._connection.execute
