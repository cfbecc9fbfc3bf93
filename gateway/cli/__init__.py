"""The `spotlight` command."""
