"""First tables: contests, orders, payments, the tally and its ledger, texts, audit log.

The service's role `spotlight_app` owns nothing: it may insert into and read the append-only
tables, and update named columns elsewhere. Statement triggers refuse changes of append-only
tables even to their owner.
"""

from alembic import op

revision = "0001"
down_revision = None

TABLES = [
    """
    create table organisers (
      id uuid primary key, slug text not null unique, name text not null,
      created_at timestamptz not null default now())
    """,
    """
    create table contests (
      id uuid primary key, organiser_id uuid not null references organisers,
      slug text not null unique, name text not null,
      country text not null check (country ~ '^[A-Z]{2}$'),
      currency text not null check (currency ~ '^[A-Z]{3}$'),
      price_minor bigint not null check (price_minor > 0),
      opens_at timestamptz not null, closes_at timestamptz not null check (closes_at > opens_at),
      late_seconds integer not null default 600 check (late_seconds >= 0),
      quantity_max integer not null default 10000 check (quantity_max > 0),
      service_code text not null unique, short_code text not null, keyword text not null,
      language text not null default 'fr', version integer not null default 1,
      created_at timestamptz not null default now(),
      unique (short_code, keyword))
    """,
    """
    create table candidates (
      id uuid primary key, contest_id uuid not null references contests,
      code text not null check (code ~ '^[0-9]{2,6}$' and code !~ '^00'),
      name text not null,
      status text not null check (status in ('submitted','approved','rejected','withdrawn')),
      created_at timestamptz not null default now(),
      unique (contest_id, code))
    """,
    "create table contest_heads (contest_id uuid primary key references contests, next_seq bigint not null default 1)",
    """
    create table candidate_totals (
      candidate_id uuid primary key references candidates, contest_id uuid not null references contests,
      votes bigint not null default 0, amount_minor bigint not null default 0)
    """,
    "create index candidate_totals_ranking on candidate_totals (contest_id, votes desc)",
    # One row for each key a channel ever used: what makes an order idempotent, and where a
    # receipt is unique. Votes and payments cannot hold these constraints, being partitioned.
    """
    create table order_keys (
      channel text not null, key text not null, request_hash bytea not null,
      vote_id uuid not null, payment_reference uuid not null, placed_at timestamptz not null,
      receipt text not null unique, order_code text not null, primary key (channel, key))
    """,
    "create index order_keys_order_code on order_keys (order_code)",
    """
    create table votes (
      id uuid not null, placed_at timestamptz not null,
      contest_id uuid not null references contests, candidate_id uuid not null references candidates,
      channel text not null, language text not null,
      quantity integer not null check (quantity > 0), price_minor bigint not null, amount_minor bigint not null,
      currency text not null, voter_index bytea, voter_cipher bytea, receipt text not null,
      primary key (id, placed_at), check (amount_minor = quantity * price_minor),
      check ((voter_index is null) = (voter_cipher is null)))
    partition by range (placed_at)
    """,
    "create index votes_of_voter on votes (voter_index, placed_at desc) where voter_index is not null",
    """
    create table payments (
      reference uuid not null, placed_at timestamptz not null, vote_id uuid not null,
      contest_id uuid not null, provider text not null, method text not null, country text not null,
      amount_minor bigint not null check (amount_minor > 0), currency text not null,
      status text not null default 'created' check (status in ('created','sent','pending','confirmed','settled',
        'held','surplus','mismatched','refund_due','refunded','failed','expired')),
      payer_index bytea not null, payer_cipher bytea not null,
      base_url text, provider_reference text, secrets_cipher bytea,
      accepted boolean not null default false, send_tries integer not null default 0,
      checks integer not null default 0, not_found_count integer not null default 0, not_found_since timestamptz,
      next_check_at timestamptz, hinted_at timestamptz, asked_at timestamptz, expires_at timestamptz not null,
      sent_at timestamptz, confirmed_at timestamptz, settled_at timestamptz,
      received_minor bigint, received_currency text, reason text, reason_code text,
      primary key (reference, placed_at))
    partition by range (placed_at)
    """,
    # A vote's payments share its instant, so unique with it means unique for the vote.
    """create unique index payments_counted_once on payments (vote_id, placed_at)
      where status in ('settled','held')""",
    """create unique index payments_open_once on payments (vote_id, placed_at)
      where status in ('created','sent','pending')""",
    "create index payments_of_vote on payments (vote_id)",
    "create index payments_to_collect on payments (next_check_at) where status = 'created'",
    """create index payments_to_verify on payments (next_check_at)
      where status in ('sent','pending','expired','failed') and next_check_at is not null""",
    "create index payments_to_settle on payments (contest_id, reference) where status = 'confirmed'",
    "create index payments_prompting on payments (payer_index, provider) where status in ('sent','pending')",
    "create index payments_to_give_back on payments (reference) where status in ('surplus','mismatched')",
    "create index payments_of_payer on payments (payer_index, placed_at desc)",
    """
    create table payment_events (
      id bigint generated always as identity primary key, reference uuid not null,
      from_status text, to_status text not null, seen text not null, actor text not null,
      detail text, at timestamptz not null default clock_timestamp())
    """,
    "create index payment_events_story on payment_events (reference, id)",
    """
    create table evidence (
      id bigint generated always as identity primary key, reference uuid not null,
      word text not null check (word in ('succeeded','failed')), source text not null,
      amount_minor bigint, currency text, provider_reference text, raw text not null,
      seen_at timestamptz not null default clock_timestamp())
    """,
    "create index evidence_of_payment on evidence (reference)",
    """
    create table callbacks (
      id bigint generated always as identity, received_at timestamptz not null default now(),
      provider text not null, payment_reference uuid, method text not null, headers jsonb not null,
      body bytea not null, body_hash bytea not null, remote text not null,
      handled_at timestamptz, outcome text, primary key (id, received_at))
    partition by range (received_at)
    """,
    "create index callbacks_due on callbacks (id) where handled_at is null",
    "create index callbacks_of_payment on callbacks (payment_reference) where payment_reference is not null",
    """
    create table tally_entries (
      contest_id uuid not null references contests, seq bigint not null,
      kind text not null check (kind in ('vote','adjustment')), candidate_id uuid not null references candidates,
      quantity bigint not null, amount_minor bigint not null, payment_reference uuid, receipt text,
      ledger_tx uuid not null, reason text, counted_at timestamptz not null default now(),
      primary key (contest_id, seq), check ((kind = 'vote') = (payment_reference is not null and reason is null)))
    """,
    "create unique index tally_entries_once on tally_entries (payment_reference) where kind = 'vote'",
    "create unique index tally_entries_receipt on tally_entries (receipt) where kind = 'vote'",
    """
    create table postings (
      id bigint generated always as identity primary key, tx uuid not null,
      contest_id uuid not null references contests, provider text not null, account text not null,
      currency text not null, amount_minor bigint not null, memo text not null, at timestamptz not null default now())
    """,
    "create index postings_tx on postings (tx)",
    "create index postings_account on postings (contest_id, account)",
    """
    create table refunds (
      reference uuid primary key, payment_reference uuid not null, contest_id uuid not null references contests,
      amount_minor bigint not null check (amount_minor > 0), currency text not null, reason text not null,
      status text not null default 'due' check (status in ('due','sent','done','failed','void','manual')),
      created_at timestamptz not null default now())
    """,
    "create unique index refunds_once on refunds (payment_reference) where status <> 'void'",
    """
    create table messages_out (
      id uuid primary key, kind text not null, key text not null, payment_reference uuid,
      recipient_index bytea, recipient_cipher bytea, language text not null, params jsonb not null,
      status text not null default 'due' check (status in ('due','sending','sent','refused','unknown')),
      attempts integer not null default 0, next_try_at timestamptz default now(), carrier text,
      carrier_message_id text, parts integer, cost text, last_error text, delivery_status text, delivery_at timestamptz,
      created_at timestamptz not null default now(), sent_at timestamptz, unique (kind, key),
      check (payment_reference is not null or recipient_cipher is not null))
    """,
    """create index messages_out_due on messages_out (next_try_at)
      where status in ('due','sending','unknown') and next_try_at is not null""",
    "create index messages_out_carrier_id on messages_out (carrier, carrier_message_id) where carrier_message_id is not null",
    "create index messages_out_of_payment on messages_out (payment_reference) where payment_reference is not null",
    """
    create table messages_in (
      carrier text not null, carrier_id text not null, received_at timestamptz not null default now(),
      sender_index bytea not null, sender_cipher bytea not null, recipient text not null, text text not null,
      text_hash bytea not null, network text, handled_at timestamptz, outcome text, primary key (carrier, carrier_id))
    """,
    "create index messages_in_due on messages_in (received_at) where handled_at is null",
    "create index messages_in_same on messages_in (sender_index, recipient, text_hash, received_at)",
    """
    create table delivery_reports (
      id bigint generated always as identity primary key, carrier text not null, carrier_message_id text not null,
      status text not null, failure text, phone_index bytea, received_at timestamptz not null default now())
    """,
    "create index delivery_reports_message on delivery_reports (carrier, carrier_message_id)",
    "create index delivery_reports_phone on delivery_reports (phone_index, received_at)",
    "create table text_opt_outs (phone_index bytea primary key, since timestamptz not null default now())",
    """
    create table audit_log (
      id bigint generated always as identity primary key, at timestamptz not null default now(),
      actor text not null, act text not null, subject text not null, detail jsonb not null default '{}')
    """,
]

