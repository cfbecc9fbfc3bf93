"""What is owed to a voter, as it is said in a chat: short, with a link, in the bot's own words. Plain text."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from channels.telegram.texts import name, plain, votes, wallet
from gateway.orders.wallet import PaymentMethod
from payments.lifecycle import REASONS, Withheld
from payments.provider import PayerReason

Facts = Mapping[str, Any]


def write(kind: str, language: str, values: Mapping[str, object]) -> str | None:
    """The message of this kind; None for a kind that chats have no words of their own for. The facts are
    those of a text. KeyError for a missing one."""
    writer = _WRITERS.get(kind)
    return None if writer is None else writer(language, values)


def _receipt(language: str, values: Facts) -> str:
    facts = {"receipt": values["receipt"], "link": values["verify_url"], "amount": values["amount"]}
    return plain(language, "owed.receipt", **_what(language, values), **facts)


def _failed(language: str, values: Facts) -> str:
    word = values.get("reason")
    reason = word if word in REASONS else PayerReason.OTHER.value
    why = plain(language, f"why.{reason}", wallet=wallet(language, PaymentMethod(str(values["wallet"]))))
    # Where nobody may be asked any more, there is no trying again.
    key = "owed.withheld" if reason in {*Withheld} else "owed.failed"
    return plain(language, key, reason=why, count=values["quantity"], **_what(language, values))


def _not_confirmed(language: str, values: Facts) -> str:
    return plain(language, "owed.not_confirmed", **_what(language, values))


def _what(language: str, values: Facts) -> dict[str, str]:
    return {
        "votes": votes(language, int(values["quantity"])),
        "code": str(values["candidate_code"]),
        "name": name(str(values["candidate_name"])),
    }


_WRITERS: Final[Mapping[str, Callable[[str, Facts], str]]] = {
    "receipt": _receipt,
    "payment_failed": _failed,
    "payment_not_confirmed": _not_confirmed,
}
