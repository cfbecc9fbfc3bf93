"""Money for payers."""
