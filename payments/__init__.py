"""How money reaches us: one folder an operator, one way to call out, one route for callbacks."""
