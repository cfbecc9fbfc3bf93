"""A counted vote in a log of its own, as the log's builder and a witness would have it."""

from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from leaderboard.log.inclusion import Inclusion
from leaderboard.log.leaf import VoteLeaf, receipt_hash, voter_hash
from leaderboard.log.merkle import inclusion_path, leaf_hash
from leaderboard.log.notes import Checkpoint, KeyKind, Note, Signer
from leaderboard.log.sealing import leaf_key, seal
from leaderboard.log.tiles import Edge, subtrees
from payments.collection.order_views import ReceiptView

SALT = bytes(range(16))
ORIGIN = "vote.example/c/star/log"
LOG = Signer(ORIGIN, KeyKind.NOTE, Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
WITNESS = Signer("witness.example", KeyKind.COSIGNATURE, Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33))))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def logged(vote: ReceiptView, size: int, key: bytes | None = None) -> Inclusion:
    """The vote in a log of this size, at the index of its number, cosigned by the witness. `key`: under which it is
    sealed."""
    leaf = VoteLeaf(
        contest=vote.contest_slug,
        seq=vote.tally_number,
        time=(vote.counted_at - _EPOCH) // timedelta(milliseconds=1),
        candidate=vote.candidate_code,
        votes=vote.quantity,
        amount=vote.amount.amount_minor,
        currency=vote.amount.currency,
        round=0,
        rules=1,
        receipt=receipt_hash(SALT, vote.receipt),
        voter=voter_hash(SALT, "+2250501020304"),
    ).text
    if key is not None:
        leaf = seal(key, vote.contest_slug, leaf, SALT)
    path, root = _proved(leaf, vote.tally_number, size)
    text = Checkpoint(ORIGIN, size, root).text
    note = Note(text, (LOG.sign(text), WITNESS.sign(text, 1_790_000_000))).written
    return Inclusion(
        vote.tally_number, size, leaf, path, note, SALT, (LOG.key.text,), None if key is None else leaf_key(key, SALT)
    )


@cache
def _proved(leaf: bytes, index: int, size: int) -> tuple[tuple[bytes, ...], bytes]:
    leaves = [b"%d" % n for n in range(size)]
    leaves[index] = leaf
    edge, made = Edge().append(map(leaf_hash, leaves))
    return inclusion_path(index, size, subtrees(size, dict(made).__getitem__)), edge.root
