"""Rules of a contest have versions, and a vote goes by the one under which it was placed."""

from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import orjson
from alembic import op
from sqlalchemy import text

revision = "m0013"
down_revision = "m0012"


def upgrade() -> None:
    """What holds now is the first version of every contest that is published."""
    connection = op.get_bind()
    for statement in (
        """
        alter table contests
          add column rules_version integer not null default 1,
          add column tie_break text not null default 'shared',
          add column refund_days integer,
          add constraint contests_tie_break_check check (tie_break in ('shared', 'earliest')),
          add constraint contests_refund_days_check check (refund_days >= 0)
        """,
        """
        create table contest_rules (
          contest_id uuid not null references contests (id),
          version integer not null,
          document jsonb not null,
          sha256 bytea not null,
          valid_from timestamptz not null,
          made_by text not null,
          made_at timestamptz not null default now(),
          primary key (contest_id, version))
        """,
        """
        create trigger contest_rules_append_only before update or delete or truncate on contest_rules
          for each statement execute function refuse_change()
        """,
        "grant select, insert on contest_rules to spotlight_app",
        "select limit_to_organiser('contest_rules', 'contest_id in (select id from contests)')",
        "grant select, insert on contest_rules to spotlight_tenant",
        """
        alter table votes
          add column rules_version integer not null default 1,
          add column counts_until timestamptz
        """,
        "alter table candidate_totals add column reached_seq bigint not null default 0",
        """
        update candidate_totals t set reached_seq = e.seq
        from (select candidate_id, max(seq) as seq from tally_entries group by 1) e
        where e.candidate_id = t.candidate_id
        """,
    ):
        connection.exec_driver_sql(statement)
    for contest in connection.execute(text("select * from contests where state <> 'draft'")).mappings():
        document = _document(dict(contest))
        connection.execute(
            text(
                "insert into contest_rules (contest_id, version, document, sha256, valid_from, made_by)"
                " values (:contest, 1, cast(:document as jsonb), :sha256, :since, 'upgrade')"
            ),
            {
                "contest": contest["id"],
                "document": document.decode(),
                "sha256": sha256(document).digest(),
                "since": contest["created_at"],
            },
        )


def _document(contest: dict[str, Any]) -> bytes:
    """As `gateway.contests.rules` writes it."""
    same = ("currency", "price_minor", "packs", "quantity_max", "confirm_above", "late_seconds", "tie_break")
    document = {
        "format": "spotlight rules 1",
        "contest": contest["slug"],
        "opens_at": _instant(contest["opens_at"]),
        "closes_at": _instant(contest["closes_at"]),
        **{name: contest[name] for name in same if contest[name] not in (None, [])},
    }
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)


def _instant(at: datetime) -> str:
    return f"{at.astimezone(UTC).isoformat().removesuffix('+00:00')}Z"
