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
    string_lists,
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
    strings("language", default="fr"),
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

sent_forms = table(
    "sent_forms",
    uuids("id", key=True),
    strings("led_to", null=True),
    timestamps("sent_at", default="now()"),
    index("sent_forms_oldest", "sent_at"),
)

invitations = table(
    "invitations",
    uuids("id", key=True),
    binaries("link_hash"),
    strings("email", "role", "language", "invited_by"),
    uuids("organiser_id", null=True, of="organisers.id"),
    uuids("contest_id", null=True, of="contests.id"),
    timestamps("created_at", default="now()"),
    timestamps("expires_at"),
    timestamps("accepted_at", "withdrawn_at", null=True),
    timestamps("sent_at", default="now()"),
    small_integers("sends", default="1"),
    UniqueConstraint("link_hash"),
    checks("email = lower(email)"),
    index("invitations_open", "email", where="accepted_at is null and withdrawn_at is null"),
    index("invitations_ended", "expires_at"),
    index("invitations_sent", "organiser_id", "sent_at"),
)

password_resets = table(
    "password_resets",
    binaries("link_hash", key=True),
    uuids("staff_id", of="staff.id"),
    timestamps("created_at", default="now()"),
    timestamps("expires_at"),
    timestamps("used_at", null=True),
    index("password_resets_of", "staff_id"),
    index("password_resets_ended", "expires_at"),
)

factor_resets = table(
    "factor_resets",
    uuids("id", key=True),
    uuids("staff_id", of="staff.id"),
    strings("asked_by", "reason"),
    timestamps("asked_at", default="now()"),
    strings("agreed_by", null=True),
    timestamps("agreed_at", "due_at", null=True),
    binaries("link_hash", null=True),
    timestamps("done_at", "stopped_at", null=True),
    strings("stopped_by", null=True),
    UniqueConstraint("link_hash"),
    checks("agreed_by is distinct from asked_by"),
    checks("(agreed_by is null) = (agreed_at is null) and (agreed_by is null) = (due_at is null)"),
    checks(
        "(agreed_by is null) = (link_hash is null)", "done_at is null or (agreed_by is not null and stopped_at is null)"
    ),
    index("factor_resets_of", "staff_id"),
    index("factor_resets_due", "due_at", where="done_at is null and stopped_at is null"),
)

recovery_codes = table(
    "recovery_codes",
    uuids("staff_id", key=True, of="staff.id"),
    binaries("code_hash", key=True),
    timestamps("created_at", default="now()"),
    timestamps("used_at", null=True),
)

passkeys = table(
    "passkeys",
    uuids("id", key=True),
    uuids("staff_id", of="staff.id"),
    binaries("credential_id", "public_key"),
    integers("sign_count"),
    strings("name"),
    timestamps("created_at", default="now()"),
    timestamps("used_at", "challenged_at", null=True),
    UniqueConstraint("credential_id"),
    index("passkeys_of", "staff_id", "created_at"),
)

mails = table(
    "mails",
    uuids("id", key=True),
    strings("kind", "recipient", "language"),
    binaries("params_cipher", null=True),
    strings("status", default="due"),
    small_integers("attempts", default="0"),
    timestamps("next_try_at", null=True, default="now()"),
    timestamps("created_at", default="now()"),
    timestamps("sent_at", null=True),
    strings("last_error", null=True),
    one_of("status", "due", "sent", "refused"),
    checks("(status = 'due') = (params_cipher is not null)"),
    index("mails_due", "next_try_at", where="status = 'due'"),
    index("mails_created", "created_at"),
)

