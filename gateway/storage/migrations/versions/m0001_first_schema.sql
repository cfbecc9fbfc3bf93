CREATE TABLE account_health (
  account TEXT NOT NULL,
  closed_until TIMESTAMP WITH TIME ZONE,
  closed_seconds INTEGER DEFAULT 0 NOT NULL,
  reason TEXT DEFAULT '' NOT NULL,
  changed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  PRIMARY KEY (account)
)

CREATE TABLE audit_log (
  id BIGINT GENERATED ALWAYS AS IDENTITY,
  at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  actor TEXT NOT NULL,
  act TEXT NOT NULL,
  subject TEXT NOT NULL,
  detail JSONB DEFAULT '{}' NOT NULL,
  PRIMARY KEY (id)
)

CREATE TABLE balance_checks (
  id BIGINT GENERATED ALWAYS AS IDENTITY,
  provider TEXT NOT NULL,
  wallet TEXT NOT NULL,
  currency TEXT NOT NULL,
  operator_minor BIGINT NOT NULL,
  book_minor BIGINT NOT NULL,
  at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  PRIMARY KEY (id)
)

CREATE TABLE callback_counts (
  provider TEXT NOT NULL,
  outcome TEXT NOT NULL,
  many BIGINT NOT NULL,
  PRIMARY KEY (provider, outcome)
)

CREATE TABLE callbacks (
  id BIGINT GENERATED ALWAYS AS IDENTITY,
  received_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  provider TEXT NOT NULL,
  payment_reference UUID,
  method TEXT NOT NULL,
  headers JSONB NOT NULL,
  body BYTEA,
  body_cipher BYTEA,
  body_hash BYTEA NOT NULL,
  remote TEXT NOT NULL,
  handled_at TIMESTAMP WITH TIME ZONE,
  outcome TEXT,
  duplicate_of BIGINT,
  replayed_at TIMESTAMP WITH TIME ZONE,
  record_id UUID,
  PRIMARY KEY (id, received_at)
)
 PARTITION BY RANGE (received_at)

CREATE INDEX callbacks_due ON callbacks (id) WHERE handled_at is null

CREATE INDEX callbacks_of_payment ON callbacks (payment_reference) WHERE payment_reference is not null

CREATE UNIQUE INDEX callbacks_record ON callbacks (received_at, record_id)

CREATE INDEX callbacks_same ON callbacks (provider, body_hash) WHERE payment_reference is null

CREATE TABLE chosen_languages (
  phone_index BYTEA NOT NULL,
  language TEXT NOT NULL,
  chosen_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  PRIMARY KEY (phone_index)
)

CREATE INDEX chosen_languages_by_age ON chosen_languages (chosen_at)

CREATE TABLE delivery_reports (
  id BIGINT GENERATED ALWAYS AS IDENTITY,
  carrier TEXT NOT NULL,
  carrier_message_id TEXT NOT NULL,
  status TEXT NOT NULL,
  failure TEXT,
  phone_index BYTEA,
  received_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  PRIMARY KEY (id)
)

CREATE INDEX delivery_reports_message ON delivery_reports (carrier, carrier_message_id)

CREATE INDEX delivery_reports_of_carrier ON delivery_reports (carrier, received_at)

CREATE INDEX delivery_reports_phone ON delivery_reports (phone_index, received_at)

CREATE TABLE dispute_events (
  id BIGINT GENERATED ALWAYS AS IDENTITY,
  reference UUID NOT NULL,
  from_status TEXT,
  to_status TEXT NOT NULL,
  seen TEXT NOT NULL,
  actor TEXT NOT NULL,
  detail TEXT,
  at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  PRIMARY KEY (id)
)

CREATE INDEX dispute_events_story ON dispute_events (reference, id)

CREATE TABLE evidence (
  id BIGINT GENERATED ALWAYS AS IDENTITY,
  reference UUID NOT NULL,
  word TEXT NOT NULL,
  source TEXT NOT NULL,
  amount_minor BIGINT,
  currency TEXT,
  provider_reference TEXT,
  raw TEXT NOT NULL,
  seen_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  PRIMARY KEY (id),
  CHECK (word in ('succeeded', 'failed', 'disputed', 'dispute_won', 'reversed'))
)

CREATE INDEX evidence_of_payment ON evidence (reference)

CREATE TABLE messages_in (
  carrier TEXT NOT NULL,
  carrier_id TEXT NOT NULL,
  received_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  sender_index BYTEA NOT NULL,
  sender_cipher BYTEA NOT NULL,
  recipient TEXT NOT NULL,
  text TEXT NOT NULL,
  text_hash BYTEA NOT NULL,
  network TEXT,
  handled_at TIMESTAMP WITH TIME ZONE,
  outcome TEXT,
  PRIMARY KEY (carrier, carrier_id)
)

CREATE INDEX messages_in_due ON messages_in (received_at) WHERE handled_at is null

CREATE INDEX messages_in_received ON messages_in (received_at)

CREATE INDEX messages_in_same ON messages_in (sender_index, recipient, text_hash, received_at)

CREATE TABLE messages_out (
  id UUID NOT NULL,
  kind TEXT NOT NULL,
  key TEXT NOT NULL,
  payment_reference UUID,
  recipient_index BYTEA,
  recipient_cipher BYTEA,
  language TEXT NOT NULL,
  params JSONB NOT NULL,
  status TEXT DEFAULT 'due' NOT NULL,
  attempts INTEGER DEFAULT 0 NOT NULL,
  next_try_at TIMESTAMP WITH TIME ZONE DEFAULT now(),
  carrier TEXT,
  carrier_message_id TEXT,
  parts INTEGER,
  cost TEXT,
  last_error TEXT,
  delivery_status TEXT,
  delivery_at TIMESTAMP WITH TIME ZONE,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  sent_at TIMESTAMP WITH TIME ZONE,
  chat_id BIGINT,
  purged_at TIMESTAMP WITH TIME ZONE,
  PRIMARY KEY (id),
  UNIQUE (kind, key),
  CHECK (status in ('due', 'sending', 'sent', 'refused', 'unknown')),
  CONSTRAINT messages_out_addressed CHECK (payment_reference is not null or recipient_cipher is not null or chat_id is not null)
)

