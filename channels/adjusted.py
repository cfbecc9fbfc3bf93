"""Why a counted vote was taken back, in the reader's language."""

from channels.phrases import say
from payments.settlement.adjusted import Adjusted


def why_taken_back(language: str, reason: str) -> str:
    """The reason of a public adjustment; what a person wrote stays as it was written."""
    try:
        known = Adjusted(reason)
    except ValueError:
        return reason
    return say(language, f"adjusted.{known.name.lower()}")
