"""The public logs of contests: leaves and tiles of their trees, what was signed, and the rules that they name."""

from sqlalchemy import ForeignKeyConstraint, UniqueConstraint

from gateway.storage.schema.columns import (
    binaries,
    checks,
    index,
    integers,
    small_integers,
    strings,
    table,
    timestamps,
    uuids,
)

# How far each log has come. What it says can be made again of the leaves and of what was signed.
log_heads = table(
    "log_heads",
    uuids("contest_id", key=True, of="contests.id"),
    integers("size", default="0"),
    integers("next_seq", default="1"),
    small_integers("rules_version", default="0"),
    integers("signed_size", default="0"),
    timestamps("signed_at", null=True),
    timestamps("checked_at", default="now()"),
    checks("signed_size <= size"),
)

# `seq`: of the tally entry, none for versions of the rules and keys.
log_leaves = table(
    "log_leaves",
    uuids("contest_id", key=True, of="contests.id"),
    integers("index", key=True),
    integers("seq", null=True),
    strings("leaf"),
    UniqueConstraint("contest_id", "seq"),
    checks("index >= 0", "octet_length(leaf) <= 65535"),
    index("log_leaves_of_no_entry", "contest_id", "index", where="seq is null"),
)

# Apart from the leaves: once a salt is deleted, its leaf no longer shows whose vote it was.
log_salts = table(
    "log_salts",
    uuids("contest_id", key=True),
    integers("index", key=True),
    binaries("salt"),
    ForeignKeyConstraint(("contest_id", "index"), ("log_leaves.contest_id", "log_leaves.index")),
    checks("octet_length(salt) = 16"),
)

# A tile grows to 256 hashes. The partial ones of smaller trees are what it begins with.
log_tiles = table(
    "log_tiles",
    uuids("contest_id", key=True, of="contests.id"),
    small_integers("level", key=True),
    integers("number", key=True),
    binaries("hashes"),
    checks("octet_length(hashes) % 32 = 0", "octet_length(hashes) between 32 and 8192"),
)

log_rules = table(
    "log_rules",
    uuids("contest_id", key=True, of="contests.id"),
    small_integers("version", key=True),
    strings("document"),
    binaries("sha256"),
    timestamps("made_at", default="now()"),
    checks("sha256 = sha256(convert_to(document, 'UTF8'))"),
)

# `note`: signed by the log, without cosignatures.
log_checkpoints = table(
    "log_checkpoints",
    uuids("contest_id", key=True, of="contests.id"),
    integers("size", key=True),
    binaries("root"),
    strings("note"),
    timestamps("made_at", default="now()"),
    checks("octet_length(root) = 32"),
)

log_cosignatures = table(
    "log_cosignatures",
    uuids("contest_id", key=True),
    integers("size", key=True),
    strings("name", key=True),
    strings("line"),
    timestamps("made_at", default="now()"),
    ForeignKeyConstraint(("contest_id", "size"), ("log_checkpoints.contest_id", "log_checkpoints.size")),
)

# `key`: as others' tools read it (C2SP signed-note).
log_keys = table(
    "log_keys",
    uuids("contest_id", key=True, of="contests.id"),
    strings("key", key=True),
    timestamps("since", default="now()"),
)

# Keys under which entries are sealed, of which the log has the hash; numbered in each contest. `began_index`,
# `opened_index`: of the leaves that say so. A key is released once, by two persons.
log_seals = table(
    "log_seals",
    uuids("contest_id", key=True, of="contests.id"),
    small_integers("number", key=True),
    binaries("key_cipher", "sha256"),
    integers("began_index"),
    timestamps("began_at", default="now()"),
    timestamps("released_at", null=True),
    strings("asked_by", "agreed_by", null=True),
    integers("opened_index", null=True),
    checks(
        "octet_length(sha256) = 32",
        "opened_index > began_index",
        "opened_index is null or released_at is not null",
        "num_nulls(released_at, asked_by, agreed_by) in (0, 3)",
        "lower(asked_by) <> lower(agreed_by)",
    ),
    index("log_seals_closed", "contest_id", where="opened_index is null", unique=True),
)

# `reason`: why it replaced the one before; `document`: one canonical text, signed by two persons; `leaf`: the index of
# the leaf that names it.
certified_results = table(
    "certified_results",
    uuids("contest_id", key=True, of="contests.id"),
    small_integers("number", key=True),
    strings("document"),
    binaries("sha256"),
    strings("reason", default=""),
    uuids("request_id", of="staff_requests.id"),
    timestamps("made_at"),
    integers("leaf", null=True),
    UniqueConstraint("request_id"),
    checks("sha256 = sha256(convert_to(document, 'UTF8'))", "(number = 1) = (reason = '')", "number > 0"),
    index("certified_results_unlogged", "contest_id", where="leaf is null"),
)
