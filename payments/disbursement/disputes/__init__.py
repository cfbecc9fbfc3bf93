"""Money that an operator takes back from us."""
