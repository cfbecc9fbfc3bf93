"""Money as staff see it: the book, statements of operators, refunds, payouts."""
