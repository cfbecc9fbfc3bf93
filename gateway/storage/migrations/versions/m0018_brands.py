"""Organisers and contests have colours, a logo and a banner."""

from alembic import op

revision = "m0018"
down_revision = "m0017"


def upgrade() -> None:
    """Nobody has any yet."""
    for statement in (
        """
        create table brands (
          id uuid not null primary key,
          organiser_id uuid not null references organisers (id),
          contest_id uuid references contests (id),
          accent text not null default '',
          accent_dark text not null default '',
          logo text,
          banner text,
          logo_widths integer[] not null default '{}',
          banner_widths integer[] not null default '{}',
          logo_height integer not null default 0,
          banner_height integer not null default 0,
          logo_needs_white boolean not null default false,
          constraint brands_owner check (id = coalesce(contest_id, organiser_id)),
          check (accent ~ '^(#[0-9a-f]{6})?$'),
          check (accent_dark ~ '^(#[0-9a-f]{6})?$'),
          constraint brands_pictures check (
            (logo is null) = (logo_widths = '{}') and (banner is null) = (banner_widths = '{}')))
        """,
        "grant select, insert, update on brands to spotlight_app",
        """
        select limit_to_organiser('brands', 'organiser_id in (select id from organisers)
          and (contest_id is null or contest_id in (select id from contests))')
        """,
        "grant select, insert, update on brands to spotlight_tenant",
    ):
        op.get_bind().exec_driver_sql(statement)
