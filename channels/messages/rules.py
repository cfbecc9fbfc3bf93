"""What may be sent to whom, when, and by which carrier. Pure: the hour is given.

A text that answers what its reader did (an order, a question) goes out at any hour. Any other text waits for
daytime in the number's country, and never reaches a number that sent STOP. A text that may have been sent is not
sent again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Literal

import phonenumbers
from phonenumbers import NumberParseException

from channels.messages.carrier import SendAccepted, SendRefused, SendResult

# Any other kind counts as not asked for, so that a new kind is quiet until it is listed here.
ASKED_FOR: Final = frozenset(
    {
        "receipt",
        "reply",
        "refund_pending",
        "refunded",
        "payment_failed",
        "payment_held",
        "payment_not_confirmed",
        "payment_link",
    }
)
# Follows a form that was sent just now, with a number that may be another's: at any hour, but not after STOP.
AT_ANY_HOUR: Final = ASKED_FOR | {"nomination_link"}
DAY_BEGINS_HOUR: Final = 8
DAY_ENDS_HOUR: Final = 20

# Final states of delivery reports; a carrier that has no words of its own uses these.
DELIVERED: Final = "Success"
UNDELIVERED: Final = frozenset({"Failed", "Rejected", "Expired", "AbsentSubscriber"})

# A text that no carrier can send waits until one is set up.
NO_CARRIER_SECONDS: Final = 3600
# Waits before the next try, by tries so far; after the last one a text is given up.
RETRY_SECONDS: Final = (15, 60, 300, 1_800, 7_200)
# A delivery report may take that long to show what became of a text.
UNKNOWN_SECONDS: Final = 600

REMINDER: Final = "resume"
# Until then a new dialogue offers to go on; after an hour a voter no longer expects a text.
REMIND_AFTER: Final = timedelta(minutes=10)
REMIND_BEFORE: Final = timedelta(minutes=60)

# Hours from UTC, by ISO 3166 code, of countries without summer time (IANA tz database 2026a). One
# with two zones has both: then it must be day in both.
_HOURS_FROM_UTC: Final[Mapping[str, tuple[int, ...]]] = MappingProxyType(
    {
        **dict.fromkeys(("CI", "SN", "ML", "BF", "GN", "GM", "GH", "TG", "SL", "LR", "GW", "MR"), (0,)),
        **dict.fromkeys(("CM", "BJ", "NE", "NG", "GA", "CG", "TD", "CF", "GQ", "AO"), (1,)),
        "CD": (1, 2),
        **dict.fromkeys(("RW", "BI", "ZM", "MW", "MZ", "ZW", "BW", "ZA"), (2,)),
        **dict.fromkeys(("KE", "UG", "TZ", "ET", "MG"), (3,)),
    }
)
# Of a number in an unknown country: from Cape Verde to Mauritius.
_HOURS_ANYWHERE: Final = (-1, 4)


def is_asked_for(kind: str) -> bool:
    """Whether texts of this kind answer something that their reader did."""
    return kind in ASKED_FOR


def country_of(e164: str) -> str | None:
    """ISO 3166 code of a number's country; None when it is no number."""
    try:
        found = phonenumbers.region_code_for_number(phonenumbers.parse(e164))
    except NumberParseException:
        return None
    return None if found is None else str(found)


def quiet_until(kind: str, country: str | None, now: datetime) -> datetime | None:
    """When a text of this kind may be sent; None for at once.

    `country`: ISO 3166 code of the number's country, None when it is not known. `now` with a zone.
    """
    if kind in AT_ANY_HOUR:
        return None
    offsets = [timedelta(hours=hours) for hours in _HOURS_FROM_UTC.get(country or "", _HOURS_ANYWHERE)]
    moment = now
    # Zones of one country are at most five hours apart, so their days overlap: at most a few steps.
    while late := [_next_morning(moment, offset) for offset in offsets if not _is_day(moment, offset)]:
        moment = max(late)
    return None if moment == now else moment


def _is_day(moment: datetime, offset: timedelta) -> bool:
    return DAY_BEGINS_HOUR <= (moment + offset).hour < DAY_ENDS_HOUR


def _next_morning(moment: datetime, offset: timedelta) -> datetime:
    local = moment + offset
    morning = local.replace(hour=DAY_BEGINS_HOUR, minute=0, second=0, microsecond=0)
    return (morning if morning > local else morning + timedelta(days=1)) - offset


@dataclass(frozen=True, slots=True)
class Routes:
    """Which carriers send texts: their codes, first choice first. `by_prefix`: another order for numbers
    that begin so (`+237`); the longest prefix wins. `chats`: code of the carrier of chat messages."""

    carriers: tuple[str, ...]
    by_prefix: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    chats: str | None = None

    def ways(self, to: str, chat_id: int | None) -> tuple[str, ...]:
        """Carriers of this message, first choice first: its chat, then texts to its number, where it has one
        (`to` empty: none)."""
        chat = () if chat_id is None or self.chats is None else (self.chats,)
        if not to:
            return chat
        prefix = max((prefix for prefix in self.by_prefix if to.startswith(prefix)), key=len, default=None)
        return (*chat, *(self.carriers if prefix is None else self.by_prefix[prefix]))


