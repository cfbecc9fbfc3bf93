"""Checkout Sessions as a merchant asks for them: which fields there are, and what Stripe refuses.

Source: Stripe's API reference (Create a Checkout Session), version 2026-10-28.endive. The least charge is
about half a dollar; 300 francs is our figure for it.
"""

import json
import time
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from sandbox.operators.book import Entry, Status
from sandbox.operators.stripe.objects import Ledger
from sandbox.operators.stripe.wire import Params, fault, known_only, metadata_at, missing, new_id, text_at, whole_at

MINIMUM: Final = {"xof": 300, "xaf": 300, "gnf": 5000}
"""Currencies that this account takes, all without a smaller unit, and the least that may be charged."""
AMOUNT_MAX: Final = 99_999_999
SHORTEST_SECONDS: Final = 1800
LONGEST_SECONDS: Final = 86_400
CLOCKS_SECONDS: Final = 5
REFERENCE_LENGTH_MAX: Final = 200
_FIELDS: Final = frozenset(
    {
        "mode",
        "line_items",
        "success_url",
        "cancel_url",
        "client_reference_id",
        "metadata",
        "payment_intent_data",
        "expires_at",
        "adaptive_pricing",
        "locale",
        "allowed_payment_method_types",
        "payment_method_types",
        "customer_email",
        "submit_type",
        "ui_mode",
        "expand",
    }
)


def amount_of(params: Params, limit: int) -> tuple[int, str, str]:
    """What is to be paid, its currency in small letters, and what is bought. `limit`: the most, 0 is Stripe's
    own. Raises Refusal."""
    items = params.get("line_items")
    if not isinstance(items, Mapping) or not items:
        raise fault("Missing required param: line_items.", code="parameter_missing", param="line_items")
    total, currencies, names = 0, set(), []
    for place, item in items.items():
        if price := text_at(item, "price"):
            raise missing("price", price, f"line_items[{place}][price]")
        amount, quantity = whole_at(item, "price_data", "unit_amount"), whole_at(item, "quantity")
        name = text_at(item, "price_data", "product_data", "name")
        if amount is None or amount < 0 or quantity is None or quantity < 1 or not name:
            raise fault("Missing required param: line_items[price_data].", code="parameter_missing", param="line_items")
        total += amount * quantity
        currencies.add(text_at(item, "price_data", "currency").lower())
        names.append(name)
    currency = currencies.pop() if len(currencies) == 1 else ""
    if currency not in MINIMUM:
        raise fault(f"Invalid currency: {currency}. This account takes {', '.join(MINIMUM)}.", param="currency")
    if total < MINIMUM[currency]:
        message = f"The Checkout Session's total amount must convert to at least 50 cents. Got {total} {currency}."
        raise fault(message, code="amount_too_small")
    if total > (limit or AMOUNT_MAX):
        raise fault(f"Amount must be no more than {limit or AMOUNT_MAX}.", code="amount_too_large")
    return total, currency, ", ".join(names)


def _check(params: Params) -> None:
    known_only(params, _FIELDS)
    if text_at(params, "mode") != "payment":
        raise fault("This account takes mode=payment only.", code="parameter_missing", param="mode")
    if not text_at(params, "success_url"):
        raise fault("Missing required param: success_url.", code="parameter_missing", param="success_url")
    for name in ("success_url", "cancel_url"):
        address = text_at(params, name)
        if address and not _is_address(address):
            raise fault("Not a valid URL", code="url_invalid", param=name)
    if len(text_at(params, "client_reference_id")) > REFERENCE_LENGTH_MAX:
        raise fault("Invalid string: at most 200 characters", param="client_reference_id")


def _is_address(address: str) -> bool:
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _end(params: Params, now: float) -> int:
    asked = whole_at(params, "expires_at")
    if asked is None:
        return int(now) + LONGEST_SECONDS
    if asked < now + SHORTEST_SECONDS - CLOCKS_SECONDS:
        raise fault("The `expires_at` timestamp must be at least 30 minutes from now.", param="expires_at")
    if asked > now + LONGEST_SECONDS + CLOCKS_SECONDS:
        raise fault("The `expires_at` timestamp must be less than 24 hours from now.", param="expires_at")
    return asked


def new_session(
    params: Params,
    ledger: Ledger,
    *,
    operator: str,
    page: str,
    live: bool,
    limit: int,
    shortened: float | None,
    key: str,
    mark: str,
) -> Entry:
    """A session that is asked for, as it goes into the book. `page`: where its page is, without the number.
    `shortened`: seconds to live, in place of what was asked for. `mark`: of the request under `key`.
    Raises Refusal."""
    _check(params)
    total, currency, bought = amount_of(params, limit)
    now = time.time()
    end = float(_end(params, now))
    number = new_id("cs_live" if live else "cs_test")
    given = text_at(params, "client_reference_id")
    return Entry(
        operator=operator,
        our_reference=number if not given or ledger.has(given) else given,
        external_id=given or number,
        msisdn="",
        amount=str(total),
        currency=currency.upper(),
        status=Status.INITIATED,
        expires_at=end if shortened is None else now + shortened,
        details={
            "session": number,
            "intent": new_id("pi"),
            "charge": new_id("ch"),
            "url": f"{page}/{number}",
            "bought": bought,
            "client_reference_id": given,
            "metadata": json.dumps(metadata_at(params, "metadata")),
            "intent_metadata": json.dumps(metadata_at(params, "payment_intent_data", "metadata")),
            "description": text_at(params, "payment_intent_data", "description"),
            "success_url": text_at(params, "success_url"),
            "cancel_url": text_at(params, "cancel_url"),
            "customer_email": text_at(params, "customer_email"),
            "locale": text_at(params, "locale"),
            "key": key,
            "fingerprint": mark,
        },
    )
