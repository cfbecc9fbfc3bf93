"""Staff, what they ask for and decide, and what the service notes about itself."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    UniqueConstraint,
    Uuid,
    desc,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from gateway.storage.schema.columns import binary, identity, integer, metadata, one_of, string, timestamp

staff = Table(
    "staff",
    metadata,
    Column("id", Uuid, primary_key=True),
    string("email"),
    string("name", default=""),
    string("password_hash"),
    binary("totp_cipher"),
    timestamp("totp_confirmed_at"),
    integer("totp_last_step", null=True),
    string("role"),
    Column("organiser_id", Uuid, ForeignKey("organisers.id")),
    Column("active", Boolean, nullable=False, server_default=text("true")),
    timestamp("created_at", null=False, default="now()"),
    timestamp("signed_in_at"),
    UniqueConstraint("email"),
    CheckConstraint("email = lower(email)"),
    one_of("role", "owner", "finance", "support", "auditor"),
)

staff_sessions = Table(
    "staff_sessions",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("staff_id", Uuid, ForeignKey("staff.id"), nullable=False),
    Column("family", Uuid, nullable=False),
    binary("refresh_hash", null=False),
    timestamp("created_at", null=False, default="now()"),
    timestamp("expires_at", null=False),
    timestamp("used_at"),
    timestamp("revoked_at"),
    string("remote", default=""),
    string("agent", default=""),
    timestamp("factor_at"),
    UniqueConstraint("refresh_hash"),
)
Index("staff_sessions_ended", staff_sessions.c.expires_at)
Index("staff_sessions_family", staff_sessions.c.family)
Index("staff_sessions_of", staff_sessions.c.staff_id, desc(staff_sessions.c.created_at))

sign_in_failures = Table(
    "sign_in_failures",
    metadata,
    binary("subject", null=False, key=True),
    integer("failures", big=False),
    timestamp("last_at", null=False, default="now()"),
)

staff_requests = Table(
    "staff_requests",
    metadata,
    Column("id", Uuid, primary_key=True),
    string("act"),
    string("subject"),
    Column("params", JSONB, nullable=False, server_default=text("'{}'")),
    Column("preview", JSONB, nullable=False, server_default=text("'{}'")),
    string("reason"),
    string("requested_by"),
    timestamp("requested_at", null=False, default="now()"),
    string("status", default="waiting"),
    string("decided_by", null=True),
    timestamp("decided_at"),
    timestamp("finished_at"),
    string("outcome", null=True),
    CheckConstraint("length(trim(reason)) >= 3"),
    one_of("status", "waiting", "rejected", "approved", "done", "failed"),
    CheckConstraint("decided_by is distinct from requested_by"),
    CheckConstraint("(decided_by is null) = (status = 'waiting')"),
)
Index("staff_requests_latest", staff_requests.c.requested_at)
Index("staff_requests_by_status", staff_requests.c.status, staff_requests.c.requested_at)
Index("staff_requests_by_act", staff_requests.c.act, staff_requests.c.requested_at)
Index("staff_requests_about", staff_requests.c.subject)
Index("staff_requests_waiting", staff_requests.c.requested_at, postgresql_where=text("status = 'waiting'"))
Index("staff_requests_running", staff_requests.c.requested_at, postgresql_where=text("status = 'approved'"))

void_rows = Table(
    "void_rows",
    metadata,
    Column("request_id", Uuid, ForeignKey("staff_requests.id"), primary_key=True),
    Column("payment_reference", Uuid, primary_key=True),
    timestamp("placed_at", null=False),
    integer("votes"),
    integer("amount_minor"),
    string("currency"),
    timestamp("done_at"),
    string("outcome", null=True),
)
Index(
    "void_rows_left",
    void_rows.c.request_id,
    void_rows.c.payment_reference,
    postgresql_where=text("done_at is null"),
)

audit_log = Table(
    "audit_log",
    metadata,
    identity(),
    timestamp("at", null=False, default="now()"),
    string("actor"),
    string("act"),
    string("subject"),
    Column("detail", JSONB, nullable=False, server_default=text("'{}'")),
)

worker_beats = Table(
    "worker_beats",
    metadata,
    string("worker", key=True),
    timestamp("seen_at", null=False),
)

upkeep = Table(
    "upkeep",
    metadata,
    string("task", key=True),
    timestamp("finished_at"),
    timestamp("failed_at"),
    string("error", null=True),
)

set_aside = Table(
    "set_aside",
    metadata,
    string("kind", key=True),
    string("subject", key=True),
    string("error"),
    timestamp("since", null=False, default="now()"),
    timestamp("until", null=False),
    integer("times", default="1", big=False),
)

vault_keys = Table(
    "vault_keys",
    metadata,
    Column("key_id", Integer, primary_key=True, autoincrement=False),
    binary("fingerprint", null=False),
    timestamp("since", null=False, default="now()"),
)
