"""Append what settlement counted to the logs of contests, and sign what they then state.

Behind settlement and never in its way: committed entries of the tally are read in the order of their numbers, which
have no gap. One builder a contest at a time, by an advisory lock; a second one finds nothing to do. Leaves, tiles and
head of a batch are written together or not at all, and a checkpoint is kept before anybody can read it.
"""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

import orjson
import structlog
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.contests.directory import blackout_of, read_contest
from gateway.orders.store import voter_place
from gateway.storage.audit_log import note
from gateway.storage.rows import document, recordset
from gateway.storage.vault import SealBroken, Vault
from leaderboard.log.acts import acts_of, written_rules
from leaderboard.log.explained import unexplained
from leaderboard.log.keys import LogKeys
from leaderboard.log.leaf import (
    NONCE_BYTES,
    SALT_BYTES,
    AdjustmentLeaf,
    JuryLeaf,
    OpeningLeaf,
    ResultLeaf,
    RulesLeaf,
    SealingLeaf,
    VoteLeaf,
    receipt_hash,
    voter_hash,
)
from leaderboard.log.merkle import ReadSubtree, consistency_path, consistent, leaf_hash
from leaderboard.log.notes import Checkpoint, Note
from leaderboard.log.public_rules import digest_of, public_rules, text_of
from leaderboard.log.sealing import KEY_BYTES, Turn, key_place, seal, turn_of
from leaderboard.log.tiles import Edge, Tile
from leaderboard.log.tree import keep_tiles, read_edge, read_subtrees

BATCH: Final = 1_024
# Between two checkpoints while votes come in.
SIGN_SECONDS: Final = 5
# How often the rules of a contest without new votes are compared with those that were published.
RULES_SECONDS: Final = 60
# One writer a log.
LOCK_SPACE: Final = 0x5910
_log = structlog.get_logger(__name__)

