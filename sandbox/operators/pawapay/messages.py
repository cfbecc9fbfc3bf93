"""pawaPay's messages: refusals, the fields of a request to move money, how one is shown; its operators."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from aiohttp import web

from sandbox.operators.book import COLLECTION, Entry, Status
from sandbox.operators.faults import Faults
from sandbox.operators.wire import Refusal, answer

ACCEPTED_SECONDS: Final = 1.0
"""How long something is only accepted, before the operator works on it."""
STUCK: Final = "STUCK"
FIRST_TRANSACTION: Final = 4_100_000_000
_AMOUNT: Final = re.compile(r"(0|[1-9]\d{0,17})(\.\d{1,2})?", re.ASCII)
_MESSAGE: Final = re.compile(r"[A-Za-z0-9 ]{4,22}")


@dataclass(frozen=True, slots=True)
class Network:
    """An operator that pawaPay reaches. `code_first`: its payers bring a code that they dialled for."""

    country: str
    currency: str
    subscribers: re.Pattern[str]
    code_first: bool = False


NETWORKS: Final = MappingProxyType(
    {
        "MTN_MOMO_CIV": Network("CIV", "XOF", re.compile(r"22505\d{8}")),
        "ORANGE_CIV": Network("CIV", "XOF", re.compile(r"22507\d{8}"), code_first=True),
        "MTN_MOMO_CMR": Network("CMR", "XAF", re.compile(r"237(67\d|65[0-4]|68[0-3])\d{6}")),
        "ORANGE_CMR": Network("CMR", "XAF", re.compile(r"237(69\d|64[0-2]|65[5-9]|68[6-9])\d{6}")),
    }
)
CURRENCIES: Final = MappingProxyType({network.country: network.currency for network in NETWORKS.values()})

# Endings after pawaPay's own test numbers, which have 3456 before them.
_TEST_NUMBER: Final = re.compile(r"\d+3456(\d{3})", re.ASCII)
PAYER_ENDINGS: Final = MappingProxyType(
    {
        "019": "PAYER_LIMIT_REACHED",
        "029": "PAYER_NOT_FOUND",
        "039": "PAYMENT_NOT_APPROVED",
        "049": "INSUFFICIENT_BALANCE",
        "069": "UNSPECIFIED_FAILURE",
        "129": STUCK,
    }
)
PAYEE_ENDINGS: Final = MappingProxyType(
    {"029": "RECIPIENT_NOT_FOUND", "089": "RECIPIENT_NOT_FOUND", "119": "UNSPECIFIED_FAILURE", "129": STUCK}
)


def ordained(entry: Entry) -> str | None:
    """How the payment of a test number ends, or of one that its operator does not know."""
    number, collecting = entry.msisdn[1:], entry.kind == COLLECTION
    network = NETWORKS.get(entry.details["provider"])
    found = _TEST_NUMBER.fullmatch(number)
    code = (PAYER_ENDINGS if collecting else PAYEE_ENDINGS).get(found[1]) if found else None
    if code is None and network is not None and not network.subscribers.fullmatch(number):
        return "PAYER_NOT_FOUND" if collecting else "RECIPIENT_NOT_FOUND"
    return code


def error(status: int, code: str, message: str = "") -> web.Response:
    """A call that is refused as such."""
    return answer(status, {"failureReason": {"failureCode": code, "failureMessage": message or _text(code)}})


def rejected(kind: str, reference: str, code: str) -> Refusal:
    """A request that is refused for what it asks: HTTP 200."""
    reason = {"failureCode": code, "failureMessage": _text(code)}
    return Refusal(answer(200, {f"{kind}Id": reference, "status": "REJECTED", "failureReason": reason}))


def _text(code: str) -> str:
    return code.replace("_", " ").capitalize()


def received(entry: Entry, kind: str, status: str) -> web.Response:
    """The answer to a request that is taken in, now or earlier."""
    body: dict[str, object] = {f"{kind}Id": entry.our_reference, "status": status}
    return answer(200, body | {"created": instant(entry.created_at)})


def text_field(body: Mapping[str, Any], name: str, *, optional: bool = False) -> str:
    """A text in a body; empty for an optional one that is absent. Raises Refusal."""
    if body.get(name) is None:
        if optional:
            return ""
        raise Refusal(error(400, "MISSING_PARAMETER", f"{name} is missing"))
    if not isinstance(body[name], str):
        raise Refusal(error(400, "INVALID_PARAMETER", f"{name} has the wrong type"))
    return str(body[name])


def read_reference(text: str, name: str) -> str:
    """A UUID version 4 in canonical form. Raises Refusal."""
    try:
        found = UUID(text)
    except ValueError:
        found = None
    if found is None or found.version != 4 or str(found) != text:
        raise Refusal(error(400, "INVALID_PARAMETER", f"{name} is not a UUIDv4"))
    return text


def read_party(body: Mapping[str, Any], party: str) -> tuple[str, str]:
    """Number and operator of one side. Raises Refusal."""
    shown = body.get(party)
    details = shown.get("accountDetails") if isinstance(shown, dict) and shown.get("type") == "MMO" else None
    if not isinstance(details, dict):
        raise Refusal(error(400, "MISSING_PARAMETER", f"{party} is missing"))
    return text_field(details, "phoneNumber"), text_field(details, "provider")


def read_message(body: Mapping[str, Any]) -> str:
    """What the person on the phone is shown. Raises Refusal."""
    message = text_field(body, "customerMessage", optional=True)
    if message and not _MESSAGE.fullmatch(message):
        raise Refusal(error(400, "INVALID_PARAMETER", "customerMessage has 4 to 22 letters, digits and spaces"))
    return message


def amount_fault(amount: str) -> str | None:
    """Why an amount is none; the operators here take no decimals."""
    if not _AMOUNT.fullmatch(amount) or not amount.strip("0."):
        return "INVALID_PARAMETER"
    return "INVALID_AMOUNT" if "." in amount and amount.partition(".")[2].strip("0") else None


def shown(entry: Entry, kind: str, faults: Faults) -> dict[str, object]:
    """A request as status and callback show it."""
    party = "payer" if entry.kind == COLLECTION else "recipient"
    account = {"phoneNumber": entry.msisdn[1:], "provider": entry.details["provider"]}
    body: dict[str, object] = {
        f"{kind}Id": entry.our_reference,
        "status": _word(entry),
        "amount": entry.whole if faults.status.amount_as_number else entry.amount,
        "currency": entry.currency,
        "country": NETWORKS[entry.details["provider"]].country,
        party: {"type": "MMO", "accountDetails": account},
        "created": instant(entry.created_at),
    }
    for name in ("customerMessage", "clientReferenceId", "depositId"):
        if entry.details.get(name):
            body.setdefault(name, entry.details[name])
    if entry.status is Status.SUCCESSFUL:
        body["providerTransactionId"] = number_of(entry)
    if entry.reason:
        body["failureReason"] = {"failureCode": entry.reason, "failureMessage": _text(entry.reason)}
    return body


def _word(entry: Entry) -> str:
    if entry.status is Status.SUCCESSFUL:
        return "COMPLETED"
    if entry.status.is_final:
        return "FAILED"
    if ordained(entry) == STUCK:
        return "IN_RECONCILIATION"
    return "PROCESSING" if is_processing(entry) else "ACCEPTED"


def is_processing(entry: Entry) -> bool:
    """Whether the operator works on it by now."""
    return not entry.status.is_final and time.time() > entry.created_at + ACCEPTED_SECONDS


def number_of(entry: Entry) -> str:
    """The operator's number of a transaction."""
    return str(FIRST_TRANSACTION + entry.number)


def instant(seconds: float) -> str:
    """A moment as pawaPay writes it."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
