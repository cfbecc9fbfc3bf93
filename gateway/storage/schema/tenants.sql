-- The second wall between organisers (see `gateway.storage.engine.scoped`). For an organiser's staff a transaction takes
-- the role spotlight_tenant and names the organiser; then each table has the rows of that organiser alone, and none
-- while nobody is named. The service's own role sees all, so that its plans stay as they are.
do $$ begin
  if not exists (select from pg_roles where rolname = 'spotlight_tenant') then
    create role spotlight_tenant nologin;
  end if;
  if not pg_has_role('spotlight_app', 'spotlight_tenant', 'set') then
    grant spotlight_tenant to spotlight_app with inherit false, set true;
  end if;
exception when insufficient_privilege then
  raise exception 'the role spotlight_tenant is missing' using errcode = 'insufficient_privilege', hint =
    'As a superuser: create role spotlight_tenant nologin; grant spotlight_tenant to spotlight_app with inherit false';
end $$

grant usage on schema public to spotlight_tenant

-- `rows`: which rows are the organiser's, as a condition on this table.
create function limit_to_organiser(limited regclass, rows text) returns void language plpgsql as $$
begin
  execute format('alter table %s enable row level security, force row level security', limited);
  execute format('create policy service on %s to spotlight_app, current_user using (true) with check (true)', limited);
  execute format('create policy organiser on %s to spotlight_tenant using (%s) with check (%2$s)', limited, rows);
end $$

revoke all on function limit_to_organiser(regclass, text) from public

select limit_to_organiser('organisers', 'id = nullif(current_setting(''app.organiser'', true), '''')::uuid')

-- An auditor may be limited to one contest.
select limit_to_organiser('contests', 'organiser_id in (select id from organisers)
  and id = coalesce(nullif(current_setting(''app.contest'', true), '''')::uuid, id)')

select limit_to_organiser(named::regclass, 'contest_id in (select id from contests)') from unnest(array[
  'balance_days', 'candidate_changes', 'candidate_corrections', 'candidate_imports', 'candidate_totals', 'candidates', 'certified_results', 'contest_heads',
  'contest_rules', 'dialogue_steps', 'differences', 'disputes', 'fraud_entries', 'fraud_findings', 'fraud_limits',
  'fraud_refusals', 'juror_names', 'jurors', 'jury_sheets', 'log_checkpoints', 'log_cosignatures', 'log_heads', 'log_keys', 'log_leaves', 'log_rules', 'log_salts', 'log_seals',
  'log_tiles', 'order_filters', 'overlays', 'payments', 'payouts', 'postings', 'refunds', 'rollup_hours', 'rollup_minutes',
  'rounds', 'support_tickets',
  'tally_entries', 'telegram_chats', 'unfinished_dialogues', 'video_uploads', 'votes']) as named

