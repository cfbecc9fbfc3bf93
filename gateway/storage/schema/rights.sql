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

revoke all on function make_partitions(integer), drop_callbacks(integer), discard_draft(uuid) from public

grant execute on function make_partitions(integer), drop_callbacks(integer), discard_draft(uuid) to spotlight_app

-- Rows that are added and never changed.
grant insert on audit_log, balance_checks, candidate_changes, certified_results, contest_rules, difference_requests, dispute_events,
  evidence, fee_plans, fraud_findings, fraud_limits, log_checkpoints,
  log_cosignatures, log_keys, log_leaves, log_rules, log_salts, order_keys, payment_events, payout_events, postings, refund_events, tally_entries, vault_keys,
  votes to spotlight_app

-- Rows that may be changed.
grant insert, update on account_health, brands, callback_counts, candidate_links, candidate_totals, candidates, contest_heads, contests, dialogue_steps,
  factor_resets, organisers, overlays, reversal_questions, reversal_sweeps, staff, support_tickets, telegram_chats, upkeep to spotlight_app

-- Rows that may also be deleted.
grant insert, update, delete on balance_days, candidate_corrections, chosen_languages, fraud_refusals, invitations, mails, order_filters, passkeys, password_resets, recovery_codes,
  rollup_hours, rollup_minutes, sent_forms, set_aside, sign_in_failures, staff_sessions, video_notifications, worker_beats to spotlight_app

grant insert, delete on candidate_imports, delivery_reports, rounds, text_opt_outs to spotlight_app

-- Rows of which some columns may be changed.
grant insert, update (confirmed_by, confirmed_at, usable_from, retired_at) on beneficiaries to spotlight_app

grant insert, update (payment_reference, handled_at, outcome, duplicate_of, replayed_at) on callbacks to spotlight_app

grant insert, update (status, resolution, note, resolved_by, resolved_at, ledger_tx, contest_id, request_id)
  on differences to spotlight_app

grant insert, update (code, amount_minor, currency, status, effect, reversed_minor, fee_minor, closed_at, told_at)
  on disputes to spotlight_app

grant insert, delete, update (state, tries, try_at, rows_done, rows_total, bytes, finished_at, expires_at)
  on exports to spotlight_app

grant insert, update (lifted_at, lifted_by) on fraud_entries to spotlight_app

grant insert, delete, update (handled_at, outcome) on messages_in to spotlight_app

grant insert, delete, update (recipient_index, recipient_cipher, params, status, attempts, next_try_at, carrier,
  carrier_message_id, parts, cost, last_error, delivery_status, delivery_at, sent_at, purged_at, params_cipher)
  on messages_out to spotlight_app

grant insert, update (provider, status, base_url, provider_reference, secrets_cipher, accepted, send_tries, checks,
  not_found_count, not_found_since, next_check_at, hinted_at, asked_at, expires_at, sent_at, confirmed_at, settled_at,
  received_minor, received_currency, reason, reason_code, fee_minor, provisional, decide_by, card_index,
  holder_index, claimed_votes) on payments to spotlight_app

grant insert, update (status, base_url, provider_reference, secrets_cipher, send_tries, checks, not_found_count,
  not_found_since, next_try_at, sent_at, done_at, reason_code) on payouts to spotlight_app

grant insert, update (status, provider, request_id, base_url, provider_reference, secrets_cipher, send_tries, checks,
  not_found_count, not_found_since, next_try_at, sent_at, done_at, reason_code, manual_reference)
  on refunds to spotlight_app

grant insert, update (preview, status, decided_by, decided_at, finished_at, outcome) on staff_requests to spotlight_app

grant insert, update (undone_at, undone_by) on statement_files to spotlight_app

grant update (leaf) on certified_results to spotlight_app

grant insert on juror_names, jurors to spotlight_app

grant insert, update (status, decided_by, decided_at, number, leaf) on jury_sheets to spotlight_app

grant insert, update (line_key, matched_reference, matched_by, matched_at, fee_booked_minor, fee_tx)
  on statement_lines to spotlight_app

grant insert, delete, update (handled_at, outcome, tries) on telegram_updates to spotlight_app

grant insert, delete, update (phone_cipher, candidate_code, quantity, language, reached_at, handled_at, outcome)
  on unfinished_dialogues to spotlight_app

grant insert, update (done_at, outcome) on void_rows to spotlight_app

grant insert, update (state, ask_at, checks, asset_id, version, bytes, milliseconds, width, height, fault, reason,
  decided_by, decided_at) on video_uploads to spotlight_app

grant update (seen, gaps, read_at) on alert_position, balance_position, rollup_position to spotlight_app

grant insert, update (code_hash, code_until, chat_id, failing_since, stopped_at, removed_at) on alert_destinations
  to spotlight_app

grant insert, delete, update (many, until, status, attempts, next_try_at, ended_at, answer, subjects) on alerts
  to spotlight_app

grant insert, update (size, next_seq, rules_version, signed_size, signed_at, checked_at) on log_heads to spotlight_app

grant insert, update (hashes) on log_tiles to spotlight_app

grant insert, update (released_at, asked_by, agreed_by, opened_index) on log_seals to spotlight_app
