"""Signed notes and checkpoints (C2SP signed-note, tlog-checkpoint, tlog-cosignature).

A note is text with lines of signatures. A checkpoint is the note that states a log's size and root. A cosignature also
states when it was made. Keys are Ed25519; lines of unknown keys, of whatever kind, stay in the note.
"""

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from leaderboard.log.merkle import HASH_BYTES

MOST_SIGNATURES: Final = 100
LARGEST_NOTE: Final = 1_000_000
"""Characters."""
_DASH: Final = "\N{EM DASH} "
_ID_BYTES: Final = 4
_TIME_BYTES: Final = 8
_LARGEST_NUMBER: Final = 2**63 - 1
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f]")
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}")


class NoteWrong(ValueError):
    """Why text is no such note, key or checkpoint, or why it is not to be believed."""


class KeyKind(IntEnum):
    """What a key signs."""

    NOTE = 0x01
    COSIGNATURE = 0x04


@dataclass(frozen=True, slots=True)
class Signature:
    """A line of a note. `made`: the bytes after the key's id."""

    name: str
    key_id: bytes
    made: bytes

    @property
    def line(self) -> str:
        """The line without its end."""
        return f"{_DASH}{self.name} {to_base64(self.key_id + self.made)}"

    @classmethod
    def read(cls, line: str) -> Self:
        """What such a line says. NoteWrong where it is none."""
        name, space, encoded = line.removeprefix(_DASH).rpartition(" ")
        if not (line.startswith(_DASH) and space and _is_name(name)):
            raise NoteWrong(f"not a line of a signature: {line[:100]!r}")
        given = from_base64(encoded)
        if len(given) <= _ID_BYTES:
            raise NoteWrong(f"the signature of {name!r} is too short")
        return cls(name, given[:_ID_BYTES], given[_ID_BYTES:])


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """What a signature is checked with. `public`: the 32 bytes of the Ed25519 key."""

    name: str
    kind: KeyKind
    public: bytes

    @property
    def key_id(self) -> bytes:
        """How a line of a signature names the key, beside its name."""
        return sha256(f"{self.name}\n".encode() + self._encoded).digest()[:_ID_BYTES]

    @property
    def text(self) -> str:
        """The key in one line, as others' tools read it."""
        return f"{self.name}+{self.key_id.hex()}+{to_base64(self._encoded)}"

    @classmethod
    def read(cls, text: str) -> Self:
        """The key that such a line states. NoteWrong where it is none, or of a kind that is not known here."""
        parts = text.split("+", 2)
        if len(parts) != 3 or not _is_name(parts[0]):
            raise NoteWrong(f"not a verifier key: {text[:100]!r}")
        encoded = from_base64(parts[2])
        if encoded[:1] not in (bytes([kind]) for kind in KeyKind):
            raise NoteWrong(f"the verifier key of {parts[0]!r} is of a kind that is not known")
        key = cls(parts[0], KeyKind(encoded[0]), encoded[1:])
        try:
            Ed25519PublicKey.from_public_bytes(key.public)
        except ValueError as error:
            raise NoteWrong(f"the verifier key of {key.name!r} has no Ed25519 key") from error
        if key.key_id.hex() != parts[1]:
            raise NoteWrong(f"the id of the verifier key of {key.name!r} is not that of its key")
        return key

    def verify(self, text: str, made: bytes) -> int | None:
        """Unix seconds when a signature over a note's text was made, None where its kind states no time. NoteWrong
        where the key did not make it."""
        seconds, signature = None, made
        if self.kind is KeyKind.COSIGNATURE:
            seconds, signature = int.from_bytes(made[:_TIME_BYTES]), made[_TIME_BYTES:]
            if seconds > _LARGEST_NUMBER:
                raise NoteWrong(f"the time of the signature of {self.name!r} is not one")
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, _signed(text, seconds))
        except InvalidSignature as error:
            raise NoteWrong(f"the signature of {self.name!r} is wrong") from error
        return seconds

    @property
    def _encoded(self) -> bytes:
        return bytes([self.kind]) + self.public


