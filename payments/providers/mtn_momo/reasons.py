"""MTN MoMo's reason codes, in one table: what each means, and what follows when we collect and when we pay.

Source: the published OpenAPI's list, MTN's testing and common-errors pages, and codes seen by clients.
When we collect, the payer is the voter; when we refund or pay out, the payer is we, and the payee is
the voter or the beneficiary.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from payments.provider import PayerReason


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from a code. `final`: nothing more will come of this reference. `alarm`: not caused
    by the person on the phone."""

    reason: PayerReason
    final: bool = True
    alarm: bool = False
    expired: bool = False


@dataclass(frozen=True, slots=True)
class Reason:
    """`logical`: as the code of an HTTP 500 at submission it will never succeed as it is; any other
    5xx may have arrived."""

    meaning: str
    collecting: Verdict
    paying: Verdict
    logical: bool = False


_DECLINED: Final = Verdict(PayerReason.DECLINED)
_STOPPED: Final = Verdict(PayerReason.DECLINED, alarm=True)
_OURS: Final = Verdict(PayerReason.SERVICE_DOWN, alarm=True)
_MOVING: Final = Verdict(PayerReason.OTHER, final=False)
_OTHER: Final = Verdict(PayerReason.OTHER)
_ODD: Final = Verdict(PayerReason.OTHER, alarm=True)


def _declined(meaning: str) -> Reason:
    return Reason(meaning, _DECLINED, _STOPPED)


def _ours(meaning: str, *, logical: bool = False) -> Reason:
    return Reason(meaning, _OURS, _OURS, logical)


def _moving(meaning: str) -> Reason:
    return Reason(meaning, _MOVING, _MOVING)


REASONS: Final[Mapping[str, Reason]] = {
    "APPROVAL_REJECTED": _declined("the payer declined"),
    "REJECTED": _declined("the payer declined"),
    "PAYER_REJECTION": _declined("the payer declined; documented, never seen live"),
    "PAYMENT_NOT_APPROVED": _declined("the payer did not approve"),
    "TRANSACTION_CANCELED": _declined("cancelled"),
    "EXPIRED": Reason(
        "not approved in time",
        Verdict(PayerReason.NOT_ANSWERED, expired=True),
        Verdict(PayerReason.NOT_ANSWERED, alarm=True, expired=True),
    ),
    "COULD_NOT_PERFORM_TRANSACTION": Reason(
        "not approved within five minutes, or MTN's own time-out", Verdict(PayerReason.NOT_ANSWERED), _ODD
    ),
    "NOT_ENOUGH_FUNDS": Reason(
        "the wallet that pays is empty; when we pay, it is ours",
        Verdict(PayerReason.NO_FUNDS),
        Verdict(PayerReason.NO_FUNDS, alarm=True),
        logical=True,
    ),
    # Mostly an empty wallet, but not only: the payer would sometimes get a wrong reason.
    "INTERNAL_PROCESSING_ERROR": Reason("anything; mostly an empty wallet", _OTHER, _ODD),
    "PAYER_NOT_FOUND": Reason(
        "the payer has no wallet; of a refund, its collection is not known",
        Verdict(PayerReason.UNKNOWN_NUMBER),
        _OURS,
        logical=True,
    ),
    "SENDER_ACCOUNT_NOT_ACTIVE": Reason("the payer's wallet is blocked", Verdict(PayerReason.BLOCKED), _OURS),
    "PAYER_LIMIT_REACHED": Reason(
        "a limit of the wallet that pays",
        Verdict(PayerReason.LIMIT),
        Verdict(PayerReason.LIMIT, alarm=True),
        logical=True,
    ),
    "PAYEE_NOT_ALLOWED_TO_RECEIVE": Reason(
        "the payee may not receive", _OURS, Verdict(PayerReason.BLOCKED), logical=True
    ),
    "PAYEE_NOT_FOUND": Reason("the payee has no wallet", _OURS, Verdict(PayerReason.UNKNOWN_NUMBER), logical=True),
    "NOT_ALLOWED": Reason("not permitted to this account", _ODD, _ODD, logical=True),
    "AMOUNT_NOT_ALLOWED": Reason(
        "outside the amounts that are permitted",
        Verdict(PayerReason.LIMIT, alarm=True),
        Verdict(PayerReason.LIMIT, alarm=True),
    ),
    "NOT_ALLOWED_TARGET_ENVIRONMENT": _ours("wrong X-Target-Environment", logical=True),
    "INVALID_CALLBACK_URL_HOST": _ours("not the host registered for callbacks", logical=True),
    "INVALID_CURRENCY": _ours("not this environment's currency", logical=True),
    "TRANSFER_TYPE_UNKNOWN": _ours("a field that only aggregators send"),
    "SERVICE_UNAVAILABLE": _moving("MTN is down"),
    "RESOURCE_NOT_FOUND": _moving("not known (yet, or on this platform)"),
    "TRANSACTION_NOT_FOUND": _moving("not known (yet, or on this platform)"),
    "RESOURCE_ALREADY_EXIST": _moving("our reference is known"),
    "ONGOING": _moving("still moving"),
    "PAYER_DELAYED": _moving("still moving"),
    "PAYEE_DELAYED": _moving("still moving"),
    "NOT_COMPLETED": _moving("still moving"),
}

UNKNOWN_REASON: Final = Reason("not documented: the status decides", _OTHER, _ODD)