def after(carrier: str, ways: Sequence[str]) -> str:
    """The carrier that follows in turn; the same one when there is no other."""
    return ways[(ways.index(carrier) + 1) % len(ways)] if carrier in ways else ways[0]


def read_routes(written: str, known: Sequence[str], *, chats: str | None = None) -> Routes:
    """Read an order of carriers: `africastalking, kannel; +237: kannel, africastalking`.

    `known`: codes of the carriers that are set up; all of them, in this order, when nothing is
    written. Raises ValueError with a sentence for the operator of the service.
    """
    orders: dict[str, tuple[str, ...]] = {}
    for part in filter(None, (piece.strip() for piece in written.split(";"))):
        prefix, colon, names = part.rpartition(":")
        prefix = prefix.strip()
        if colon and not (prefix.startswith("+") and prefix[1:].isascii() and prefix[1:].isdigit()):
            raise ValueError(f"{prefix!r} is no prefix of numbers; write one as +237")
        order = tuple(filter(None, (name.strip() for name in names.split(","))))
        if unknown := [name for name in order if name not in known]:
            raise ValueError(f"{', '.join(unknown)}: no such carrier is set up; there is {', '.join(known) or 'none'}")
        if not order or len(set(order)) < len(order) or prefix in orders:
            raise ValueError(f"{part!r}: name each carrier once, and each prefix once")
        orders[prefix] = order
    return Routes(orders.pop("", tuple(known)), orders, chats)


def carrier_now(status: str, carrier: str | None, ways: Sequence[str], texts: Sequence[str]) -> str:
    """Which carrier sends a due text now; empty where there is none.

    The one that is stored with it, else the first choice. A text in status `unknown` is due only when reports
    prove that its carrier did not send it: it goes by the next one. `texts`: the ways without the chat.
    """
    if carrier is None or carrier not in ways:
        return ways[0] if ways else ""
    if status == "unknown":
        return after(carrier, texts if carrier in texts else ways)
    return carrier


@dataclass(frozen=True, slots=True)
class Hold:
    """A due text is not sent, for this reason: before `until`, or never (None)."""

    reason: str
    until: datetime | None


def hold(kind: str, to: str, ways: Sequence[str], *, opted_out: bool, now: datetime) -> Hold | None:
    """Whether a due text has to wait, or must not be sent at all. `opted_out`: its number sent STOP."""
    if not ways:
        return Hold("no carrier", now + timedelta(seconds=NO_CARRIER_SECONDS))
    if is_asked_for(kind):
        return None
    if opted_out:
        return Hold("opted out", None)
    until = quiet_until(kind, country_of(to), now)
    return None if until is None else Hold("quiet hours", until)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What follows a try. `status`: as stored. `carrier`: the one that has the text; of one that is `due`, the
    next one. `wait_seconds`: until it is looked at again, None for never."""

    status: Literal["sent", "due", "refused", "unknown"]
    carrier: str
    wait_seconds: int | None = None


def next_attempt(
    result: SendResult, *, carrier: str, attempts: int, ways: Sequence[str], in_chat: bool = False
) -> Attempt:
    """What to do after `carrier` answered so at the `attempts`-th try.

    `ways`: the carriers of this text, in order. `in_chat`: this try went to a chat, where a busy server
    is no reason to pay for a text, but a chat that is closed for good is.
    """
    if isinstance(result, SendAccepted):
        return Attempt("sent", carrier)
    if not isinstance(result, SendRefused):
        return Attempt("unknown", carrier, UNKNOWN_SECONDS)
    other = after(carrier, ways)
    for_good = result.permanent and not result.ours
    if for_good and not (in_chat and other != carrier):
        return Attempt("refused", carrier)
    # Refusals that say nothing against the text go round all carriers at once, then wait.
    if (for_good or result.ours) and other != carrier and attempts < len(ways):
        return Attempt("due", other, 0)
    if attempts > len(RETRY_SECONDS):
        return Attempt("refused", carrier)
    wait = max(RETRY_SECONDS[attempts - 1], result.retry_after_seconds or 0)
    stays = in_chat and not (result.ours or for_good)
    return Attempt("due", carrier if stays else other, wait)


class Reminder(StrEnum):
    """What becomes of an unfinished dialogue, as stored: a text, or the reason why there is none."""

    TEXT = "texted"
    ORDERED = "ordered"
    OPTED_OUT = "opted out"
    NOT_SOLD = "not sold"
    TOO_LATE = "too late"
    NIGHT = "night"


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A dialogue that ended after a candidate was chosen. `country`: the number's. `sold`: whether the
    candidate can still be voted for; `ordered`: whether the number bought in this contest since."""

    reached_at: datetime
    country: str | None
    sold: bool
    ordered: bool
    opted_out: bool


def remind(one: Unfinished, now: datetime) -> Reminder:
    """Whether the voter gets a text, at the earliest hour at which one may be sent."""
    if one.ordered:
        return Reminder.ORDERED
    if one.opted_out:
        return Reminder.OPTED_OUT
    if not one.sold:
        return Reminder.NOT_SOLD
    end = one.reached_at + REMIND_BEFORE
    if now >= end:
        return Reminder.TOO_LATE
    morning = quiet_until(REMINDER, one.country, now)
    return Reminder.NIGHT if morning is not None and morning >= end else Reminder.TEXT
