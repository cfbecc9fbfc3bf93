"""How money reaches us: one provider file an operator, one way to call out, one route for callbacks."""
