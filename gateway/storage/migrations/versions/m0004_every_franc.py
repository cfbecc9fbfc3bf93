"""Every franc accounted for: refunds that are followed to their end, fee plans, statements,
payouts, disputes, staff and their acts, and what operators' accounts are in a state to do."""

from alembic import op

revision = "0004"
down_revision = "0003"

PURGED = [
    "create index telegram_updates_handled on telegram_updates (handled_at) where handled_at is not null",
    "create index unfinished_dialogues_reached on unfinished_dialogues (reached_at)",
]

TICKETS = [
    # Whoever paid by card left no number: the ticket is the payment's.
    "alter table support_tickets alter column phone_index drop not null",
    "alter table support_tickets alter column phone_cipher drop not null",
    "alter table support_tickets add constraint support_tickets_whose check (phone_index is not null"
    " or payment_reference is not null)",
    """create unique index support_tickets_of_payment_once on support_tickets (payment_reference, kind)
      where status = 'open' and phone_index is null""",
]

PAYMENTS = [
    # A card payment knows no phone.
    "alter table payments alter column payer_index drop not null",
    "alter table payments alter column payer_cipher drop not null",
    "alter table payments add constraint payments_payer_whole check ((payer_index is null) = (payer_cipher is null))",
    # `fee_minor`: our share, set when counted. `provisional`: counted on a callback, not yet asked about.
    "alter table payments add column fee_minor bigint",
    "alter table payments add column provisional boolean not null default false",
    # Who ordered, where the number that pays was typed by somebody: a keyed hash of device and address.
    "alter table payments add column orderer bytea",
    "create index payments_of_orderer on payments (orderer, placed_at desc) where orderer is not null",
    "create index payments_provisional on payments (reference) where provisional",
    # What a dispute names is the operator's own number. Only cards are disputed so, and only they pay for it: a
    # number changes together with the state, when the row leaves its page's chain of versions anyhow.
    "create index payments_of_card on payments (provider_reference) where method = 'CARD'",
    # The same bytes again: kept, and marked as the copy of which one.
    "alter table callbacks add column duplicate_of bigint",
    "alter table callbacks add column replayed_at timestamptz",
    # One that belongs to a payment is found by that payment.
    "create index callbacks_same on callbacks (provider, body_hash) where payment_reference is null",
    # Its id from arrival on, so that an insert may be repeated. Rows of before have none.
    "alter table callbacks add column record_id uuid",
    "create unique index callbacks_record on callbacks (received_at, record_id)",
    # How many came to what, as a counter: the table itself is too long to be counted.
    """
    create table callback_counts (
      provider text not null, outcome text not null, many bigint not null, primary key (provider, outcome))
    """,
]

TALLY = [
    # An adjustment takes back one whole entry, once, and says which.
    "alter table tally_entries add column adjusts bigint",
    "create unique index tally_entries_adjusted_once on tally_entries (contest_id, adjusts) where adjusts is not null",
    "alter table tally_entries add constraint tally_entries_adjustment check ((kind = 'adjustment') = (adjusts is not null))",
]

LEDGER = [
    # Money between accounts of ours concerns no single contest.
    "alter table postings alter column contest_id drop not null",
    "create index postings_provider on postings (provider, account)",
    "create index postings_at on postings (at)",
    """
    create table fee_plans (
      id uuid primary key, organiser_id uuid not null references organisers, currency text not null,
      valid_from timestamptz not null, percent_bp integer not null check (percent_bp between 0 and 10000),
      fixed_minor bigint not null default 0 check (fixed_minor >= 0),
      minimum_minor bigint not null default 0 check (minimum_minor >= 0),
      created_by text not null, created_at timestamptz not null default now(),
      unique (organiser_id, currency, valid_from))
    """,
]

