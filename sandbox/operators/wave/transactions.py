"""Wave's list of a day's transactions, as its Balance & Reconciliation API has it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from sandbox.operators.book import COLLECTION, Entry

PAGE: Final = 50


def transactions_of(entries: Sequence[Entry], day: str, after: str) -> dict[str, object]:
    """One page of a day, UTC. `after`: the cursor of the page before, empty for the first."""
    of_day = [entry for entry in entries if entry.completed_at and _instant(entry.completed_at).startswith(day)]
    start = int(after) if after.isdigit() else 0
    page, end = of_day[start : start + PAGE], start + PAGE
    return {
        "page_info": {"start_cursor": str(start), "end_cursor": str(end), "has_next_page": end < len(of_day)},
        "date": day,
        "items": [_shown(entry) for entry in page],
    }


def _shown(entry: Entry) -> dict[str, object]:
    out = entry.kind != COLLECTION
    return {
        "timestamp": _instant(entry.completed_at or 0),
        "transaction_id": entry.provider_reference,
        "transaction_type": "api_checkout_refund" if out else "api_checkout",
        "amount": f"-{entry.amount}" if out else entry.amount,
        "fee": str(entry.fee),
        "currency": entry.currency,
        "is_reversal": False,
        "counterparty_mobile": entry.msisdn or None,
        "client_reference": entry.external_id,
        "checkout_api_session_id": entry.our_reference,
    }


def _instant(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
