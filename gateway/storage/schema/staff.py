"""Staff, what they ask for and decide, and what the service notes about itself."""

from sqlalchemy import CheckConstraint, UniqueConstraint

from gateway.storage.schema.columns import (
    binaries,
    checks,
    documents,
    flags,
    identity,
    index,
    integers,
    one_of,
    small_integers,
    strings,
    table,
    timestamps,
    uuids,
)

staff = table(
    "staff",
    uuids("id", key=True),
    strings("email", "password_hash", "role"),
    strings("name", default=""),
    binaries("totp_cipher", null=True),
    timestamps("totp_confirmed_at", "signed_in_at", null=True),
    integers("totp_last_step", null=True),
    uuids("organiser_id", null=True, of="organisers.id"),
    uuids("contest_id", null=True, of="contests.id"),
    flags("active", default="true"),
    timestamps("created_at", default="now()"),
    UniqueConstraint("email"),
    checks("email = lower(email)"),
    one_of("role", "owner", "administrator", "manager", "moderator", "finance", "support", "auditor"),
    CheckConstraint("contest_id is null or (role = 'auditor' and organiser_id is not null)", name="staff_one_contest"),
    CheckConstraint(
        "case when organiser_id is null then role not in ('manager', 'moderator') else role <> 'administrator' end",
        name="staff_role_exists",
    ),
)

staff_sessions = table(
    "staff_sessions",
    uuids("id", key=True),
    uuids("staff_id", of="staff.id"),
    uuids("family"),
    binaries("refresh_hash"),
    timestamps("created_at", default="now()"),
    timestamps("expires_at"),
    timestamps("used_at", "revoked_at", "factor_at", null=True),
    strings("remote", "agent", default=""),
    UniqueConstraint("refresh_hash"),
    index("staff_sessions_ended", "expires_at"),
    index("staff_sessions_family", "family"),
    index("staff_sessions_of", "staff_id", "created_at desc"),
)

sign_in_failures = table(
    "sign_in_failures",
    binaries("subject", key=True),
    small_integers("failures"),
    timestamps("last_at", default="now()"),
)

staff_requests = table(
    "staff_requests",
    uuids("id", key=True),
    strings("act", "subject", "reason", "requested_by"),
    documents("params", "preview", default="'{}'"),
    timestamps("requested_at", default="now()"),
    strings("status", default="waiting"),
    strings("decided_by", "outcome", null=True),
    timestamps("decided_at", "finished_at", null=True),
    checks("length(trim(reason)) >= 3"),
    one_of("status", "waiting", "rejected", "approved", "done", "failed"),
    checks("decided_by is distinct from requested_by", "(decided_by is null) = (status = 'waiting')"),
    index("staff_requests_latest", "requested_at"),
    index("staff_requests_by_status", "status", "requested_at"),
    index("staff_requests_by_act", "act", "requested_at"),
    index("staff_requests_about", "subject"),
    index("staff_requests_waiting", "requested_at", where="status = 'waiting'"),
    index("staff_requests_running", "requested_at", where="status = 'approved'"),
)

void_rows = table(
    "void_rows",
    uuids("request_id", key=True, of="staff_requests.id"),
    uuids("payment_reference", key=True),
    timestamps("placed_at"),
    integers("votes", "amount_minor"),
    strings("currency"),
    timestamps("done_at", null=True),
    strings("outcome", null=True),
    index("void_rows_left", "request_id", "payment_reference", where="done_at is null"),
)

audit_log = table(
    "audit_log",
    identity(),
    timestamps("at", default="now()"),
    strings("actor", "act", "subject"),
    documents("detail", default="'{}'"),
    index("audit_log_about", "subject", "id"),
)

worker_beats = table(
    "worker_beats",
    strings("worker", key=True),
    timestamps("seen_at"),
)

upkeep = table(
    "upkeep",
    strings("task", key=True),
    timestamps("finished_at", "failed_at", null=True),
    strings("error", null=True),
)

set_aside = table(
    "set_aside",
    strings("kind", "subject", key=True),
    strings("error"),
    timestamps("since", default="now()"),
    timestamps("until"),
    small_integers("times", default="1"),
)

vault_keys = table(
    "vault_keys",
    small_integers("key_id", key=True),
    binaries("fingerprint"),
    timestamps("since", default="now()"),
)
