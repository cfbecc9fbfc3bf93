"""Merkle tree hashes and proofs (RFC 9162 section 2.1, with SHA-256).

A proof is made from hashes of complete subtrees, which a caller reads from where it keeps them, and checked by the
algorithms of the RFC, which share no step with the making.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Final

ReadSubtree = Callable[[int, int], bytes]
"""The hash of the complete subtree of a height with a number: `(h, n)` is that of leaves `n << h` to `(n + 1) << h`."""

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = sha256(b"").digest()


def leaf_hash(leaf: bytes) -> bytes:
    """The hash of a leaf's content."""
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of a node with two children."""
    return sha256(b"\x01" + left + right).digest()


def root(hashes: Sequence[bytes]) -> bytes:
    """The root over hashes of leaves, or of complete subtrees of one height, the last of which may be a lower one's."""
    if not hashes:
        return EMPTY_ROOT
    while len(hashes) > 1:
        pairs = [node_hash(left, right) for left, right in zip(hashes[::2], hashes[1::2], strict=False)]
        hashes = [*pairs, *hashes[len(pairs) * 2 :]]
    return hashes[0]


def tree_root(size: int, read: ReadSubtree) -> bytes:
    """The root of a tree of this size."""
    return _range_hash(0, size, read) if size else EMPTY_ROOT


def inclusion_path(index: int, size: int, read: ReadSubtree) -> tuple[bytes, ...]:
    """The proof that the leaf at an index, from 0, is in a tree of this size: from its sibling to the root's child.
    ValueError where the tree has no such leaf."""
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has none at {index}")
    start, end = 0, size
    path = []
    while end - start > 1:
        middle = start + _left_size(end - start)
        if index < middle:
            path.append(_range_hash(middle, end, read))
            end = middle
        else:
            path.append(_range_hash(start, middle, read))
            start = middle
    return tuple(reversed(path))


def consistency_path(old: int, new: int, read: ReadSubtree) -> tuple[bytes, ...]:
    """The proof that a tree of size `new` begins with the one of size `old`; empty where `old` is 0 or `new`.
    ValueError where `old` is above `new`."""
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {new} leaves cannot begin with {old}")
    if old == 0:
        return ()
    start, end = 0, new
    path = []
    while end != old:
        middle = start + _left_size(end - start)
        if old <= middle:
            path.append(_range_hash(middle, end, read))
            end = middle
        else:
            path.append(_range_hash(start, middle, read))
            start = middle
    if start:  # else it is the old root, which the checker has
        path.append(_range_hash(start, end, read))
    return tuple(reversed(path))


def includes(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether a path proves that a tree of this size and root has a leaf, given by its hash, at an index (section
    2.1.3.2)."""
    if not 0 <= index < size:
        return False
    at, last, made = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if at & 1 or at == last:
            made = node_hash(sibling, made)
            at, last = _skip(at, last)
        else:
            made = node_hash(made, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and made == root


def consistent(old: int, new: int, path: Sequence[bytes], old_root: bytes, new_root: bytes) -> bool:
    """Whether a path proves that the tree of size `new` begins with the one of size `old` (section 2.1.4.2). Every tree
    begins with the empty one."""
    if not 0 <= old <= new:
        return False
    if old == 0 and old_root != EMPTY_ROOT:
        return False
    if old == new:
        return not path and old_root == new_root
    if old == 0:
        return not path
    hashes = [old_root, *path] if old & (old - 1) == 0 else list(path)
    if not hashes:
        return False
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    old_made = new_made = hashes[0]
    for one in hashes[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            old_made, new_made = node_hash(one, old_made), node_hash(one, new_made)
            at, last = _skip(at, last)
        else:
            new_made = node_hash(new_made, one)
        at, last = at >> 1, last >> 1
    return last == 0 and old_made == old_root and new_made == new_root


def _left_size(size: int) -> int:
    """The leaves of the left child: the largest power of two below the size."""
    return 1 << (size - 1).bit_length() - 1


def _skip(at: int, last: int) -> tuple[int, int]:
    """Up past the levels at which a node is promoted without a sibling."""
    while at and not at & 1:
        at, last = at >> 1, last >> 1
    return at, last


def _range_hash(start: int, end: int, read: ReadSubtree) -> bytes:
    """The hash over leaves from `start` to before `end`, which are one node of a tree."""
    subtrees = []
    while start < end:
        height = (end - start).bit_length() - 1
        subtrees.append(read(height, start >> height))
        start += 1 << height
    made = subtrees.pop()
    while subtrees:
        made = node_hash(subtrees.pop(), made)
    return made
