"""Whatever comes in is read as what it says or refused in words: a change of some bytes is never something else."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leaderboard.log.leaf import LeafWrong, read_leaf
from leaderboard.log.notes import Checkpoint, Note, NoteWrong, VerifierKey
from leaderboard.log.proof_file import ProofFile
from leaderboard.log.tiles import read_path
from tests.leaderboard.log.test_leaf import ADJUSTMENT
from tests.leaderboard.log.test_notes import CHECKPOINT, GO_KEY, NOTE


def as_text(read: Callable[[str], str]) -> Callable[[bytes], bytes]:
    def read_bytes(given: bytes) -> bytes:
        return read(given.decode("utf-8", "replace")).encode()

    return read_bytes


def as_path(path: str) -> str:
    tile = read_path(path)
    if tile is None:
        raise NoteWrong("not a path")
    return tile.path


READERS: dict[str, tuple[bytes, Callable[[bytes], bytes]]] = {
    "leaf": (ADJUSTMENT.text, lambda given: read_leaf(given).text),
    "note": (NOTE.written.encode(), as_text(lambda given: Note.read(given).written)),
    "checkpoint": (CHECKPOINT.text.encode(), as_text(lambda given: Checkpoint.read(given).text)),
    "key": (GO_KEY.encode(), as_text(lambda given: VerifierKey.read(given).text)),
    "path": (b"tile/0/x001/x234/067.p/5", as_text(as_path)),
    "proof": (
        ProofFile(5, (bytes(32), bytes(32)), NOTE.written, b"more").written.encode(),
        as_text(lambda given: ProofFile.read(given).written),
    ),
}


@pytest.mark.parametrize("kind", READERS)
@given(
    at=st.floats(0, 1), dropped=st.integers(0, 3), put=st.binary(max_size=3) | st.sampled_from([b"\n", b"\n\n", b" "])
)
@settings(max_examples=60)
def test_what_is_read_is_written_alike(kind: str, at: float, dropped: int, put: bytes) -> None:
    whole, read = READERS[kind]
    cut = int(at * len(whole))
    changed = whole[:cut] + put + whole[cut + dropped :]
    try:
        written = read(changed)
    except (LeafWrong, NoteWrong):
        assert changed != whole
        return
    if kind == "checkpoint":  # lines after the third say nothing
        assert changed.decode("utf-8", "replace").startswith(written.decode())
    else:
        assert written in (changed, changed.decode("utf-8", "replace").encode())
