"""Sealed values, look-up keys and the words in callback URLs."""

from uuid import uuid4

import pytest

from gateway.storage.vault import SealBroken, Vault, read_keys

VAULT = Vault("0123456789abcdef0123456789abcdef")
OTHER = Vault("another key, also quite long enough!")


def test_opens_what_it_sealed_and_nothing_is_readable() -> None:
    sealed = VAULT.seal("+2250501020304", "votes.voter:1")
    assert VAULT.open(sealed, "votes.voter:1") == "+2250501020304"
    assert b"0501020304" not in sealed
    assert VAULT.seal("+2250501020304", "votes.voter:1") != sealed


@pytest.mark.parametrize("place", ["votes.voter:2", "payments.payer:1", ""])
def test_a_value_moved_to_another_place_does_not_open(place: str) -> None:
    sealed = VAULT.seal("+2250501020304", "votes.voter:1")
    with pytest.raises(SealBroken):
        VAULT.open(sealed, place)


def test_a_changed_value_or_another_key_does_not_open() -> None:
    sealed = VAULT.seal("+2250501020304", "here")
    with pytest.raises(SealBroken):
        VAULT.open(sealed[:-1] + bytes([sealed[-1] ^ 1]), "here")
    with pytest.raises(SealBroken):
        OTHER.open(sealed, "here")


def test_the_index_is_stable_and_keyed() -> None:
    assert VAULT.index("+2250501020304") == VAULT.index("+2250501020304")
    assert VAULT.index("+2250501020304") != OTHER.index("+2250501020304")
    assert VAULT.index("+2250501020304") != VAULT.index("+2250501020305")


def test_a_callback_word_names_one_payment_and_cannot_be_made_up() -> None:
    reference = uuid4()
    word = VAULT.callback_token(reference)
    assert VAULT.reference_in(word) == reference
    assert OTHER.reference_in(word) is None
    assert VAULT.reference_in(word[:-2] + ("AA" if not word.endswith("AA") else "BB")) is None


@pytest.mark.parametrize("word", ["", "x", "forged", "é" * 43, "A" * 43, "A" * 5000, "../../etc", "%00"])
def test_odd_words_name_nothing(word: str) -> None:
    assert VAULT.reference_in(word) is None


ROOT, SECOND = "0123456789abcdef0123456789abcdef", "5b7d20a1c94e4f7f8a63d1b2e0f49c88"


def test_the_first_key_seals_and_all_open() -> None:
    before, rolling = Vault(ROOT), Vault(ROOT, read_keys(f"1,2:{SECOND}"))
    after, alone = Vault(ROOT, read_keys(f"2:{SECOND}, 1")), Vault(ROOT, read_keys(f"2:{SECOND}"))
    old, new = before.seal("+2250501020304", "here"), after.seal("+2250501020304", "here")
    assert (rolling.seal("x", "here")[0], new[0]) == (1, 2)
    for vault in (rolling, after):
        assert vault.open(old, "here") == vault.open(new, "here") == "+2250501020304"
    with pytest.raises(SealBroken, match="key 2"):
        before.open(new, "here")
    with pytest.raises(SealBroken, match="key 1"):
        alone.open(old, "here")
    assert before.index("+2250501020304") == alone.index("+2250501020304")


def test_nothing_at_all_does_not_open() -> None:
    with pytest.raises(SealBroken):
        VAULT.open(b"", "here")


@pytest.mark.parametrize(
    ("text", "ids"), [("", [1]), ("1", [1]), ("2:abc", [2]), (" 2:a:b , 1", [2, 1]), ("255:x,7:y", [255, 7])]
)
def test_keys_are_listed_by_id(text: str, ids: list[int]) -> None:
    assert list(read_keys(text)) == ids


@pytest.mark.parametrize("text", ["2", "0:abc", "256:abc", "x:abc", "2:", "1:", "2:a,2:b", "1,", "²:abc"])
def test_what_is_no_list_of_keys(text: str) -> None:
    with pytest.raises(ValueError, match="key"):
        read_keys(text)
