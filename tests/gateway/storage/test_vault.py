"""Sealed values, look-up keys and the words in callback URLs."""

from uuid import uuid4

import pytest

from gateway.storage.vault import SealBroken, Vault

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
