"""The SMS carriers.

A module of this package that ends with a `SANDBOX` value is one carrier; nothing else is
edited.
"""
