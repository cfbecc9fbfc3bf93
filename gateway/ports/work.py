"""Kinds of work that may be owed: the only thing that a doorbell says."""

from enum import StrEnum


class Work(StrEnum):
    """What may be owed."""

    COLLECT = "collect"
    CALLBACKS = "callbacks"
    VERIFY = "verify"
    SETTLE = "settle"
    TEXTS_IN = "texts_in"
    TEXTS_OUT = "texts_out"
    NUDGES = "nudges"
    REFUND = "refund"
    REVERSALS = "reversals"
    STAFF_ACTS = "staff_acts"
    PAYOUTS = "payouts"
