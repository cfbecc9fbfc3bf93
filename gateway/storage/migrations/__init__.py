"""Alembic's environment: the database's history, one numbered file a step."""
