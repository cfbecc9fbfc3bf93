"""What buttons carry: at most 64 bytes, which anybody may send back.

A button exists as long as its message, and a client may send other bytes instead. So nothing here is trusted: each
field has a narrow form, and what it names is looked up and checked again (`channels.telegram.reading`). Bytes of
another form are no button of ours.
"""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated, Final, Literal

from aiogram.filters.callback_data import CallbackData
from pydantic import Field

from channels.telegram.texts import plain
from gateway.contests.contest import Contest
from gateway.orders.wallet import PaymentMethod

BYTES_MAX: Final = 64
TAG_LENGTH: Final = 12
# The payer is the number that this chat has proved to hold.
ME: Final = "me"

Tag = Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]
Code = Annotated[str, Field(pattern=r"^[0-9]{2,12}$")]
Votes = Annotated[int, Field(ge=1, le=9_999_999)]
Wallet = Annotated[str, Field(pattern=f"^[{''.join(method.letter for method in PaymentMethod)}]$")]
Price = Annotated[int, Field(ge=1, le=10**9)]
Payer = Annotated[str, Field(pattern=r"^(me|[0-9]{8,15})$")]

METHODS: Final = {method.letter: method for method in PaymentMethod}


@dataclass(frozen=True, slots=True)
class Button:
    """`data`: what a tap sends back; else `url`: where it leads; else the sender's own contact is asked."""

    text: str
    data: str | None = None
    url: str | None = None


def tap(language: str, key: str, data: CallbackData, **facts: object) -> Button:
    """A button with one of the bot's phrases."""
    return Button(plain(language, f"button.{key}", **facts), data.pack())


def tag(contest: Contest) -> str:
    """A contest's short name on buttons, made of its id: also ids that begin alike differ."""
    return blake2b(contest.id.bytes, digest_size=TAG_LENGTH // 2).hexdigest()


class OfContest(CallbackData, prefix="-"):
    """About a contest."""

    contest: Tag


class OfCandidate(OfContest, prefix="-"):
    """About a candidate."""

    code: Code


class OpenContest(OfContest, prefix="o"):
    """The first view of a contest."""


class OpenPeople(OfContest, prefix="p"):
    """A page of candidates. `here`: in place of the message of the button."""

    page: Annotated[int, Field(ge=0, le=9_999)]
    here: bool = False


class OpenCard(OfCandidate, prefix="c"):
    """One candidate."""


class OpenRanking(OfContest, prefix="b"):
    """The ranking. `here`: in the message of the button, which shows it already."""

    here: bool = False


class OpenRules(OfContest, prefix="r"):
    """The rules of a contest."""


class OpenMenu(CallbackData, prefix="h"):
    """A menu entry that belongs to no contest."""

    what: Literal["mine", "languages", "contests", "debited", "ticket"]


class ChooseLanguage(CallbackData, prefix="l"):
    """Speak this language from now on."""

    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]


class ChooseCount(OfCandidate, prefix="q"):
    """So many votes for a candidate: leads to the confirmation."""

    count: Votes


class TypeCount(OfCandidate, prefix="n"):
    """Another number of votes, to be typed."""


class TypePayer(ChooseCount, prefix="a"):
    """Another number that pays, to be typed."""


class ChooseWallet(ChooseCount, prefix="w"):
    """The confirmation, with this wallet."""

    wallet: Wallet
    payer: Payer


class Pay(ChooseWallet, prefix="y"):
    """Place the order. `price`: of a vote, as the confirmation shows it, in minor units."""

    price: Price


class PayUnpriced(ChooseWallet, prefix="y"):
    """The same, of a message that was sent when these buttons held no price."""


class Cancel(OfContest, prefix="x"):
    """Leave a confirmation."""