# Heads alone: one row a contest.
_BEHIND: Final = text("""
select c.id from contests c join contest_heads h on h.contest_id = c.id left join log_heads l on l.contest_id = c.id
  left join log_seals s on s.contest_id = c.id and s.opened_index is null
where c.state <> 'draft' and (l.contest_id is null or h.next_seq > l.next_seq or l.size > l.signed_size
  or s.released_at is not null
  or exists (select from jury_sheets y where y.contest_id = c.id and y.number is not null and y.leaf is null)
  or exists (select from certified_results v where v.contest_id = c.id and v.leaf is null)
  or s.number is null and c.blackout_sealed and c.hidden_from <= now() and c.announced_at is null
  or c.state = 'published' and l.checked_at < now() - make_interval(secs => :again))
order by c.id
""").bindparams(again=RULES_SECONDS)
LOCK: Final = text(
    "select pg_try_advisory_xact_lock(:space, hashtext(cast(cast(:contest as uuid) as text))) as locked, now() as now"
)
_HEAD: Final = text("""
select c.slug, c.currency, coalesce(l.size, 0) as size, coalesce(l.next_seq, 1) as next_seq,
  coalesce(l.rules_version, 0) as rules_version, coalesce(l.signed_size, 0) as signed_size, l.signed_at, r.sha256,
  r.document, c.version, l.checked_at, c.hidden_from, c.announcement_at, c.announced_at, c.blackout_sealed,
  s.number as sealing, s.key_cipher, s.released_at,
  (select coalesce(max(number), 0) from log_seals where contest_id = c.id) as sealings
from contests c left join log_heads l on l.contest_id = c.id
  left join log_seals s on s.contest_id = c.id and s.opened_index is null
  left join log_rules r on r.contest_id = c.id and r.version = l.rules_version
where c.id = :contest
""")
# All that the rules document is made of.
_FINGERPRINT: Final = text("""
select md5(concat(c::text,
  (select string_agg(concat_ws('|', k.code, k.name, k.category, k.status), ';' order by k.code) from candidates k
    where k.contest_id = c.id),
  (select string_agg(r::text, ';' order by r.number) from rounds r where r.contest_id = c.id)))
from contests c where c.id = :contest
""")
# Orders are looked up one by one. `explained`: a vote has a payment that counted, for an order of just that; what takes
# one back takes all of it, and its payment counts no more.
_ENTRIES: Final = text("""
select t.seq, t.kind, t.counted_at, t.quantity, t.amount_minor, t.round, t.receipt, t.reason, t.adjusts, k.code,
  cast(floor(extract(epoch from t.counted_at) * 1000) as bigint) as ms, v.id as vote_id, v.voter_cipher,
  case t.kind when 'vote' then
    (v.contest_id, v.candidate_id, v.round, v.quantity, v.amount_minor)
      = (t.contest_id, t.candidate_id, t.round, t.quantity, t.amount_minor)
    and exists (select from payments where reference = t.payment_reference and placed_at = v.placed_at
      and vote_id = v.id and contest_id = t.contest_id and amount_minor = t.amount_minor and settled_at is not null)
  else
    exists (select from tally_entries e join payments p on p.reference = e.payment_reference and p.status <> 'settled'
      where e.contest_id = t.contest_id and e.seq = t.adjusts and e.seq < t.seq
        and (e.candidate_id, e.round, e.quantity, e.amount_minor)
          = (t.candidate_id, t.round, -t.quantity, -t.amount_minor))
  end as explained
from (select * from tally_entries where contest_id = :contest and seq >= :seq order by seq limit :limit) t
  join candidates k on k.id = t.candidate_id
  left join lateral (select * from order_keys where receipt = t.receipt limit 1) o on true
  left join lateral (select * from votes where id = o.vote_id and placed_at = o.placed_at limit 1) v on true
order by t.seq
""")
_SHEETS: Final = text("""
select number, round, juror, points, decided_at,
  cast(floor(extract(epoch from decided_at) * 1000) as bigint) as ms
from jury_sheets where contest_id = :contest and number is not null and leaf is null order by number
""")
_RESULTS: Final = text("""
select number, sha256, cast(floor(extract(epoch from made_at) * 1000) as bigint) as ms
from certified_results where contest_id = :contest and leaf is null order by number
""")
_LEAVES: Final = "index bigint, seq bigint, leaf text, salt bytea"
_KEEP: Final = text(f"""
with a as materialized (select * from {recordset(_LEAVES)}),
leaves as (
  insert into log_leaves (contest_id, index, seq, leaf) select cast(:contest as uuid), index, seq, leaf from a),
salts as (
  insert into log_salts (contest_id, index, salt) select cast(:contest as uuid), index, salt from a
  where salt is not null)
insert into log_heads (contest_id, size, next_seq, rules_version)
values (cast(:contest as uuid), :size, :next_seq, :rules_version)
on conflict (contest_id) do update set size = excluded.size, next_seq = excluded.next_seq,
  rules_version = excluded.rules_version
""")
# An announcement waits for the key that it releases.
_STILL_DARK: Final = text("select announced_at is null from contests where id = :contest for share")
_BEGIN_SEALING: Final = text("""
insert into log_seals (contest_id, number, key_cipher, sha256, began_index)
values (:contest, :number, :cipher, :sha256, :index)
""")
_END_SEALING: Final = text("""
update log_seals set opened_index = :index where contest_id = :contest and number = :number
""")
_KEEP_SHEET: Final = text("update jury_sheets set leaf = :leaf where contest_id = :contest and number = :number")
_KEEP_RESULT: Final = text("update certified_results set leaf = :leaf where contest_id = :contest and number = :number")
_CHECKED: Final = text("update log_heads set checked_at = now() where contest_id = :contest")
_KEEP_RULES: Final = text("""
insert into log_rules (contest_id, version, document, sha256)
values (:contest, :version, cast(:document as text), sha256(convert_to(:document, 'UTF8')))
""")
_SIGNED: Final = text("""
select size, root from log_checkpoints where contest_id = :contest order by size desc limit 1
""")
_KEEP_KEY: Final = text("insert into log_keys (contest_id, key) values (:contest, :key) on conflict do nothing")
_KEEP_CHECKPOINT: Final = text("""
with note as (
  insert into log_checkpoints (contest_id, size, root, note) values (:contest, :size, :root, :note)),
head as (
  update log_heads set signed_size = :size, signed_at = now() where contest_id = :contest)
select 1
""")
_KEEP_COSIGNATURE: Final = text("""
insert into log_cosignatures (contest_id, size, name, line) values (:contest, :size, :name, :line)
""")