@dataclass(frozen=True, slots=True)
class Signer:
    """A key that signs, or cosigns with the time. A private key is for one signer only: the message of a cosignature
    names no key."""

    name: str
    kind: KeyKind
    private: Ed25519PrivateKey

    @property
    def key(self) -> VerifierKey:
        """What others check its signatures with."""
        return VerifierKey(self.name, self.kind, self.private.public_key().public_bytes_raw())

    def sign(self, text: str, seconds: int | None = None) -> Signature:
        """A signature over a note's text. `seconds`: the Unix time, which a cosignature states and no other does."""
        if (seconds is None) is (self.kind is KeyKind.COSIGNATURE):
            raise ValueError("a cosignature has a time, and no other signature has one")
        time = b"" if seconds is None else seconds.to_bytes(_TIME_BYTES)
        return Signature(self.name, self.key.key_id, time + self.private.sign(_signed(text, seconds)))


@dataclass(frozen=True, slots=True)
class Verified:
    """A key whose signature is in a note and right. `seconds`: the Unix time of a cosignature."""

    key: VerifierKey
    seconds: int | None


@dataclass(frozen=True, slots=True)
class Note:
    """Text that ends with a newline, and what signs it."""

    text: str
    signatures: tuple[Signature, ...]

    @property
    def written(self) -> str:
        """The note as it is published."""
        return "\n".join((self.text, *(one.line for one in self.signatures), ""))

    @classmethod
    def read(cls, written: str) -> Self:
        """The text and signatures of a note. NoteWrong where it is none; nothing is verified."""
        if len(written) > LARGEST_NOTE:
            raise NoteWrong("the note is too long")
        if _CONTROL.search(written):
            raise NoteWrong("the note has a control character")
        text, blank, lines = written.rpartition("\n\n")
        if not (text and blank and lines.endswith("\n")):
            raise NoteWrong("the note has no signatures")
        signatures = tuple(Signature.read(line) for line in lines.removesuffix("\n").split("\n"))
        if len(signatures) > MOST_SIGNATURES:
            raise NoteWrong("the note has too many signatures")
        return cls(f"{text}\n", signatures)

    def verified(self, keys: Iterable[VerifierKey]) -> tuple[Verified, ...]:
        """The keys, of those given, that signed, in the order of their lines. NoteWrong where none did, or where the
        signature of one is wrong."""
        known = {(key.name, key.key_id): key for key in keys}
        found: dict[VerifierKey, Verified] = {}
        for line in self.signatures:
            key = known.get((line.name, line.key_id))
            if key is not None:
                found.setdefault(key, Verified(key, key.verify(self.text, line.made)))
        if not found:
            raise NoteWrong("the note has no signature of a known key")
        return tuple(found.values())


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log states of itself. `origin`: the log's address without scheme."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{to_base64(self.root)}\n"

    @classmethod
    def read(cls, text: str) -> Self:
        """What the text of a note states; lines after the third one say nothing here. NoteWrong where it is no
        checkpoint."""
        lines = text.removesuffix("\n").split("\n")
        if len(lines) < 3 or not text.endswith("\n") or not all(lines):
            raise NoteWrong("a checkpoint has three lines or more, none of them empty")
        if not _SIZE.fullmatch(lines[1]) or int(lines[1]) > _LARGEST_NUMBER:
            raise NoteWrong(f"not the size of a log: {lines[1][:100]!r}")
        root = from_base64(lines[2])
        if len(root) != HASH_BYTES:
            raise NoteWrong(f"the root of a checkpoint has {HASH_BYTES} bytes")
        return cls(lines[0], int(lines[1]), root)


def to_base64(given: bytes) -> str:
    """Bytes in base64 (RFC 4648 section 4)."""
    return b64encode(given).decode()


def from_base64(text: str) -> bytes:
    """The bytes that base64 spells. NoteWrong for any spelling but the one of `to_base64`."""
    try:
        given = b64decode(text, validate=True)
    except (Base64Error, ValueError) as error:
        raise NoteWrong(f"not base64: {text[:100]!r}") from error
    if to_base64(given) != text:
        raise NoteWrong(f"not base64 as it is written: {text[:100]!r}")
    return given


def _signed(text: str, seconds: int | None) -> bytes:
    """The bytes that are signed: a note's text, after the time where there is one."""
    return text.encode() if seconds is None else f"cosignature/v1\ntime {seconds}\n{text}".encode()


def _is_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(character.isspace() for character in name)
