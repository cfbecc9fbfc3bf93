-- What was counted, booked or noted is never changed, not even by the tables' owner.
create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% is append-only', tg_table_name using errcode = 'insufficient_privilege';
end $$

create trigger audit_log_append_only before update or delete or truncate on audit_log
  for each statement execute function refuse_change()

create trigger balance_checks_append_only before update or delete or truncate on balance_checks
  for each statement execute function refuse_change()

create trigger candidate_changes_append_only before update or truncate on candidate_changes
  for each statement execute function refuse_change()

create trigger certified_results_stay before delete or truncate on certified_results
  for each statement execute function refuse_change()

create trigger certified_results_are_logged_once before update on certified_results for each row
  when (old.leaf is not null or (old.contest_id, old.number, old.document, old.sha256, old.reason, old.request_id,
    old.made_at) is distinct from (new.contest_id, new.number, new.document, new.sha256, new.reason, new.request_id,
    new.made_at))
  execute function refuse_change()

create trigger contest_rules_append_only before update or delete or truncate on contest_rules
  for each statement execute function refuse_change()

create trigger dispute_events_append_only before update or delete or truncate on dispute_events
  for each statement execute function refuse_change()

create trigger evidence_append_only before update or delete or truncate on evidence
  for each statement execute function refuse_change()

create trigger fee_plans_append_only before update or delete or truncate on fee_plans
  for each statement execute function refuse_change()

create trigger fraud_findings_append_only before update or delete or truncate on fraud_findings
  for each statement execute function refuse_change()

create trigger fraud_limits_append_only before update or delete or truncate on fraud_limits
  for each statement execute function refuse_change()

create trigger log_checkpoints_append_only before update or delete or truncate on log_checkpoints
  for each statement execute function refuse_change()

create trigger log_cosignatures_append_only before update or delete or truncate on log_cosignatures
  for each statement execute function refuse_change()

create trigger log_keys_append_only before update or delete or truncate on log_keys
  for each statement execute function refuse_change()

create trigger log_leaves_append_only before update or delete or truncate on log_leaves
  for each statement execute function refuse_change()

create trigger log_rules_append_only before update or delete or truncate on log_rules
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

-- A juror's points are decided about once, and logged once.
create function refuse_decided_points() returns trigger language plpgsql as $$
begin
  raise exception 'points that were decided about are never changed' using errcode = 'insufficient_privilege';
end $$

create trigger jurors_append_only before update or delete or truncate on jurors
  for each statement execute function refuse_change()

create trigger juror_names_append_only before update or delete or truncate on juror_names
  for each statement execute function refuse_change()

create trigger jury_sheets_stay before delete or truncate on jury_sheets
  for each statement execute function refuse_change()

create trigger jury_sheets_are_decided_once before update on jury_sheets for each row
  when (old.id <> new.id or old.contest_id <> new.contest_id or old.round <> new.round or old.category <> new.category
    or old.juror <> new.juror or old.points <> new.points or old.entered_by <> new.entered_by
    or old.entered_at <> new.entered_at or old.leaf is not null
    or old.status <> 'waiting' and (old.status, old.decided_by, old.decided_at, old.number)
      is distinct from (new.status, new.decided_by, new.decided_at, new.number))
  execute function refuse_decided_points()

-- What stays of what was published goes with a draft that is discarded.
create function refuse_unless_draft() returns trigger language plpgsql as $$
begin
  if exists (select from contests c where c.id = old.contest_id and c.state = 'draft') then
    return old;
  end if;
  raise exception '% is append-only', tg_table_name using errcode = 'insufficient_privilege';
end $$

create trigger candidate_changes_stay before delete on candidate_changes for each row
  execute function refuse_unless_draft()

-- A draft and all that only it has; why not, where it stays. For an organiser's staff it must be that organiser's.
create function discard_draft(discarded uuid) returns text language plpgsql
  security definer set search_path = public, pg_temp as $$
declare own uuid := nullif(current_setting('app.organiser', true), '')::uuid;
begin
  perform from contests where id = discarded and state = 'draft' and organiser_id = coalesce(own, organiser_id)
    for update;
  if not found or exists (select from contest_rules where contest_id = discarded) then
    return 'only a draft is discarded';
  end if;
  if exists (select from video_uploads where contest_id = discarded and (state <> 'gone' or ask_at is not null)) then
    return 'remove its videos first, and wait until they are gone';
  end if;
  if exists (select from staff where contest_id = discarded) then
    return 'an auditor reads this contest alone: give them another role first';
  end if;
  delete from invitations where contest_id = discarded;
  delete from candidate_imports where contest_id = discarded;
  delete from video_uploads where contest_id = discarded;
  delete from candidate_corrections where candidate_id in (select id from candidates where contest_id = discarded);
  delete from candidate_links where candidate_id in (select id from candidates where contest_id = discarded);
  delete from candidate_changes where contest_id = discarded;
  delete from candidate_totals where contest_id = discarded;
  delete from candidates where contest_id = discarded;
  delete from rounds where contest_id = discarded;
  delete from brands where contest_id = discarded;
  delete from overlays where contest_id = discarded;
  delete from contest_heads where contest_id = discarded;
  delete from contests where id = discarded;
  return null;
exception when foreign_key_violation then
  return 'something else is about it: a request, a ticket or an order';
end $$

-- A code that was given to a candidate is never given to another one. A nomination's number begins with 00 and is none.
create function refuse_new_code() returns trigger language plpgsql as $$
begin
  raise exception 'the code of a candidate is for ever' using errcode = 'check_violation';
end $$

create trigger candidates_keep_their_code before update of code, contest_id on candidates for each row
  when (old.code is distinct from new.code and not (old.code like '00%' and new.code not like '00%')
    or old.contest_id is distinct from new.contest_id)
  execute function refuse_new_code()

create trigger candidates_stay before delete on candidates for each row execute function refuse_unless_draft()

-- PostgreSQL knows how often a value repeats only after it has analyzed a table, about a minute after its first rows.
-- Until then it would take any id for one of 200, and read a new month whole.
create function presume_distinct(part text, parent text) returns void language plpgsql
  set search_path = public as $$
declare key record;
begin
  for key in select * from (values
      ('votes', 'id', -1.0), ('votes', 'voter_index', -0.2),
      ('payments', 'reference', -1.0), ('payments', 'vote_id', -1.0), ('payments', 'provider_reference', -1.0),
      ('payments', 'payer_index', -0.2),
      ('callbacks', 'id', -1.0), ('callbacks', 'record_id', -1.0), ('callbacks', 'payment_reference', -0.3),
      ('callbacks', 'body_hash', -0.5)) k(of, name, share) where k.of = parent
  loop
    perform pg_restore_attribute_stats('schemaname', 'public', 'relname', part, 'attname', key.name::text,
      'inherited', false, 'null_frac', 0::real, 'avg_width', 16, 'n_distinct', key.share::real);
  end loop;
end $$

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
        execute format('create table %I partition of %I for values from (%L) to (%L) %s', name, parent,
          month::text || ' 00:00:00+00', (month + interval '1 month')::date::text || ' 00:00:00+00',
          case parent when 'payments' then 'with (fillfactor = 50)' when 'callbacks' then 'with (fillfactor = 60)' end);
        perform presume_distinct(name, parent);
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
