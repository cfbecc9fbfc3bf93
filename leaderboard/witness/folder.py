"""What a witness has on disk: its key, the logs that it trusts, and the checkpoints that it cosigned."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from leaderboard.log.notes import KeyKind, NoteWrong, Signer, VerifierKey, from_base64, to_base64
from leaderboard.witness.rules import Logs, read_logs
from leaderboard.witness.store import Seen

_PRIVATE: Final = "PRIVATE+KEY"
_OWNER_ALONE: Final = 0o600
_log = structlog.get_logger(__name__)


class FolderWrong(Exception):
    """The folder cannot be used; the text is one sentence for who runs the witness."""


class Folder:
    """A folder of one witness, made where it is not there. FolderWrong, OSError, sqlite3.Error."""

    def __init__(self, path: Path, name: str = "", logs: Sequence[str] = ()) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self._named = tuple(logs)
        for key in logs:
            _check(key)
        self._list = path / "logs.txt"
        self._read_at: int | None = None
        self._logs: Logs = {}
        self.checkpoints: Final = path / "checkpoints.db"
        self.signer: Final = _signer(path / "key", name, self.checkpoints)

    @property
    def logs(self) -> Logs:
        """The trusted logs. The list is read again when it changed; what is wrong with it is logged, and the former one
        holds. OSError; FolderWrong where there is no former one."""
        try:
            changed = self._list.stat().st_mtime_ns
        except FileNotFoundError:
            changed = 0
        if changed != self._read_at:
            try:
                lines = self._list.read_text("utf-8").splitlines() if changed else []
                self._logs = read_logs((*self._named, *lines))
            except (NoteWrong, UnicodeDecodeError) as error:
                if self._read_at is None:
                    raise FolderWrong(f"{self._list}: {error}") from None
                _log.error("logs_not_read", file=str(self._list), error=str(error))
            self._read_at = changed
        return self._logs

    def add(self, keys: Iterable[VerifierKey]) -> None:
        """Trust these keys too. OSError."""
        with self._list.open("a", encoding="utf-8") as out:
            # After what may be a line without its end.
            out.write("".join(("\n", *(f"{key.text}\n" for key in keys))))
            out.flush()
            os.fsync(out.fileno())


def _check(log: str) -> None:
    try:
        known = read_logs((log,))
    except NoteWrong as error:
        raise FolderWrong(f"--log: {error}") from None
    if not known:
        raise FolderWrong(f"--log: {log!r} is not the key of a log")


def _signer(path: Path, name: str, checkpoints: Path) -> Signer:
    if path.exists() and not checkpoints.exists():
        raise FolderWrong(f"{checkpoints} is gone: a witness that lost what it saw begins anew, under another name")
    if not path.exists():
        if not name:
            raise FolderWrong("a new witness wants a name that only it has: --name newspaper.example/witness")
        made = Signer(name, KeyKind.COSIGNATURE, Ed25519PrivateKey.generate())
        try:
            VerifierKey.read(made.key.text)
        except NoteWrong:
            raise FolderWrong(f"--name: {name!r} has a space or a plus sign") from None
        Seen(checkpoints).close()
        _write(path, made)
    return _read(path, name)


def _write(path: Path, made: Signer) -> None:
    """Keep a key for ever before it is used. The form is that of Go's sumdb/note."""
    seed = bytes([made.kind]) + made.private.private_bytes_raw()
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ALONE), "w", encoding="utf-8") as out:
        out.write(f"{_PRIVATE}+{made.name}+{made.key.key_id.hex()}+{to_base64(seed)}\n")
        out.flush()
        os.fsync(out.fileno())
    part.replace(path)


def _read(path: Path, name: str) -> Signer:
    try:
        private, kind, held, key_id, encoded = path.read_text("utf-8").strip().split("+", 4)
        seed = from_base64(encoded)
        read = Signer(held, KeyKind(seed[0]), Ed25519PrivateKey.from_private_bytes(seed[1:]))
    except (ValueError, IndexError):
        raise FolderWrong(f"{path} is damaged; put back the key from a backup") from None
    if f"{private}+{kind}" != _PRIVATE or read.kind is not KeyKind.COSIGNATURE or read.key.key_id.hex() != key_id:
        raise FolderWrong(f"{path} is not the key of a witness")
    if name not in ("", held):
        raise FolderWrong(f"--name: this witness is {held}; a new name wants a new folder")
    return read
