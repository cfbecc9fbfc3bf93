"""What a witness answers (C2SP tlog-witness, add-checkpoint)."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Final, Self
from urllib.parse import urlsplit

from leaderboard.log.merkle import EMPTY_ROOT, HASH_BYTES, consistent
from leaderboard.log.notes import Checkpoint, KeyKind, Note, NoteWrong, Signature, VerifierKey, from_base64, to_base64

MOST_HASHES: Final = 63
SIZE_TYPE: Final = "text/x.tlog.size"
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}")
_OLD: Final = re.compile(rf"old ({_SIZE.pattern})")

Logs = Mapping[str, tuple[VerifierKey, ...]]
"""The keys that are trusted for each log, by its origin."""


class Refused(Exception):
    """A checkpoint is not cosigned. `size`: what the witness has, where that is the answer."""

    def __init__(self, status: HTTPStatus, text: str, size: int | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.size = size

    @property
    def body(self) -> str:
        """What is answered."""
        return f"{self if self.size is None else self.size}\n"


@dataclass(frozen=True, slots=True)
class Submission:
    """A checkpoint with the proof that its tree begins with the one of size `old`."""

    old: int
    proof: tuple[bytes, ...]
    note: Note
    checkpoint: Checkpoint

    @property
    def body(self) -> str:
        """It as it is sent."""
        return "\n".join((f"old {self.old}", *map(to_base64, self.proof), "", self.note.written))

    @classmethod
    def read(cls, body: bytes) -> Self:
        """What was sent. Refused where it is no such request."""
        try:
            head, _, written = body.decode().partition("\n\n")
            note = Note.read(written)
            return cls(*_read_head(head), note, Checkpoint.read(note.text))
        except UnicodeDecodeError:
            raise Refused(HTTPStatus.BAD_REQUEST, "not UTF-8") from None
        except NoteWrong as error:
            raise Refused(HTTPStatus.BAD_REQUEST, str(error)) from None

    def trusted(self, logs: Logs) -> Self:
        """The same with the signatures of trusted keys alone. Refused for a log that is not known, and where no trusted
        key signed."""
        keys = logs.get(self.checkpoint.origin)
        if not keys:
            raise Refused(HTTPStatus.NOT_FOUND, "this witness does not know the log")
        try:
            signed = self.note.verified(keys)
        except NoteWrong as error:
            raise Refused(HTTPStatus.FORBIDDEN, str(error)) from None
        ids = {(one.key.name, one.key.key_id) for one in signed}
        lines = tuple(line for line in self.note.signatures if (line.name, line.key_id) in ids)
        return replace(self, note=Note(self.note.text, lines))


def refusal(asked: Submission, last: Checkpoint | None) -> Refused | None:
    """Why a checkpoint that a trusted key signed is not cosigned; None where it is. `last`: the newest one that was."""
    new = asked.checkpoint
    has = 0 if last is None else last.size
    if asked.old > new.size:
        return Refused(HTTPStatus.BAD_REQUEST, "the old size is above the new one")
    if asked.old != has:
        return Refused(HTTPStatus.CONFLICT, "the old size is not the one that the witness has", has)
    old_root = EMPTY_ROOT if last is None else last.root
    if not consistent(has, new.size, asked.proof, old_root, new.root):
        return Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "this log does not go on from what the witness has")
    return None


def _read_head(head: str) -> tuple[int, tuple[bytes, ...]]:
    """The old size and the proof. NoteWrong."""
    first, *hashes = head.split("\n")
    old = _OLD.fullmatch(first)
    if old is None or len(hashes) > MOST_HASHES:
        raise NoteWrong(f"first comes a line like 'old 12', then {MOST_HASHES} hashes at most")
    proof = tuple(from_base64(line) for line in hashes)
    if any(len(one) != HASH_BYTES for one in proof):
        raise NoteWrong(f"a hash has {HASH_BYTES} bytes")
    return int(old[1]), proof


def read_logs(lines: Iterable[str]) -> Logs:
    """The logs whose keys are listed, a key a line; a log may have several. NoteWrong.

    Empty lines, those that begin with `#`, and keys that state a time are passed over, so that what a log publishes as
    its keys may be copied as it is.
    """
    found: dict[str, tuple[VerifierKey, ...]] = {}
    for line in filter(None, (line.strip() for line in lines)):
        if line.startswith("#"):
            continue
        key = VerifierKey.read(line)
        if key.kind is KeyKind.NOTE and key not in found.get(key.name, ()):
            found[key.name] = (*found.get(key.name, ()), key)
    return found


@dataclass(frozen=True, slots=True)
class WitnessAddress:
    """A witness that somebody runs. `url`: what `/add-checkpoint` follows."""

    key: VerifierKey
    url: str


def read_witnesses(given: str) -> tuple[WitnessAddress, ...]:
    """Witnesses as they are set: `key address`, separated by commas. Raises ValueError."""
    found = []
    for part in filter(None, (part.strip() for part in given.split(","))):
        written, _, url = part.partition(" ")
        key = VerifierKey.read(written)
        if key.kind is not KeyKind.COSIGNATURE:
            raise ValueError(f"{key.name} is not the key of a witness: its cosignatures state no time")
        if urlsplit(url.strip()).scheme not in ("http", "https"):
            raise ValueError(f"{key.name}: after the key comes a space and the address, https://…")
        found.append(WitnessAddress(key, url.strip().rstrip("/")))
    if len({one.key.name for one in found}) < len(found):
        raise ValueError("a witness is there twice")
    return tuple(found)


def cosignature_in(answer: str, key: VerifierKey, checkpoint: str) -> Signature | None:
    """The line of an answer that this key made over a checkpoint's text; None where there is none, or a wrong one."""
    for written in answer.splitlines():
        try:
            line = Signature.read(written)
            if (line.name, line.key_id) == (key.name, key.key_id) and key.verify(checkpoint, line.made):
                return line
        except NoteWrong:
            continue
    return None


def size_in(answer: str) -> int | None:
    """The size that a witness answers it has; None where it is none."""
    return int(answer) if _SIZE.fullmatch(answer.strip()) else None
