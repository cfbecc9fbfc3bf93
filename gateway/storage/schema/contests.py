"""Contests with their candidates, orders, votes, and the tally that counts them."""

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, UniqueConstraint

from gateway.storage.schema.columns import (
    binaries,
    checks,
    documents,
    flags,
    identity,
    index,
    integers,
    number_lists,
    one_of,
    small_integers,
    string_lists,
    strings,
    table,
    timestamps,
    uuids,
)

organisers = table(
    "organisers",
    uuids("id", key=True),
    strings("slug", "name"),
    timestamps("created_at", default="now()"),
    strings("state", default="active"),
    strings("state_reason", null=True),
    timestamps("state_since", null=True),
    documents("quotas", default="'{}'"),
    UniqueConstraint("slug"),
    one_of("state", "active", "limited", "frozen"),
)

contests = table(
    "contests",
    uuids("id", key=True),
    uuids("organiser_id", of="organisers.id"),
    strings("slug", "name", "country", "currency", "service_code", "short_code", "keyword"),
    integers("price_minor"),
    timestamps("opens_at", "closes_at"),
    small_integers("late_seconds", default="600"),
    small_integers("quantity_max", default="10000"),
    strings("language", default="fr"),
    small_integers("version", default="1"),
    timestamps("created_at", default="now()"),
    flags("check_digits", default="false"),
    number_lists("packs", default="'{}'"),
    documents("rules", default="'{}'"),
    strings("contact", default=""),
    small_integers("confirm_above", null=True),
    strings("state", default="published"),
    strings("time_zone", default="Africa/Abidjan"),
    string_lists("categories", default="'{}'"),
    flags("nominations", default="false"),
    small_integers("rules_version", default="1"),
    strings("tie_break", default="shared"),
    small_integers("refund_days", null=True),
    timestamps("nominations_close_at", null=True),
    documents("fraud_limits", default="'{}'"),
    timestamps("hidden_from", "announcement_at", "announced_at", null=True),
    small_integers("jury_percent", null=True),
    flags("blackout_sealed", default="false"),
    UniqueConstraint("slug"),
    checks(
        "closes_at > opens_at",
        "confirm_above > 0",
        "country ~ '^[A-Z]{2}$'",
        "currency ~ '^[A-Z]{3}$'",
        "late_seconds >= 0",
        "0 < all (packs)",
        "price_minor > 0",
        "quantity_max > 0",
        "refund_days >= 0",
        "announcement_at > hidden_from",
        "announced_at >= hidden_from",
        "jury_percent between 1 and 99",
    ),
    one_of("state", "draft", "published", "archived"),
    one_of("tie_break", "shared", "earliest"),
    index("contests_service_code", "service_code"),
    index("contests_keyword", "short_code", "upper(keyword)", where="short_code <> ''", unique=True),
)

contest_rules = table(
    "contest_rules",
    uuids("contest_id", key=True, of="contests.id"),
    small_integers("version", key=True),
    documents("document"),
    binaries("sha256"),
    timestamps("valid_from"),
    strings("made_by"),
    timestamps("made_at", default="now()"),
)

# Those of the newest version are in `contests.fraud_limits` too, where settlement and new orders read them.
fraud_limits = table(
    "fraud_limits",
    uuids("contest_id", key=True, of="contests.id"),
    small_integers("version", key=True),
    documents("document"),
    strings("reason", "made_by"),
    timestamps("made_at", default="now()"),
)

# `id` is the contest's, or the organiser's for what holds for all its contests.
brands = table(
    "brands",
    uuids("id", key=True),
    uuids("organiser_id", of="organisers.id"),
    uuids("contest_id", null=True, of="contests.id"),
    strings("accent", "accent_dark", default=""),
    strings("logo", "banner", null=True),
    number_lists("logo_widths", "banner_widths", default="'{}'"),
    small_integers("logo_height", "banner_height", default="0"),
    flags("logo_needs_white", default="false"),
    CheckConstraint("id = coalesce(contest_id, organiser_id)", name="brands_owner"),
    checks("accent ~ '^(#[0-9a-f]{6})?$'", "accent_dark ~ '^(#[0-9a-f]{6})?$'"),
    CheckConstraint(
        "(logo is null) = (logo_widths = '{}') and (banner is null) = (banner_widths = '{}')", name="brands_pictures"
    ),
)

# What the studio chose to show over a broadcaster's picture. Without a row it is hidden.
overlays = table(
    "overlays",
    uuids("contest_id", key=True, of="contests.id"),
    strings("view", default="hidden"),
    small_integers("places", default="5"),
    strings("category", default=""),
    small_integers("round", "delay_seconds", "link_number", default="0"),
    timestamps("blackout_since", "frozen_at", null=True),
    documents("frozen_figures", null=True),
    one_of("view", "hidden", "lower_third", "board", "countdown"),
    checks(
        "places between 1 and 12",
        "round >= 0",
        "delay_seconds between 0 and 60",
        "(frozen_at is null) = (frozen_figures is null)",
    ),
)