REFUNDS = [
    """
    alter table refunds
      add column provider text not null default '', add column requested_by text not null default 'rule',
      add column request_id uuid, add column replaces uuid, add column tally_seq bigint,
      add column base_url text, add column provider_reference text, add column secrets_cipher bytea,
      add column send_tries integer not null default 0, add column checks integer not null default 0,
      add column not_found_count integer not null default 0, add column not_found_since timestamptz,
      add column next_try_at timestamptz default now(), add column sent_at timestamptz,
      add column done_at timestamptz, add column reason_code text, add column manual_reference text
    """,
    "create index refunds_due on refunds (next_try_at) where status in ('due','sent') and next_try_at is not null",
    "create index refunds_of_payment on refunds (payment_reference)",
    "create index refunds_of_request on refunds (request_id) where request_id is not null",
    """
    create table refund_events (
      id bigint generated always as identity primary key, reference uuid not null,
      from_status text, to_status text not null, seen text not null, actor text not null,
      detail text, at timestamptz not null default clock_timestamp())
    """,
    "create index refund_events_story on refund_events (reference, id)",
]

RECONCILIATION = [
    """
    create table statement_files (
      id uuid primary key, provider text not null, name text not null, sha256 bytea not null,
      lines integer not null, first_at timestamptz, last_at timestamptz,
      imported_by text not null, imported_at timestamptz not null default now(), unique (provider, sha256))
    """,
    """
    create table statement_lines (
      id bigint generated always as identity primary key, file_id uuid not null references statement_files,
      line_no integer not null, provider text not null, line_key text not null,
      kind text not null check (kind in ('collection','refund','payout','fee','transfer','other')),
      our_reference text, external_id text, provider_reference text, payer_index bytea,
      amount_minor bigint not null, fee_minor bigint not null default 0, currency text not null,
      at timestamptz, raw jsonb not null,
      matched_reference uuid, matched_by text, matched_at timestamptz, unique (provider, line_key))
    """,
    "create index statement_lines_matched on statement_lines (matched_reference) where matched_reference is not null",
    "create index statement_lines_open on statement_lines (provider, id) where matched_at is null",
    """
    create table differences (
      id bigint generated always as identity primary key, provider text not null,
      kind text not null check (kind in ('missing_here','missing_there','amount','date','double','balance')),
      line_id bigint references statement_lines, payment_reference uuid, refund_reference uuid,
      payout_reference uuid, dispute_reference uuid, wallet text not null default 'collection',
      -- By how much the operator holds more than the book says.
      amount_minor bigint not null, currency text not null, detail text not null,
      found_at timestamptz not null default now(),
      status text not null default 'open' check (status in ('open','resolved')),
      resolution text, note text, resolved_by text, resolved_at timestamptz, ledger_tx uuid)
    """,
    "create index differences_open on differences (provider, id) where status = 'open'",
    "create unique index differences_of_line on differences (line_id, kind) where line_id is not null",
    """create unique index differences_of_refund on differences (coalesce(refund_reference, payout_reference), kind)
      where payment_reference is null and line_id is null and kind <> 'balance'""",
    """create unique index differences_of_balance on differences (provider, wallet, currency)
      where kind = 'balance' and status = 'open'""",
    """create unique index differences_of_payment on differences (payment_reference, kind)
      where payment_reference is not null and line_id is null and dispute_reference is null""",
    # Of each dispute what went, and what came back.
    """create unique index differences_of_dispute on differences (dispute_reference, (amount_minor > 0))
      where dispute_reference is not null""",
    """
    create table balance_checks (
      id bigint generated always as identity primary key, provider text not null, wallet text not null,
      currency text not null, operator_minor bigint not null, book_minor bigint not null,
      at timestamptz not null default now())
    """,
]

