"""Which findings there are alerts about, how they are sent, and when one is tried again. Plain functions."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gateway.values.webhook import AddressFault

DESTINATIONS_MAX: Final = 20
GAP_MINUTES: Final = 5
GAP_MINUTES_MAX: Final = 1_440
CODE_MINUTES: Final = 30
# The actor of what a rule did.
RULE: Final = "rule"
TEST: Final = "test"
"""The kind of an alert that a person asked for to see whether it arrives."""
# Seconds before the next try, by tries so far; after the last one an alert is given up. Together more than a day.
RETRY_SECONDS: Final = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400)


class AlertKind(StrEnum):
    """What there are alerts about."""

    HELD = "held"  # votes that wait for a person
    FLAGGED = "flagged"  # votes that are counted, and only shown
    BURST = "burst"  # votes of what looks like one source, for one candidate far above its own past
    LISTED = "listed"  # addresses and devices from which no more votes are taken
    WALLET_CLOSED = "wallet_closed"  # operators that fail: no payer is asked there
    WALLET_OPEN = "wallet_open"  # operators that answer again
    DIFFERENCES = "differences"  # between an operator and the book
    CARRIER = "carrier"  # carriers that refuse our account
    UNPAID = "unpaid"  # entries of a tally that no paid order explains: their logs stay where they are
    RULES = "rules"  # rules or names of a contest that changed by no act of staff
    WITNESS = "witness"  # logs that do not go on from what a witness cosigned


NOTED_AS: Final[Mapping[AlertKind, str]] = {
    AlertKind.WALLET_CLOSED: "account.closed",
    AlertKind.WALLET_OPEN: "account.opened",
    AlertKind.DIFFERENCES: "reconcile.found",
    AlertKind.CARRIER: "carrier.refused_us",
    AlertKind.UNPAID: "log.unpaid",
    AlertKind.RULES: "log.unexplained",
    AlertKind.WITNESS: "log.refused",
}
"""What the platform is alerted about, with the act by which the audit log has it."""


def kinds_of(*, platform: bool) -> list[AlertKind]:
    """What an organiser, or the platform, may be alerted about."""
    return [kind for kind in AlertKind if (kind in NOTED_AS) is platform]


class AlertChannel(StrEnum):
    """How an alert arrives."""

    MAIL = "mail"
    TELEGRAM = "telegram"
    WEBHOOK = "webhook"


class AlertFault(StrEnum):
    """Why a destination is refused, besides what is wrong with an address."""

    NO_KIND = "no_kind"
    NO_MEMBER = "no_member"
    NO_MAIL = "no_mail"  # no mail leaves this installation
    NO_BOT = "no_bot"  # there is no Telegram bot
    TOO_MANY = "too_many"
    UNREADABLE = "unreadable_form"


class DestinationRefused(Exception):
    """Nothing was added."""

    def __init__(self, fault: AlertFault | AddressFault) -> None:
        super().__init__(fault.value)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one try. `answer`: a code of ours, or the answer of the other side; `gone`: nothing more arrives
    there, until a person mends it."""

    taken: bool
    answer: str = ""
    gone: bool = False


def retry_seconds(outcome: Outcome, kind: str, attempts: int) -> int | None:
    """How long to wait after so many tries; None: no more. A person who waits for the answer tries again themselves."""
    if outcome.taken or outcome.gone or kind == TEST or attempts > len(RETRY_SECONDS):
        return None
    return RETRY_SECONDS[attempts - 1]
