"""Statements of operators, read as they are exported."""