CREATE INDEX messages_out_carrier_id ON messages_out (carrier, carrier_message_id) WHERE carrier_message_id is not null

CREATE INDEX messages_out_created ON messages_out (created_at) WHERE purged_at is null

CREATE INDEX messages_out_due ON messages_out (next_try_at) WHERE status in ('due','sending','unknown') and next_try_at is not null

CREATE INDEX messages_out_of_payment ON messages_out (payment_reference) WHERE payment_reference is not null

CREATE TABLE order_keys (
  channel TEXT NOT NULL,
  key TEXT NOT NULL,
  request_hash BYTEA NOT NULL,
  vote_id UUID NOT NULL,
  payment_reference UUID NOT NULL,
  placed_at TIMESTAMP WITH TIME ZONE NOT NULL,
  receipt TEXT NOT NULL,
  order_code TEXT NOT NULL,
  PRIMARY KEY (channel, key),
  UNIQUE (receipt)
)

CREATE INDEX order_keys_order_code ON order_keys (order_code)

CREATE TABLE organisers (
  id UUID NOT NULL,
  slug TEXT NOT NULL,
  name TEXT NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  frozen_at TIMESTAMP WITH TIME ZONE,
  frozen_reason TEXT,
  PRIMARY KEY (id),
  UNIQUE (slug)
)

CREATE TABLE payment_events (
  id BIGINT GENERATED ALWAYS AS IDENTITY,
  reference UUID NOT NULL,
  from_status TEXT,
  to_status TEXT NOT NULL,
  seen TEXT NOT NULL,
  actor TEXT NOT NULL,
  detail TEXT,
  at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  PRIMARY KEY (id)
)

CREATE INDEX payment_events_story ON payment_events (reference, id)

CREATE TABLE payments (
  reference UUID NOT NULL,
  placed_at TIMESTAMP WITH TIME ZONE NOT NULL,
  vote_id UUID NOT NULL,
  contest_id UUID NOT NULL,
  provider TEXT NOT NULL,
  method TEXT NOT NULL,
  country TEXT NOT NULL,
  amount_minor BIGINT NOT NULL,
  currency TEXT NOT NULL,
  status TEXT DEFAULT 'created' NOT NULL,
  payer_index BYTEA,
  payer_cipher BYTEA,
  base_url TEXT,
  provider_reference TEXT,
  secrets_cipher BYTEA,
  accepted BOOLEAN DEFAULT false NOT NULL,
  send_tries INTEGER DEFAULT 0 NOT NULL,
  checks INTEGER DEFAULT 0 NOT NULL,
  not_found_count INTEGER DEFAULT 0 NOT NULL,
  not_found_since TIMESTAMP WITH TIME ZONE,
  next_check_at TIMESTAMP WITH TIME ZONE,
  hinted_at TIMESTAMP WITH TIME ZONE,
  asked_at TIMESTAMP WITH TIME ZONE,
  expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
  sent_at TIMESTAMP WITH TIME ZONE,
  confirmed_at TIMESTAMP WITH TIME ZONE,
  settled_at TIMESTAMP WITH TIME ZONE,
  received_minor BIGINT,
  received_currency TEXT,
  reason TEXT,
  reason_code TEXT,
  fee_minor BIGINT,
  provisional BOOLEAN DEFAULT false NOT NULL,
  orderer BYTEA,
  address BYTEA,
  PRIMARY KEY (reference, placed_at),
  CHECK (amount_minor > 0),
  CONSTRAINT payments_payer_whole CHECK ((payer_index is null) = (payer_cipher is null)),
  CHECK (status in ('created', 'sent', 'pending', 'confirmed', 'settled', 'held', 'surplus', 'mismatched', 'refund_due', 'refunded', 'failed', 'expired'))
)
 PARTITION BY RANGE (placed_at)

CREATE UNIQUE INDEX payments_counted_once ON payments (vote_id, placed_at) WHERE status in ('settled','held')

CREATE INDEX payments_held ON payments (confirmed_at) WHERE status = 'held'

CREATE INDEX payments_of_address ON payments (address, placed_at DESC) WHERE address is not null

CREATE INDEX payments_of_operator ON payments (provider_reference) WHERE provider_reference is not null

CREATE INDEX payments_of_orderer ON payments (orderer, placed_at DESC) WHERE orderer is not null

CREATE INDEX payments_of_payer ON payments (payer_index, placed_at DESC)

CREATE INDEX payments_of_vote ON payments (vote_id)

CREATE UNIQUE INDEX payments_open_once ON payments (vote_id, placed_at) WHERE status in ('created','sent','pending')

CREATE INDEX payments_prompting ON payments (payer_index, provider) WHERE status in ('sent','pending')

CREATE INDEX payments_provisional ON payments (reference) WHERE provisional

CREATE INDEX payments_to_collect ON payments (next_check_at) WHERE status = 'created'

CREATE INDEX payments_to_give_back ON payments (reference) WHERE status in ('surplus','mismatched')

CREATE INDEX payments_to_settle ON payments (contest_id, confirmed_at) WHERE status = 'confirmed'

CREATE INDEX payments_to_verify ON payments (next_check_at) WHERE status in ('sent','pending','expired','failed') and next_check_at is not null