PAYOUTS = [
    "alter table organisers add column frozen_at timestamptz, add column frozen_reason text",
    """
    create table beneficiaries (
      id uuid primary key, organiser_id uuid not null references organisers, provider text not null,
      country text not null, phone_index bytea not null, phone_cipher bytea not null, name text not null,
      registered_by text not null, registered_at timestamptz not null default now(),
      confirmed_by text, confirmed_at timestamptz, usable_from timestamptz, retired_at timestamptz,
      check (confirmed_by is distinct from registered_by), check ((confirmed_at is null) = (usable_from is null)))
    """,
    """
    create table payouts (
      reference uuid primary key, organiser_id uuid not null references organisers,
      contest_id uuid not null references contests, beneficiary_id uuid not null references beneficiaries,
      provider text not null, amount_minor bigint not null check (amount_minor > 0), currency text not null,
      status text not null default 'due' check (status in ('due','sent','done','failed','manual')),
      request_id uuid not null, base_url text, provider_reference text, secrets_cipher bytea,
      send_tries integer not null default 0, checks integer not null default 0,
      not_found_count integer not null default 0, not_found_since timestamptz,
      next_try_at timestamptz default now(), created_at timestamptz not null default now(),
      sent_at timestamptz, done_at timestamptz, reason_code text)
    """,
    "create index payouts_due on payouts (next_try_at) where status in ('due','sent') and next_try_at is not null",
    "create index payouts_of_organiser on payouts (organiser_id, created_at desc)",
    """
    create table payout_events (
      id bigint generated always as identity primary key, reference uuid not null,
      from_status text, to_status text not null, seen text not null, actor text not null,
      detail text, at timestamptz not null default clock_timestamp())
    """,
    "create index payout_events_story on payout_events (reference, id)",
]

DISPUTES = [
    # Money that an operator took back, or holds back until that is decided.
    """
    create table disputes (
      reference uuid primary key, provider text not null, operator_reference text not null,
      payment_reference uuid not null, contest_id uuid not null references contests, code text not null,
      amount_minor bigint not null check (amount_minor > 0), currency text not null,
      status text not null check (status in ('open','won','lost')),
      -- What it did once it was lost; null: not yet.
      effect text check (effect in ('taken_back','refund_stopped','twice','person')),
      -- How much of the payment's money left the book with it, and what the operator took for its work.
      reversed_minor bigint not null default 0, fee_minor bigint not null default 0,
      opened_at timestamptz not null default now(), closed_at timestamptz,
      unique (provider, operator_reference),
      check ((status = 'open') = (closed_at is null)), check (effect is null or status = 'lost'),
      check ((reversed_minor > 0) = (coalesce(effect, '') in ('taken_back','refund_stopped'))))
    """,
    "create index disputes_of_payment on disputes (payment_reference)",
    "create index disputes_to_act on disputes (reference) where status = 'lost' and effect is null",
    """
    create table dispute_events (
      id bigint generated always as identity primary key, reference uuid not null,
      from_status text, to_status text not null, seen text not null, actor text not null,
      detail text, at timestamptz not null default clock_timestamp())
    """,
    "create index dispute_events_story on dispute_events (reference, id)",
    # What was seen of one is kept with the payment.
    "alter table evidence drop constraint evidence_word_check",
    """alter table evidence add constraint evidence_word_check check (word in
      ('succeeded','failed','disputed','dispute_won','reversed'))""",
]

STAFF = [
    """
    create table staff (
      id uuid primary key, email text not null unique check (email = lower(email)), name text not null default '',
      password_hash text not null, totp_cipher bytea, totp_confirmed_at timestamptz, totp_last_step bigint,
      role text not null check (role in ('owner','finance','support','auditor')),
      organiser_id uuid references organisers, active boolean not null default true,
      created_at timestamptz not null default now(), signed_in_at timestamptz)
    """,
    """
    create table staff_sessions (
      id uuid primary key, staff_id uuid not null references staff, family uuid not null,
      refresh_hash bytea not null unique, created_at timestamptz not null default now(),
      expires_at timestamptz not null, used_at timestamptz, revoked_at timestamptz, remote text not null default '',
      agent text not null default '', factor_at timestamptz)
    """,
    "create index staff_sessions_family on staff_sessions (family)",
    "create index staff_sessions_of on staff_sessions (staff_id, created_at desc)",
    # Sign-ins in a row that failed, for an account, an address or a known device: keyed hashes.
    """
    create table sign_in_failures (
      subject bytea primary key, failures integer not null, last_at timestamptz not null default now())
    """,
    # What a person asked for and a second one must agree to.
    """
    create table staff_requests (
      id uuid primary key, act text not null, subject text not null, params jsonb not null default '{}',
      preview jsonb not null default '{}', reason text not null check (length(trim(reason)) >= 3),
      requested_by text not null, requested_at timestamptz not null default now(),
      status text not null default 'waiting'
        check (status in ('waiting','rejected','approved','done','failed')),
      decided_by text, decided_at timestamptz, finished_at timestamptz, outcome text,
      check (decided_by is distinct from requested_by), check ((decided_by is null) = (status = 'waiting')))
    """,
    "create index staff_requests_waiting on staff_requests (requested_at) where status = 'waiting'",
    "create index staff_requests_running on staff_requests (requested_at) where status = 'approved'",
    # The list of a voided window, frozen when it was previewed, done row by row.
    """
    create table void_rows (
      request_id uuid not null references staff_requests, payment_reference uuid not null,
      placed_at timestamptz not null, votes bigint not null, amount_minor bigint not null, currency text not null,
      done_at timestamptz, outcome text, primary key (request_id, payment_reference))
    """,
    "create index void_rows_left on void_rows (request_id, payment_reference) where done_at is null",
]

