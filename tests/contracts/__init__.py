"""Promises that every adapter of a kind keeps, tried on each of them by one engine."""
