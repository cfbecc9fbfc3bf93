"""What follows a try to send a text. Pure.

The one rule above all others: a text that may have been sent is not sent again, by anybody.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from channels.messages.sender import SendAccepted, SendRefused, SendResult
from channels.messages.texting import after

# Waits before the next try, by tries so far; after the last one a text is given up.
RETRY_SECONDS: Final = (15, 60, 300, 1_800, 7_200)
# Before that, no report can be expected to have shown what became of a text.
UNKNOWN_SECONDS: Final = 600


@dataclass(frozen=True, slots=True)
class Attempt:
    """`status`: as stored. `carrier`: who has it; of a text that is `due`, who is tried next.
    `wait_seconds`: until it is looked at again, None for never."""

    status: Literal["sent", "due", "refused", "unknown"]
    carrier: str
    wait_seconds: int | None = None


def next_attempt(
    result: SendResult, *, carrier: str, attempts: int, ways: Sequence[str], in_chat: bool = False
) -> Attempt:
    """What to do after `carrier` answered so at the `attempts`-th try.

    `ways`: who may carry this text, in order. `in_chat`: this try went to a chat, where a busy server
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