staff_requests = table(
    "staff_requests",
    uuids("id", key=True),
    strings("act", "subject", "reason", "requested_by"),
    documents("params", "preview", default="'{}'"),
    uuids("organiser_id", null=True, of="organisers.id"),
    uuids("contest_id", null=True, of="contests.id"),
    timestamps("requested_at", default="now()"),
    strings("status", default="waiting"),
    strings("decided_by", "outcome", null=True),
    timestamps("decided_at", "finished_at", null=True),
    checks("length(trim(reason)) >= 3"),
    one_of("status", "waiting", "rejected", "approved", "done", "failed"),
    checks("decided_by is distinct from requested_by", "(decided_by is null) = (status = 'waiting')"),
    index("staff_requests_latest", "requested_at"),
    index("staff_requests_of", "organiser_id", "requested_at"),
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

# Without a reference to the contest: a draft is discarded whatever was saved about it.
order_filters = table(
    "order_filters",
    uuids("id", key=True),
    uuids("staff_id", of="staff.id"),
    uuids("contest_id"),
    strings("name", "query"),
    UniqueConstraint("staff_id", "contest_id", "name"),
)

# As there. A file is made again until `tries`, each time under another key.
exports = table(
    "exports",
    uuids("id", key=True),
    uuids("contest_id"),
    strings("kind", "asked_by", "asked_key", "language"),
    strings("query", default=""),
    strings("month", "reason", null=True),
    flags("by_platform"),
    timestamps("as_of", "try_at", "finished_at", "expires_at", null=True),
    timestamps("asked_at", default="now()"),
    strings("state", default="waiting"),
    small_integers("tries", default="0"),
    integers("rows_done", default="0"),
    integers("rows_total", "bytes", null=True),
    one_of("kind", "orders", "payments", "journal", "month"),
    one_of("state", "waiting", "making", "ready", "failed", "cancelled"),
    CheckConstraint("(state in ('waiting', 'making')) = (try_at is not null)", name="exports_due_while_unfinished"),
    CheckConstraint("(state = 'ready') = (expires_at is not null)", name="exports_expire_once_ready"),
    UniqueConstraint("contest_id", "asked_by", "asked_key"),
    index("exports_of", "contest_id", "asked_at desc"),
    index("exports_due", "try_at", where="try_at is not null"),
    index("exports_old", "asked_at"),
)

audit_log = table(
    "audit_log",
    identity(),
    timestamps("at", default="now()"),
    strings("actor", "act", "subject"),
    documents("detail", default="'{}'"),
    uuids("contest_id", null=True),
    index("audit_log_about", "subject", "id"),
    index("audit_log_of_contest", "contest_id", "id", where="contest_id is not null"),
)

# Where alerts of an organiser, or of one of its contests, go; without an organiser those of the platform.
alert_destinations = table(
    "alert_destinations",
    uuids("id", key=True),
    uuids("organiser_id", null=True, of="organisers.id"),
    uuids("contest_id", null=True, of="contests.id"),
    strings("channel", "language", "made_by"),
    string_lists("kinds"),
    small_integers("gap_seconds"),
    uuids("staff_id", null=True, of="staff.id"),
    strings("host", null=True),
    binaries("secret_cipher", "code_hash", null=True),
    timestamps("code_until", null=True),
    integers("chat_id", null=True),
    timestamps("made_at", default="now()"),
    timestamps("failing_since", "stopped_at", "removed_at", null=True),
    one_of("channel", "mail", "telegram", "webhook"),
    checks(
        "(channel = 'mail') = (staff_id is not null)",
        "(channel = 'webhook') = (host is not null)",
        "(channel = 'webhook') = (secret_cipher is not null)",
        "channel = 'telegram' or (chat_id is null and code_hash is null)",
        "cardinality(kinds) > 0",
        "gap_seconds between 0 and 86400",
        "organiser_id is not null or contest_id is null",
    ),
    index("alert_destinations_of", "organiser_id", where="removed_at is null"),
    index("alert_destinations_code", "code_hash", unique=True, where="code_hash is not null"),
)

# What a destination is sent: findings of one kind in one contest, as many as came before it was sent. `subjects`: which
# wallets or carriers it is about.
alerts = table(
    "alerts",
    uuids("id", key=True),
    uuids("destination_id", of="alert_destinations.id"),
    uuids("contest_id", null=True, of="contests.id"),
    strings("kind"),
    integers("many"),
    timestamps("since", "until", "due_at"),
    strings("status", default="due"),
    small_integers("attempts", default="0"),
    timestamps("next_try_at", "ended_at", null=True),
    strings("answer", default=""),
    string_lists("subjects", default="'{}'"),
    one_of("status", "due", "sent", "refused"),
    checks("(status = 'due') = (next_try_at is not null)", "(status = 'due') = (ended_at is null)", "many > 0"),
    index("alerts_due", "next_try_at", where="status = 'due'"),
    index("alerts_of", "destination_id", "contest_id", "kind", "due_at desc"),
    index("alerts_latest", "destination_id", "due_at desc"),
    index("alerts_ended", "ended_at", where="status <> 'due'"),
)

# One row. `seen`: the number of the last line of the audit log that was looked at for alerts.
alert_position = table(
    "alert_position",
    flags("one", key=True, default="true"),
    integers("seen", default="0"),
    documents("gaps", default="'[]'"),
    timestamps("read_at", default="now()"),
    checks("one"),
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
