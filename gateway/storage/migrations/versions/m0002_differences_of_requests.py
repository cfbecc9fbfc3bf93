"""What a request about differences is about is one row of ids; a difference names the request that decided it."""

from alembic import op

revision = "m0002"
down_revision = "m0001"


def upgrade() -> None:
    """The ids of requests that are not carried out yet are taken over."""
    for statement in (
        """
        create table difference_requests (
          request_id uuid not null primary key references staff_requests (id),
          differences bigint[] not null)
        """,
        "grant select, insert on difference_requests to spotlight_app",
        """
        insert into difference_requests (request_id, differences)
        select request_id, array_agg(id order by id) from differences where request_id is not null and status = 'open'
        group by 1
        """,
        """
        update differences set request_id = null
        where request_id is not null and (status = 'open' or resolved_by = 'spotlight')
        """,
    ):
        op.get_bind().exec_driver_sql(statement)
