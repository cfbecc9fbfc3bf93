"""MTN's environments with their currencies, its test numbers, and which numbers are its subscribers'."""

import re
from types import MappingProxyType
from typing import Final

CURRENCIES: Final = MappingProxyType(
    {
        "sandbox": "EUR",
        "mtnivorycoast": "XOF",
        "mtnbenin": "XOF",
        "mtncameroon": "XAF",
        "mtncongo": "XAF",
        "mtnguineaconakry": "GNF",
        "mtnghana": "GHS",
        "mtnuganda": "UGX",
        "mtnrwanda": "RWF",
        "mtnzambia": "ZMW",
        "mtnswaziland": "SZL",
        "mtnsouthafrica": "ZAR",
    }
)
"""X-Target-Environment → currency. The literal `production` is none of them."""

FAILING_NUMBERS: Final = MappingProxyType(
    {
        "46733123450": "INTERNAL_PROCESSING_ERROR",
        "46733123451": "APPROVAL_REJECTED",
        "46733123452": "EXPIRED",
        "46733123455": "PAYER_NOT_FOUND",
        "46733123456": "PAYEE_NOT_ALLOWED_TO_RECEIVE",
        "46733123457": "NOT_ALLOWED",
        "46733123458": "NOT_ALLOWED_TARGET_ENVIRONMENT",
        "46733123459": "INVALID_CALLBACK_URL_HOST",
        "46733123460": "INVALID_CURRENCY",
        "46733123461": "INTERNAL_PROCESSING_ERROR",
        "46733123462": "SERVICE_UNAVAILABLE",
        "46733123463": "COULD_NOT_PERFORM_TRANSACTION",
        "46733123464": "TRANSFER_TYPE_UNKNOWN",
    }
)
"""Payers of MTN's testing page whose payment fails, with the reason."""

FAILING_PAYEES: Final = MappingProxyType(
    {
        "46733123450": "INTERNAL_PROCESSING_ERROR",
        "46733123451": "APPROVAL_REJECTED",
        "46733123452": "EXPIRED",
        "46733123455": "NOT_ENOUGH_FUNDS",
        "46733123456": "PAYER_LIMIT_REACHED",
        "46733123457": "PAYEE_NOT_FOUND",
        "46733123458": "NOT_ALLOWED",
        "46733123459": "NOT_ALLOWED_TARGET_ENVIRONMENT",
        "46733123460": "INVALID_CALLBACK_URL_HOST",
        "46733123461": "INVALID_CURRENCY",
        "46733123462": "INTERNAL_PROCESSING_ERROR",
        "46733123463": "SERVICE_UNAVAILABLE",
        "46733123464": "TRANSFER_TYPE_UNKNOWN",
    }
)
"""Payees of MTN's testing page whose transfer fails, with the reason."""

FAILING_REFUNDS: Final = MappingProxyType(
    {
        "1": "PAYER_NOT_FOUND",
        "2": "INTERNAL_PROCESSING_ERROR",
        "3": "APPROVAL_REJECTED",
        "4": "EXPIRED",
        "7": "NOT_ALLOWED",
        "8": "NOT_ALLOWED_TARGET_ENVIRONMENT",
        "9": "INVALID_CALLBACK_URL_HOST",
        "10": "INVALID_CURRENCY",
        "11": "INTERNAL_PROCESSING_ERROR",
        "12": "SERVICE_UNAVAILABLE",
        "13": "COULD_NOT_PERFORM_TRANSACTION",
    }
)
"""Values of `referenceIdToRefund` on MTN's testing page that fail, with the reason; 5 goes on, 6 is late."""

ONGOING_NUMBER: Final = "46733123453"
DELAYED_NUMBER: Final = "46733123454"

ACCOUNT_HOLDER_ANSWERS: Final = MappingProxyType(
    {
        "46733123450": (404, "RESOURCE_NOT_FOUND"),
        "46733123451": (200, ""),
        "46733123452": (500, "NOT_ALLOWED"),
        "46733123453": (500, "NOT_ALLOWED_TARGET_ENVIRONMENT"),
        "46733123454": (500, "INTERNAL_PROCESSING_ERROR"),
        "46733123455": (503, "SERVICE_UNAVAILABLE"),
    }
)
"""What the account holder question answers for test numbers; an empty code means "not active"."""

_SUBSCRIBERS: Final = MappingProxyType(
    {
        "mtnivorycoast": re.compile(r"22505\d{8}"),
        "mtncameroon": re.compile(r"237(67\d|65[0-4]|68[0-3])\d{6}"),
        "mtnbenin": re.compile(r"22901(4[26]|5\d|6[12679]|9[0167])\d{6}"),
        "mtncongo": re.compile(r"24206\d{7}"),
        "mtnghana": re.compile(r"233(24|25|53|54|55|59)\d{7}"),
    }
)


def is_subscriber(environment: str, number: str) -> bool:
    """Whether MTN knows a wallet for this number (international, digits only), by its prefix; in
    countries whose prefixes are not listed, it knows all."""
    pattern = _SUBSCRIBERS.get(environment)
    return pattern is None or pattern.fullmatch(number) is not None
