"""What is old goes: how long each is kept is for the settings to say."""

from alembic import op

revision = "0013"
down_revision = "0012"

TABLES = [
    "create table upkeep (task text primary key, finished_at timestamptz, failed_at timestamptz, error text)",
    "alter table messages_out add column purged_at timestamptz",
    "drop index messages_out_created",
    "create index messages_out_created on messages_out (created_at) where purged_at is null",
    "create index messages_in_received on messages_in (received_at)",
    "create index staff_sessions_ended on staff_sessions (expires_at)",
]

# The service may have whole months of callbacks dropped that were all judged, and none younger than this.
DROPPING = """
create function drop_callbacks(days integer) returns setof text language plpgsql
  security definer set search_path = public, pg_temp as $$
declare part text; waiting boolean;
begin
  -- Callbacks that arrive wait for this lock; after so long they would go to the spool.
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
"""

GRANTS = [
    "revoke all on function drop_callbacks(integer) from public",
    "grant execute on function drop_callbacks(integer) to spotlight_app",
    "grant select, insert, update on upkeep to spotlight_app",
    "grant update (params, recipient_index, recipient_cipher, purged_at) on messages_out to spotlight_app",
    "grant delete on messages_out, messages_in, delivery_reports, staff_sessions to spotlight_app",
]


def upgrade() -> None:
    """Add what purging needs."""
    for statement in (*TABLES, DROPPING, *GRANTS):
        op.execute(statement)