ACCOUNTS = [
    # What every process should know of an account that fails: closed until then, doubled each time.
    """
    create table account_health (
      account text primary key, closed_until timestamptz, closed_seconds integer not null default 0,
      reason text not null default '', changed_at timestamptz not null default now())
    """,
]

APPEND_ONLY = ("fee_plans", "refund_events", "payout_events", "dispute_events", "balance_checks")

GUARDS = [
    f"create trigger {table}_append_only before update or delete or truncate on {table} "
    "for each statement execute function refuse_change()"
    for table in APPEND_ONLY
]

GRANTS = [
    f"grant select, insert on {', '.join(APPEND_ONLY)} to spotlight_app",
    "grant update (fee_minor, provider, provisional) on payments to spotlight_app",
    "grant update (duplicate_of, replayed_at) on callbacks to spotlight_app",
    "grant select, insert, update on callback_counts to spotlight_app",
    """
    grant update (status, base_url, provider_reference, secrets_cipher, send_tries, checks, not_found_count,
      not_found_since, next_try_at, sent_at, done_at, reason_code, manual_reference, provider, request_id)
      on refunds to spotlight_app
    """,
    "grant select, insert on statement_files, statement_lines to spotlight_app",
    "grant update (matched_reference, matched_by, matched_at) on statement_lines to spotlight_app",
    "grant select, insert on differences to spotlight_app",
    "grant update (status, resolution, note, resolved_by, resolved_at, ledger_tx) on differences to spotlight_app",
    "grant select, insert on beneficiaries to spotlight_app",
    "grant update (confirmed_by, confirmed_at, usable_from, retired_at) on beneficiaries to spotlight_app",
    "grant select, insert on payouts to spotlight_app",
    """
    grant update (status, base_url, provider_reference, secrets_cipher, send_tries, checks, not_found_count,
      not_found_since, next_try_at, sent_at, done_at, reason_code) on payouts to spotlight_app
    """,
    "grant select, insert on disputes to spotlight_app",
    """
    grant update (code, amount_minor, currency, status, effect, reversed_minor, fee_minor, closed_at)
      on disputes to spotlight_app
    """,
    "grant select, insert, update on staff, staff_sessions to spotlight_app",
    "grant select, insert, update, delete on sign_in_failures to spotlight_app",
    "grant select, insert on staff_requests to spotlight_app",
    "grant update (status, decided_by, decided_at, finished_at, outcome, preview) on staff_requests to spotlight_app",
    "grant select, insert on void_rows to spotlight_app",
    "grant update (done_at, outcome) on void_rows to spotlight_app",
    "grant select, insert, update on account_health to spotlight_app",
    "grant delete on telegram_updates to spotlight_app",
]


def upgrade() -> None:
    """Add what the life of money needs."""
    parts = (
        PURGED,
        TICKETS,
        PAYMENTS,
        TALLY,
        LEDGER,
        REFUNDS,
        RECONCILIATION,
        PAYOUTS,
        DISPUTES,
        STAFF,
        ACCOUNTS,
        GUARDS,
        GRANTS,
    )
    for statement in (statement for part in parts for statement in part):
        op.execute(statement)
