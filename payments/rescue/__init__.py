"""Voters who say that they were debited, and their tickets."""
