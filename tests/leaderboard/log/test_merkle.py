"""Roots that others published, every proof of small trees, and what no proof may pass."""

from collections.abc import Sequence
from functools import cache
from hashlib import sha256

import pytest

from leaderboard.log import merkle
from leaderboard.log.merkle import EMPTY_ROOT, ReadSubtree, leaf_hash, node_hash

# The eight inputs and nine roots that implementations of Certificate Transparency are tested with.
CLASSIC = [bytes.fromhex(leaf) for leaf in ("", "00", "10", "2021", "3031", "40414243")] + [
    bytes(range(0x50, 0x58)),
    bytes(range(0x60, 0x70)),
]
CLASSIC_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
LARGEST = 64
LEAVES = [leaf_hash(b"leaf %d" % n) for n in range(LARGEST)]


def by_the_definition(hashes: Sequence[bytes]) -> bytes:
    """The recursion of section 2.1.1."""
    if len(hashes) < 2:
        return hashes[0] if hashes else sha256(b"").digest()
    left = max(1 << n for n in range(8) if 1 << n < len(hashes))
    return node_hash(by_the_definition(hashes[:left]), by_the_definition(hashes[left:]))


def subtrees(leaves: Sequence[bytes]) -> ReadSubtree:
    """Hashes of complete subtrees, and of nothing else."""

    @cache
    def read(height: int, number: int) -> bytes:
        part = leaves[number << height : (number + 1) << height]
        assert len(part) == 1 << height
        return by_the_definition(part)

    return read


ROOTS = [by_the_definition(LEAVES[:size]) for size in range(LARGEST + 1)]


@pytest.mark.parametrize("size", range(9))
def test_published_roots(size: int) -> None:
    hashes = [leaf_hash(leaf) for leaf in CLASSIC[:size]]
    assert merkle.root(hashes).hex() == CLASSIC_ROOTS[size]
    assert merkle.tree_root(size, subtrees(hashes)).hex() == CLASSIC_ROOTS[size]


def test_published_proofs() -> None:
    read = subtrees([leaf_hash(leaf) for leaf in CLASSIC])
    fifth = leaf_hash(CLASSIC[5])
    assert [one.hex() for one in merkle.inclusion_path(5, 8, read)] == [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]
    assert merkle.includes(fifth, 5, 8, merkle.inclusion_path(5, 8, read), bytes.fromhex(CLASSIC_ROOTS[8]))
    assert [one.hex() for one in merkle.consistency_path(6, 8, read)] == [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]


def test_roots_of_all_small_trees() -> None:
    for size in range(LARGEST + 1):
        assert merkle.root(LEAVES[:size]) == merkle.tree_root(size, subtrees(LEAVES)) == ROOTS[size]


def spoiled(path: Sequence[bytes]) -> list[list[bytes]]:
    """A proof with one bit changed in each hash, one hash dropped, one doubled, two exchanged."""
    given = list(path)
    wrong = [[*given, bytes(32)], [bytes(32), *given]]
    for n, one in enumerate(given):
        flipped = bytes([*one[:-1], one[-1] ^ 1])
        wrong += [[*given[:n], flipped, *given[n + 1 :]], given[:n] + given[n + 1 :], [*given[:n], one, *given[n:]]]
    if len(given) > 1:
        wrong.append([given[1], given[0], *given[2:]])
    return wrong


def test_every_inclusion_proof_and_what_is_none() -> None:
    read = subtrees(LEAVES)
    for size in range(1, LARGEST + 1):
        root = ROOTS[size]
        for index in range(size):
            path = merkle.inclusion_path(index, size, read)
            leaf = LEAVES[index]
            assert merkle.includes(leaf, index, size, path, root)
            assert not merkle.includes(leaf, index, size, path, ROOTS[size - 1])
            assert not merkle.includes(LEAVES[index - 1], index, size, path, root) or size == 1
            assert not merkle.includes(leaf, index + 1, size, path, root)
            assert not merkle.includes(leaf, index - 1, size, path, root)
            if size in (1, 7, 8, 33):
                assert not any(merkle.includes(leaf, index, size, wrong, root) for wrong in spoiled(path))


def test_every_consistency_proof_and_what_is_none() -> None:
    read = subtrees(LEAVES)
    for new in range(LARGEST + 1):
        for old in range(new + 1):
            path = merkle.consistency_path(old, new, read)
            assert merkle.consistent(old, new, path, ROOTS[old], ROOTS[new])
            assert not merkle.consistent(old, new, path, bytes(32), ROOTS[new])
            assert not merkle.consistent(new, old, path, ROOTS[new], ROOTS[old]) or old == new
            if old:
                assert not merkle.consistent(old, new, path, ROOTS[old], bytes(32))
                assert not merkle.consistent(old - 1, new, path, ROOTS[old], ROOTS[new])
            if new in (1, 7, 8, 33):
                spoilt = spoiled(path)
                assert not any(merkle.consistent(old, new, wrong, ROOTS[old], ROOTS[new]) for wrong in spoilt)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (5, 5), (-1, 5)])
def test_a_leaf_that_is_not_there_has_no_proof(index: int, size: int) -> None:
    with pytest.raises(ValueError, match=f"a tree of {size} leaves has none at {index}"):
        merkle.inclusion_path(index, size, subtrees(LEAVES))
    assert not merkle.includes(LEAVES[0], index, size, (), EMPTY_ROOT)


@pytest.mark.parametrize(("old", "new"), [(6, 5), (-1, 5)])
def test_a_tree_begins_with_no_larger_one(old: int, new: int) -> None:
    with pytest.raises(ValueError, match=f"a tree of {new} leaves cannot begin with {old}"):
        merkle.consistency_path(old, new, subtrees(LEAVES))
    assert not merkle.consistent(old, new, (), ROOTS[5], ROOTS[5])
