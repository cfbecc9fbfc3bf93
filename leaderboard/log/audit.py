"""The log of a contest against all that it was made of: every leaf, hash, tile and checkpoint is computed anew.

One read-only snapshot. What the tables say and the log does not is found here also where the tables agree with each
other, as after a vote was moved in all of them.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from hashlib import sha256
from itertools import pairwise
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.contests.directory import read_contest
from gateway.orders.store import voter_place
from gateway.storage.vault import SealBroken, Vault
from leaderboard.log.acts import acts_of, written_rules
from leaderboard.log.explained import renamed_without_act, unexplained
from leaderboard.log.leaf import (
    Counted,
    Entry,
    JuryLeaf,
    LeafWrong,
    OpeningLeaf,
    ResultLeaf,
    RulesLeaf,
    SealedLeaf,
    SealingLeaf,
    VoteLeaf,
    read_leaf,
    receipt_hash,
    voter_hash,
)
from leaderboard.log.merkle import leaf_hash
from leaderboard.log.notes import Checkpoint, Note, NoteWrong, VerifierKey
from leaderboard.log.public_rules import digest_of, public_rules, text_of
from leaderboard.log.sealing import key_place, leaf_key, opened
from leaderboard.log.tiles import Edge, Tile
from leaderboard.log.tree import TreeBroken, read_tiles

Progress = Callable[[str, int, int], None]
"""Called with a contest, leaves checked and leaves in all."""

_PAGE: Final = 2_048
_CONTESTS: Final = text("""
select c.id, c.slug, c.currency, h.next_seq as tally_next, l.size, l.next_seq, l.signed_size
from contests c join contest_heads h on h.contest_id = c.id left join log_heads l on l.contest_id = c.id
where c.state <> 'draft' and (cast(:slug as text) is null or c.slug = :slug) order by c.slug
""")
_LEAVES: Final = text("""
select l.index as place, l.seq as logged_seq, l.leaf, s.salt, t.seq, t.kind, t.quantity, t.amount_minor, t.round,
  t.receipt, t.reason, t.adjusts, cast(floor(extract(epoch from t.counted_at) * 1000) as bigint) as ms, k.code,
  v.id as vote_id, v.voter_cipher, v.quantity as ordered, b.code as order_code,
  p.status as payment_status
from (select * from log_leaves where contest_id = :contest and index >= :first order by index limit :limit) l
  left join log_salts s on s.contest_id = l.contest_id and s.index = l.index
  left join tally_entries t on t.contest_id = l.contest_id and t.seq = l.seq
  left join candidates k on k.id = t.candidate_id
  left join lateral (select * from order_keys where receipt = t.receipt limit 1) o on true
  left join lateral (select * from votes where id = o.vote_id and placed_at = o.placed_at limit 1) v on true
  left join candidates b on b.id = v.candidate_id
  left join lateral (select * from payments where reference = t.payment_reference limit 1) p on true
order by l.index
""")
_RULES: Final = text("select version, document, sha256 from log_rules where contest_id = :contest order by version")
# What two persons did is in the acts of staff as well.
_RESULTS: Final = text("""
select v.number, v.leaf, v.sha256, cast(floor(extract(epoch from v.made_at) * 1000) as bigint) as ms, exists (
    select from audit_log e where e.contest_id = v.contest_id and e.act = 'result.certified'
      and e.detail->>'sha256' = encode(v.sha256, 'hex') and e.actor <> e.detail->>'approved_by') as by_two
from certified_results v where v.contest_id = :contest order by v.number
""")
_CHECKPOINTS: Final = text("""
select p.size, p.root, p.note, array(select g.line from log_cosignatures g where g.contest_id = p.contest_id
  and g.size = p.size) as lines
from log_checkpoints p where p.contest_id = :contest order by p.size
""")
_KEYS: Final = text("select key from log_keys where contest_id = :contest")
_SEALS: Final = text("""
select k.number, k.key_cipher, k.sha256, k.released_at is null or exists (
    select from audit_log e where e.contest_id = k.contest_id and e.act = 'contest.announce' and e.at = k.released_at
      and e.actor = k.asked_by and e.detail->>'approved_by' = k.agreed_by) as by_two,
  k.released_at is not null or c.hidden_from <= now() and c.announced_at is null as dark
