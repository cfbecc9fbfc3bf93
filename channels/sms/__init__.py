"""SMS: votes by text, and every text that we send."""
