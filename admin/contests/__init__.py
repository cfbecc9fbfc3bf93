"""Contests as their organisers make, check and open them."""
