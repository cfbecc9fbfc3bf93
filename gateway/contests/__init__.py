"""Contests, their candidates and codes."""
