"""PostgreSQL and Valkey from wheels: private servers under a data directory, for the demo and the tests.

Nothing listens on a TCP port. Both servers answer on a Unix socket in a directory that only their
own user may enter, which is why trust authentication is safe here and nowhere else.
"""

from gateway.runtime.embedded.data_directory import EngineError, file_system_errors, hold
from gateway.runtime.embedded.engine import Engine, die_with_parent
from gateway.runtime.embedded.postgres import APP_ROLE, DATABASE, OWNER_ROLE, SUPERUSER, Postgres, prepare_database
from gateway.runtime.embedded.valkey import Valkey

__all__ = [
    "APP_ROLE",
    "DATABASE",
    "OWNER_ROLE",
    "SUPERUSER",
    "Engine",
    "EngineError",
    "Postgres",
    "Valkey",
    "die_with_parent",
    "file_system_errors",
    "hold",
    "prepare_database",
]