@dataclass(frozen=True, slots=True)
class _Made:
    """A leaf before it is kept. `seq`, `salt`: None for what is no entry of the tally."""

    text: bytes
    seq: int | None = None
    salt: bytes | None = None


class LogBuilder:
    """Builds the logs of all contests."""

    def __init__(self, engine: AsyncEngine, vault: Vault, keys: LogKeys) -> None:
        self._engine = engine
        self._auto = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._vault = vault
        self._keys = keys
        self._rules: dict[UUID, str] = {}
        self._versions: dict[UUID, int] = {}
        self._refused: dict[UUID, int] = {}

    async def build(self) -> int:
        """Bring every log up to date; how many leaves were appended. What fails for one contest is logged, and keeps
        no other from its turn."""
        # This runs each second, mostly for nothing: one statement without a transaction.
        async with self._auto.connect() as connection:
            behind = list((await connection.execute(_BEHIND)).scalars())
        return sum([await self._build(contest) for contest in behind])

    async def _build(self, contest: UUID) -> int:
        done, more = 0, True
        while more:
            try:
                appended = await self._turn(contest)
            except Exception:
                self._rules.pop(contest, None)
                self._versions.pop(contest, None)
                _log.exception("log_not_built", contest=str(contest))
                return done
            done, more = done + appended, appended >= BATCH
        return done

    async def _turn(self, contest: UUID) -> int:
        """One transaction: a batch of leaves, and a checkpoint where one is due."""
        async with self._engine.begin() as connection:
            turn = (await connection.execute(LOCK, {"space": LOCK_SPACE, "contest": contest})).one()
            if not turn.locked:
                return 0
            # What is counted is read first: the rules that are read then name all of it, and a result that is certified
            # meanwhile is never behind it.
            sheets = (await connection.execute(_SHEETS, {"contest": contest})).all()
            head = (await connection.execute(_HEAD, {"contest": contest})).one()
            asked = {"contest": contest, "seq": head.next_seq, "limit": BATCH}
            rows = _without_gap(contest, (await connection.execute(_ENTRIES, asked)).all(), head.next_seq)
            rows = await self._explained(connection, contest, head.slug, rows)
            edge = Edge.read(head.size, await read_edge(connection, contest, head.size))
            version, made = head.rules_version, await _new_results(connection, contest, head)
            if rules := await self._new_rules(connection, contest, head, turn.now):
                version, made = version + 1, [*made, rules]
            moment = max([turn.now, *(row.counted_at for row in rows), *(row.decided_at for row in sheets)])
            due = turn_of(blackout_of(head), moment, sealed=head.sealing is not None, released=bool(head.released_at))
            state, key = await self._seal(connection, contest, head, due, turn.now, edge.size + len(made))
            made += state
            for leaf, row in enumerate(sheets, start=edge.size + len(made)):
                await connection.execute(_KEEP_SHEET, {"contest": contest, "number": row.number, "leaf": leaf})
            if made or sheets or rows:
                edge = await self._append(connection, contest, edge, made, (sheets, rows, head, version), key)
            if _due(head, edge.size, turn.now, quiet=not rows):
                await self._sign(connection, contest, head.slug, edge, turn.now)
        return edge.size - int(head.size)

    async def _explained(
        self, connection: AsyncConnection, contest: UUID, slug: str, rows: Sequence[Row[Any]]
    ) -> Sequence[Row[Any]]:
        """The entries before the first one that no order explains: published, it would look like a vote that was paid.
        The log stays there until somebody puts the tally right. It is reported once by each builder."""
        number = next((n for n, row in enumerate(rows) if not row.explained), None)
        if number is None:
            return rows
        entry = rows[number]
        if self._refused.get(contest) != entry.seq:
            self._refused[contest] = entry.seq
            found = {"seq": entry.seq, "kind": entry.kind, "votes": entry.quantity, "candidate": entry.code}
            _log.error("entry_without_order", contest=slug, **found)
            await note(connection, actor="rule", act="log.unpaid", subject=slug, detail=found)
        return rows[:number]

    async def _new_rules(
        self, connection: AsyncConnection, contest: UUID, head: Row[Any], now: datetime
    ) -> _Made | None:
        """The leaf of the rules where they are others than those that were published. An act raises the contest's
        version, and is seen at once; what else changed them, a little later."""
        looked = self._versions.get(contest) == head.version and head.sha256 is not None
        if looked and now - head.checked_at < timedelta(seconds=RULES_SECONDS):
            return None
        self._versions[contest] = head.version
        seen = (await connection.execute(_FINGERPRINT, {"contest": contest})).scalar_one()
        await connection.execute(_CHECKED, {"contest": contest})
        if self._rules.get(contest) == seen and head.sha256 is not None:
            return None
        held = await read_contest(connection, head.slug, None)
        if held is None:
            return None
        self._rules[contest] = seen
        written = text_of(public_rules(held))
        digest, version = digest_of(written), head.rules_version + 1
        if head.sha256 is not None:
            if bytes(head.sha256).hex() == digest:
                return None
            published = orjson.loads(head.document)
            acts, rules = await acts_of(connection, contest), await written_rules(connection, contest)
            if faults := unexplained(published, orjson.loads(written), rules, acts):
                # Published, it would look like a rule. The audit finds it until somebody puts it right.
                _log.error("rules_changed_by_no_act", contest=head.slug, faults=faults)
                await note(
                    connection, actor="rule", act="log.unexplained", subject=head.slug, detail={"faults": faults}
                )
                return None
        await connection.execute(_KEEP_RULES, {"contest": contest, "version": version, "document": written})
        leaf = RulesLeaf(contest=head.slug, version=version, time=int(now.timestamp() * 1000), sha256=digest)
        return _Made(leaf.text)

    async def _seal(
        self, connection: AsyncConnection, contest: UUID, head: Row[Any], due: Turn, now: datetime, index: int
    ) -> tuple[list[_Made], bytes | None]:
        """The leaves that say what is due about keys, from this index on, and the key under which entries are sealed
        then; None: they are plain."""
        key, leaves, asked = None, list[_Made](), {"contest": contest}
        common = {"contest": head.slug, "time": int(now.timestamp() * 1000)}
        if head.sealing is not None:
            key = self._vault.open_bytes(bytes(head.key_cipher), key_place(contest, head.sealing))
        if due.opens and key is not None:
            leaves.append(_Made(OpeningLeaf(**common, key=key.hex()).text))
            await connection.execute(_END_SEALING, {**asked, "number": head.sealing, "index": index})
            key = None
        if due.seals and (await connection.execute(_STILL_DARK, asked)).scalar_one():
            key, number = os.urandom(KEY_BYTES), head.sealings + 1
            hashed = sha256(key)
            new = {"number": number, "sha256": hashed.digest(), "index": index + len(leaves)}
            cipher = self._vault.seal_bytes(key, key_place(contest, number))
            await connection.execute(_BEGIN_SEALING, {**asked, **new, "cipher": cipher})
            leaves.append(_Made(SealingLeaf(**common, sha256=hashed.hexdigest()).text))
        return leaves, key

    async def _append(
        self,
        connection: AsyncConnection,
        contest: UUID,
        edge: Edge,
        first: Sequence[_Made],
        counted: tuple[Sequence[Row[Any]], Sequence[Row[Any]], Row[Any], int],
        key: bytes | None,
    ) -> Edge:
        sheets, rows, head, version = counted

        def sealed(one: _Made) -> _Made:
            return one if key is None else replace(one, text=seal(key, head.slug, one.text, os.urandom(NONCE_BYTES)))

        def make() -> tuple[list[_Made], Edge, list[tuple[Tile, bytes]]]:
            points = (_points(row, head.slug, version) for row in sheets)
            made = [*first, *map(sealed, points), *(sealed(self._leaf(row, head, version)) for row in rows)]
            return made, *edge.append(leaf_hash(one.text) for one in made)

        made, grown, tiles = await asyncio.to_thread(make)
        leaves = [
            {"index": edge.size + n, "seq": one.seq, "leaf": one.text.decode(), "salt": one.salt}
            for n, one in enumerate(made)
        ]
        state = {"size": grown.size, "next_seq": head.next_seq + len(rows), "rules_version": version}
        await connection.execute(_KEEP, {**document(leaves), **state, "contest": contest})
        await keep_tiles(connection, contest, tiles)
        return grown

    def _leaf(self, row: Row[Any], head: Row[Any], version: int) -> _Made:
        common: dict[str, Any] = {
            "contest": head.slug,
            "seq": row.seq,
            "time": row.ms,
            "candidate": row.code,
            "votes": row.quantity,
            "amount": row.amount_minor,
            "currency": head.currency,
            "round": row.round,
            "rules": version,
        }
        if row.kind == "adjustment":
            return _Made(AdjustmentLeaf(**common, adjusts=row.adjusts, reason=row.reason).text, row.seq)
        salt, voter = os.urandom(SALT_BYTES), self._voter(row)
        leaf = VoteLeaf(
            **common,
            receipt=receipt_hash(salt, row.receipt),
            voter=None if voter is None else voter_hash(salt, voter),
        )
        return _Made(leaf.text, row.seq, salt)

    def _voter(self, row: Row[Any]) -> str | None:
        """The voter's number, None where none is known. A seal that is broken is logged: it must not hold up the
        votes behind it."""
        if row.voter_cipher is None:
            return None
        try:
            return self._vault.open(bytes(row.voter_cipher), voter_place(row.vote_id))
        except SealBroken as error:
            _log.error("seal_broken", place=str(error))
            return None

    async def _sign(self, connection: AsyncConnection, contest: UUID, slug: str, edge: Edge, now: datetime) -> None:
        """Keep a checkpoint of this tree, unless it does not begin with the one that was signed last."""
        last = (await connection.execute(_SIGNED, {"contest": contest})).one_or_none()
        if last is not None:

            def prove(read: ReadSubtree) -> tuple[bytes, ...]:
                return consistency_path(last.size, edge.size, read)

            path = prove(await read_subtrees(connection, contest, edge.size, prove))
            if not consistent(last.size, edge.size, path, bytes(last.root), edge.root):
                _log.error("log_inconsistent", contest=slug, signed=last.size, size=edge.size)
                return
        signers, clock = self._keys.signers(contest, slug), self._keys.clock
        written = Checkpoint(self._keys.origin(slug), edge.size, edge.root).text
        signed = Note(written, tuple(one.sign(written) for one in signers))
        keys = [{"contest": contest, "key": one.key.text} for one in (*signers, clock)]
        await connection.execute(_KEEP_KEY, keys)
        named = {"contest": contest, "size": edge.size}
        await connection.execute(_KEEP_CHECKPOINT, {**named, "root": edge.root, "note": signed.written})
        line = clock.sign(written, int(now.timestamp())).line
        await connection.execute(_KEEP_COSIGNATURE, {**named, "name": clock.name, "line": line})


