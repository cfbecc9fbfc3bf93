"""Who paid, as far as an operator shows it: keyed hashes, for finding other payments of the same card or name."""

from gateway.storage.vault import Vault
from gateway.values.names import outline


def card_index(vault: Vault, card: str | None) -> bytes | None:
    """The keyed hash of an operator's own word for a card; None where it shows none."""
    return vault.index(f"card {card}") if card else None


def holder_index(vault: Vault, name: str | None) -> bytes | None:
    """The keyed hash of a payer's name, however it is written; None for less than two words, which many people are
    called."""
    words = outline(name or "")
    return vault.index(f"holder {words}") if " " in words else None