rounds = table(
    "rounds",
    uuids("contest_id", key=True, of="contests.id"),
    small_integers("number", key=True),
    strings("name"),
    timestamps("opens_at", "closes_at"),
    flags("fresh"),
    checks("closes_at > opens_at", "number > 0"),
)

# `number`: by which the public log names them.
jurors = table(
    "jurors",
    uuids("contest_id", key=True, of="contests.id"),
    small_integers("number", key=True),
    strings("name", "made_by"),
    timestamps("made_at", default="now()"),
    checks("number > 0", "name <> ''"),
)

# What became of a juror's name, in the order of `number`; empty: they are no longer there.
juror_names = table(
    "juror_names",
    uuids("contest_id", key=True),
    small_integers("juror", "number", key=True),
    strings("name", "made_by"),
    timestamps("made_at", default="now()"),
    ForeignKeyConstraint(("contest_id", "juror"), ("jurors.contest_id", "jurors.number")),
    checks("number > 0"),
)

# A juror's points for a round and a category. `number`: in the order in which sheets were confirmed; `leaf`: its index
# in the public log, once that has it.
jury_sheets = table(
    "jury_sheets",
    uuids("id", key=True),
    uuids("contest_id", of="contests.id"),
    small_integers("round", default="0"),
    strings("category", default=""),
    small_integers("juror"),
    documents("points"),
    strings("status", default="waiting"),
    strings("entered_by"),
    timestamps("entered_at", default="now()"),
    strings("decided_by", null=True),
    timestamps("decided_at", null=True),
    integers("number", "leaf", null=True),
    ForeignKeyConstraint(("contest_id", "juror"), ("jurors.contest_id", "jurors.number")),
    UniqueConstraint("contest_id", "number"),
    one_of("status", "waiting", "confirmed", "refused", "replaced"),
    checks(
        "round >= 0",
        "(status = 'waiting') = (decided_by is null)",
        "(decided_by is null) = (decided_at is null)",
        "(status = 'confirmed') = (number is not null)",
        "status <> 'confirmed' or decided_by <> entered_by",
        "leaf is null or number is not null",
    ),
    index("jury_sheets_of", "contest_id", "entered_at desc"),
    index("jury_sheets_waiting", "contest_id", "round", "category", "juror", where="status = 'waiting'", unique=True),
    index("jury_sheets_unlogged", "contest_id", "number", where="number is not null and leaf is null"),
)

candidates = table(
    "candidates",
    uuids("id", key=True),
    uuids("contest_id", of="contests.id"),
    strings("code", "name", "status"),
    timestamps("created_at", default="now()"),
    strings("photo_url", null=True),
    strings("category", "text", "reason", default=""),
    strings("photo", null=True),
    number_lists("photo_sides", default="'{}'"),
    binaries("photo_blur", null=True),
    UniqueConstraint("contest_id", "code"),
    # What votes and entries refer to: one look per row that contest and candidate belong together.
    UniqueConstraint("contest_id", "id"),
    # Who proposed themselves have a number that begins with 00, and a code once they are approved.
    CheckConstraint(
        "code ~ '^[0-9]{2,6}$' and (code !~ '^00' or status not in ('approved', 'evicted'))",
        name="candidates_code",
    ),
    CheckConstraint(
        "(photo is null) = (photo_blur is null) and (photo is null) = (photo_sides = '{}')"
        " and octet_length(photo_blur) <= 1024",
        name="candidates_photo",
    ),
    timestamps("evicted_at", null=True),
    one_of("status", "submitted", "approved", "rejected", "withdrawn", "evicted"),
    CheckConstraint("(status = 'evicted') = (evicted_at is not null)", name="candidates_evicted"),
)

candidate_changes = table(
    "candidate_changes",
    identity(),
    uuids("contest_id", of="contests.id"),
    uuids("candidate_id", of="candidates.id"),
    strings("from_status", null=True),
    strings("to_status", "reason", "made_by"),
    timestamps("made_at", default="now()"),
    strings("former_name", null=True),
    index("candidate_changes_of", "candidate_id", "id"),
    index("candidate_changes_of_name", "id", where="former_name is not null"),
)

candidate_links = table(
    "candidate_links",
    uuids("candidate_id", key=True, of="candidates.id"),
    binaries("token_hash"),
    strings("language"),
    binaries("contact_cipher", null=True),
    timestamps("made_at", default="now()"),
    timestamps("consented_at", null=True),
    binaries("contact_index", "guardian_cipher", null=True),
    UniqueConstraint("token_hash"),
    checks("(contact_cipher is null) = (consented_at is null)", "guardian_cipher is null or consented_at is not null"),
    index("candidate_links_of_contact", "contact_index", "made_at", where="contact_index is not null"),
)

# What a candidate asks to have changed, until a person decides; then why it was not.
candidate_corrections = table(
    "candidate_corrections",
    uuids("candidate_id", key=True, of="candidates.id"),
    uuids("contest_id", of="contests.id"),
    strings("text", "photo", null=True),
    number_lists("photo_sides", default="'{}'"),
    binaries("photo_blur", null=True),
    strings("reason", null=True),
    timestamps("made_at", default="now()"),
    strings("name", "why", null=True),
    CheckConstraint(
        "(photo is null) = (photo_blur is null) and (photo is null) = (photo_sides = '{}')"
        " and octet_length(photo_blur) <= 1024",
        name="candidate_corrections_photo",
    ),
    CheckConstraint(
        "(reason is null) = (text is not null or photo is not null or name is not null)",
        name="candidate_corrections_wanted",
    ),
    checks("(name is null) = (why is null)"),
    index("candidate_corrections_waiting", "contest_id", "made_at", where="reason is null"),
)

