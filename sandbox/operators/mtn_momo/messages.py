"""MTN's messages: error bodies, references, the fields of a request to move money, how one is shown."""

import re
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Final
from uuid import UUID

from aiohttp import web

from sandbox.operators.book import Entry, Status
from sandbox.operators.faults import Faults
from sandbox.operators.wire import Refusal, answer, firewall_page

MESSAGE_LENGTH_MAX: Final = 160
FIRST_TRANSACTION: Final = 1_400_000_000
_MESSAGES: Final = MappingProxyType(
    {
        "RESOURCE_ALREADY_EXIST": "Duplicated reference id. Creation of resource failed.",
        "RESOURCE_NOT_FOUND": "Requested resource was not found.",
        "INVALID_CURRENCY": "Currency not supported.",
        "INVALID_CALLBACK_URL_HOST": "Callback URL with different host name then configured for API user.",
        "PAYER_NOT_FOUND": "Payer not found.",
        "PAYEE_NOT_FOUND": "Payee not found.",
        "SERVICE_UNAVAILABLE": "Service temporarily unavailable, try again later",
        "APPROVAL_REJECTED": "The approver rejected the payment.",
        "EXPIRED": "The payment expired before it was approved.",
        "NOT_ENOUGH_FUNDS": "The payer does not have enough funds.",
        "INTERNAL_PROCESSING_ERROR": "An internal error occurred while processing.",
        "NOT_SUCCESSFULLY_COMPLETED": "The transaction is not successfully completed.",
    }
)
_DECIMALS: Final = re.compile(r"\d{1,10}(\.\d{1,2})?")
_WHOLE: Final = re.compile(r"\d{1,12}")


def error(status: int, code: str, message: str) -> web.Response:
    """MTN's error body."""
    return answer(status, {"code": code, "message": message})


def logical(status: int, code: str) -> web.Response:
    """An answer with MTN's error code; logical mistakes come as HTTP 500."""
    return error(status, code, _message(code))


def _message(code: str) -> str:
    return _MESSAGES.get(code, code.replace("_", " ").capitalize())


def too_many() -> web.Response:
    """The gateway's answer to one call too many."""
    body = {"statusCode": 429, "message": "Rate limit is exceeded. Try again in 1 seconds."}
    return answer(429, body, {"Retry-After": "1"})


def read_reference(text: str) -> str:
    """A UUID version 4 in canonical form; others are refused with 400."""
    try:
        found = UUID(text)
    except ValueError:
        raise Refusal(error(400, "INVALID_REFERENCE_ID", "X-Reference-Id is not a UUID.")) from None
    if found.version != 4 or str(found) != text.lower():
        raise Refusal(error(400, "INVALID_REFERENCE_ID", "X-Reference-Id is not a UUID version 4."))
    return str(found)


def read_money(body: object, currency: str, party: str = "") -> dict[str, str]:
    """The fields of a request to move money; `party`: the field that names the other side, if any.
    Raises ValueError, KeyError or TypeError for a wrong one, Refusal for what the firewall stops."""
    if not isinstance(body, dict):
        raise TypeError("not an object")
    order = {
        "amount": body["amount"],
        "currency": body["currency"],
        "external_id": body.get("externalId", ""),
        "party": body[party]["partyId"] if party else "1000000",
        "message": body.get("payerMessage", ""),
        "note": body.get("payeeNote", ""),
    }
    if not all(isinstance(value, str) for value in order.values()):
        raise TypeError("a field has the wrong type")
    if party and body[party]["partyIdType"] != "MSISDN":
        raise TypeError("partyIdType")
    pattern = _DECIMALS if currency == "EUR" else _WHOLE
    if not pattern.fullmatch(order["amount"]) or Decimal(order["amount"]) <= 0:
        raise ValueError("amount")
    if not re.fullmatch(r"[1-9]\d{6,14}", order["party"], re.ASCII):
        raise ValueError("partyId")
    if max(len(order["message"]), len(order["note"])) > MESSAGE_LENGTH_MAX:
        raise ValueError("payerMessage")
    if "&" in order["message"] + order["note"] or "'" in order["message"] + order["note"]:
        raise Refusal(firewall_page())
    if order["currency"] != currency:
        raise Refusal(logical(500, "INVALID_CURRENCY"))
    return order


def bad_body() -> Refusal:
    """A body that cannot be read."""
    return Refusal(error(400, "BAD_REQUEST", "The request body is not valid."))


def shown(entry: Entry, faults: Faults) -> dict[str, object]:
    """A request as status and callback show it: `payer` of money in, `payee` of money out."""
    body: dict[str, object] = {"amount": entry.amount, "currency": entry.currency}
    if faults.status.amount_as_number:
        body["amount"] = float(entry.amount) if "." in entry.amount else int(entry.amount)
    if entry.status is not Status.PENDING:
        body["financialTransactionId"] = entry.provider_reference
    body |= {
        "externalId": entry.external_id,
        "payer" if entry.kind == "collection" else "payee": {"partyIdType": "MSISDN", "partyId": entry.msisdn[1:]},
        "payerMessage": entry.details["message"],
        "payeeNote": entry.details["note"],
        "status": entry.status.value,
    }
    if entry.reason:
        body["reason"] = (
            {"code": entry.reason, "message": _message(entry.reason)}
            if faults.status.reason_as_object
            else entry.reason
        )
    return body


def wrong_amount(entry: Entry, body: Mapping[str, object]) -> dict[str, object]:
    """The same news about ten times the money."""
    return {**body, "amount": str(Decimal(entry.amount) * 10)}


def number_of(entry: Entry) -> str:
    """MTN's number of a transaction."""
    return str(FIRST_TRANSACTION + entry.number)
