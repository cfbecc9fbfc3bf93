"""Operators that take money, one folder each; found by `gateway.runtime.discovery`."""
