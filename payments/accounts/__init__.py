"""Accounts at operators: how calls there go, and the circuit that opens where they fail."""