APPEND_ONLY = ("tally_entries", "postings", "payment_events", "evidence", "audit_log")

GUARDS = [
    """
    create function refuse_change() returns trigger language plpgsql as $$
    begin raise exception '% is append-only', tg_table_name using errcode = 'insufficient_privilege'; end $$
    """,
    *(
        f"create trigger {table}_append_only before update or delete or truncate on {table} "
        "for each statement execute function refuse_change()"
        for table in APPEND_ONLY
    ),
    # The legs of a ledger transaction arrive together, so their sum can be judged at once.
    """
    create function refuse_unbalanced() returns trigger language plpgsql as $$
    begin
      if exists (select 1 from legs group by tx, currency having sum(amount_minor) <> 0) then
        raise exception 'ledger transaction does not balance' using errcode = 'check_violation';
      end if;
      return null;
    end $$
    """,
    """
    create trigger postings_balance after insert on postings referencing new table as legs
      for each statement execute function refuse_unbalanced()
    """,
    # The service may ask for coming partitions, and for nothing else that changes the schema.
    """
    create function make_partitions(months integer) returns setof text language plpgsql
      security definer set search_path = public as $$
    declare parent text; month date; name text;
    begin
      foreach parent in array array['votes','payments','callbacks'] loop
        for i in -1 .. least(months, 60) loop
          month := (date_trunc('month', now() at time zone 'UTC') + make_interval(months => i))::date;
          name := parent || to_char(month, '_YYYY_MM');
          if to_regclass(name) is null then
            execute format('create table %I partition of %I for values from (%L) to (%L)', name, parent,
              month::text || ' 00:00:00+00', (month + interval '1 month')::date::text || ' 00:00:00+00');
            return next name;
          end if;
        end loop;
      end loop;
    end $$
    """,
    "revoke all on function make_partitions(integer) from public",
    "select make_partitions(3)",
]