CREATE TABLE payout_events (
  id BIGINT GENERATED ALWAYS AS IDENTITY,
  reference UUID NOT NULL,
  from_status TEXT,
  to_status TEXT NOT NULL,
  seen TEXT NOT NULL,
  actor TEXT NOT NULL,
  detail TEXT,
  at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  PRIMARY KEY (id)
)

CREATE INDEX payout_events_story ON payout_events (reference, id)

CREATE TABLE refund_events (
  id BIGINT GENERATED ALWAYS AS IDENTITY,
  reference UUID NOT NULL,
  from_status TEXT,
  to_status TEXT NOT NULL,
  seen TEXT NOT NULL,
  actor TEXT NOT NULL,
  detail TEXT,
  at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp() NOT NULL,
  PRIMARY KEY (id)
)

CREATE INDEX refund_events_story ON refund_events (reference, id)

CREATE TABLE reversal_questions (
  provider TEXT NOT NULL,
  number TEXT NOT NULL,
  next_try_at TIMESTAMP WITH TIME ZONE,
  tries INTEGER DEFAULT 0 NOT NULL,
  asked_at TIMESTAMP WITH TIME ZONE,
  outcome TEXT,
  PRIMARY KEY (provider, number)
)

CREATE INDEX reversal_questions_due ON reversal_questions (next_try_at) WHERE next_try_at is not null

CREATE TABLE reversal_sweeps (
  provider TEXT NOT NULL,
  seen_until TIMESTAMP WITH TIME ZONE,
  swept_at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (provider)
)

CREATE TABLE set_aside (
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  error TEXT NOT NULL,
  since TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  until TIMESTAMP WITH TIME ZONE NOT NULL,
  times INTEGER DEFAULT 1 NOT NULL,
  PRIMARY KEY (kind, subject)
)

CREATE TABLE sign_in_failures (
  subject BYTEA NOT NULL,
  failures INTEGER NOT NULL,
  last_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  PRIMARY KEY (subject)
)

CREATE TABLE staff_requests (
  id UUID NOT NULL,
  act TEXT NOT NULL,
  subject TEXT NOT NULL,
  params JSONB DEFAULT '{}' NOT NULL,
  preview JSONB DEFAULT '{}' NOT NULL,
  reason TEXT NOT NULL,
  requested_by TEXT NOT NULL,
  requested_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  status TEXT DEFAULT 'waiting' NOT NULL,
  decided_by TEXT,
  decided_at TIMESTAMP WITH TIME ZONE,
  finished_at TIMESTAMP WITH TIME ZONE,
  outcome TEXT,
  PRIMARY KEY (id),
  CHECK (length(trim(reason)) >= 3),
  CHECK (status in ('waiting', 'rejected', 'approved', 'done', 'failed')),
  CHECK (decided_by is distinct from requested_by),
  CHECK ((decided_by is null) = (status = 'waiting'))
)

CREATE INDEX staff_requests_about ON staff_requests (subject)

CREATE INDEX staff_requests_by_act ON staff_requests (act, requested_at)

CREATE INDEX staff_requests_by_status ON staff_requests (status, requested_at)

CREATE INDEX staff_requests_latest ON staff_requests (requested_at)

CREATE INDEX staff_requests_running ON staff_requests (requested_at) WHERE status = 'approved'

CREATE INDEX staff_requests_waiting ON staff_requests (requested_at) WHERE status = 'waiting'

CREATE TABLE telegram_updates (
  update_id BIGINT NOT NULL,
  chat_id BIGINT,
  received_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  body_cipher BYTEA NOT NULL,
  handled_at TIMESTAMP WITH TIME ZONE,
  outcome TEXT,
  tries INTEGER DEFAULT 1 NOT NULL,
  PRIMARY KEY (update_id)
)

CREATE INDEX telegram_updates_due ON telegram_updates (update_id) WHERE handled_at is null

CREATE INDEX telegram_updates_handled ON telegram_updates (handled_at) WHERE handled_at is not null

CREATE TABLE text_opt_outs (
  phone_index BYTEA NOT NULL,
  since TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  PRIMARY KEY (phone_index)
)

CREATE TABLE upkeep (
  task TEXT NOT NULL,
  finished_at TIMESTAMP WITH TIME ZONE,
  failed_at TIMESTAMP WITH TIME ZONE,
  error TEXT,
  PRIMARY KEY (task)
)

CREATE TABLE vault_keys (
  key_id INTEGER NOT NULL,
  fingerprint BYTEA NOT NULL,
  since TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  PRIMARY KEY (key_id)
)

CREATE TABLE worker_beats (
  worker TEXT NOT NULL,
  seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (worker)
)

CREATE TABLE beneficiaries (
  id UUID NOT NULL,
  organiser_id UUID NOT NULL,
  provider TEXT NOT NULL,
  country TEXT NOT NULL,
  phone_index BYTEA NOT NULL,
  phone_cipher BYTEA NOT NULL,
  name TEXT NOT NULL,
  registered_by TEXT NOT NULL,
  registered_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  confirmed_by TEXT,
  confirmed_at TIMESTAMP WITH TIME ZONE,
  usable_from TIMESTAMP WITH TIME ZONE,
  retired_at TIMESTAMP WITH TIME ZONE,
  PRIMARY KEY (id),
  CHECK (confirmed_by is distinct from registered_by),
  CHECK ((confirmed_at is null) = (usable_from is null)),
  FOREIGN KEY(organiser_id) REFERENCES organisers (id)
)

