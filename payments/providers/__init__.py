"""Operators that take money, one module each; found by `gateway.discovery`."""
