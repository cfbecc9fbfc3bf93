"""Videos of candidates: uploads that we signed, and what Cloudinary notified."""

from alembic import op

revision = "m0009"
down_revision = "m0008"


def upgrade() -> None:
    """New tables."""
    for statement in (
        """
        create table video_uploads (
          public_id text not null,
          contest_id uuid not null,
          candidate_id uuid not null,
          state text default 'issued' not null,
          issued_at timestamp with time zone default now() not null,
          issued_by text not null,
          ask_at timestamp with time zone,
          checks integer default 0 not null,
          asset_id text,
          version bigint,
          bytes bigint,
          milliseconds integer,
          width integer,
          height integer,
          fault text,
          reason text,
          decided_by text,
          decided_at timestamp with time zone,
          primary key (public_id),
          check (state in ('issued', 'uploaded', 'ready', 'approved', 'rejected', 'gone')),
          constraint video_uploads_checked check (state not in ('ready', 'approved') or version is not null),
          foreign key(contest_id) references contests (id),
          foreign key(candidate_id) references candidates (id)
        )
        """,
        "create index video_uploads_due on video_uploads (ask_at) where ask_at is not null",
        "create index video_uploads_issued on video_uploads (contest_id, issued_at desc)",
        "create index video_uploads_of on video_uploads (candidate_id, issued_at desc)",
        "create unique index video_uploads_shown on video_uploads (candidate_id) where state = 'approved'",
        """
        create table video_notifications (
          kind text not null,
          key text not null,
          body text not null,
          received_at timestamp with time zone default now() not null,
          primary key (kind, key)
        )
        """,
        "create index video_notifications_received on video_notifications (received_at)",
        """
        grant insert, update (state, ask_at, checks, asset_id, version, bytes, milliseconds, width, height, fault, reason,
          decided_by, decided_at) on video_uploads to spotlight_app
        """,
        "grant insert, update, delete on video_notifications to spotlight_app",
        "grant select on video_uploads, video_notifications to spotlight_app",
        "select limit_to_organiser('video_uploads', 'contest_id in (select id from contests)')",
        "grant select, insert, update (state, ask_at, reason, decided_by, decided_at) on video_uploads to spotlight_tenant",
    ):
        op.get_bind().exec_driver_sql(statement)
