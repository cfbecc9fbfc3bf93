"""A new month's tables say from the start how often a value of theirs repeats. PostgreSQL finds out about a minute after
their first rows; until then it took any id for one of 200, and read them whole."""

from alembic import op

revision = "m0055"
down_revision = "m0054"

_PRESUME_DISTINCT = """
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
"""
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
        perform presume_distinct(name, parent);
        return next name;
      end if;
    end loop;
  end loop;
end $$
"""
_PRESUME_NOW = """
select presume_distinct(c.relname, i.inhparent::regclass::text) from pg_inherits i join pg_class c on c.oid = i.inhrelid
where i.inhparent in ('votes'::regclass, 'payments'::regclass, 'callbacks'::regclass) and c.relkind = 'r'
  and c.reltuples <= 0
"""


def upgrade() -> None:
    """Months that were never analyzed get it now."""
    for statement in (_PRESUME_DISTINCT, _MAKE_PARTITIONS, _PRESUME_NOW):
        op.get_bind().exec_driver_sql(statement)
