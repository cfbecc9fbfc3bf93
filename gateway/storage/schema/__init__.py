"""The schema as it is now: tables by topic, and beside them in SQL what tables cannot say.

`functions.sql` holds functions and triggers, `rights.sql` the service's role and what it may do, `tenants.sql` which
rows an organiser's staff may see. Nothing runs them: the migrations in `gateway/storage/migrations` make the schema,
and a test holds the two together. In these files a blank line ends a statement.
"""

from gateway.storage.schema import contests, conversations, money, public_log, staff, statements
from gateway.storage.schema.columns import metadata

__all__ = ["contests", "conversations", "metadata", "money", "public_log", "staff", "statements"]