async def _new_results(connection: AsyncConnection, contest: UUID, head: Row[Any]) -> list[_Made]:
    """The leaves of results that were certified since. They stand first: each counts the entries before it."""
    rows = (await connection.execute(_RESULTS, {"contest": contest})).all()
    for leaf, row in enumerate(rows, start=head.size):
        await connection.execute(_KEEP_RESULT, {"contest": contest, "number": row.number, "leaf": leaf})
    return [
        _Made(ResultLeaf(contest=head.slug, number=row.number, time=row.ms, sha256=bytes(row.sha256).hex()).text)
        for row in rows
    ]


def _points(row: Row[Any], contest: str, version: int) -> _Made:
    leaf = JuryLeaf(
        contest=contest,
        sheet=row.number,
        time=row.ms,
        round=row.round,
        juror=row.juror,
        points=row.points,
        rules=version,
        nonce=os.urandom(NONCE_BYTES).hex(),
    )
    return _Made(leaf.text)


def _due(head: Row[Any], size: int, now: datetime, *, quiet: bool) -> bool:
    """Whether a checkpoint is to be signed: at once when no vote comes, else every few seconds."""
    if size == head.signed_size:
        return False
    return quiet or head.signed_at is None or now - head.signed_at >= timedelta(seconds=SIGN_SECONDS)


def _without_gap(contest: UUID, rows: Sequence[Row[Any]], first: int) -> Sequence[Row[Any]]:
    """The rows up to the first number that is missing. Settlement leaves none out, so the gap is an error."""
    for seq, row in enumerate(rows, start=first):
        if row.seq != seq:
            _log.error("log_gap", contest=str(contest), missing=seq, next=row.seq)
            return rows[: seq - first]
    return rows
