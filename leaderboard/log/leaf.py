"""What the leaves of a log say, each as one canonical text.

A leaf is JSON as RFC 8785 writes it: names in order, whole numbers alone, UTF-8, no spaces. Reading accepts no other
spelling, so that one content has one hash.
"""

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from hashlib import sha256
from typing import Annotated, Any, ClassVar, Final, Literal

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

SALT_BYTES: Final = 16
NONCE_BYTES: Final = 16
_LARGEST: Final = 2**53 - 1
_CANONICAL: Final = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER

Number = Annotated[int, Field(ge=0, le=_LARGEST)]
Ordinal = Annotated[int, Field(ge=1, le=_LARGEST)]
Loss = Annotated[int, Field(ge=-_LARGEST, le=-1)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Nonce = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
Code = Annotated[str, Field(pattern=r"^[0-9]{2,6}$")]
Name = Annotated[str, Field(min_length=1, max_length=100)]


def _blocks(text: str) -> str:
    """Base64 in its one spelling, of blocks of 512 bytes."""
    try:
        given = b64decode(text, validate=True)
    except Base64Error:
        raise ValueError("not base64") from None
    if not given or len(given) % 512 or b64encode(given).decode() != text:
        raise ValueError("not the base64 of whole blocks")
    return text


Blocks = Annotated[str, AfterValidator(_blocks)]


class LeafWrong(ValueError):
    """Why bytes are no leaf."""


class _Leaf(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True, frozen=True)

    v: Literal[1] = 1

    @property
    def text(self) -> bytes:
        """The leaf as it is hashed and published."""
        return orjson.dumps(vars(self), option=_CANONICAL)


class RulesLeaf(_Leaf):
    """A version of the contest's rules. `time`: Unix milliseconds. `sha256`: of the document, as it is published."""

    kind: Literal["rules"] = "rules"
    contest: Name
    version: Ordinal
    time: Number
    sha256: Digest


class _Entry(_Leaf):
    """What all entries of a tally say. `seq`: its number there. `time`: when it was counted, in Unix milliseconds.
    `round`: 0 where the contest has none. `rules`: the version of the last rules leaf before it."""

    contest: Name
    seq: Ordinal
    time: Number
    candidate: Name
    currency: Currency
    round: Number
    rules: Ordinal


class VoteLeaf(_Entry):
    """A counted order. `amount`: in minor units. `receipt` and `voter`: see `receipt_hash` and `voter_hash`; no voter
    where no number is known."""

    kind: Literal["vote"] = "vote"
    votes: Ordinal
    amount: Ordinal
    receipt: Digest
    voter: Digest | None


class AdjustmentLeaf(_Entry):
    """Votes that no longer count. `adjusts`: the number of the entry that they were counted with; votes and amount are
    its own, below 0."""

    kind: Literal["adjustment"] = "adjustment"
    adjusts: Ordinal
    votes: Loss
    amount: Loss
    reason: Annotated[str, Field(min_length=1, max_length=10_000)]


Entry = VoteLeaf | AdjustmentLeaf
"""An entry of the tally."""


class JuryLeaf(_Leaf):
    """A juror's confirmed points, in place of those that they gave these candidates in this round before. `sheet`: its
    number in the contest, from 1. `time`: when it was confirmed, in Unix milliseconds. `round`: 0 where the contest has
    none. `points`: by the candidate's code. `rules`: the version of the last rules leaf before it. `nonce`: of this
    leaf alone, random, so that its hash does not show the points while they are hidden."""

    kind: Literal["jury"] = "jury"
    contest: Name
    sheet: Ordinal
    time: Number
    round: Number
    juror: Ordinal
    points: Annotated[dict[Code, Number], Field(min_length=1)]
    rules: Ordinal
    nonce: Nonce


Counted = Entry | JuryLeaf
"""What a result is made of. Sealed while nobody may read it."""


class SealingLeaf(_Leaf):
    """From here on entries are sealed. `sha256`: of the key that opens them. `time`: Unix milliseconds."""

    kind: Literal["sealing"] = "sealing"
    contest: Name
    time: Number
    sha256: Digest


class SealedLeaf(_Leaf):
    """An entry that is readable once the key is published (`leaderboard.log.sealing`). `nonce`: of this leaf alone.
    `cipher`: the entry's text, padded with spaces and encrypted."""

    kind: Literal["sealed"] = "sealed"
    contest: Name
    nonce: Nonce
    cipher: Blocks


class OpeningLeaf(_Leaf):
    """The key of the last sealing. Entries are plain again. `time`: Unix milliseconds."""

    kind: Literal["opening"] = "opening"
    contest: Name
    time: Number
    key: Digest


class ResultLeaf(_Leaf):
    """A result that two persons certified. `number`: in the contest, from 1. `sha256`: of its document. It counts the
    entries before this leaf. `time`: when it was certified, in Unix milliseconds."""

    kind: Literal["result"] = "result"
    contest: Name
    number: Ordinal
    time: Number
    sha256: Digest


Leaf = RulesLeaf | ResultLeaf | Counted | SealingLeaf | SealedLeaf | OpeningLeaf
_LEAF: Final[TypeAdapter[Leaf]] = TypeAdapter(Annotated[Leaf, Field(discriminator="kind")])


def read_leaf(text: bytes) -> Leaf:
    """The leaf that bytes are. LeafWrong says which field is wrong, or that they are not the canonical text."""
    try:
        leaf = _LEAF.validate_json(text)
    except ValidationError as error:
        raise LeafWrong(
            "; ".join(_sentence(one["loc"], one["msg"]) for one in error.errors(include_url=False))
        ) from error
    if leaf.text != text:
        raise LeafWrong("not the canonical text of a leaf")
    return leaf


def receipt_hash(salt: bytes, receipt: str) -> str:
    """What a log says of a receipt code, which has too few bits to be hashed alone: without the vote's salt all codes
    could be tried. ValueError unless the salt has `SALT_BYTES`."""
    return _salted(salt, receipt)


def voter_hash(salt: bytes, msisdn: str) -> str:
    """What a log says of a voter's number, in E.164. With the vote's salt its holder shows whose it was; without it the
    votes of one number look like those of many. ValueError unless the salt has `SALT_BYTES`."""
    return _salted(salt, msisdn)


def _salted(salt: bytes, text: str) -> str:
    if len(salt) != SALT_BYTES:
        raise ValueError(f"a salt has {SALT_BYTES} bytes")
    return sha256(salt + text.encode("ascii")).hexdigest()


def _sentence(location: tuple[Any, ...], message: str) -> str:
    return f"{'.'.join(map(str, location))}: {message}" if location else message
