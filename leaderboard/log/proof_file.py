"""The proof file: what shows offline that a leaf is in a log (C2SP tlog-proof)."""

import re
from dataclasses import dataclass
from typing import Final, Self

from leaderboard.log.merkle import HASH_BYTES
from leaderboard.log.notes import NoteWrong, from_base64, to_base64

SUFFIX: Final = ".tlog-proof"
_HEADER: Final = "c2sp.org/tlog-proof@v1"
_INDEX: Final = re.compile(r"index (0|[1-9][0-9]{0,18})")
_EXTRA: Final = "extra "
_LONGEST_PATH: Final = 63


@dataclass(frozen=True, slots=True)
class ProofFile:
    """A proof of inclusion. `index`: of the leaf, from 0. `path`: from its sibling to the root's child. `checkpoint`:
    the signed note, as it was published. `extra`: bytes that nothing vouches for."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: str
    extra: bytes | None = None

    @property
    def written(self) -> str:
        """The file's text."""
        extra = [] if self.extra is None else [f"{_EXTRA}{to_base64(self.extra)}"]
        return "\n".join([_HEADER, *extra, f"index {self.index}", *map(to_base64, self.path), "", self.checkpoint])

    @classmethod
    def read(cls, written: str) -> Self:
        """What a proof file says. NoteWrong where it is none; neither proof nor checkpoint is verified."""
        head, blank, checkpoint = written.partition("\n\n")
        lines = head.split("\n")
        if lines.pop(0) != _HEADER or not blank:
            raise NoteWrong("not a proof file of a log")
        extra = from_base64(lines.pop(0).removeprefix(_EXTRA)) if lines and lines[0].startswith(_EXTRA) else None
        index = _INDEX.fullmatch(lines.pop(0)) if lines else None
        if index is None:
            raise NoteWrong("the proof file says no index")
        path = tuple(map(from_base64, lines))
        if len(path) > _LONGEST_PATH or any(len(one) != HASH_BYTES for one in path):
            raise NoteWrong(f"a proof has {_LONGEST_PATH} hashes of {HASH_BYTES} bytes at most")
        return cls(int(index[1]), path, checkpoint, extra)
