"""Sums of votes, money and orders by minute and hour, kept behind settlement from what happened to payments."""