CREATE TABLE contests (
  id UUID NOT NULL,
  organiser_id UUID NOT NULL,
  slug TEXT NOT NULL,
  name TEXT NOT NULL,
  country TEXT NOT NULL,
  currency TEXT NOT NULL,
  price_minor BIGINT NOT NULL,
  opens_at TIMESTAMP WITH TIME ZONE NOT NULL,
  closes_at TIMESTAMP WITH TIME ZONE NOT NULL,
  late_seconds INTEGER DEFAULT 600 NOT NULL,
  quantity_max INTEGER DEFAULT 10000 NOT NULL,
  service_code TEXT NOT NULL,
  short_code TEXT NOT NULL,
  keyword TEXT NOT NULL,
  language TEXT DEFAULT 'fr' NOT NULL,
  version INTEGER DEFAULT 1 NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  check_digits BOOLEAN DEFAULT false NOT NULL,
  packs INTEGER[] DEFAULT '{}' NOT NULL,
  rules JSONB DEFAULT '{}' NOT NULL,
  contact TEXT DEFAULT '' NOT NULL,
  confirm_above INTEGER,
  PRIMARY KEY (id),
  UNIQUE (slug),
  UNIQUE (short_code, keyword),
  CHECK (closes_at > opens_at),
  CHECK (confirm_above > 0),
  CHECK (country ~ '^[A-Z]{2}$'),
  CHECK (currency ~ '^[A-Z]{3}$'),
  CHECK (late_seconds >= 0),
  CHECK (0 < all (packs)),
  CHECK (price_minor > 0),
  CHECK (quantity_max > 0),
  FOREIGN KEY(organiser_id) REFERENCES organisers (id)
)

CREATE INDEX contests_service_code ON contests (service_code)

CREATE TABLE fee_plans (
  id UUID NOT NULL,
  organiser_id UUID NOT NULL,
  currency TEXT NOT NULL,
  valid_from TIMESTAMP WITH TIME ZONE NOT NULL,
  percent_bp INTEGER NOT NULL,
  fixed_minor BIGINT DEFAULT 0 NOT NULL,
  minimum_minor BIGINT DEFAULT 0 NOT NULL,
  created_by TEXT NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  PRIMARY KEY (id),
  UNIQUE (organiser_id, currency, valid_from),
  CHECK (percent_bp between 0 and 10000),
  CHECK (fixed_minor >= 0),
  CHECK (minimum_minor >= 0),
  FOREIGN KEY(organiser_id) REFERENCES organisers (id)
)

CREATE TABLE staff (
  id UUID NOT NULL,
  email TEXT NOT NULL,
  name TEXT DEFAULT '' NOT NULL,
  password_hash TEXT NOT NULL,
  totp_cipher BYTEA,
  totp_confirmed_at TIMESTAMP WITH TIME ZONE,
  totp_last_step BIGINT,
  role TEXT NOT NULL,
  organiser_id UUID,
  active BOOLEAN DEFAULT true NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  signed_in_at TIMESTAMP WITH TIME ZONE,
  PRIMARY KEY (id),
  UNIQUE (email),
  CHECK (email = lower(email)),
  CHECK (role in ('owner', 'finance', 'support', 'auditor')),
  FOREIGN KEY(organiser_id) REFERENCES organisers (id)
)

CREATE TABLE statement_files (
  id UUID NOT NULL,
  provider TEXT NOT NULL,
  name TEXT NOT NULL,
  sha256 BYTEA NOT NULL,
  lines INTEGER NOT NULL,
  first_at TIMESTAMP WITH TIME ZONE,
  last_at TIMESTAMP WITH TIME ZONE,
  imported_by TEXT NOT NULL,
  imported_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  undone_at TIMESTAMP WITH TIME ZONE,
  undone_by UUID,
  PRIMARY KEY (id),
  FOREIGN KEY(undone_by) REFERENCES staff_requests (id)
)

CREATE UNIQUE INDEX statement_files_once ON statement_files (provider, sha256) WHERE undone_at is null

CREATE TABLE void_rows (
  request_id UUID NOT NULL,
  payment_reference UUID NOT NULL,
  placed_at TIMESTAMP WITH TIME ZONE NOT NULL,
  votes BIGINT NOT NULL,
  amount_minor BIGINT NOT NULL,
  currency TEXT NOT NULL,
  done_at TIMESTAMP WITH TIME ZONE,
  outcome TEXT,
  PRIMARY KEY (request_id, payment_reference),
  FOREIGN KEY(request_id) REFERENCES staff_requests (id)
)

CREATE INDEX void_rows_left ON void_rows (request_id, payment_reference) WHERE done_at is null

CREATE TABLE candidates (
  id UUID NOT NULL,
  contest_id UUID NOT NULL,
  code TEXT NOT NULL,
  name TEXT NOT NULL,
  status TEXT NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  photo_url TEXT,
  PRIMARY KEY (id),
  UNIQUE (contest_id, code),
  CHECK (code ~ '^[0-9]{2,6}$' and code !~ '^00'),
  CHECK (status in ('submitted', 'approved', 'rejected', 'withdrawn')),
  FOREIGN KEY(contest_id) REFERENCES contests (id)
)

CREATE TABLE contest_heads (
  contest_id UUID NOT NULL,
  next_seq BIGINT DEFAULT 1 NOT NULL,
  PRIMARY KEY (contest_id),
  FOREIGN KEY(contest_id) REFERENCES contests (id)
)

