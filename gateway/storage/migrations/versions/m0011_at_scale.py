"""Indexes for what is looked for all the time, among millions of payments."""

from alembic import op

revision = "0011"
down_revision = "0010"

INDEXES = [
    # Every operator's own number of a payment, not only a card's.
    "drop index payments_of_card",
    "create index payments_of_operator on payments (provider_reference) where provider_reference is not null",
    # The head of each contest is its oldest payment.
    "drop index payments_to_settle",
    "create index payments_to_settle on payments (contest_id, confirmed_at) where status = 'confirmed'",
    "create index payments_held on payments (confirmed_at) where status = 'held'",
    "create index refunds_by_status on refunds (status, created_at)",
    "create index refunds_of_operator on refunds (provider_reference) where provider_reference is not null",
    "create index refunds_by_hand on refunds (manual_reference) where manual_reference is not null",
    "create index staff_requests_latest on staff_requests (requested_at)",
    "create index staff_requests_by_status on staff_requests (status, requested_at)",
    "create index staff_requests_by_act on staff_requests (act, requested_at)",
    "create index staff_requests_about on staff_requests (subject)",
    "create index support_tickets_of_payment on support_tickets (payment_reference) where payment_reference is not null",
]


def upgrade() -> None:
    """Replace two indexes and add others."""
    for statement in INDEXES:
        op.execute(statement)
