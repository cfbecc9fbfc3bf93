"""Alembic's environment: the database's history, one numbered file a step."""

from importlib import resources
from typing import Final

FOLDER: Final = resources.files("gateway.storage") / "migrations"


def revisions() -> frozenset[str]:
    """Names of all states that the schema has had; the greatest is the newest. From the names of the files, because
    Alembic takes long to import."""
    files = (file.name for file in (FOLDER / "versions").iterdir())
    return frozenset(name.partition("_")[0] for name in files if name.startswith("m"))