CREATE TABLE disputes (
  reference UUID NOT NULL,
  provider TEXT NOT NULL,
  operator_reference TEXT NOT NULL,
  payment_reference UUID NOT NULL,
  contest_id UUID NOT NULL,
  code TEXT NOT NULL,
  amount_minor BIGINT NOT NULL,
  currency TEXT NOT NULL,
  status TEXT NOT NULL,
  effect TEXT,
  reversed_minor BIGINT DEFAULT 0 NOT NULL,
  fee_minor BIGINT DEFAULT 0 NOT NULL,
  opened_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  closed_at TIMESTAMP WITH TIME ZONE,
  told_at TIMESTAMP WITH TIME ZONE,
  PRIMARY KEY (reference),
  UNIQUE (provider, operator_reference),
  CHECK (amount_minor > 0),
  CHECK (status in ('open', 'won', 'lost')),
  CHECK (effect in ('taken_back', 'refund_stopped', 'twice', 'person')),
  CHECK ((status = 'open') = (closed_at is null)),
  CHECK (effect is null or status = 'lost'),
  CHECK ((reversed_minor > 0) = (coalesce(effect, '') in ('taken_back','refund_stopped'))),
  FOREIGN KEY(contest_id) REFERENCES contests (id)
)

CREATE INDEX disputes_of_payment ON disputes (payment_reference)

CREATE INDEX disputes_to_act ON disputes (reference) WHERE status = 'lost' and effect is null

CREATE TABLE payouts (
  reference UUID NOT NULL,
  organiser_id UUID NOT NULL,
  contest_id UUID NOT NULL,
  beneficiary_id UUID NOT NULL,
  provider TEXT NOT NULL,
  amount_minor BIGINT NOT NULL,
  currency TEXT NOT NULL,
  status TEXT DEFAULT 'due' NOT NULL,
  request_id UUID NOT NULL,
  base_url TEXT,
  provider_reference TEXT,
  secrets_cipher BYTEA,
  send_tries INTEGER DEFAULT 0 NOT NULL,
  checks INTEGER DEFAULT 0 NOT NULL,
  not_found_count INTEGER DEFAULT 0 NOT NULL,
  not_found_since TIMESTAMP WITH TIME ZONE,
  next_try_at TIMESTAMP WITH TIME ZONE DEFAULT now(),
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  sent_at TIMESTAMP WITH TIME ZONE,
  done_at TIMESTAMP WITH TIME ZONE,
  reason_code TEXT,
  PRIMARY KEY (reference),
  CHECK (amount_minor > 0),
  CHECK (status in ('due', 'sent', 'done', 'failed', 'manual')),
  FOREIGN KEY(organiser_id) REFERENCES organisers (id),
  FOREIGN KEY(contest_id) REFERENCES contests (id),
  FOREIGN KEY(beneficiary_id) REFERENCES beneficiaries (id)
)

CREATE INDEX payouts_due ON payouts (next_try_at) WHERE status in ('due','sent') and next_try_at is not null

CREATE INDEX payouts_of_organiser ON payouts (organiser_id, created_at DESC)

CREATE TABLE postings (
  id BIGINT GENERATED ALWAYS AS IDENTITY,
  tx UUID NOT NULL,
  contest_id UUID,
  provider TEXT NOT NULL,
  account TEXT NOT NULL,
  currency TEXT NOT NULL,
  amount_minor BIGINT NOT NULL,
  memo TEXT NOT NULL,
  at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  PRIMARY KEY (id),
  FOREIGN KEY(contest_id) REFERENCES contests (id)
)

CREATE INDEX postings_account ON postings (contest_id, account)

CREATE INDEX postings_at ON postings (at)

CREATE INDEX postings_provider ON postings (provider, account)

CREATE INDEX postings_tx ON postings (tx)

CREATE TABLE refunds (
  reference UUID NOT NULL,
  payment_reference UUID NOT NULL,
  contest_id UUID NOT NULL,
  amount_minor BIGINT NOT NULL,
  currency TEXT NOT NULL,
  reason TEXT NOT NULL,
  status TEXT DEFAULT 'due' NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  provider TEXT DEFAULT '' NOT NULL,
  requested_by TEXT DEFAULT 'rule' NOT NULL,
  request_id UUID,
  replaces UUID,
  tally_seq BIGINT,
  base_url TEXT,
  provider_reference TEXT,
  secrets_cipher BYTEA,
  send_tries INTEGER DEFAULT 0 NOT NULL,
  checks INTEGER DEFAULT 0 NOT NULL,
  not_found_count INTEGER DEFAULT 0 NOT NULL,
  not_found_since TIMESTAMP WITH TIME ZONE,
  next_try_at TIMESTAMP WITH TIME ZONE DEFAULT now(),
  sent_at TIMESTAMP WITH TIME ZONE,
  done_at TIMESTAMP WITH TIME ZONE,
  reason_code TEXT,
  manual_reference TEXT,
  PRIMARY KEY (reference),
  CHECK (amount_minor > 0),
  CHECK (status in ('due', 'sent', 'done', 'failed', 'void', 'manual')),
  FOREIGN KEY(contest_id) REFERENCES contests (id)
)

CREATE INDEX refunds_by_hand ON refunds (manual_reference) WHERE manual_reference is not null

CREATE INDEX refunds_by_status ON refunds (status, created_at)

CREATE INDEX refunds_due ON refunds (next_try_at) WHERE status in ('due','sent') and next_try_at is not null

CREATE INDEX refunds_of_operator ON refunds (provider_reference) WHERE provider_reference is not null

CREATE INDEX refunds_of_payment ON refunds (payment_reference)

CREATE INDEX refunds_of_request ON refunds (request_id) WHERE request_id is not null

CREATE UNIQUE INDEX refunds_once ON refunds (payment_reference) WHERE status <> 'void'

CREATE TABLE staff_sessions (
  id UUID NOT NULL,
  staff_id UUID NOT NULL,
  family UUID NOT NULL,
  refresh_hash BYTEA NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
  used_at TIMESTAMP WITH TIME ZONE,
  revoked_at TIMESTAMP WITH TIME ZONE,
  remote TEXT DEFAULT '' NOT NULL,
  agent TEXT DEFAULT '' NOT NULL,
  factor_at TIMESTAMP WITH TIME ZONE,
  PRIMARY KEY (id),
  UNIQUE (refresh_hash),
  FOREIGN KEY(staff_id) REFERENCES staff (id)
)

