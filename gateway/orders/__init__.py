"""Orders: what may be sold, how it may be paid, and the verb that sells."""
