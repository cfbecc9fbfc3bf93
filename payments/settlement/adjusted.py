"""Why a vote left the count."""

from enum import StrEnum


class Adjusted(StrEnum):
    """Why a vote left the count, as the tally says it where nobody gave words of his own."""

    REFUND = "refund"
    REVIEW = "refused after review"
    VOIDED = "voided window"
    REVERSED = "the payment was reversed at the operator"
    UNCONFIRMED = "the operator does not confirm the payment"
