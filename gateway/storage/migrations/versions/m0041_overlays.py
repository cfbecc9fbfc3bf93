"""What the studio shows over a broadcaster's picture."""

from typing import Final

from alembic import op

revision = "m0041"
down_revision = "m0040"
_DISCARD: Final = """
create or replace function discard_draft(discarded uuid) returns text language plpgsql
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
"""


def upgrade() -> None:
    """A new table; every overlay is hidden. A draft that is discarded takes its own along."""
    for statement in (
        """
        create table overlays (
          contest_id uuid not null primary key references contests (id),
          view text not null default 'hidden' check (view in ('hidden', 'lower_third', 'board', 'countdown')),
          places integer not null default 5 check (places between 1 and 12),
          category text not null default '',
          round integer not null default 0 check (round >= 0),
          delay_seconds integer not null default 0 check (delay_seconds between 0 and 60),
          link_number integer not null default 0,
          blackout_since timestamptz,
          frozen_at timestamptz,
          frozen_figures jsonb,
          check ((frozen_at is null) = (frozen_figures is null)))
        """,
        "grant select, insert, update on overlays to spotlight_app",
        "select limit_to_organiser('overlays', 'contest_id in (select id from contests)')",
        "grant select, insert, update on overlays to spotlight_tenant",
        _DISCARD,
    ):
        op.get_bind().exec_driver_sql(statement)
