"""How entries of a log are published while nobody may read them: each encrypted, under a key that is fixed before.

A leaf's key opens that leaf alone. Keys by HKDF-SHA256 (RFC 5869) without salt: the leaf's of the sealing's and the
leaf's nonce, the pad of a block of the leaf's key and the number of the block.
"""

from base64 import b64decode, b64encode
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.contests.blackout import Blackout
from leaderboard.log.leaf import Counted, LeafWrong, SealedLeaf, read_leaf

KEY_BYTES: Final = 32
# Leaves are padded with spaces to whole blocks, so that their length does not show what they say.
BLOCK_BYTES: Final = 512


@dataclass(frozen=True, slots=True)
class Turn:
    """What a turn of the builder appends before entries. `opens`: the key that is released; `seals`, after it: the hash
    of a fresh one."""

    opens: bool
    seals: bool


def turn_of(blackout: Blackout | None, moment: datetime, *, sealed: bool, released: bool) -> Turn:
    """What is due. `moment`: now, or when the last of the entries was counted, if that is later: nothing that was
    counted in the dark is plain. `sealed`: a key was fixed, and is not published; `released`: it is to be."""
    opens = sealed and released
    dark = blackout is not None and blackout.sealed and blackout.announced_at is None and blackout.begins_at <= moment
    return Turn(opens, seals=dark and (opens or not sealed))


def leaf_key(key: bytes, nonce: bytes) -> bytes:
    """What opens the one leaf with this nonce."""
    return _derived(key, b"leaf " + nonce, KEY_BYTES)


def seal(key: bytes, contest: str, plain: bytes, nonce: bytes) -> bytes:
    """The text of the leaf that hides another one. `nonce`: 16 random bytes, never used again."""
    hidden = _masked(leaf_key(key, nonce), plain.ljust(-(-len(plain) // BLOCK_BYTES) * BLOCK_BYTES))
    return SealedLeaf(contest=contest, nonce=nonce.hex(), cipher=b64encode(hidden).decode()).text


def opened(key_of_leaf: bytes, sealed: SealedLeaf) -> Counted:
    """The entry or points that a leaf hides. LeafWrong."""
    given = _masked(key_of_leaf, b64decode(sealed.cipher))
    plain = given.rstrip(b" ")
    if len(given) - len(plain) >= BLOCK_BYTES:
        raise LeafWrong("it is padded with more than a block")
    leaf = read_leaf(plain)
    if not isinstance(leaf, Counted):
        raise LeafWrong(f"it hides a leaf of the kind {leaf.kind}")
    return leaf


def key_place(contest: UUID, number: int) -> str:
    """Where the key of a sealing is kept."""
    return f"log_seals.key_cipher:{contest}:{number}"


def _masked(key: bytes, given: bytes) -> bytes:
    pads = (_derived(key, b"block %d" % n, BLOCK_BYTES) for n in range(len(given) // BLOCK_BYTES))
    pad = int.from_bytes(b"".join(pads), "big")
    return (int.from_bytes(given, "big") ^ pad).to_bytes(len(given), "big")


def _derived(key: bytes, info: bytes, length: int) -> bytes:
    return HKDF(SHA256(), length, salt=None, info=info).derive(key)
