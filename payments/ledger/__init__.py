"""The book: balanced postings of francs and votes, and what is read from it."""