CREATE INDEX staff_sessions_ended ON staff_sessions (expires_at)

CREATE INDEX staff_sessions_family ON staff_sessions (family)

CREATE INDEX staff_sessions_of ON staff_sessions (staff_id, created_at DESC)

CREATE TABLE statement_lines (
  id BIGINT GENERATED ALWAYS AS IDENTITY,
  file_id UUID NOT NULL,
  line_no INTEGER NOT NULL,
  provider TEXT NOT NULL,
  line_key TEXT NOT NULL,
  kind TEXT NOT NULL,
  our_reference TEXT,
  external_id TEXT,
  provider_reference TEXT,
  payer_index BYTEA,
  amount_minor BIGINT NOT NULL,
  fee_minor BIGINT DEFAULT 0 NOT NULL,
  currency TEXT NOT NULL,
  at TIMESTAMP WITH TIME ZONE,
  raw JSONB NOT NULL,
  matched_reference UUID,
  matched_by TEXT,
  matched_at TIMESTAMP WITH TIME ZONE,
  fee_booked_minor BIGINT,
  fee_tx UUID,
  PRIMARY KEY (id),
  UNIQUE (provider, line_key),
  CHECK (kind in ('collection', 'refund', 'payout', 'dispute', 'fee', 'transfer', 'other')),
  FOREIGN KEY(file_id) REFERENCES statement_files (id)
)

CREATE INDEX statement_lines_matched ON statement_lines (matched_reference) WHERE matched_reference is not null

CREATE INDEX statement_lines_of_file ON statement_lines (file_id)

CREATE INDEX statement_lines_open ON statement_lines (provider, id) WHERE matched_at is null

CREATE TABLE support_tickets (
  id BIGINT GENERATED ALWAYS AS IDENTITY,
  contest_id UUID NOT NULL,
  phone_index BYTEA,
  phone_cipher BYTEA,
  payment_reference UUID,
  language TEXT NOT NULL,
  channel TEXT NOT NULL,
  kind TEXT NOT NULL,
  note TEXT DEFAULT '' NOT NULL,
  status TEXT DEFAULT 'open' NOT NULL,
  opened_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  closed_at TIMESTAMP WITH TIME ZONE,
  PRIMARY KEY (id),
  CHECK (status in ('open', 'closed')),
  CONSTRAINT support_tickets_whose CHECK (phone_index is not null or payment_reference is not null),
  FOREIGN KEY(contest_id) REFERENCES contests (id)
)

CREATE INDEX support_tickets_of_payment ON support_tickets (payment_reference) WHERE payment_reference is not null

CREATE UNIQUE INDEX support_tickets_of_payment_once ON support_tickets (payment_reference, kind) WHERE status = 'open' and phone_index is null

CREATE UNIQUE INDEX support_tickets_open_once ON support_tickets (phone_index, contest_id, kind) WHERE status = 'open'

CREATE TABLE telegram_chats (
  chat_id BIGINT NOT NULL,
  user_id BIGINT NOT NULL,
  language TEXT,
  contest_id UUID,
  phone_index BYTEA,
  phone_cipher BYTEA,
  verified_at TIMESTAMP WITH TIME ZONE,
  reachable BOOLEAN DEFAULT true NOT NULL,
  board_contest_id UUID,
  board_message_id BIGINT,
  board_hash BYTEA,
  board_until TIMESTAMP WITH TIME ZONE,
  board_edited_at TIMESTAMP WITH TIME ZONE,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  seen_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  PRIMARY KEY (chat_id),
  CHECK ((phone_index is null) = (phone_cipher is null)),
  FOREIGN KEY(contest_id) REFERENCES contests (id),
  FOREIGN KEY(board_contest_id) REFERENCES contests (id)
)

CREATE INDEX telegram_chats_boards ON telegram_chats (board_until) WHERE board_message_id IS NOT NULL

CREATE INDEX telegram_chats_of_phone ON telegram_chats (phone_index) WHERE phone_index IS NOT NULL

CREATE TABLE unfinished_dialogues (
  phone_index BYTEA NOT NULL,
  contest_id UUID NOT NULL,
  phone_cipher BYTEA NOT NULL,
  candidate_code TEXT NOT NULL,
  quantity INTEGER,
  language TEXT NOT NULL,
  reached_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  handled_at TIMESTAMP WITH TIME ZONE,
  outcome TEXT,
  PRIMARY KEY (phone_index, contest_id),
  CHECK (quantity > 0),
  FOREIGN KEY(contest_id) REFERENCES contests (id)
)

CREATE INDEX unfinished_dialogues_due ON unfinished_dialogues (reached_at) WHERE handled_at is null

CREATE INDEX unfinished_dialogues_reached ON unfinished_dialogues (reached_at)

CREATE TABLE candidate_totals (
  candidate_id UUID NOT NULL,
  contest_id UUID NOT NULL,
  votes BIGINT DEFAULT 0 NOT NULL,
  amount_minor BIGINT DEFAULT 0 NOT NULL,
  PRIMARY KEY (candidate_id),
  FOREIGN KEY(candidate_id) REFERENCES candidates (id),
  FOREIGN KEY(contest_id) REFERENCES contests (id)
)

CREATE INDEX candidate_totals_ranking ON candidate_totals (contest_id, votes DESC)