-- What is the organiser's as a whole is not one contest's.
select limit_to_organiser(named::regclass, 'organiser_id in (select id from organisers)
  and nullif(current_setting(''app.contest'', true), '''') is null')
  from unnest(array['beneficiaries', 'fee_plans', 'invitations', 'staff']) as named

-- What the platform exported holds more than an organiser may see.
select limit_to_organiser('exports', 'contest_id in (select id from contests) and not by_platform')

select limit_to_organiser('audit_log', 'contest_id in (select id from contests)')

-- What is about no contest is written, and not read.
create policy about_none on audit_log for insert to spotlight_tenant with check (contest_id is null)

select limit_to_organiser('brands', 'organiser_id in (select id from organisers)
  and (contest_id is null or contest_id in (select id from contests))')

select limit_to_organiser('alert_destinations', 'organiser_id in (select id from organisers)
  and (contest_id is null and nullif(current_setting(''app.contest'', true), '''') is null
    or contest_id in (select id from contests))')

select limit_to_organiser('alerts', 'exists (select from alert_destinations d where d.id = alerts.destination_id)')

select limit_to_organiser('candidate_links', 'candidate_id in (select id from candidates)')

select limit_to_organiser('staff_requests', 'organiser_id in (select id from organisers)
  and (contest_id is null and nullif(current_setting(''app.contest'', true), '''') is null
    or contest_id in (select id from contests))')

select limit_to_organiser(named::regclass, format(
  'exists (select from payments p where p.reference = %I.payment_reference)', named))
  from unnest(array['callbacks', 'messages_out', 'order_keys']) as named

select limit_to_organiser((noun || '_events')::regclass, format(
  'exists (select from %Is n where n.reference = %I.reference)', noun, noun || '_events'))
  from unnest(array['dispute', 'payment', 'payout', 'refund']) as noun

select limit_to_organiser('evidence', 'exists (select from payments p where p.reference = evidence.reference)
  or exists (select from refunds r where r.reference = evidence.reference)')

select limit_to_organiser('void_rows', 'exists (select from staff_requests s where s.id = void_rows.request_id)')

select limit_to_organiser(named::regclass, format('exists (select from staff s where s.id = %I.staff_id)', named))
  from unnest(array['factor_resets', 'passkeys', 'password_resets', 'recovery_codes', 'staff_sessions']) as named

-- What the pages of an organiser's staff read. Secrets of staff are not among it.
grant select on account_health, audit_log, balance_days, balance_position, beneficiaries, brands, callbacks, candidate_changes, candidate_imports, candidate_totals,
  candidates, certified_results, contest_heads, contest_rules, contests, dialogue_steps, differences, dispute_events, disputes, evidence,
  exports, fee_plans, fraud_entries, fraud_findings, fraud_limits,
  invitations, juror_names, jurors, jury_sheets, log_checkpoints, log_cosignatures, log_heads, log_keys, log_leaves, log_rules, log_tiles, messages_out, order_keys, organisers, overlays,
  payment_events, payments, payout_events, payouts, postings, refund_events, refunds, rollup_hours, rollup_minutes,
  rollup_position, rounds, staff_requests, support_tickets,
  tally_entries, video_uploads, void_rows, votes to spotlight_tenant

grant select (id, email, name, language, role, organiser_id, contest_id, active, created_at, signed_in_at,
  totp_confirmed_at) on staff to spotlight_tenant

-- What they write themselves; money is moved by the service, when two persons agreed.
grant insert on audit_log, candidate_changes, candidate_totals, candidates, contest_heads, contest_rules, contests,
  fraud_limits, mails,
  staff_requests, void_rows
  to spotlight_tenant

grant insert, update on brands, invitations, overlays to spotlight_tenant

grant insert, delete on candidate_imports, rounds to spotlight_tenant

grant select, insert, update, delete on order_filters to spotlight_tenant

grant select (candidate_id, contact_cipher, contact_index, guardian_cipher, language), insert, update (token_hash)
  on candidate_links
  to spotlight_tenant

grant select, update, delete on candidate_corrections to spotlight_tenant

-- Candidates are told what was decided about them.
create policy told on messages_out for insert to spotlight_tenant
  with check (payment_reference is null and kind like 'nomination_%')

grant insert on messages_out to spotlight_tenant

grant select (id, organiser_id, contest_id, channel, language, made_by, kinds, gap_seconds, staff_id, host, code_until,
  chat_id, made_at, failing_since, stopped_at, removed_at), insert, update (failing_since, stopped_at, removed_at)
  on alert_destinations to spotlight_tenant

grant select, insert, update (status, next_try_at, ended_at, answer) on alerts to spotlight_tenant

grant update on candidates, contests, support_tickets to spotlight_tenant

grant insert, update (state, try_at, finished_at) on exports to spotlight_tenant

grant insert, update (lifted_at, lifted_by) on fraud_entries to spotlight_tenant

grant insert on juror_names, jurors to spotlight_tenant

grant insert, update (status, decided_by, decided_at, number) on jury_sheets to spotlight_tenant

grant insert, update (retired_at) on beneficiaries to spotlight_tenant

grant update (preview) on staff_requests to spotlight_tenant

grant update (name, role, contest_id, active) on staff to spotlight_tenant

grant insert, update (state, ask_at, reason, decided_by, decided_at) on video_uploads to spotlight_tenant

grant select (id, staff_id, asked_by, reason, asked_at, agreed_by, agreed_at, due_at, done_at, stopped_at), insert,
  update (agreed_by, agreed_at, due_at, link_hash, stopped_at, stopped_by) on factor_resets to spotlight_tenant

grant select (staff_id) on passkeys to spotlight_tenant

grant select (staff_id, family, revoked_at), update (revoked_at) on staff_sessions to spotlight_tenant

-- Not the key.
grant select (contest_id, number, sha256, began_index, began_at, released_at, asked_by, agreed_by, opened_index)
  on log_seals to spotlight_tenant

grant execute on function discard_draft(uuid) to spotlight_tenant
