"""Files that staff take away: candidates, orders, payments and the book of a contest, its month, its result."""
