"""pawaPay's failure codes, in one table: what each means, and what follows from it.

Source: pawaPay's page of failure codes (Merchant API v2), and further codes that clients list.
The first group comes in answers to requests, the second once the operator has answered.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from payments.provider import PayerReason


@dataclass(frozen=True, slots=True)
class Reason:
    """`alarm`: not caused by the person on the phone. `expired`: the payer did not approve in time. `later`:
    nothing was taken in, and the same request may be taken in later."""

    meaning: str
    reason: PayerReason
    alarm: bool = False
    expired: bool = False
    later: bool = False


def _ours(meaning: str) -> Reason:
    return Reason(meaning, PayerReason.SERVICE_DOWN, alarm=True)


REASONS: Final[Mapping[str, Reason]] = {
    "NO_AUTHENTICATION": _ours("the token was not sent"),
    "AUTHENTICATION_ERROR": _ours("the token is not valid"),
    "AUTHORISATION_ERROR": _ours("the token does not permit this"),
    "HTTP_SIGNATURE_ERROR": _ours("the account wants signed requests"),
    "DEPOSITS_NOT_ALLOWED": _ours("deposits are not enabled for this operator"),
    "PAYOUTS_NOT_ALLOWED": _ours("payouts are not enabled for this operator"),
    "REFUNDS_NOT_ALLOWED": _ours("refunds are not enabled for this operator"),
    "INVALID_INPUT": _ours("the body cannot be read"),
    "MISSING_PARAMETER": _ours("a field is missing"),
    "UNSUPPORTED_PARAMETER": _ours("a field too much"),
    "INVALID_PARAMETER": _ours("a field has a wrong value"),
    "DUPLICATE_METADATA_FIELD": _ours("a field of the metadata twice"),
    "INVALID_AMOUNT": _ours("the operator takes no such decimals"),
    "INVALID_CURRENCY": _ours("not the operator's currency"),
    "INVALID_PROVIDER": _ours("the operator's code is not known"),
    "INVALID_PHONE_NUMBER": Reason("not a number of this country", PayerReason.UNKNOWN_NUMBER),
    "AMOUNT_OUT_OF_BOUNDS": Reason("outside the operator's limits", PayerReason.LIMIT),
    "PROVIDER_TEMPORARILY_UNAVAILABLE": Reason("the operator is down", PayerReason.SERVICE_DOWN, later=True),
    "NOT_FOUND": _ours("of a refund: the deposit is not known"),
    "INVALID_STATE": _ours("of a refund: the deposit was not paid"),
    "AMOUNT_TOO_LARGE": _ours("of a refund: more than is left of the deposit"),
    "DEPOSIT_ALREADY_REFUNDED": _ours("of a refund: nothing is left of the deposit"),
    "REFUND_IN_PROGRESS": Reason("another refund of the deposit is moving", PayerReason.SERVICE_DOWN, later=True),
    "PAWAPAY_WALLET_OUT_OF_FUNDS": Reason("our own wallet is empty", PayerReason.NO_FUNDS, alarm=True),
    # One code for a payer who declines and one who does nothing; the second is far more common.
    "PAYMENT_NOT_APPROVED": Reason("the payer did not approve", PayerReason.NOT_ANSWERED, expired=True),
    "INSUFFICIENT_BALANCE": Reason("the payer's wallet is empty", PayerReason.NO_FUNDS),
    "PAYER_NOT_FOUND": Reason("the operator does not know the payer", PayerReason.UNKNOWN_NUMBER),
    "PAYER_LIMIT_REACHED": Reason("a limit of the payer's wallet", PayerReason.LIMIT),
    "WALLET_LIMIT_REACHED": Reason("a limit of the payer's or payee's wallet", PayerReason.LIMIT),
    "PAYMENT_IN_PROGRESS": Reason("the payer has another prompt open", PayerReason.OTHER),
    "TRANSACTION_ALREADY_IN_PROCESS": Reason("the payer has another prompt open", PayerReason.OTHER),
    "RECIPIENT_NOT_FOUND": Reason("the operator does not know the payee", PayerReason.UNKNOWN_NUMBER),
    "RECIPIENT_LIMIT_REACHED": Reason("a limit of the payee's wallet", PayerReason.LIMIT),
    "MANUALLY_CANCELLED": Reason("cancelled in the dashboard", PayerReason.OTHER, alarm=True),
    "UNSPECIFIED_FAILURE": Reason("the operator gave no reason", PayerReason.OTHER),
    "UNKNOWN_ERROR": Reason("pawaPay gives no reason", PayerReason.OTHER, alarm=True),
}

UNKNOWN_REASON: Final = Reason("not documented: the status decides", PayerReason.OTHER, alarm=True)
