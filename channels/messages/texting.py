"""What may be sent to whom, when, and who carries it. Pure: the hour is given.

A text that somebody asked for by what they did (an order, a question) goes out at any hour. What
nobody asked for waits for daylight where the number lives, and never reaches a number that said STOP.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

import phonenumbers
from phonenumbers import NumberParseException

# Anything else counts as not asked for, so that a new kind is quiet until somebody thought about it.
ASKED_FOR: Final = frozenset(
    {"receipt", "reply", "refund_pending", "refunded", "payment_failed", "payment_not_confirmed", "payment_link"}
)
DAY_BEGINS_HOUR: Final = 8
DAY_ENDS_HOUR: Final = 20

# Words of delivery reports that end a text's journey; a carrier that has none of its own uses these.
DELIVERED: Final = "Success"
UNDELIVERED: Final = frozenset({"Failed", "Rejected", "Expired", "AbsentSubscriber"})

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
# Somewhere in Africa, from Cape Verde to Mauritius.
_HOURS_ANYWHERE: Final = (-1, 4)


def is_asked_for(kind: str) -> bool:
    """Whether texts of this kind answer something that their reader did."""
    return kind in ASKED_FOR


def country_of(e164: str) -> str | None:
    """ISO 3166 code of the country where a number lives; None when it is no number."""
    try:
        found = phonenumbers.region_code_for_number(phonenumbers.parse(e164))
    except NumberParseException:
        return None
    return None if found is None else str(found)


def quiet_until(kind: str, country: str | None, now: datetime) -> datetime | None:
    """When a text of this kind may be sent; None for at once.

    `country`: ISO 3166 code of the number's country, None when it is not known. `now` with a zone.
    """
    if is_asked_for(kind):
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
    """Who carries texts: codes of carriers, first choice first. `by_prefix`: another order for numbers
    that begin so (`+237`); the longest prefix wins. `chats`: who carries messages to chats."""

    carriers: tuple[str, ...]
    by_prefix: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    chats: str | None = None

    def ways(self, to: str, chat_id: int | None) -> tuple[str, ...]:
        """Who may carry this message, first choice first: its chat, then texts to its number, where
        it has one (`to` empty: none)."""
        chat = () if chat_id is None or self.chats is None else (self.chats,)
        if not to:
            return chat
        prefix = max((prefix for prefix in self.by_prefix if to.startswith(prefix)), key=len, default=None)
        return (*chat, *(self.carriers if prefix is None else self.by_prefix[prefix]))


def after(carrier: str, ways: Sequence[str]) -> str:
    """Who comes next in turn; the same when there is no other."""
    return ways[(ways.index(carrier) + 1) % len(ways)] if carrier in ways else ways[0]


def read_routes(written: str, known: Sequence[str], *, chats: str | None = None) -> Routes:
    """Read an order of carriers: `africastalking, kannel; +237: kannel, africastalking`.

    `known`: codes of the carriers that are set up; all of them, in this order, when nothing is
    written. Raises ValueError with a sentence for whoever wrote it.
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