from log_seals k join contests c on c.id = k.contest_id where k.contest_id = :contest
""")
# What staff entered and confirmed, as their acts say.
_SHEETS: Final = text("""
select s.number, s.leaf, s.round, s.juror, s.points,
  cast(floor(extract(epoch from s.decided_at) * 1000) as bigint) as ms, exists (
    select from audit_log e join audit_log c on c.contest_id = e.contest_id and c.detail->>'id' = e.detail->>'id'
    where e.contest_id = s.contest_id and e.detail->>'id' = cast(s.id as text) and e.act = 'jury.enter'
      and c.act = 'jury.confirm' and e.actor <> c.actor and e.detail->'points' = s.points
      and c.detail->'number' = to_jsonb(s.number)) as by_two
from jury_sheets s where s.contest_id = :contest and s.number is not null order by s.number
""")
_STRAY: Final = text("""
select seq from tally_entries t where contest_id = :contest and seq < :next and not exists (
  select from log_leaves l where l.contest_id = t.contest_id and l.seq = t.seq) order by seq limit 100
""")
_WAITING: Final = text("""
select k.code, t.round, sum(t.quantity) as votes, sum(t.amount_minor) as amount, count(*) as entries
from tally_entries t join candidates k on k.id = t.candidate_id where t.contest_id = :contest and t.seq >= :next
group by 1, 2
""")
_TOTALS: Final = text("""
select k.code, t.round, t.votes, t.amount_minor from candidate_totals t join candidates k on k.id = t.candidate_id
where t.contest_id = :contest
""")


async def audit_logs(
    engine: AsyncEngine, vault: Vault, slug: str | None = None, progress: Progress = lambda *_: None
) -> dict[str, list[str]]:
    """What is wrong with the log of each contest, a sentence each: no sentence, and all is well. `slug`: this one
    alone."""
    async with engine.connect() as plain:
        connection = await plain.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        async with connection.begin():
            rows = (await connection.execute(_CONTESTS, {"slug": slug})).all()
            return {row.slug: await _Audit(connection, vault, row, progress).run() for row in rows}


class _Missing(Exception):
    """A leaf is not there; its index."""


class _Audit:
    """One contest's. `found`: the sentences."""

    def __init__(self, connection: AsyncConnection, vault: Vault, contest: Row[Any], progress: Progress) -> None:
        self._connection = connection
        self._vault = vault
        self._contest = contest
        self._progress = progress
        self._edge = Edge()
        self._tiles: dict[tuple[int, int], bytes] = {}
        self._sums: defaultdict[tuple[str, int], list[int]] = defaultdict(lambda: [0, 0])
        self._documents: dict[int, str] = {}
        self._version = 0
        self._seq = 0
        self._keys: dict[int, bytes] = {}
        self._key: bytes | None = None
        self._sealings = 0
        self._sheets: dict[int, Row[Any]] = {}
        self._sheet = 0
        self._results: dict[int, Row[Any]] = {}
        self._result = 0
        self.found: list[str] = []

    async def run(self) -> list[str]:
        if self._contest.size is None:
            if self._contest.tally_next > 1:
                self.found.append("votes are counted and there is no log")
            return self.found
        await self._read_rules()
        await self._read_keys()
        await self._read_sheets()
        await self._read_results()
        checkpoints = (await self._connection.execute(_CHECKPOINTS, self._asked)).all()
        keys = [VerifierKey.read(key) for key in (await self._connection.execute(_KEYS, self._asked)).scalars()]
        try:
            for row in checkpoints:
                await self._read_to(row.size)
                self._check_checkpoint(row, keys)
            await self._read_to(self._contest.size + 1)
        except _Missing as missing:
            self.found.append(f"leaf {missing} is missing; what is behind it is not checked")
            return self.found
        if self._edge.size != self._contest.size:
            self.found.append(f"the log has {self._edge.size} leaves, and its head says {self._contest.size}")
        self.found += [
            f"sheet {row.number} of the jury is not in the log"
            for row in self._sheets.values()
            if row.leaf is not None and row.number > self._sheet
        ]
        self.found += [
            f"certified result {row.number} is not in the log"
            for row in self._results.values()
            if row.leaf is not None and row.number > self._result
        ]
        await self._check_tiles()
        await self._check_totals()
        await self._check_names()
        return self.found

    @property
    def _asked(self) -> dict[str, Any]:
        return {"contest": self._contest.id}

    async def _read_rules(self) -> None:
        for row in await self._connection.execute(_RULES, self._asked):
            self._documents[row.version] = row.document

    async def _read_keys(self) -> None:
        for row in await self._connection.execute(_SEALS, self._asked):
            if not row.by_two:
                self.found.append(f"the key {row.number} that seals entries: no two persons released it")
            if not row.dark:
                self.found.append(f"the key {row.number} that seals entries is not released, and the ranking is shown")
            try:
                key = self._vault.open_bytes(bytes(row.key_cipher), key_place(self._contest.id, row.number))
            except SealBroken:
                self.found.append(f"the key {row.number} that seals entries does not open")
                continue
            self._keys[row.number] = key
            if sha256(key).digest() != bytes(row.sha256):
                self.found.append(f"the key {row.number} that seals entries has another hash than is shown")

    async def _read_results(self) -> None:
        for row in await self._connection.execute(_RESULTS, self._asked):
            self._results[row.number] = row
            if not row.by_two:
                self.found.append(f"certified result {row.number}: no two persons signed it")

    async def _read_sheets(self) -> None:
        for row in await self._connection.execute(_SHEETS, self._asked):
            self._sheets[row.number] = row
            if not row.by_two:
                self.found.append(f"sheet {row.number} of the jury: no two persons entered and confirmed it so")

    async def _read_to(self, size: int) -> None:
        """Go on with the leaves until the tree has this size."""
        while self._edge.size < size:
            limit = min(_PAGE, size - self._edge.size)
            asked = {**self._asked, "first": self._edge.size, "limit": limit}
            rows = (await self._connection.execute(_LEAVES, asked)).all()
            hashes = []
            for index, row in enumerate(rows, start=self._edge.size):
                if row.place != index:
                    raise _Missing(index)
                hashes.append(leaf_hash(row.leaf.encode()))
                self._check_leaf(row)
            self._edge = self._appended(hashes)
            self._progress(self._contest.slug, self._edge.size, self._contest.size)
            if len(rows) < limit:
                return

    def _appended(self, hashes: Sequence[bytes]) -> Edge:
        edge, made = self._edge.append(hashes)
        self._tiles |= {(tile.level, tile.index): held for tile, held in made}
        return edge

    def _check_leaf(self, row: Row[Any]) -> None:
        at = f"leaf {row.place}"
        try:
            leaf = read_leaf(row.leaf.encode())
        except LeafWrong as error:
            self.found.append(f"{at} is none: {error}")
            return
        if leaf.contest != self._contest.slug:
            self.found.append(f"{at} is of the contest {leaf.contest}")
        if isinstance(leaf, RulesLeaf):
            self._check_rules(at, leaf)
        elif isinstance(leaf, ResultLeaf):
            self._check_result(at, leaf, row.place)
        elif isinstance(leaf, SealingLeaf | OpeningLeaf):
            self._check_key(at, leaf)
        elif isinstance(leaf, SealedLeaf):
            try:
                self._check_counted(at, self._opened(leaf), row)
            except LeafWrong as error:
                self.found.append(f"{at} does not open: {error}")
                self._seq += 1
        else:
            if self._key is not None:
                self.found.append(f"{at} is an entry that anyone reads, and entries are sealed there")
            self._check_counted(at, leaf, row)

    def _check_rules(self, at: str, leaf: RulesLeaf) -> None:
        self._version += 1
        document = self._documents.get(leaf.version)
        if leaf.version != self._version:
            self.found.append(f"{at} has version {leaf.version} of the rules where {self._version} follows")
        elif document is None or digest_of(document) != leaf.sha256:
            self.found.append(f"{at} and the document of version {leaf.version} of the rules differ")

    def _check_result(self, at: str, leaf: ResultLeaf, place: int) -> None:
        """A certified result against the one that is kept."""
        self._result += 1
        held = self._results.get(leaf.number)
        if leaf.number != self._result:
            self.found.append(f"{at} is certified result {leaf.number}, and number {self._result} belongs here")
        elif held is None or (held.leaf, held.ms, bytes(held.sha256).hex()) != (place, leaf.time, leaf.sha256):
            self.found.append(f"{at}: certified result {leaf.number} is another one than is kept")

    def _check_counted(self, at: str, leaf: Counted, row: Row[Any]) -> None:
        if leaf.rules != self._version:
            self.found.append(f"{at}: it names version {leaf.rules} of the rules, and the last one is {self._version}")
        if isinstance(leaf, JuryLeaf):
            self._check_sheet(at, leaf, row.place)
        else:
            self._check_entry(at, leaf, row)

    def _check_sheet(self, at: str, leaf: JuryLeaf, place: int) -> None:
        """A jury's points against those that were confirmed."""
        self._sheet += 1
        if leaf.sheet != self._sheet:
            self.found.append(f"{at} is sheet {leaf.sheet} of the jury, and sheet {self._sheet} belongs here")
        row = self._sheets.get(leaf.sheet)
        held = None if row is None else (row.leaf, row.ms, row.round, row.juror, row.points)
        if held != (place, leaf.time, leaf.round, leaf.juror, leaf.points):
            self.found.append(f"{at}: sheet {leaf.sheet} of the jury is another one than was confirmed")

    def _check_entry(self, at: str, leaf: Entry, row: Row[Any]) -> None:
        self._seq += 1
        at = f"{at}, entry {leaf.seq}"
        if leaf.seq != self._seq or row.logged_seq != leaf.seq:
            self.found.append(f"{at}: entry {self._seq} belongs here")
        one = self._sums[leaf.candidate, leaf.round]
        one[0], one[1] = one[0] + leaf.votes, one[1] + leaf.amount
        if row.seq is None:
            self.found.append(f"{at}: the tally has no such entry any more")
            return
        self.found += [
            f"{at}: {name} is {logged!r} in the log and {held!r} in the tally"
            for name, logged, held in _compared(leaf, row)
            if logged != held
        ]
        if isinstance(leaf, VoteLeaf):
            self._check_order(at, leaf, row)

    def _check_key(self, at: str, leaf: SealingLeaf | OpeningLeaf) -> None:
        """A leaf about a key, against the keys as they are kept."""
        if isinstance(leaf, SealingLeaf):
            if self._key is not None:
                self.found.append(f"{at} seals what is sealed already")
            self._sealings += 1
            self._key = self._keys.get(self._sealings, b"")
            if sha256(self._key).hexdigest() != leaf.sha256:
                self.found.append(f"{at}: the key {self._sealings} that is kept is not the one that it states")
            return
        if self._key is None:
            self.found.append(f"{at} opens what is not sealed")
        elif leaf.key != self._key.hex():
            self.found.append(f"{at}: it is not the key {self._sealings} that is kept")
        self._key = None

    def _opened(self, leaf: SealedLeaf) -> Counted:
        if self._key is None:
            raise LeafWrong("nothing is sealed here")
        return opened(leaf_key(self._key, bytes.fromhex(leaf.nonce)), leaf)

    def _check_order(self, at: str, leaf: VoteLeaf, row: Row[Any]) -> None:
        """A vote against its order; hashes where their salt is still kept."""
        if row.vote_id is None or row.payment_status is None:
            self.found.append(f"{at}: there is no {'order' if row.vote_id is None else 'payment'} for it")
            return
        if (row.order_code, row.ordered) != (leaf.candidate, leaf.votes):
            self.found.append(f"{at}: the order is {row.ordered} votes for {row.order_code}")
        if row.salt is None:
            return
        salt = bytes(row.salt)
        if leaf.receipt != receipt_hash(salt, row.receipt):
            self.found.append(f"{at}: the receipt is another one than in the tally")
        try:
            voter = self._voter(row)
        except SealBroken:
            self.found.append(f"{at}: the voter's number does not open")
            return
        if leaf.voter != (None if voter is None else voter_hash(salt, voter)):
            self.found.append(f"{at}: the voter's number is another one than of the order")

    def _voter(self, row: Row[Any]) -> str | None:
        if row.voter_cipher is None:
            return None
        return self._vault.open(bytes(row.voter_cipher), voter_place(row.vote_id))

    def _check_checkpoint(self, row: Row[Any], keys: Sequence[VerifierKey]) -> None:
        at = f"the checkpoint of size {row.size}"
        if self._edge.size != row.size:
            self.found.append(f"{at}: the log has {self._edge.size} leaves by then")
            return
        try:
            note = Note.read("".join((row.note, *(f"{line}\n" for line in row.lines))))
            stated = Checkpoint.read(note.text)
            note.verified(keys)
        except NoteWrong as error:
            self.found.append(f"{at}: {error}")
            return
        if not stated.origin.endswith(f"/c/{self._contest.slug}/log"):
            self.found.append(f"{at} is of another log: {stated.origin}")
        if (stated.size, stated.root) != (row.size, bytes(row.root)) or stated.root != self._edge.root:
            self.found.append(f"{at}: its root is not that of the leaves")

    async def _check_tiles(self) -> None:
        wanted = {key: Tile(*key, width=len(held) // 32) for key, held in self._tiles.items()}
        keys = list(wanted)
        for start in range(0, len(keys), _PAGE):
            part = [wanted[key] for key in keys[start : start + _PAGE]]
            read = await read_tiles(self._connection, self._contest.id, part)
            for tile in part:
                try:
                    same = read(tile) == self._tiles[tile.level, tile.index]
                except TreeBroken:
                    same = False
                if not same:
                    self.found.append(f"{tile.path} is not what the leaves give")

    async def _check_totals(self) -> None:
        """Totals against the sums of the leaves and of the entries that wait for the log."""
        asked = {**self._asked, "next": self._contest.next_seq}
        self.found += [
            f"entry {seq} of the tally is not in the log"
            for seq in (await self._connection.execute(_STRAY, asked)).scalars()
        ]
        for row in await self._connection.execute(_WAITING, asked):
            one = self._sums[row.code, row.round]
            one[0], one[1] = one[0] + int(row.votes), one[1] + int(row.amount)
        held = {
            (row.code, row.round): [row.votes, row.amount_minor]
            for row in await self._connection.execute(_TOTALS, self._asked)
        }
        for key in sorted({*held, *self._sums}):
            logged, total = self._sums.get(key, [0, 0]), held.get(key, [0, 0])
            if logged != total:
                code, number = key
                self.found.append(
                    f"candidate {code}{f' in round {number}' if number else ''} has {total[0]} votes for {total[1]} "
                    f"in the totals, and {logged[0]} for {logged[1]} by the log"
                )

    async def _check_names(self) -> None:
        """Rules and names as they are now, and as they were published, against what acts of staff wrote."""
        contest = await read_contest(self._connection, self._contest.slug, None)
        if contest is None or not self._documents:
            return
        acts = await acts_of(self._connection, self._contest.id)
        documents = [json.loads(self._documents[version]) for version in sorted(self._documents)]
        for older, newer in pairwise(documents):
            self.found += renamed_without_act(older, newer, acts)
        written = await written_rules(self._connection, self._contest.id)
        self.found += unexplained(documents[-1], json.loads(text_of(public_rules(contest))), written, acts)


def _compared(leaf: Entry, row: Row[Any]) -> list[tuple[str, object, object]]:
    """Each field of a leaf of an entry, as logged and as the tally has it."""
    fields = {
        "kind": row.kind,
        "candidate": row.code,
        "votes": row.quantity,
        "amount": row.amount_minor,
        "round": row.round,
        "time": row.ms,
    }
    if row.kind == "adjustment":
        fields |= {"adjusts": row.adjusts, "reason": row.reason}
    return [(name, getattr(leaf, name, None), held) for name, held in fields.items()]
