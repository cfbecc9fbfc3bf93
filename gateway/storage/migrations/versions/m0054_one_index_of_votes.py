"""An index of payments is written at each step of a payment: by which a vote's payments are found, and that one of them
is counted at most, is one index in place of two; open prompts of a number are found among its last orders. And what is
written several times has space on its page."""

from alembic import op

revision = "m0054"
down_revision = "m0053"

_MAKE_PARTITIONS = """
create or replace function make_partitions(months integer) returns setof text language plpgsql
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
        return next name;
      end if;
    end loop;
  end loop;
end $$
"""
_MAKE_ROOM = """
do $$ declare part record; begin
  for part in
    select c.relname, case i.inhparent when 'payments'::regclass then 50 else 60 end as filled
    from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent in ('payments'::regclass, 'callbacks'::regclass) and c.relkind = 'r'
  loop
    execute format('alter table %I set (fillfactor = %s)', part.relname, part.filled);
  end loop;
end $$
"""


def upgrade() -> None:
    """Rows stay as they are: only new ones leave space."""
    for statement in (
        "drop index payments_of_vote",
        """
        create unique index payments_of_vote on payments (
          vote_id, placed_at, (case when status in ('settled','held') then true end))
        """,
        "drop index payments_counted_once",
        "drop index payments_prompting",
        _MAKE_PARTITIONS,
        _MAKE_ROOM,
        "alter table messages_out set (fillfactor = 65)",
    ):
        op.get_bind().exec_driver_sql(statement)
