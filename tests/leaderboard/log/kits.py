"""Recount kits made of the pure formats: files by name, whole and right."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.contests.contest import CandidateStatus, TieBreak
from gateway.contests.rules import canonical
from leaderboard.final import final_rankings
from leaderboard.log.leaf import (
    AdjustmentLeaf,
    Counted,
    JuryLeaf,
    Leaf,
    OpeningLeaf,
    ResultLeaf,
    RulesLeaf,
    SealingLeaf,
    VoteLeaf,
    read_leaf,
)
from leaderboard.log.merkle import leaf_hash, root
from leaderboard.log.notes import Checkpoint, KeyKind, Note, Signer
from leaderboard.log.sealing import seal
from leaderboard.result.document import FORMAT, ResultDocument, board_of
from tests.demo import demo_contest

SLUG = "miss"
ORIGIN = f"vote.example/c/{SLUG}/log"
OPENS = 1_790_000_000_000  # 2026-09-21T14:13:20Z
DAY = 86_400_000
INSTANT = datetime.fromtimestamp((OPENS + DAY) / 1000, UTC)
PRICE = 100
KEY = bytes(range(32))


def signer(name: str, kind: KeyKind, seed: int) -> Signer:
    return Signer(name, kind, Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32))


LOG = signer(ORIGIN, KeyKind.NOTE, 1)
CLOCK = signer("vote.example/time", KeyKind.COSIGNATURE, 2)
WITNESS = signer("paper.example/witness", KeyKind.COSIGNATURE, 3)

RULES: dict[str, Any] = {
    "format": "spotlight public rules 1",
    "name": "Miss Étoile",
    "contest": SLUG,
    "country": "CI",
    "currency": "XOF",
    "price_minor": PRICE,
    "quantity_max": 10_000,
    "opens_at": "2026-09-21T14:13:20Z",
    "closes_at": "2026-09-23T14:13:20Z",
    "late_seconds": 600,
    "tie_break": "earliest",
    "formula": "votes",
    "candidates": [
        {"code": "07", "name": "Awa Koné", "category": "Nord", "status": "approved"},
        {"code": "12", "name": "Aïcha Bamba", "category": "Sud", "status": "approved"},
        {"code": "31", "name": "Fatou Diallo", "category": "Nord", "status": "approved"},
    ],
}


JURY = {"votes_percent": 70, "jury_percent": 30, "points_max": 100}


def evicted(rules: dict[str, Any], code: str) -> dict[str, Any]:
    people = [{**one, "status": "evicted"} if one["code"] == code else one for one in rules["candidates"]]
    return {**rules, "candidates": people}


@dataclass
class Log:
    """Leaves as they come, with the numbers that they must have."""

    leaves: list[Leaf]
    documents: list[bytes]
    price: int = PRICE
    seq: int = 0
    sheet: int = 0
    key: bytes | None = None
    """Under which entries are sealed."""
    entries: list[Counted] = field(default_factory=list)
    results: list[bytes] = field(default_factory=list)

    @classmethod
    def new(cls, rules: dict[str, Any] = RULES) -> "Log":
        return cls([], []).rules(rules)

    def rules(self, rules: dict[str, Any], time: int = OPENS - DAY) -> "Log":
        self.documents.append(canonical(rules))
        digest = sha256(self.documents[-1]).hexdigest()
        self.leaves.append(RulesLeaf(contest=SLUG, version=len(self.documents), time=time, sha256=digest))
        self.price = rules["price_minor"]
        return self

    def _common(self) -> dict[str, Any]:
        self.seq += 1
        time = OPENS + self.seq * 1000
        return {"contest": SLUG, "seq": self.seq, "time": time, "currency": "XOF", "rules": len(self.documents)}

    def vote(self, candidate: str, votes: int = 1, **other: Any) -> "Log":
        common = {**self._common(), "candidate": candidate, "votes": votes, "amount": votes * self.price, "round": 0}
        salted = sha256(b"%d" % self.seq).hexdigest()
        return self.entry(VoteLeaf(**{**common, "receipt": salted, "voter": salted if self.seq % 3 else None, **other}))

    def take_back(self, seq: int, **other: Any) -> "Log":
        [vote] = [one for one in self.entries if isinstance(one, VoteLeaf) and one.seq == seq]
        common = {**self._common(), "candidate": vote.candidate, "round": vote.round, "adjusts": seq}
        sums = {"votes": -vote.votes, "amount": -vote.amount, "reason": "refund"}
        return self.entry(AdjustmentLeaf(**{**common, **sums, **other}))

    def jury(self, juror: int, points: dict[str, int], **other: Any) -> "Log":
        self.sheet += 1
        named = {"contest": SLUG, "sheet": self.sheet, "time": OPENS + DAY, "rules": len(self.documents), "round": 0}
        named["nonce"] = sha256(b"%d" % self.sheet).hexdigest()[:32]
        return self.entry(JuryLeaf(**{**named, "juror": juror, "points": points, **other}))

    def entry(self, made: Counted) -> "Log":
        self.entries.append(made)
        self.leaves.append(made if self.key is None else read_leaf(sealed(made.text, self.key)))
        return self

    def sealing(self, key: bytes = KEY) -> "Log":
        self.key = key
        self.leaves.append(SealingLeaf(contest=SLUG, time=OPENS, sha256=sha256(key).hexdigest()))
        return self

    def opening(self, key: bytes = KEY) -> "Log":
        self.key = None
        self.leaves.append(OpeningLeaf(contest=SLUG, time=OPENS, key=key.hex()))
        return self

    def result(self, **other: Any) -> "Log":
        """Two persons certify what is counted so far. `other`: fields of the document that are otherwise."""
        rules = json.loads(self.documents[-1])
        people = tuple(
            replace(
                demo_contest().candidates[0],
                **{name: one[name] for name in ("code", "name", "category")},
                status=CandidateStatus(one["status"]),
                evicted_at=INSTANT if one["status"] == "evicted" else None,
            )
            for one in rules["candidates"]
        )
        contest = replace(
            demo_contest(),
            candidates=people,
            categories=("Nord", "Sud"),
            tie_break=TieBreak(rules["tie_break"]),
            jury_percent=None if rules["formula"] == "votes" else rules["formula"]["jury_percent"],
            _by_code={},
        )
        votes, reached = Counter[str](), dict[str, int]()
        last: dict[tuple[int, str], int] = {}
        for one in self.entries:
            if isinstance(one, JuryLeaf):
                last |= {(one.juror, code): given for code, given in one.points.items()}
            else:
                votes[one.candidate] += one.votes
                reached[one.candidate] = one.seq
        points = Counter[str]()
        for (_, code), given in last.items():
            points[code] += given
        self.results.append(
            ResultDocument.model_validate(
                {
                    "format": FORMAT,
                    "contest": SLUG,
                    "name": rules["name"],
                    "organiser": "Agence",
                    "number": len(self.results) + 1,
                    "made_at": INSTANT,
                    "entries": self.seq,
                    "votes": votes.total(),
                    "amounts": {"XOF": sum(one.amount for one in self.entries if not isinstance(one, JuryLeaf))},
                    "tie_break": rules["tie_break"],
                    "rules": {"version": len(self.documents), "sha256": sha256(self.documents[-1]).hexdigest()},
                    "log": {
                        "origin": ORIGIN,
                        "size": len(self.leaves),
                        "root": root([leaf_hash(one) for one in self.texts]).hex(),
                        "words": ("a", "b", "c", "d"),
                    },
                    "boards": [board_of(contest, one) for one in final_rankings(contest, votes, reached, points)],
                    "signed_by": [
                        {"name": name, "organisation": "Agence", "at": INSTANT} for name in ("Sita Koné", "Ève Kouassi")
                    ],
                    **other,
                }
            ).text.encode()
        )
        digest = sha256(self.results[-1]).hexdigest()
        self.leaves.append(ResultLeaf(contest=SLUG, number=len(self.results), time=OPENS + DAY, sha256=digest))
        return self

    @property
    def texts(self) -> list[bytes]:
        return [one.text for one in self.leaves]

    def kit(self, sizes: Sequence[int] = ()) -> dict[str, bytes]:
        return kit_of(self.texts, self.documents, sizes, self.results)


def sealed(plain: bytes, key: bytes = KEY) -> bytes:
    return seal(key, SLUG, plain, sha256(plain).digest()[:16])


def checkpoint(texts: Sequence[bytes], cosigners: Iterable[Signer] = (CLOCK,), log: Signer = LOG) -> str:
    """The checkpoint of these leaves."""
    text = Checkpoint(log.name, len(texts), root([leaf_hash(one) for one in texts])).text
    seconds = OPENS // 1000 + 60 * len(texts)
    return Note(text, (log.sign(text), *(one.sign(text, seconds) for one in cosigners))).written


def kit_of(
    texts: Sequence[bytes], documents: Sequence[bytes], sizes: Sequence[int] = (), results: Sequence[bytes] = ()
) -> dict[str, bytes]:
    """A kit with checkpoints of these sizes and of all leaves."""
    notes = [checkpoint(texts[:size]) for size in (*sizes, len(texts))]
    return {
        "leaves.ndjson": b"".join(one + b"\n" for one in texts),
        "hashes": b"".join(map(leaf_hash, texts)),
        "checkpoints.txt": "\n".join(notes).encode(),
        "keys.txt": f"{LOG.key.text}\n{CLOCK.key.text}\n".encode(),
        **{f"rules/{version}.json": one for version, one in enumerate(documents, 1)},
        **{f"results/{number}.json": one for number, one in enumerate(results, 1)},
    }


def write(folder: Path, kit: dict[str, bytes]) -> Path:
    for name, given in kit.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(given)
    return folder


SOLD = [(("07", "12", "31")[n % 3], n + 1) for n in range(9)]


def small(rules: dict[str, Any] = RULES, sold: Sequence[tuple[str, int]] = SOLD) -> Log:
    """A log of 30 leaves with what a contest may have, the last votes and points sealed and opened. `sold`: the first
    votes, to whom and how many."""
    rules = {**rules, "formula": JURY}
    log = Log.new(rules)
    for candidate, votes in sold:
        log.vote(candidate, votes)
    log.take_back(2)
    log.rules(evicted({**rules, "price_minor": 2 * PRICE}, "31"), OPENS + DAY)
    log.vote("07", 5, amount=5 * PRICE)  # ordered at the price of before
    log.jury(1, {"07": 10, "31": 0}).jury(1, {"12": 70})
    for n in range(10):
        if n == 3:
            log.sealing()
        log.vote(("07", "12")[n % 2])
    return log.take_back(log.seq - 10).jury(1, {"07": 50, "31": 80}).opening().result()
