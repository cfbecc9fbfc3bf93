"""Money for organisers."""
