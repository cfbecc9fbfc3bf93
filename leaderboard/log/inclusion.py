"""What shows that a counted vote is in its contest's log: its leaf, the proof, and the newest checkpoint."""

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.storage.vault import Vault
from leaderboard.log.leaf import SealedLeaf, read_leaf
from leaderboard.log.merkle import ReadSubtree, inclusion_path
from leaderboard.log.proof_file import ProofFile
from leaderboard.log.sealing import key_place, leaf_key
from leaderboard.log.tree import read_subtrees

_LOGGED: Final = text("""
select l.contest_id, l.index as leaf_index, l.leaf, s.salt, k.number as sealing, k.key_cipher, p.size, p.note,
  array(select g.line from log_cosignatures g where g.contest_id = p.contest_id and g.size = p.size
    order by g.made_at, g.name) as lines,
  array(select k.key from log_keys k where k.contest_id = l.contest_id order by k.since desc, k.key) as keys
from tally_entries t
  join log_leaves l on l.contest_id = t.contest_id and l.seq = t.seq
  left join log_salts s on s.contest_id = l.contest_id and s.index = l.index
  left join log_seals k on k.contest_id = l.contest_id and k.began_index < l.index
    and (k.opened_index is null or k.opened_index > l.index)
  join lateral (
    select * from log_checkpoints c
    where c.contest_id = l.contest_id and (c.size = :size or cast(:size as bigint) is null)
    order by c.size desc limit 1) p on p.size > l.index
where t.receipt = :receipt and t.kind = 'vote'
""")


@dataclass(frozen=True, slots=True)
class Inclusion:
    """`index`: of the leaf, from 0. `size`: of the tree that the checkpoint states. `path`: from the leaf's sibling to
    the root's child. `checkpoint`: with its cosignatures. `salt`: opens the leaf's receipt and voter, for the holder
    of the receipt alone; None once it is deleted. `keys`: every key that signed for the log. `leaf_key`: opens a leaf
    that is sealed, this one alone, for the same holder."""

    index: int
    size: int
    leaf: bytes
    path: tuple[bytes, ...]
    checkpoint: str
    salt: bytes | None
    keys: tuple[str, ...] = ()
    leaf_key: bytes | None = None

    @property
    def origin(self) -> str:
        """Of the log, as the checkpoint has it."""
        return self.checkpoint.partition("\n")[0]

    @property
    def file(self) -> str:
        """The proof as a file. It has no salt: it may be handed on."""
        return ProofFile(self.index, self.path, self.checkpoint, self.leaf).written


class Inclusions:
    """Reads them."""

    def __init__(self, engine: AsyncEngine, vault: Vault) -> None:
        self._engine = engine
        self._vault = vault

    async def of(self, receipt: str, size: int | None = None) -> Inclusion | None:
        """That of the vote with a receipt; None until a checkpoint has it. `size`: of the checkpoint, where it is not
        to be the newest; None where there is none of this size. TreeBroken where tiles are missing, SealBroken where
        the key of a sealed leaf does not open."""
        async with self._engine.connect() as connection:
            row = (await connection.execute(_LOGGED, {"receipt": receipt, "size": size})).one_or_none()
            if row is None:
                return None
            index, leaves = int(row.leaf_index), int(row.size)

            def prove(read: ReadSubtree) -> tuple[bytes, ...]:
                return inclusion_path(index, leaves, read)

            path = prove(await read_subtrees(connection, row.contest_id, leaves, prove))
        checkpoint = "".join((row.note, *(f"{line}\n" for line in row.lines)))
        salt = None if row.salt is None else bytes(row.salt)
        key = self._leaf_key(row)
        return Inclusion(index, leaves, row.leaf.encode(), path, checkpoint, salt, tuple(row.keys), key)

    def _leaf_key(self, row: Row[Any]) -> bytes | None:
        leaf = read_leaf(row.leaf.encode())
        if not isinstance(leaf, SealedLeaf):
            return None
        key = self._vault.open_bytes(bytes(row.key_cipher), key_place(row.contest_id, row.sealing))
        return leaf_key(key, bytes.fromhex(leaf.nonce))
