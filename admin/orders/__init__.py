"""Orders as staff see them: search, the story of one order, tickets of voters."""
