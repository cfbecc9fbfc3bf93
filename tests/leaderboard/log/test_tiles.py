"""Paths, which tiles a tree has, and trees that grow by tiles."""

import pytest

from leaderboard.log import merkle, tiles
from leaderboard.log.merkle import leaf_hash
from leaderboard.log.tiles import ENTRIES, Edge, Tile, edge_of, read_path, subtrees, tiles_of, tiles_read

LEAVES = [leaf_hash(n.to_bytes(4)) for n in range(70_000)]


@pytest.mark.parametrize(
    ("path", "tile"),
    [
        ("tile/0/000", Tile(0, 0)),
        ("tile/0/000.p/1", Tile(0, 0, 1)),
        ("tile/0/067.p/255", Tile(0, 67, 255)),
        ("tile/63/999", Tile(63, 999)),
        ("tile/1/x001/000", Tile(1, 1000)),
        ("tile/0/x001/x234/067", Tile(0, 1_234_067)),
        ("tile/0/x001/x234/067.p/5", Tile(0, 1_234_067, 5)),
        ("tile/entries/x012/345.p/9", Tile(ENTRIES, 12_345, 9)),
        ("tile/entries/x999/x999/x999/x999/x999/999", Tile(ENTRIES, 10**18 - 1)),
    ],
)
def test_a_path_is_a_tile(path: str, tile: Tile) -> None:
    assert tile.path == path
    assert read_path(path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "",
        "checkpoint",
        "tile/0/0",
        "tile/0/00",
        "tile/0/0000",
        "tile/0/x000/001",
        "tile/0/x001",
        "tile/0/001/002",
        "tile/0/x001/x002",
        "tile/0/x1/002",
        "tile/0/x001/x001/x001/x001/x001/x001/001",
        "tile/00/000",
        "tile/01/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/entry/000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/0/000.p",
        "tile/0/000/",
        "/tile/0/000",
        "tile/0/000\n",
        "tile/0/٠٠٠",
        "tile/0/../000",
    ],
)
def test_what_is_no_path(path: str) -> None:
    assert read_path(path) is None


@pytest.mark.parametrize(
    ("size", "levels"),
    [
        (0, {}),
        (1, {0: (0, 1)}),
        (255, {0: (0, 255)}),
        (256, {0: (1, 0), 1: (0, 1)}),
        (257, {0: (1, 1), 1: (0, 1)}),
        (65_536, {0: (256, 0), 1: (1, 0), 2: (0, 1)}),
        (70_000, {0: (273, 112), 1: (1, 17), 2: (0, 1)}),
    ],
)
def test_the_tiles_of_a_size(size: int, levels: dict[int, tuple[int, int]]) -> None:
    wanted = [Tile(level, n) for level, (full, _) in levels.items() for n in range(full)]
    partial = [Tile(level, full, width) for level, (full, width) in levels.items() if width]
    bundles = [Tile(ENTRIES, tile.index, tile.width) for tile in (*wanted, *partial) if tile.level == 0]
    assert set(tiles_of(size)) == {*wanted, *partial, *bundles}
    assert len(list(tiles_of(size))) == len(wanted) + len(partial) + len(bundles)
    assert edge_of(size) == tuple(partial)
    assert all(tile.within(size) for tile in tiles_of(size))
    assert not any(Tile(tile.level, tile.index, tile.width + 1).within(size) for tile in partial)
    assert [tile.whole for tile in partial] == [Tile(tile.level, tile.index) for tile in partial]


def test_a_tree_grows_by_tiles() -> None:
    """Sizes 0 to 600 one by one: each tile is new, no other is missing, and root and edge are those of the whole."""
    kept: dict[Tile, bytes] = {}
    edge = Edge()
    for size in range(601):
        assert edge.root == merkle.root(LEAVES[:size])
        assert edge == Edge.read(size, kept.__getitem__)
        assert {tile for tile in tiles_of(size) if tile.level != ENTRIES} <= kept.keys()
        edge, made = edge.append(LEAVES[size : size + 1])
        assert [tile for tile, _ in made] == [t for t in tiles_of(size + 1, since=size) if t.level != ENTRIES]
        assert not kept.keys() & {tile for tile, _ in made}
        assert all(len(given) == tile.width * merkle.HASH_BYTES for tile, given in made)
        kept |= dict(made)
    assert edge.append([]) == (edge, [])


def test_a_large_tree_in_steps() -> None:
    """70,000 leaves in batches of any size make the tiles of one batch; proofs read few of them."""
    edge, at_once = Edge().append(LEAVES)
    whole = dict(at_once)
    kept: dict[Tile, bytes] = {}
    grown, size = Edge(), 0
    for batch in (0, 1, 255, 1, 300, 6_000, 58_979, 4_464):
        grown, made = grown.append(LEAVES[size : size + batch])
        size += batch
        kept |= dict(made)
    assert grown == edge == Edge.read(70_000, whole.__getitem__)
    assert edge.root == merkle.root(LEAVES)
    assert kept.items() >= whole.items()

    read = subtrees(size, whole.__getitem__)
    assert merkle.tree_root(size, read) == edge.root
    for index in (0, 255, 256, 65_535, 65_536, 69_887, 69_888, 69_999):
        path = merkle.inclusion_path(index, size, read)
        assert merkle.includes(LEAVES[index], index, size, path, edge.root)
        wanted = tiles_read(size, lambda reader, index=index: merkle.inclusion_path(index, size, reader))  # type: ignore[misc] # a default is not inferred
        assert len(wanted) <= 5
        few = subtrees(size, {tile: whole[tile] for tile in wanted}.__getitem__)
        assert merkle.inclusion_path(index, size, few) == path
    for old in (1, 256, 65_536, 69_632, 69_999):
        proof = merkle.consistency_path(old, size, read)
        assert merkle.consistent(old, size, proof, merkle.root(LEAVES[:old]), edge.root)


@pytest.mark.parametrize("leaves", [(), (b"",), (b"a", b"", b"\x00\x01", b"x" * tiles.LARGEST_LEAF)])
def test_bundles(leaves: tuple[bytes, ...]) -> None:
    bundle = tiles.write_bundle(leaves)
    assert len(bundle) == sum(2 + len(leaf) for leaf in leaves)
    assert tiles.read_bundle(bundle) == leaves


def test_bytes_that_are_no_bundle_and_no_tile() -> None:
    for cut in (b"\x00", b"\x00\x03ab", b"\x00\x01a\x00"):
        with pytest.raises(ValueError, match="the bundle ends within leaf"):
            tiles.read_bundle(cut)
    with pytest.raises(OverflowError):
        tiles.write_bundle([bytes(tiles.LARGEST_LEAF + 1)])
    with pytest.raises(ValueError, match="33 bytes are no hashes of 32"):
        tiles.hashes_in(bytes(33))
