"""A contest's ranking over a broadcaster's picture."""