CREATE TABLE differences (
  id BIGINT GENERATED ALWAYS AS IDENTITY,
  provider TEXT NOT NULL,
  kind TEXT NOT NULL,
  line_id BIGINT,
  payment_reference UUID,
  refund_reference UUID,
  payout_reference UUID,
  dispute_reference UUID,
  wallet TEXT DEFAULT 'collection' NOT NULL,
  amount_minor BIGINT NOT NULL,
  currency TEXT NOT NULL,
  detail TEXT NOT NULL,
  found_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  status TEXT DEFAULT 'open' NOT NULL,
  resolution TEXT,
  note TEXT,
  resolved_by TEXT,
  resolved_at TIMESTAMP WITH TIME ZONE,
  ledger_tx UUID,
  contest_id UUID,
  request_id UUID,
  PRIMARY KEY (id),
  CHECK (kind in ('missing_here', 'missing_there', 'amount', 'date', 'double', 'balance')),
  CHECK (status in ('open', 'resolved', 'undone')),
  FOREIGN KEY(line_id) REFERENCES statement_lines (id),
  FOREIGN KEY(request_id) REFERENCES staff_requests (id)
)

CREATE UNIQUE INDEX differences_of_balance ON differences (provider, wallet, currency) WHERE kind = 'balance' and status = 'open'

CREATE INDEX differences_of_contest ON differences (contest_id) WHERE status = 'open'

CREATE UNIQUE INDEX differences_of_dispute ON differences (dispute_reference, (amount_minor > 0)) WHERE dispute_reference is not null and status <> 'undone'

CREATE UNIQUE INDEX differences_of_invented ON differences (provider) WHERE kind = 'missing_there' and status = 'open' and amount_minor = 0

CREATE UNIQUE INDEX differences_of_line ON differences (line_id, kind) WHERE line_id is not null and status <> 'undone'

CREATE UNIQUE INDEX differences_of_payment ON differences (payment_reference, kind) WHERE payment_reference is not null and line_id is null and dispute_reference is null and status <> 'undone'

CREATE UNIQUE INDEX differences_of_refund ON differences (coalesce(refund_reference, payout_reference), kind) WHERE payment_reference is null and line_id is null and kind <> 'balance' and status <> 'undone'

CREATE INDEX differences_of_request ON differences (request_id, id) WHERE request_id is not null

CREATE INDEX differences_open ON differences (provider, id) WHERE status = 'open'

CREATE TABLE tally_entries (
  contest_id UUID NOT NULL,
  seq BIGINT NOT NULL,
  kind TEXT NOT NULL,
  candidate_id UUID NOT NULL,
  quantity BIGINT NOT NULL,
  amount_minor BIGINT NOT NULL,
  payment_reference UUID,
  receipt TEXT,
  ledger_tx UUID NOT NULL,
  reason TEXT,
  counted_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  adjusts BIGINT,
  PRIMARY KEY (contest_id, seq),
  CHECK (kind in ('vote', 'adjustment')),
  CHECK ((kind = 'vote') = (payment_reference is not null and reason is null)),
  CONSTRAINT tally_entries_adjustment CHECK ((kind = 'adjustment') = (adjusts is not null)),
  FOREIGN KEY(contest_id) REFERENCES contests (id),
  FOREIGN KEY(candidate_id) REFERENCES candidates (id)
)

CREATE UNIQUE INDEX tally_entries_adjusted_once ON tally_entries (contest_id, adjusts) WHERE adjusts is not null

CREATE UNIQUE INDEX tally_entries_once ON tally_entries (payment_reference) WHERE kind = 'vote'

CREATE UNIQUE INDEX tally_entries_receipt ON tally_entries (receipt) WHERE kind = 'vote'

CREATE TABLE votes (
  id UUID NOT NULL,
  placed_at TIMESTAMP WITH TIME ZONE NOT NULL,
  contest_id UUID NOT NULL,
  candidate_id UUID NOT NULL,
  channel TEXT NOT NULL,
  language TEXT NOT NULL,
  quantity INTEGER NOT NULL,
  price_minor BIGINT NOT NULL,
  amount_minor BIGINT NOT NULL,
  currency TEXT NOT NULL,
  voter_index BYTEA,
  voter_cipher BYTEA,
  receipt TEXT NOT NULL,
  chat_id BIGINT,
  PRIMARY KEY (id, placed_at),
  CHECK (amount_minor = quantity * price_minor),
  CHECK ((voter_index is null) = (voter_cipher is null)),
  CHECK (quantity > 0),
  FOREIGN KEY(contest_id) REFERENCES contests (id),
  FOREIGN KEY(candidate_id) REFERENCES candidates (id)
)
 PARTITION BY RANGE (placed_at)

CREATE INDEX votes_of_chat ON votes (chat_id, placed_at DESC) WHERE chat_id IS NOT NULL

CREATE INDEX votes_of_voter ON votes (voter_index, placed_at DESC) WHERE voter_index IS NOT NULL

-- What was counted, booked or noted is never changed, not even by the tables' owner.
create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% is append-only', tg_table_name using errcode = 'insufficient_privilege';
end $$

create trigger audit_log_append_only before update or delete or truncate on audit_log
  for each statement execute function refuse_change()

create trigger balance_checks_append_only before update or delete or truncate on balance_checks
  for each statement execute function refuse_change()

create trigger dispute_events_append_only before update or delete or truncate on dispute_events
  for each statement execute function refuse_change()

create trigger evidence_append_only before update or delete or truncate on evidence
  for each statement execute function refuse_change()

create trigger fee_plans_append_only before update or delete or truncate on fee_plans
  for each statement execute function refuse_change()

create trigger payment_events_append_only before update or delete or truncate on payment_events
  for each statement execute function refuse_change()

create trigger payout_events_append_only before update or delete or truncate on payout_events
  for each statement execute function refuse_change()

create trigger postings_append_only before update or delete or truncate on postings
  for each statement execute function refuse_change()

create trigger refund_events_append_only before update or delete or truncate on refund_events
  for each statement execute function refuse_change()

