"""Signing in: people who work here, their roles and rights, sessions and second factor."""
