"""The one text of each kind of leaf, and what is none."""

from base64 import b64encode
from hashlib import sha256
from typing import Any

import pytest

from leaderboard.log.leaf import (
    AdjustmentLeaf,
    JuryLeaf,
    Leaf,
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

NO_CIPHER = b64encode(bytes(512)).decode()
RECEIPT = sha256(bytes(range(16)) + b"7K3M9Q2XWB").hexdigest()
VOTER = sha256(bytes(range(16)) + b"+2250102030405").hexdigest()
RULES = RulesLeaf(contest="miss-2026", version=1, time=1_790_000_000_000, sha256="ab" * 32)
VOTE_FIELDS: dict[str, Any] = {
    "contest": "miss-2026",
    "seq": 12,
    "time": 1_790_000_000_123,
    "candidate": "07",
    "votes": 5,
    "amount": 500,
    "currency": "XOF",
    "round": 0,
    "receipt": receipt_hash(bytes(range(16)), "7K3M9Q2XWB"),
    "rules": 1,
    "voter": voter_hash(bytes(range(16)), "+2250102030405"),
}
VOTE = VoteLeaf(**VOTE_FIELDS)
ADJUSTMENT = AdjustmentLeaf(
    **{name: VOTE_FIELDS[name] for name in ("contest", "candidate", "currency", "round", "rules")},
    seq=13,
    time=1_790_000_100_000,
    adjusts=12,
    votes=-5,
    amount=-500,
    reason='Payée "deux fois" \\ é\n\x1f🗳',
)


@pytest.mark.parametrize(
    ("leaf", "text"),
    [
        (
            SealingLeaf(contest="miss-2026", time=1, sha256="ab" * 32),
            f'{{"contest":"miss-2026","kind":"sealing","sha256":"{"ab" * 32}","time":1,"v":1}}',
        ),
        (
            SealedLeaf(contest="miss-2026", nonce="ab" * 16, cipher=NO_CIPHER),
            f'{{"cipher":"{NO_CIPHER}","contest":"miss-2026","kind":"sealed","nonce":"{"ab" * 16}","v":1}}',
        ),
        (
            OpeningLeaf(contest="miss-2026", time=1, key="ab" * 32),
            f'{{"contest":"miss-2026","key":"{"ab" * 32}","kind":"opening","time":1,"v":1}}',
        ),
        (
            JuryLeaf(
                contest="miss-2026",
                sheet=3,
                time=1,
                round=0,
                juror=2,
                points={"12": 0, "07": 90},
                rules=1,
                nonce="ab" * 16,
            ),
            f'{{"contest":"miss-2026","juror":2,"kind":"jury","nonce":"{"ab" * 16}","points":{{"07":90,"12":0}},'
            '"round":0,"rules":1,"sheet":3,"time":1,"v":1}',
        ),
        (
            ResultLeaf(contest="miss-2026", number=2, time=1, sha256="ab" * 32),
            f'{{"contest":"miss-2026","kind":"result","number":2,"sha256":"{"ab" * 32}","time":1,"v":1}}',
        ),
        (
            RULES,
            f'{{"contest":"miss-2026","kind":"rules","sha256":"{"ab" * 32}","time":1790000000000,"v":1,"version":1}}',
        ),
        (
            VOTE,
            '{"amount":500,"candidate":"07","contest":"miss-2026","currency":"XOF","kind":"vote",'
            f'"receipt":"{RECEIPT}","round":0,"rules":1,'
            '"seq":12,"time":1790000000123,"v":1,'
            f'"voter":"{VOTER}","votes":5}}',
        ),
        (
            ADJUSTMENT,
            '{"adjusts":12,"amount":-500,"candidate":"07","contest":"miss-2026","currency":"XOF","kind":"adjustment",'
            '"reason":"Payée \\"deux fois\\" \\\\ é\\n\\u001f🗳","round":0,"rules":1,"seq":13,"time":1790000100000,'
            '"v":1,"votes":-5}',
        ),
    ],
    ids=["sealing", "sealed", "opening", "jury", "result", "rules", "vote", "adjustment"],
)
def test_a_leaf_has_one_text(leaf: Leaf, text: str) -> None:
    assert leaf.text.decode() == text
    assert read_leaf(text.encode()) == leaf


TEXT = VOTE.model_copy(update={"receipt": "0" * 64, "voter": None}).text.decode()


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"votes":5', '"votes":6', None),
        ('"v":1', '"v":2', "vote.v: "),
        ('"kind":"vote"', '"kind":"gift"', "'gift'"),
        ('"kind":"vote",', "", "kind"),
        ('"votes":5', '"votes":5.0', "vote.votes: "),
        ('"votes":5', '"votes":5e0', "vote.votes: "),
        ('"votes":5', '"votes":"5"', "vote.votes: "),
        ('"votes":5', '"votes":true', "vote.votes: "),
        ('"votes":5', '"votes":0', "vote.votes: "),
        ('"votes":5', '"votes":-5', "vote.votes: "),
        ('"votes":5', '"votes":9007199254740992', "vote.votes: "),
        ('"votes":5', '"votes":5,"w":1', "vote.w: "),
        ('"votes":5', '"votes":05', "JSON"),
        ('"votes":5', '"votes":5,"votes":5', "canonical"),
        (',"votes":5', "", "vote.votes: "),
        ('"time":1790000000123', '"time":null', "vote.time: "),
        ('"seq":12', '"seq":0', "vote.seq: "),
        ('"currency":"XOF"', '"currency":"xof"', "vote.currency: "),
        ('"candidate":"07"', '"candidate":7', "vote.candidate: "),
        ('"candidate":"07"', '"candidate":"\\u0030\\u0037"', "canonical"),
        ('"receipt":"0', '"receipt":"', "vote.receipt: "),
        ('"receipt":"0', '"receipt":"G', "vote.receipt: "),
        (f'"{"0" * 64}"', f'"{"0" * 64}\\n"', "vote.receipt: "),
        ('"voter":null', '"voter":""', "vote.voter: "),
        (',"voter":null', "", "vote.voter: "),
        ('"amount":500,"candidate":"07"', '"candidate":"07","amount":500', "canonical"),
        ('{"amount"', '{ "amount"', "canonical"),
        ("}", "}\n", "canonical"),
        ("}", "", "JSON"),
    ],
)
def test_what_is_no_leaf(old: str, new: str, says: str | None) -> None:
    changed = TEXT.replace(old, new)
    assert changed != TEXT
    if says is None:
        assert read_leaf(changed.encode()).text.decode() == changed
        return
    with pytest.raises(LeafWrong, match=says):
        read_leaf(changed.encode())


def test_bytes_that_are_no_text() -> None:
    for given in (b"", b"null", b"[]", b"\xff", b'"vote"'):
        with pytest.raises(LeafWrong):
            read_leaf(given)


def test_a_voter_is_found_with_the_salt_alone() -> None:
    assert voter_hash(bytes(16), "+2250102030405") != voter_hash(bytes(15) + b"\x01", "+2250102030405")
    with pytest.raises(ValueError, match="a salt has 16 bytes"):
        voter_hash(b"", "+2250102030405")
