drop trigger candidate_changes_append_only on candidate_changes

create trigger candidate_changes_append_only before update or truncate on candidate_changes
  for each statement execute function refuse_change()

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
  delete from contest_heads where contest_id = discarded;
  delete from contests where id = discarded;
  return null;
exception when foreign_key_violation then
  return 'something else is about it: a request, a ticket or an order';
end $$

drop trigger candidates_stay on candidates

create trigger candidates_stay before delete on candidates for each row execute function refuse_unless_draft()

revoke all on function discard_draft(uuid) from public

grant execute on function discard_draft(uuid) to spotlight_app, spotlight_tenant
