"""What we publish, read and verified by tlog-scales, which shares no code with us: RFC 9162 proofs, tiles, bundles,
checkpoints, cosignatures and keys. And the other way round: a log that it writes, read by us."""

from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tlog_scales.backend import LocalBackend
from tlog_scales.reader import TilesReader
from tlog_scales.signing import PlainEd25519Signer, Vkey, VkeySet
from tlog_scales.tlog import Checkpoint as TheirCheckpoint
from tlog_scales.tlog import ConsistencyProof, ConsistencyProofInvalid, InclusionProof, InclusionProofInvalid
from tlog_scales.writer import TilesWriter

from leaderboard.log import merkle
from leaderboard.log.merkle import leaf_hash
from leaderboard.log.notes import Checkpoint, KeyKind, Note, Signer, VerifierKey
from leaderboard.log.tiles import (
    ENTRIES,
    WIDTH,
    Edge,
    Tile,
    hashes_in,
    read_bundle,
    read_path,
    subtrees,
    tiles_of,
    write_bundle,
)

ORIGIN = "vote.example/c/miss/log"
LEAVES = [b'{"n":%d}' % n for n in range(700)]
HASHES = [leaf_hash(leaf) for leaf in LEAVES]
SIGNER = Signer(ORIGIN, KeyKind.NOTE, Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
COSIGNER = Signer("vote.example/time", KeyKind.COSIGNATURE, Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33))))
SIZES = (0, 1, 2, 3, 255, 256, 257, 511, 512, 513, 699, 700)


def published(folder: Path, size: int) -> dict[Tile, bytes]:
    """A log of this size as files, each at its path."""
    edge, made = Edge().append(HASHES[:size])
    files = dict(made)
    for tile in tiles_of(size):
        if tile.level == ENTRIES:
            files[tile] = write_bundle(LEAVES[:size][tile.index * WIDTH :][: tile.width])
    for tile, given in files.items():
        path = folder / tile.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(given)
    text = Checkpoint(ORIGIN, size, edge.root).text
    note = Note(text, (SIGNER.sign(text), COSIGNER.sign(text, 1_790_000_000)))
    (folder / "checkpoint").write_text(note.written, "utf-8")
    return files


def text_of(key: Vkey) -> str:
    return str(key.serialize())  # type: ignore[no-untyped-call] # it has no types


@pytest.mark.parametrize("size", SIZES)
def test_our_log_read_by_them(size: int, tmp_path: Path) -> None:
    files = published(tmp_path, size)
    reader = TilesReader(LocalBackend(tmp_path))
    checkpoint = reader.get_checkpoint()
    assert (checkpoint.origin, checkpoint.size) == (ORIGIN, size)
    assert checkpoint.root_hash == reader.calculate_root_hash()
    ours = subtrees(size, files.__getitem__)
    for index in {0, size // 2, size - 1} if size else set():
        assert reader.get_entry(index) == LEAVES[index]
        path = list(merkle.inclusion_path(index, size, ours))
        assert path == reader.get_inclusion_proof(index, size).node_hashes
        InclusionProof(index, size, path).check(HASHES[index], checkpoint.root_hash)
    for old in (old for old in SIZES if old <= size):
        path = list(merkle.consistency_path(old, size, ours))
        ConsistencyProof(old, size, path).check(merkle.root(HASHES[:old]), checkpoint.root_hash)

    theirs = [Vkey.from_string(signer.key.text) for signer in (SIGNER, COSIGNER)]
    verified = {text_of(key) for key, _ in VkeySet(*theirs).verify(checkpoint.signatures, checkpoint)}
    assert verified == {SIGNER.key.text, COSIGNER.key.text}
    assert checkpoint.serialize() == (tmp_path / "checkpoint").read_text("utf-8")


def test_every_proof_of_small_trees_and_none_of_another() -> None:
    @cache
    def read(height: int, number: int) -> bytes:
        return merkle.root(HASHES[number << height : (number + 1) << height])

    roots = [merkle.root(HASHES[:size]) for size in range(66)]
    for size in range(1, 65):
        for index in range(size):
            path = list(merkle.inclusion_path(index, size, read))
            InclusionProof(index, size, path).check(HASHES[index], roots[size])
            with pytest.raises(InclusionProofInvalid):
                InclusionProof(index, size, path).check(HASHES[index], roots[size + 1])
        for old in range(size + 1):
            path = list(merkle.consistency_path(old, size, read))
            ConsistencyProof(old, size, path).check(roots[old], roots[size])
            if old:
                with pytest.raises(ConsistencyProofInvalid):
                    ConsistencyProof(old, size, path).check(roots[old], roots[size + 1])


def test_their_log_read_by_us(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    writer = TilesWriter.create(folder, ORIGIN)
    signer = PlainEd25519Signer(ORIGIN, bytes(range(2, 34)))
    for size in (1, 300, 512, 700):
        for leaf in LEAVES[writer.size : size]:
            writer.add_leaf(leaf)
        writer.commit([signer])
    note = Note.read((folder / "checkpoint").read_text("utf-8"))
    assert [one.key.text for one in note.verified([VerifierKey.read(text_of(signer.vkey))])] == [text_of(signer.vkey)]
    checkpoint = Checkpoint.read(note.text)
    files = {
        tile: file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and (tile := read_path(file.relative_to(folder).as_posix())) is not None
    }
    assert set(files) >= set(tiles_of(700))
    assert Edge.read(700, files.__getitem__).root == checkpoint.root == merkle.root(HASHES)
    assert b"".join(files[Tile(0, n)] for n in range(2)) == b"".join(HASHES[:512])
    assert hashes_in(files[Tile(1, 0, 2)]) == (merkle.root(HASHES[:256]), merkle.root(HASHES[256:512]))
    bundles = sorted(tile for tile in files if tile.level == ENTRIES)
    assert [leaf for tile in bundles for leaf in read_bundle(files[tile])] == LEAVES


def test_a_changed_checkpoint_is_refused_by_them(tmp_path: Path) -> None:
    published(tmp_path, 3)
    written = (tmp_path / "checkpoint").read_text("utf-8")
    keys = VkeySet(*(Vkey.from_string(signer.key.text) for signer in (SIGNER, COSIGNER)))
    changed = TheirCheckpoint.from_text(written.replace(f"{ORIGIN}\n3\n", f"{ORIGIN}\n4\n"))
    assert keys.verify(changed.signatures, changed) == set()
