"""The keys that sign logs, all of them made of one secret or of several while it is replaced.

Each log has a key of its own, named as its origin. The time is cosigned by a key that all logs share, and that signs
nothing else: the message of a cosignature names no key.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from leaderboard.log.notes import KeyKind, Signer

_SEED_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class LogKeys:
    """`host`: our public address without scheme. `secrets`: the newest first; all of them sign, so that readers who
    know an older key alone still verify."""

    host: str
    secrets: tuple[str, ...]

    @classmethod
    def of(cls, base_url: str, secrets: Sequence[str]) -> Self:
        """The keys of an installation. `base_url`: our public address."""
        return cls(base_url.partition("://")[2].rstrip("/"), tuple(secrets))

    def origin(self, slug: str) -> str:
        """The origin of a contest's log: its address without scheme."""
        return f"{self.host}/c/{slug}/log"

    def signers(self, contest: UUID, slug: str) -> tuple[Signer, ...]:
        """What signs the checkpoints of a log, the newest first."""
        return tuple(
            Signer(self.origin(slug), KeyKind.NOTE, _private(secret, f"log of {contest}")) for secret in self.secrets
        )

    @property
    def clock(self) -> Signer:
        """What cosigns a checkpoint with the time."""
        return Signer(f"{self.host}/time", KeyKind.COSIGNATURE, _private(self.secrets[0], "time of logs"))


def _private(secret: str, purpose: str) -> Ed25519PrivateKey:
    seed = HKDF(SHA256(), _SEED_BYTES, salt=b"spotlight log", info=purpose.encode()).derive(secret.encode())
    return Ed25519PrivateKey.from_private_bytes(seed)
