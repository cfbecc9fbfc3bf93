"""Journeys of those who run a contest: from its first draft to its money."""
