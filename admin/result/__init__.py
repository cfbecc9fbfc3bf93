"""Certifying the result of a contest: what must be decided before, and two persons who sign."""
