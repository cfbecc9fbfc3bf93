"""What a command says when it cannot do its work: one sentence on stderr and an exit status."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import typer

FAILED: Final = 1
MISUSED: Final = 2


class ApiRefused(Exception):
    """The gateway refused; the text says why. `kind`: the last word of the problem's type."""

    def __init__(self, text: str, kind: str = "", status: int = 0) -> None:
        super().__init__(text)
        self.kind = kind
        self.status = status


class ContestFileError(Exception):
    """A document, a slug or an option that cannot be used; a sentence a line."""


@contextmanager
def report_failures() -> Iterator[None]:
    """End the command with a sentence for every failure that an operator can understand and mend.

    Anything else is a fault of ours and keeps its traceback.
    """
    try:
        yield
    except typer.Exit:
        raise
    except Exception as error:
        found = _sentence(error)
        if found is None:
            raise
        sentence, status = found
        for line in sentence.splitlines():
            print(f"error: {line}", file=sys.stderr)
        raise typer.Exit(status) from None


def _sentence(error: Exception) -> tuple[str, int] | None:
    from gateway.cli.running import NothingRuns
    from gateway.cli.up import UpError
    from gateway.contests.quotas import QuotaReached
    from gateway.runtime.embedded.engine import EngineError
    from gateway.runtime.settings import SettingsError
    from leaderboard.witness.folder import FolderWrong
    from payments.ledger.book import MoneyRefused

    if isinstance(error, SettingsError | NothingRuns | ContestFileError | MoneyRefused | QuotaReached | FolderWrong):
        return str(error), MISUSED
    if isinstance(error, EngineError | UpError):
        return str(error), FAILED
    if isinstance(error, ApiRefused):
        return str(error), FAILED if error.status >= 500 else MISUSED
    return _server_sentence(error)


def _server_sentence(error: Exception) -> tuple[str, int] | None:
    import asyncpg
    import httpx
    import redis
    import sqlalchemy.exc

    if isinstance(error, httpx.HTTPError):
        return f"the gateway cannot be reached: {_first_line(error)}", FAILED
    if isinstance(error, sqlalchemy.exc.DBAPIError) and error.orig is not None:
        return f"PostgreSQL: {_first_line(error.orig)}", FAILED
    if isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError | sqlalchemy.exc.SQLAlchemyError):
        return f"PostgreSQL: {_first_line(error)}", FAILED
    if isinstance(error, redis.RedisError):
        return f"Redis: {_first_line(error)}", FAILED
    if isinstance(error, ConnectionError | TimeoutError):
        return f"a server cannot be reached: {error}", FAILED
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else str(error), FAILED
    return None


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
