"""Texts to voters: the outbox, what comes in, and who is reminded."""