GRANTS = [
    """
    do $$ begin
      if not exists (select from pg_roles where rolname = 'spotlight_app') then
        create role spotlight_app nologin;
        -- The service then connects as this owner and steps down to its own role.
        execute format('grant spotlight_app to %I', current_user);
      end if;
    end $$
    """,
    "grant usage on schema public to spotlight_app",
    "grant select on all tables in schema public to spotlight_app",
    f"grant insert on {', '.join(APPEND_ONLY)} to spotlight_app",
    "grant insert on order_keys, votes, payments, callbacks, refunds, messages_out, messages_in, delivery_reports, "
    "text_opt_outs to spotlight_app",
    "grant delete on text_opt_outs to spotlight_app",
    "grant insert, update on organisers, contests, candidates, contest_heads, candidate_totals to spotlight_app",
    """
    grant update (status, base_url, provider_reference, secrets_cipher, accepted, send_tries, checks, not_found_count,
      not_found_since, next_check_at, hinted_at, asked_at, expires_at, sent_at, confirmed_at, settled_at,
      received_minor, received_currency, reason, reason_code) on payments to spotlight_app
    """,
    "grant update (handled_at, outcome, payment_reference) on callbacks to spotlight_app",
    "grant update (handled_at, outcome) on messages_in to spotlight_app",
    "grant update (status) on refunds to spotlight_app",
    """
    grant update (status, attempts, next_try_at, carrier, carrier_message_id, parts, cost, last_error,
      delivery_status, delivery_at, sent_at) on messages_out to spotlight_app
    """,
    "grant execute on function make_partitions(integer) to spotlight_app",
]


def upgrade() -> None:
    """Build everything."""
    for statement in (*TABLES, *GUARDS, *GRANTS):
        op.execute(statement)
