"""Kinds of work that may be owed: the only thing that a doorbell says."""

from enum import StrEnum
from typing import Protocol


class Doorbell(Protocol):
    """Tells workers that there is work of a kind. May be lost, doubled or late."""

    def ring(self, kind: str) -> None:
        """Ring soon; never blocks and never raises."""
        ...


class Work(StrEnum):
    """What may be owed."""

    COLLECT = "collect"
    CALLBACKS = "callbacks"
    VERIFY = "verify"
    SETTLE = "settle"
    TEXTS_IN = "texts_in"
    TEXTS_OUT = "texts_out"
    REMINDERS = "nudges"
    REFUND = "refund"
    REVERSALS = "reversals"
    STAFF_ACTS = "staff_acts"
    PAYOUTS = "payouts"