create trigger tally_entries_append_only before update or delete or truncate on tally_entries
  for each statement execute function refuse_change()

-- The postings of a ledger transaction are inserted by one statement, so their sum can be checked at its end.
create function refuse_unbalanced() returns trigger language plpgsql as $$
begin
  if exists (select 1 from legs group by tx, currency having sum(amount_minor) <> 0) then
    raise exception 'ledger transaction does not balance' using errcode = 'check_violation';
  end if;
  return null;
end $$

create trigger postings_balance after insert on postings referencing new table as legs
  for each statement execute function refuse_unbalanced()

-- A code that was given to a candidate is never given to another one.
create function refuse_new_code() returns trigger language plpgsql as $$
begin
  raise exception 'the code of a candidate is for ever' using errcode = 'check_violation';
end $$

create trigger candidates_keep_their_code before update of code, contest_id on candidates for each row
  when (old.code is distinct from new.code or old.contest_id is distinct from new.contest_id)
  execute function refuse_new_code()

create trigger candidates_stay before delete on candidates for each row execute function refuse_new_code()

-- Votes, payments and callbacks have a partition for each month, from the month before this one. The service may ask
-- for coming months, and for no other change of the schema.
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

-- The service may drop whole months of callbacks that were all handled, and none younger than 35 days.
create function drop_callbacks(days integer) returns setof text language plpgsql
  security definer set search_path = public, pg_temp as $$
declare part text; waiting boolean;
begin
  -- Callbacks that arrive wait for this lock; after longer they would go to the spool.
  perform set_config('lock_timeout', '200ms', true);
  for part in
    select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'callbacks'::regclass and c.relname ~ '^callbacks_[0-9]{4}_[0-9]{2}$'
      and (to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month') at time zone 'UTC'
        < now() - make_interval(days => greatest(days, 35))
    order by 1
  loop
    execute format('select exists (select from %I where handled_at is null)', part) into waiting;
    if not waiting then
      execute format('drop table %I', part);
      return next part;
    end if;
  end loop;
end $$

select make_partitions(3)

-- The service's role owns nothing. Where deployment has not made it, the owner makes it and may become it.
do $$ begin
  if not exists (select from pg_roles where rolname = 'spotlight_app') then
    create role spotlight_app nologin;
    execute format('grant spotlight_app to %I', current_user);
  end if;
end $$

-- A temporary table would hide the real one of the same name.
do $$ begin execute format('revoke temporary on database %I from public', current_database()); end $$

grant usage on schema public to spotlight_app

grant select on all tables in schema public to spotlight_app

revoke all on function make_partitions(integer), drop_callbacks(integer) from public

grant execute on function make_partitions(integer), drop_callbacks(integer) to spotlight_app

-- Rows that are added and never changed.
grant insert on audit_log, balance_checks, dispute_events, evidence, fee_plans, order_keys, payment_events,
  payout_events, postings, refund_events, tally_entries, vault_keys, votes to spotlight_app

-- Rows that may be changed.
grant insert, update on account_health, callback_counts, candidate_totals, candidates, contest_heads, contests,
  organisers, reversal_questions, reversal_sweeps, staff, support_tickets, telegram_chats, upkeep to spotlight_app

-- Rows that may also be deleted.
grant insert, update, delete on chosen_languages, set_aside, sign_in_failures, staff_sessions, worker_beats
  to spotlight_app

grant insert, delete on delivery_reports, text_opt_outs to spotlight_app

-- Rows of which some columns may be changed.
grant insert, update (confirmed_by, confirmed_at, usable_from, retired_at) on beneficiaries to spotlight_app

grant insert, update (payment_reference, handled_at, outcome, duplicate_of, replayed_at) on callbacks to spotlight_app

grant insert, update (status, resolution, note, resolved_by, resolved_at, ledger_tx, contest_id, request_id)
  on differences to spotlight_app

grant insert, update (code, amount_minor, currency, status, effect, reversed_minor, fee_minor, closed_at, told_at)
  on disputes to spotlight_app

grant insert, delete, update (handled_at, outcome) on messages_in to spotlight_app

grant insert, delete, update (recipient_index, recipient_cipher, params, status, attempts, next_try_at, carrier,
  carrier_message_id, parts, cost, last_error, delivery_status, delivery_at, sent_at, purged_at)
  on messages_out to spotlight_app

grant insert, update (provider, status, base_url, provider_reference, secrets_cipher, accepted, send_tries, checks,
  not_found_count, not_found_since, next_check_at, hinted_at, asked_at, expires_at, sent_at, confirmed_at, settled_at,
  received_minor, received_currency, reason, reason_code, fee_minor, provisional) on payments to spotlight_app

grant insert, update (status, base_url, provider_reference, secrets_cipher, send_tries, checks, not_found_count,
  not_found_since, next_try_at, sent_at, done_at, reason_code) on payouts to spotlight_app

grant insert, update (status, provider, request_id, base_url, provider_reference, secrets_cipher, send_tries, checks,
  not_found_count, not_found_since, next_try_at, sent_at, done_at, reason_code, manual_reference)
  on refunds to spotlight_app

grant insert, update (preview, status, decided_by, decided_at, finished_at, outcome) on staff_requests to spotlight_app

grant insert, update (undone_at, undone_by) on statement_files to spotlight_app

grant insert, update (line_key, matched_reference, matched_by, matched_at, fee_booked_minor, fee_tx)
  on statement_lines to spotlight_app

grant insert, delete, update (handled_at, outcome, tries) on telegram_updates to spotlight_app

grant insert, delete, update (phone_cipher, candidate_code, quantity, language, reached_at, handled_at, outcome)
  on unfinished_dialogues to spotlight_app

grant insert, update (done_at, outcome) on void_rows to spotlight_app
