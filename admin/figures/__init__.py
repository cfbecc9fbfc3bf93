"""What organisers read of an evening: votes, money and orders by time, and what waits for a person."""
