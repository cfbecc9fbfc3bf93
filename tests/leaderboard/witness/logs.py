"""Logs for witnesses to look at. They differ from a leaf on that is named, so two of them may begin alike."""

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from leaderboard.log.merkle import consistency_path, leaf_hash, root, tree_root
from leaderboard.log.notes import Checkpoint, KeyKind, Note, Signer
from leaderboard.witness.rules import Submission

ORIGIN = "vote.example/c/miss/log"


def key_of(number: int, kind: KeyKind = KeyKind.NOTE, name: str = ORIGIN) -> Signer:
    return Signer(name, kind, Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32))


@dataclass(frozen=True)
class Log:
    """`differs`: the first leaf that is another than in other logs."""

    differs: int = 1 << 20
    origin: str = ORIGIN
    keys: tuple[Signer, ...] = (key_of(1),)

    def read(self, height: int, number: int) -> bytes:
        leaves = range(number << height, (number + 1) << height)
        return root([leaf_hash(b"%d %d" % (index, index >= self.differs)) for index in leaves])

    def checkpoint(self, size: int) -> Checkpoint:
        return Checkpoint(self.origin, size, tree_root(size, self.read))

    def note(self, size: int) -> Note:
        text = self.checkpoint(size).text
        return Note(text, tuple(key.sign(text) for key in self.keys))

    def asks(self, old: int, size: int) -> Submission:
        """The checkpoint of a size, for a witness that has the one of `old`."""
        proof = consistency_path(old, size, self.read) if old <= size else ()
        return Submission(old, proof, self.note(size), self.checkpoint(size))
