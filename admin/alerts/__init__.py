"""Alerts: what the service found, sent to where an organiser's people want it."""