candidate_imports = table(
    "candidate_imports",
    uuids("id", key=True),
    uuids("contest_id", of="contests.id"),
    documents("entries"),
    binaries("plan_hash"),
    strings("made_by"),
    timestamps("made_at", default="now()"),
    index("candidate_imports_of", "contest_id"),
)

video_uploads = table(
    "video_uploads",
    strings("public_id", key=True),
    uuids("contest_id", of="contests.id"),
    uuids("candidate_id", of="candidates.id"),
    strings("state", default="issued"),
    timestamps("issued_at", default="now()"),
    strings("issued_by"),
    timestamps("ask_at", null=True),
    small_integers("checks", default="0"),
    strings("asset_id", null=True),
    integers("version", "bytes", null=True),
    small_integers("milliseconds", "width", "height", null=True),
    strings("fault", "reason", "decided_by", null=True),
    timestamps("decided_at", null=True),
    one_of("state", "issued", "uploaded", "ready", "approved", "rejected", "gone"),
    CheckConstraint("state not in ('ready', 'approved') or version is not null", name="video_uploads_checked"),
    index("video_uploads_shown", "candidate_id", where="state = 'approved'", unique=True),
    index("video_uploads_of", "candidate_id", "issued_at desc"),
    index("video_uploads_issued", "contest_id", "issued_at desc"),
    index("video_uploads_due", "ask_at", where="ask_at is not null"),
)

video_notifications = table(
    "video_notifications",
    strings("kind", "key", key=True),
    strings("body"),
    timestamps("received_at", default="now()"),
    index("video_notifications_received", "received_at"),
)

contest_heads = table(
    "contest_heads",
    uuids("contest_id", key=True, of="contests.id"),
    integers("next_seq", default="1"),
)

candidate_totals = table(
    "candidate_totals",
    uuids("candidate_id", key=True, of="candidates.id"),
    small_integers("round", key=True, default="0"),
    uuids("contest_id", of="contests.id"),
    integers("votes", "amount_minor", "reached_seq", default="0"),
    index("candidate_totals_ranking", "contest_id", "votes desc"),
)

order_keys = table(
    "order_keys",
    strings("channel", "key", key=True),
    binaries("request_hash"),
    uuids("vote_id", "payment_reference"),
    timestamps("placed_at"),
    strings("receipt", "order_code"),
    UniqueConstraint("receipt"),
    index("order_keys_order_code", "order_code"),
)

votes = table(
    "votes",
    uuids("id", key=True),
    timestamps("placed_at", key=True),
    uuids("contest_id", "candidate_id"),
    strings("channel", "language", "currency", "receipt"),
    small_integers("quantity"),
    integers("price_minor", "amount_minor"),
    binaries("voter_index", "voter_cipher", null=True),
    integers("chat_id", null=True),
    small_integers("rules_version", default="1"),
    timestamps("counts_until", null=True),
    small_integers("round", default="0"),
    checks("amount_minor = quantity * price_minor", "(voter_index is null) = (voter_cipher is null)", "quantity > 0"),
    ForeignKeyConstraint(("contest_id", "candidate_id"), ("candidates.contest_id", "candidates.id")),
    index("votes_of_rules", "contest_id", "rules_version", where="rules_version > 1"),
    index("votes_of_chat", "chat_id", "placed_at desc", where="chat_id is not null"),
    index("votes_of_contest", "contest_id", "placed_at", "id"),
    index("votes_of_candidate", "candidate_id", "placed_at", "id"),
    index("votes_of_voter", "voter_index", "placed_at desc", where="voter_index is not null"),
    partition_by="placed_at",
)

tally_entries = table(
    "tally_entries",
    uuids("contest_id", key=True),
    integers("seq", key=True),
    strings("kind"),
    uuids("candidate_id"),
    integers("quantity", "amount_minor"),
    uuids("payment_reference", null=True),
    strings("receipt", "reason", null=True),
    uuids("ledger_tx"),
    timestamps("counted_at", default="now()"),
    integers("adjusts", null=True),
    small_integers("round", default="0"),
    ForeignKeyConstraint(("contest_id", "candidate_id"), ("candidates.contest_id", "candidates.id")),
    one_of("kind", "vote", "adjustment"),
    checks("(kind = 'vote') = (payment_reference is not null and reason is null)"),
    CheckConstraint("(kind = 'adjustment') = (adjusts is not null)", name="tally_entries_adjustment"),
    index("tally_entries_adjusted_once", "contest_id", "adjusts", where="adjusts is not null", unique=True),
    index("tally_entries_once", "payment_reference", where="kind = 'vote'", unique=True),
    index("tally_entries_receipt", "receipt", where="kind = 'vote'", unique=True),
)
