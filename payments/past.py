"""Payments, refunds and payouts as they stood at an instant, by their events, which are kept for ever.

What of them is overwritten and has no event (an operator's reference, a reason) is null as of an instant.
"""

from typing import Final

from sqlalchemy import TextClause, text

_NOW: Final = {"payments": "payments", "refunds": "refunds", "payouts": "payouts"}
_STATUS: Final = """left join lateral (
    select e.to_status from {noun}_events e where e.reference = n.reference and e.at <= :at order by e.id desc limit 1
  ) e on true"""
_PAYMENTS: Final = f"""(
  select n.reference, n.placed_at, n.vote_id, n.contest_id, n.provider, n.method, n.amount_minor, n.currency,
    n.payer_index, n.payer_cipher, n.expires_at, case when n.sent_at <= :at then n.sent_at end as sent_at,
    case when n.confirmed_at <= :at then n.confirmed_at end as confirmed_at,
    case when n.confirmed_at <= :at then n.received_minor end as received_minor,
    case when n.confirmed_at <= :at then n.received_currency end as received_currency,
    null::text as provider_reference, null::text as reason, null::text as reason_code, 0 as send_tries, 0 as checks,
    null::timestamptz as next_check_at, n.decide_by, coalesce(e.to_status, 'created') as status
  from payments n {_STATUS.format(noun="payment")} where n.placed_at <= :at)"""
_REFUNDS: Final = f"""(
  select n.reference, n.payment_reference, n.contest_id, n.provider, n.amount_minor, n.currency, n.reason,
    n.requested_by, n.created_at, case when n.done_at <= :at then n.done_at end as done_at, null::text as reason_code,
    null::text as manual_reference, null::text as provider_reference, coalesce(e.to_status, 'due') as status
  from refunds n {_STATUS.format(noun="refund")} where n.created_at <= :at)"""
_PAYOUTS: Final = f"""(
  select n.reference, n.organiser_id, n.contest_id, n.beneficiary_id, n.provider, n.amount_minor, n.currency,
    n.created_at, case when n.done_at <= :at then n.done_at end as done_at, null::text as reason_code,
    null::text as provider_reference, coalesce(e.to_status, 'due') as status
  from payouts n {_STATUS.format(noun="payout")} where n.created_at <= :at)"""
_THEN: Final = {"payments": _PAYMENTS, "refunds": _REFUNDS, "payouts": _PAYOUTS}


def both(statement: str, **parts: tuple[str, str]) -> tuple[TextClause, TextClause]:
    """A statement about what is, and the same one about what was at the instant `:at`. In it `{payments}`, `{refunds}`
    and `{payouts}` stand for the tables. `parts`: what else is written otherwise, by its name: now, and then."""
    now = {name: words for name, (words, _) in parts.items()}
    then = {name: words for name, (_, words) in parts.items()}
    return text(statement.format(**_NOW, **now)), text(statement.format(**_THEN, **then))
