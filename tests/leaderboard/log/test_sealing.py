"""What is sealed and when, and that a key of a leaf opens that leaf alone."""

from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.contests.blackout import Blackout
from leaderboard.log.leaf import LeafWrong, SealedLeaf, read_leaf
from leaderboard.log.sealing import BLOCK_BYTES, Turn, leaf_key, opened, seal, turn_of
from tests.leaderboard.log.test_leaf import ADJUSTMENT, VOTE

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SEALED = Blackout(NOON, sealed=True)
ANNOUNCED = replace(SEALED, announced_at=NOON + timedelta(minutes=60))
NOTHING, SEALS, OPENS = Turn(False, False), Turn(False, True), Turn(True, False)
KEY, OTHER = bytes(range(32)), bytes(range(1, 33))


@pytest.mark.parametrize(
    ("blackout", "minutes", "sealed", "released", "due"),
    [
        (None, 0, False, False, NOTHING),
        (Blackout(NOON), 5, False, False, NOTHING),  # entries are withheld, and plain
        (SEALED, -1, False, False, NOTHING),
        (SEALED, 0, False, False, SEALS),
        (SEALED, 5, True, False, NOTHING),
        (ANNOUNCED, 60, True, True, OPENS),
        (ANNOUNCED, 59, True, True, OPENS),  # a turn that began before the announcement
        (ANNOUNCED, 60, False, False, NOTHING),
        (ANNOUNCED, 5, False, False, NOTHING),  # announced before anything was sealed
        (ANNOUNCED, 60, True, False, NOTHING),  # no key is published that two persons did not release
        (None, 60, True, False, NOTHING),
        (replace(SEALED, begins_at=NOON + timedelta(minutes=90)), 95, True, True, Turn(True, True)),
        (Blackout(NOON), 5, True, True, OPENS),
    ],
)
def test_what_is_due(blackout: Blackout | None, minutes: float, sealed: bool, released: bool, due: Turn) -> None:
    assert turn_of(blackout, NOON + timedelta(minutes=minutes), sealed=sealed, released=released) == due


def leaf_of(plain: bytes, key: bytes = KEY, nonce: bytes = bytes(16)) -> SealedLeaf:
    made = read_leaf(seal(key, "miss", plain, nonce))
    assert isinstance(made, SealedLeaf)
    return made


@given(st.integers(1, 3_000))
def test_a_key_opens_its_leaf_alone_and_length_says_little(letters: int) -> None:
    entry = ADJUSTMENT.model_copy(update={"reason": "é" * letters})
    sealed, sixteen = leaf_of(entry.text), bytes(range(16))
    assert opened(leaf_key(KEY, bytes(16)), sealed) == entry
    assert len(sealed.cipher) == len(b64encode(bytes(-(-len(entry.text) // BLOCK_BYTES) * BLOCK_BYTES)))
    for other in (leaf_key(OTHER, bytes(16)), leaf_key(KEY, sixteen), KEY):
        with pytest.raises(LeafWrong):
            opened(other, sealed)


def test_votes_all_have_one_length() -> None:
    largest = {"votes": 2**53 - 1, "amount": 2**53 - 1, "seq": 2**53 - 1, "candidate": "0" * 16, "contest": "x" * 64}
    lengths = {len(leaf_of(VOTE.model_copy(update=other).text).cipher) for other in ({}, {"voter": None}, largest)}
    assert len(lengths) == 1


@pytest.mark.parametrize(
    "plain",
    [b"{}", leaf_of(VOTE.text).text, VOTE.text.ljust(1024), VOTE.text + b" " * 511 + b"x"],
)
def test_what_hides_no_entry(plain: bytes) -> None:
    with pytest.raises(LeafWrong):
        opened(leaf_key(KEY, bytes(16)), leaf_of(plain))


@pytest.mark.parametrize(
    "cipher", ["", "AAAA", "é", b64encode(bytes(511)).decode(), b64encode(bytes(512)).decode()[:-1]]
)
def test_what_is_no_cipher(cipher: str) -> None:
    text = leaf_of(VOTE.text).text.decode()
    with pytest.raises(LeafWrong, match="cipher"):
        read_leaf(text.replace(leaf_of(VOTE.text).cipher, cipher).encode())
