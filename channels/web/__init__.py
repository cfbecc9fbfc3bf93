"""The web as a channel: the vote API, and pages with a form for those who have no client."""
