"""Tiles: a tree as files that never change (C2SP tlog-tiles).

A tile is 256 hashes of one height: of leaves at level 0, of complete tiles of the level below above it. An entry bundle
has the leaves behind the hashes of a level-0 tile; here it is a tile of level `ENTRIES`. What lies at the right edge of
a tree are partial tiles, one for each width that a published tree had there.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Self

from leaderboard.log.merkle import EMPTY_ROOT, HASH_BYTES, ReadSubtree, root

WIDTH: Final = 256
ENTRIES: Final = -1
LARGEST_LEAF: Final = 65_535
"""Bytes: a bundle says each leaf's length in two."""
_HEIGHT: Final = 8
# Six groups of three digits are less than 2^63.
_PATH: Final = re.compile(r"tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/){0,5})([0-9]{3})(?:\.p/([0-9]{1,3}))?")
_HIGHEST_LEVEL: Final = 63

ReadTile = Callable[["Tile"], bytes]


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """One tile. `level`: 0 is that of leaves' hashes, `ENTRIES` the leaves. `index`: from 0, within its level. `width`:
    how many hashes or leaves it has."""

    level: int
    index: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """Its address below the log's own, such as `tile/0/x001/x234/067.p/5`."""
        groups = f"{self.index:,}".split(",")
        groups = [f"x{group:0>3}" for group in groups[:-1]] + [f"{groups[-1]:0>3}"]
        level = "entries" if self.level == ENTRIES else self.level
        return f"tile/{level}/{'/'.join(groups)}" + (f".p/{self.width}" if self.width < WIDTH else "")

    @property
    def whole(self) -> Self:
        """The full tile that this one becomes."""
        return type(self)(self.level, self.index)

    def within(self, size: int) -> bool:
        """Whether a tree of this size has all that the tile holds."""
        return self.index * WIDTH + self.width <= _hashes_at(self.level, size)


def read_path(path: str) -> Tile | None:
    """The tile at an address; None for what is none, also where only its spelling is wrong."""
    found = _PATH.fullmatch(path)
    if found is None:
        return None
    level, groups, last, width = found.groups()
    tile = Tile(
        ENTRIES if level == "entries" else int(level),
        int(groups.replace("x", "").replace("/", "") + last),
        WIDTH if width is None else int(width),
    )
    return tile if tile.path == path and tile.level <= _HIGHEST_LEVEL and tile.width else None


def tiles_of(size: int, since: int = 0) -> Iterator[Tile]:
    """The tiles and bundles of a tree of this size, lowest level first; with `since`, those that the tree did not have
    when it had that size."""
    level = ENTRIES
    while (count := _hashes_at(level, size)) > (before := _hashes_at(level, since)):
        for index in range(before // WIDTH, -(-count // WIDTH)):
            yield Tile(level, index, min(WIDTH, count - index * WIDTH))
        level += 1


def edge_of(size: int) -> tuple[Tile, ...]:
    """The partial tiles of a tree of this size, without its bundle: what is needed to append to it."""
    return tuple(
        Tile(level, count // WIDTH, count % WIDTH)
        for level in range(-(-size.bit_length() // _HEIGHT))
        if (count := _hashes_at(level, size)) % WIDTH
    )


@dataclass(frozen=True, slots=True)
class Edge:
    """The right edge of a tree, which is all that appending needs. `hashes`: those of the partial tile of each level,
    from level 0; empty where it has none."""

    size: int = 0
    hashes: tuple[tuple[bytes, ...], ...] = ()

    @classmethod
    def read(cls, size: int, read: ReadTile) -> Self:
        """The edge of a tree of this size, from its partial tiles."""
        partial = {tile.level: hashes_in(read(tile)) for tile in edge_of(size)}
        return cls(size, tuple(partial.get(level, ()) for level in range(max(partial, default=-1) + 1)))

    @property
    def root(self) -> bytes:
        """The root of the tree."""
        lower: tuple[bytes, ...] = ()
        for hashes in self.hashes:
            if hashes:
                lower = (root((*hashes, *lower)),)
        return lower[0] if lower else EMPTY_ROOT

    def append(self, leaves: Iterable[bytes]) -> tuple[Self, list[tuple[Tile, bytes]]]:
        """The edge after leaves, given by their hashes, and the tiles that the tree then has and had not before."""
        added = list(leaves)
        size, made, edge, level = self.size + len(added), [], [], 0
        while added or level < len(self.hashes):
            hashes = [*(self.hashes[level] if level < len(self.hashes) else ()), *added]
            first = _hashes_at(level, self.size) // WIDTH
            parts = [tuple(hashes[start : start + WIDTH]) for start in range(0, len(hashes), WIDTH)] if added else []
            made += [(Tile(level, first + n, len(part)), b"".join(part)) for n, part in enumerate(parts)]
            added = [root(part) for part in parts if len(part) == WIDTH]
            edge.append(tuple(hashes[len(added) * WIDTH :]))
            level += 1
        return type(self)(size, tuple(edge)), made


def subtrees(size: int, read: ReadTile) -> ReadSubtree:
    """Hashes of complete subtrees of a tree of this size, from its tiles."""

    def subtree(height: int, number: int) -> bytes:
        level, rest = divmod(height, _HEIGHT)
        index, start = divmod(number << rest, WIDTH)
        width = min(WIDTH, _hashes_at(level, size) - index * WIDTH)
        return root(hashes_in(read(Tile(level, index, width)))[start : start + (1 << rest)])

    return subtree


def tiles_read(size: int, prove: Callable[[ReadSubtree], object]) -> frozenset[Tile]:
    """The tiles that a proof is made of: to load them before it is made."""
    tiles = set()

    def note(tile: Tile) -> bytes:
        tiles.add(tile)
        return bytes(HASH_BYTES * tile.width)

    prove(subtrees(size, note))
    return frozenset(tiles)


def hashes_in(tile: bytes) -> tuple[bytes, ...]:
    """The hashes of a tile. ValueError where its bytes are not a number of them."""
    if len(tile) % HASH_BYTES:
        raise ValueError(f"{len(tile)} bytes are no hashes of {HASH_BYTES}")
    return tuple(tile[start : start + HASH_BYTES] for start in range(0, len(tile), HASH_BYTES))


def write_bundle(leaves: Iterable[bytes]) -> bytes:
    """Leaves as an entry bundle. OverflowError where one is longer than `LARGEST_LEAF`."""
    return b"".join(len(leaf).to_bytes(2) + leaf for leaf in leaves)


def read_bundle(bundle: bytes) -> tuple[bytes, ...]:
    """The leaves of an entry bundle. ValueError where it ends within one."""
    leaves, at = [], 0
    while at < len(bundle):
        start = at + 2
        at = start + int.from_bytes(bundle[at:start])
        leaves.append(bundle[start:at])
    if at > len(bundle):
        raise ValueError(f"the bundle ends within leaf {len(leaves) - 1}")
    return tuple(leaves)


def _hashes_at(level: int, size: int) -> int:
    """How many hashes, or leaves, a tree of this size has at a level."""
    return size >> _HEIGHT * max(level, 0)
